//! How all products of a program are made, chosen together: keys cost something too, once a session.

use mpcc_lattice::{Parameters, key_bytes};
use mpcc_program::code::Owner;
use mpcc_program::making::Task;
use mpcc_transfer::{Field, Plan, Request};

use crate::PairError;
use crate::form::Form;
use crate::rates::Rates;
use crate::scheme::{KeyUse, Scheme, evaluates, wrap};
use crate::tasks::{other, requests};

/// The owners in the order of their indices.
pub(crate) const OWNERS: [Owner; 2] = [Owner::ModelOwner, Owner::DataOwner];

/// A party's index.
pub(crate) fn index(owner: Owner) -> usize {
    usize::from(owner == Owner::DataOwner)
}

/// What both parties agree on beforehand: how each task is done, which keys that takes, and what travels. Both make it of the same
/// public numbers.
#[derive(Clone, Debug)]
pub struct Schemes {
    field: Field,
    /// Tasks that are not done by transfers.
    tasks: Vec<(Task, Scheme)>,
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

/// A distinct task, how often it is done, and what can be done about it.
struct Choice {
    task: Task,
    times: u64,
    options: Vec<(Scheme, u64)>,
}

impl Schemes {
    /// The cheapest ones for a program's rounds, all done `inferences` times.
    pub fn new(rounds: &[Vec<Task>], inferences: u64, field: Field, rates: &Rates) -> Schemes {
        let mut choices: Vec<Choice> = vec![];
        for task in rounds.iter().flatten() {
            match choices.iter_mut().find(|choice| choice.task == *task) {
                Some(choice) => choice.times += inferences,
                None => {
                    let options = Scheme::options(task, field, rates);
                    choices.push(Choice { task: *task, times: inferences, options });
                }
            }
        }
        // The rings that are best for some task by itself, and then, as long as that is cheaper, one less.
        let (_, chosen) = choose(&choices, |_| true, rates);
        let mut open: Vec<(Owner, Parameters)> =
            keys(chosen.iter().map(|(_, scheme)| scheme)).iter().map(ring).collect();
        let among = |open: &[(Owner, Parameters)]| choose(&choices, |key| open.contains(&ring(key)), rates);
        let (mut least, mut chosen) = among(&open);
        loop {
            let without = |left_out: usize| {
                let mut open = open.clone();
                open.remove(left_out);
                let (cost, chosen) = among(&open);
                (cost, chosen, open)
            };
            match (0..open.len()).map(without).min_by_key(|(cost, ..)| *cost).filter(|(cost, ..)| *cost <= least) {
                Some(better) => (least, chosen, open) = better,
                None => return Schemes::fixed(chosen, field),
            }
        }
    }

    /// Transfers for everything.
    pub fn transfers(field: Field) -> Schemes {
        Schemes { field, tasks: vec![], keys: [vec![], vec![]] }
    }

    /// Tasks done in these ways, the first one if there are several, and by transfers if they are not in the list.
    pub fn fixed(tasks: Vec<(Task, Scheme)>, field: Field) -> Schemes {
        let uses = keys(tasks.iter().map(|(_, scheme)| scheme));
        let of = |owner| uses.iter().filter(|key| key.0 == owner).map(|key| (key.1, key.2)).collect();
        let mut listed: Vec<(Task, Scheme)> = vec![];
        for (task, scheme) in tasks.into_iter().filter(|(_, scheme)| *scheme != Scheme::Transfers) {
            if listed.iter().all(|(known, _)| *known != task) {
                listed.push((task, scheme));
            }
        }
        Schemes { field, tasks: listed, keys: OWNERS.map(of) }
    }

    /// How a task is done.
    pub fn scheme(&self, task: &Task) -> Scheme {
        self.tasks.iter().find(|(known, _)| known == task).map_or(Scheme::Transfers, |(_, scheme)| *scheme)
    }

    pub(crate) fn field(&self) -> Field {
        self.field
    }

    /// Tasks that are not done by transfers.
    pub(crate) fn encrypted(&self) -> &[(Task, Scheme)] {
        &self.tasks
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

    /// What a round of these tasks sends, to the byte.
    ///
    /// # Errors
    /// A round that asks for more transfers than a session gives, or schemes that are not of their tasks.
    pub fn price(&self, tasks: &[Task]) -> Result<RoundBytes, PairError> {
        let mut bytes = RoundBytes::default();
        let add = |bytes: &mut RoundBytes, hop: usize, plan: &Plan, receiver: usize| {
            let price = plan.price(self.field);
            bytes.sent[hop][receiver] += price.choices;
            bytes.sent[hop + 1][1 - receiver] += price.strings;
        };
        for (receiver, owner) in OWNERS.into_iter().enumerate() {
            add(&mut bytes, 0, &self.plan(tasks, owner)?, receiver);
            add(&mut bytes, 1, &self.wraps(tasks, owner)?, receiver);
        }
        let mut sizes: Vec<(Task, [usize; 2])> = vec![];
        for (task, scheme) in tasks.iter().map(|task| (task, self.scheme(task))) {
            let Some((encrypts, ..)) = scheme.key() else { continue };
            let size = match sizes.iter().find(|(known, _)| known == task) {
                Some((_, size)) => *size,
                None => {
                    let size = Form::bytes(task, &scheme)?;
                    sizes.push((*task, size));
                    size
                }
            };
            bytes.sent[0][index(encrypts)] += size[0];
            bytes.sent[1][index(other(encrypts))] += size[1];
        }
        Ok(bytes)
    }

    /// Picoseconds that a round of these tasks takes by these rates, both parties' work and all bytes one after the other, without
    /// keys. For planners: it goes through all options of every distinct task.
    pub fn picoseconds(&self, tasks: &[Task], rates: &Rates) -> u128 {
        let mut known: Vec<(&Task, u64)> = vec![];
        let mut cost = |task| match known.iter().find(|(other, _)| *other == task) {
            Some((_, cost)) => *cost,
            None => {
                let scheme = self.scheme(task);
                let options = Scheme::options(task, self.field, rates);
                let cost = options.into_iter().find(|(option, _)| *option == scheme).map_or(u64::MAX, |(_, cost)| cost);
                known.push((task, cost));
                cost
            }
        };
        tasks.iter().map(|task| u128::from(cost(task))).sum()
    }

    /// What `receiver` chooses in the first hop.
    pub(crate) fn plan(&self, tasks: &[Task], receiver: Owner) -> Result<Plan, PairError> {
        let by_transfers = tasks.iter().filter(|task| self.scheme(task) == Scheme::Transfers);
        Ok(Plan::new(by_transfers.flat_map(|task| requests(task, receiver)).collect())?)
    }

    /// What `receiver` chooses in the second hop, to convert results that it evaluated.
    pub(crate) fn wraps(&self, tasks: &[Task], receiver: Owner) -> Result<Plan, PairError> {
        let converted = |task: &Task| match self.scheme(task) {
            Scheme::Slots(slots) if evaluates(slots.encrypts) == receiver => Some(wrap(task)),
            _ => None,
        };
        let requests: Vec<Request> = tasks.iter().filter_map(converted).collect();
        Ok(Plan::new(requests)?)
    }
}

/// The keys that schemes use, each once.
fn keys<'s>(schemes: impl Iterator<Item = &'s Scheme>) -> Vec<KeyUse> {
    let mut keys: Vec<KeyUse> = vec![];
    for (owner, parameters, steps) in schemes.filter_map(Scheme::key) {
        match keys.iter_mut().find(|key| (key.0, key.1) == (owner, parameters)) {
            Some(key) => key.2 = key.2.max(steps),
            None => keys.push((owner, parameters, steps)),
        }
    }
    keys
}

/// Whose key it is, and in which ring.
fn ring(key: &KeyUse) -> (Owner, Parameters) {
    (key.0, key.1)
}

/// The cheapest schemes whose keys there may be, and what everything takes then.
fn choose(choices: &[Choice], may: impl Fn(&KeyUse) -> bool, rates: &Rates) -> (u128, Vec<(Task, Scheme)>) {
    let open = |scheme: &Scheme| scheme.key().is_none_or(|key| may(&key));
    let mut sum = 0u128;
    let mut chosen = vec![];
    for Choice { task, times, options } in choices {
        // Without any the task is by transfers, and its round says why it cannot be.
        if let Some((scheme, cost)) = options.iter().filter(|(scheme, _)| open(scheme)).min_by_key(|(_, cost)| *cost) {
            sum += u128::from(*cost) * u128::from(*times);
            chosen.push((*task, *scheme));
        } else {
            sum += u128::MAX >> 32;
        }
    }
    for (_, parameters, steps) in keys(chosen.iter().map(|(_, scheme)| scheme)) {
        let bytes = key_bytes(parameters, steps).unwrap_or(usize::MAX >> 32);
        sum += bytes as u128 * u128::from(rates.byte);
    }
    (sum, chosen)
}
