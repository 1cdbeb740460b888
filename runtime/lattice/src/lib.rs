//! Linear algebra under encryption between two sides: an [`Owner`] holds a secret key, encrypts its numbers and opens
//! answers; an [`Evaluator`] multiplies what it received by its own numbers and answers with masked results. Afterwards each
//! side holds one of two shares of every result. Nothing here knows gates, parties or channels: messages are bytes whose lengths
//! both sides compute beforehand from a [`Tiles`] or [`Slots`].
//!
//! - [`Tiles`] are products of matrices modulo 2^k, exact whatever wraps.
//! - [`Slots`] are sums of products entry by entry modulo an odd t, with the exact way on to 2^K ([`Slots::convert`]).
//!
//! An answer leaves as bytes only after an encryption of zero, noise that hides its own noise, and a mask in every coefficient
//! were added: a product has no byte form, and the only calls that write an answer do all of it.
//!
//! Keys, then the uploads of a matrix as they are made, then answers one by one:
//!
//! ```
//! use mpcc_kernels::Seed;
//! use mpcc_lattice::{Flood, KeyReader, Owner, Parameters, Randomness, Ring, TileLayout, TileShape, Tiles};
//!
//! # fn main() -> mpcc_lattice::Result<()> {
//! // Public, and the same at both sides: 3 by 4 times 4 by 5 modulo 2^48, weights of 17 bits.
//! let shape = TileShape { rows: 3, inner: 4, columns: 5 };
//! let parameters = Parameters::all().find(|p| p.bits() >= 144).expect("a large set");
//! let layout = TileLayout::new(parameters, shape, 1, 2, 2)?;
//! let ring = Ring::new(parameters);
//! let tiles = Tiles::new(&ring, layout, 48, 17, Flood::WEIGHTS)?;
//!
//! // Seeds are from the operating system in earnest.
//! let mut owner = Owner::new(&ring, Seed::from_bytes([1; 16]));
//! let mut randomness = Randomness::new(Seed::from_bytes([2; 16]));
//! let mut keys = KeyReader::new(&ring, layout.steps())?;
//! for chunk in owner.keys(layout.steps())? {
//!     keys.take(&chunk)?;
//! }
//! let mut evaluator = keys.finish()?;
//!
//! let matrix: Vec<u64> = (1..=12).collect();
//! let weights: Vec<i64> = (-10..10).collect();
//! let (mut sent, mut received) = (owner.batch(0)?, evaluator.batch(0)?);
//! let mut product = evaluator.tile_product(&tiles)?;
//! let mut uploads = owner.upload_tiles(&tiles, &matrix)?;
//! while uploads.left() > 0 {
//!     let mut bytes = Vec::with_capacity(tiles.upload_bytes());
//!     uploads.write(sent.next(), &mut bytes)?;
//!     product.take(received.next(), &bytes)?;
//! }
//!
//! let (mut ours, mut theirs) = (vec![0; 15], vec![0; 15]);
//! let mut answers = product.answers(&weights)?;
//! for number in 0..layout.answers() {
//!     let mut bytes = Vec::with_capacity(tiles.answer_bytes());
//!     answers.write(&mut randomness, &mut theirs, &mut bytes)?;
//!     owner.open_tiles(&tiles, number, &bytes, &mut ours)?;
//! }
//! let first = ours[0].wrapping_add(theirs[0]) & ((1 << 48) - 1);
//! assert_eq!(mpcc_lattice::centred(first, 48), -10 + 2 * -5 + 3 * 0 + 4 * 5);
//! # Ok(())
//! # }
//! ```

mod answer;
mod bound;
mod budget;
mod convert;
mod error;
mod flood;
mod fractions;
mod index;
mod keys;
mod layout;
mod merge;
mod modulus;
mod ntt;
mod owner;
mod params;
mod plain;
mod planes;
mod pointwise;
mod primes;
mod primitives;
mod ring;
mod sample;
mod slots;
#[cfg(test)]
mod testing;
mod tiles;
mod upload;
mod wide;

pub use answer::Randomness;
pub use budget::{Budget, Flood};
pub use convert::{Converted, Side};
pub use error::{LatticeError, Result};
pub use index::{Batch, UploadIndex};
pub use keys::{Evaluator, KeyReader, MOST_STEPS, key_bytes, key_chunks};
pub use layout::{Cost, Rates, TileLayout, TileShape, Work, slot_cost};
pub use owner::Owner;
pub use params::{Parameters, STANDARD};
pub use plain::SlotModulus;
pub use primitives::Primitives;
pub use ring::Ring;
pub use slots::{SlotShares, SlotSum, Slots};
pub use tiles::{TileAnswers, TileProduct, TileUploads, Tiles, centred};
pub use upload::{Upload, upload_bytes};
