//! Which schemes are cheapest for all tasks of a program together: keys of a ring cost something once, and slots of one kind hold
//! what several kinds of tasks need.

use hashbrown::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mpcc_lattice::{Parameters, key_bytes};
use mpcc_program::code::Owner;
use mpcc_program::making::Task;
use mpcc_transfer::Field;

use crate::joint::{class, line, multiplies, stacks, together};
use crate::rates::Rates;
use crate::scheme::{KeyUse, Scheme, SlotScheme};

/// Tasks that are done in the same way, and what can be done about them.
struct Choice {
    class: Task,
    /// By round what they amount to in one inference, and how often.
    wholes: Vec<(usize, Task, u64)>,
    options: Vec<Offer>,
}

/// A scheme with what everything takes by it, without keys, and the number of its ring among all rings and owners of keys.
#[derive(Clone, Copy)]
struct Offer {
    scheme: Scheme,
    cost: u128,
    ring: Option<usize>,
}

/// What can be done about a task, with the picoseconds that it takes.
type Options = Arc<Vec<(Scheme, u64)>>;

/// What can be done about tasks, by the same rates, found once for each.
#[derive(Debug)]
pub struct KnownOptions {
    pub(crate) field: Field,
    rates: Rates,
    known: Mutex<HashMap<Task, Options>>,
}

impl KnownOptions {
    /// Nothing is known yet.
    pub fn new(field: Field, rates: &Rates) -> KnownOptions {
        KnownOptions { field, rates: *rates, known: Mutex::default() }
    }

    fn of(&self, task: &Task) -> Options {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(options) = known().get(task) {
            return Arc::clone(options);
        }
        let options = Arc::new(Scheme::options(task, self.field, &self.rates));
        known().insert(*task, Arc::clone(&options));
        options
    }
}

/// The cheapest schemes by [`class`] for a program's rounds, all done `inferences` times.
pub(crate) fn chosen(rounds: &[Vec<Task>], inferences: u64, known: &KnownOptions) -> Vec<(Task, Scheme)> {
    let rates = &known.rates;
    let mut choices = classes(rounds);
    let mut rings: Vec<(Owner, Parameters)> = vec![];
    for choice in &mut choices {
        choice.options = offers(choice, &mut rings, (inferences, known));
    }
    // The rings that are best for some task by itself, and then, as long as that is cheaper, one less.
    let among = |open: &[bool]| choose(&choices, open, &rings, rates);
    let (_, best) = among(&vec![true; rings.len()]);
    let mut open = vec![false; rings.len()];
    best.iter().flatten().filter_map(|offer| offer.ring).for_each(|ring| open[ring] = true);
    let (mut least, mut best) = among(&open);
    loop {
        let without = |left_out: usize| {
            let mut open = open.clone();
            open[left_out] = false;
            let (cost, best) = among(&open);
            (cost, best, open)
        };
        let fewer = (0..open.len()).filter(|ring| open[*ring]).map(without);
        match fewer.min_by_key(|(cost, ..)| *cost).filter(|(cost, ..)| *cost <= least) {
            Some(better) => (least, best, open) = better,
            None => break,
        }
    }
    let mut schemes: Vec<Option<Scheme>> = best.iter().map(|offer| offer.map(|offer| offer.scheme)).collect();
    pool(&choices, &open, &mut schemes, rates);
    choices.iter().zip(schemes).filter_map(|(choice, scheme)| Some((choice.class, scheme?))).collect()
}

/// The products of rounds, by what is done in the same way.
fn classes(rounds: &[Vec<Task>]) -> Vec<Choice> {
    let mut choices: Vec<Choice> = vec![];
    let mut known = HashMap::new();
    for (round, tasks) in rounds.iter().enumerate() {
        for whole in stacks(tasks).into_iter().map(|joint| joint.whole).filter(multiplies) {
            let class = class(&whole);
            let at = *known.entry(class).or_insert(choices.len());
            if at == choices.len() {
                choices.push(Choice { class, wholes: vec![], options: vec![] });
            }
            let wholes = &mut choices[at].wholes;
            match (wholes.last_mut(), line(&whole).is_some()) {
                (Some((last, sum, 1)), true) if *last == round => *sum = together(sum, &whole),
                (Some((.., times)), false) => *times += 1,
                _ => wholes.push((round, whole, 1)),
            }
        }
    }
    choices
}

/// What can be done about all tasks of a choice.
fn offers(
    choice: &Choice,
    rings: &mut Vec<(Owner, Parameters)>,
    (inferences, known): (u64, &KnownOptions),
) -> Vec<Offer> {
    let mut sums: Option<Vec<(Scheme, u128)>> = None;
    for (_, whole, times) in &choice.wholes {
        let times = u128::from(inferences) * u128::from(*times);
        let options = known.of(whole);
        let options: Vec<(Scheme, u128)> =
            options.iter().map(|(scheme, cost)| (*scheme, times * u128::from(*cost))).collect();
        sums = Some(match sums {
            None => options,
            Some(sums) => {
                let both = |(scheme, sum): (Scheme, u128)| {
                    let (_, cost) = options.iter().find(|(other, _)| *other == scheme)?;
                    Some((scheme, sum + cost))
                };
                sums.into_iter().filter_map(both).collect()
            }
        });
    }
    let mut offer = |(scheme, cost): (Scheme, u128)| {
        let ring = scheme.key().map(|(owner, parameters, _)| {
            let known = rings.iter().position(|ring| *ring == (owner, parameters));
            known.unwrap_or_else(|| {
                rings.push((owner, parameters));
                rings.len() - 1
            })
        });
        Offer { scheme, cost, ring }
    };
    sums.unwrap_or_default().into_iter().map(&mut offer).collect()
}

/// The cheapest schemes whose keys there may be, and what everything takes then.
fn choose(
    choices: &[Choice],
    open: &[bool],
    rings: &[(Owner, Parameters)],
    rates: &Rates,
) -> (u128, Vec<Option<Offer>>) {
    let mut sum = 0u128;
    let mut best = Vec::with_capacity(choices.len());
    // Steps of merging that the keys of each ring serve, if there are any.
    let mut steps: Vec<Option<u32>> = vec![None; rings.len()];
    for Choice { options, .. } in choices {
        let may = options.iter().filter(|offer| offer.ring.is_none_or(|ring| open[ring]));
        // Without any the tasks are done by transfers, and their round says why they cannot be.
        let offer = may.min_by_key(|offer| offer.cost).copied();
        sum += offer.map_or(u128::MAX >> 32, |offer| offer.cost);
        if let Some((ring, (.., more))) = offer.and_then(|offer| Some((offer.ring?, offer.scheme.key()?))) {
            steps[ring] = Some(steps[ring].unwrap_or(0).max(more));
        }
        best.push(offer);
    }
    for ((_, parameters), steps) in rings.iter().zip(steps) {
        let bytes = steps.map_or(0, |steps| key_bytes(*parameters, steps).unwrap_or(usize::MAX >> 32));
        sum += bytes as u128 * u128::from(rates.byte);
    }
    (sum, best)
}

/// Most kinds of tasks that share slots.
const MOST_KINDS: usize = 32;

/// Lets kinds of tasks that can stand beside each other share the slots of the largest modulus among them, where that is cheaper than
/// slots of their own: of all ways to cut their list, ordered by modulus, the cheapest one. Either party may encrypt.
fn pool(choices: &[Choice], open: &[bool], schemes: &mut [Option<Scheme>], rates: &Rates) {
    let mut groups: Vec<Vec<usize>> = vec![];
    let mut known = HashMap::new();
    for (at, (choice, scheme)) in choices.iter().zip(schemes.iter()).enumerate() {
        let (Some(Scheme::Slots(_)), Some(line)) = (scheme, line(&choice.class)) else { continue };
        let group = *known.entry(line).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(members) => members.push(at),
            None => groups.push(vec![at]),
        }
    }
    for mut members in groups {
        members.sort_by_key(|at| (std::cmp::Reverse(modulus(&choices[*at])), *at));
        // What the first so many take at least, where the last part of them begins, and its slots.
        let mut least: Vec<Option<(i128, usize, SlotScheme)>> = vec![None; members.len() + 1];
        for from in 0..members.len() {
            let before = least[from].map_or(0, |(cost, ..)| cost);
            for slots in slot_options(&choices[members[from]], open) {
                let mut cost = before;
                let mut by_round: HashMap<usize, Task> = HashMap::new();
                for (to, at) in (from + 1..).zip(&members[from..]).take(MOST_KINDS) {
                    let choice = &choices[*at];
                    if !slot_options(choice, open).any(|other| other.encrypts == slots.encrypts) {
                        break;
                    }
                    for (round, whole, _) in &choice.wholes {
                        let (sum, had) = match by_round.get(round) {
                            Some(sum) => (together(sum, whole), slots.cost(sum, rates)),
                            None => (*whole, 0),
                        };
                        cost += i128::from(slots.cost(&sum, rates)) - i128::from(had);
                        by_round.insert(*round, sum);
                    }
                    if least[to].is_none_or(|(known, ..)| cost < known) {
                        least[to] = Some((cost, from, slots));
                    }
                }
            }
        }
        let mut to = members.len();
        while let Some((_, from, slots)) = least[to] {
            members[from..to].iter().for_each(|at| schemes[*at] = Some(Scheme::Slots(slots)));
            to = from;
        }
    }
}

/// Slots that there are keys for.
fn slot_options<'c>(choice: &'c Choice, open: &'c [bool]) -> impl Iterator<Item = SlotScheme> + 'c {
    let may = |offer: &&Offer| offer.ring.is_some_and(|ring| open[ring]);
    choice.options.iter().filter(may).filter_map(|offer| match offer.scheme {
        Scheme::Slots(slots) => Some(slots),
        _ => None,
    })
}

/// Bits of the odd modulus that results of these tasks fit into.
fn modulus(choice: &Choice) -> u32 {
    let of = |offer: &Offer| if let Scheme::Slots(slots) = offer.scheme { slots.modulus_bits } else { 0 };
    choice.options.iter().map(of).max().unwrap_or(0)
}

/// The keys that schemes use, each once.
pub(crate) fn keys<'s>(schemes: impl Iterator<Item = &'s Scheme>) -> Vec<KeyUse> {
    let mut keys: Vec<KeyUse> = vec![];
    for (owner, parameters, steps) in schemes.filter_map(Scheme::key) {
        match keys.iter_mut().find(|key| (key.0, key.1) == (owner, parameters)) {
            Some(key) => key.2 = key.2.max(steps),
            None => keys.push((owner, parameters, steps)),
        }
    }
    keys
}
