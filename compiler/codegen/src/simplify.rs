//! Maps with fewer operations and the same results.
//!
//! Constants are folded, equal operations are computed once, loads at the row plus a constant become loads of a part of
//! the buffer, and what no store needs is dropped.

use std::collections::HashMap;

use mpcc_program::code::{Access, Buf, Lane, Map, MapOp, V};
use mpcc_program::forms::in_order;
use mpcc_program::interpret::operands;

/// An operation, or a load from a part of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// As in the map.
    Map(MapOp),
    /// As a load of the buffer that begins with this entry.
    LoadFrom(Buf, usize, Access),
}

impl Op {
    /// Values it uses, in order.
    pub(crate) fn operands(&self) -> impl Iterator<Item = V> {
        let op = match self {
            Op::Map(op) => Some(op),
            Op::LoadFrom(..) => None,
        };
        op.into_iter().flat_map(operands)
    }
}

/// Operations and stored values of a checked map whose buffers have `lengths` entries.
pub(crate) fn simplified(map: &Map, lengths: &[usize]) -> (Vec<Op>, Vec<(Buf, V)>) {
    let mut body = Body { lane: map.lane, ops: Vec::new(), bits: Vec::new(), known: HashMap::new() };
    let mut values = Vec::with_capacity(map.ops.len());
    for (op, in_order) in map.ops.iter().zip(in_order(map, lengths)) {
        values.push(match (*op, in_order) {
            (MapOp::LoadAt(buf, _), Some(first)) => body.push(Op::LoadFrom(buf, first, Access::Row)),
            _ => body.value(op.with(|v| values[v.0 as usize])),
        });
    }
    let stores = map.stores.iter().map(|&(buf, v)| (buf, values[v.0 as usize])).collect();
    alive(body.ops, stores)
}

/// Drops what no store needs.
fn alive(ops: Vec<Op>, mut stores: Vec<(Buf, V)>) -> (Vec<Op>, Vec<(Buf, V)>) {
    let mut used = vec![false; ops.len()];
    stores.iter().for_each(|(_, v)| used[v.0 as usize] = true);
    for (i, op) in ops.iter().enumerate().rev() {
        if used[i] {
            op.operands().for_each(|v| used[v.0 as usize] = true);
        }
    }
    let mut place = vec![V(0); ops.len()];
    let mut kept = Vec::with_capacity(ops.len());
    for (i, op) in ops.into_iter().enumerate().filter(|(i, _)| used[*i]) {
        place[i] = V(u32::try_from(kept.len()).expect("no more operations than before"));
        kept.push(match op {
            Op::Map(op) => Op::Map(op.with(|v| place[v.0 as usize])),
            load @ Op::LoadFrom(..) => load,
        });
    }
    stores.iter_mut().for_each(|(_, v)| *v = place[v.0 as usize]);
    (kept, stores)
}

/// What stands in place of an operation.
enum Shorter {
    /// An earlier value.
    Value(V),
    Op(MapOp),
}

/// A map under construction.
struct Body {
    lane: Lane,
    ops: Vec<Op>,
    /// By value, whether it is known to be 0 or 1.
    bits: Vec<bool>,
    known: HashMap<Op, V>,
}

impl Body {
    /// The value of an operation, which may be an earlier one.
    fn value(&mut self, op: MapOp) -> V {
        match self.shorter(op) {
            Shorter::Value(v) => v,
            Shorter::Op(op) => self.push(Op::Map(op)),
        }
    }

    /// What an operation with constant operands is. A constant has at most 64 bits in either lane.
    fn shorter(&self, op: MapOp) -> Shorter {
        let folded = |op: MapOp, word: fn(u64, u64) -> u64| {
            let constants: Option<Vec<u64>> = operands(&op).map(|v| self.constant(v)).collect();
            match constants.as_deref() {
                Some(&[a, b]) if self.lane == Lane::Word => Shorter::Op(MapOp::Const(word(a, b))),
                _ => Shorter::Op(op),
            }
        };
        let zero = Shorter::Op(MapOp::Const(0));
        match op {
            MapOp::Add(a, b) => match (self.constant(a), self.constant(b)) {
                (Some(0), _) => Shorter::Value(b),
                (_, Some(0)) => Shorter::Value(a),
                _ => folded(op, u64::wrapping_add),
            },
            MapOp::Sub(a, b) => match self.constant(b) {
                Some(0) => Shorter::Value(a),
                _ => folded(op, u64::wrapping_sub),
            },
            MapOp::Mul(a, b) => match (self.constant(a), self.constant(b)) {
                (Some(0), _) | (_, Some(0)) => zero,
                (Some(1), _) => Shorter::Value(b),
                (_, Some(1)) => Shorter::Value(a),
                (None, Some(c)) if c.is_power_of_two() => Shorter::Op(MapOp::Shl(a, c.trailing_zeros() as u8)),
                (Some(c), None) if c.is_power_of_two() => Shorter::Op(MapOp::Shl(b, c.trailing_zeros() as u8)),
                _ => folded(op, u64::wrapping_mul),
            },
            MapOp::And(a, b) => match (self.constant(a), self.constant(b)) {
                (Some(0), _) | (_, Some(0)) => zero,
                (Some(u64::MAX), _) if self.lane == Lane::Word => Shorter::Value(b),
                (_, Some(u64::MAX)) if self.lane == Lane::Word => Shorter::Value(a),
                _ if a == b => Shorter::Value(a),
                // A product of bits begins with 1.
                (Some(1), _) if self.bits[b.0 as usize] => Shorter::Value(b),
                (_, Some(1)) if self.bits[a.0 as usize] => Shorter::Value(a),
                _ => folded(op, |a, b| a & b),
            },
            MapOp::Or(a, b) | MapOp::Xor(a, b) => match (self.constant(a), self.constant(b)) {
                (Some(0), _) => Shorter::Value(b),
                (_, Some(0)) => Shorter::Value(a),
                _ if matches!(op, MapOp::Or(..)) => folded(op, |a, b| a | b),
                _ => folded(op, |a, b| a ^ b),
            },
            MapOp::Shl(a, 0) | MapOp::Shr(a, 0) | MapOp::Sar(a, 0) => Shorter::Value(a),
            _ => Shorter::Op(op),
        }
    }

    /// Whether the value of an operation is 0 or 1.
    fn gives_bit(&self, op: &Op) -> bool {
        let bit = |v: V| self.bits[v.0 as usize];
        match *op {
            Op::Map(MapOp::Const(c)) => c < 2,
            Op::Map(MapOp::Parity(_)) => true,
            Op::Map(MapOp::Shr(_, by)) => by == self.lane.bits() - 1,
            Op::Map(MapOp::And(a, b)) => bit(a) || bit(b),
            Op::Map(MapOp::Or(a, b) | MapOp::Xor(a, b) | MapOp::Mul(a, b)) => bit(a) && bit(b),
            _ => false,
        }
    }

    fn push(&mut self, op: Op) -> V {
        let next = V(u32::try_from(self.ops.len()).expect("no more operations than before"));
        let v = *self.known.entry(op).or_insert(next);
        if v == next {
            self.bits.push(self.gives_bit(&op));
            self.ops.push(op);
        }
        v
    }

    fn constant(&self, v: V) -> Option<u64> {
        match self.ops[v.0 as usize] {
            Op::Map(MapOp::Const(c)) => Some(c),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(ops: &[MapOp]) -> Map {
        let last = V(u32::try_from(ops.len() - 1).expect("few"));
        Map { lane: Lane::Word, rows: 6, cols: 1, ops: ops.to_vec(), stores: vec![(Buf(9), last)] }
    }

    #[test]
    fn what_is_known_is_not_computed() {
        let load = MapOp::Load(Buf(0), Access::Full);
        let bit = [MapOp::Const(1), load, MapOp::Shr(V(1), 63), MapOp::And(V(0), V(2))];
        let (ops, stores) = simplified(&map(&bit), &[6]);
        assert_eq!(ops, [Op::Map(load), Op::Map(MapOp::Shr(V(0), 63))]);
        assert_eq!(stores, [(Buf(9), V(1))]);

        let eight = [MapOp::Const(4), MapOp::Add(V(0), V(0)), load, MapOp::Mul(V(1), V(2))];
        assert_eq!(simplified(&map(&eight), &[6]).0, [Op::Map(load), Op::Map(MapOp::Shl(V(0), 3))]);
    }

    #[test]
    fn a_table_read_in_order_is_a_buffer() {
        let at =
            |first| map(&[MapOp::RowIndex, MapOp::Const(first), MapOp::Add(V(0), V(1)), MapOp::LoadAt(Buf(0), V(2))]);
        assert_eq!(simplified(&at(4), &[10]).0, [Op::LoadFrom(Buf(0), 4, Access::Row)]);
        assert_eq!(simplified(&at(5), &[10]).0.len(), 4);
    }
}
