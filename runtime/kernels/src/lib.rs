//! Arithmetic on ring words: products, pseudo-random streams and their sums, bit packing and transposition, public trigonometric
//! tables, distributed comparison functions, counts below thresholds and functions of one number per row. Every routine takes slices and fills slices; nothing here knows parties,
//! channels or programs. A word is a `u64` lane of the ring 2^k, k <= 64, and all ring arithmetic wraps. Rings
//! of 65 to 128 bits take doubles: two words per element, low word first.
//!
//! Each vectorised routine has a portable twin that gives the same bits; [`level`] chooses between them. Large products may
//! use several threads; see [`threads`].

pub mod counts;
pub mod dcf;
pub mod level;
pub mod matmul;
pub mod pack;
mod permutation;
pub mod prg;
pub mod rows;
pub mod threads;
#[cfg(target_arch = "x86_64")]
mod tiles;
pub mod transpose;
mod tree;
pub mod trig;
pub mod weigh;

pub use level::Level;
pub use permutation::Permutation;
pub use prg::{Prg, Seed};
