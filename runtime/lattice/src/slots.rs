//! Slots: N numbers modulo an odd t in a ciphertext, multiplied entry by entry. Sums of products are answered as shares
//! modulo t, the evaluator's uniform in all N slots.

use std::sync::Arc;

use mpcc_kernels::Prg;
use zeroize::Zeroizing;

use crate::answer::{Answer, Product, Randomness, Switch, Variation, stream};
use crate::bound::Bound;
use crate::budget::{Budget, Flood, Sources};
use crate::error::{LatticeError, Result, count};
use crate::index::UploadIndex;
use crate::keys::Evaluator;
use crate::modulus::{Modulus, Reducer};
use crate::ntt::Transform;
use crate::owner::{Desk, Owner};
use crate::params::Parameters;
use crate::plain::{SlotModulus, Slotted};
use crate::planes::Planes;
use crate::ring::{Pair, Ring, secret_words};
use crate::sample;
use crate::upload::{Upload, add_products};

/// One kind of slot products: parameters, modulus, how many products a sum has at most, and what is hidden. Both sides make it
/// from the same numbers; that it exists means that results are exact.
pub struct Slots {
    ring: Arc<Ring>,
    plain: Slotted,
    terms: u64,
    budget: Budget,
    switch: Switch,
    /// Coefficients to multipliers of each prime.
    reducers: Vec<Reducer>,
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slots({:?}, t {} bits, {} terms)", self.ring, self.plain.bits, self.terms)
    }
}

/// Shares modulo t of one party, slot by slot. Wiped when dropped.
pub struct SlotShares {
    residues: Coefficients,
}

impl std::fmt::Debug for SlotShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SlotShares(..)")
    }
}

/// Multipliers modulo each prime for centred coefficients: times 2^52.
fn multipliers(ring: &Ring) -> Vec<Reducer> {
    ring.limbs.iter().map(|t| Reducer::new(t.modulus, t.modulus.power(2, 52))).collect()
}

impl Slots {
    /// Sums of up to `terms` products in slots of `modulus`.
    ///
    /// # Errors
    /// [`LatticeError::Budget`] if the ring is too small, [`LatticeError::Range`] for sizes that are not supported.
    pub fn new(ring: &Arc<Ring>, modulus: SlotModulus, terms: u64, flood: Flood) -> Result<Slots> {
        if terms == 0 {
            return Err(LatticeError::Range { what: "the number of products", allowed: "at least 1", found: 0 });
        }
        let plain = Slotted::new(ring, modulus);
        let budget = Slots::budget_for(ring.parameters(), plain.bits, terms, flood)?;
        let switch = Switch::new(ring, plain.bits, (ring.degree(), 1))?;
        Ok(Slots { ring: ring.clone(), reducers: multipliers(ring), plain, terms, budget, switch })
    }

    /// The noise of such answers, for planners: sums of up to `terms` products in slots of `bits` bits.
    ///
    /// # Errors
    /// [`LatticeError::Budget`] if the parameters are too small for it.
    pub fn budget_for(parameters: Parameters, bits: u32, terms: u64, flood: Flood) -> Result<Budget> {
        let sources = Sources {
            parameters,
            message: bits,
            terms: Bound::integer(parameters.degree() as u64).times(Bound::integer(terms)),
            factor: Bound::power_of_two(bits - 1),
            merged: 0,
            flood,
        };
        sources.budget()
    }

    /// N, how many numbers an upload has.
    pub fn len(&self) -> usize {
        self.ring.degree()
    }

    /// False: there are slots.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Bytes of an upload.
    pub fn upload_bytes(&self) -> usize {
        self.ring.polynomial_bytes()
    }

    /// Bytes of an answer.
    pub fn answer_bytes(&self) -> usize {
        self.switch.bytes()
    }

    /// The noise that answers have.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn plain(&self) -> &Slotted {
        &self.plain
    }

    /// Space for the coefficients of one polynomial modulo each prime of t.
    fn space(&self) -> Coefficients {
        self.plain.transforms.iter().map(|_| secret_words(self.len(), 0u64)).collect()
    }

    /// Coefficients of the polynomial with these slots; zeros after the last.
    fn encode(&self, values: &[i128], out: &mut Coefficients) {
        for (prime, (t, x)) in self.plain.transforms.iter().zip(out).enumerate() {
            x[values.len()..].fill(0);
            x.iter_mut().zip(values).for_each(|(x, &v)| *x = self.plain.residue_of(prime, v));
            t.inverse(x);
        }
    }

    /// Space for centred coefficients.
    fn planes(&self) -> Planes {
        Planes::new(self.len(), self.plain.scale.bits())
    }
}

/// Residues of a polynomial's coefficients by prime of t.
type Coefficients = Vec<Zeroizing<Vec<u64>>>;

impl SlotShares {
    /// Residue of slot `at` modulo prime number `prime` of t.
    pub(crate) fn residue(&self, prime: usize, at: usize) -> u64 {
        self.residues[prime][at]
    }

    /// Slots that there are.
    pub(crate) fn len(&self) -> usize {
        self.residues[0].len()
    }
}

/// Makes uploads of slots, in space that serves all of them.
pub struct SlotUploads<'o> {
    owner: &'o Owner,
    slots: &'o Slots,
    desk: Desk,
    coefficients: Coefficients,
    remainders: Planes,
}

impl std::fmt::Debug for SlotUploads<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SlotUploads({:?}, ..)", self.slots)
    }
}

impl SlotUploads<'_> {
    /// Appends an upload of `values`, at most N of any size, taken modulo t.
    ///
    /// # Errors
    /// [`LatticeError::Count`] for more values than slots.
    pub fn write(&mut self, index: UploadIndex, values: &[i128], out: &mut Vec<u8>) -> Result<()> {
        let slots = self.slots;
        if values.len() > slots.len() {
            return count("an upload", slots.len(), values.len());
        }
        slots.encode(values, &mut self.coefficients);
        slots.plain.remainders(&mut self.coefficients, &mut self.remainders);
        let remainders = &self.remainders;
        self.owner.upload(&index, &mut self.desk, |limb, b| slots.plain.scale.add(limb, remainders, b), out);
        Ok(())
    }
}

impl Owner {
    /// What makes uploads of slots.
    ///
    /// # Errors
    /// [`LatticeError::Range`] if the slots are of another ring.
    pub fn upload_slots<'o>(&'o self, slots: &'o Slots) -> Result<SlotUploads<'o>> {
        self.ring.same(&slots.ring)?;
        let remainders = slots.planes();
        Ok(SlotUploads { owner: self, slots, desk: Desk::new(slots.len()), coefficients: slots.space(), remainders })
    }

    /// Opens an answer: the owner's shares, so that both parties' add up to the sums of products modulo t.
    ///
    /// # Errors
    /// [`LatticeError::Length`] if it has another length; in debug builds [`LatticeError::Noise`].
    pub fn open_slots(&self, slots: &Slots, bytes: &[u8]) -> Result<SlotShares> {
        self.ring.same(&slots.ring)?;
        let phases = self.phases(&slots.switch, bytes)?;
        let mut residues = slots.space();
        for (x, phase) in phases.0.iter().enumerate() {
            let coefficient = slots.plain.message(phase, slots.switch.phase_bits())?;
            residues.iter_mut().enumerate().for_each(|(j, r)| r[x] = slots.plain.reduce(j, &coefficient));
        }
        slots.plain.transforms.iter().zip(&mut residues).for_each(|(t, r)| t.forward(r));
        Ok(SlotShares { residues })
    }
}

/// Sums of products of uploads with the evaluator's numbers, and the space to make them in.
pub struct SlotSum<'s> {
    slots: &'s Slots,
    evaluator: &'s Evaluator,
    sum: Pair,
    added: u64,
    coefficients: Coefficients,
    centred: Planes,
    multiplier: Zeroizing<Vec<u64>>,
}

impl std::fmt::Debug for SlotSum<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SlotSum({} products, ..)", self.added)
    }
}

impl Evaluator {
    /// An empty sum.
    ///
    /// # Errors
    /// [`LatticeError::Range`] if the slots are of another ring.
    pub fn slot_sum<'s>(&'s self, slots: &'s Slots) -> Result<SlotSum<'s>> {
        self.ring.same(&slots.ring)?;
        Ok(SlotSum {
            slots,
            evaluator: self,
            sum: Pair::zero(&self.ring),
            added: 0,
            coefficients: slots.space(),
            centred: slots.planes(),
            multiplier: secret_words(slots.len(), 0),
        })
    }
}

impl SlotSum<'_> {
    /// Adds the products of an upload's slots with `factors`, at most N of any size, taken modulo t; the rest counts as 0.
    ///
    /// # Errors
    /// [`LatticeError::Terms`] beyond the declared number, [`LatticeError::Count`] for more factors than slots.
    pub fn add(&mut self, upload: &Upload, factors: &[i128]) -> Result<()> {
        let slots = self.slots;
        if factors.len() > slots.len() {
            return count("factors", slots.len(), factors.len());
        }
        slots.ring.check(upload.parameters)?;
        if self.added == slots.terms {
            return Err(LatticeError::Terms { declared: slots.terms });
        }
        slots.encode(factors, &mut self.coefficients);
        slots.plain.numbers(&self.coefficients, &mut self.centred);
        for (limb, t) in slots.ring.limbs.iter().enumerate() {
            self.centred.write(&slots.reducers[limb], &mut self.multiplier);
            t.forward(&mut self.multiplier);
            add_products(&slots.ring, limb, &mut self.sum, std::iter::once((upload, &self.multiplier[..])));
        }
        self.added += 1;
        Ok(())
    }

    /// Appends the answer of this sum to `out` and gives the evaluator's shares; the sum is empty again.
    pub fn answer(&mut self, randomness: &mut Randomness, out: &mut Vec<u8>) -> SlotShares {
        self.answer_varied(Variation::None, randomness, out)
    }

    fn answer_varied(&mut self, variation: Variation, randomness: &mut Randomness, out: &mut Vec<u8>) -> SlotShares {
        let slots = self.slots;
        let (answer, shares) = self.masked(variation, randomness);
        answer.write(&slots.ring, &slots.switch, out);
        self.sum.clear();
        self.added = 0;
        shares
    }

    fn masked(&mut self, variation: Variation, randomness: &mut Randomness) -> (Answer<'_>, SlotShares) {
        let slots = self.slots;
        let mut shares = SlotShares { residues: Vec::new() };
        let product = Product { evaluator: self.evaluator, pair: &mut self.sum };
        let mask = |prg: &Prg| slots.draw_mask(prg, &mut shares);
        let answer = product.answer(variation, &slots.budget, randomness, mask, &slots.plain.scale);
        (answer, shares)
    }
}

impl Slots {
    /// Sums of slots that lie `height` apart, `parts` of them each: where a sum's products were spread over one ciphertext. What
    /// two parties hold of the sums adds up modulo t as what they held of the slots did.
    ///
    /// # Errors
    /// [`LatticeError::Count`] for more slots than there are.
    pub fn sums(&self, shares: &SlotShares, height: usize, parts: usize) -> Result<SlotShares> {
        if height.saturating_mul(parts) > shares.len() {
            return Err(LatticeError::Count { what: "added slots", expected: shares.len(), found: height * parts });
        }
        let sum = |(t, from): (&Transform, &Zeroizing<Vec<u64>>)| {
            let mut sums = secret_words(height, 0u64);
            for part in from.chunks(height.max(1)).take(parts) {
                sums.iter_mut().zip(part).for_each(|(sum, &v)| *sum = t.modulus.add(*sum, v));
            }
            sums
        };
        Ok(SlotShares { residues: self.plain.transforms.iter().zip(&shares.residues).map(sum).collect() })
    }

    /// A mask uniform in all slots: remainders of the polynomial that is added, and its negative as shares.
    fn draw_mask(&self, prg: &Prg, shares: &mut SlotShares) -> Planes {
        let mut coefficients = Vec::new();
        for (j, t) in self.plain.transforms.iter().enumerate() {
            let p = t.modulus.p;
            let mut slots = secret_words(self.len(), 0u64);
            sample::uniform(prg, stream::MASK + j as u64, p, 64 - p.leading_zeros(), &mut slots);
            let negative = slots.iter().map(|&v| Modulus::less(p - v, p)).collect();
            shares.residues.push(Zeroizing::new(negative));
            t.inverse(&mut slots);
            coefficients.push(slots);
        }
        let mut remainders = self.planes();
        self.plain.remainders(&mut coefficients, &mut remainders);
        remainders
    }
}

#[cfg(test)]
mod tests;
