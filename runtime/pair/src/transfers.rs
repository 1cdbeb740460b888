//! The transfers of a round: those that do tasks, and those that convert results of slots.

use mpcc_program::code::Owner;
use mpcc_program::making::{Job, Task};
use mpcc_transfer::{Plan, Sender, Shares, Waiting, and};

use crate::PairError;
use crate::lists::{Words, add_above, bits_of, sums, terms, words_of, write};
use crate::tasks::{WORD, other, requests};

/// Transfers of one kind of a round.
#[derive(Default)]
pub(crate) struct Transfers {
    /// What this end's strings are of.
    pub(crate) factors: Vec<Words>,
    /// What it chose.
    pub(crate) waiting: Option<Waiting>,
    pub(crate) got: Option<Shares>,
    pub(crate) sent: Option<Shares>,
}

impl Transfers {
    /// Answers the peer's choices.
    pub(crate) fn answer(
        &mut self,
        sender: &mut Sender,
        plan: &Plan,
        choices: &[u8],
        strings: &mut Vec<u8>,
    ) -> Result<(), PairError> {
        let lists: Vec<[&[u64]; 1]> = self.factors.iter().map(|list| [list.as_slice()]).collect();
        // Where nothing travels from this end it puts nothing in.
        let lists: Vec<&[&[u64]]> =
            lists.iter().map(|list| if list[0].is_empty() { &list[..0] } else { list }).collect();
        self.sent = Some(sender.answer(plan, choices, &lists, strings)?);
        self.factors.clear();
        Ok(())
    }

    /// Takes the peer's strings.
    pub(crate) fn finish(&mut self, strings: &[u8]) -> Result<(), PairError> {
        let waiting = self.waiting.take().ok_or(PairError::Order)?;
        self.got = Some(waiting.finish(strings)?);
        Ok(())
    }
}

/// Appends the share of a task that was done by transfers. `got` is of what this end chose, from its next request on, and `sent`
/// of what the other one did.
pub(crate) fn by_transfers(
    task: &Task,
    operands: &[Words],
    owner: Owner,
    (got, chosen): (&Shares, usize),
    (sent, answered): (&Shares, usize),
    out: &mut Vec<u8>,
) {
    let [chooses, answers] = [owner, other(owner)].map(|receiver| requests(task, receiver).len());
    let single = |i| if chooses > 0 { got.words(chosen + i, 0) } else { sent.words(answered + i, 0) };
    let bits = task.bits;
    match task.job {
        Job::Chosen { .. } | Job::Pads { .. } | Job::Sums { .. } | Job::Carries { .. } => write(single(0), bits, out),
        Job::Under => {
            let [bit, word] = [&operands[0], &operands[1]];
            let (sent, got) = (sent.words(answered, 0), got.words(chosen, 0));
            let own = bit.iter().zip(word.iter()).map(|(bit, word)| (bit & 1).wrapping_neg() & word);
            let crossed = sent.iter().zip(got).map(|(sent, got)| sent ^ got);
            let words: Words = Words::new(own.zip(crossed).map(|(own, crossed)| own ^ crossed).collect());
            write(&words, bits, out);
        }
        Job::Ands => {
            let [x, y] = [&operands[0], &operands[1]].map(|words| bits_of(words, bits));
            let mut products = Words::new(vec![0; x.len()]);
            and::combine(&x, &y, sent.words(answered, 0), got.words(chosen, 0), &mut products);
            write(&words_of(&products, bits), bits, out);
        }
        Job::Products { pairing, .. } => {
            let mut sum = sums(single(0), terms(pairing), bits);
            if chooses + answers > 1 {
                add_above(&mut sum, &sums(single(1), terms(pairing), bits - WORD), bits);
            }
            write(&sum, bits, out);
        }
    }
}
