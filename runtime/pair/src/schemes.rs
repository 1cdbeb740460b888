//! How all products of a program are made, what keys that takes, and what travels.

use hashbrown::HashMap;

use mpcc_lattice::{Parameters, key_bytes};
use mpcc_program::code::Owner;
use mpcc_program::making::Task;
use mpcc_transfer::{Field, Plan, Request};

use crate::PairError;
use crate::choice::{KnownOptions, chosen, keys};
use crate::form::Form;
use crate::joint::{Joint, class, line, stacks};
use crate::rates::Rates;
use crate::scheme::{KeyUse, Scheme, evaluates, fits, wrap};
use crate::tasks::{OWNERS, index, other, requests};

/// Most results of tasks in common slots: what comes of them is held until all uploads are there.
const MOST_TOGETHER: usize = 1 << 19;

/// What both parties agree on beforehand: how each task is done, which keys that takes, and what travels. Both make it of the same
/// public numbers.
#[derive(Clone, Debug)]
pub struct Schemes {
    field: Field,
    /// By what tasks have in common that are done in the same way; nothing by transfers.
    by: HashMap<Task, Scheme>,
    /// Rings and steps of merging of the keys of each party.
    keys: [Vec<(Parameters, u32)>; 2],
}

/// Bytes that model owner and data owner send in each hop of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundBytes {
    /// By hop: choices and uploads; strings, answers and choices that depend on them; strings for these.
    pub sent: [[usize; 2]; 3],
}

impl RoundBytes {
    /// Hops: two, and a third one if results are converted.
    pub fn hops(&self) -> usize {
        if self.sent[2] == [0, 0] { 2 } else { 3 }
    }
}

/// The tasks of a round as they are done: some together, the others by transfers.
#[derive(Debug)]
pub(crate) struct Laid {
    pub(crate) joints: Vec<(Joint, Scheme)>,
    /// Of every task its joint and its number there, unless it is done by transfers.
    pub(crate) places: Vec<Option<(usize, usize)>>,
}

impl Laid {
    /// Whose ciphertexts results of slots are in that a task's conversion belongs to.
    pub(crate) fn converted(&self, at: usize) -> Option<Owner> {
        match self.places[at].map(|(joint, _)| self.joints[joint].1) {
            Some(Scheme::Slots(slots)) => Some(slots.encrypts),
            _ => None,
        }
    }
}

impl Schemes {
    /// The cheapest ones for a program's rounds, all done `inferences` times.
    pub fn new(rounds: &[Vec<Task>], inferences: u64, field: Field, rates: &Rates) -> Schemes {
        Schemes::known(rounds, inferences, &KnownOptions::new(field, rates))
    }

    /// The same where options of many tasks are known, as of planners that ask for one program after the other.
    pub fn known(rounds: &[Vec<Task>], inferences: u64, known: &KnownOptions) -> Schemes {
        Schemes::fixed(chosen(rounds, inferences, known), known.field)
    }

    /// Transfers for everything.
    pub fn transfers(field: Field) -> Schemes {
        Schemes { field, by: HashMap::new(), keys: [vec![], vec![]] }
    }

    /// Tasks done in these ways, and all that have the same widths and differ only in extents along which tasks are joined; the first
    /// one if there are several, and by transfers if they are not in the list.
    pub fn fixed(tasks: Vec<(Task, Scheme)>, field: Field) -> Schemes {
        let mut by = HashMap::new();
        let mut used = vec![];
        for (task, scheme) in tasks.into_iter().filter(|(_, scheme)| *scheme != Scheme::Transfers) {
            if let hashbrown::hash_map::Entry::Vacant(free) = by.entry(class(&task)) {
                used.push(*free.insert(scheme));
            }
        }
        let uses: Vec<KeyUse> = keys(used.iter());
        let of = |owner| uses.iter().filter(|key| key.0 == owner).map(|key| (key.1, key.2)).collect();
        Schemes { field, by, keys: OWNERS.map(of) }
    }

    /// How a task is done that shares no list with another one.
    pub fn scheme(&self, task: &Task) -> Scheme {
        self.by.get(&class(task)).copied().unwrap_or(Scheme::Transfers)
    }

    pub(crate) fn field(&self) -> Field {
        self.field
    }

    /// Rings and steps of merging of a party's keys.
    pub(crate) fn keys(&self, owner: Owner) -> &[(Parameters, u32)] {
        &self.keys[index(owner)]
    }

    /// Bytes of the keys that model owner and data owner send, once a session.
    ///
    /// # Errors
    /// A ring that cannot merge as often as is asked for.
    pub fn key_bytes(&self) -> Result<[usize; 2], PairError> {
        let bytes = |keys: &Vec<(Parameters, u32)>| -> Result<usize, PairError> {
            Ok(keys.iter().map(|&(parameters, steps)| key_bytes(parameters, steps)).sum::<Result<usize, _>>()?)
        };
        Ok([bytes(&self.keys[0])?, bytes(&self.keys[1])?])
    }

    /// Which tasks of a round are done together, and how: those that multiply one list, and those whose numbers lie in slots of the
    /// same kind.
    ///
    /// # Errors
    /// Slots that a task's results do not fit into.
    pub(crate) fn laid(&self, tasks: &[Task]) -> Result<Laid, PairError> {
        let mut joints: Vec<(Joint, Scheme)> = vec![];
        let mut lines: Vec<(Vec<usize>, usize, Scheme)> = vec![];
        let mut known = HashMap::new();
        for joint in stacks(tasks) {
            let scheme = self.scheme(&joint.whole);
            let Scheme::Slots(slots) = scheme else {
                joints.extend((scheme != Scheme::Transfers).then_some((joint, scheme)));
                continue;
            };
            joint.members.iter().try_for_each(|member| fits(&tasks[member.at], &slots))?;
            match (&joint.members[..], line(&joint.whole)) {
                ([single], Some(line)) => {
                    let place = known.entry((line, slots)).or_insert(lines.len());
                    let len = joint.whole.len;
                    match lines.get_mut(*place) {
                        Some((members, sum, _)) if *sum + len <= MOST_TOGETHER => {
                            members.push(single.at);
                            *sum += len;
                        }
                        _ => {
                            *place = lines.len();
                            lines.push((vec![single.at], len, scheme));
                        }
                    }
                }
                _ => joints.push((joint, scheme)),
            }
        }
        joints.extend(lines.into_iter().map(|(members, _, scheme)| (Joint::lined(tasks, &members), scheme)));
        let mut places = vec![None; tasks.len()];
        for (joint, (of, _)) in joints.iter().enumerate() {
            of.members.iter().enumerate().for_each(|(number, member)| places[member.at] = Some((joint, number)));
        }
        Ok(Laid { joints, places })
    }

    /// What a round of these tasks sends, to the byte.
    ///
    /// # Errors
    /// A round that asks for more transfers than a session gives, or schemes that are not of their tasks.
    pub fn price(&self, tasks: &[Task]) -> Result<RoundBytes, PairError> {
        let laid = self.laid(tasks)?;
        let mut bytes = RoundBytes::default();
        let add = |bytes: &mut RoundBytes, hop: usize, plan: &Plan, receiver: usize| {
            let price = plan.price(self.field);
            bytes.sent[hop][receiver] += price.choices;
            bytes.sent[hop + 1][1 - receiver] += price.strings;
        };
        for (receiver, owner) in OWNERS.into_iter().enumerate() {
            add(&mut bytes, 0, &laid.plan(tasks, owner)?, receiver);
            add(&mut bytes, 1, &laid.wraps(tasks, owner)?, receiver);
        }
        let mut sizes: HashMap<&Task, [usize; 2]> = HashMap::new();
        for (joint, scheme) in &laid.joints {
            let Some((encrypts, ..)) = scheme.key() else { continue };
            let size = match sizes.get(&joint.whole) {
                Some(size) => *size,
                None => {
                    let size = Form::bytes(&joint.whole, scheme)?;
                    sizes.insert(&joint.whole, size);
                    size
                }
            };
            bytes.sent[0][index(encrypts)] += size[0];
            bytes.sent[1][index(other(encrypts))] += size[1];
        }
        Ok(bytes)
    }

    /// Picoseconds that a round of these tasks takes by these rates, both parties' work and all bytes one after the other, without
    /// keys. For planners.
    ///
    /// # Errors
    /// As [`Schemes::price`].
    pub fn picoseconds(&self, tasks: &[Task], rates: &Rates) -> Result<u128, PairError> {
        let laid = self.laid(tasks)?;
        let cost = |task: &Task, scheme: &Scheme| u128::from(scheme.cost(task, self.field, rates).unwrap_or(u64::MAX));
        let together: u128 = laid.joints.iter().map(|(joint, scheme)| cost(&joint.whole, scheme)).sum();
        let by_transfers = tasks.iter().zip(&laid.places).filter(|(_, place)| place.is_none());
        Ok(together + by_transfers.map(|(task, _)| cost(task, &Scheme::Transfers)).sum::<u128>())
    }
}

impl Laid {
    /// What `receiver` chooses in the first hop.
    pub(crate) fn plan(&self, tasks: &[Task], receiver: Owner) -> Result<Plan, PairError> {
        let by_transfers = tasks.iter().zip(&self.places).filter(|(_, place)| place.is_none());
        Ok(Plan::new(by_transfers.flat_map(|(task, _)| requests(task, receiver)).collect())?)
    }

    /// What `receiver` chooses in the second hop, to convert results that it evaluated, task by task.
    pub(crate) fn wraps(&self, tasks: &[Task], receiver: Owner) -> Result<Plan, PairError> {
        let converted = |at: usize| {
            let encrypts = self.converted(at)?;
            (evaluates(encrypts) == receiver).then(|| wrap(&tasks[at]))
        };
        let requests: Vec<Request> = (0..tasks.len()).filter_map(converted).collect();
        Ok(Plan::new(requests)?)
    }
}
