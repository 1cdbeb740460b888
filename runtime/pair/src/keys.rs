//! The keys of a session: each party makes those of the rings that it encrypts in, and takes the other one's. One message each way.

use hashbrown::HashMap;
use std::sync::Arc;

use mpcc_kernels::{Prg, Seed};
use mpcc_lattice::{Batch, Evaluator, KeyReader, Owner as Encrypter, Parameters, Randomness, Ring};
use mpcc_program::code::Owner;
use mpcc_program::making::Task;

use crate::PairError;
use crate::form::Form;
use crate::scheme::Scheme;
use crate::schemes::Schemes;
use crate::tasks::{index, other};

/// Purposes of seeds.
mod purpose {
    pub(super) const SECRET: u64 = 0;
    pub(super) const ANSWERS: u64 = 1;
}

/// A party whose keys were sent.
pub struct KeysSent {
    party: Owner,
    schemes: Schemes,
    rings: Vec<Arc<Ring>>,
    own: Vec<Encrypter>,
    randomness: Randomness,
}

/// What a party encrypts, multiplies and opens by, for a session. `Debug` shows nothing of it.
pub struct Lattice {
    pub(crate) party: Owner,
    pub(crate) schemes: Schemes,
    rings: Vec<Arc<Ring>>,
    /// What was needed so far.
    forms: HashMap<(Task, Scheme), Arc<Form>>,
    pub(crate) own: Vec<Encrypter>,
    pub(crate) theirs: Vec<Evaluator>,
    pub(crate) randomness: Randomness,
    rounds: u64,
}

impl std::fmt::Debug for KeysSent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeysSent(..)")
    }
}

impl std::fmt::Debug for Lattice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lattice(..)")
    }
}

fn ring(rings: &[Arc<Ring>], parameters: Parameters) -> Arc<Ring> {
    let known = rings.iter().find(|ring| ring.parameters() == parameters);
    known.map_or_else(|| Ring::new(parameters), Arc::clone)
}

/// Makes a party's keys from entropy that is fresh and serves nothing else, and the message that takes them to the other one:
/// as many bytes as [`Schemes::key_bytes`] says.
///
/// # Errors
/// Schemes whose ring cannot merge as often as they ask for.
pub fn begin(schemes: Schemes, party: Owner, entropy: &Seed) -> Result<(KeysSent, Vec<u8>), PairError> {
    let root = Prg::new(entropy);
    let mut rings = Vec::new();
    for &(parameters, _) in schemes.keys(Owner::ModelOwner).iter().chain(schemes.keys(Owner::DataOwner)) {
        rings.push(ring(&rings, parameters));
    }
    let (mut own, mut message) = (Vec::new(), Vec::new());
    for (number, &(parameters, steps)) in (0..).zip(schemes.keys(party)) {
        let encrypter = Encrypter::new(&ring(&rings, parameters), root.derive(purpose::SECRET, number));
        for chunk in encrypter.keys(steps)? {
            message.extend_from_slice(&chunk);
        }
        own.push(encrypter);
    }
    let randomness = Randomness::new(root.derive(purpose::ANSWERS, 0));
    Ok((KeysSent { party, schemes, rings, own, randomness }, message))
}

impl KeysSent {
    /// Takes the other party's keys.
    ///
    /// # Errors
    /// A message that is not that of the same schemes.
    pub fn finish(self, message: &[u8]) -> Result<Lattice, PairError> {
        let KeysSent { party, schemes, rings, own, randomness } = self;
        let expected = schemes.key_bytes()?[index(other(party))];
        if message.len() != expected {
            return Err(PairError::Length { what: "message of keys", expected, found: message.len() });
        }
        let (mut rest, mut theirs) = (message, Vec::new());
        for &(parameters, steps) in schemes.keys(other(party)) {
            let mut reader = KeyReader::new(&ring(&rings, parameters), steps)?;
            while let Some(length) = reader.expected() {
                let (chunk, later) = rest.split_at(length);
                reader.take(chunk)?;
                rest = later;
            }
            theirs.push(reader.finish()?);
        }
        Ok(Lattice { party, schemes, rings, forms: HashMap::new(), own, theirs, randomness, rounds: 0 })
    }
}

impl Lattice {
    /// How a task is done, or tasks that amount to it.
    pub(crate) fn form(&mut self, task: &Task, scheme: &Scheme) -> Result<Arc<Form>, PairError> {
        if let Some(form) = self.forms.get(&(*task, *scheme)) {
            return Ok(Arc::clone(form));
        }
        let place = |owner, parameters| {
            let keys = self.schemes.keys(owner);
            let key = keys.iter().position(|key| key.0 == parameters).expect("a key of every scheme");
            (ring(&self.rings, parameters), key)
        };
        let form = Arc::new(Form::new(task, scheme, place)?);
        self.forms.insert((*task, *scheme), Arc::clone(&form));
        Ok(form)
    }

    /// The next round's indices of uploads, under each own key and under each of the other party's.
    pub(crate) fn batches(&mut self) -> Result<[Vec<Batch>; 2], PairError> {
        let number = self.rounds;
        self.rounds += 1;
        let own = self.own.iter_mut().map(|key| key.batch(number)).collect::<Result<_, _>>()?;
        let theirs = self.theirs.iter_mut().map(|key| key.batch(number)).collect::<Result<_, _>>()?;
        Ok([own, theirs])
    }
}
