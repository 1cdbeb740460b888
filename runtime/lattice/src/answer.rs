//! From a product to bytes that say nothing but the masked result. A `Product` has no byte form; the only way on is
//! `Product::answer`, which adds an encryption of zero, the flood and a mask in every coefficient and switches moduli.

use mpcc_kernels::pack::{pack, packed_len, unpack};
use mpcc_kernels::{Prg, Seed};
use zeroize::Zeroize;

use crate::budget::{Budget, answer_bits};
use crate::error::{LatticeError, Result};
use crate::flood::Flooding;
use crate::fractions::{self, Fraction};
use crate::keys::Evaluator;
use crate::layout::{answer_bytes, planes};
use crate::modulus::{Factor, Reducer};
use crate::owner::Owner;
use crate::plain::{Scale, WORDS, Words};
use crate::planes::Planes;
use crate::pointwise::{add, multiply_add, set_signed};
use crate::ring::{Pair, Ring, secret_words};
use crate::sample;
use crate::wide::{add_product, low_bits, power_of_two, product, reciprocal, shift_left, shift_right, sub};

/// The evaluator's randomness of answers: every answer has a stream of its own. Wiped when dropped.
pub struct Randomness {
    root: Prg,
    used: u64,
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Randomness({} answers, ..)", self.used)
    }
}

impl Randomness {
    /// Streams from fresh entropy that serves nothing else.
    pub fn new(entropy: Seed) -> Randomness {
        Randomness { root: Prg::new(&entropy), used: 0 }
    }

    fn next(&mut self) -> Prg {
        let prg = Prg::new(&self.root.derive(0, self.used));
        self.used += 1;
        prg
    }
}

#[cfg(test)]
impl Randomness {
    /// The streams of the answer that was made last.
    pub(crate) fn streams_of_last_answer(&self) -> Prg {
        Prg::new(&self.root.derive(0, self.used - 1))
    }
}

/// Streams of one answer.
pub(crate) mod stream {
    pub(super) const TERNARY: u64 = 0;
    pub(super) const ERRORS: u64 = 1;
    /// And the one after it.
    pub(super) const FLOOD: u64 = 2;
    /// And all after it.
    pub(crate) const MASK: u64 = 4;
}

/// Sizes of an answer's coefficients and constants of the switch of moduli.
pub(crate) struct Switch {
    degree: usize,
    /// Bits of a coefficient of `a` and of `b`.
    bits: [u32; 2],
    /// How many coefficients of `b` travel, and how far apart they are.
    used: usize,
    spacing: usize,
    /// ⌊2^256 / q_i⌋.
    wide: Vec<[u64; 4]>,
    /// Where they suffice, fractions of fewer bits.
    narrow: Vec<Fraction>,
    opening: Opening,
}

/// Constants of a product with the secret over the integers, by the first primes.
struct Opening {
    hats: Vec<Factor>,
    /// Q / q_i, and Q, modulo 2^192.
    parts: Vec<Words>,
    whole: Words,
    reducers: Vec<Reducer>,
}

impl Switch {
    /// Answers of messages of `message` bits of which `used` coefficients travel, from the first at every `spacing`.
    pub(crate) fn new(ring: &Ring, message: u32, (used, spacing): (usize, usize)) -> Result<Switch> {
        let bits = answer_bits(ring.parameters(), message);
        if bits[0] + 2 + ring.parameters().log_degree() > 64 * WORDS as u32 {
            return Err(LatticeError::Range {
                what: "bits of a message",
                allowed: "at most 150",
                found: message.into(),
            });
        }
        // The product is below N·2^bits in size, and four times that is told apart without doubt.
        let needed = bits[0] + ring.parameters().log_degree() + 3;
        let mut have = 0;
        let enough = |b: &u32| {
            have += b - 1;
            have >= needed
        };
        let limbs = ring.parameters().limb_bits();
        let count = limbs.iter().position(enough).map_or(limbs.len(), |i| i + 1);
        let first = &ring.limbs[..count];
        let prime = |i: usize| first[i].modulus.p;
        let all_but = |left_out: usize| product((0..count).filter(|&i| i != left_out).map(prime));
        let opening = Opening {
            hats: crate::ring::hats(first),
            parts: (0..count).map(all_but).collect(),
            whole: all_but(count),
            reducers: first.iter().map(|t| Reducer::new(t.modulus, 1)).collect(),
        };
        Ok(Switch {
            degree: ring.degree(),
            bits,
            used,
            spacing,
            wide: ring.limbs.iter().map(|t| reciprocal(t.modulus.p)).collect(),
            narrow: ring.limbs.iter().zip(&ring.hats).map(|(t, &hat)| Fraction::new(t.modulus, hat)).collect(),
            opening,
        })
    }

    /// Bytes of an answer.
    pub(crate) fn bytes(&self) -> usize {
        answer_bytes(self.degree, self.used, self.bits[0], self.bits[1])
    }

    pub(crate) fn phase_bits(&self) -> u32 {
        self.bits[0]
    }

    /// Appends coefficients of x·2^bits/q, rounded.
    fn write(&self, ring: &Ring, x: &[Vec<u64>], bits: u32, out: &mut Vec<u8>) {
        let count = x[0].len();
        let mut out_planes = vec![vec![0; count]; bits.div_ceil(64) as usize];
        // The fraction x/q of that many bits is exact to the part that is rounded away.
        if bits + 64 <= fractions::BITS {
            fractions::rounded(&self.narrow, x, bits, &mut out_planes);
        } else {
            wide_fractions(ring, &self.wide, x, bits, &mut out_planes);
        }
        for (plane, bits) in out_planes.iter().zip(planes(bits)) {
            pack(plane, bits, out);
        }
    }
}

/// As [`fractions::rounded`] for more bits than it has.
fn wide_fractions(ring: &Ring, reciprocals: &[[u64; 4]], x: &[Vec<u64>], bits: u32, out: &mut [Vec<u64>]) {
    let shift = 256 - bits;
    for i in 0..out[0].len() {
        // x/q is the sum of [x_i·(q/q_i)^-1]/q_i up to an integer.
        let mut sum: [u64; 4] = power_of_two(shift - 1);
        for (((t, &hat), reciprocal), x) in ring.limbs.iter().zip(&ring.hats).zip(reciprocals).zip(x) {
            add_product(&mut sum, reciprocal, t.modulus.times(x[i], hat));
        }
        let rounded = shift_right(&sum, shift);
        out.iter_mut().zip(rounded).for_each(|(plane, word)| plane[i] = word);
    }
}

/// Reads coefficients of `bits` bits.
fn read_fractions<'b>(bytes: &mut &'b [u8], bits: u32, out: &mut [Words]) {
    let mut plane = vec![0; out.len()];
    for (w, bits) in planes(bits).enumerate() {
        let (head, rest): (&'b [u8], _) = bytes.split_at(packed_len(out.len(), bits));
        unpack(head, bits, &mut plane).expect("the length of a plane");
        out.iter_mut().zip(&plane).for_each(|(out, &v)| out[w] = v);
        *bytes = rest;
    }
}

/// A sum of products, in values, that still depends on the evaluator's numbers in more than its result.
pub(crate) struct Product<'e> {
    pub(crate) evaluator: &'e Evaluator,
    pub(crate) pair: &'e mut Pair,
}

/// What tests change in an answer, so that they see it missed. Nothing can be changed outside of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variation {
    None,
    #[cfg(test)]
    NoZero,
    #[cfg(test)]
    NoFlood,
    #[cfg(test)]
    NoMask,
    /// The largest number that the flood can be, in every coefficient.
    #[cfg(test)]
    LargestFlood,
}

#[cfg(not(test))]
impl Variation {
    fn leave_zero_out(self, _ternary: &mut [u64], _errors: &mut [u64]) {}

    fn flood(self, drawn: Flooding, _h: u32) -> Flooding {
        drawn
    }

    fn leave_mask_out(self, _remainders: &mut Planes) {}
}

#[cfg(test)]
impl Variation {
    fn leave_zero_out(self, ternary: &mut [u64], errors: &mut [u64]) {
        if self == Variation::NoZero {
            ternary.fill(0);
            errors.fill(0);
        }
    }

    fn flood(self, drawn: Flooding, h: u32) -> Flooding {
        match self {
            Variation::NoFlood => Flooding::none(drawn.len()),
            Variation::LargestFlood => Flooding::largest(h, drawn.len()),
            _ => drawn,
        }
    }

    fn leave_mask_out(self, remainders: &mut Planes) {
        if self == Variation::NoMask {
            remainders.clear();
        }
    }
}

/// A product that is masked in all its coefficients, ready to be sent. Both parts in coefficients.
pub(crate) struct Answer<'e> {
    pub(crate) pair: &'e mut Pair,
}

impl<'e> Product<'e> {
    /// Adds zero, flood and mask. `mask` draws the mask's remainders from the answer's stream.
    pub(crate) fn answer(
        self,
        variation: Variation,
        budget: &Budget,
        randomness: &mut Randomness,
        mask: impl FnOnce(&Prg) -> Planes,
        scale: &Scale,
    ) -> Answer<'e> {
        let (ring, prg) = (&*self.evaluator.ring, randomness.next());
        let degree = ring.degree();
        let (mut ternary, mut errors) = (secret_words(degree, 0u64), secret_words(degree, 0u64));
        sample::ternary(&prg, stream::TERNARY, &mut ternary);
        sample::errors(&prg, stream::ERRORS, &mut errors);
        variation.leave_zero_out(&mut ternary, &mut errors);
        let mut small = secret_words(degree, 0u64);
        for (limb, t) in ring.limbs.iter().enumerate() {
            let (a, b) = (&mut self.pair.a[limb], &mut self.pair.b[limb]);
            set_signed(t.modulus, &mut small, &ternary);
            t.forward(&mut small);
            multiply_add(t.modulus, a, &small, &self.evaluator.zero.a[limb]);
            multiply_add(t.modulus, b, &small, &self.evaluator.zero.b[limb]);
            t.inverse(a);
            t.inverse(b);
            set_signed(t.modulus, &mut small, &errors);
            add(t.modulus, a, &small);
        }
        let flood = variation.flood(Flooding::draw(&prg, stream::FLOOD, budget.flood, degree), budget.flood);
        let mut remainders = mask(&prg);
        variation.leave_mask_out(&mut remainders);
        for (limb, (t, b)) in ring.limbs.iter().zip(&mut self.pair.b).enumerate() {
            flood.add(t.modulus, b);
            scale.add(limb, &remainders, b);
        }
        Answer { pair: self.pair }
    }
}

impl Answer<'_> {
    /// Switches moduli and appends the bytes.
    pub(crate) fn write(self, ring: &Ring, switch: &Switch, out: &mut Vec<u8>) {
        out.reserve(switch.bytes());
        switch.write(ring, &self.pair.a, switch.bits[0], out);
        let that_travel = |x: &Vec<u64>| x.iter().step_by(switch.spacing).take(switch.used).copied().collect();
        let b: Vec<Vec<u64>> = self.pair.b.iter().map(that_travel).collect();
        switch.write(ring, &b, switch.bits[1], out);
    }
}

/// Phases of an answer's coefficients that travelled, wiped when dropped.
pub(crate) struct Phases(pub(crate) Vec<Words>);

impl Drop for Phases {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Owner {
    /// The phases of an answer's coefficients that travelled, of [`Switch::phase_bits`] bits each.
    pub(crate) fn phases(&self, switch: &Switch, bytes: &[u8]) -> Result<Phases> {
        if bytes.len() != switch.bytes() {
            return Err(LatticeError::Length { what: "an answer", expected: switch.bytes(), found: bytes.len() });
        }
        let mut rest = bytes;
        let mut words = vec![[0; WORDS]; switch.degree];
        read_fractions(&mut rest, switch.bits[0], &mut words);
        let mut a = Planes::new(switch.degree, switch.bits[0] + 1);
        words.iter().enumerate().for_each(|(x, word)| a.set(x, word));
        let mut b = vec![[0; WORDS]; switch.used];
        read_fractions(&mut rest, switch.bits[1], &mut b);

        let opening = &switch.opening;
        let mut products = Vec::with_capacity(opening.reducers.len());
        for (limb, reducer) in opening.reducers.iter().enumerate() {
            let mut x = secret_words(switch.degree, 0u64);
            a.write(reducer, &mut x);
            self.times_secret(limb, &mut x);
            products.push(x);
        }
        for (i, phase) in b.iter_mut().enumerate() {
            let (mut sum, mut fraction) = ([0; WORDS], 1u128 << 63);
            for (((t, &hat), part), x) in self.ring.limbs.iter().zip(&opening.hats).zip(&opening.parts).zip(&products) {
                let z = t.modulus.times(x[i * switch.spacing], hat);
                add_product(&mut sum, part, z);
                fraction += u128::from(z) * u128::from(u64::MAX / t.modulus.p);
            }
            // The sum exceeds the product, whose size is far below Q, by that many Q.
            let mut over = [0; WORDS];
            add_product(&mut over, &opening.whole, (fraction >> 64) as u64);
            sub(&mut sum, &over);
            let mut value = shift_left(phase, switch.bits[0] - switch.bits[1]);
            sub(&mut value, &sum);
            *phase = low_bits(&value, switch.bits[0]);
        }
        Ok(Phases(b))
    }
}
