//! A unit of eight tiles of 16 rows of 64 bytes, with the four AMX instructions that products use: as the processor executes
//! them, and in portable code that gives the same bytes.
//!
//! The processor's instructions are exercised only where a processor has them and the operating system grants their use.
#![allow(unsafe_code, reason = "instructions that the language does not know, tile memory from words")]

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _xgetbv};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Rows of a tile, and columns of a tile of sums.
pub(crate) const SIDE: usize = 16;
/// Terms that one tile instruction adds to a sum.
pub(crate) const DEPTH: usize = 64;

/// The bytes of a tile, row after row; sums are little-endian words of 32 bits.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Tile(pub(crate) [u8; SIDE * DEPTH]);

impl Tile {
    /// All bytes zero.
    pub(crate) const ZERO: Tile = Tile([0; SIDE * DEPTH]);

    pub(crate) fn row(&self, r: usize) -> &[u8; DEPTH] {
        &self.0.as_chunks::<DEPTH>().0[r]
    }

    pub(crate) fn row_mut(&mut self, r: usize) -> &mut [u8; DEPTH] {
        &mut self.0.as_chunks_mut::<DEPTH>().0[r]
    }
}

/// The whole tiles in line-aligned scratch memory.
pub(crate) fn tiles(words: &mut [u64]) -> &mut [Tile] {
    // SAFETY: any bytes are a tile.
    let (before, tiles, _) = unsafe { words.align_to_mut::<Tile>() };
    assert!(before.is_empty(), "scratch memory starts at a cache line");
    tiles
}

/// Tile registers 0 to 7.
pub(crate) trait Unit {
    /// Sets tile T to zero.
    fn zero<const T: usize>(&mut self);
    /// Sets tile T.
    fn load<const T: usize>(&mut self, from: &Tile);
    /// Reads tile T.
    fn store<const T: usize>(&mut self, to: &mut Tile);
    /// Adds to every word (r, c) of tile S, modulo 2^32, the products of the unsigned bytes (r, 4q + i) of tile A and
    /// (q, 4c + i) of tile B over all q < 16 and i < 4.
    fn multiply_add<const S: usize, const A: usize, const B: usize>(&mut self);
    /// Runs `body` compiled for the widest vectors that a processor with this unit has.
    fn wide(body: impl FnOnce());
}

/// The instructions in portable code.
#[cfg(test)]
pub(crate) struct Emulated(pub(crate) [Tile; 8]);

#[cfg(test)]
impl Unit for Emulated {
    fn zero<const T: usize>(&mut self) {
        self.0[T] = Tile::ZERO;
    }

    fn load<const T: usize>(&mut self, from: &Tile) {
        self.0[T] = *from;
    }

    fn store<const T: usize>(&mut self, to: &mut Tile) {
        *to = self.0[T];
    }

    fn multiply_add<const S: usize, const A: usize, const B: usize>(&mut self) {
        let (a, b) = (self.0[A], self.0[B]);
        for r in 0..SIDE {
            let row = self.0[S].row_mut(r).as_chunks_mut::<4>().0;
            for (quad, right) in a.row(r).as_chunks::<4>().0.iter().zip(b.0.as_chunks::<DEPTH>().0) {
                for (sum, column) in row.iter_mut().zip(right.as_chunks::<4>().0) {
                    let terms = quad.iter().zip(column).map(|(x, y)| u32::from(*x) * u32::from(*y));
                    *sum = u32::from_le_bytes(*sum).wrapping_add(terms.sum()).to_le_bytes();
                }
            }
        }
    }

    fn wide(body: impl FnOnce()) {
        body();
    }
}

/// The processor's tiles, configured for the thread that made it until it is dropped.
pub(crate) struct Hardware {
    /// The configuration belongs to one thread.
    _thread: PhantomData<*const ()>,
}

/// What `ldtilecfg` reads: palette 1, of each tile the bytes of a row and the rows.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static CONFIGURATION: Configuration = {
    let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
    let mut tile = 0;
    while tile < 8 {
        row_bytes[tile] = DEPTH as u16;
        rows[tile] = SIDE as u8;
        tile += 1;
    }
    Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
};

thread_local! {
    static IN_USE: Cell<bool> = const { Cell::new(false) };
}

impl Hardware {
    /// Configures the tiles for this thread, or `None` if the processor has none.
    ///
    /// # Panics
    /// If the thread has another `Hardware`.
    pub(crate) fn new() -> Option<Hardware> {
        static WORKS: OnceLock<bool> = OnceLock::new();
        if !*WORKS.get_or_init(works) {
            return None;
        }
        assert!(!IN_USE.replace(true), "one configuration of the tiles per thread");
        // SAFETY: the processor has tiles and the operating system saves them; the configuration is a valid one.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) };
        Some(Hardware { _thread: PhantomData })
    }
}

impl Drop for Hardware {
    fn drop(&mut self) {
        // SAFETY: a `Hardware` exists only where the instruction does; no tile is in use any more.
        unsafe { asm!("tilerelease", options(nomem, nostack)) };
        IN_USE.set(false);
    }
}

/// The arm of a tile's number, with the tile's name. The compiler itself never uses tiles, so they keep their contents from
/// one statement to the next.
macro_rules! by_tile {
    ($number:expr, $body:ident!($($argument:expr)?)) => {
        match $number {
            0 => $body!("tmm0" $(, $argument)?),
            1 => $body!("tmm1" $(, $argument)?),
            2 => $body!("tmm2" $(, $argument)?),
            3 => $body!("tmm3" $(, $argument)?),
            4 => $body!("tmm4" $(, $argument)?),
            5 => $body!("tmm5" $(, $argument)?),
            6 => $body!("tmm6" $(, $argument)?),
            7 => $body!("tmm7" $(, $argument)?),
            other => unreachable!("tile {other}"),
        }
    };
}

macro_rules! zero {
    ($tile:tt) => {
        asm!(concat!("tilezero ", $tile), out($tile) _, options(nomem, nostack))
    };
}

macro_rules! load {
    ($tile:tt, $from:expr) => {
        asm!(concat!("tileloadd ", $tile, ", [{from} + {stride}*1]"), from = in(reg) $from, stride = in(reg) DEPTH,
            out($tile) _, options(readonly, nostack))
    };
}

macro_rules! store {
    ($tile:tt, $to:expr) => {
        asm!(concat!("tilestored [{to} + {stride}*1], ", $tile), to = in(reg) $to, stride = in(reg) DEPTH,
            options(nostack))
    };
}

macro_rules! multiply_add {
    ($sums:tt, $a:tt, $b:tt) => {
        asm!(concat!("tdpbuud ", $sums, ", ", $a, ", ", $b), out($sums) _, options(nomem, nostack))
    };
}

impl Unit for Hardware {
    fn zero<const T: usize>(&mut self) {
        // SAFETY: the tiles are configured while `self` lives.
        unsafe { by_tile!(T, zero!()) }
    }

    fn load<const T: usize>(&mut self, from: &Tile) {
        // SAFETY: as in `zero`; a tile has 16 rows, a row's length apart.
        unsafe { by_tile!(T, load!(from.0.as_ptr())) }
    }

    fn store<const T: usize>(&mut self, to: &mut Tile) {
        // SAFETY: as in `load`.
        unsafe { by_tile!(T, store!(to.0.as_mut_ptr())) }
    }

    fn multiply_add<const S: usize, const A: usize, const B: usize>(&mut self) {
        // SAFETY: as in `zero`.
        unsafe {
            match (S, A, B) {
                (0, 4, 6) => multiply_add!("tmm0", "tmm4", "tmm6"),
                (1, 4, 7) => multiply_add!("tmm1", "tmm4", "tmm7"),
                (2, 4, 6) => multiply_add!("tmm2", "tmm4", "tmm6"),
                (3, 4, 7) => multiply_add!("tmm3", "tmm4", "tmm7"),
                _ => unreachable!("sums {S} of tiles {A} and {B}"),
            }
        }
    }

    fn wide(body: impl FnOnce()) {
        // SAFETY: a processor on which `works` is true has AVX-512 F, BW, DQ and VL.
        unsafe { wide(body) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn wide(body: impl FnOnce()) {
    body();
}

/// Whether the processor has byte tiles and the operating system saves them and lets this process use them. Asks for that
/// permission, which holds for the whole process and all its threads.
pub(crate) fn works() -> bool {
    /// Leaf 7, register edx: tiles, and products of bytes.
    const TILE_AND_INT8: u32 = 1 << 24 | 1 << 25;
    /// Leaf 1, register ecx: `xgetbv` is enabled.
    const XGETBV: u32 = 1 << 27;
    /// State components 17 and 18: configuration and data of the tiles.
    const TILE_STATE: u64 = 1 << 17 | 1 << 18;
    if __cpuid_count(0, 0).eax < 7
        || __cpuid_count(7, 0).edx & TILE_AND_INT8 != TILE_AND_INT8
        || __cpuid_count(1, 0).ecx & XGETBV == 0
    {
        return false;
    }
    // SAFETY: the operating system has enabled the instruction, as the bit of leaf 1 says.
    unsafe { enabled_states() & TILE_STATE == TILE_STATE && permitted() }
}

#[target_feature(enable = "xsave")]
fn enabled_states() -> u64 {
    // SAFETY: register 0 always exists.
    unsafe { _xgetbv(0) }
}

/// Asks Linux for the tile data component.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: the call changes nothing but the process's permission; the kernel preserves all other registers.
    unsafe {
        asm!("syscall", inlateout("rax") result, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") XFEATURE_XTILEDATA,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}
