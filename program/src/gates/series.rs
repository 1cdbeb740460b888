//! G11: a trigonometric series of a wire, by integer factors public at the wire and shared at its mask.

use crate::code::{Buf, Instr, Lane, V};
use crate::program::{ValueId, frequencies};

use super::emit::{Emit, Lowered};
use super::expr::Expr;

/// Σ_j A_j cos(ωj x) + B_j sin(ωj x) for the wire x^ = x + r: with the public C = cos ωjx^ and S = sin ωjx^ it is
/// Σ_j (A_j C + B_j S) cos ωjr + (A_j S − B_j C) sin ωjr, each factor in front rounded down once.
pub(super) fn trig_series(
    e: &mut Emit<'_>,
    id: ValueId,
    source: ValueId,
    (period_bits, fraction): (u8, u8),
    cosines: &[i64],
    sines: &[i64],
) -> Lowered {
    let (len, ring) = (e.len(id), e.value(id).ring);
    let lane = Lane::of(ring);
    let count = frequencies(cosines, sines);
    let wire = e.wire(source);
    let (cos, sin) = (e.correlated(1), e.correlated(2));
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let [ch, sh] = harmonics(e, wire.hat.expect("opened"), len, (period_bits, fraction, count));
    let (c, s) = (e.own(cos), e.own(sin));
    Lowered::Share(Some(e.map(lane, len, 1, |x| {
        let mut out = x.signed_int(if party == 0 { cosines[0] << fraction } else { 0 });
        let at = x.row_index();
        for j in 0..count {
            let offset = x.int((j * len) as u64);
            let at = x.add(at, offset);
            let [a, b] = [cosines.get(j + 1), sines.get(j)].map(|k| k.copied().unwrap_or(0));
            for (public, secret, other, b) in [(ch, c, sh, b), (sh, s, ch, -b)] {
                let Some(p) = factor(x, at, [(a, public), (b, other)]) else { continue };
                let (p, q) = (x.sar(p, fraction), x.at(secret, at));
                let t = x.mul(p, q);
                out = x.add(out, t);
            }
        }
        out
    })))
}

/// cos and sin of `count` harmonics of `src`.
pub(super) fn harmonics(
    e: &mut Emit<'_>,
    src: Buf,
    len: usize,
    (period_bits, fraction, count): (u8, u8, usize),
) -> [Buf; 2] {
    let src = e.fit(src, Lane::Word);
    let [cos, sin] = [(); 2].map(|()| e.new_buffer(Lane::Word, count * len));
    e.push(Instr::Harmonics { cos, sin, src, period_bits, fraction, count });
    [cos, sin]
}

/// The sum of the public factors at a position, each times its coefficient; nothing if both coefficients are zero.
fn factor(x: &mut Expr, at: V, terms: [(i64, Buf); 2]) -> Option<V> {
    let products = terms.into_iter().filter(|(coefficient, _)| *coefficient != 0).map(|(coefficient, buf)| {
        let coefficient = x.signed_int(coefficient);
        let p = x.at(buf, at);
        let p = x.signed(p);
        x.mul(coefficient, p)
    });
    let products: Vec<V> = products.collect();
    (!products.is_empty()).then(|| x.sum(&products))
}
