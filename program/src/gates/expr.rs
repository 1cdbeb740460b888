//! Building the body of a map.

use hashbrown::HashMap;

use crate::code::{Access, Buf, Lane, MapOp, V};
use crate::correlation::Along;

/// Operations of one map under construction. Repeated loads and constants are shared.
pub(super) struct Expr {
    pub(super) lane: Lane,
    pub(super) ops: Vec<MapOp>,
    places: HashMap<MapOp, V>,
}

macro_rules! binary {
    ($($name:ident $op:ident),*) => {
        $(pub(super) fn $name(&mut self, a: V, b: V) -> V {
            self.push(MapOp::$op(a, b))
        })*
    };
}

impl Expr {
    pub(super) fn new(lane: Lane) -> Self {
        Self { lane, ops: vec![], places: HashMap::new() }
    }

    fn push(&mut self, op: MapOp) -> V {
        *self.places.entry(op).or_insert_with(|| {
            self.ops.push(op);
            V((self.ops.len() - 1) as u32)
        })
    }

    binary!(add Add, sub Sub, mul Mul, and And, or Or, xor Xor, shl_by ShlBy, shr_by ShrBy);

    pub(super) fn full(&mut self, buf: Buf) -> V {
        self.push(MapOp::Load(buf, Access::Full))
    }

    pub(super) fn row(&mut self, buf: Buf) -> V {
        self.push(MapOp::Load(buf, Access::Row))
    }

    pub(super) fn col(&mut self, buf: Buf) -> V {
        self.push(MapOp::Load(buf, Access::Col))
    }

    /// The entry of an operand that varies along some axes only.
    pub(super) fn along(&mut self, buf: Buf, axes: Along) -> V {
        match axes {
            Along::Both => self.full(buf),
            Along::Columns => self.col(buf),
            Along::Rows => self.row(buf),
        }
    }

    pub(super) fn at(&mut self, buf: Buf, index: V) -> V {
        self.push(MapOp::LoadAt(buf, index))
    }

    /// The product of a word's bits at the positions in `set`: 1 if it is empty.
    pub(super) fn all(&mut self, word: V, set: u32) -> V {
        let mut out = self.int(1);
        for position in (0..32).filter(|position| set >> position & 1 == 1) {
            let bit = self.bit(word, position);
            out = self.and(out, bit);
        }
        out
    }

    pub(super) fn row_index(&mut self) -> V {
        self.push(MapOp::RowIndex)
    }

    pub(super) fn int(&mut self, value: u64) -> V {
        self.push(MapOp::Const(value))
    }

    /// A public integer that may be negative.
    pub(super) fn signed_int(&mut self, value: i64) -> V {
        let word = self.int(value.cast_unsigned());
        if value < 0 { self.signed(word) } else { word }
    }

    /// A word that holds a signed integer, in the map's lane.
    pub(super) fn signed(&mut self, word: V) -> V {
        match self.lane {
            Lane::Word => word,
            Lane::Double => {
                let top = self.shl(word, 64);
                self.sar(top, 64)
            }
        }
    }

    pub(super) fn parity(&mut self, a: V) -> V {
        self.push(MapOp::Parity(a))
    }

    /// `a << by`; 0 from the lane's bits on.
    pub(super) fn shl(&mut self, a: V, by: u8) -> V {
        match by {
            0 => a,
            _ if by < self.lane.bits() => self.push(MapOp::Shl(a, by)),
            _ => self.int(0),
        }
    }

    /// `a >> by`, logical, `by` below the lane's bits.
    pub(super) fn shr(&mut self, a: V, by: u8) -> V {
        if by == 0 { a } else { self.push(MapOp::Shr(a, by)) }
    }

    /// `a >> by`, arithmetic, `by` below the lane's bits.
    pub(super) fn sar(&mut self, a: V, by: u8) -> V {
        if by == 0 { a } else { self.push(MapOp::Sar(a, by)) }
    }

    /// `a mod 2^bits`.
    pub(super) fn low(&mut self, a: V, bits: u8) -> V {
        if bits >= self.lane.bits() {
            return a;
        }
        if bits >= 64 {
            let drop = self.lane.bits() - bits;
            let top = self.shl(a, drop);
            return self.shr(top, drop);
        }
        let m = self.int((1 << bits) - 1);
        self.and(a, m)
    }

    /// Bit `position` of `a`.
    pub(super) fn bit(&mut self, a: V, position: u8) -> V {
        let s = self.shr(a, position);
        self.low(s, 1)
    }

    pub(super) fn neg(&mut self, a: V) -> V {
        let z = self.int(0);
        self.sub(z, a)
    }

    /// Sum of a list; 0 if empty.
    pub(super) fn sum(&mut self, terms: &[V]) -> V {
        match terms.split_first() {
            None => self.int(0),
            Some((first, rest)) => rest.iter().fold(*first, |acc, t| self.add(acc, *t)),
        }
    }
}
