//! G10: a smooth function of one positive scalar per row, by tables fitted in the masked domain.

use crate::code::{Buf, Copy, Instr, Lane, RowTable, V};
use crate::correlation::{chain_products, chain_terms, pick};
use crate::program::ValueId;

use super::emit::{Emit, Lowered};

fn place(e: &mut Emit<'_>, dst: Buf, src: Buf, rows: usize, columns: usize, column: usize) {
    e.push(Instr::Copy(Copy {
        dst,
        src,
        dims: [1, 1, 1, rows],
        dst_strides: [0, 0, 0, columns],
        src_strides: [0, 0, 0, 1],
        dst_offset: column,
        src_offset: 0,
    }));
}

fn column(e: &mut Emit<'_>, src: Buf, rows: usize, columns: usize, column: usize) -> Buf {
    let dst = e.new_buffer(e.lane(src), rows);
    e.push(Instr::Copy(Copy {
        dst,
        src,
        dims: [1, 1, 1, rows],
        dst_strides: [0, 0, 0, 1],
        src_strides: [0, 0, 0, columns],
        dst_offset: 0,
        src_offset: column,
    }));
    dst
}

/// The columns of `[rows, columns]`.
pub(super) fn split(e: &mut Emit<'_>, src: Buf, columns: usize) -> Vec<Buf> {
    let rows = e.entries(src) / columns;
    (0..columns).map(|c| column(e, src, rows, columns, c)).collect()
}

/// Shares of T_w = Σ_q τ_q B_q\[j_w\] and of the low-range flags L_w at the public bucket of each window.
pub(super) fn row_table(e: &mut Emit<'_>, id: ValueId, source: ValueId, table: RowTable) -> Lowered {
    let rows = e.len(source);
    let lane = Lane::of(e.value(id).ring);
    let words = table.words_per_row();
    let wire = e.wire(source);
    let dealt = e.correlated(1);
    if e.party().is_none() {
        return Lowered::Share(None);
    }
    let (hat, own) = (wire.hat.expect("opened"), e.own(dealt));
    let (windows, n, g) = (usize::from(table.windows), table.index_bits, table.tau_bits);
    let powers = usize::from(table.degree) + 1;
    let bucket = |x: &mut super::expr::Expr, w: usize| -> (V, V) {
        let k = table.ring_bits - w as u8 * (n - 2);
        let s = k - n;
        let h = x.full(hat);
        let h = x.low(h, k);
        let tau = x.low(h, s);
        let tau = if s >= g { x.shr(tau, s - g) } else { x.shl(tau, g - s) };
        (x.shr(h, s), tau)
    };
    let lookup = |x: &mut super::expr::Expr, j: V, block: usize| -> V {
        let (row, stride) = (x.row_index(), x.int(words as u64));
        let base = x.mul(row, stride);
        let offset = x.int((block as u64) << n);
        let at = x.add(base, offset);
        let at = x.add(at, j);
        x.at(own, at)
    };
    let mut columns: Vec<Buf> = (0..windows)
        .map(|w| {
            e.map(lane, rows, 1, |x| {
                let (j, tau) = bucket(x, w);
                let b = lookup(x, j, w * powers);
                let mut sum = x.shl(b, g);
                let mut power = tau;
                for q in 1..powers {
                    let b = lookup(x, j, w * powers + q);
                    let t = x.mul(power, b);
                    sum = x.add(sum, t);
                    if q + 1 < powers {
                        let p = x.mul(power, tau);
                        power = x.shr(p, g);
                    }
                }
                sum
            })
        })
        .collect();
    columns.extend((0..windows - 1).map(|w| {
        e.map(lane, rows, 1, |x| {
            let (j, _) = bucket(x, w);
            lookup(x, j, windows * powers + w)
        })
    }));
    if let [only] = columns[..] {
        return Lowered::Share(Some(only));
    }
    let dst = e.new_buffer(lane, rows * columns.len());
    let count = columns.len();
    for (c, src) in columns.into_iter().enumerate() {
        place(e, dst, src, rows, count, c);
    }
    Lowered::Share(Some(dst))
}

/// Σ_w (∏_{u<w} L_u) T_w by G3 products of any degree: material is every product of at least two masks.
pub(super) fn window_chain(e: &mut Emit<'_>, id: ValueId, source: ValueId, windows: u8) -> Lowered {
    let (rows, ring) = (e.len(id), e.value(id).ring);
    let lane = Lane::of(ring);
    let windows = usize::from(windows);
    let columns = 2 * windows - 1;
    let wire = e.wire(source);
    let (terms, sets) = (chain_terms(windows), chain_products(windows));
    let masks = e.columns(source, columns);
    let material: Vec<_> = (1..).zip(&sets).map(|(number, _)| e.correlated(number)).collect();
    let Some(party) = e.party() else { return Lowered::Share(None) };
    let material: Vec<Buf> = material.into_iter().map(|m| e.own(m)).collect();
    let hats = split(e, wire.hat.expect("opened"), columns);
    let own = masks[party].as_ref().expect("own mask").clone();
    Lowered::Share(Some(e.map(lane, 1, rows, |x| {
        let mut out = x.int(0);
        for factors in &terms {
            for t in 0..1u32 << factors.len() {
                let set = pick(factors, t);
                if set == 0 && party != 0 {
                    continue;
                }
                let mut term = match set.count_ones() {
                    0 => x.int(1),
                    1 => x.full(own[set.trailing_zeros() as usize]),
                    _ => x.full(material[sets.binary_search(&set).expect("listed")]),
                };
                for c in factors.iter().filter(|c| set >> **c & 1 == 0) {
                    let h = x.full(hats[usize::from(*c)]);
                    term = x.mul(term, h);
                }
                out = if set.count_ones().is_multiple_of(2) { x.add(out, term) } else { x.sub(out, term) };
            }
        }
        out
    })))
}
