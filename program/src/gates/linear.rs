//! Public-linear maps of shares and wires: nothing travels, every role applies the same map to what it holds.

use crate::code::{Buf, Copy, Instr, Lane, Role, V};
use crate::program::{Kind, Shape, Term, ValueId, View, WeightId};

use super::emit::{Emit, Lowered, Wire};
use super::expr::Expr;

/// The weight at the model owner, zeros at the data owner.
pub(super) fn server_share(e: &mut Emit<'_>, id: ValueId, weight: WeightId) -> Lowered {
    let len = e.len(id);
    Lowered::Share(match e.role {
        Role::ModelOwner => e.weight(weight),
        Role::DataOwner => Some(e.zeros(Lane::of(e.value(id).ring), len)),
        Role::Dealer => None,
    })
}

/// The input at the data owner, zeros at the model owner.
pub(super) fn client_share(e: &mut Emit<'_>, id: ValueId, input: u32) -> Lowered {
    let len = e.len(id);
    Lowered::Share(match e.role {
        Role::ModelOwner => Some(e.zeros(Lane::of(e.value(id).ring), len)),
        Role::DataOwner => Some(e.load_input(input, len)),
        Role::Dealer => None,
    })
}

/// The same words in a narrower ring.
pub(super) fn residue(e: &mut Emit<'_>, id: ValueId, source: ValueId) -> Lowered {
    let lane = Lane::of(e.value(id).ring);
    Lowered::Share(e.share(source).map(|share| e.fit(share, lane)))
}

/// Row-major strides of a shape.
fn strides(shape: &Shape) -> Vec<usize> {
    let mut out = vec![1; shape.len()];
    for d in (0..shape.len().saturating_sub(1)).rev() {
        out[d] = out[d + 1] * shape[d + 1];
    }
    out
}

fn four(v: &[usize], fill: usize) -> [usize; 4] {
    let mut out = [fill; 4];
    out[4 - v.len()..].copy_from_slice(v);
    out
}

/// Copies realising a view of a buffer of shape `from` into one of shape `to`.
fn rearrange(e: &mut Emit<'_>, src: Buf, from: &Shape, to: &Shape, view: &View) -> Buf {
    let source = strides(from);
    let target = strides(to);
    if matches!(view, View::Reshape) {
        return src;
    }
    let dst = e.new_buffer(e.lane(src), to.iter().product());
    let copy = |e: &mut Emit<'_>, dims: &[usize], src_strides: &[usize], src_offset: usize, dst_offset: usize| {
        e.push(Instr::Copy(Copy {
            dst,
            src,
            dims: four(dims, 1),
            dst_strides: four(&target, 0),
            src_strides: four(src_strides, 0),
            dst_offset,
            src_offset,
        }));
    };
    match view {
        View::Reshape => {}
        View::Permute(axes) => {
            let moved: Vec<usize> = axes.iter().map(|a| source[*a]).collect();
            copy(e, to, &moved, 0, 0);
        }
        View::Slice { axis, start } => copy(e, to, &source, start * source[*axis], 0),
        View::Gather { axis, index } => {
            let mut at = 0;
            while at < index.len() {
                let run = (1..index.len() - at).take_while(|i| index[at + i] == index[at] + i).count() + 1;
                let mut dims: Vec<usize> = to.to_vec();
                dims[*axis] = run;
                copy(e, &dims, &source, index[at] * source[*axis], at * target[*axis]);
                at += run;
            }
        }
    }
    dst
}

/// A rearranged wire or share.
pub(super) fn view(e: &mut Emit<'_>, id: ValueId, source: ValueId, view: &View) -> Lowered {
    let (from, to) = (e.value(source).shape.clone(), e.value(id).shape.clone());
    match e.value(source).kind {
        Kind::Share => Lowered::Share(e.share(source).map(|b| rearrange(e, b, &from, &to, view))),
        _ => {
            let w = e.wire(source);
            Lowered::Wire(Wire {
                hat: w.hat.map(|b| rearrange(e, b, &from, &to, view)),
                mask: w.mask.map(|m| m.map(|b| rearrange(e, b, &from, &to, view))),
            })
        }
    }
}

/// `d·x − Σx`, dithered truncation of the derived wire (rule C1).
pub(super) fn centre(e: &mut Emit<'_>, source: ValueId, truncate: u8) -> Lowered {
    let (len, ring, cols) = (e.len(source), e.value(source).ring, e.last(source));
    let rows = len / cols;
    let w = e.wire(source);
    let apply = |e: &mut Emit<'_>, buf: Buf, hat: bool| {
        let sums = e.sum_rows(buf, rows, cols);
        e.map(e.lane(buf), rows, cols, |b| {
            let (v, s, d) = (b.full(buf), b.row(sums), b.int(cols as u64));
            let p = b.mul(v, d);
            let mut z = b.sub(p, s);
            if hat && truncate > 0 {
                let half = b.int(1 << (truncate - 1));
                z = b.sub(z, half);
            }
            let z = b.low(z, ring);
            b.shr(z, truncate)
        })
    };
    Lowered::Wire(Wire { hat: w.hat.map(|h| apply(e, h, true)), mask: w.mask.map(|m| m.map(|m| apply(e, m, false))) })
}

/// The low bits of a wire and of its masks, after dithered truncation.
pub(super) fn reduce(e: &mut Emit<'_>, id: ValueId, source: ValueId, truncate: u8) -> Lowered {
    let (len, from, ring) = (e.len(source), e.value(source).ring, e.value(id).ring);
    let w = e.wire(source);
    let apply = |e: &mut Emit<'_>, buf: Buf, hat: bool| {
        e.map_to(e.lane(buf), Lane::of(ring), len, |b| {
            let mut z = b.full(buf);
            if hat && truncate > 0 {
                let half = b.int(1 << (truncate - 1));
                z = b.sub(z, half);
            }
            let z = b.low(z, from);
            let z = b.shr(z, truncate);
            b.low(z, ring)
        })
    };
    Lowered::Wire(Wire { hat: w.hat.map(|h| apply(e, h, true)), mask: w.mask.map(|m| m.map(|m| apply(e, m, false))) })
}

/// x − 2^shift u + term: both parts of u's mask, shifted, leave those of x.
pub(super) fn sub_row(
    e: &mut Emit<'_>,
    id: ValueId,
    (source, row): (ValueId, ValueId),
    shift: u8,
    term: i64,
) -> Lowered {
    let (rows, cols, ring) = (e.len(row), e.last(source), e.value(id).ring);
    let (w, u) = (e.wire(source), e.wire(row));
    let apply = |e: &mut Emit<'_>, buf: Buf, row: Buf, term: i64| {
        e.map(Lane::of(ring), rows, cols, |x| {
            let (v, u, term) = (x.full(buf), x.row(row), x.signed_int(term));
            let u = x.shl(u, shift);
            let v = x.sub(v, u);
            let v = x.add(v, term);
            x.low(v, ring)
        })
    };
    let hat = w.hat.zip(u.hat).map(|(v, u)| apply(e, v, u, term));
    let masks = [0, 1].map(|party| w.mask[party].zip(u.mask[party]).map(|(v, u)| apply(e, v, u, 0)));
    Lowered::Wire(Wire { hat, mask: masks })
}

fn combine(e: &mut Emit<'_>, id: ValueId, terms: &[Term], body: impl FnOnce(&mut Expr, &[V]) -> V) -> Lowered {
    let (len, lane) = (e.len(id), Lane::of(e.value(id).ring));
    let bufs: Option<Vec<Buf>> = terms.iter().map(|t| e.share(t.value)).collect();
    Lowered::Share(bufs.map(|bufs| {
        e.map(lane, 1, len, |x| {
            let values: Vec<V> = bufs
                .iter()
                .zip(terms)
                .map(|(b, t)| {
                    let v = x.full(*b);
                    x.shl(v, t.shift)
                })
                .collect();
            body(x, &values)
        })
    }))
}

pub(super) fn add(e: &mut Emit<'_>, id: ValueId, terms: &[Term]) -> Lowered {
    combine(e, id, terms, |x, v| x.sum(v))
}

pub(super) fn sub(e: &mut Emit<'_>, id: ValueId, left: Term, right: Term) -> Lowered {
    combine(e, id, &[left, right], |x, v| x.sub(v[0], v[1]))
}

/// Parts side by side along an axis.
pub(super) fn concat(e: &mut Emit<'_>, id: ValueId, parts: &[Term], axis: usize) -> Lowered {
    if e.party().is_none() {
        return Lowered::Share(None);
    }
    let shape = e.value(id).shape.clone();
    let target = strides(&shape);
    let lane = Lane::of(e.value(id).ring);
    let dst = e.new_buffer(lane, shape.iter().product());
    let mut at = 0;
    for part in parts {
        let from = e.value(part.value).shape.clone();
        let len = from.iter().product();
        let mut src = e.share(part.value).expect("a party's share");
        if part.shift > 0 || e.lane(src) != lane {
            let plain = src;
            src = e.map(lane, 1, len, |x| {
                let v = x.full(plain);
                x.shl(v, part.shift)
            });
        }
        e.push(Instr::Copy(Copy {
            dst,
            src,
            dims: four(&from, 1),
            dst_strides: four(&target, 0),
            src_strides: four(&strides(&from), 0),
            dst_offset: at * target[axis],
            src_offset: 0,
        }));
        at += from[axis];
    }
    Lowered::Share(Some(dst))
}

pub(super) fn sum_row(e: &mut Emit<'_>, source: ValueId) -> Lowered {
    let (len, cols) = (e.len(source), e.last(source));
    Lowered::Share(e.share(source).map(|b| e.sum_rows(b, len / cols, cols)))
}

pub(super) fn mul_public(e: &mut Emit<'_>, id: ValueId, source: ValueId, factor: i64) -> Lowered {
    let (len, lane) = (e.len(source), Lane::of(e.value(id).ring));
    Lowered::Share(e.share(source).map(|b| {
        e.map(lane, 1, len, |x| {
            let (v, f) = (x.full(b), x.signed_int(factor));
            x.mul(v, f)
        })
    }))
}

pub(super) fn add_public(e: &mut Emit<'_>, id: ValueId, source: ValueId, term: i64) -> Lowered {
    let (len, lane) = (e.len(source), Lane::of(e.value(id).ring));
    let share = e.share(source);
    if e.role != Role::ModelOwner {
        return Lowered::Share(share);
    }
    Lowered::Share(share.map(|b| {
        e.map(lane, 1, len, |x| {
            let (v, t) = (x.full(b), x.signed_int(term));
            x.add(v, t)
        })
    }))
}

/// Biases and embeddings: only the model owner's share changes.
pub(super) fn add_server(e: &mut Emit<'_>, id: ValueId, source: ValueId, weight: WeightId) -> Lowered {
    let share = e.share(source);
    let (Some(w), Some(b)) = (e.weight(weight), share) else { return Lowered::Share(share) };
    let len = e.len(source);
    let cols: usize = e.program.weights[weight.0 as usize].shape.iter().product();
    let lane = Lane::of(e.value(id).ring);
    Lowered::Share(Some(e.map(lane, len / cols, cols, |x| {
        let (v, w) = (x.full(b), x.col(w));
        let w = x.signed(w);
        x.add(v, w)
    })))
}
