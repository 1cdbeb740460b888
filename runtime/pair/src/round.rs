//! One end of a session, and a round at it. Hop by hop a round gives the pieces of this end's message and takes those of the
//! peer's: choices and uploads, then strings and answers, then what converts the results of slots if there are any.

use std::sync::Arc;

use mpcc_lattice::Batch;
use mpcc_program::code::Owner;
use mpcc_program::making::Task;
use mpcc_transfer::{Plan, Price, Receiver, Sender};

use crate::PairError;
use crate::form::Form;
use crate::joint::Joint;
use crate::keys::Lattice;
use crate::lists::{Words, add, lanes, read, write};
use crate::schemes::Laid;
use crate::slotting::Unconverted;
use crate::stream::{Due, Leaving};
use crate::tasks::{inputs, other, requests};
use crate::transfers::{Transfers, by_transfers};

/// One end of a session. Every transfer and every index of an upload is used once, in the order of the rounds at both ends;
/// after an error it is over.
#[derive(Debug)]
pub struct Pair {
    owner: Owner,
    sender: Sender,
    receiver: Receiver,
    lattice: Lattice,
}

/// A round that was begun. In every hop [`Round::send`] and [`Round::take`] are called until both messages are through, in any
/// order, and then [`Round::next_hop`]; after the last hop it is finished.
pub struct Round<'t> {
    tasks: &'t [Task],
    owner: Owner,
    laid: Laid,
    /// How each joint is done.
    forms: Vec<Arc<Form>>,
    operands: Vec<Vec<Words>>,
    /// Indices of uploads under own keys and under the peer's.
    batches: [Vec<Batch>; 2],
    /// Units that this end encrypts, and that the peer does.
    units: [Vec<Unit>; 2],
    hop: usize,
    hops: usize,
    /// The segments of this end's message that are still to be made.
    making: std::vec::IntoIter<Segment>,
    leaving: Leaving,
    due: Due<Segment>,
    /// What leaves in the present hop but has not been laid out yet, and what the next one has so far.
    now: Messages,
    next: Messages,
    /// What this end chooses, and what the peer does: for tasks, and for conversions.
    plans: [[Plan; 2]; 2],
    transfers: Transfers,
    wraps: Transfers,
    /// By joint.
    results: Vec<Partial>,
}

/// Part of a joint.
#[derive(Clone, Copy)]
struct Unit {
    joint: usize,
    number: usize,
    /// Bytes of its uploads and of its answers.
    bytes: [usize; 2],
}

#[derive(Clone, Copy)]
enum Segment {
    /// Choices or strings of the tasks that are done by transfers.
    Transfers,
    /// Uploads or answers of a unit.
    Unit(usize),
    /// Choices or strings that convert results.
    Wraps,
}

#[derive(Default)]
struct Messages {
    transfers: Vec<u8>,
    answers: Vec<Vec<u8>>,
    wraps: Vec<u8>,
}

/// This end's share of a joint's result as far as it is known.
enum Partial {
    Tiles(Words),
    Slots(Unconverted),
}

fn slots_in(forms: &[Arc<Form>]) -> bool {
    forms.iter().any(|form| matches!(**form, Form::Slots(_)))
}

impl Pair {
    /// An end of a session that was set up.
    pub fn new(sender: Sender, receiver: Receiver, lattice: Lattice) -> Pair {
        Pair { owner: lattice.party, sender, receiver, lattice }
    }

    /// Begins a round. `operands` are what the party's code hands out: lists one behind the other, as [`Task::operands`] has them.
    ///
    /// # Errors
    /// Operands of other tasks, or a round that asks for more than a session gives.
    pub fn begin<'t>(&mut self, tasks: &'t [Task], operands: &[u8]) -> Result<Round<'t>, PairError> {
        let owner = self.owner;
        let lists: Vec<(usize, u8)> = tasks.iter().flat_map(|task| task.operands(owner)).collect();
        let mut lists = read(operands, &lists)?.into_iter();
        let operands: Vec<Vec<Words>> =
            tasks.iter().map(|task| lists.by_ref().take(task.operands(owner).len()).collect()).collect();
        let laid = self.lattice.schemes.laid(tasks)?;
        let mut transfers = Transfers::default();
        let mut choices = Vec::new();
        for (at, task) in tasks.iter().enumerate().filter(|(at, _)| laid.places[*at].is_none()) {
            let [chosen, factor] = inputs(task, owner, &operands[at]);
            choices.extend(chosen);
            transfers.factors.extend(factor);
        }
        let (mut forms, mut results, mut units) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
        for (at, (Joint { whole, .. }, scheme)) in laid.joints.iter().enumerate() {
            let form = self.lattice.form(whole, scheme)?;
            let bytes = form.unit_bytes();
            let of = &mut units[usize::from(form.key().0 != owner)];
            of.extend((0..form.units()).map(|number| Unit { joint: at, number, bytes }));
            results.push(match &*form {
                Form::Tiles(_) => Partial::Tiles(Words::new(vec![0; whole.len * lanes(whole.bits)])),
                Form::Slots(slots) => Partial::Slots(slots.unconverted(whole.len)),
            });
            forms.push(form);
        }
        let hops = if slots_in(&forms) { 3 } else { 2 };
        let chosen =
            |receiver| -> Result<_, PairError> { Ok([laid.plan(tasks, receiver)?, laid.wraps(tasks, receiver)?]) };
        let plans = [chosen(owner)?, chosen(other(owner))?];
        let mut next = Messages::default();
        let choices: Vec<&[u64]> = choices.iter().map(|list| list.as_slice()).collect();
        transfers.waiting = Some(self.receiver.choose(&plans[0][0], &choices, &mut next.transfers)?);
        let batches = self.lattice.batches()?;
        let mut round = Round {
            tasks,
            owner,
            laid,
            forms,
            operands,
            batches,
            units,
            hop: 0,
            hops,
            making: Vec::new().into_iter(),
            leaving: Leaving::default(),
            due: Due::new([]),
            now: Messages::default(),
            next,
            plans,
            transfers,
            wraps: Transfers::default(),
            results,
        };
        round.open(self)?;
        Ok(round)
    }
}

impl Round<'_> {
    /// Hops that it takes: two, or three if results of slots are converted.
    pub fn hops(&self) -> usize {
        self.hops
    }

    /// The next piece of this end's message of the present hop: [`PIECE`](crate::PIECE) bytes, less for the last one, nothing when all
    /// of it has left.
    ///
    /// # Errors
    /// None that the peer causes.
    pub fn send(&mut self, pair: &mut Pair) -> Result<Option<Vec<u8>>, PairError> {
        while !self.leaving.is_full() {
            let Some(segment) = self.making.next() else { break };
            match segment {
                Segment::Transfers => self.leaving.growing().append(&mut self.now.transfers),
                Segment::Wraps => self.leaving.growing().append(&mut self.now.wraps),
                Segment::Unit(at) if self.hop == 0 => self.upload(pair, at)?,
                Segment::Unit(at) => self.leaving.growing().append(&mut self.now.answers[at]),
            }
        }
        Ok(self.leaving.piece())
    }

    /// Takes a piece of the peer's message of the present hop, of any size.
    ///
    /// # Errors
    /// A message that is not the peer's of this round.
    pub fn take(&mut self, pair: &mut Pair, bytes: &[u8]) -> Result<(), PairError> {
        self.due.count(bytes.len())?;
        let mut rest = bytes;
        while let Some((segment, bytes)) = self.due.next(&mut rest) {
            match (self.hop, segment) {
                (0, Segment::Transfers) => {
                    let transfers = &mut self.transfers;
                    transfers.answer(&mut pair.sender, &self.plans[1][0], &bytes, &mut self.next.transfers)?;
                }
                (0, Segment::Unit(at)) => self.answer(pair, at, &bytes)?,
                (1, Segment::Transfers) => self.transfers.finish(&bytes)?,
                (1, Segment::Unit(at)) => self.open_unit(pair, at, &bytes)?,
                (1, Segment::Wraps) => {
                    self.wraps.factors = self.wrap_factors();
                    self.wraps.answer(&mut pair.sender, &self.plans[1][1], &bytes, &mut self.next.wraps)?;
                }
                (_, Segment::Wraps) => self.wraps.finish(&bytes)?,
                _ => return Err(PairError::Order),
            }
        }
        Ok(())
    }

    /// Ends a hop: this end's message has left and the peer's was taken.
    ///
    /// # Errors
    /// A message of the peer of which something is missing, or a call before this end's has left.
    pub fn next_hop(&mut self, pair: &mut Pair) -> Result<(), PairError> {
        // What has no bytes came too.
        self.take(pair, &[])?;
        self.due.end()?;
        if self.send(pair)?.is_some() || self.hop == self.hops {
            return Err(PairError::Order);
        }
        self.hop += 1;
        if self.hop < self.hops { self.open(pair) } else { Ok(()) }
    }

    /// Lays out the messages of a hop.
    fn open(&mut self, pair: &mut Pair) -> Result<(), PairError> {
        let field = pair.lattice.schemes.field();
        let [ours, theirs] = self.plans.each_ref().map(|plans| plans.each_ref().map(|plan| plan.price(field)));
        let of = |units: &[Unit], kind: usize| -> Vec<(Segment, usize)> {
            units.iter().enumerate().map(|(at, unit)| (Segment::Unit(at), unit.bytes[kind])).collect()
        };
        // What leaves, and what comes. Lengths of what leaves follow from what it is.
        let [leaves, comes]: [Vec<(Segment, usize)>; 2] = match self.hop {
            0 => {
                let message = |price: &Price, units| [vec![(Segment::Transfers, price.choices)], of(units, 0)].concat();
                [message(&ours[0], &self.units[0]), message(&theirs[0], &self.units[1])]
            }
            1 => {
                let choices: Vec<Words> = self.wrap_choices();
                let choices: Vec<&[u64]> = choices.iter().map(|list| list.as_slice()).collect();
                self.wraps.waiting = Some(pair.receiver.choose(&self.plans[0][1], &choices, &mut self.next.wraps)?);
                let message = |[strings, choices]: [&Price; 2], units| {
                    let ends = [(Segment::Transfers, strings.strings), (Segment::Wraps, choices.choices)];
                    [vec![ends[0]], of(units, 1), vec![ends[1]]].concat()
                };
                [message([&theirs[0], &ours[1]], &self.units[1]), message([&ours[0], &theirs[1]], &self.units[0])]
            }
            _ => [&theirs, &ours].map(|prices| vec![(Segment::Wraps, prices[1].strings)]),
        };
        self.now = std::mem::take(&mut self.next);
        self.next.answers = vec![Vec::new(); self.units[1].len()];
        self.making = leaves.into_iter().map(|(segment, _)| segment).collect::<Vec<_>>().into_iter();
        self.due = Due::new(comes);
        Ok(())
    }

    /// Makes the uploads of a unit.
    fn upload(&mut self, pair: &Pair, at: usize) -> Result<(), PairError> {
        let Unit { joint, number, .. } = self.units[0][at];
        let (form, (of, _)) = (&self.forms[joint], &self.laid.joints[joint]);
        let (_, key) = form.key();
        let by = (&pair.lattice.own[key], &mut self.batches[0][key]);
        let (operands, part) = ((&self.operands[..], form.left_encrypted()), (number, form.units()));
        match &**form {
            Form::Tiles(tiles) => tiles.upload(by, of.residues(self.tasks, operands, part), self.leaving.growing()),
            Form::Slots(slots) => slots.upload(by, &of.integers(self.tasks, operands, part), self.leaving.growing()),
        }
    }

    /// Answers the peer's uploads of a unit.
    fn answer(&mut self, pair: &mut Pair, at: usize, uploads: &[u8]) -> Result<(), PairError> {
        let Unit { joint, number, bytes } = self.units[1][at];
        let (form, (of, _)) = (&self.forms[joint], &self.laid.joints[joint]);
        let (_, key) = form.key();
        let lattice = &mut pair.lattice;
        let by = (&lattice.theirs[key], &mut self.batches[1][key], &mut lattice.randomness);
        let operands = (&self.operands[..], !form.left_encrypted());
        let numbers = of.integers(self.tasks, operands, (number, form.units()));
        let mut out = Vec::with_capacity(bytes[1]);
        match (&**form, &mut self.results[joint]) {
            (Form::Tiles(tiles), Partial::Tiles(result)) => {
                tiles.answer(by, (numbers, number, uploads), result, &mut out)?;
            }
            (Form::Slots(slots), Partial::Slots(result)) => slots.answer(by, (&numbers, uploads), result, &mut out)?,
            _ => return Err(PairError::Order),
        }
        self.next.answers[at] = out;
        Ok(())
    }

    /// Opens the peer's answers of a unit.
    fn open_unit(&mut self, pair: &Pair, at: usize, answers: &[u8]) -> Result<(), PairError> {
        let Unit { joint, number, .. } = self.units[0][at];
        let form = &self.forms[joint];
        let by = &pair.lattice.own[form.key().1];
        match (&**form, &mut self.results[joint]) {
            (Form::Tiles(tiles), Partial::Tiles(result)) => tiles.open(by, (number, answers), result),
            (Form::Slots(slots), Partial::Slots(result)) => slots.open(by, answers, result),
            _ => Err(PairError::Order),
        }
    }

    /// The bits of the results that this end evaluated, task by task.
    fn wrap_choices(&self) -> Vec<Words> {
        self.converted(false).map(|(_, low, _)| low).collect()
    }

    /// The strings under them, of the results that it opened.
    fn wrap_factors(&self) -> Vec<Words> {
        let strings = |(form, low, bits): (&Form, Words, u8)| match form {
            Form::Slots(slots) => slots.wraps(&low, bits),
            Form::Tiles(_) => Words::default(),
        };
        self.converted(true).map(strings).collect()
    }

    /// The bits by which results of tasks by slots are converted, of those that this end encrypted, or the peer.
    fn converted(&self, own: bool) -> impl Iterator<Item = (&Form, Words, u8)> {
        let places = self.laid.places.iter().enumerate().filter_map(|(at, place)| Some((at, (*place)?)));
        places.filter_map(move |(at, (joint, number))| match &self.results[joint] {
            Partial::Slots(result) if (self.forms[joint].key().0 == self.owner) == own => {
                let member = &self.laid.joints[joint].0.members[number];
                let low = Words::new(member.result.get(&result.low, 1));
                Some((&*self.forms[joint], low, self.tasks[at].bits))
            }
            _ => None,
        })
    }

    /// The party's shares of the results, lists one behind the other.
    ///
    /// # Errors
    /// A call before the last hop was ended.
    pub fn finish(self) -> Result<Vec<u8>, PairError> {
        let Round { tasks, owner, laid, forms, operands, transfers, wraps, results, .. } = self;
        let (Some(got), Some(sent)) = (transfers.got, transfers.sent) else { return Err(PairError::Order) };
        if self.hop < self.hops {
            return Err(PairError::Order);
        }
        // The next request of what this end chose in, and of what the other end did.
        let (mut chosen, mut answered, mut wrapped) = (0, 0, [0, 0]);
        let mut out = Vec::new();
        for (at, task) in tasks.iter().enumerate() {
            let Some((joint, number)) = laid.places[at] else {
                by_transfers(task, &operands[at], owner, (&got, chosen), (&sent, answered), &mut out);
                chosen += requests(task, owner).len();
                answered += requests(task, other(owner)).len();
                continue;
            };
            let (of, _) = &laid.joints[joint];
            match &results[joint] {
                Partial::Tiles(words) => write(&of.part(tasks, &of.members[number], words), task.bits, &mut out),
                Partial::Slots(Unconverted { parts, .. }) => {
                    let mut parts = of.part(tasks, &of.members[number], parts);
                    let own = forms[joint].key().0 == owner;
                    let shares = if own { &wraps.sent } else { &wraps.got };
                    let Some(shares) = shares else { return Err(PairError::Order) };
                    let request = &mut wrapped[usize::from(own)];
                    add(&mut parts, shares.words(*request, 0), task.bits);
                    *request += 1;
                    write(&parts, task.bits, &mut out);
                }
            }
        }
        Ok(out)
    }
}
