//! Role code: what one role executes, as straight-line instructions on buffers of 64-bit words.
//!
//! Every buffer is a vector of `u64`. An entry takes one word, or two where a ring is wider than 64 bits; all
//! arithmetic wraps modulo 2^64 or 2^128 and a ring Z_{2^k} is its quotient, so entries are reduced only where they are
//! opened or compared. An instruction names the buffers it reads
//! and the one or more buffers it writes; a buffer is written once. Nothing here branches on a value.
//! Communication happens only in the exchange that ends a step, so code between exchanges needs no IO.

mod rows;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::words::Words;

pub use rows::{RowFunction, RowOffer, RowTable};

/// Who executes a piece of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Holds the weights; party 0.
    ModelOwner,
    /// Holds the input and learns the output; party 1.
    DataOwner,
    /// Deals correlated randomness and sees shapes only.
    Dealer,
}

/// Index of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Buf(pub u32);

/// How many words an entry of a buffer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// One word, modulo 2^64.
    #[default]
    Word,
    /// Two words, the low one first, modulo 2^128.
    Double,
}

impl Lane {
    /// The lane of a ring of this many bits.
    pub fn of(bits: u8) -> Lane {
        if bits > 64 { Lane::Double } else { Lane::Word }
    }

    /// Words of an entry.
    pub fn words(self) -> usize {
        match self {
            Lane::Word => 1,
            Lane::Double => 2,
        }
    }

    /// Bits of an entry.
    pub fn bits(self) -> u8 {
        match self {
            Lane::Word => 64,
            Lane::Double => 128,
        }
    }
}

/// One of the two parties: whose seed a stream comes from, or who receives a correction. A party can draw only from its own
/// seed; the dealer knows both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Owner {
    /// The owner of the weights.
    ModelOwner,
    /// The owner of the input, who alone learns the result.
    DataOwner,
}

/// Whether something happens once per model and peer, or once per inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Once per session; its buffers stay.
    Setup,
    /// Once per inference.
    Inference,
}

/// Where a loaded buffer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// The model owner's encoded weight of this index, as words modulo 2^64.
    Weight(u32),
    /// The data owner's encoded input of this index, as words modulo 2^64.
    Input(u32),
}

/// How a `Map` reads a buffer at position (row, column) of its index space; the buffer's own lane says how many words
/// an entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Access {
    /// Entry `row * cols + col`; the buffer has `rows * cols` entries.
    Full,
    /// Entry `row`; the buffer has `rows` entries.
    Row,
    /// Entry `col`; the buffer has `cols` entries.
    Col,
}

/// One operation of a `Map`; its result is referred to by its position in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MapOp {
    /// Entry of an input buffer, zero-extended or reduced to the map's lane.
    Load(Buf, Access),
    /// Entry of an input buffer at a computed public index, clamped to its last entry: `buf[min(index mod 2^64, len - 1)]`.
    LoadAt(Buf, V),
    /// A constant, zero-extended.
    Const(u64),
    /// The row of the current position.
    RowIndex,
    /// Wrapping sum.
    Add(V, V),
    /// Wrapping difference.
    Sub(V, V),
    /// Wrapping product.
    Mul(V, V),
    /// Bitwise and.
    And(V, V),
    /// Bitwise or.
    Or(V, V),
    /// Bitwise exclusive or.
    Xor(V, V),
    /// Left shift by a constant below the lane's bits.
    Shl(V, u8),
    /// Logical right shift by a constant below the lane's bits.
    Shr(V, u8),
    /// Arithmetic right shift by a constant below the lane's bits.
    Sar(V, u8),
    /// `a << (b mod bits)`, bits of the lane.
    ShlBy(V, V),
    /// `a >> (b mod bits)`, logical, bits of the lane.
    ShrBy(V, V),
    /// Exclusive or of all bits: 0 or 1.
    Parity(V),
}

impl MapOp {
    /// The operation on other values.
    #[must_use]
    pub fn with(&self, of: impl Fn(V) -> V) -> MapOp {
        match *self {
            MapOp::Load(..) | MapOp::Const(_) | MapOp::RowIndex => *self,
            MapOp::LoadAt(buf, a) => MapOp::LoadAt(buf, of(a)),
            MapOp::Add(a, b) => MapOp::Add(of(a), of(b)),
            MapOp::Sub(a, b) => MapOp::Sub(of(a), of(b)),
            MapOp::Mul(a, b) => MapOp::Mul(of(a), of(b)),
            MapOp::And(a, b) => MapOp::And(of(a), of(b)),
            MapOp::Or(a, b) => MapOp::Or(of(a), of(b)),
            MapOp::Xor(a, b) => MapOp::Xor(of(a), of(b)),
            MapOp::Shl(a, by) => MapOp::Shl(of(a), by),
            MapOp::Shr(a, by) => MapOp::Shr(of(a), by),
            MapOp::Sar(a, by) => MapOp::Sar(of(a), by),
            MapOp::ShlBy(a, b) => MapOp::ShlBy(of(a), of(b)),
            MapOp::ShrBy(a, b) => MapOp::ShrBy(of(a), of(b)),
            MapOp::Parity(a) => MapOp::Parity(of(a)),
        }
    }
}

/// Position of an earlier operation in the same `Map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct V(pub u32);

/// A loop over `rows × cols` positions: each stores some of its values. Positions are independent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Map {
    /// What it computes in. A store reduces a value to its buffer's lane, which is never the wider one.
    pub lane: Lane,
    /// Rows of the index space.
    pub rows: usize,
    /// Columns of the index space.
    pub cols: usize,
    /// Operations in order.
    pub ops: Vec<MapOp>,
    /// Buffers of `rows * cols` entries written at `row * cols + col`; never also read by this map.
    pub stores: Vec<(Buf, V)>,
}

/// A strided copy of up to four dimensions into a part of a buffer of the same lane, counted in entries.
///
/// `dst[dst_offset + Σ i_d * dst_strides[d]] = src[src_offset + Σ i_d * src_strides[d]]` for all `i` below `dims`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Copy {
    /// Written buffer.
    pub dst: Buf,
    /// Read buffer.
    pub src: Buf,
    /// Extents.
    pub dims: [usize; 4],
    /// Strides in `dst`.
    pub dst_strides: [usize; 4],
    /// Strides in `src`.
    pub src_strides: [usize; 4],
    /// First entry in `dst`.
    pub dst_offset: usize,
    /// First entry in `src`.
    pub src_offset: usize,
}

/// The shape of a comparison key (gate G16): a binary tree over the points that ends some levels early, where a node has the
/// values of all points below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonTree {
    /// Width of thresholds and points, at most 32.
    pub bits: u8,
    /// Levels that the tree lacks, fewer than bits and at most [`ComparisonTree::MOST_LEAF_BITS`].
    pub leaf_bits: u8,
}

impl ComparisonTree {
    /// The most levels that a tree lacks.
    pub const MOST_LEAF_BITS: u8 = 4;

    /// The smallest keys for payloads of so many words of `width` bits.
    pub(crate) fn smallest(bits: u8, words: usize, width: u8) -> ComparisonTree {
        let trees = (0..=Self::MOST_LEAF_BITS.min(bits - 1)).map(|leaf_bits| ComparisonTree { bits, leaf_bits });
        let size = |tree: &ComparisonTree| 129 * tree.levels() + words * usize::from(width) * tree.values();
        trees.min_by_key(size).expect("a tree that lacks no level")
    }

    /// Levels that it has; none of a tree that the verifier refuses.
    pub fn levels(&self) -> usize {
        usize::from(self.bits.saturating_sub(self.leaf_bits))
    }

    /// Corrections of values, for each word of the payload: one a level and one for each point below a node at the end.
    pub fn values(&self) -> usize {
        self.levels() + (1 << self.leaf_bits.min(Self::MOST_LEAF_BITS))
    }
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Instr {
    /// Fills `dst` from the role's own data.
    Load {
        /// Written buffer.
        dst: Buf,
        /// Which data.
        source: Source,
    },
    /// Fills `dst` with words of a pseudo-random stream, each entry reduced modulo 2^bits.
    Draw {
        /// Written buffer.
        dst: Buf,
        /// Whose seed.
        seed: Owner,
        /// Which of the owner's seeds: the session's or the inference's.
        stage: Stage,
        /// Stream number; every stream is drawn by exactly one instruction of a role.
        stream: u64,
        /// Width of an entry.
        bits: u8,
    },
    /// A party: takes the dealer's next correction, packed at `bits` per word, in program order.
    Receive {
        /// Written buffer.
        dst: Buf,
        /// Width of an entry.
        bits: u8,
    },
    /// Dealer: sends a party its next correction, in program order.
    Deal {
        /// Buffer to send.
        src: Buf,
        /// Width of an entry.
        bits: u8,
        /// Who receives it.
        to: Owner,
    },
    /// Dealer: sends both parties the same next correction, in program order.
    Broadcast {
        /// Buffer to send.
        src: Buf,
        /// Width of an entry.
        bits: u8,
    },
    /// A loop of word operations.
    Map(Map),
    /// Zero-filled `dst` of the buffer's length; used before partial copies.
    Zero {
        /// Written buffer.
        dst: Buf,
    },
    /// A strided copy; several may write disjoint parts of one buffer.
    Copy(Copy),
    /// `dst[r] = Σ_c src[r * cols + c]`.
    SumRows {
        /// Written buffer.
        dst: Buf,
        /// Read buffer.
        src: Buf,
        /// Words per row.
        cols: usize,
    },
    /// `dst = left · right` for each of `batch` row-major matrices of one lane, modulo 2^bits: higher bits of a word are
    /// arbitrary and may differ between machines, so nothing that reads `dst` may depend on them. `shared_right`: one right matrix
    /// serves every batch entry.
    MatMul {
        /// `[batch, m, n]`
        dst: Buf,
        /// `[batch, m, k]`
        left: Buf,
        /// `[batch, k, n]`, or `[k, n]` if shared.
        right: Buf,
        /// Number of products.
        batch: usize,
        /// Rows.
        m: usize,
        /// Inner extent.
        k: usize,
        /// Columns.
        n: usize,
        /// One right matrix for all.
        shared_right: bool,
        /// Ring in which the product is used; its lane is that of all three buffers.
        bits: u8,
    },
    /// `cos[i] = round(cos(2π j src[i] / 2^period_bits) 2^fraction)`, j the multiple, `sin` likewise (gate G11, S4).
    Harmonic {
        /// Written buffer.
        cos: Buf,
        /// Written buffer.
        sin: Buf,
        /// Angles.
        src: Buf,
        /// log2 of the period in ring units.
        period_bits: u8,
        /// Fraction bits of the factors.
        fraction: u8,
        /// j.
        multiple: u16,
    },
    /// Dealer: correction words of keys of a row function, one key per row (gate G10).
    RowKeys {
        /// Written buffer, `[len, levels, 2]`.
        seeds: Buf,
        /// Written buffer, `[len]`: words of `levels` bits.
        controls: Buf,
        /// Written buffer, `[len, levels − 3, 4]`, in the lane of the result.
        values: Buf,
        /// Masks modulo 2^ring_bits, `[len]`.
        masks: Buf,
        /// The parties' secret halves of the keys, `[len, 2]`, of 64 bits.
        roots: [Buf; 2],
        /// Parameters.
        table: RowTable,
    },
    /// A party: its shares of a row function at one opened number per key (gate G10).
    RowShares {
        /// Written buffer, `[len]`, in a lane of its own.
        dst: Buf,
        /// Numbers modulo 2^ring_bits, `[len]`.
        points: Buf,
        /// The party's own half of the keys, `[len, 2]`.
        root: Buf,
        /// As dealt.
        seeds: Buf,
        /// As dealt.
        controls: Buf,
        /// As dealt.
        values: Buf,
        /// Parameters.
        table: RowTable,
    },
    /// Data owner: what it offers of a row function at opened numbers (gate G20).
    OfferRows {
        /// Written buffer, `[len, entries, 4]`, in the lane of the result.
        entries: Buf,
        /// Written buffer, `[len, labelled, 2]`; none if there is one list.
        next: Option<Buf>,
        /// Numbers modulo 2^ring_bits, `[len]`.
        points: Buf,
        /// Its own part of their masks, `[len]`.
        mask: Buf,
        /// Pads of all choices, doubles, `[len, lists, buckets]`.
        pads: Buf,
        /// What masks the coefficients of each power, `[len, lists]`.
        coefficients: [Buf; RowTable::POWERS],
        /// Uniform words, two labels for every list but the first, `[len, lists − 1, 4]`; none if there is one list.
        labels: Option<Buf>,
        /// Parameters.
        offer: RowOffer,
    },
    /// Model owner: Σ of its entries' coefficients times the powers of its own masks (gate G20).
    TakeRows {
        /// Written buffer, `[len]`, in a lane of its own.
        dst: Buf,
        /// Its own part of the masks, `[len]`.
        mask: Buf,
        /// Pads of its choices, doubles, `[len, lists]`.
        pads: Buf,
        /// As offered.
        entries: Buf,
        /// As offered.
        next: Option<Buf>,
        /// Parameters.
        offer: RowOffer,
    },
    /// Dealer: correction words of keys for shares of `payload·[x < threshold]`, one key per entry (gate G16).
    ComparisonKeys {
        /// Written buffer, `[len, levels, 2]`.
        seeds: Buf,
        /// Written buffer, `[len]`: words with a bit a level.
        controls: Buf,
        /// Written buffer, `[len, values of the tree, words of the payload]`.
        values: Buf,
        /// Thresholds modulo 2^bits, `[len]`.
        threshold: Buf,
        /// The words of the payload, one or two, `[len]` each.
        payload: SmallVec<[Buf; 2]>,
        /// The parties' secret halves of the keys, `[len, 2]`, of 64 bits.
        roots: [Buf; 2],
        /// Parameters.
        tree: ComparisonTree,
    },
    /// A party: its shares of `payload·[x < threshold]` at a public x per key (gate G16).
    ComparisonShares {
        /// Written buffers, one per word of the payload, `[len]`.
        dst: SmallVec<[Buf; 2]>,
        /// x modulo 2^bits, `[len]`.
        points: Buf,
        /// The party's own half of the keys, `[len, 2]`.
        root: Buf,
        /// As dealt.
        seeds: Buf,
        /// As dealt.
        controls: Buf,
        /// As dealt.
        values: Buf,
        /// Parameters.
        tree: ComparisonTree,
    },
    /// A party: its shares of how many of each row's numbers lie at or below each threshold, from shares of their masks'
    /// buckets, modulo 2^64 (gate G18).
    BucketCounts {
        /// Written buffer, `[rows, thresholds]`.
        dst: Buf,
        /// The masked numbers modulo 2^bits, `[rows, cols]`.
        points: Buf,
        /// Whether the mask is in a bucket, `[2^buckets − 1, rows, cols]`.
        shares: Buf,
        /// Numbers of a row.
        cols: usize,
        /// Width of the numbers.
        bits: u8,
        /// log2 of the number of buckets.
        buckets: u8,
        /// log2 of the distance of thresholds.
        step: u8,
    },
}

/// Entries of a buffer on the wire, `bits` each, packed; the buffer's lane is that of `bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Packed {
    /// The buffer.
    pub buf: Buf,
    /// Width of an entry.
    pub bits: u8,
}

/// One simultaneous exchange with the peer. All sends travel as one message, in order; so do all receives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// To the peer.
    pub send: Vec<Packed>,
    /// From the peer.
    pub receive: Vec<Packed>,
}

/// Local work, then an exchange.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Instructions before the exchange.
    pub local: Vec<Instr>,
    /// The exchange; empty in the last step.
    pub exchange: Exchange,
}

/// A buffer handed out at the end: words of an output, to be read as signed integers of `bits` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputBuffer {
    /// Index of the output in the program.
    pub output: u32,
    /// The buffer.
    pub buf: Buf,
    /// Width of its words.
    pub bits: u8,
}

/// Everything one role executes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleCode {
    /// Whose code.
    pub role: Role,
    /// Entries of every buffer.
    pub lengths: Vec<usize>,
    /// Lane of every buffer.
    pub lanes: Vec<Lane>,
    /// Once per session. Buffers written here stay until the session ends.
    pub setup: Step,
    /// After the exchange of the setup, still once per session.
    pub setup_after: Vec<Instr>,
    /// Per inference, before the input is known.
    pub offline: Vec<Instr>,
    /// Per inference, from the input to the output. `steps.len()` is the number of hops plus one.
    pub steps: Vec<Step>,
    /// Outputs; only the data owner has any.
    pub outputs: Vec<OutputBuffer>,
}

/// The exchange of a list of instructions that none follows.
const NO_EXCHANGE: &Exchange = &Exchange { send: Vec::new(), receive: Vec::new() };

impl RoleCode {
    /// Every list of instructions with the exchange that follows it, in the order of execution: setup, after setup,
    /// offline, steps. The first two belong to the setup.
    pub fn lists(&self) -> Vec<(&[Instr], &Exchange)> {
        (0..3 + self.steps.len()).filter_map(|list| self.list(list)).collect()
    }

    /// List number `list` of [`RoleCode::lists`].
    pub fn list(&self, list: usize) -> Option<(&[Instr], &Exchange)> {
        match list {
            0 => Some((&self.setup.local, &self.setup.exchange)),
            1 => Some((&self.setup_after, NO_EXCHANGE)),
            2 => Some((&self.offline, NO_EXCHANGE)),
            _ => self.steps.get(list - 3).map(|step| (step.local.as_slice(), &step.exchange)),
        }
    }

    /// Words of a buffer.
    pub fn words(&self, buf: Buf) -> usize {
        self.lengths[buf.0 as usize] * self.lanes[buf.0 as usize].words()
    }
}

impl Instr {
    /// Buffers written.
    pub fn writes(&self) -> Vec<Buf> {
        match self {
            Instr::Load { dst, .. }
            | Instr::Draw { dst, .. }
            | Instr::Receive { dst, .. }
            | Instr::Zero { dst }
            | Instr::SumRows { dst, .. }
            | Instr::MatMul { dst, .. }
            | Instr::RowShares { dst, .. }
            | Instr::TakeRows { dst, .. }
            | Instr::BucketCounts { dst, .. } => vec![*dst],
            Instr::OfferRows { entries, next, .. } => std::iter::once(*entries).chain(*next).collect(),
            Instr::Copy(c) => vec![c.dst],
            Instr::Deal { .. } | Instr::Broadcast { .. } => vec![],
            Instr::Map(m) => m.stores.iter().map(|s| s.0).collect(),
            Instr::Harmonic { cos, sin, .. } => vec![*cos, *sin],
            Instr::ComparisonKeys { seeds, controls, values, .. } | Instr::RowKeys { seeds, controls, values, .. } => {
                vec![*seeds, *controls, *values]
            }
            Instr::ComparisonShares { dst, .. } => dst.to_vec(),
        }
    }

    /// Buffers read, possibly with repetitions.
    pub fn reads(&self) -> Vec<Buf> {
        match self {
            Instr::Load { .. } | Instr::Draw { .. } | Instr::Receive { .. } | Instr::Zero { .. } => vec![],
            Instr::Deal { src, .. }
            | Instr::Broadcast { src, .. }
            | Instr::SumRows { src, .. }
            | Instr::Harmonic { src, .. } => vec![*src],
            Instr::Copy(c) => vec![c.src],
            Instr::MatMul { left, right, .. } => vec![*left, *right],
            Instr::BucketCounts { points, shares, .. } => vec![*points, *shares],
            Instr::ComparisonKeys { threshold, payload, roots, .. } => {
                [&[*threshold], &payload[..], &roots[..]].concat()
            }
            Instr::RowKeys { masks, roots, .. } => vec![*masks, roots[0], roots[1]],
            Instr::OfferRows { points, mask, pads, coefficients, labels, .. } => {
                [*points, *mask, *pads].into_iter().chain(*coefficients).chain(*labels).collect()
            }
            Instr::TakeRows { mask, pads, entries, next, .. } => {
                [*mask, *pads, *entries].into_iter().chain(*next).collect()
            }
            Instr::ComparisonShares { points, root, seeds, controls, values, .. }
            | Instr::RowShares { points, root, seeds, controls, values, .. } => {
                vec![*points, *root, *seeds, *controls, *values]
            }
            Instr::Map(m) => m
                .ops
                .iter()
                .filter_map(|op| match op {
                    MapOp::Load(b, _) | MapOp::LoadAt(b, _) => Some(*b),
                    _ => None,
                })
                .collect(),
        }
    }
}

impl Instr {
    /// Replaces the buffers read.
    pub fn read_instead(&mut self, of: impl Fn(Buf) -> Buf) {
        let change = |buf: &mut Buf| *buf = of(*buf);
        match self {
            Instr::Load { .. } | Instr::Draw { .. } | Instr::Receive { .. } | Instr::Zero { .. } => {}
            Instr::Deal { src, .. }
            | Instr::Broadcast { src, .. }
            | Instr::SumRows { src, .. }
            | Instr::Harmonic { src, .. } => change(src),
            Instr::Copy(c) => change(&mut c.src),
            Instr::MatMul { left, right, .. } | Instr::BucketCounts { points: left, shares: right, .. } => {
                [left, right].into_iter().for_each(change);
            }
            Instr::ComparisonKeys { threshold, payload, roots, .. } => {
                change(threshold);
                payload.iter_mut().chain(roots).for_each(change);
            }
            Instr::RowKeys { masks, roots, .. } => std::iter::once(masks).chain(roots).for_each(change),
            Instr::OfferRows { points, mask, pads, coefficients, labels, .. } => {
                [points, mask, pads].into_iter().chain(coefficients).chain(labels).for_each(change);
            }
            Instr::TakeRows { mask, pads, entries, next, .. } => {
                [mask, pads, entries].into_iter().chain(next).for_each(change);
            }
            Instr::ComparisonShares { points, root, seeds, controls, values, .. }
            | Instr::RowShares { points, root, seeds, controls, values, .. } => {
                [points, root, seeds, controls, values].into_iter().for_each(change);
            }
            Instr::Map(m) => m.ops.iter_mut().for_each(|op| {
                if let MapOp::Load(b, _) | MapOp::LoadAt(b, _) = op {
                    change(b);
                }
            }),
        }
    }
}

/// Executes maps: an interpreter or compiled code, bit-equal by test.
pub trait MapExecutor: Send + Sync {
    /// Runs one map over `buffers` with their `lanes`, both indexed by [`Buf`]. Buffers read are filled; buffers written
    /// have their full length. `id` is the map's position in [`maps`].
    fn run(&self, id: usize, map: &Map, lanes: &[Lane], buffers: &mut [Words]);
}

/// Every map of a role's code in the order setup, after setup, offline, steps: the position is the `id` of [`MapExecutor::run`].
pub fn maps(code: &RoleCode) -> impl Iterator<Item = &Map> {
    code.lists().into_iter().flat_map(|(instrs, _)| instrs).filter_map(|i| match i {
        Instr::Map(m) => Some(m),
        _ => None,
    })
}
