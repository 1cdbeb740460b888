//! The state of lowering one role: buffers, when each is known, and what a value became.

use hashbrown::HashMap;
use std::rc::Rc;

use crate::code::OutputBuffer;
use crate::code::{Buf, Exchange, Instr, Lane, Map, Owner, Packed, Role, RoleCode, Source, Stage, Step, V};
use crate::correlation::{Common, Item, material, materials};
use crate::defer::defer;
use crate::exponential::Exponential;
use crate::making::{Job, Making, Task};
use crate::program::{Program, Supplier, Value, ValueId, WeightId, stream};
use crate::schedule::is_large;
use crate::urgent::urgent_first;

use super::asked::{Sums, asked};
use super::expr::Expr;

/// What is known when: the setup, the offline phase, or step `n` of the online phase.
const SETUP: i32 = -2;
const OFFLINE: i32 = -1;

/// Digits of a comparison, at most.
pub(super) const MOST_DIGITS: usize = 5;

/// What a value became for the role.
#[derive(Clone)]
pub(super) enum Lowered {
    /// The party's share; nothing at the dealer.
    Share(Option<Buf>),
    /// A masked wire.
    Wire(Wire),
    /// Opened masked bits.
    Bits(Bits),
    /// A revealed output.
    Revealed,
}

/// A wire as one role sees it.
#[derive(Clone, Copy)]
pub(super) struct Wire {
    /// x^, at the parties.
    pub(super) hat: Option<Buf>,
    /// Mask shares of the two parties, as far as the role knows them.
    pub(super) mask: [Option<Buf>; 2],
}

/// An opened word of masked bits.
#[derive(Clone, Copy)]
pub(super) struct Bits {
    /// The opened word, at the parties.
    pub(super) opened: Option<Buf>,
    /// XOR shares of the masks.
    pub(super) mask: [Option<Buf>; 2],
    /// XOR shares of the products of masks.
    pub(super) monomials: [Option<Buf>; 2],
}

/// Shares of a correlated value, as far as the role knows them.
#[derive(Clone, Copy)]
pub(super) struct Shares(pub(super) [Option<Buf>; 2]);

pub(super) struct Emit<'p> {
    pub(super) program: &'p Program,
    pub(super) role: Role,
    pub(super) values: Vec<Lowered>,
    /// What each gate needs, until it is lowered.
    materials: Vec<Vec<Item>>,
    lengths: Vec<usize>,
    lanes: Vec<Lane>,
    known: Vec<i32>,
    setup: Step,
    setup_after: Vec<Instr>,
    offline: Vec<Instr>,
    steps: Vec<Step>,
    weights: Vec<Option<Buf>>,
    masked_weights: Vec<Option<Buf>>,
    /// Shares of what gates of a wire have in common.
    commons: HashMap<Common, Shares>,
    /// By digits of a comparison, the coefficients of its polynomial at every opened word.
    pub(super) sign_tables: [Option<Buf>; MOST_DIGITS + 1],
    /// The tables behind public factors of exponentials.
    pub(super) exponentials: Vec<(Exponential, [Buf; 2])>,
    outputs: Vec<OutputBuffer>,
    pub(super) gate: Underway,
    /// Whether the data owner hands out its coins.
    records: bool,
    /// What a party makes for itself, in the place of a dealer.
    maker: Option<Maker>,
}

/// A party that makes its correlated randomness with the other one.
struct Maker {
    party: usize,
    rounds: Vec<Vec<Task>>,
    items: Vec<(ValueId, Item)>,
    /// The party's shares of them.
    shares: Vec<Packed>,
    /// What is asked and known of the sums of wires' masks.
    sums: HashMap<ValueId, Sums>,
    /// The last task, by its round, whose left numbers are the mask of a wire, of those that were said to be.
    masks: HashMap<(usize, ValueId), usize>,
}

/// What two parties make for all frequencies of a series at once.
pub(super) struct Turns {
    /// The frequencies, as multiples of the basic one.
    pub(super) multiples: Vec<u16>,
    /// Cosine and sine of the party's own part of the mask, by frequency.
    pub(super) own: Vec<[Buf; 2]>,
    /// Shares of the products: the real parts of all frequencies, then the imaginary ones.
    pub(super) products: Buf,
}

/// The gate that is lowered at present.
#[derive(Default)]
pub(super) struct Underway {
    /// What it needs.
    needed: Vec<Item>,
    /// What of it is dealt for it: all but what earlier gates have in common with it.
    items: Vec<Item>,
    /// Its own mask or pads, as far as the role knows them.
    mask: [Option<Buf>; 2],
    /// Cosine and sine of a multiple, which two of its items have in common, at the dealer.
    factors: Option<(u16, [Buf; 2])>,
    /// What two parties make for all its frequencies.
    turns: Option<Rc<Turns>>,
    /// The mask's factor of an exponential, at the dealer, or the party's share of it.
    pub(super) exponent: Option<Buf>,
}

impl<'p> Emit<'p> {
    pub(super) fn new(program: &'p Program, role: Role, records: bool) -> Self {
        let steps = match role {
            Role::Dealer => vec![],
            _ => vec![Step::default(); usize::from(program.hops) + 1],
        };
        Self::begun(program, role, records, (steps, None))
    }

    /// For the code by which a party makes its correlated randomness. To gates it is a dealer that knows one party's masks.
    pub(super) fn maker(program: &'p Program, party: usize) -> Self {
        let sums = asked(program, materials(program).iter().flatten());
        let maker = Maker { party, rounds: vec![], items: vec![], shares: vec![], sums, masks: HashMap::new() };
        Self::begun(program, Role::Dealer, false, (vec![Step::default()], Some(maker)))
    }

    fn begun(program: &'p Program, role: Role, records: bool, (steps, maker): (Vec<Step>, Option<Maker>)) -> Self {
        let count = program.weights.len();
        let mut e = Self {
            program,
            role,
            values: Vec::with_capacity(program.values.len()),
            materials: materials(program),
            lengths: vec![],
            lanes: vec![],
            known: vec![],
            setup: Step::default(),
            setup_after: vec![],
            offline: vec![],
            steps,
            weights: vec![None; count],
            masked_weights: vec![None; count],
            commons: HashMap::new(),
            sign_tables: [None; MOST_DIGITS + 1],
            exponentials: vec![],
            outputs: vec![],
            gate: Underway::default(),
            records,
            maker,
        };
        e.load_weights();
        e
    }

    /// What a party makes with the other one.
    pub(super) fn finish_making(mut self) -> Making {
        let maker = self.maker.take().expect("a maker");
        self.role = if maker.party == 0 { Role::ModelOwner } else { Role::DataOwner };
        let last = self.steps.len() - 1;
        self.steps[last].exchange.send = maker.shares;
        self.steps.push(Step::default());
        Making { rounds: maker.rounds, items: maker.items, code: self.finish() }
    }

    pub(super) fn finish(self) -> RoleCode {
        let mut code = RoleCode {
            role: self.role,
            lengths: self.lengths,
            lanes: self.lanes,
            setup: self.setup,
            setup_after: self.setup_after,
            offline: self.offline,
            steps: self.steps,
            outputs: self.outputs,
        };
        if is_large(&code) {
            defer(&mut code);
        }
        urgent_first(&mut code);
        code
    }

    /// Begins the gate of the next value.
    pub(super) fn begin(&mut self) -> ValueId {
        let id = self.current();
        let items = std::mem::take(&mut self.materials[id.0 as usize]);
        self.gate = Underway { needed: material(self.program, id), items, ..Underway::default() };
        id
    }

    /// The value whose gate is lowered.
    pub(super) fn current(&self) -> ValueId {
        ValueId(u32::try_from(self.values.len()).expect("fewer than 2^32 values"))
    }

    /// 0 for the model owner, 1 for the data owner, nothing for the dealer.
    pub(super) fn party(&self) -> Option<usize> {
        match self.role {
            Role::ModelOwner => Some(0),
            Role::DataOwner => Some(1),
            Role::Dealer => None,
        }
    }

    pub(super) fn value(&self, id: ValueId) -> &'p Value {
        self.program.value(id)
    }

    pub(super) fn len(&self, id: ValueId) -> usize {
        self.value(id).shape.iter().product()
    }

    pub(super) fn last(&self, id: ValueId) -> usize {
        self.value(id).shape.last().copied().unwrap_or(1)
    }

    pub(super) fn share(&self, id: ValueId) -> Option<Buf> {
        match &self.values[id.0 as usize] {
            Lowered::Share(buf) => *buf,
            _ => unreachable!("verified: operand is a share"),
        }
    }

    pub(super) fn wire(&self, id: ValueId) -> Wire {
        match &self.values[id.0 as usize] {
            Lowered::Wire(w) => *w,
            _ => unreachable!("verified: operand is a wire"),
        }
    }

    pub(super) fn bits(&self, id: ValueId) -> Bits {
        match &self.values[id.0 as usize] {
            Lowered::Bits(b) => *b,
            _ => unreachable!("verified: operand is a bit word"),
        }
    }

    // --- weights -------------------------------------------------------------------------------------------------

    fn load_weights(&mut self) {
        let widths = super::mask_widths(self.program);
        for (index, (weight, bits)) in self.program.weights.iter().zip(widths).enumerate() {
            let id = WeightId(index as u32);
            let len: usize = weight.shape.iter().product();
            let owner = self.role == Role::ModelOwner || self.making() == Some(0);
            let plain = owner.then(|| {
                let dst = self.buffer(Lane::Word, len, SETUP);
                self.setup.local.push(Instr::Load { dst, source: Source::Weight(id.0) });
                dst
            });
            self.weights[index] = plain;
            // Between the parties alone no weight leaves its owner, masked or not.
            if bits == 0 || self.program.supplier == Supplier::Pair {
                continue;
            }
            let masked = match (self.role, plain) {
                (Role::ModelOwner, Some(plain)) => {
                    let mask = self.draw_setup(id, len, bits);
                    let lane = Lane::of(bits);
                    let dst = self.buffer(lane, len, SETUP);
                    let mut x = Expr::new(lane);
                    let (w, s) = (x.full(plain), x.full(mask));
                    let w = x.signed(w);
                    let sum = x.add(w, s);
                    let stores = vec![(dst, sum)];
                    self.setup.local.push(Instr::Map(Map { lane, rows: 1, cols: len, ops: x.ops, stores }));
                    self.setup.exchange.send.push(Packed { buf: dst, bits });
                    dst
                }
                (Role::DataOwner, _) => {
                    let dst = self.buffer(Lane::of(bits), len, SETUP);
                    self.setup.exchange.receive.push(Packed { buf: dst, bits });
                    dst
                }
                _ => self.draw_setup(id, len, bits),
            };
            self.masked_weights[index] = Some(masked);
        }
    }

    fn draw_setup(&mut self, id: WeightId, len: usize, bits: u8) -> Buf {
        let dst = self.buffer(Lane::of(bits), len, SETUP);
        self.setup.local.push(Instr::Draw {
            dst,
            seed: Owner::ModelOwner,
            stage: Stage::Setup,
            stream: u64::from(id.0),
            bits,
        });
        dst
    }

    /// The encoded weight, at the model owner.
    pub(super) fn weight(&self, id: WeightId) -> Option<Buf> {
        self.weights[id.0 as usize]
    }

    /// W + s at the data owner, s at the dealer.
    pub(super) fn masked_weight(&self, id: WeightId) -> Buf {
        self.masked_weights[id.0 as usize].expect("verified: the weight enters a product")
    }

    // --- instructions --------------------------------------------------------------------------------------------

    fn buffer(&mut self, lane: Lane, len: usize, known: i32) -> Buf {
        self.lengths.push(len);
        self.lanes.push(lane);
        self.known.push(known);
        Buf((self.lengths.len() - 1) as u32)
    }

    /// A new buffer of `len` entries.
    pub(super) fn new_buffer(&mut self, lane: Lane, len: usize) -> Buf {
        self.buffer(lane, len, OFFLINE)
    }

    /// Entries of a buffer.
    pub(super) fn entries(&self, buf: Buf) -> usize {
        self.lengths[buf.0 as usize]
    }

    pub(super) fn lane(&self, buf: Buf) -> Lane {
        self.lanes[buf.0 as usize]
    }

    /// The buffer in the lane that `lane` names: itself, reduced, or its words read as signed integers.
    pub(super) fn fit(&mut self, buf: Buf, lane: Lane) -> Buf {
        if self.lane(buf) == lane {
            return buf;
        }
        let len = self.lengths[buf.0 as usize];
        self.map(lane, 1, len, |x| {
            let v = x.full(buf);
            x.signed(v)
        })
    }

    /// Puts what a gate gave into the lane of its value's ring.
    pub(super) fn settle(&mut self, id: ValueId, lowered: Lowered) -> Lowered {
        let lane = Lane::of(self.value(id).ring);
        match lowered {
            Lowered::Share(share) => Lowered::Share(share.map(|b| self.fit(b, lane))),
            Lowered::Wire(Wire { hat, mask }) => Lowered::Wire(Wire {
                hat: hat.map(|b| self.fit(b, lane)),
                mask: mask.map(|m| m.map(|b| self.fit(b, lane))),
            }),
            other => other,
        }
    }

    /// Appends an instruction at the earliest place its operands allow, not before `earliest`.
    fn place(&mut self, instr: Instr, earliest: i32) {
        let at =
            instr.reads().iter().map(|b| self.known[b.0 as usize]).max().unwrap_or(OFFLINE).max(earliest).max(OFFLINE);
        for b in instr.writes() {
            let known = &mut self.known[b.0 as usize];
            *known = (*known).max(at);
        }
        match usize::try_from(at) {
            Ok(step) if !self.steps.is_empty() => self.steps[step].local.push(instr),
            _ => self.offline.push(instr),
        }
    }

    pub(super) fn push(&mut self, instr: Instr) {
        self.place(instr, OFFLINE);
    }

    /// A column of words that a party computes once per session, from the row alone, in a lane.
    pub(super) fn setup_map(&mut self, lane: Lane, rows: usize, body: impl FnOnce(&mut Expr) -> V) -> Buf {
        let mut x = Expr::new(lane);
        let result = body(&mut x);
        let dst = self.buffer(Lane::Word, rows, SETUP);
        let map = Map { lane, rows, cols: 1, ops: x.ops, stores: vec![(dst, result)] };
        self.setup.local.push(Instr::Map(map));
        dst
    }

    /// A map with several results, in the lane they are computed in.
    pub(super) fn maps<const N: usize>(
        &mut self,
        lane: Lane,
        rows: usize,
        cols: usize,
        body: impl FnOnce(&mut Expr) -> [V; N],
    ) -> [Buf; N] {
        self.maps_to(lane, lane, rows, cols, body)
    }

    /// A map with several results, in a lane that holds them.
    pub(super) fn maps_to<const N: usize>(
        &mut self,
        lane: Lane,
        result: Lane,
        rows: usize,
        cols: usize,
        body: impl FnOnce(&mut Expr) -> [V; N],
    ) -> [Buf; N] {
        let mut x = Expr::new(lane);
        let results = body(&mut x);
        let bufs = results.map(|_| self.new_buffer(result, rows * cols));
        let stores = bufs.iter().copied().zip(results).collect();
        self.push(Instr::Map(Map { lane, rows, cols, ops: x.ops, stores }));
        bufs
    }

    /// A map over `rows × cols` with one result.
    pub(super) fn map(&mut self, lane: Lane, rows: usize, cols: usize, body: impl FnOnce(&mut Expr) -> V) -> Buf {
        let [buf] = self.maps(lane, rows, cols, |x| [body(x)]);
        buf
    }

    /// A map over `len` entries that computes in one lane and keeps the result in another, no wider one.
    pub(super) fn map_to(&mut self, lane: Lane, result: Lane, len: usize, body: impl FnOnce(&mut Expr) -> V) -> Buf {
        let [buf] = self.maps_to(lane, result, 1, len, |x| [body(x)]);
        buf
    }

    pub(super) fn zeros(&mut self, lane: Lane, len: usize) -> Buf {
        let dst = self.new_buffer(lane, len);
        self.push(Instr::Zero { dst });
        dst
    }

    /// The data owner's own data, known from the first online step on.
    pub(super) fn load_input(&mut self, input: u32, len: usize) -> Buf {
        let dst = self.new_buffer(Lane::Word, len);
        self.place(Instr::Load { dst, source: Source::Input(input) }, 0);
        dst
    }

    pub(super) fn sum_rows(&mut self, src: Buf, rows: usize, cols: usize) -> Buf {
        let dst = self.new_buffer(self.lane(src), rows);
        self.push(Instr::SumRows { dst, src, cols });
        dst
    }

    // --- randomness ----------------------------------------------------------------------------------------------

    pub(super) fn draw(&mut self, owner: usize, id: ValueId, item: u16, bits: u8, len: usize) -> Buf {
        let dst = self.new_buffer(Lane::of(bits), len);
        let seed = if owner == 0 { Owner::ModelOwner } else { Owner::DataOwner };
        self.push(Instr::Draw { dst, seed, stage: Stage::Inference, stream: stream(id, item), bits });
        dst
    }

    /// A fresh mask: each party draws its share, the dealer both. `owners` says which parties have one.
    pub(super) fn fresh(
        &mut self,
        id: ValueId,
        item: u16,
        bits: u8,
        len: usize,
        owners: [bool; 2],
    ) -> [Option<Buf>; 2] {
        let mut out = [None; 2];
        for (i, slot) in out.iter_mut().enumerate() {
            if owners[i] && self.knows(i) {
                *slot = Some(self.draw(i, id, item, bits, len));
            }
        }
        out
    }

    /// The mask or the pads of the value underway.
    pub(super) fn mask(&mut self, id: ValueId, bits: u8, len: usize, owners: [bool; 2]) -> [Option<Buf>; 2] {
        self.gate.mask = self.fresh(id, 0, bits, len, owners);
        self.gate.mask
    }

    /// The masks of a wire, or the pads of opened bits, as far as the role knows them.
    pub(super) fn masks(&self, id: ValueId) -> [Option<Buf>; 2] {
        match self.values.get(id.0 as usize) {
            Some(Lowered::Wire(wire)) => wire.mask,
            Some(Lowered::Bits(bits)) => bits.mask,
            Some(_) => unreachable!("verified: operand is masked"),
            None => self.gate.mask,
        }
    }

    /// Whether the role knows what a party draws.
    pub(super) fn knows(&self, party: usize) -> bool {
        self.party().or(self.making()).is_none_or(|own| own == party)
    }

    /// The same at the dealer, who knows both.
    pub(super) fn both(&self, id: ValueId) -> [Buf; 2] {
        self.masks(id).map(|mask| mask.expect("the dealer knows both masks"))
    }

    /// Shares of what a gate of a wire has in common with others: those that are known, or what `make` makes of the item as it is
    /// dealt, in the lane of the bits that the gate needs.
    pub(super) fn common(&mut self, needed: &Item, make: impl FnOnce(&mut Self) -> Shares) -> Shares {
        let Some(common) = Common::of(&needed.what) else { return make(self) };
        let made = match self.commons.get(&common) {
            Some(known) => *known,
            None => {
                let made = make(self);
                self.commons.insert(common, made);
                made
            }
        };
        Shares(made.0.map(|share| share.map(|buf| self.fit(buf, Lane::of(needed.bits)))))
    }

    /// Cosine and sine of a multiple in the gate underway, made once.
    pub(super) fn factors(&mut self, multiple: u16, make: impl FnOnce(&mut Self) -> [Buf; 2]) -> [Buf; 2] {
        match self.gate.factors {
            Some((of, made)) if of == multiple => made,
            _ => {
                let made = make(self);
                self.gate.factors = Some((multiple, made));
                made
            }
        }
    }

    /// What two parties make for all frequencies of the gate underway, made once.
    pub(super) fn turns(&mut self, make: impl FnOnce(&mut Self) -> Turns) -> Rc<Turns> {
        if let Some(made) = &self.gate.turns {
            return made.clone();
        }
        let made = Rc::new(make(self));
        self.gate.turns = Some(made.clone());
        made
    }

    /// All items that are dealt for the gate underway.
    pub(super) fn items(&self) -> &[Item] {
        &self.gate.items
    }

    /// An item that is dealt for the gate underway, by its number.
    pub(super) fn item(&self, number: u16) -> Item {
        numbered(&self.gate.items, number)
    }

    /// An item that the gate underway needs, by its number.
    pub(super) fn needed(&self, number: u16) -> Item {
        numbered(&self.gate.needed, number)
    }

    /// The party's next correction.
    pub(super) fn correction(&mut self, len: usize, bits: u8) -> Buf {
        let dst = self.new_buffer(Lane::of(bits), len);
        self.push(Instr::Receive { dst, bits });
        dst
    }

    /// The role's own share; at the parties only.
    pub(super) fn own(&self, shares: Shares) -> Buf {
        let party = self.party().expect("a party");
        shares.0[party].expect("a party has its own share")
    }

    /// The dealer's view of a mask: its sum modulo 2^bits.
    pub(super) fn total(&mut self, mask: [Option<Buf>; 2], bits: u8, len: usize) -> Buf {
        self.map(Lane::of(bits), 1, len, |x| {
            let terms: Vec<V> = mask.iter().flatten().map(|b| x.full(*b)).collect();
            let sum = x.sum(&terms);
            x.low(sum, bits)
        })
    }

    // --- making --------------------------------------------------------------------------------------------------

    /// Which party makes its correlated randomness here.
    pub(super) fn making(&self) -> Option<usize> {
        self.maker.as_ref().map(|maker| maker.party)
    }

    /// A task with the other party, as soon as this one's operands are known: its share of the result.
    pub(super) fn task(&mut self, job: Job, (len, bits): (usize, u8), operands: &[Buf]) -> Buf {
        let round = self.round(operands);
        let maker = self.maker.as_mut().expect("a maker");
        let party = if maker.party == 0 { Owner::ModelOwner } else { Owner::DataOwner };
        let task = Task { job, len, bits };
        if self.steps.len() < round + 2 {
            self.steps.resize_with(round + 2, Step::default);
            maker.rounds.resize_with(round + 1, Vec::new);
        }
        maker.rounds[round].push(task);
        let sent = operands.iter().zip(task.operands(party)).map(|(buf, (_, bits))| Packed { buf: *buf, bits });
        self.steps[round].exchange.send.extend(sent);
        let dst = self.buffer(Lane::of(bits), task.results(party), round as i32 + 1);
        self.steps[round].exchange.receive.push(Packed { buf: dst, bits });
        dst
    }

    /// The round in which these operands of a task are known.
    fn round(&self, operands: &[Buf]) -> usize {
        let known = operands.iter().map(|buf| self.known[buf.0 as usize]).max().unwrap_or(0);
        usize::try_from(known).unwrap_or(0)
    }

    /// As [`Emit::task`] of products whose left numbers are the mask of a wire, which may be those of an earlier task.
    pub(super) fn task_of_mask(&mut self, wire: ValueId, job: Job, size: (usize, u8), operand: Buf) -> Buf {
        let round = self.round(&[operand]);
        let maker = self.maker.as_mut().expect("a maker");
        let place = maker.rounds.get(round).map_or(0, Vec::len);
        let before = maker.masks.insert((round, wire), place);
        let job = match job {
            Job::Products { left, pairing, factors, .. } => {
                let again = before.map_or(0, |before| u32::try_from(place - before).unwrap_or(0));
                Job::Products { left, pairing, factors, again }
            }
            other => other,
        };
        self.task(job, size, &[operand])
    }

    /// What is asked and known of the sum of a wire's masks.
    pub(super) fn sums(&mut self, wire: ValueId) -> &mut Sums {
        self.maker.as_mut().expect("a maker").sums.entry(wire).or_default()
    }

    /// Lets a buffer wait for another: a party whose operand of a task is the one and a party whose operand follows from both put
    /// the task into the same round.
    pub(super) fn wait_for(&mut self, buf: Buf, other: Buf) {
        let until = self.known[other.0 as usize];
        let known = &mut self.known[buf.0 as usize];
        *known = until.max(*known);
    }

    /// Hands out the party's share of an item of the gate underway.
    pub(super) fn made(&mut self, item: Item, share: Buf) {
        let (id, bits) = (self.current(), item.bits);
        let maker = self.maker.as_mut().expect("a maker");
        maker.items.push((id, item));
        maker.shares.push(Packed { buf: share, bits });
    }

    // --- exchange ------------------------------------------------------------------------------------------------

    fn exchange(&mut self, id: ValueId) -> &mut Exchange {
        let hop = usize::from(self.value(id).level) - 1;
        &mut self.steps[hop].exchange
    }

    pub(super) fn send(&mut self, id: ValueId, buf: Buf, bits: u8) {
        self.exchange(id).send.push(Packed { buf, bits });
    }

    pub(super) fn receive(&mut self, id: ValueId, len: usize, bits: u8) -> Buf {
        let buf = self.buffer(Lane::of(bits), len, i32::from(self.value(id).level));
        self.exchange(id).receive.push(Packed { buf, bits });
        buf
    }

    /// Hands out the low bits of the data owner's share, by which the value underway is rounded, if they are to be recorded.
    pub(super) fn record_coin(&mut self, share: Buf, bits: u8, len: usize) {
        if self.records {
            let coin = self.map_to(self.lane(share), Lane::Word, len, |x| {
                let share = x.full(share);
                x.low(share, bits)
            });
            self.output(super::COIN | self.current().0, coin, bits);
        }
    }

    pub(super) fn output(&mut self, output: u32, buf: Buf, bits: u8) {
        self.outputs.push(OutputBuffer { output, buf, bits });
    }
}

fn numbered(items: &[Item], number: u16) -> Item {
    items.iter().find(|item| item.number == number).expect("listed by `materials`").clone()
}
