//! Correlated randomness as data: what the two parties must share before an inference, gate by gate.
//!
//! [`materials`] says what a gate needs. What an item is, who can make it and what it costs are matches on [`Correlation`]
//! here; the dealer's code for it stands in `gates/dealt.rs`, and what its shares add up to, in the ideal evaluation. All
//! of it is a function of masks: nothing here depends on a weight or an input.

mod material;
mod predicates;

use serde::{Deserialize, Serialize};

use crate::code::{ComparisonTree, Owner, RowOffer, RowTable};
use crate::exponential::Exponential;
use crate::program::{Supplier, ValueId, WeightId};

pub(crate) use material::PAD_PRODUCTS;
pub use material::materials;
pub(crate) use material::{Common, harmonic, material};
pub(crate) use predicates::{Predicates, subsets};

/// One vector of correlated words of a gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Numbers the gate's items, and with the value the stream of the model owner's share.
    pub number: u16,
    /// What it is.
    pub what: Correlation,
    /// Entries.
    pub len: usize,
    /// Bits of an entry of a share.
    pub bits: u8,
    /// How it is shared.
    pub sharing: Sharing,
    /// Who receives a correction if its words are a sum: the other party draws its words.
    pub to: Owner,
}

/// How correlated words are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// They are the sum of both parties' words modulo 2^bits.
    Additive,
    /// They are the exclusive or of both parties' words.
    Xor,
    /// Both parties have the same words, and each a root of its own.
    Keys,
    /// The model owner has one pad an entry, and the data owner those of all its choices, side by side.
    Pads,
}

/// Which entries of two operands are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Pairing {
    /// Row-major matrices `[m, k]` and `[k, n]`, one pair for each of `batch`.
    Matrices {
        /// Products.
        batch: usize,
        /// Rows of the result.
        m: usize,
        /// Inner extent.
        k: usize,
        /// Columns of the result.
        n: usize,
        /// All have the same right operand.
        shared_right: bool,
    },
    /// Entry by entry in the index space of the left operand, `rows × cols`.
    Entries {
        /// Rows.
        rows: usize,
        /// Columns.
        cols: usize,
        /// Where the right operand varies.
        right: Along,
    },
    /// Complex numbers, entry by entry: both operands, and the result, are `[2, count]`, the real parts and then the imaginary ones.
    Complex {
        /// Products.
        count: usize,
    },
}

impl Pairing {
    /// Entries of the left operand and of the right one.
    pub fn lengths(&self) -> [usize; 2] {
        match *self {
            Pairing::Matrices { batch, m, k, n, shared_right } => {
                [batch * m * k, if shared_right { k * n } else { batch * k * n }]
            }
            Pairing::Complex { count } => [2 * count, 2 * count],
            Pairing::Entries { rows, cols, right } => {
                let right = match right {
                    Along::Both => rows * cols,
                    Along::Columns => cols,
                    Along::Rows => rows,
                };
                [rows * cols, right]
            }
        }
    }
}

/// Along which axes of a `rows × cols` index space an operand has entries of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Along {
    /// One a position.
    Both,
    /// One a column.
    Columns,
    /// One a row.
    Rows,
}

/// Words of a comparison key's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// 1.
    One,
    /// 1 and the mask.
    OneAndMask,
}

impl Payload {
    /// Words.
    pub fn words(self) -> usize {
        match self {
            Payload::One => 1,
            Payload::OneAndMask => 2,
        }
    }
}

/// What is shared. A wire of k bits has the mask r = r_0 + r_1 modulo 2^k, of which party i knows r_i; ε is the pad of an opened
/// bit; "own" is the mask or the pads of the value whose gate it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Correlation {
    /// G4: from a dealer r_1 · s, s the weight's static mask; between the parties −r_1 · W.
    MaskTimesWeight {
        /// The wire.
        wire: ValueId,
        /// The weight.
        weight: WeightId,
        /// Which entries meet.
        pairing: Pairing,
    },
    /// G3: a · b − a_0 · b_0 of the masks of two wires.
    Cross {
        /// The wire under a.
        left: ValueId,
        /// The wire under b.
        right: ValueId,
        /// Which entries meet.
        pairing: Pairing,
    },
    /// G2: W with r_0 + r_1 = r + 2^k W over the integers; W + msb(r) if `top`.
    Carry {
        /// The wire.
        wire: ValueId,
        /// With the top bit.
        top: bool,
    },
    /// G6: Σ r² over rows.
    Squares {
        /// The wire.
        wire: ValueId,
        /// Entries of a row.
        cols: usize,
    },
    /// G6: msb(r) · r.
    TopTimesMask {
        /// The wire.
        wire: ValueId,
    },
    /// G7: r · t, t the mask of a wire with one entry a row; msb(r) · t if `top`.
    MaskTimesRow {
        /// The wire under r.
        wire: ValueId,
        /// The wire under t.
        row: ValueId,
        /// The top bit instead of the mask.
        top: bool,
    },
    /// G8, G17: 2^d, d the digit of `width` bits from bit `low` of r on.
    OneHot {
        /// The wire.
        wire: ValueId,
        /// Its first bit.
        low: u8,
        /// Its bits, at most 6.
        width: u8,
    },
    /// G19: at bit j, whether the bucket of r, its `width` bits from bit `low` on, is in the half ring above j; for the lower half
    /// of all j, of which the others are the complement.
    HalfAbove {
        /// The wire.
        wire: ValueId,
        /// First bit of a bucket's number.
        low: u8,
        /// Bits of a bucket's number, at most 7.
        width: u8,
    },
    /// G8: at bit i, the product of the own pads in set i, given as a set of bits.
    PadProducts {
        /// Sets of pads.
        sets: Vec<u32>,
    },
    /// G9: ε.
    Pad {
        /// The opened bit.
        bit: ValueId,
    },
    /// G9: ε · r; ε · msb(r) if `top`.
    PadTimesMask {
        /// The opened bit.
        bit: ValueId,
        /// The wire.
        wire: ValueId,
        /// The top bit instead of the mask.
        top: bool,
    },
    /// G10: keys for the powers of the position of r in its bucket, at the bucket's node of every level.
    RowPowers {
        /// The wire.
        wire: ValueId,
        /// Of which function.
        table: RowTable,
    },
    /// G20: pads of the buckets that the model owner's part of the mask may be in, list by list; it has those of −r_0.
    BucketPads {
        /// The wire.
        wire: ValueId,
        /// Of which function.
        offer: RowOffer,
    },
    /// G20: Σ over lists and powers of the position of r_0 in its bucket times what the data owner draws to mask their
    /// coefficients.
    MaskedPowers {
        /// The wire.
        wire: ValueId,
        /// Of which function.
        offer: RowOffer,
    },
    /// G11: cos(2π j r / 2^period_bits), or the sine, without `less` of its fraction bits.
    Harmonic {
        /// The wire.
        wire: ValueId,
        /// log2 of the period.
        period_bits: u8,
        /// Fraction bits before some are dropped.
        fraction: u8,
        /// j.
        multiple: u16,
        /// Fraction bits dropped.
        less: u8,
        /// The sine instead of the cosine.
        sine: bool,
    },
    /// G11 without a dealer: the real part of e^(iωr_0)·e^(iωr_1) for ω = 2π j / 2^period_bits, or the imaginary one, of factors each
    /// rounded by [`crate::turn::cos_sin`]: twice as many fraction bits as they have.
    HarmonicOfParts {
        /// The wire.
        wire: ValueId,
        /// log2 of the period.
        period_bits: u8,
        /// Fraction bits of a factor.
        fraction: u8,
        /// j.
        multiple: u16,
        /// The imaginary part.
        sine: bool,
    },
    /// G16: keys for ⟨β · \[y < r\]⟩ at any public y.
    Comparison {
        /// The wire.
        wire: ValueId,
        /// The keys' shape.
        tree: ComparisonTree,
        /// β.
        payload: Payload,
    },
    /// G17: exp(ρ), ρ the position of r in its bucket; between the parties the product of what each rounds of its own part.
    Exponent {
        /// The wire.
        wire: ValueId,
        /// Its buckets, and the scale.
        of: Exponential,
    },
    /// G17: ε · exp(ρ).
    PadTimesExponent {
        /// The opened bits.
        bits: ValueId,
        /// Which of them ε pads.
        position: u8,
        /// The wire.
        wire: ValueId,
        /// Its buckets, and the scale.
        of: Exponential,
    },
    /// G18: \[bucket of r = e\] for every bucket e but the last, bucket by bucket.
    InBucket {
        /// The wire.
        wire: ValueId,
        /// First bit of a bucket's number.
        low: u8,
    },
    /// G18: the product of the pads in a set, given as a set of bits.
    PadProduct {
        /// The opened bits.
        bits: ValueId,
        /// The pads multiplied.
        set: u32,
    },
}

/// Payload of `words` packed words.
pub(crate) fn bytes(words: usize, bits: u8) -> u64 {
    (words as u64 * u64::from(bits)).div_ceil(8)
}

impl Item {
    /// Vectors in which it is dealt: entries and bits of each.
    pub fn vectors(&self) -> Vec<(usize, u8)> {
        match self.what {
            Correlation::Comparison { tree, payload, .. } => {
                let (n, levels) = (self.len, tree.levels());
                vec![(2 * levels * n, 64), (n, levels as u8), (payload.words() * tree.values() * n, self.bits)]
            }
            Correlation::RowPowers { table, .. } => {
                let (n, levels) = (self.len, table.levels);
                vec![(2 * usize::from(levels) * n, 64), (n, levels), (table.payload() * n, self.bits)]
            }
            _ => vec![(self.len, self.bits)],
        }
    }

    /// Whether a supplier can make it.
    pub fn made_by(&self, supplier: Supplier) -> bool {
        match (supplier, &self.what) {
            // A dealer has keys for the same, and knows whole masks.
            (
                Supplier::Dealer,
                Correlation::BucketPads { .. } | Correlation::MaskedPowers { .. } | Correlation::HarmonicOfParts { .. },
            ) => false,
            (_, Correlation::Exponent { of, .. } | Correlation::PadTimesExponent { of, .. }) => {
                of.mask_factor == supplier.mask_factor()
            }
            (Supplier::Dealer, _) => true,
            // Keys are made from both roots, and what is rounded of a whole mask is no product of parts of it.
            (
                Supplier::Pair,
                Correlation::Comparison { .. } | Correlation::RowPowers { .. } | Correlation::Harmonic { .. },
            ) => false,
            (
                Supplier::Pair,
                Correlation::MaskTimesWeight { .. }
                | Correlation::Cross { .. }
                | Correlation::Carry { .. }
                | Correlation::Squares { .. }
                | Correlation::TopTimesMask { .. }
                | Correlation::MaskTimesRow { .. }
                | Correlation::OneHot { .. }
                | Correlation::HalfAbove { .. }
                | Correlation::PadProducts { .. }
                | Correlation::Pad { .. }
                | Correlation::PadTimesMask { .. }
                | Correlation::BucketPads { .. }
                | Correlation::MaskedPowers { .. }
                | Correlation::HarmonicOfParts { .. }
                | Correlation::InBucket { .. }
                | Correlation::PadProduct { .. },
            ) => true,
        }
    }

    /// Entries of a party's share.
    pub fn entries(&self, party: Owner) -> usize {
        match self.what {
            Correlation::BucketPads { offer, .. } if party == Owner::DataOwner => self.len * offer.buckets(),
            _ => self.len,
        }
    }

    /// Payload that the model owner and the data owner have of it before an inference: what a dealer sends them, or both shares of
    /// what they made.
    pub fn received(&self, supplier: Supplier) -> [u64; 2] {
        let sent = self.vectors().into_iter().map(|(len, bits)| bytes(len, bits)).sum();
        match self.sharing {
            Sharing::Pads => [Owner::ModelOwner, Owner::DataOwner].map(|to| bytes(self.entries(to), self.bits)),
            _ if supplier == Supplier::Pair => [sent, sent],
            Sharing::Keys => [sent, sent],
            // The other party expands its seed.
            Sharing::Additive | Sharing::Xor => match self.to {
                Owner::ModelOwner => [sent, 0],
                Owner::DataOwner => [0, sent],
            },
        }
    }
}
