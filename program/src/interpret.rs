//! Interpreted maps: the reference for every other [`MapExecutor`], and the check all of them rely on.
//!
//! A map is evaluated operation by operation over blocks of positions, so the cost of decoding an operation
//! is shared by a whole block. [`check_map`] says whether a map fits the lengths of its buffers; a map that
//! passes cannot reach outside them, whatever the words are.

use thiserror::Error;

use crate::code::{Access, Buf, Lane, Map, MapExecutor, MapOp, V};
use crate::words::Words;

/// Positions evaluated together; a block of one value is 4 KiB.
const BLOCK: usize = 512;

/// Why a map cannot be executed on buffers of the given lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MapError {
    /// A row or column count of zero, or more positions than the address space holds.
    #[error("the index space {rows} × {cols} is empty or too large; a map needs at least one position")]
    IndexSpace {
        /// Rows of the map.
        rows: usize,
        /// Columns of the map.
        cols: usize,
    },
    /// An operand is not the result of an earlier operation.
    #[error("operation {op} uses value {operand}; operands must come from earlier operations")]
    Operand {
        /// Position of the operation.
        op: usize,
        /// What it names.
        operand: u32,
    },
    /// A shift by a constant of the lane's bits or more.
    #[error("operation {op} shifts by {amount}; constant shifts must be below the {limit} bits of the lane")]
    Shift {
        /// Position of the operation.
        op: usize,
        /// Constant of the shift.
        amount: u8,
        /// Bits of the lane.
        limit: u8,
    },
    /// A buffer that the role code does not have.
    #[error("buffer {buf} does not exist; the code has {count} buffers")]
    NoBuffer {
        /// Index of the buffer.
        buf: u32,
        /// Number of buffers.
        count: usize,
    },
    /// A buffer whose length does not fit how the map accesses it.
    #[error("buffer {buf} has {actual} entries, but the map accesses {expected}")]
    Length {
        /// Index of the buffer.
        buf: u32,
        /// Entries the access needs, exactly.
        expected: usize,
        /// Entries of the buffer.
        actual: usize,
    },
    /// A computed index into a buffer without a last word to clamp to.
    #[error("buffer {buf} is empty; a load at a computed index needs at least one word")]
    EmptyTable {
        /// Index of the buffer.
        buf: u32,
    },
    /// A store of a value that no operation computes.
    #[error("buffer {buf} is to hold value {value}, but the map has only {count} operations")]
    StoredValue {
        /// Index of the buffer.
        buf: u32,
        /// Stored value.
        value: u32,
        /// Number of operations.
        count: usize,
    },
    /// Two stores to one buffer.
    #[error("buffer {buf} is stored twice; give each stored value its own buffer")]
    StoredTwice {
        /// Index of the buffer.
        buf: u32,
    },
    /// A store of words into a buffer of doubles.
    #[error("buffer {buf} holds doubles, but the map computes in words")]
    Lane {
        /// Index of the buffer.
        buf: u32,
    },
    /// A buffer that is both read and written.
    #[error("buffer {buf} is both read and written; positions would depend on each other")]
    ReadAndWritten {
        /// Index of the buffer.
        buf: u32,
    },
}

/// Values an operation uses, in order.
pub fn operands(op: &MapOp) -> impl Iterator<Item = V> {
    let (a, b) = match *op {
        MapOp::Load(..) | MapOp::Const(_) | MapOp::RowIndex => (None, None),
        MapOp::LoadAt(_, a) | MapOp::Shl(a, _) | MapOp::Shr(a, _) | MapOp::Sar(a, _) | MapOp::Parity(a) => {
            (Some(a), None)
        }
        MapOp::Add(a, b)
        | MapOp::Sub(a, b)
        | MapOp::Mul(a, b)
        | MapOp::And(a, b)
        | MapOp::Or(a, b)
        | MapOp::Xor(a, b)
        | MapOp::ShlBy(a, b)
        | MapOp::ShrBy(a, b) => (Some(a), Some(b)),
    };
    a.into_iter().chain(b)
}

/// Checks everything an executor relies on: operands precede their use, constant shifts are below the lane's
/// bits, every buffer has exactly the entries its access covers, tables are not empty, and stores are distinct, not read
/// and in no wider a lane.
///
/// `lengths` and `lanes` are those of every buffer, as in [`crate::code::RoleCode`].
///
/// # Errors
/// The first rule the map breaks.
pub fn check_map(map: &Map, lengths: &[usize], lanes: &[Lane]) -> Result<(), MapError> {
    let (rows, cols) = (map.rows, map.cols);
    let positions = match rows.checked_mul(cols) {
        Some(n) if n > 0 => n,
        _ => return Err(MapError::IndexSpace { rows, cols }),
    };
    let length =
        |buf: Buf| lengths.get(buf.0 as usize).copied().ok_or(MapError::NoBuffer { buf: buf.0, count: lengths.len() });
    let exactly = |buf: Buf, expected: usize| match length(buf)? {
        actual if actual == expected => Ok(()),
        actual => Err(MapError::Length { buf: buf.0, expected, actual }),
    };
    let mut read = Vec::new();
    for (op, operation) in map.ops.iter().enumerate() {
        if let Some(v) = operands(operation).find(|v| v.0 as usize >= op) {
            return Err(MapError::Operand { op, operand: v.0 });
        }
        match *operation {
            MapOp::Load(buf, access) => {
                let expected = match access {
                    Access::Full => positions,
                    Access::Row => rows,
                    Access::Col => cols,
                };
                exactly(buf, expected)?;
                read.push(buf);
            }
            MapOp::LoadAt(buf, _) => {
                if length(buf)? == 0 {
                    return Err(MapError::EmptyTable { buf: buf.0 });
                }
                read.push(buf);
            }
            MapOp::Shl(_, amount) | MapOp::Shr(_, amount) | MapOp::Sar(_, amount) if amount >= map.lane.bits() => {
                return Err(MapError::Shift { op, amount, limit: map.lane.bits() });
            }
            _ => {}
        }
    }
    let mut written = Vec::with_capacity(map.stores.len());
    for &(buf, value) in &map.stores {
        exactly(buf, positions)?;
        if lanes.get(buf.0 as usize).is_none_or(|lane| *lane > map.lane) {
            return Err(MapError::Lane { buf: buf.0 });
        }
        if value.0 as usize >= map.ops.len() {
            return Err(MapError::StoredValue { buf: buf.0, value: value.0, count: map.ops.len() });
        }
        if written.contains(&buf) {
            return Err(MapError::StoredTwice { buf: buf.0 });
        }
        if read.contains(&buf) {
            return Err(MapError::ReadAndWritten { buf: buf.0 });
        }
        written.push(buf);
    }
    Ok(())
}

/// Executes maps without compiling them.
///
/// Panics on a map that [`check_map`] refuses for the lengths of `buffers`, or leaves its result unspecified.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interpreter;

impl MapExecutor for Interpreter {
    fn run(&self, _id: usize, map: &Map, lanes: &[Lane], buffers: &mut [Words]) {
        match map.lane {
            Lane::Word => interpret::<u64>(map, lanes, buffers),
            Lane::Double => interpret::<u128>(map, lanes, buffers),
        }
    }
}

/// What a map computes in.
trait Entry: Copy + Default {
    /// A word, zero-extended.
    fn word(word: u64) -> Self;
    /// An entry of a buffer, zero-extended or reduced.
    fn load(words: &[u64], lane: Lane, index: usize) -> Self;
    /// Reduces to the buffer's lane.
    fn store(self, words: &mut [u64], lane: Lane, index: usize);
    /// The low word.
    fn low(self) -> u64;
    fn arithmetic(op: &MapOp, a: Self, b: Self) -> Self;
}

macro_rules! entry {
    ($unsigned:ty, $load:expr, $store:expr) => {
        impl Entry for $unsigned {
            fn word(word: u64) -> Self {
                word.into()
            }

            fn load(words: &[u64], lane: Lane, index: usize) -> Self {
                $load(words, lane, index)
            }

            fn store(self, words: &mut [u64], lane: Lane, index: usize) {
                $store(self, words, lane, index);
            }

            fn low(self) -> u64 {
                self as u64
            }

            #[inline(always)]
            fn arithmetic(op: &MapOp, a: Self, b: Self) -> Self {
                match *op {
                    MapOp::Add(..) => a.wrapping_add(b),
                    MapOp::Sub(..) => a.wrapping_sub(b),
                    MapOp::Mul(..) => a.wrapping_mul(b),
                    MapOp::And(..) => a & b,
                    MapOp::Or(..) => a | b,
                    MapOp::Xor(..) => a ^ b,
                    MapOp::Shl(_, by) => a << by,
                    MapOp::Shr(_, by) => a >> by,
                    MapOp::Sar(_, by) => (a.cast_signed() >> by).cast_unsigned(),
                    MapOp::ShlBy(..) => a.wrapping_shl(b as u32),
                    MapOp::ShrBy(..) => a.wrapping_shr(b as u32),
                    MapOp::Parity(_) => Self::from(a.count_ones() & 1),
                    MapOp::Load(..) | MapOp::LoadAt(..) | MapOp::Const(_) | MapOp::RowIndex => a,
                }
            }
        }
    };
}

entry!(
    u64,
    |words: &[u64], lane: Lane, index: usize| words[index * lane.words()],
    |value: u64, words: &mut [u64], _: Lane, index: usize| words[index] = value
);
entry!(
    u128,
    |words: &[u64], lane: Lane, index: usize| match lane {
        Lane::Word => u128::from(words[index]),
        Lane::Double => u128::from(words[2 * index]) | u128::from(words[2 * index + 1]) << 64,
    },
    |value: u128, words: &mut [u64], lane: Lane, index: usize| match lane {
        Lane::Word => words[index] = value as u64,
        Lane::Double => {
            words[2 * index] = value as u64;
            words[2 * index + 1] = (value >> 64) as u64;
        }
    }
);

fn interpret<T: Entry>(map: &Map, lanes: &[Lane], buffers: &mut [Words]) {
    let positions = map.rows * map.cols;
    let block = BLOCK.min(positions);
    let mut values = vec![T::default(); map.ops.len() * block];
    let mut start = 0;
    while start < positions {
        let len = block.min(positions - start);
        for (i, op) in map.ops.iter().enumerate() {
            let (earlier, rest) = values.split_at_mut(i * block);
            let value = |v: V| &earlier[v.0 as usize * block..][..len];
            evaluate(op, value, (lanes, &*buffers), start, map.cols, &mut rest[..len]);
        }
        for &(buf, v) in &map.stores {
            let value = &values[v.0 as usize * block..][..len];
            let (words, lane) = (buffers[buf.0 as usize].own(), lanes[buf.0 as usize]);
            for (at, value) in (start..).zip(value) {
                value.store(words, lane, at);
            }
        }
        start += len;
    }
}

/// Writes the results of one operation at the positions from `start` on, row-major in rows of `cols`.
fn evaluate<'a, T: Entry + 'a>(
    op: &MapOp,
    value: impl Fn(V) -> &'a [T],
    (lanes, buffers): (&[Lane], &[Words]),
    start: usize,
    cols: usize,
    out: &mut [T],
) {
    let source = |buf: Buf| (&*buffers[buf.0 as usize], lanes[buf.0 as usize]);
    match *op {
        MapOp::Load(buf, access) => {
            let (words, lane) = source(buf);
            runs(start, cols, out, |row, col, run| match access {
                Access::Row => run.fill(T::load(words, lane, row)),
                Access::Full | Access::Col => {
                    let first = if access == Access::Col { col } else { row * cols + col };
                    for (at, o) in (first..).zip(run) {
                        *o = T::load(words, lane, at);
                    }
                }
            });
        }
        MapOp::LoadAt(buf, index) => {
            let (words, lane) = source(buf);
            let last = words.len() / lane.words() - 1;
            for (o, i) in out.iter_mut().zip(value(index)) {
                *o = T::load(words, lane, usize::try_from(i.low()).map_or(last, |i| i.min(last)));
            }
        }
        MapOp::Const(c) => out.fill(T::word(c)),
        MapOp::RowIndex => runs(start, cols, out, |row, _, run| run.fill(T::word(row as u64))),
        _ => {
            let mut operands = operands(op).map(&value);
            let first = operands.next().expect("other operations have operands");
            let second = operands.next().unwrap_or(first);
            for ((o, a), b) in out.iter_mut().zip(first).zip(second) {
                *o = T::arithmetic(op, *a, *b);
            }
        }
    }
}

/// Splits the positions from `start` on at row ends: `f(row, first column, the run's part of out)`.
fn runs<T>(start: usize, cols: usize, mut out: &mut [T], mut f: impl FnMut(usize, usize, &mut [T])) {
    let (mut row, mut col) = (start / cols, start % cols);
    while !out.is_empty() {
        let (run, rest) = out.split_at_mut(out.len().min(cols - col));
        f(row, col, run);
        out = rest;
        row += 1;
        col = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::with_own;

    const FULL: Buf = Buf(0);
    const ROW: Buf = Buf(1);
    const COL: Buf = Buf(2);
    const TABLE: Buf = Buf(3);
    const OUT: Buf = Buf(4);

    /// A map on buffers of 700 × 3, 700, 3, 4 and 700 × 3 words, so that blocks end inside rows.
    fn map(ops: Vec<MapOp>) -> Map {
        let last = V(u32::try_from(ops.len() - 1).expect("short list"));
        Map { lane: Lane::Word, rows: 700, cols: 3, ops, stores: vec![(OUT, last)] }
    }

    fn buffers() -> Vec<Vec<u64>> {
        let words = |n: usize, salt: u64| {
            (0..n as u64).map(|i| (i + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17)).collect::<Vec<_>>()
        };
        vec![words(2100, 1), words(700, 2), words(3, 3), words(4, 4), vec![0; 2100]]
    }

    fn lanes() -> Vec<Lane> {
        vec![Lane::Word; 5]
    }

    fn lengths() -> Vec<usize> {
        buffers().iter().map(Vec::len).collect()
    }

    /// Runs `ops` and compares every position with `expected(buffers, row, col)`.
    fn expect(ops: Vec<MapOp>, expected: impl Fn(&[Vec<u64>], usize, usize) -> u64) {
        let map = map(ops);
        check_map(&map, &lengths(), &lanes()).unwrap();
        let mut buffers = buffers();
        with_own(&mut buffers, |words| Interpreter.run(0, &map, &lanes(), words));
        for row in 0..map.rows {
            for col in 0..map.cols {
                let got = buffers[OUT.0 as usize][row * map.cols + col];
                assert_eq!(got, expected(&buffers, row, col), "row {row}, column {col}");
            }
        }
    }

    #[test]
    fn every_access_reads_its_word() {
        expect(vec![MapOp::Load(FULL, Access::Full)], |b, r, c| b[0][r * 3 + c]);
        expect(vec![MapOp::Load(ROW, Access::Row)], |b, r, _| b[1][r]);
        expect(vec![MapOp::Load(COL, Access::Col)], |b, _, c| b[2][c]);
        expect(vec![MapOp::RowIndex], |_, r, _| r as u64);
        expect(vec![MapOp::RowIndex, MapOp::LoadAt(TABLE, V(0))], |b, r, _| b[3][r.min(3)]);
        expect(vec![MapOp::Const(u64::MAX), MapOp::LoadAt(TABLE, V(0))], |b, _, _| b[3][3]);
    }

    #[test]
    fn arithmetic_wraps_and_shifts_are_masked() {
        let with = |op: MapOp| vec![MapOp::Load(FULL, Access::Full), MapOp::Load(ROW, Access::Row), op];
        let (a, b) = (V(0), V(1));
        expect(with(MapOp::Add(a, b)), |w, r, c| w[0][r * 3 + c].wrapping_add(w[1][r]));
        expect(with(MapOp::Sub(a, b)), |w, r, c| w[0][r * 3 + c].wrapping_sub(w[1][r]));
        expect(with(MapOp::Mul(a, b)), |w, r, c| w[0][r * 3 + c].wrapping_mul(w[1][r]));
        expect(with(MapOp::And(a, b)), |w, r, c| w[0][r * 3 + c] & w[1][r]);
        expect(with(MapOp::Or(a, b)), |w, r, c| w[0][r * 3 + c] | w[1][r]);
        expect(with(MapOp::Xor(a, b)), |w, r, c| w[0][r * 3 + c] ^ w[1][r]);
        expect(with(MapOp::ShlBy(a, b)), |w, r, c| w[0][r * 3 + c] << (w[1][r] % 64));
        expect(with(MapOp::ShrBy(a, b)), |w, r, c| w[0][r * 3 + c] >> (w[1][r] % 64));
        expect(with(MapOp::Shl(a, 63)), |w, r, c| w[0][r * 3 + c] << 63);
        expect(with(MapOp::Shr(a, 63)), |w, r, c| w[0][r * 3 + c] >> 63);
        expect(with(MapOp::Sar(a, 63)), |w, r, c| if w[0][r * 3 + c] >> 63 == 1 { u64::MAX } else { 0 });
        expect(with(MapOp::Parity(a)), |w, r, c| (0..64).fold(0, |p, i| p ^ (w[0][r * 3 + c] >> i & 1)));
    }

    /// As [`expect`], in doubles, where the full operand and the result are doubles and the row operand is words.
    fn expect_double(ops: Vec<MapOp>, expected: impl Fn(u128, u64) -> u128) {
        let map = Map { lane: Lane::Double, ..map(ops) };
        let mut lanes = lanes();
        lanes[0] = Lane::Double;
        lanes[4] = Lane::Double;
        check_map(&map, &lengths(), &lanes).unwrap();
        let mut buffers = buffers();
        for buf in [0, 4] {
            buffers[buf] = (0..4200u64).map(|i| (i + 9).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)).collect();
        }
        with_own(&mut buffers, |words| Interpreter.run(0, &map, &lanes, words));
        let pair = |b: usize, at: usize| u128::from(buffers[b][2 * at]) | u128::from(buffers[b][2 * at + 1]) << 64;
        for at in 0..2100 {
            assert_eq!(pair(4, at), expected(pair(0, at), buffers[1][at / 3]), "entry {at}");
        }
    }

    #[test]
    fn doubles_wrap_modulo_2_to_the_128() {
        let with = |op: MapOp| vec![MapOp::Load(FULL, Access::Full), MapOp::Load(ROW, Access::Row), op];
        let (a, b) = (V(0), V(1));
        expect_double(with(MapOp::Add(a, b)), |x, y| x.wrapping_add(y.into()));
        expect_double(with(MapOp::Sub(b, a)), |x, y| u128::from(y).wrapping_sub(x));
        expect_double(with(MapOp::Mul(a, b)), |x, y| x.wrapping_mul(y.into()));
        expect_double(with(MapOp::Mul(a, a)), |x, _| x.wrapping_mul(x));
        expect_double(with(MapOp::And(a, b)), |x, y| x & u128::from(y));
        expect_double(with(MapOp::Shl(a, 100)), |x, _| x << 100);
        expect_double(with(MapOp::Shr(a, 100)), |x, _| x >> 100);
        expect_double(with(MapOp::Sar(a, 100)), |x, _| (x.cast_signed() >> 100).cast_unsigned());
        expect_double(with(MapOp::ShlBy(a, b)), |x, y| x << (y % 128));
        expect_double(with(MapOp::ShrBy(a, b)), |x, y| x >> (y % 128));
        expect_double(with(MapOp::Parity(a)), |x, _| u128::from(x.count_ones() & 1));
        expect_double(with(MapOp::LoadAt(FULL, b)), |_, _| {
            let last = |i: u64| (i + 9).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
            u128::from(last(4198)) | u128::from(last(4199)) << 64
        });
    }

    #[test]
    fn a_map_of_words_reads_the_low_word_of_a_double_and_writes_none() {
        let map = map(vec![MapOp::Load(FULL, Access::Full)]);
        let mut lanes = lanes();
        lanes[0] = Lane::Double;
        check_map(&map, &lengths(), &lanes).unwrap();
        let mut words = buffers();
        words[0] = (0..4200).collect();
        with_own(&mut words, |words| Interpreter.run(0, &map, &lanes, words));
        assert!(words[4].iter().zip(0u64..).all(|(w, i)| *w == 2 * i));
        lanes[4] = Lane::Double;
        assert_eq!(check_map(&map, &lengths(), &lanes), Err(MapError::Lane { buf: 4 }));
    }

    #[test]
    fn maps_that_do_not_fit_are_refused() {
        let refused = |map: &Map| check_map(map, &lengths(), &lanes()).unwrap_err();
        let row = MapOp::Load(ROW, Access::Row);

        let empty = Map { cols: 0, ..map(vec![row]) };
        assert_eq!(refused(&empty), MapError::IndexSpace { rows: 700, cols: 0 });
        let huge = Map { cols: usize::MAX, ..map(vec![row]) };
        assert_eq!(refused(&huge), MapError::IndexSpace { rows: 700, cols: usize::MAX });

        let ahead = map(vec![row, MapOp::Add(V(0), V(1))]);
        assert_eq!(refused(&ahead), MapError::Operand { op: 1, operand: 1 });
        let shift = map(vec![row, MapOp::Sar(V(0), 64)]);
        assert_eq!(refused(&shift), MapError::Shift { op: 1, amount: 64, limit: 64 });
        let missing = map(vec![MapOp::Load(Buf(5), Access::Row)]);
        assert_eq!(refused(&missing), MapError::NoBuffer { buf: 5, count: 5 });
        let length = map(vec![MapOp::Load(ROW, Access::Full)]);
        assert_eq!(refused(&length), MapError::Length { buf: 1, expected: 2100, actual: 700 });

        let value = Map { stores: vec![(OUT, V(1))], ..map(vec![row]) };
        assert_eq!(refused(&value), MapError::StoredValue { buf: 4, value: 1, count: 1 });
        let twice = Map { stores: vec![(OUT, V(0)), (OUT, V(0))], ..map(vec![row]) };
        assert_eq!(refused(&twice), MapError::StoredTwice { buf: 4 });
        let both = Map { stores: vec![(FULL, V(0))], ..map(vec![MapOp::Load(FULL, Access::Full)]) };
        assert_eq!(refused(&both), MapError::ReadAndWritten { buf: 0 });
        let short = Map { stores: vec![(ROW, V(0))], ..map(vec![MapOp::RowIndex]) };
        assert_eq!(refused(&short), MapError::Length { buf: 1, expected: 2100, actual: 700 });

        let table = map(vec![row, MapOp::LoadAt(TABLE, V(0))]);
        let mut lengths = lengths();
        lengths[TABLE.0 as usize] = 0;
        assert_eq!(check_map(&table, &lengths, &lanes()), Err(MapError::EmptyTable { buf: 3 }));
    }
}
