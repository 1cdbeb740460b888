//! The share program at the level of gates: shares, masked wires, openings, and the hop each happens in.
//!
//! Values are in topological order. Three kinds exist. A **share**: party i holds x_i, x = x_0 + x_1 modulo 2^ring.
//! A **wire**: everybody knows x^ = x + r modulo 2^ring, party i holds r_i, the dealer knows r_0 and r_1.
//! A **bit word**: opened one-time-padded predicate bits with dealer-shared masks.
//! `ring` is the width in which a value is valid (at most 128), `fraction` its fraction bits (an integer v stands for
//! v / 2^fraction), and `bound` a proved or declared bound: the integer satisfies |v| < 2^bound.
//! Gate numbers G1–G18 are those of SECURITY.md and ARCHITECTURE.md.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::code::{RowOffer, RowTable};
use crate::exponential::{Exponential, MaskFactor};

/// Extents of a value, outermost first.
pub type Shape = SmallVec<[usize; 4]>;

/// Index of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ValueId(pub u32);

/// Index of an encoded weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WeightId(pub u32);

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Additive shares.
    Share,
    /// A masked wire.
    Wire,
    /// An opened word of masked bits per element.
    Bits,
}

/// A rearrangement that moves no information.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum View {
    /// Same entries in row-major order, the shape of the result.
    Reshape,
    /// Axes in a new order.
    Permute(SmallVec<[usize; 4]>),
    /// Entries `start..start + extent of the result` along `axis`.
    Slice {
        /// Axis.
        axis: usize,
        /// First entry.
        start: usize,
    },
    /// Entries `index` along `axis`.
    Gather {
        /// Axis.
        axis: usize,
        /// Positions.
        index: Vec<usize>,
    },
}

/// A term of a linear combination of shares: the integer is multiplied by 2^shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Term {
    /// The share.
    pub value: ValueId,
    /// Left shift.
    pub shift: u8,
}

/// What produces a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Gate {
    /// The data owner's encoded input as a wire with r_0 = 0; one one-way hop.
    Input {
        /// Index of the program's input.
        input: u32,
    },
    /// The model owner's encoded weight as a share; the data owner's share is 0.
    ServerShare {
        /// The weight, of the value's shape.
        weight: WeightId,
    },
    /// The data owner's encoded input as a share; the model owner's share is 0. Nothing travels.
    ClientShare {
        /// Index of the program's input.
        input: u32,
    },
    /// G1: opens `source` without its `truncate` low bits, which each party drops from its share modulo 2^(ring + truncate).
    /// With the data owner's share x_1 it is ⌊x / 2^t⌋ + \[0 < x_1 mod 2^t ≤ x mod 2^t\], so zero and sign are kept. One hop.
    Open {
        /// A share valid in ring `ring + truncate`.
        source: ValueId,
        /// Bits dropped.
        truncate: u8,
    },
    /// A rearranged wire or share.
    View {
        /// Wire or share.
        source: ValueId,
        /// The rearrangement.
        view: View,
    },
    /// The same integers read at another scale: the value times 2^−shift, so `fraction` grows by `shift`. Wire or share.
    Rescale {
        /// Wire or share.
        source: ValueId,
        /// Added to the fraction bits.
        shift: i16,
    },
    /// Wire of `d·x − Σ_row x` with `truncate` = ⌈log2 d⌉ bits dropped (dithered): κ (x − mean), κ = d / 2^truncate.
    Centre {
        /// Wire, row length d.
        source: ValueId,
        /// Bits dropped.
        truncate: u8,
    },
    /// A wire modulo 2^ring of the result after `truncate` low bits were dropped (dithered): the signed number that is left.
    Reduce {
        /// Wire of at least `ring + truncate` bits.
        source: ValueId,
        /// Bits dropped.
        truncate: u8,
    },
    /// Σ of shares of one shape, each shifted left.
    Add {
        /// Terms.
        terms: Vec<Term>,
    },
    /// Difference `left·2^l − right·2^r` of shares.
    Sub {
        /// Minuend.
        left: Term,
        /// Subtrahend.
        right: Term,
    },
    /// Shares joined along `axis`, each shifted left.
    Concat {
        /// Parts.
        parts: Vec<Term>,
        /// Axis.
        axis: usize,
    },
    /// What a share leaves modulo 2^ring of the result, which is not negative; an integer without fraction bits.
    Residue {
        /// Share of at least that ring.
        source: ValueId,
    },
    /// Row sums of a share; the last axis becomes 1.
    SumRow {
        /// Share.
        source: ValueId,
    },
    /// A share times a public integer.
    MulPublic {
        /// Share.
        source: ValueId,
        /// Factor.
        factor: i64,
    },
    /// A share plus a public integer at every entry; the model owner adds it.
    AddPublic {
        /// Share.
        source: ValueId,
        /// Term.
        term: i64,
    },
    /// A share plus an encoded weight of the share's last axes (`[n]`, or the full shape); the model owner adds it.
    AddServer {
        /// Share.
        source: ValueId,
        /// The weight.
        weight: WeightId,
    },
    /// G4: wire `[.., k]` times weight `[k, n]`.
    MatMulServer {
        /// Wire.
        source: ValueId,
        /// The weight.
        weight: WeightId,
    },
    /// G4 entry by entry: a wire times a weight that has the shape of its last axes, repeated over the others.
    MulServer {
        /// Wire.
        source: ValueId,
        /// The weight.
        weight: WeightId,
    },
    /// G3: wires `[.., m, k]` and `[.., k, n]` with equal leading axes.
    MatMul {
        /// Left wire.
        left: ValueId,
        /// Right wire.
        right: ValueId,
    },
    /// G3 entry by entry: the product of two wires of one shape; or `right` has the last axes of `left`, and is repeated
    /// over the others; or it has the shape of `left` with 1 as the last axis, and each entry serves a row.
    Hadamard {
        /// Wire of the shape of the result.
        left: ValueId,
        /// Wire.
        right: ValueId,
    },
    /// G2: a wire with |x| ≤ 2^(its ring − 2) as shares in a wider ring.
    Extend {
        /// Wire.
        source: ValueId,
    },
    /// G6: row sums of squares of an extended wire; the last axis becomes 1.
    RowSquares {
        /// Wire, precondition of G2.
        source: ValueId,
    },
    /// G6 entry by entry: squares of an extended wire.
    Square {
        /// Wire, precondition of G2.
        source: ValueId,
    },
    /// G7: an extended wire `[.., n]` times a row wire `[.., 1]` of ring at least the result's.
    RowScale {
        /// Wire, precondition of G2.
        source: ValueId,
        /// Row wire.
        row: ValueId,
    },
    /// G8, hop 1: opened digit predicates of the sign of `x + offset`, `2·digits − 1` bits a word. One hop.
    SignDigits {
        /// Wire; its ring is the width compared.
        source: ValueId,
        /// Public integer added before the comparison.
        offset: i64,
        /// Digit widths, low to high, each at most 6.
        digits: SmallVec<[u8; 8]>,
    },
    /// G8/G9, hop 2: opens the masked bit `b ⊕ ε`, b = ⊕ of the signs ⊕ `negate`. One hop.
    OpenSign {
        /// `SignDigits` values.
        signs: SmallVec<[ValueId; 2]>,
        /// Complements the bit.
        negate: bool,
    },
    /// G19: opens the masked bit `b ⊕ ε`, b = ⊕ of the signs of `x + offset` ⊕ `negate`, by the bucket of the mask alone. Where
    /// x + offset is from −D to 0, D the size of a bucket, the sign may be either. One hop.
    CoarseSign {
        /// Wire.
        source: ValueId,
        /// Public integers added before the comparisons.
        offsets: SmallVec<[i64; 2]>,
        /// log2 of the number of buckets.
        buckets: u8,
        /// Complements the bit.
        negate: bool,
    },
    /// G8/G9, last part: shares of b·x, b from `OpenSign` or `CoarseSign`. In a ring that is no wider than x's any x will do;
    /// in a wider one, x ≥ 0 whenever b = 1 (ReLU; any x of the ring) if `nonnegative`, otherwise the precondition of G2.
    Select {
        /// `OpenSign` or `CoarseSign` value.
        bit: ValueId,
        /// Wire.
        source: ValueId,
        /// Which offset rule.
        nonnegative: bool,
    },
    /// G9 of the number 1: an arithmetic share of an opened bit, 0 or 1.
    SignShare {
        /// `OpenSign` or `CoarseSign` value.
        bit: ValueId,
    },
    /// G16: max(x + o, 0) for every offset o, joined along the first axis, as shares in a wider ring, by function secret
    /// sharing: one key per entry of the wire serves all offsets. Any x for which x + o is in the ring. No hop.
    ReluShared {
        /// Wire of at most 32 bits.
        source: ValueId,
        /// Public integers; a single 0 for ReLU.
        offsets: SmallVec<[i64; 2]>,
    },
    /// G16: \[x + o ≥ 0\] for every offset o, joined along the first axis, as shares of 0 or 1, by function secret sharing;
    /// keys and domain as for `ReluShared`. No hop.
    StepShared {
        /// Wire of at most 32 bits.
        source: ValueId,
        /// Public integers; a single 0 for the step at zero.
        offsets: SmallVec<[i64; 2]>,
    },
    /// G10: a function of the opened number of every row; fraction f_y + g. No hop.
    RowFunction {
        /// Wire `[.., 1]` of ring `table.ring_bits`.
        source: ValueId,
        /// Parameters.
        table: RowTable,
    },
    /// G20: the same function by two parties alone: the data owner offers it at all buckets that the model owner's part of the
    /// mask may be in. One one-way hop.
    RowOffer {
        /// Wire `[.., 1]` of ring `offer.table.ring_bits`.
        source: ValueId,
        /// Parameters.
        offer: RowOffer,
    },
    /// G11: `Σ_j A_j cos(2π j x / 2^period_bits) + B_j sin(2π j x / 2^period_bits)`, result fraction 2·table_fraction; A_j
    /// and B_j are integers at scale table_fraction. Without a dealer the result has 3·table_fraction fraction bits, as both parties
    /// round a factor of the mask.
    TrigSeries {
        /// Wire of ring at least `period_bits`.
        source: ValueId,
        /// log2 of the period in ring units.
        period_bits: u8,
        /// Fraction bits of the factors.
        table_fraction: u8,
        /// A_0, A_1, …; A_0 is always given.
        cosines: Vec<i64>,
        /// B_1, B_2, …; none for an even series.
        sines: Vec<i64>,
    },
    /// G15: reveals a share to the data owner with `truncate` low bits dropped, rounded as by `Open`. One one-way hop.
    Reveal {
        /// Share valid in ring `ring + truncate`.
        source: ValueId,
        /// Bits dropped.
        truncate: u8,
        /// Index of the program's output.
        output: u32,
    },
    /// G17, hop: with Y = x + offset from 0 to below 2^k − D in k bits, cut into 2^buckets buckets of D, and r the mask: bit i of a
    /// word says that Y^ lies i buckets above r, for i below the ring. Then Y = iD + τ − ρ, τ and ρ the positions of Y^ and r
    /// in their buckets. One hop.
    BucketBits {
        /// Wire of k bits.
        source: ValueId,
        /// Public integer added.
        offset: i64,
        /// log2 of the number of buckets, at most 6.
        buckets: u8,
    },
    /// G17: exp(−Y 2^−f) of a wire's Y in the buckets whose bits were opened, f the wire's fraction bits, and exactly 0 above them.
    Exponential {
        /// `BucketBits` value.
        bits: ValueId,
        /// Its wire.
        source: ValueId,
        /// Fraction bits of the mask's factor; by two parties alone those of both parts' factors together
        /// ([`crate::exponential::MaskFactor`]).
        mask_fraction: u8,
        /// Fraction bits of the public factor; those of the result are the sum.
        public_fraction: u8,
    },
    /// G18: of every row how many Y = x + offset lie at or below each threshold i·2^step, less 2^(ring − 1) − 1. Y as for
    /// `BucketBits`, and compared up to half a bucket: as Y + ρ − D/2. No hop.
    BucketCounts {
        /// Wire `[.., n]`; the result is `[.., thresholds]`.
        source: ValueId,
        /// Public integer added.
        offset: i64,
        /// log2 of the number of buckets, at most 6.
        buckets: u8,
        /// log2 of the distance of thresholds.
        step: u8,
    },
    /// G18, hop: whether each digit of x + offset modulo 2^k is 0, a bit a digit. One hop.
    ZeroDigits {
        /// Wire; its ring is the width compared.
        source: ValueId,
        /// Public integer added.
        offset: i64,
        /// Digit widths, low to high, each at most 6.
        digits: SmallVec<[u8; 8]>,
    },
    /// G18: whether all digits are 0, as a share of 0 or 1.
    ZeroShare {
        /// `ZeroDigits` value.
        bits: ValueId,
    },
    /// The wire x − 2^shift u + term, u a wire of one entry a row. Nothing travels.
    SubRow {
        /// Wire `[.., n]`, x.
        source: ValueId,
        /// Wire `[.., 1]`, u.
        row: ValueId,
        /// Left shift of u.
        shift: u8,
        /// Public integer added.
        term: i64,
    },
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// What produces it.
    pub gate: Gate,
    /// Kind.
    pub kind: Kind,
    /// Shape.
    pub shape: Shape,
    /// Ring width in bits, 1..=128; for `Bits`, bits per word.
    pub ring: u8,
    /// Fraction bits.
    pub fraction: i16,
    /// |integer| < 2^bound.
    pub bound: u8,
    /// Number of hops done before it is known: 0 for material and server shares.
    pub level: u16,
    /// Where it comes from in the source.
    pub path: String,
}

/// How an encoded weight is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WeightRounding {
    /// To nearest.
    Nearest,
    /// Columns of a `[k, n]` weight sum to exactly zero, by largest remainder (rule C8).
    ZeroColumnSums,
}

/// A weight as the share program uses it: a server-only node of the graph, encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weight {
    /// Index of the node in the rewritten graph.
    pub node: u32,
    /// Shape as used, `[k, n]` or `[n]` or full.
    pub shape: Shape,
    /// The node's value is transposed (`[n, k]`) before use.
    pub transposed: bool,
    /// Fraction bits.
    pub fraction: i16,
    /// |integer| < 2^bound; refused otherwise when the model owner loads it.
    pub bound: u8,
    /// Rounding.
    pub rounding: WeightRounding,
    /// Where it comes from.
    pub path: String,
}

/// An input as the share program takes it: a client-only node of the graph, encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Index of the node in the rewritten graph that the data owner evaluates in the clear.
    pub node: u32,
    /// Shape.
    pub shape: Shape,
    /// Fraction bits.
    pub fraction: i16,
    /// |integer| < 2^bound; refused otherwise.
    pub bound: u8,
    /// Where it comes from.
    pub path: String,
}

/// A revealed output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Shape.
    pub shape: Shape,
    /// Fraction bits.
    pub fraction: i16,
    /// Names along the last axis.
    pub labels: Vec<String>,
}

/// Who makes correlated randomness. Another supplier is another variant, and what it makes and asks stands in the matches on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Supplier {
    /// A third role that knows all masks.
    #[default]
    Dealer,
    /// The two parties themselves, each with its own masks ([`crate::making`]).
    Pair,
}

impl Supplier {
    /// What it can round of the mask under an exponential.
    pub fn mask_factor(self) -> MaskFactor {
        match self {
            Supplier::Dealer => MaskFactor::Whole,
            Supplier::Pair => MaskFactor::Parts,
        }
    }
}

/// A share program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The model's name.
    pub name: String,
    /// Who makes the correlated randomness.
    pub supplier: Supplier,
    /// Encoded weights.
    pub weights: Vec<Weight>,
    /// Inputs.
    pub inputs: Vec<Input>,
    /// Outputs.
    pub outputs: Vec<Output>,
    /// Whether one number more is revealed, at the index behind the outputs: 0 if every value that the run checks was in its
    /// range, else 1, and then the outputs mean nothing.
    pub verdict: bool,
    /// Values in topological order.
    pub values: Vec<Value>,
    /// Number of hops.
    pub hops: u16,
}

impl Program {
    /// How many values are revealed: the outputs, and the verdict behind them if there is one.
    pub fn revealed(&self) -> usize {
        self.outputs.len() + usize::from(self.verdict)
    }

    /// The value behind an id.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }
}

/// The number of frequencies of a series, its constant not counted.
pub fn frequencies(cosines: &[i64], sines: &[i64]) -> usize {
    cosines.len().saturating_sub(1).max(sines.len())
}

impl Gate {
    /// Operands in a fixed order.
    pub fn operands(&self) -> SmallVec<[ValueId; 4]> {
        match self {
            Gate::Input { .. } | Gate::ServerShare { .. } | Gate::ClientShare { .. } => SmallVec::new(),
            Gate::Open { source, .. }
            | Gate::View { source, .. }
            | Gate::Rescale { source, .. }
            | Gate::Centre { source, .. }
            | Gate::Reduce { source, .. }
            | Gate::Residue { source }
            | Gate::SumRow { source }
            | Gate::MulPublic { source, .. }
            | Gate::AddPublic { source, .. }
            | Gate::AddServer { source, .. }
            | Gate::MatMulServer { source, .. }
            | Gate::MulServer { source, .. }
            | Gate::Extend { source }
            | Gate::RowSquares { source }
            | Gate::Square { source }
            | Gate::SignDigits { source, .. }
            | Gate::ReluShared { source, .. }
            | Gate::StepShared { source, .. }
            | Gate::RowFunction { source, .. }
            | Gate::RowOffer { source, .. }
            | Gate::TrigSeries { source, .. }
            | Gate::BucketBits { source, .. }
            | Gate::CoarseSign { source, .. }
            | Gate::BucketCounts { source, .. }
            | Gate::ZeroDigits { source, .. }
            | Gate::Reveal { source, .. } => SmallVec::from_slice(&[*source]),
            Gate::Add { terms } => terms.iter().map(|t| t.value).collect(),
            Gate::Concat { parts, .. } => parts.iter().map(|t| t.value).collect(),
            Gate::Sub { left, right } => SmallVec::from_slice(&[left.value, right.value]),
            Gate::MatMul { left, right } | Gate::Hadamard { left, right } => SmallVec::from_slice(&[*left, *right]),
            Gate::RowScale { source, row } | Gate::SubRow { source, row, .. } => SmallVec::from_slice(&[*source, *row]),
            Gate::SignShare { bit } | Gate::ZeroShare { bits: bit } => SmallVec::from_slice(&[*bit]),
            Gate::OpenSign { signs, .. } => signs.iter().copied().collect(),
            Gate::Select { bit, source, .. } | Gate::Exponential { bits: bit, source, .. } => {
                SmallVec::from_slice(&[*bit, *source])
            }
        }
    }

    /// Whether the value becomes known one hop after its operands.
    pub fn takes_a_hop(&self) -> bool {
        matches!(
            self,
            Gate::Input { .. }
                | Gate::Open { .. }
                | Gate::SignDigits { .. }
                | Gate::OpenSign { .. }
                | Gate::BucketBits { .. }
                | Gate::CoarseSign { .. }
                | Gate::ZeroDigits { .. }
                | Gate::RowOffer { .. }
                | Gate::Reveal { .. }
        )
    }
}

/// The stream a gate's material item is drawn from: one per (value, item), so that no stream serves twice.
///
/// Item 0 is a wire's own mask (`Input`, `Open`, `Reveal`): both parties draw it, each from its own seed.
pub fn stream(value: ValueId, item: u16) -> u64 {
    (u64::from(value.0) << 16) | u64::from(item)
}

/// The exponentials behind a [`Gate::Exponential`] of these operands and fraction bits, those of the mask's factor and of the
/// public one. The program must have passed [`crate::verify::verify`].
pub fn exponential(
    program: &Program,
    (bits, source): (ValueId, ValueId),
    (mask_fraction, public_fraction): (u8, u8),
) -> Exponential {
    let (bits, source) = (program.value(bits), program.value(source));
    let Gate::BucketBits { buckets, .. } = bits.gate else { unreachable!("verified: bits of buckets") };
    Exponential {
        fraction: source.fraction as u8,
        position: source.ring - buckets,
        count: bits.ring,
        mask_fraction,
        public_fraction,
        mask_factor: program.supplier.mask_factor(),
    }
}
