//! What a share program costs, from the formulas of its gates: hops, bytes each way, and dealer bytes.
//!
//! Bytes are payload: each opened or dealt item of n words of b bits takes ⌈n·b/8⌉. A test compares every figure with
//! the lowered code, and the runtime compares them with what a run measured.

use serde::{Deserialize, Serialize};

use crate::code::{Buf, Exchange, Instr, Lane, Owner, RoleCode, RowTable};
use crate::correlation::{Item, bytes, materials};
use crate::program::{Gate, Program, Supplier, ValueId};
use crate::series;
use crate::work::{self, Work};

/// Bytes by party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyBytes {
    /// Sent by, or dealt to, the model owner.
    pub model_owner: u64,
    /// Sent by, or dealt to, the data owner.
    pub data_owner: u64,
}

impl PartyBytes {
    /// Adds what another gate costs.
    pub fn add(&mut self, other: PartyBytes) {
        self.model_owner += other.model_owner;
        self.data_owner += other.data_owner;
    }
}

/// Cost of one gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateCost {
    /// Payload sent online, by party.
    pub online: PartyBytes,
    /// Corrections the dealer sends, by receiver; the other party expands its seed. Without a dealer, shares of what was made.
    pub dealt: PartyBytes,
    /// Multiply-accumulates of entries online, by party.
    pub macs: [u64; 2],
    /// The bulk of the busier party's online work, by which the seconds of a hop are divided among its gates.
    pub work: Work,
}

/// Cost of a program, per inference unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Simultaneous exchanges.
    pub hops: u32,
    /// Payload sent online, by party.
    pub online_bytes: PartyBytes,
    /// Payload received from the dealer, by party, without the 16-byte seeds; of two parties alone, what each keeps of what they
    /// made.
    pub offline_bytes: PartyBytes,
    /// Masked weights, model owner to data owner, in a session whose data owner does not hold them yet.
    pub setup_bytes: u64,
    /// Multiply-accumulates online, of words or doubles, by party.
    pub macs: [u64; 2],
    /// Words handled online per party, a measure of everything that is no matrix product.
    pub words: u64,
}

fn both(bytes: u64) -> PartyBytes {
    PartyBytes { model_owner: bytes, data_owner: bytes }
}

/// Cost of every value's gate.
pub fn gates(program: &Program) -> Vec<GateCost> {
    (0u32..).zip(materials(program)).map(|(at, items)| gate(program, ValueId(at), &items)).collect()
}

/// Cost of one value's gate, which needs such items.
pub(crate) fn gate(program: &Program, id: ValueId, items: &[Item]) -> GateCost {
    let value = program.value(id);
    let n: usize = value.shape.iter().product();
    let big = value.ring;
    let inner = |s: &ValueId| program.value(*s).shape.last().copied().unwrap_or(1);
    let mut cost = GateCost::default();
    match &value.gate {
        Gate::Input { .. } => cost.online.data_owner = bytes(n, big),
        Gate::Open { .. } => cost.online = both(bytes(n, big)),
        Gate::Reveal { .. } => cost.online.model_owner = bytes(n, big),
        Gate::SignDigits { .. } | Gate::BucketBits { .. } | Gate::ZeroDigits { .. } => {
            cost.online = both(bytes(n, big));
        }
        Gate::OpenSign { .. } | Gate::CoarseSign { .. } => cost.online = both(bytes(n, 1)),
        Gate::RowOffer { offer, .. } => {
            let labels = bytes(2 * n * offer.labelled(), 64);
            cost.online.data_owner = bytes(n * offer.entries() * RowTable::POWERS, big) + labels;
        }
        Gate::MatMulServer { source, .. } => cost.macs = [(n * inner(source)) as u64, 0],
        Gate::MatMul { left, .. } => cost.macs = [1, 2].map(|products| (products * n * inner(left)) as u64),
        _ => {}
    }
    cost.work = work(program, id);
    for item in items {
        let [model_owner, data_owner] = item.received(program.supplier);
        cost.dealt.add(PartyBytes { model_owner, data_owner });
    }
    cost
}

/// The bulk of a gate's online work at the busier party.
fn work(program: &Program, id: ValueId) -> Work {
    let value = program.value(id);
    let n = value.shape.iter().product::<usize>() as u64;
    let source = |s: &ValueId| program.value(*s);
    let entries = |s: &ValueId| source(s).shape.iter().product::<usize>() as u64;
    let inner = |s: &ValueId| source(s).shape.last().map_or(1, |k| *k as u64);
    // What nearly every gate does: a few additions on each entry, in memory.
    let mut work = Work { map_word: 3 * n, map_vector: 2 * n, ..Work::default() };
    let products = match Lane::of(value.ring) {
        Lane::Word if value.ring <= work::HALF_WORD_BITS => &mut work.half_product,
        Lane::Word => &mut work.product,
        Lane::Double => &mut work.double_product,
    };
    match &value.gate {
        Gate::Rescale { .. } | Gate::Residue { .. } | Gate::ServerShare { .. } => work = Work::default(),
        Gate::View { .. } | Gate::Concat { .. } | Gate::ClientShare { .. } => {
            work = Work { copied: n, ..Work::default() }
        }
        Gate::Input { .. } | Gate::Open { .. } | Gate::Reveal { .. } => (work.packed, work.unpacked) = (n, n),
        Gate::MatMulServer { source: s, .. } => *products = n * inner(s),
        Gate::MatMul { left, .. } => *products = 2 * n * inner(left),
        Gate::Hadamard { .. } => (work.map_word, work.map_vector) = (6 * n, 4 * n),
        Gate::SignShare { .. } => (work.map_word, work.map_vector) = (3 * n, 4 * n),
        Gate::RowSquares { source: s } | Gate::Square { source: s } => {
            (work.map_word, work.map_vector) = (5 * entries(s), 8 * entries(s))
        }
        Gate::SignDigits { digits, .. } => {
            (work.packed, work.unpacked) = (n, n);
            work.map_lookup = n * digits.len() as u64;
            work.map_scalar = 8 * n * digits.len() as u64;
        }
        Gate::OpenSign { signs, .. } => {
            let signs = n * signs.len() as u64;
            (work.map_scalar, work.map_lookup) = (8 * signs, signs);
        }
        Gate::CoarseSign { offsets, .. } => {
            (work.packed, work.unpacked, work.map_scalar) = (n, n, 10 * n * offsets.len() as u64);
        }
        Gate::BucketBits { .. } => {
            (work.packed, work.unpacked, work.map_scalar) = (n, n, (4 + 5 * u64::from(value.ring)) * n)
        }
        Gate::ZeroDigits { digits, .. } => {
            (work.packed, work.unpacked, work.map_scalar) = (n, n, 7 * n * digits.len() as u64);
        }
        Gate::ZeroShare { bits } => work.map_vector = (4 * n) << source(bits).ring,
        Gate::Exponential { bits, source: wire, .. } => {
            let count = u64::from(source(bits).ring) * n;
            (work.map_word, work.map_lookup, work.map_double) = (3 * count, 2 * count, 8 * count);
            work.map_vector = 2 * entries(wire);
        }
        Gate::BucketCounts { source: s, buckets, .. } => {
            let shares = entries(s) << buckets;
            (work.map_word, work.map_scalar) = (shares, 3 * shares + n);
        }
        Gate::Select { .. } => (work.map_word, work.map_vector) = (8 * n, 16 * n),
        Gate::ReluShared { source: s, .. } | Gate::StepShared { source: s, .. } => {
            work.share_level = 2 * n * (u64::from(source(s).ring) + 1)
        }
        Gate::RowFunction { source: s, table } => work.row_share = entries(s) * u64::from(table.levels),
        Gate::RowOffer { source: s, offer } => {
            let offered = entries(s) * offer.entries() as u64;
            (work.row_share, work.packed, work.unpacked) = (offered / work::OFFERED, 4 * offered, 4 * offered);
        }
        Gate::TrigSeries { cosines, sines, table_fraction, .. } => {
            let (mut harmonics, mut terms) = (0, 0);
            for frequency in series::present(cosines, sines, *table_fraction) {
                harmonics += n;
                terms += n * (u64::from(frequency.cosine != 0) + u64::from(frequency.sine != 0));
            }
            (work.harmonic, work.map_word, work.map_vector) = (harmonics, 4 * harmonics, 4 * (harmonics + terms));
        }
        _ => {}
    }
    work
}

/// Cost of a whole program.
pub fn program(program: &Program) -> Cost {
    let mut cost = Cost { hops: u32::from(program.hops), ..Cost::default() };
    for (value, g) in program.values.iter().zip(gates(program)) {
        cost.online_bytes.add(g.online);
        cost.offline_bytes.add(g.dealt);
        cost.macs[0] += g.macs[0];
        cost.macs[1] += g.macs[1];
        cost.words += value.shape.iter().product::<usize>() as u64;
    }
    // Without a dealer no weight leaves its owner.
    if program.supplier == Supplier::Dealer {
        for (weight, bits) in program.weights.iter().zip(crate::gates::mask_widths(program)) {
            cost.setup_bytes += bytes(weight.shape.iter().product(), bits);
        }
    }
    cost
}

/// What lowered code sends and receives: the same figures, counted instead of computed.
pub fn counted(model_owner: &RoleCode, data_owner: &RoleCode, dealer: &RoleCode) -> Cost {
    let sent = |code: &RoleCode, exchange: &Exchange| -> u64 {
        exchange.send.iter().map(|p| bytes(code.lengths[p.buf.0 as usize], p.bits)).sum()
    };
    let online = |code: &RoleCode| code.steps.iter().map(|s| sent(code, &s.exchange)).sum();
    let mut dealt = PartyBytes::default();
    for instr in &dealer.offline {
        let size = |src: &Buf, bits: &u8| bytes(dealer.lengths[src.0 as usize], *bits);
        match instr {
            Instr::Deal { src, bits, to: Owner::ModelOwner } => dealt.model_owner += size(src, bits),
            Instr::Deal { src, bits, to: Owner::DataOwner } => dealt.data_owner += size(src, bits),
            Instr::Broadcast { src, bits } => dealt.add(both(size(src, bits))),
            _ => {}
        }
    }
    Cost {
        hops: (model_owner.steps.len() - 1) as u32,
        online_bytes: PartyBytes { model_owner: online(model_owner), data_owner: online(data_owner) },
        offline_bytes: dealt,
        setup_bytes: sent(model_owner, &model_owner.setup.exchange),
        ..Cost::default()
    }
}
