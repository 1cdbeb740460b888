//! How a code generator computes maps: which loads at computed positions read a buffer in order, and whether pairs of
//! words are computed at once. Code generation does it, and estimates count by it.

use crate::code::{Access, Lane, Map, MapOp};
use crate::interpret::operands;

/// Operations with a vector form that a map must have for each without one, to be worth vectors.
const VECTOR_OPERATIONS_PER_WORD_OPERATION: usize = 6;

/// By operation of a checked map: the entry that a load at a computed index reads in row 0, if it reads the next one in
/// every next row and needs no clamping. `lengths` are those of all buffers.
pub fn in_order(map: &Map, lengths: &[usize]) -> Vec<Option<usize>> {
    // The low word of a value, if it is the row times the first number plus the second.
    let mut affine: Vec<Option<(u64, u64)>> = Vec::with_capacity(map.ops.len());
    let mut loads = Vec::with_capacity(map.ops.len());
    for op in &map.ops {
        let of = |v: &crate::code::V| affine[v.0 as usize];
        let mut first = None;
        let value = match op {
            MapOp::RowIndex => Some((1, 0)),
            MapOp::Const(c) => Some((0, *c)),
            MapOp::Add(a, b) => {
                let sum = |(a, b): (u64, u64), (c, d): (u64, u64)| (a.wrapping_add(c), b.wrapping_add(d));
                of(a).zip(of(b)).map(|(a, b)| sum(a, b))
            }
            MapOp::LoadAt(buf, index) => {
                first = match of(index) {
                    Some((1, first)) => usize::try_from(first).ok(),
                    _ => None,
                };
                let end = first.and_then(|first| first.checked_add(map.rows));
                first = first.filter(|_| end.is_some_and(|end| end <= lengths[buf.0 as usize]));
                None
            }
            _ => None,
        };
        affine.push(value);
        loads.push(first);
    }
    loads
}

/// Whether an operation on each word of a vector is one operation; a load at a computed index is none.
pub fn has_vector_form(op: &MapOp) -> bool {
    !matches!(op, MapOp::LoadAt(..) | MapOp::ShlBy(..) | MapOp::ShrBy(..) | MapOp::Parity(_))
}

/// Whether pairs of columns are cheaper as vectors, which hold words only, for a map in this lane with these operations
/// on values that differ along a row. An operation without a vector form takes both words of its operands out of their
/// vectors and puts two results into one, which costs more than one vector operation saves.
pub fn worth_vectors<'a>(lane: Lane, varying: impl Iterator<Item = &'a MapOp>) -> bool {
    let (mut vector, mut scalar) = (0, 0);
    for op in varying.filter(|op| !matches!(op, MapOp::Load(..) | MapOp::Const(_) | MapOp::RowIndex)) {
        *if has_vector_form(op) { &mut vector } else { &mut scalar } += 1;
    }
    lane == Lane::Word && scalar * VECTOR_OPERATIONS_PER_WORD_OPERATION <= vector
}

/// [`worth_vectors`] of a map.
pub fn is_vector(map: &Map, lengths: &[usize]) -> bool {
    let in_order = in_order(map, lengths);
    let along = varies(map);
    let varying = map.ops.iter().zip(along).zip(in_order);
    worth_vectors(map.lane, varying.filter(|((_, along), first)| along.0 && first.is_none()).map(|((op, _), _)| op))
}

/// By operation, whether its value differs along a row, and along a column. A single row or column counts as what is
/// computed entry by entry.
pub fn varies(map: &Map) -> Vec<(bool, bool)> {
    let mut varies: Vec<(bool, bool)> = Vec::with_capacity(map.ops.len());
    for op in &map.ops {
        let own = match *op {
            MapOp::Load(_, Access::Full) => (true, true),
            MapOp::Load(_, Access::Row) | MapOp::RowIndex => (map.cols == 1, true),
            MapOp::Load(_, Access::Col) => (true, map.rows == 1),
            MapOp::Const(_) => (false, false),
            _ => operands(op).map(|v| varies[v.0 as usize]).fold((false, false), |a, b| (a.0 || b.0, a.1 || b.1)),
        };
        varies.push(own);
    }
    varies
}
