//! Encrypted linear algebra on ring words.

mod answer;
mod bound;
mod budget;
mod convert;
mod error;
mod flood;
mod index;
mod keys;
mod layout;
mod merge;
mod modulus;
mod ntt;
mod owner;
mod params;
mod plain;
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
pub use keys::{Evaluator, KeyReader, MOST_STEPS, key_chunks};
pub use layout::{Cost, Rates, TileLayout, TileShape, Work, slot_cost};
pub use owner::Owner;
pub use params::{Parameters, STANDARD};
pub use plain::SlotModulus;
pub use primitives::Primitives;
pub use ring::Ring;
pub use slots::{SlotShares, SlotSum, Slots};
pub use tiles::{TileAnswers, TileProduct, TileUploads, Tiles, centred};
pub use upload::{Upload, upload_bytes};
