//! The work of a role in units that take about the same time each: what an estimate of seconds multiplies with rates.
//!
//! Everything is counted from lowered code and the lengths of its buffers, so the same program gives the same counts
//! everywhere.

use serde::{Deserialize, Serialize};

use crate::code::{Buf, Copy, Exchange, Instr, Lane, Map, MapOp, RoleCode};
use crate::forms;

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A number for each unit of work: how many a role does, or how many nanoseconds one takes.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct PerUnit<T> {
            $($(#[$doc])* pub $name: T,)*
        }

        impl<T> PerUnit<T> {
            /// Names and numbers, in a fixed order.
            pub fn entries(&self) -> Vec<(&'static str, &T)> {
                vec![$((stringify!($name), &self.$name)),*]
            }

            /// The same with every number replaced.
            pub fn map<U>(&self, mut change: impl FnMut(&T) -> U) -> PerUnit<U> {
                PerUnit { $($name: change(&self.$name)),* }
            }
        }

        impl Work {
            /// Adds other work.
            pub fn add(&mut self, other: &Work) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

units! {
    /// An instruction, whatever it does: finding its buffers and starting its kernel.
    instruction,
    /// A multiply-accumulate of two words in a matrix product, in a ring of more than 32 bits.
    product,
    /// A multiply-accumulate of two words in a matrix product, in a ring of at most 32 bits.
    half_product,
    /// A multiply-accumulate of two entries of two words in a matrix product, in a ring of at most 104 bits.
    double_product,
    /// A word of an operand or of the result of a matrix product, brought into the order of the kernel and back.
    product_word,
    /// A word that a map loads or stores at consecutive positions.
    map_word,
    /// An operation of a map on one word, in maps that are computed several words at a time.
    map_vector,
    /// An operation of a map on one word, in maps with operations that have no vector form.
    map_scalar,
    /// An operation of a map on one entry of two words.
    map_double,
    /// A word that a map loads at a computed position.
    map_lookup,
    /// A word of a pseudo-random stream.
    drawn,
    /// A word that is packed into a message or a correction.
    packed,
    /// A word that is taken out of a message or a correction.
    unpacked,
    /// A byte of a correction that passes a buffer between the link and the code.
    streamed,
    /// A word that is loaded, copied in a run, set to zero or added up.
    copied,
    /// A word that is copied alone, at strides.
    scattered,
    /// A cosine and a sine.
    harmonic,
    /// A level of a row function's key that is generated.
    row_key,
    /// A level of a row function's key that is evaluated.
    row_share,
    /// A level of a comparison key that is generated.
    key_level,
    /// A level of a comparison key that is evaluated.
    share_level,
    /// A byte of the setup's message that is hashed.
    hashed,
    /// A word of memory that the process has not used before.
    fresh,
}

/// How much of each unit.
pub type Work = PerUnit<u64>;

impl Work {
    /// Bytes that maps load and store.
    pub fn map_bytes(&self) -> u64 {
        8 * (self.map_word + self.map_lookup)
    }
}

/// Largest ring of which products take half words.
pub(crate) const HALF_WORD_BITS: u8 = 32;

/// Entries of an offered row function that take as long as a level of a key.
pub(crate) const OFFERED: u64 = 4;

/// Bits of a limb in products of doubles; what needs a third one takes about twice as long.
const LIMB_BITS: u8 = 52;

/// Work of one instruction of `code`, without memory that is used for the first time.
pub fn instruction(code: &RoleCode, instr: &Instr) -> Work {
    let entries = |buf: Buf| code.lengths[buf.0 as usize] as u64;
    let len = |buf: Buf| code.words(buf) as u64;
    let packed_bytes = |buf: Buf, bits: u8| (entries(buf) * u64::from(bits)).div_ceil(8);
    let mut work = Work { instruction: 1, ..Work::default() };
    match instr {
        Instr::Load { dst, .. } | Instr::Zero { dst } => work.copied = len(*dst),
        Instr::Draw { dst, .. } => work.drawn = len(*dst),
        Instr::Receive { dst, bits } => {
            work.unpacked = len(*dst);
            work.streamed = packed_bytes(*dst, *bits);
        }
        Instr::Deal { src, bits, .. } => {
            work.packed = len(*src);
            work.streamed = packed_bytes(*src, *bits);
        }
        Instr::Broadcast { src, bits } => {
            work.packed = len(*src);
            work.streamed = 2 * packed_bytes(*src, *bits);
        }
        Instr::Map(map) => map_work(code, map, &mut work),
        Instr::Copy(copy) => copy_work(code, copy, &mut work),
        Instr::SumRows { src, .. } => work.copied = len(*src),
        Instr::MatMul { batch, m, k, n, bits, .. } => {
            let [batch, m, k, n] = [*batch, *m, *k, *n].map(|extent| extent as u64);
            let lane = Lane::of(*bits);
            match lane {
                Lane::Word if *bits <= HALF_WORD_BITS => work.half_product = batch * m * k * n,
                Lane::Word => work.product = batch * m * k * n,
                Lane::Double if *bits <= 2 * LIMB_BITS => work.double_product = batch * m * k * n,
                Lane::Double => work.double_product = 2 * batch * m * k * n,
            }
            work.product_word = lane.words() as u64 * batch * (m * k + k * n + m * n);
        }
        Instr::Harmonic { src, .. } => work.harmonic = len(*src),
        Instr::RowKeys { masks, table, .. } => work.row_key = len(*masks) * u64::from(table.levels),
        Instr::RowShares { points, table, .. } => work.row_share = len(*points) * u64::from(table.levels),
        Instr::OfferRows { points, offer, .. } => {
            work.row_share = len(*points) * offer.entries() as u64 / OFFERED;
        }
        Instr::TakeRows { mask, offer, .. } => work.row_share = len(*mask) * offer.lists() as u64,
        Instr::BucketCounts { dst, shares, .. } => {
            (work.map_word, work.map_scalar) = (len(*shares), 3 * len(*shares) + len(*dst));
        }
        // A level of a key takes eight blocks, a leaf two.
        Instr::ComparisonKeys { threshold, tree, .. } => {
            let leaves = (tree.values() - tree.levels()).div_ceil(4);
            work.key_level = len(*threshold) * (tree.levels() + leaves) as u64;
        }
        Instr::ComparisonShares { points, tree, .. } => work.share_level = len(*points) * (tree.levels() + 1) as u64,
    }
    work
}

/// Work of the message that ends a step: packing what is sent, and unpacking what is received.
pub fn exchange(code: &RoleCode, exchange: &Exchange) -> [Work; 2] {
    let words = |parts: &[crate::code::Packed]| parts.iter().map(|p| code.words(p.buf) as u64).sum();
    [
        Work { packed: words(&exchange.send), ..Work::default() },
        Work { unpacked: words(&exchange.receive), ..Work::default() },
    ]
}

fn map_work(code: &RoleCode, map: &Map, work: &mut Work) {
    let words = |buf: Buf| code.lanes[buf.0 as usize].words() as u64;
    let (rows, positions) = (map.rows as u64, (map.rows * map.cols) as u64);
    let in_order = forms::in_order(map, &code.lengths);
    let mut operations = 0u64;
    for ((op, along), in_order) in map.ops.iter().zip(forms::varies(map)).zip(in_order) {
        let times = match along {
            (true, _) => positions,
            (false, true) => rows,
            (false, false) => 0,
        };
        match op {
            MapOp::Load(buf, _) => work.map_word += times * words(*buf),
            MapOp::LoadAt(buf, _) if in_order.is_some() => work.map_word += times * words(*buf),
            MapOp::LoadAt(buf, _) => work.map_lookup += times * words(*buf),
            MapOp::RowIndex | MapOp::Const(_) => {}
            _ => operations += times,
        }
    }
    work.map_word += positions * map.stores.iter().map(|(buf, _)| words(*buf)).sum::<u64>();
    match map.lane {
        Lane::Double => work.map_double = operations,
        Lane::Word if forms::is_vector(map, &code.lengths) => work.map_vector = operations,
        Lane::Word => work.map_scalar = operations,
    }
}

fn copy_work(code: &RoleCode, copy: &Copy, work: &mut Work) {
    let words = (copy.dims.iter().product::<usize>() * code.lanes[copy.dst.0 as usize].words()) as u64;
    if copy.dst_strides[3] == 1 && copy.src_strides[3] == 1 && copy.dims[3] >= 8 {
        work.copied = words;
    } else {
        work.scattered = words;
    }
}
