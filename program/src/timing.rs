//! Predicted seconds of a program on a machine and a network, from the code of its three roles.
//!
//! Every role has a clock. Its work advances it by counted units times measured rates. A message leaves in pieces while
//! it is made, and its receiver's clock advances to the arrival of what it reads: half a round trip, and the longer of
//! the time on the line and of encryption. The dealer's corrections are a stream that is consumed while it is made.
//! Inferences of a batch share hops and take turns within each. Where the three roles share cores, no phase ends before
//! the cores have done the work of all.

use crate::code::{Buf, Instr, Owner, Packed, Role, RoleCode};
use crate::machine::{Link, Machine};
use crate::memory::{self, Footprint, packed_bytes};
use crate::program::Program;
use crate::schedule::{Moment, Origin, Schedule};
use crate::work::{self, Work};

/// Bytes of corrections that travel together.
const PIECE: u64 = 1 << 20;
/// Bytes of a hop's message that travel together.
const HOP_PIECE: u64 = 256 << 10;
/// Bytes of a word of memory.
const WORD_BYTES: u64 = 8;

/// Predicted seconds of one inference, or of a batch of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inference {
    /// Before the input is known.
    pub offline_seconds: f64,
    /// From the input to the output: the sum of `hops`.
    pub online_seconds: f64,
    /// From the end of one exchange to the end of the next; the last entry is the work after the last exchange.
    pub hops: Vec<f64>,
}

/// Predicted seconds of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// In a session that sends the weights.
    pub setup_seconds: f64,
    /// In a later one, whose data owner has kept them masked.
    pub setup_again_seconds: f64,
    /// Inferences that share hops.
    pub batch: u32,
    /// The first batch, which uses most memory for the first time.
    pub first: Inference,
    /// Every later batch.
    pub later: Inference,
}

impl Estimate {
    /// What each of a session's inferences takes in the mean: of a batch's seconds it has its part.
    pub fn mean(&self, inferences: usize) -> Inference {
        let batch = self.batch.max(1);
        let rest = (inferences.max(1) as f64 / f64::from(batch) - 1.0).max(0.0);
        let mean = |first: f64, later: f64| (first + rest * later) / (rest + 1.0) / f64::from(batch);
        let hops: Vec<f64> = self.first.hops.iter().zip(&self.later.hops).map(|(a, b)| mean(*a, *b)).collect();
        Inference {
            offline_seconds: mean(self.first.offline_seconds, self.later.offline_seconds),
            online_seconds: hops.iter().sum(),
            hops,
        }
    }
}

/// Work of a list of instructions, and what passes a link at each.
#[derive(Default)]
struct Section {
    items: Vec<Item>,
    /// Packing the message that ends the section, and unpacking the peer's.
    messages: [Work; 2],
    /// Bytes sent and received in that exchange.
    bytes: [u64; 2],
    /// What is taken of the peer's message after the instructions, and packed then.
    end: [Parts; 2],
    /// Making words before the instructions, while the message before travels.
    prepare: Work,
}

struct Item {
    work: Work,
    /// Words of memory used for the first time.
    fresh: u64,
    /// Bytes of a correction, by party.
    corrections: [u64; 2],
    /// Of the peer's message, taken before it, and of this party's, packed after it.
    taken: Parts,
    packed: Parts,
}

/// Parts of a message.
#[derive(Clone, Copy, Default)]
struct Parts {
    bytes: u64,
    words: u64,
}

/// A role's code as lists of work.
struct Timed {
    setup: Section,
    setup_after: Section,
    offline: Section,
    steps: Vec<Section>,
    /// Whether the message of the setup stays as bits until words of it are read.
    late: bool,
    peak_bytes: u64,
    material_bytes: u64,
}

/// What a program needs of each role, ready to be priced on any machine and network.
pub struct Workload {
    parties: [Timed; 2],
    dealer: Timed,
}

impl Workload {
    /// Lowers the program for each role and counts.
    pub fn new(program: &Program) -> Self {
        let code = |role| crate::gates::lower(program, role);
        Self::of(&code(Role::ModelOwner), &code(Role::DataOwner), &code(Role::Dealer))
    }

    /// Counts lowered code.
    pub fn of(model_owner: &RoleCode, data_owner: &RoleCode, dealer: &RoleCode) -> Self {
        Self { parties: [Timed::new(model_owner), Timed::new(data_owner)], dealer: Timed::new(dealer) }
    }

    /// Seconds on `machine` for every role, over `link` between any two, of inferences one by one.
    pub fn estimate(&self, machine: &Machine, link: Link) -> Estimate {
        self.estimate_batch(machine, link, 1)
    }

    /// As [`Workload::estimate`], of `batch` inferences at a time that share hops.
    pub fn estimate_batch(&self, machine: &Machine, link: Link, batch: u32) -> Estimate {
        let batch = batch.max(1);
        let clocks = Clocks { workload: self, machine, link, batch };
        let inference = |first| {
            let hops = clocks.online(first);
            Inference { offline_seconds: clocks.offline(first), online_seconds: hops.iter().sum(), hops }
        };
        let (setup_seconds, setup_again_seconds) = (clocks.setup(), clocks.setup_again());
        Estimate { setup_seconds, setup_again_seconds, batch, first: inference(true), later: inference(false) }
    }

    /// Work of both parties from the input to the output.
    pub fn online_work(&self) -> [Work; 2] {
        [0, 1].map(|p| {
            let mut sum = Work::default();
            for section in &self.parties[p].steps {
                sum.add(&section.prepare);
                section.items.iter().for_each(|item| sum.add(&item.work));
                section.messages.iter().for_each(|work| sum.add(work));
            }
            sum
        })
    }

    /// Bytes that the maps of each party load and store, by step: the hops, and what follows the last.
    pub fn map_bytes(&self) -> Vec<[u64; 2]> {
        let of = |section: &Section| section.items.iter().map(|item| item.work.map_bytes()).sum();
        let [model_owner, data_owner] = &self.parties;
        model_owner.steps.iter().zip(&data_owner.steps).map(|(m, d)| [of(m), of(d)]).collect()
    }

    /// Bytes that each party sends from the input to the output.
    pub fn online_bytes(&self) -> [u64; 2] {
        [0, 1].map(|p| self.parties[p].steps.iter().map(|s| s.bytes[0]).sum())
    }

    /// The most memory of each role's process with so many inferences at a time, in bytes: model owner, data owner, dealer.
    pub fn peak_bytes(&self, batch: u32) -> [u64; 3] {
        let [model_owner, data_owner] = &self.parties;
        let more = u64::from(batch.max(1)) - 1;
        let party = |role: &Timed| role.peak_bytes + more * role.material_bytes;
        [party(model_owner), party(data_owner), self.dealer.peak_bytes]
    }

    /// Bytes of corrections for one inference, by receiver.
    pub fn offline_bytes(&self) -> [u64; 2] {
        [0, 1].map(|p| self.dealer.offline.items.iter().map(|item| item.corrections[p]).sum())
    }
}

impl Timed {
    fn new(code: &RoleCode) -> Self {
        let schedule = Schedule::new(code);
        let Footprint { fresh, peak_bytes, material_bytes, .. } = memory::footprint(code, &schedule);
        let lists = code.lists().into_iter().zip(&schedule.sections).zip(fresh);
        let mut largest = [0; 2];
        let mut before: &[Packed] = &[];
        let sections = lists.map(|(((instrs, exchange), section), fresh)| {
            let (mut incoming, mut outgoing) = (std::mem::replace(&mut before, &exchange.receive), &exchange.send[..]);
            let items = instrs.iter().zip(&section.moments).zip(&fresh.instructions).map(|((instr, moment), fresh)| {
                let corrections = corrections(code, instr);
                // A correction waits in a queue at either end.
                let fresh = fresh + corrections.iter().sum::<u64>() / WORD_BYTES;
                let [taken, packed] =
                    [parts(code, &mut incoming, moment.take), parts(code, &mut outgoing, moment.pack)];
                Item { work: work(code, &schedule, instr, moment), fresh, corrections, taken, packed }
            });
            let items: Vec<Item> = items.collect();
            let end =
                [parts(code, &mut incoming, section.exchange.take), parts(code, &mut outgoing, section.exchange.pack)];
            let bytes = |parts: &[Packed]| -> u64 { parts.iter().map(|p| packed_bytes(code, p.buf, p.bits)).sum() };
            let mut messages = work::exchange(code, exchange);
            made(code, &schedule, &section.exchange.make, &mut messages[0]);
            let bytes = [bytes(&exchange.send), bytes(&exchange.receive)];
            // A message is written into the memory of earlier ones.
            for ((message, bytes), largest) in messages.iter_mut().zip(bytes).zip(&mut largest) {
                message.fresh = bytes.saturating_sub(*largest) / WORD_BYTES;
                *largest = bytes.max(*largest);
            }
            messages[1].fresh += fresh.exchange;
            let mut prepare = Work::default();
            made(code, &schedule, &section.prepare, &mut prepare);
            Section { items, messages, bytes, end, prepare }
        });
        let mut sections: Vec<Section> = sections.collect();
        let steps = sections.split_off(3);
        let mut rest = sections.into_iter();
        let mut next = || rest.next().unwrap_or_default();
        let (late, setup, setup_after, offline) = (schedule.late, next(), next(), next());
        Timed { setup, setup_after, offline, steps, late, peak_bytes, material_bytes }
    }
}

/// The next parts of a message.
fn parts(code: &RoleCode, message: &mut &[Packed], count: usize) -> Parts {
    let (now, later) = message.split_at(count.min(message.len()));
    *message = later;
    let bytes = now.iter().map(|part| packed_bytes(code, part.buf, part.bits)).sum();
    Parts { bytes, words: now.iter().map(|part| code.words(part.buf) as u64).sum() }
}

/// Work of an instruction, with what is made before it. Draws and corrections count where they are made.
fn work(code: &RoleCode, schedule: &Schedule, instr: &Instr, moment: &Moment) -> Work {
    let mut work = work::instruction(code, instr);
    if matches!(instr, Instr::Draw { .. } | Instr::Receive { .. }) {
        (work.drawn, work.unpacked) = (0, 0);
    }
    made(code, schedule, &moment.make, &mut work);
    work
}

/// Adds the work of making words from their origin.
fn made(code: &RoleCode, schedule: &Schedule, buffers: &[Buf], work: &mut Work) {
    for buf in buffers {
        let words = code.words(*buf) as u64;
        match schedule.origins[buf.0 as usize] {
            Some(Origin::Drawn { .. }) => work.drawn += words,
            _ => work.unpacked += words,
        }
    }
}

fn corrections(code: &RoleCode, instr: &Instr) -> [u64; 2] {
    match instr {
        Instr::Deal { src, bits, to: Owner::ModelOwner } => [packed_bytes(code, *src, *bits), 0],
        Instr::Deal { src, bits, to: Owner::DataOwner } => [0, packed_bytes(code, *src, *bits)],
        Instr::Broadcast { src, bits } => [packed_bytes(code, *src, *bits); 2],
        Instr::Receive { dst, bits } => match code.role {
            Role::ModelOwner => [packed_bytes(code, *dst, *bits), 0],
            _ => [0, packed_bytes(code, *dst, *bits)],
        },
        _ => [0; 2],
    }
}

struct Clocks<'a> {
    workload: &'a Workload,
    machine: &'a Machine,
    link: Link,
    batch: u32,
}

impl Clocks<'_> {
    /// From the end of sending's preparation to the arrival of a short message.
    fn latency(&self) -> f64 {
        self.machine.exchange_microseconds * 1e-6 + self.link.round_trip_seconds / 2.0
    }

    /// Seconds that a message takes on the line, while `both` bytes travel in both directions: no fewer than one end
    /// needs for it, nor than the cores need for all ends.
    fn line(&self, bytes: u64, both: u64) -> f64 {
        let end = self.machine.link_nanoseconds_per_byte * 1e-9;
        let ends = 2.0 * both as f64 * end / f64::from(self.machine.cores);
        (bytes as f64 / self.link.bytes_per_second).max(bytes as f64 * end).max(ends)
    }

    fn item(&self, item: &Item, first: bool) -> f64 {
        let mut work = item.work;
        work.fresh = if first { item.fresh } else { 0 };
        self.machine.seconds(&work)
    }

    fn message(&self, work: &Work, first: bool) -> f64 {
        self.machine.seconds(&Work { fresh: if first { work.fresh } else { 0 }, ..*work })
    }

    /// Both parties' clocks after an exchange that they reach at `ready`.
    fn exchange(&self, sections: [&Section; 2], ready: [f64; 2], first: bool) -> [f64; 2] {
        let sent = [0, 1].map(|p| ready[p] + self.message(&sections[p].messages[0], first));
        [0, 1].map(|p| {
            let [sent_bytes, bytes] = sections[p].bytes;
            let arrived =
                if bytes == 0 { 0.0 } else { sent[1 - p] + self.latency() + self.line(bytes, bytes + sent_bytes) };
            sent[p].max(arrived) + self.message(&sections[p].messages[1], first)
        })
    }

    /// No phase ends before the cores have done all roles' work and the ends of the links have handled their bytes.
    fn at_least(&self, clock: f64, work: f64, bytes: u64) -> f64 {
        let links = 2.0 * bytes as f64 * self.machine.link_nanoseconds_per_byte * 1e-9;
        clock.max((work + links) / f64::from(self.machine.cores))
    }

    /// Seconds of each hop and of the work after the last, as the later party sees them.
    fn online(&self, first: bool) -> Vec<f64> {
        let [model_owner, data_owner] = &self.workload.parties;
        let mut clocks = [0.0; 2];
        let mut lines = [0.0; 2];
        let mut messages = [Message::default(), Message::default()];
        let mut before = 0.0;
        let steps = model_owner.steps.iter().zip(&data_owner.steps).map(|(m, d)| [m, d]);
        let hops = steps.map(|sections| {
            let both: u64 = sections.iter().map(|section| section.bytes[0]).sum();
            let done = [0, 1].map(|p| {
                let mut step = Step { clock: clocks[p], line: lines[p], ..Step::default() };
                self.step(&mut step, sections[p], &messages[1 - p], both, first);
                step
            });
            // A hop is over when its messages are there, and the work after the last one when it is done.
            let after = done.iter().map(|step| step.sent.last().unwrap_or(step.clock)).fold(before, f64::max);
            clocks = [done[0].clock, done[1].clock];
            lines = [done[0].line, done[1].line];
            messages = done.map(|step| step.sent);
            let seconds = after - before;
            before = after;
            seconds
        });
        hops.collect()
    }

    /// A step of one party for all inferences of the batch, with the message that it sends.
    fn step(&self, step: &mut Step, section: &Section, incoming: &Message, both: u64, first: bool) {
        let [packing, unpacking] = section.messages.map(|work| if first { work.fresh } else { 0 });
        let own = section.bytes[0].max(1);
        let all = section.bytes[0] * u64::from(self.batch);
        let leave = |step: &mut Step| self.leave(step, both as f64 / own as f64);
        let take = |step: &mut Step, parts: Parts| {
            if parts.bytes > 0 {
                step.taken += parts.bytes;
                step.clock = step.clock.max(incoming.arrival(step.taken));
                step.clock += self.machine.seconds(&Work { unpacked: parts.words, ..Work::default() });
            }
        };
        let pack = |step: &mut Step, parts: Parts| {
            if parts.bytes > 0 {
                let fresh = packing * parts.bytes / own;
                step.clock += self.machine.seconds(&Work { packed: parts.words, fresh, ..Work::default() });
                step.waiting += parts.bytes;
                if step.waiting >= HOP_PIECE || step.bytes + step.waiting == all {
                    leave(step);
                }
            }
        };
        for _ in 0..self.batch {
            step.clock += self.machine.seconds(&section.prepare);
            for item in &section.items {
                take(step, item.taken);
                step.clock += self.item(item, first);
                pack(step, item.packed);
            }
            take(step, section.end[0]);
            pack(step, section.end[1]);
            step.clock += self.machine.seconds(&Work { fresh: unpacking, ..Work::default() });
        }
    }

    /// What waits to be sent leaves, while `both` bytes travel in both directions for each of these.
    fn leave(&self, step: &mut Step, both: f64) {
        step.line = step.line.max(step.clock) + self.line(step.waiting, (step.waiting as f64 * both) as u64);
        step.bytes += step.waiting;
        step.sent.pieces.push((step.bytes, step.line + self.latency()));
        step.waiting = 0;
    }

    /// When each correction of `dealer` reaches each party, and when the dealer is done.
    fn stream<'i>(&self, dealer: impl Iterator<Item = &'i Item>, first: bool) -> ([Vec<f64>; 2], f64) {
        let mut clock = self.latency();
        let mut lines = [Line::default(), Line::default()];
        // When each line is free; with one uplink they are one.
        let mut free = [0.0; 2];
        let uplink = |party: usize| if self.link.one_uplink { 0 } else { party };
        for item in dealer {
            clock += self.item(item, first);
            for (party, (line, bytes)) in lines.iter_mut().zip(item.corrections).enumerate() {
                if bytes > 0 {
                    line.waiting += 1;
                    line.bytes += bytes;
                    if line.bytes >= PIECE {
                        self.flush(line, &mut free[uplink(party)], clock);
                    }
                }
            }
        }
        for (party, line) in lines.iter_mut().enumerate() {
            self.flush(line, &mut free[uplink(party)], clock);
        }
        (lines.map(|line| line.arrivals), clock)
    }

    fn flush(&self, line: &mut Line, free: &mut f64, clock: f64) {
        *free = free.max(clock) + self.line(line.bytes, line.bytes);
        let arrival = *free + self.latency();
        line.arrivals.extend(std::iter::repeat_n(arrival, line.waiting));
        (line.waiting, line.bytes) = (0, 0);
    }

    /// A party's clock after a list that takes corrections in order.
    fn consume<'i>(
        &self,
        mut clock: f64,
        items: impl Iterator<Item = &'i Item>,
        arrivals: &mut impl Iterator<Item = f64>,
        first: bool,
    ) -> f64 {
        for item in items {
            if item.corrections != [0; 2] {
                clock = f64::max(clock, arrivals.next().unwrap_or(0.0));
            }
            clock += self.item(item, first);
        }
        clock
    }

    /// From the request until both parties are ready for a batch.
    fn offline(&self, first: bool) -> f64 {
        let batch = self.batch as usize;
        let dealer = &self.workload.dealer.offline.items;
        let (arrivals, _) = self.stream(std::iter::repeat_n(dealer, batch).flatten(), first);
        let mut clock: f64 = 0.0;
        let mut work: f64 = dealer.iter().map(|i| self.item(i, first)).sum::<f64>() * batch as f64;
        for (party, arrivals) in self.workload.parties.iter().zip(arrivals) {
            let items = &party.offline.items;
            // What the steps need is taken at the end.
            let taken = self.message(&party.offline.messages[1], first);
            work += (items.iter().map(|i| self.item(i, first)).sum::<f64>() + taken) * batch as f64;
            let items = std::iter::repeat_n(items, batch).flatten();
            clock = clock.max(self.consume(0.0, items, &mut arrivals.into_iter(), first) + taken);
        }
        let bytes = self.workload.offline_bytes().iter().sum::<u64>() * batch as u64;
        self.at_least(clock, work, bytes) + self.latency()
    }

    /// From the agreement on the session until the data owner holds the masked weights.
    fn setup(&self) -> f64 {
        let Workload { parties, dealer } = self.workload;
        let lists = |timed: &Timed| {
            timed.setup.items.iter().chain(&timed.setup_after.items).map(|i| self.item(i, true)).sum::<f64>()
        };
        let (arrivals, done) = self.stream(dealer.setup.items.iter().chain(&dealer.setup_after.items), true);
        let mut arrivals = arrivals.map(Vec::into_iter);
        let hashing = |bytes: u64| self.machine.seconds(&Work { hashed: bytes, ..Work::default() });
        let ready = [0, 1].map(|p| {
            let items = parties[p].setup.items.iter();
            self.consume(0.0, items, &mut arrivals[p], true) + hashing(parties[p].setup.bytes[0])
        });
        let clocks = self.exchange([&parties[0].setup, &parties[1].setup], ready, true);
        let after = [0, 1].map(|p| {
            let items = parties[p].setup_after.items.iter();
            self.consume(clocks[p], items, &mut arrivals[p], true) + hashing(parties[p].setup.bytes[1])
        });
        let work = lists(&parties[0]) + lists(&parties[1]) + done;
        self.at_least(after[1], work, parties[0].setup.bytes[0]) + self.comparing()
    }

    /// What is meant and what is held are compared before weights travel, or in their place.
    fn comparing(&self) -> f64 {
        if self.workload.parties[0].setup.bytes[0] == 0 { 0.0 } else { self.latency() }
    }

    /// The same where the data owner kept the masked weights: it takes them as if they had arrived, from memory.
    fn setup_again(&self) -> f64 {
        let own = &self.workload.parties[1];
        let items = own.setup.items.iter().chain(&own.setup_after.items);
        let work: f64 = items.map(|i| self.item(i, true)).sum();
        let taken = if own.late { 0.0 } else { self.message(&own.setup.messages[1], true) };
        self.comparing() + work + taken
    }
}

/// When the pieces of a message arrive: how many bytes have come by when.
#[derive(Default)]
struct Message {
    pieces: Vec<(u64, f64)>,
}

impl Message {
    /// When so many bytes have come.
    fn arrival(&self, bytes: u64) -> f64 {
        let piece = self.pieces.partition_point(|(come, _)| *come < bytes);
        self.pieces.get(piece).map_or(0.0, |(_, at)| *at)
    }

    fn last(&self) -> Option<f64> {
        self.pieces.last().map(|(_, at)| *at)
    }
}

/// A party in a step.
#[derive(Default)]
struct Step {
    clock: f64,
    /// When its line is free.
    line: f64,
    /// Bytes of the peer's message that it has read.
    taken: u64,
    /// Bytes of its own message that are packed and have not left, and that have.
    waiting: u64,
    bytes: u64,
    sent: Message,
}

/// Corrections on their way to one party.
#[derive(Default)]
struct Line {
    waiting: usize,
    bytes: u64,
    arrivals: Vec<f64>,
}

#[cfg(test)]
mod tests;
