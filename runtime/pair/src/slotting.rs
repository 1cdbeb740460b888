//! Products entry by entry by slots. Both parties have shares modulo an odd number afterwards; the party that multiplied chooses
//! by one bit of each, the other one answers by its own, and then the shares are modulo a power of two.

use std::sync::Arc;

use mpcc_lattice::{
    Batch, Evaluator, Owner as Encrypter, Randomness, Ring, Side, SlotModulus, SlotShares, Slots, slot_cost,
};
use mpcc_program::code::Owner;
use mpcc_program::making::Task;
use zeroize::Zeroizing;

use crate::PairError;
use crate::lists::terms;
use crate::lists::{Words, lanes};
use crate::numbers::Integers;
use crate::scheme::{FLOOD, Sides, SlotScheme};
use crate::spread::{Place, Spread};

/// How a task is done by slots, or tasks that amount to it.
#[derive(Debug)]
pub(crate) struct Slotting {
    pub(crate) encrypts: Owner,
    /// Which of its keys.
    pub(crate) key: usize,
    sides: Sides,
    spread: Spread,
    slots: Slots,
}

/// A party's shares of a task before they are converted: numbers modulo 2^bits, and a bit of each.
pub(crate) struct Unconverted {
    pub(crate) parts: Words,
    pub(crate) low: Words,
}

fn no_products() -> PairError {
    PairError::Scheme("slots for what is no product")
}

fn spread(task: &Task, scheme: &SlotScheme) -> Result<(Sides, Spread), PairError> {
    let sides = Sides::of(task, scheme.encrypts).ok_or_else(no_products)?;
    let spread = Spread::new(sides.pairing, scheme.parameters.degree(), sides.left_encrypted);
    Ok((sides, spread))
}

impl Slotting {
    pub(crate) fn new(task: &Task, scheme: &SlotScheme, ring: &Arc<Ring>, key: usize) -> Result<Slotting, PairError> {
        let (sides, spread) = spread(task, scheme)?;
        let modulus = SlotModulus::new(scheme.modulus_bits)?;
        let slots = Slots::new(ring, modulus, terms(sides.pairing) as u64, FLOOD)?;
        Ok(Slotting { encrypts: scheme.encrypts, key, sides, spread, slots })
    }

    /// Bytes of a task's uploads and answers.
    pub(crate) fn bytes(task: &Task, scheme: &SlotScheme) -> Result<[usize; 2], PairError> {
        let (_, spread) = spread(task, scheme)?;
        let [uploads, answers] = [spread.uploads(), spread.answers()].map(|n| n as u64);
        let cost = slot_cost(scheme.parameters, scheme.modulus_bits, uploads, 0, answers);
        Ok([cost.upload_bytes as usize, cost.answer_bytes as usize])
    }

    pub(crate) fn unit_bytes(&self) -> [usize; 2] {
        let (up, answer) = (self.slots.upload_bytes(), self.slots.answer_bytes());
        [self.spread.uploads() * up, self.spread.answers() * answer]
    }

    /// Numbers of the slots of an upload, or of what it is multiplied by for a column.
    fn numbers(&self, numbers: &[i128], left: bool, at: (usize, usize, usize)) -> Integers {
        let uploaded = left == self.sides.left_encrypted;
        let entry = |slot| match self.spread.place(at, slot) {
            Some(Place { left: at, .. }) if left && uploaded => numbers[at],
            Some(Place { right: at, .. }) if uploaded => numbers[at],
            Some(Place { left: at, right, negative, .. }) => {
                let number = numbers[if left { at } else { right }];
                if negative { -number } else { number }
            }
            None => 0,
        };
        Zeroizing::new((0..self.spread.height * self.spread.parts).map(entry).collect())
    }

    /// Appends a task's uploads.
    pub(crate) fn upload(
        &self,
        (owner, batch): (&Encrypter, &mut Batch),
        numbers: &[i128],
        out: &mut Vec<u8>,
    ) -> Result<(), PairError> {
        let left_encrypted = self.left_encrypted();
        let mut uploads = owner.upload_slots(&self.slots)?;
        let groups = if self.spread.repeated { 1 } else { self.spread.groups };
        for (block, group) in (0..self.spread.blocks).flat_map(|block| (0..groups).map(move |group| (block, group))) {
            uploads.write(batch.next(), &self.numbers(numbers, left_encrypted, (block, group, 0)), out)?;
        }
        Ok(())
    }

    /// Appends the answers to a task's uploads.
    pub(crate) fn answer(
        &self,
        (evaluator, batch, randomness): (&Evaluator, &mut Batch, &mut Randomness),
        (numbers, uploads): (&[i128], &[u8]),
        result: &mut Unconverted,
        out: &mut Vec<u8>,
    ) -> Result<(), PairError> {
        let left_encrypted = self.left_encrypted();
        let mut uploads = uploads.chunks(self.slots.upload_bytes());
        let mut next = || -> Result<_, PairError> {
            let bytes = uploads.next().unwrap_or(&[]);
            Ok(evaluator.upload(batch.next(), bytes)?)
        };
        let mut sum = evaluator.slot_sum(&self.slots)?;
        for block in 0..self.spread.blocks {
            let Spread { groups, columns, summed, repeated, .. } = self.spread;
            // Uploads that are used again.
            let again = if columns > 1 { groups } else { usize::from(repeated) };
            let kept = (0..again).map(|_| next()).collect::<Result<Vec<_>, PairError>>()?;
            for (column, group) in (0..columns).flat_map(|column| (0..groups).map(move |group| (column, group))) {
                let factors = self.numbers(numbers, !left_encrypted, (block, group, column));
                match kept.get(if repeated { 0 } else { group }) {
                    Some(upload) => sum.add(upload, &factors)?,
                    None => sum.add(&next()?, &factors)?,
                }
                if !summed || group + 1 == groups {
                    let shares = sum.answer(randomness, out);
                    self.convert(Side::Evaluator, &shares, (block, group, column), result)?;
                }
            }
        }
        Ok(())
    }

    /// Opens a task's answers.
    pub(crate) fn open(&self, owner: &Encrypter, answers: &[u8], result: &mut Unconverted) -> Result<(), PairError> {
        let mut answers = answers.chunks(self.slots.answer_bytes());
        let Spread { blocks, columns, summed, .. } = self.spread;
        let groups = if summed { 1 } else { self.spread.groups };
        for at in 0..blocks * columns * groups {
            let shares = owner.open_slots(&self.slots, answers.next().unwrap_or(&[]))?;
            let at = (at / (columns * groups), at % groups, at / groups % columns);
            self.convert(Side::Owner, &shares, at, result)?;
        }
        Ok(())
    }

    /// Shares that wait for their conversion.
    pub(crate) fn unconverted(&self, len: usize) -> Unconverted {
        Unconverted { parts: Words::new(vec![0; len * lanes(self.sides.bits)]), low: Words::new(vec![0; len]) }
    }

    /// Whether the left operand is encrypted.
    pub(crate) fn left_encrypted(&self) -> bool {
        self.sides.left_encrypted
    }

    /// The encrypting party's strings for the conversion of results of so many bits: the odd modulus where its bit is 1.
    pub(crate) fn wraps(&self, low: &[u64], bits: u8) -> Words {
        let wrap = self.slots.wrap(bits.into());
        let wrap = [wrap as u64, (wrap >> 64) as u64];
        let times = |&bit: &u64| wrap.map(|word| word & bit.wrapping_neg()).into_iter().take(lanes(bits));
        Words::new(low.iter().flat_map(times).collect())
    }

    fn convert(
        &self,
        side: Side,
        shares: &SlotShares,
        (block, group, column): (usize, usize, usize),
        result: &mut Unconverted,
    ) -> Result<(), PairError> {
        let (spread, bits) = (&self.spread, self.sides.bits);
        let summed = spread.summed.then(|| self.slots.sums(shares, spread.height, spread.parts)).transpose()?;
        // A sum's place is that of its first product.
        let group = if spread.summed { 0 } else { group };
        let count = spread.results();
        let converted = self.slots.convert(side, summed.as_ref().unwrap_or(shares), count, bits.into())?;
        let lanes = lanes(bits);
        for (slot, (&part, &low)) in converted.parts.iter().zip(converted.low.iter()).enumerate() {
            if let Some(Place { result: at, .. }) = spread.place((block, group, column), slot) {
                let words = [part as u64, (part >> 64) as u64];
                result.parts[at * lanes..][..lanes].copy_from_slice(&words[..lanes]);
                result.low[at] = low.into();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
