//! G11: an even trigonometric series of a wire, by integer factors public at the wire and shared at its mask.

use crate::code::{Buf, Instr, Lane};
use crate::program::ValueId;

use super::emit::{Emit, Lowered, Sharing};

/// Σ_j A_j cos(ωj x) with cos(ωj(x^ − r)) = cos ωjx^ cos ωjr + sin ωjx^ sin ωjr.
pub(super) fn cosine_series(
    e: &mut Emit<'_>,
    id: ValueId,
    source: ValueId,
    period_bits: u8,
    fraction: u8,
    coefficients: &[i64],
) -> Lowered {
    let (len, ring) = (e.len(id), e.value(id).ring);
    let lane = Lane::of(ring);
    let count = coefficients.len() - 1;
    let wire = e.wire(source);
    let harmonics = |e: &mut Emit<'_>, src: Buf| {
        let src = e.fit(src, Lane::Word);
        let [cos, sin] = [(); 2].map(|()| e.new_buffer(Lane::Word, count * len));
        e.push(Instr::Harmonics { cos, sin, src, period_bits, fraction, count });
        (cos, sin)
    };
    let dealt = e.party().is_none().then(|| {
        let r = e.total(wire.mask, period_bits, len);
        harmonics(e, r)
    });
    let cos = e.correlated(id, 1, ring, count * len, Sharing::Additive, |_| dealt.expect("dealer").0);
    let sin = e.correlated(id, 2, ring, count * len, Sharing::Additive, |_| dealt.expect("dealer").1);
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let (ch, sh) = harmonics(e, wire.hat.expect("opened"));
    let (c, s) = (e.own(cos), e.own(sin));
    Lowered::Share(Some(e.map(lane, len, 1, |x| {
        let mut out = x.signed_int(if party == 0 { coefficients[0] << fraction } else { 0 });
        let at = x.row_index();
        for (j, a) in coefficients[1..].iter().enumerate() {
            let offset = x.int((j * len) as u64);
            let at = x.add(at, offset);
            let a = x.signed_int(*a);
            for (public, secret) in [(ch, c), (sh, s)] {
                let (p, q) = (x.at(public, at), x.at(secret, at));
                let p = x.signed(p);
                let p = x.mul(a, p);
                let p = x.sar(p, fraction);
                let t = x.mul(p, q);
                out = x.add(out, t);
            }
        }
        out
    })))
}
