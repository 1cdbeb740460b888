//! What a task asks of transfers: which end chooses what, and what the other end's strings are.

use mpcc_program::code::Owner;
use mpcc_program::making::{Factor, Job, Task};
use mpcc_transfer::{Function, Request, and};

use crate::lists::{Words, bits_of, factors, gather, lanes, modulo, subtracted, terms};

/// Bits of a word.
pub(crate) const WORD: u8 = 64;

/// The owners in the order of their indices.
pub(crate) const OWNERS: [Owner; 2] = [Owner::ModelOwner, Owner::DataOwner];

/// A party's index.
pub(crate) fn index(owner: Owner) -> usize {
    usize::from(owner == Owner::DataOwner)
}

/// The other party.
pub(crate) fn other(owner: Owner) -> Owner {
    match owner {
        Owner::ModelOwner => Owner::DataOwner,
        Owner::DataOwner => Owner::ModelOwner,
    }
}

/// Whose factor is on the choosing side of a product, and whether that is the left one: the narrower one, but no signed one if
/// there is another, since its sign weighs as much as a string.
fn chooser(left: Owner, factors: [Factor; 2]) -> (Owner, bool) {
    let weight = |factor: Factor| (factor.signed, factor.width);
    if weight(factors[0]) <= weight(factors[1]) { (left, true) } else { (other(left), false) }
}

/// Bits that a factor is chosen by.
fn choices(factor: Factor, bits: u8) -> u8 {
    if factor.signed { bits } else { factor.width.min(bits) }
}

/// What a task asks of the transfers that `receiver` chooses in: nothing, one list or, of numbers that take two words, one for
/// each of them.
pub(crate) fn requests(task: &Task, receiver: Owner) -> Vec<Request> {
    let Task { job, len, bits } = *task;
    let single =
        |count, bits: u8, width: u8| Request::Product { count, bits: bits.into(), widths: vec![u32::from(width)] };
    match job {
        Job::Chosen { chooser } if chooser == receiver => vec![single(len, 1, bits)],
        Job::Pads { chooser, digit } if chooser == receiver => {
            vec![Request::Random { count: len, bits: digit.into(), widths: vec![bits.into()] }]
        }
        Job::Sums { chooser, digit, hot } if chooser == receiver => {
            let function = if hot { Function::Sum } else { Function::Carry };
            vec![Request::table(len, digit.into(), function)]
        }
        Job::Carries { chooser, digit } if chooser == receiver => {
            vec![Request::table(len, u32::from(digit) + 1, Function::CarryOn)]
        }
        Job::Chosen { .. } | Job::Pads { .. } | Job::Sums { .. } | Job::Carries { .. } => vec![],
        Job::Under => vec![Request::Under { count: len, widths: vec![bits.into()] }],
        Job::Ands => vec![and::request(len * usize::from(bits))],
        Job::Products { left, pairing, factors, .. } => {
            let (chooser, on_left) = chooser(left, factors);
            if chooser != receiver {
                return vec![];
            }
            let (width, count) = (choices(factors[usize::from(!on_left)], bits), len * terms(pairing));
            let mut requests = vec![single(count, width.min(WORD), bits)];
            if width > WORD {
                requests.push(single(count, width - WORD, bits - WORD));
            }
            requests
        }
    }
}

/// What a party puts into a task's requests: its choices where it chooses, its factors where the other one does.
pub(crate) fn inputs(task: &Task, party: Owner, operands: &[Words]) -> [Vec<Words>; 2] {
    let Task { job, bits, .. } = *task;
    match job {
        Job::Chosen { chooser } => one_side(chooser == party, operands[0].clone()),
        Job::Pads { chooser, .. } if chooser == party => [vec![operands[0].clone()], vec![]],
        Job::Pads { .. } => [vec![], vec![Words::default()]],
        Job::Sums { chooser, .. } | Job::Carries { chooser, .. } => one_side(chooser == party, operands[0].clone()),
        Job::Under => [vec![operands[0].clone()], vec![operands[1].clone()]],
        Job::Ands => [0, 1].map(|i| vec![bits_of(&operands[i], bits)]),
        Job::Products { left, pairing, factors: [first, second], .. } => {
            let (chooser, on_left) = chooser(left, [first, second]);
            let own = if left == party { first } else { second };
            let width = choices(if on_left { first } else { second }, bits);
            let list = |words: &[u64], lanes| gather(words, lanes, factors(pairing, left == party));
            if chooser != party {
                let strings = |bits| subtracted(pairing, list(&modulo(&operands[0], own, bits), lanes(bits)), bits);
                let mut lists = vec![strings(bits)];
                if width > WORD {
                    lists.push(strings(bits - WORD));
                }
                return [vec![], lists];
            }
            let narrow = modulo(&operands[0], own, width);
            if width <= WORD {
                return [vec![list(&narrow, 1)], vec![]];
            }
            let halves =
                [0, 1].map(|half| -> Words { Words::new(narrow.iter().skip(half).step_by(2).copied().collect()) });
            [halves.iter().map(|half| list(half, 1)).collect(), vec![]]
        }
    }
}

fn one_side(chooses: bool, words: Words) -> [Vec<Words>; 2] {
    if chooses { [vec![words], vec![]] } else { [vec![], vec![words]] }
}

#[cfg(test)]
mod tests {
    use mpcc_program::making::CHOICE_BITS;
    use mpcc_transfer::{Field, Plan};

    use super::*;

    #[test]
    fn choices_weigh_what_transfers_send_for_them() {
        let price = |bits| {
            let list = vec![Request::Random { count: 8192, bits, widths: vec![1] }];
            Plan::new(list).expect("a plan").price(Field::new(8).expect("a field")).choices as u32 / 1024
        };
        assert_eq!([1, 2, 3, 4, 5].map(price), CHOICE_BITS);
    }
}
