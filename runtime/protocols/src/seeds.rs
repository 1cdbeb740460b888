//! A party's seeds: one per session from the dealer, and one-way children of it for the setup and for every inference.
//! The mask of the weights may have a seed of its own, which outlives a session.
//!
//! The children are derived so that one of them reveals neither the session's seed nor a sibling. Seeds are wiped
//! when dropped and cannot be printed.

use mpcc_kernels::prg::{self, Seed};
use mpcc_program::code::Lane;
use zeroize::Zeroize;

/// Domain of the session seed's only child for the setup.
const SETUP: u64 = 0;
/// Domain of the session seed's children for inferences.
const INFERENCE: u64 = 1;

/// Seed of one party for one session: 16 bytes that the party and the dealer know.
pub struct SessionSeed(Seed);

/// Seed of one party for one stage: the setup or one inference.
pub struct StageSeed(Seed);

impl SessionSeed {
    /// Takes the bytes over and wipes the source.
    pub fn take(bytes: &mut [u8; 16]) -> Self {
        let seed = SessionSeed(Seed::from_bytes(*bytes));
        bytes.zeroize();
        seed
    }

    /// The seed's setup streams.
    pub fn setup(&self) -> StageSeed {
        StageSeed(prg::derive(&self.0, SETUP, 0))
    }

    /// The streams of inference `index`.
    pub fn inference(&self, index: u64) -> StageSeed {
        StageSeed(prg::derive(&self.0, INFERENCE, index))
    }
}

/// Seed of the static mask of the weights, which the model owner and the dealer know. It serves every session that uses
/// the same masked weights, and says nothing about the seeds of inferences.
pub struct WeightSeed(StageSeed);

impl WeightSeed {
    /// Takes the bytes over and wipes the source.
    pub fn take(bytes: &mut [u8; 16]) -> Self {
        WeightSeed(SessionSeed::take(bytes).setup())
    }

    /// The mask's streams.
    pub(crate) fn setup(self) -> StageSeed {
        self.0
    }
}

impl StageSeed {
    /// Fills `words` with the stream's entries, of the lane of `bits`, modulo 2^bits.
    pub(crate) fn fill(&self, stream: u64, bits: u8, words: &mut [u64]) {
        let width = u32::from(bits);
        match Lane::of(bits) {
            Lane::Word => prg::fill_masked(&self.0, stream, 0, width, words),
            Lane::Double => prg::fill_double(&self.0, stream, 0, width, words),
        }
    }
}
