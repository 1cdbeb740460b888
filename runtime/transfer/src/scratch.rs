//! Buffers of one chunk and of one piece of a run, made once a call and wiped afterwards.

use mpcc_kernels::pack::{pack, pack_double, packed_len, unpack, unpack_double};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::hash::PIECE;
use crate::plan::CHUNK;
use crate::tree::Block;
use crate::vole::Columns;

/// The bits and rows of a chunk.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Rows {
    columns: Columns,
    rows: Vec<Block>,
}

impl Rows {
    pub(crate) fn new() -> Rows {
        Rows { columns: Columns::new(CHUNK), rows: vec![[0; 2]; CHUNK] }
    }

    /// The columns, to be made.
    pub(crate) fn columns(&mut self) -> &mut Columns {
        &mut self.columns
    }

    /// The rows of the columns.
    pub(crate) fn turn(&mut self, rows: usize) -> &[Block] {
        mpcc_kernels::transpose::transpose(self.columns.rows(rows / 64), &mut self.rows[..rows]);
        &self.rows[..rows]
    }
}

/// Blocks of a piece.
pub(crate) type Blocks = [Block; PIECE];

/// Blocks and words of a piece of at most [`PIECE`] rows or items.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Piece {
    /// Rows, prepared for hashing: those of both choices, or the receiver's and nothing.
    pub(crate) rows: [Blocks; 2],
    /// Hashes of them.
    pub(crate) hashed: [Blocks; 2],
    /// Elements that travel, or were chosen.
    pub(crate) words: [[u64; 2 * PIECE]; 2],
    /// Strings of every value of every digit that a number is cut into.
    pub(crate) digits: Vec<Blocks>,
}

impl Piece {
    pub(crate) fn new() -> Box<Piece> {
        let (blocks, words) = ([[0; 2]; PIECE], [0; 2 * PIECE]);
        Box::new(Piece { rows: [blocks; 2], hashed: [blocks; 2], words: [words; 2], digits: Vec::new() })
    }
}

/// Appends elements of `bits` bits.
pub(crate) fn put(words: &[u64], bits: u32, out: &mut Vec<u8>) {
    if bits <= 64 {
        pack(words, bits, out);
    } else {
        pack_double(words, bits, out);
    }
}

/// Reads elements of `bits` bits off the front of `bytes`, whose length was checked.
pub(crate) fn get(bytes: &mut &[u8], elements: usize, bits: u32, out: &mut [u64]) {
    let (front, rest) = bytes.split_at(packed_len(elements, bits));
    let read = if bits <= 64 { unpack(front, bits, out) } else { unpack_double(front, bits, out) };
    read.expect("as many bytes as the elements take");
    *bytes = rest;
}
