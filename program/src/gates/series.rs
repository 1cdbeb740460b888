//! G11: a trigonometric series of a wire, by integer factors public at the wire and shared at its mask.

use crate::code::{Buf, Instr, Lane, V};
use crate::correlation::harmonic;
use crate::program::ValueId;
use crate::series::{Frequency, parts, present};

use super::emit::{Emit, Lowered, Shares};
use super::expr::Expr;

/// Σ_j A_j cos(ωj x) + B_j sin(ωj x) for the wire x^ = x + r: with the public C = cos ωjx^ and S = sin ωjx^ it is
/// Σ_j (A_j C + B_j S) cos ωjr + (A_j S − B_j C) sin ωjr, each factor in front rounded once.
pub(super) fn trig_series(
    e: &mut Emit<'_>,
    id: ValueId,
    source: ValueId,
    (period_bits, fraction): (u8, u8),
    cosines: &[i64],
    sines: &[i64],
) -> Lowered {
    let (len, ring) = (e.len(id), e.value(id).ring);
    let (lane, parts) = (Lane::of(ring), parts(e.program.supplier));
    let wire = e.wire(source);
    let secret = |e: &mut Emit<'_>, multiple| [false, true].map(|sine| e.correlated(harmonic(multiple, sine)));
    let present: Vec<(Frequency, [Shares; 2])> =
        present(cosines, sines, fraction).map(|f| (f, secret(e, f.multiple))).collect();
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let hat = e.fit(wire.hat.expect("opened"), Lane::Word);
    let terms: Vec<_> = present
        .into_iter()
        .map(|(f, shares)| {
            let public = factors(e, hat, len, (period_bits, fraction, f.multiple));
            (f, public, shares.map(|shares| e.own(shares)))
        })
        .collect();
    Lowered::Share(Some(e.map(lane, 1, len, |x| {
        let out = x.signed_int(if party == 0 { cosines[0] << fraction } else { 0 });
        let mut out = x.shl(out, (parts - 1) * fraction);
        for (Frequency { cosine, sine, less, .. }, [ch, sh], [c, s]) in terms {
            for (public, secret, other, sine) in [(ch, c, sh, sine), (sh, s, ch, -sine)] {
                let Some(p) = factor(x, [(cosine, public), (sine, other)]) else { continue };
                let (p, q) = (rounded(x, p, fraction), x.full(secret));
                let t = x.mul(p, q);
                let t = x.shl(t, parts * less);
                out = x.add(out, t);
            }
        }
        out
    })))
}

/// cos and sin of a multiple of `src`, words.
pub(super) fn factors(
    e: &mut Emit<'_>,
    src: Buf,
    len: usize,
    (period_bits, fraction, multiple): (u8, u8, u16),
) -> [Buf; 2] {
    let [cos, sin] = [(); 2].map(|()| e.new_buffer(Lane::Word, len));
    e.push(Instr::Harmonic { cos, sin, src, period_bits, fraction, multiple });
    [cos, sin]
}

/// The sum of the public factors, each times its coefficient; nothing if both coefficients are zero.
fn factor(x: &mut Expr, terms: [(i64, Buf); 2]) -> Option<V> {
    let products = terms.into_iter().filter(|(coefficient, _)| *coefficient != 0).map(|(coefficient, buf)| {
        let coefficient = x.signed_int(coefficient);
        let p = x.full(buf);
        let p = x.signed(p);
        x.mul(coefficient, p)
    });
    let products: Vec<V> = products.collect();
    (!products.is_empty()).then(|| x.sum(&products))
}

/// A signed integer without `drop` low bits, to nearest.
pub(super) fn rounded(x: &mut Expr, value: V, drop: u8) -> V {
    if drop == 0 {
        return value;
    }
    let half = x.int(1 << (drop - 1));
    let value = x.add(value, half);
    x.sar(value, drop)
}
