//! One end of a session, and a round at it: choices, answers, shares.

use mpcc_program::code::Owner;
use mpcc_program::making::{Job, Task};
use mpcc_transfer::{Plan, Receiver, Sender, Shares, Waiting, and};

use crate::PairError;
use crate::lists::{Words, add_above, bits_of, read, sums, terms, words_of, write};
use crate::tasks::{WORD, inputs, other, plan, requests};

/// One end of a session. Every transfer of it is used once, in the order of the rounds at both ends; after an error it is over.
#[derive(Debug)]
pub struct Pair {
    owner: Owner,
    sender: Sender,
    receiver: Receiver,
}

/// A round whose choices were made.
pub struct Chosen<'t> {
    tasks: &'t [Task],
    operands: Vec<Vec<Words>>,
    factors: Vec<Words>,
    waiting: Waiting,
}

/// A round whose other end's choices were answered.
pub struct Answered<'t> {
    tasks: &'t [Task],
    operands: Vec<Vec<Words>>,
    waiting: Waiting,
    sent: Shares,
}

impl Pair {
    /// An end of a session that was set up.
    pub fn new(owner: Owner, sender: Sender, receiver: Receiver) -> Pair {
        Pair { owner, sender, receiver }
    }

    /// The message for the first hop of a round. `operands` are what the party's code hands out: lists one behind the other, as
    /// [`Task::operands`] has them.
    ///
    /// # Errors
    /// Operands of other tasks, or a round that asks for more than a session gives.
    pub fn choose<'t>(&mut self, tasks: &'t [Task], operands: &[u8]) -> Result<(Chosen<'t>, Vec<u8>), PairError> {
        let owner = self.owner;
        let lists: Vec<(usize, u8)> = tasks.iter().flat_map(|task| task.operands(owner)).collect();
        let mut lists = read(operands, &lists)?.into_iter();
        let operands: Vec<Vec<Words>> =
            tasks.iter().map(|task| lists.by_ref().take(task.operands(owner).len()).collect()).collect();
        let (mut choices, mut factors) = (Vec::new(), Vec::new());
        for (task, operands) in tasks.iter().zip(&operands) {
            let [chosen, factor] = inputs(task, owner, operands);
            choices.extend(chosen);
            factors.extend(factor);
        }
        let choices: Vec<&[u64]> = choices.iter().map(|list| list.as_slice()).collect();
        let mut message = Vec::new();
        let waiting = self.receiver.choose(&plan(tasks, owner)?, &choices, &mut message)?;
        Ok((Chosen { tasks, operands, factors, waiting }, message))
    }

    fn plan_of_peer(&self, tasks: &[Task]) -> Result<Plan, PairError> {
        Ok(plan(tasks, other(self.owner))?)
    }
}

impl<'t> Chosen<'t> {
    /// The message for the second hop, in answer to the peer's of the first.
    ///
    /// # Errors
    /// A message that is not the peer's of this round.
    pub fn answer(self, pair: &mut Pair, message: &[u8]) -> Result<(Answered<'t>, Vec<u8>), PairError> {
        let Chosen { tasks, operands, factors, waiting } = self;
        let lists: Vec<[&[u64]; 1]> = factors.iter().map(|list| [list.as_slice()]).collect();
        // Where nothing travels from this end it puts nothing in.
        let lists: Vec<&[&[u64]]> =
            lists.iter().map(|list| if list[0].is_empty() { &list[..0] } else { list }).collect();
        let mut strings = Vec::new();
        let plan = pair.plan_of_peer(tasks)?;
        let sent = pair.sender.answer(&plan, message, &lists, &mut strings)?;
        Ok((Answered { tasks, operands, waiting, sent }, strings))
    }
}

impl Answered<'_> {
    /// The party's shares of the results, lists one behind the other, from the peer's message of the second hop.
    ///
    /// # Errors
    /// A message that is not the peer's of this round.
    pub fn finish(self, pair: &Pair, message: &[u8]) -> Result<Vec<u8>, PairError> {
        let Answered { tasks, operands, waiting, sent } = self;
        let got = waiting.finish(message)?;
        // The next request of what this end chose in, and of what the other end did.
        let (mut chosen, mut answered) = (0, 0);
        let mut out = Vec::new();
        for (task, operands) in tasks.iter().zip(&operands) {
            let [chooses, answers] = [pair.owner, other(pair.owner)].map(|receiver| requests(task, receiver).len());
            let single = |i| if chooses > 0 { got.words(chosen + i, 0) } else { sent.words(answered + i, 0) };
            let bits = task.bits;
            match task.job {
                Job::Chosen { .. } | Job::Pads { .. } => write(single(0), bits, &mut out),
                Job::Meets => write(&words_of(single(0), bits), bits, &mut out),
                Job::Ands => {
                    let [x, y] = [&operands[0], &operands[1]].map(|words| bits_of(words, bits));
                    let mut products = Words::new(vec![0; x.len()]);
                    and::combine(&x, &y, sent.words(answered, 0), got.words(chosen, 0), &mut products);
                    write(&words_of(&products, bits), bits, &mut out);
                }
                Job::Products { pairing, .. } => {
                    let mut sum = sums(single(0), terms(pairing), bits);
                    if chooses + answers > 1 {
                        add_above(&mut sum, &sums(single(1), terms(pairing), bits - WORD), bits);
                    }
                    write(&sum, bits, &mut out);
                }
            }
            chosen += chooses;
            answered += answers;
        }
        Ok(out)
    }
}
