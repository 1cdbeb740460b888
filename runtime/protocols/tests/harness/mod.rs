//! Small share programs run through their lowered code with chosen masks, so that a test can enumerate them.
//!
//! The code of the three roles is the one the parties execute; only the pseudo-random streams are replaced.

pub(crate) mod pair;
pub(crate) mod views;

use std::collections::VecDeque;

use mpcc_kernels::{counts, dcf, matmul, rows, trig};
use mpcc_program::code::{Buf, Instr, MapExecutor, OutputBuffer, Owner, Packed, Role, RoleCode, RowFunction, Source};
use mpcc_program::gates::lower;
use mpcc_program::interpret::Interpreter;
use mpcc_program::program::{
    Gate, Input, Kind, Output, Program, Value, ValueId, Weight, WeightId, WeightRounding, stream,
};
use mpcc_program::words::with_own;

/// Builds a program value by value.
pub(crate) struct Builder {
    pub(crate) program: Program,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self { program: Program { name: "test".into(), ..Program::default() } }
    }

    pub(crate) fn push(
        &mut self,
        gate: Gate,
        kind: Kind,
        shape: &[usize],
        ring: u8,
        fraction: i16,
        bound: u8,
    ) -> ValueId {
        let level = gate.operands().iter().map(|o| self.program.value(*o).level).max().unwrap_or(0)
            + u16::from(gate.takes_a_hop());
        self.program.values.push(Value {
            gate,
            kind,
            shape: shape.iter().copied().collect(),
            ring,
            fraction,
            bound,
            level,
            path: String::new(),
        });
        self.program.hops = self.program.hops.max(level);
        ValueId(self.program.values.len() as u32 - 1)
    }

    pub(crate) fn weight(&mut self, shape: &[usize], fraction: i16, bound: u8) -> WeightId {
        self.program.weights.push(Weight {
            node: 0,
            shape: shape.iter().copied().collect(),
            transposed: false,
            fraction,
            bound,
            rounding: WeightRounding::Nearest,
            path: String::new(),
        });
        WeightId(self.program.weights.len() as u32 - 1)
    }

    /// A share whose plain value is the next weight.
    pub(crate) fn share(&mut self, shape: &[usize], ring: u8, bound: u8) -> ValueId {
        let weight = self.weight(shape, 0, bound);
        self.push(Gate::ServerShare { weight }, Kind::Share, shape, ring, 0, bound)
    }

    pub(crate) fn input(&mut self, shape: &[usize], ring: u8, bound: u8) -> ValueId {
        let input = self.program.inputs.len() as u32;
        self.program.inputs.push(Input {
            node: 0,
            shape: shape.iter().copied().collect(),
            fraction: 0,
            bound,
            path: String::new(),
        });
        self.push(Gate::Input { input }, Kind::Wire, shape, ring, 0, bound)
    }

    pub(crate) fn open(&mut self, source: ValueId, ring: u8, truncate: u8, bound: u8) -> ValueId {
        let (shape, fraction) = {
            let v = self.program.value(source);
            (v.shape.clone(), v.fraction - i16::from(truncate))
        };
        self.push(Gate::Open { source, truncate }, Kind::Wire, &shape, ring, fraction, bound)
    }

    pub(crate) fn reveal(&mut self, source: ValueId, ring: u8, truncate: u8) -> ValueId {
        let output = self.program.outputs.len() as u32;
        let v = self.program.value(source).clone();
        let fraction = v.fraction - i16::from(truncate);
        self.program.outputs.push(Output { name: "out".into(), shape: v.shape.clone(), fraction, labels: vec![] });
        let gate = Gate::Reveal { source, truncate, output };
        self.push(gate, Kind::Share, &v.shape, ring, fraction, v.bound.saturating_sub(truncate).max(1))
    }
}

/// The words of both messages of a hop, by sender.
pub(crate) type Messages = [Vec<Vec<u64>>; 2];

/// What a test sees of a run.
pub(crate) struct Seen {
    /// Signed outputs.
    pub(crate) outputs: Vec<Vec<i64>>,
    /// Words of both messages of every hop, by sender.
    pub(crate) messages: Vec<Messages>,
    /// The data owner's corrections in order; what both parties get stands in `dealt_to_both` too.
    pub(crate) dealt: Vec<Vec<u64>>,
    /// What both parties got, in order.
    pub(crate) dealt_to_both: Vec<Vec<u64>>,
    /// The model owner's corrections in order.
    pub(crate) dealt_to_model_owner: Vec<Vec<u64>>,
    /// W + s as the data owner received it.
    pub(crate) masked_weights: Vec<Vec<u64>>,
}

struct Machine {
    code: RoleCode,
    buffers: Vec<Vec<u64>>,
    /// What the dealer dealt to both parties.
    to_both: Vec<Vec<u64>>,
    /// What the dealer dealt to the model owner.
    for_model_owner: Vec<Vec<u64>>,
}

/// Replaces a stream: owner, stream number, width, length.
pub(crate) type Draw<'a> = dyn FnMut(Owner, u64, u8, usize) -> Vec<u64> + 'a;

/// The words that a stream gives when a test does not choose them.
pub(crate) fn random_words(owner: Owner, stream: u64, seed: u64, bits: u8, len: usize) -> Vec<u64> {
    let mut state = seed ^ (stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)) ^ ((owner == Owner::DataOwner) as u64) << 63;
    (0..len).map(|_| mix(&mut state) & mask(bits)).collect()
}

/// Random streams of a seed, but for the parts of a wire's mask that model owner and data owner draw at each entry.
pub(crate) fn masked(
    wire: ValueId,
    seed: u64,
    parts: impl Fn(usize) -> [u64; 2],
) -> impl FnMut(Owner, u64, u8, usize) -> Vec<u64> {
    move |owner, s, bits, len| {
        if s != stream(wire, 0) {
            return random_words(owner, s, seed, bits, len);
        }
        let which = usize::from(owner == Owner::DataOwner);
        (0..len).map(|at| parts(at)[which] & mask(bits)).collect()
    }
}

/// As [`masked`], with the whole mask of each entry given; how it is split differs from entry to entry.
pub(crate) fn masked_by(
    wire: ValueId,
    seed: u64,
    whole: impl Fn(usize) -> u64,
) -> impl FnMut(Owner, u64, u8, usize) -> Vec<u64> {
    masked(wire, seed, move |at| {
        let first = (at as u64).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        [first, whole(at).wrapping_sub(first)]
    })
}

/// One step of a small generator.
pub(crate) fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(crate) fn mask(bits: u8) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

pub(crate) fn signed(word: u64, bits: u8) -> i64 {
    let shift = 64 - u32::from(bits);
    ((word << shift) as i64) >> shift
}

/// Kernel parameters of a row table.
pub(crate) fn kernel_table(t: &mpcc_program::code::RowTable) -> rows::RowTable {
    rows::RowTable {
        ring_bits: t.ring_bits.into(),
        levels: t.levels.into(),
        position_bits: t.position_bits.into(),
        fraction: t.fraction.into(),
        function: match t.function {
            RowFunction::Rsqrt { scale, eps } => rows::RowFunction::Rsqrt { scale, eps },
            RowFunction::Recip { scale, eps } => rows::RowFunction::Recip { scale, eps },
            RowFunction::Sqrt { scale, eps } => rows::RowFunction::Sqrt { scale, eps },
        },
    }
}

/// Kernel parameters of an offer.
pub(crate) fn kernel_offer(of: &mpcc_program::code::RowOffer) -> rows::offer::Offer {
    rows::offer::Offer { table: kernel_table(&of.table), choice: of.choice_bits.into() }
}

impl Machine {
    fn new(program: &Program, role: Role) -> Self {
        Self::of(lower(program, role))
    }

    fn of(code: RoleCode) -> Self {
        let buffers = vec![vec![]; code.lengths.len()];
        Self { code, buffers, to_both: vec![], for_model_owner: vec![] }
    }

    fn words(&self, packed: &[Packed]) -> Vec<Vec<u64>> {
        packed.iter().map(|p| self.buffers[p.buf.0 as usize].iter().map(|w| w & mask(p.bits)).collect()).collect()
    }

    fn store(&mut self, packed: &[Packed], words: &[Vec<u64>]) {
        for (p, w) in packed.iter().zip(words) {
            assert_eq!(w.len(), self.code.words(p.buf));
            self.buffers[p.buf.0 as usize].clone_from(w);
        }
    }

    fn run(&mut self, list: &[Instr], data: &[Vec<i64>], draw: &mut Draw<'_>, dealt: &mut VecDeque<Vec<u64>>) {
        for instr in list {
            for w in instr.writes() {
                let len = self.code.words(w);
                self.buffers[w.0 as usize].resize(len, 0);
            }
            match instr {
                Instr::Load { dst, source: Source::Weight(i) | Source::Input(i) } => {
                    self.buffers[dst.0 as usize] = data[*i as usize].iter().map(|v| *v as u64).collect();
                }
                Instr::Draw { dst, seed, stream, bits, stage } => {
                    let stream = if *stage == mpcc_program::code::Stage::Setup { stream | 1 << 60 } else { *stream };
                    let len = self.code.lengths[dst.0 as usize];
                    self.buffers[dst.0 as usize] = draw(*seed, stream, *bits, len);
                }
                Instr::Receive { dst, .. } => {
                    self.buffers[dst.0 as usize] = dealt.pop_front().expect("a correction");
                }
                Instr::Deal { src, bits, to } => {
                    let words: Vec<u64> = self.buffers[src.0 as usize].iter().map(|w| w & mask(*bits)).collect();
                    match to {
                        Owner::ModelOwner => self.for_model_owner.push(words),
                        Owner::DataOwner => dealt.push_back(words),
                    }
                }
                Instr::Broadcast { src, bits } => {
                    let words: Vec<u64> = self.buffers[src.0 as usize].iter().map(|w| w & mask(*bits)).collect();
                    self.for_model_owner.push(words.clone());
                    self.to_both.push(words.clone());
                    dealt.push_back(words);
                }
                Instr::ComparisonKeys { seeds, controls, values, threshold, payload, roots, tree } => {
                    let [mut s, mut c, mut v] =
                        [seeds, controls, values].map(|b| std::mem::take(&mut self.buffers[b.0 as usize]));
                    let read = |b: &mpcc_program::code::Buf| &self.buffers[b.0 as usize][..];
                    let out = dcf::Words { seeds: &mut s[..], controls: &mut c[..], values: &mut v[..] };
                    let payload: Vec<&[u64]> = payload.iter().map(read).collect();
                    dcf::generate(
                        dcf::Tree { bits: tree.bits.into(), leaf_bits: tree.leaf_bits.into() },
                        read(threshold),
                        &payload,
                        roots.each_ref().map(read),
                        out,
                    );
                    for (b, words) in [(seeds, s), (controls, c), (values, v)] {
                        self.buffers[b.0 as usize] = words;
                    }
                }
                Instr::ComparisonShares { dst, points, root, seeds, controls, values, tree } => {
                    let mut shares: Vec<Vec<u64>> =
                        dst.iter().map(|b| std::mem::take(&mut self.buffers[b.0 as usize])).collect();
                    let read = |b: &mpcc_program::code::Buf| &self.buffers[b.0 as usize][..];
                    let words = dcf::Words { seeds: read(seeds), controls: read(controls), values: read(values) };
                    let party = u8::from(self.code.role == Role::DataOwner);
                    let mut out: Vec<&mut [u64]> = shares.iter_mut().map(Vec::as_mut_slice).collect();
                    dcf::evaluate(
                        dcf::Tree { bits: tree.bits.into(), leaf_bits: tree.leaf_bits.into() },
                        party,
                        read(points),
                        read(root),
                        words,
                        &mut out,
                    );
                    for (b, share) in dst.iter().zip(shares) {
                        self.buffers[b.0 as usize] = share;
                    }
                }
                Instr::Map(map) => {
                    with_own(&mut self.buffers, |words| Interpreter.run(0, map, &self.code.lanes, words));
                }
                Instr::Zero { .. } => {}
                Instr::Copy(c) => {
                    let src = std::mem::take(&mut self.buffers[c.src.0 as usize]);
                    let dst = &mut self.buffers[c.dst.0 as usize];
                    for i in 0..c.dims.iter().product() {
                        let mut rest: usize = i;
                        let (mut from, mut to) = (c.src_offset, c.dst_offset);
                        for d in (0..4).rev() {
                            from += rest % c.dims[d] * c.src_strides[d];
                            to += rest % c.dims[d] * c.dst_strides[d];
                            rest /= c.dims[d];
                        }
                        dst[to] = src[from];
                    }
                    self.buffers[c.src.0 as usize] = src;
                }
                Instr::SumRows { dst, src, cols } => {
                    let sums = self.buffers[src.0 as usize]
                        .chunks(*cols)
                        .map(|r| r.iter().fold(0u64, |s, v| s.wrapping_add(*v)))
                        .collect();
                    self.buffers[dst.0 as usize] = sums;
                }
                Instr::MatMul { dst, left, right, batch, m, k, n, shared_right, .. } => {
                    let (a, b) = (&self.buffers[left.0 as usize], &self.buffers[right.0 as usize]);
                    let mut out = vec![0; batch * m * n];
                    if *shared_right {
                        matmul::matmul(1, batch * m, *k, *n, a, b, &mut out);
                    } else {
                        matmul::matmul(*batch, *m, *k, *n, a, b, &mut out);
                    }
                    self.buffers[dst.0 as usize] = out;
                }
                Instr::Harmonic { cos, sin, src, period_bits, fraction, multiple } => {
                    let x = self.buffers[src.0 as usize].clone();
                    let (mut c, mut s) = (vec![0; x.len()], vec![0; x.len()]);
                    trig::harmonic(&x, (*period_bits).into(), (*fraction).into(), *multiple, &mut c, &mut s);
                    self.buffers[cos.0 as usize] = c;
                    self.buffers[sin.0 as usize] = s;
                }
                Instr::BucketCounts { dst, points, shares, cols, bits, buckets, step } => {
                    let [ring, buckets, step] = [*bits, *buckets, *step].map(u32::from);
                    let whole = self.code.role == Role::ModelOwner;
                    let mut out = std::mem::take(&mut self.buffers[dst.0 as usize]);
                    let (points, shares) = (&self.buffers[points.0 as usize], &self.buffers[shares.0 as usize]);
                    let of = counts::Counts { ring, buckets, step, cols: *cols, whole };
                    counts::counts(&of, points, shares, &mut out);
                    self.buffers[dst.0 as usize] = out;
                }
                Instr::OfferRows { entries, next, points, mask, pads, coefficients, labels, offer } => {
                    let given = |buf: &Buf| &self.buffers[buf.0 as usize][..];
                    let own = rows::offer::Secrets {
                        masks: given(mask),
                        pads: given(pads),
                        coefficients: coefficients.each_ref().map(given),
                        labels: labels.as_ref().map_or(&[], given),
                    };
                    let mut out = vec![0; self.code.lengths[entries.0 as usize]];
                    let mut follow = next.map_or(vec![], |next| vec![0; self.code.lengths[next.0 as usize]]);
                    let offer = kernel_offer(offer);
                    rows::offer::write(&offer, rows::Width::Word, given(points), own, &mut out, &mut follow);
                    self.buffers[entries.0 as usize] = out;
                    if let Some(next) = next {
                        self.buffers[next.0 as usize] = follow;
                    }
                }
                Instr::TakeRows { dst, mask, pads, entries, next, offer } => {
                    let given = |buf: &Buf| &self.buffers[buf.0 as usize][..];
                    let offered = (given(entries), next.as_ref().map_or(&[][..], given));
                    let mut out = vec![0; given(mask).len()];
                    let (offer, own) = (kernel_offer(offer), (given(mask), given(pads)));
                    rows::offer::read(&offer, rows::Width::Word, own, offered, &mut out);
                    self.buffers[dst.0 as usize] = out;
                }
                Instr::RowKeys { seeds, controls, values, masks, roots, table } => {
                    let given = |buf: &Buf| self.buffers[buf.0 as usize].clone();
                    let [mut s, mut c, mut v] = [seeds, controls, values].map(given);
                    let (masks, [a, b]) = (given(masks), roots.each_ref().map(given));
                    let out = rows::Words { seeds: &mut s[..], controls: &mut c[..], values: &mut v[..] };
                    rows::generate(&kernel_table(table), rows::Width::Word, &masks, [&a, &b], out);
                    for (buf, words) in [seeds, controls, values].into_iter().zip([s, c, v]) {
                        self.buffers[buf.0 as usize] = words;
                    }
                }
                Instr::RowShares { dst, points, root, seeds, controls, values, table } => {
                    let given = |buf: &Buf| &self.buffers[buf.0 as usize][..];
                    let words = rows::Words { seeds: given(seeds), controls: given(controls), values: given(values) };
                    let party = u8::from(self.code.role == Role::DataOwner);
                    let mut out = vec![0; given(points).len()];
                    let table = kernel_table(table);
                    rows::evaluate(&table, rows::Width::Word, party, given(points), given(root), words, &mut out);
                    self.buffers[dst.0 as usize] = out;
                }
            }
        }
    }
}

/// Runs a program with every stream given by `draw`.
pub(crate) fn run(program: &Program, weights: &[Vec<i64>], inputs: &[Vec<i64>], draw: &mut Draw<'_>) -> Seen {
    mpcc_program::verify::verify(program).unwrap_or_else(|v| panic!("{v:?}"));
    let seen = run_unverified(program, weights, inputs, draw);
    if pair::can(program) {
        let made = pair::agrees_with_dealer(program, weights, &seen, draw);
        let truncates = |gate: &Gate| match gate {
            Gate::Open { truncate, .. } | Gate::Reveal { truncate, .. } => *truncate > 0,
            _ => false,
        };
        // What is dropped of shares rounds by them, and they differ.
        if !program.values.iter().any(|value| truncates(&value.gate)) {
            assert_eq!(seen.outputs, pair::run(program, weights, inputs, draw, made));
        }
    }
    seen
}

/// As [`run`], also for programs that break a range rule on purpose.
pub(crate) fn run_unverified(
    program: &Program,
    weights: &[Vec<i64>],
    inputs: &[Vec<i64>],
    draw: &mut Draw<'_>,
) -> Seen {
    let [mut p0, mut p1, mut dealer] =
        [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|r| Machine::new(program, r));
    let mut dealt = VecDeque::new();
    let none = &mut VecDeque::new();
    for list in [dealer.code.setup.local.clone(), dealer.code.setup_after.clone(), dealer.code.offline.clone()] {
        dealer.run(&list, &[], draw, &mut dealt);
    }
    let kept = dealt.iter().cloned().collect();
    let (s0, s1) = (p0.code.setup.clone(), p1.code.setup.clone());
    p0.run(&s0.local, weights, draw, none);
    p1.run(&s1.local, &[], draw, &mut dealt);
    let masked_weights = p0.words(&s0.exchange.send);
    p1.store(&s1.exchange.receive, &masked_weights);
    assert!(s1.exchange.send.is_empty());
    let dealt_to_both = dealer.to_both;
    let dealt_to_model_owner = dealer.for_model_owner.clone();
    let mut for_model_owner: VecDeque<_> = dealer.for_model_owner.into();
    for (machine, dealt) in [(&mut p0, &mut for_model_owner), (&mut p1, &mut dealt)] {
        let list = [machine.code.setup_after.clone(), machine.code.offline.clone()].concat();
        machine.run(&list, &[], draw, dealt);
    }
    assert!(dealt.is_empty() && for_model_owner.is_empty(), "every correction is used");
    let (outputs, messages) = online([&mut p0, &mut p1], weights, inputs, draw);
    Seen { outputs, messages, dealt: kept, dealt_to_both, dealt_to_model_owner, masked_weights }
}

/// The steps of both parties: the outputs, and both messages of every hop.
fn online(
    [p0, p1]: [&mut Machine; 2],
    weights: &[Vec<i64>],
    inputs: &[Vec<i64>],
    draw: &mut Draw<'_>,
) -> (Vec<Vec<i64>>, Vec<Messages>) {
    let none = &mut VecDeque::new();
    let mut messages = vec![];
    for h in 0..p0.code.steps.len() {
        let (a, b) = (p0.code.steps[h].clone(), p1.code.steps[h].clone());
        p0.run(&a.local, weights, draw, none);
        p1.run(&b.local, inputs, draw, none);
        let sent = [p0.words(&a.exchange.send), p1.words(&b.exchange.send)];
        p1.store(&b.exchange.receive, &sent[0]);
        p0.store(&a.exchange.receive, &sent[1]);
        messages.push(sent);
    }
    let words = |o: &OutputBuffer| p1.buffers[o.buf.0 as usize].iter().map(|w| signed(*w, o.bits)).collect();
    (p1.code.outputs.iter().map(words).collect(), messages)
}

/// Runs a program with pseudo-random streams of a seed.
pub(crate) fn run_seeded(program: &Program, weights: &[Vec<i64>], inputs: &[Vec<i64>], seed: u64) -> Seen {
    run(program, weights, inputs, &mut |owner, stream, bits, len| random_words(owner, stream, seed, bits, len))
}
