//! The loop nest of a product with packed panels, for any register-blocked kernel of words or half words: blocks of the
//! right operand that stay in the second-level cache, tiles of left rows that stay in the first.
//!
//! A kernel names its entry and register block and supplies two functions; another instruction set is one more
//! implementation of [`Kernel`].
#![allow(unsafe_code, reason = "calls functions compiled for an instruction set found at run time")]

use super::{Shape, scratch};

/// An entry of a packed panel: a word or a half word, whichever the ring fits.
pub(super) trait Entry: Copy {
    /// Bytes of packed entries as a piece of word-aligned scratch memory.
    fn view(words: &mut [u64]) -> &mut [Self];
}

impl Entry for u64 {
    fn view(words: &mut [u64]) -> &mut [u64] {
        words
    }
}

impl Entry for u32 {
    fn view(words: &mut [u64]) -> &mut [u32] {
        // SAFETY: a word has the bytes of two half words, at a stricter alignment, and any bytes are valid.
        unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), 2 * words.len()) }
    }
}

/// Bytes of a row of a left tile, and of a column of a right block.
const INNER_BYTES: usize = 1024;
/// Bytes of a row of a right block.
const COLUMNS_BYTES: usize = 4096;
/// Rows of the right operand that are packed at a time, so that few pages are open at once.
const PACKED_ROWS: usize = 16;

/// Functions of one instruction set.
pub(super) trait Kernel {
    /// What a panel holds.
    type Entry: Entry;
    /// Entries of a vector.
    const LANES: usize;
    /// Vectors of columns in a full register block.
    const VECTORS: usize;
    /// Rows of a full register block.
    const ROWS: usize;

    /// Entries of a left row and rows of a right block.
    const INNER: usize = INNER_BYTES / size_of::<Self::Entry>();
    /// Columns of a right block.
    const COLUMNS: usize = COLUMNS_BYTES / size_of::<Self::Entry>();
    /// Entries between packed left rows: an odd number of cache lines, so that rows fall into different cache sets.
    const STRIDE: usize = (INNER_BYTES + 64) / size_of::<Self::Entry>();

    /// Copies `piece`'s words as entries, dropping high bits that an entry does not hold.
    ///
    /// # Safety
    /// The processor has the kernel's instruction set. `from` is readable for `piece.rows` rows of `piece.len` words,
    /// `piece.stride` apart; `to` is writable for as many rows of entries, `piece.packed` apart.
    unsafe fn pack(piece: Piece, from: *const u64, to: *mut Self::Entry);

    /// Computes a register block of `rows` rows and `vectors` vectors.
    ///
    /// # Safety
    /// The processor has the kernel's instruction set, and the pointers hold what [`Block`] says.
    unsafe fn tile(rows: usize, vectors: usize, block: &Block<Self::Entry>);
}

/// Extents of a copy from an operand into a panel.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) rows: usize,
    /// Words of a row.
    pub(super) len: usize,
    /// Words between rows of the operand.
    pub(super) stride: usize,
    /// Entries between rows of the panel.
    pub(super) packed: usize,
}

/// One register block of C.
pub(super) struct Block<T> {
    /// Terms of a sum.
    pub(super) inner: usize,
    /// Left rows, readable for `inner` entries each.
    pub(super) a: *const T,
    /// Entries between left rows.
    pub(super) a_stride: usize,
    /// Right rows, readable for the block's vectors each, the last one as far as `lanes` says.
    pub(super) b: *const T,
    /// Entries between right rows.
    pub(super) b_stride: usize,
    /// The block's corner in the destination; readable and writable for its rows and columns.
    pub(super) c: *mut u64,
    /// Words between rows of the destination.
    pub(super) c_stride: usize,
    /// Columns of the last vector that exist, 1 to all.
    pub(super) lanes: usize,
    /// Whether to add to the destination.
    pub(super) add: bool,
}

/// C = A·B by `K`, modulo 2 to the bits of an entry.
///
/// # Safety
/// The processor has the kernel's instruction set.
pub(super) unsafe fn product<K: Kernel>(shape: Shape, a: &[u64], b: &[u64], c: &mut [u64]) {
    let Shape { m, k, n } = shape;
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n, "operands of the shape");
    let tiles = m.div_ceil(K::ROWS);
    let per_word = size_of::<u64>() / size_of::<K::Entry>();
    let right_entries = K::INNER.min(k) * K::COLUMNS.min(n.next_multiple_of(K::LANES));
    scratch::with((K::ROWS * K::STRIDE).div_ceil(per_word), right_entries.div_ceil(per_word), |left, right| {
        let (left, right) = (K::Entry::view(left), K::Entry::view(right));
        for k0 in (0..k).step_by(K::INNER) {
            let inner = K::INNER.min(k - k0);
            for n0 in (0..n).step_by(K::COLUMNS) {
                let columns = K::COLUMNS.min(n - n0);
                for p0 in (0..inner).step_by(PACKED_ROWS) {
                    for_panels(columns, K::LANES, K::VECTORS, |at, vectors| {
                        let (width, rows) = (vectors * K::LANES, PACKED_ROWS.min(inner - p0));
                        let piece = Piece { rows, len: width.min(columns - at), stride: n, packed: width };
                        let from = &b[(k0 + p0) * n + n0 + at..];
                        let to = &mut right[at * inner + p0 * width..][..width * rows];
                        assert!(from.len() >= (rows - 1) * n + piece.len, "the right operand's rows");
                        // SAFETY: the rows of both slices lie within them, asserted for the first.
                        unsafe { K::pack(piece, from.as_ptr(), to.as_mut_ptr()) };
                    });
                }
                // Tiles of equal height, up to one row.
                let mut m0 = 0;
                for tile in 0..tiles {
                    let rows = m / tiles + usize::from(tile < m % tiles);
                    let piece = Piece { rows, len: inner, stride: k, packed: K::STRIDE };
                    let from = &a[m0 * k + k0..];
                    assert!(from.len() >= (rows - 1) * k + inner && left.len() >= rows * K::STRIDE, "left rows");
                    // SAFETY: the rows of both slices lie within them, as asserted.
                    unsafe { K::pack(piece, from.as_ptr(), left.as_mut_ptr()) };
                    for_panels(columns, K::LANES, K::VECTORS, |at, vectors| {
                        let lanes = (columns - at - (vectors - 1) * K::LANES).min(K::LANES);
                        let corner = &mut c[m0 * n + n0 + at..];
                        let reach = (rows - 1) * n + (vectors - 1) * K::LANES + lanes;
                        assert!(corner.len() >= reach, "the destination's rows");
                        let panel = &right[at * inner..][..vectors * K::LANES * inner];
                        let block = Block {
                            inner,
                            a: left.as_ptr(),
                            a_stride: K::STRIDE,
                            b: panel.as_ptr(),
                            b_stride: vectors * K::LANES,
                            c: corner.as_mut_ptr(),
                            c_stride: n,
                            lanes,
                            add: k0 > 0,
                        };
                        // SAFETY: the tile's rows and the panel were packed above, and `corner` reaches the block's end.
                        unsafe { K::tile(rows, vectors, &block) };
                    });
                    m0 += rows;
                }
            }
        }
    });
}

/// Calls `body(first column, vectors)` for panels of at most `most` vectors, a power of two, that cover `columns`; their
/// numbers of vectors are powers of two.
#[inline(always)]
pub(super) fn for_panels(columns: usize, lanes: usize, most: usize, mut body: impl FnMut(usize, usize)) {
    let mut at = 0;
    while at < columns {
        let needed = (columns - at).div_ceil(lanes);
        let vectors = if needed >= most { most } else { 1 << needed.ilog2() };
        body(at, vectors);
        at += vectors * lanes;
    }
}
