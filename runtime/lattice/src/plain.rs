//! Messages: residues modulo a power of two or a product of primes, scaled to the ciphertext's modulus and back.

use zeroize::Zeroizing;

use crate::error::{LatticeError, Result};
use crate::modulus::{Factor, Modulus, Reducer};
use crate::ntt::Transform;
use crate::params::RESERVED;
use crate::planes::Planes;
use crate::pointwise::{centred, scale};
use crate::primes::descending;
use crate::ring::Ring;
use crate::wide::{add, add_product, below, low_bits, power_of_two, product, shift_left, shift_right, sub, times_bit};

/// Words of everything that is as wide as an answer's coefficient.
pub(crate) const WORDS: usize = 3;
pub(crate) type Words = [u64; WORDS];

/// A message m modulo M as its remainder r of m·q, centred: round(m·q/M) = (m·q − r)/M is −r/M modulo each prime.
pub(crate) struct Scale {
    /// Times −1/M.
    reducers: Vec<Reducer>,
    bits: u32,
}

impl Scale {
    fn new(ring: &Ring, inverse_of: impl Fn(Modulus) -> u64, bits: u32) -> Scale {
        let reducer = |t: &Transform| Reducer::new(t.modulus, t.modulus.p - t.modulus.invert(inverse_of(t.modulus)));
        Scale { reducers: ring.limbs.iter().map(reducer).collect(), bits }
    }

    /// Bits of a remainder with its sign.
    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }

    /// Adds the scaled messages with these remainders modulo prime number `limb`.
    pub(crate) fn add(&self, limb: usize, remainders: &Planes, out: &mut [u64]) {
        remainders.add(&self.reducers[limb], out);
    }
}

/// Messages modulo 2^k.
pub(crate) struct PowerOfTwo {
    pub(crate) bits: u32,
    modulus: u128,
    pub(crate) scale: Scale,
}

impl PowerOfTwo {
    pub(crate) fn new(ring: &Ring, bits: u32) -> PowerOfTwo {
        let [low, high] = ring.modulus_words();
        let scale = Scale::new(ring, |m| m.power(2, bits.into()), if bits > 64 { 128 } else { 64 });
        PowerOfTwo { bits, modulus: u128::from(low) | u128::from(high) << 64, scale }
    }

    /// Words of a message.
    pub(crate) fn lanes(&self) -> usize {
        if self.bits > 64 { 2 } else { 1 }
    }

    /// The centred remainder of a message of one word; what is above its bits is ignored.
    #[inline(always)]
    pub(crate) fn remainder(&self, message: u64) -> [u64; 1] {
        let up = 64 - self.bits;
        [((message.wrapping_mul(self.modulus as u64) << up) as i64 >> up) as u64]
    }

    /// As [`PowerOfTwo::remainder`] of a message of two words.
    #[inline(always)]
    pub(crate) fn wide_remainder(&self, message: u128) -> [u64; 2] {
        let up = 128 - self.bits;
        let remainder = ((message.wrapping_mul(self.modulus) << up) as i128 >> up) as u128;
        [remainder as u64, (remainder >> 64) as u64]
    }

    /// Sets remainder `x` to that of message number `at` of a list, or of its negative.
    #[inline(always)]
    pub(crate) fn set_remainder(&self, out: &mut Planes, x: usize, (messages, at): (&[u64], usize), negative: bool) {
        if self.lanes() == 1 {
            let message = messages[at];
            return out.set(x, &self.remainder(if negative { message.wrapping_neg() } else { message }));
        }
        let message = u128::from(messages[2 * at]) | u128::from(messages[2 * at + 1]) << 64;
        out.set(x, &self.wide_remainder(if negative { message.wrapping_neg() } else { message }));
    }

    /// The message of a phase of `phase` bits, low word first.
    ///
    /// # Errors
    /// [`LatticeError::Noise`] in debug builds.
    pub(crate) fn message(&self, value: &Words, phase: u32) -> Result<[u64; 2]> {
        let unit = phase - self.bits;
        check_noise(value, unit)?;
        let mut rounded = *value;
        add(&mut rounded, &power_of_two(unit - 1));
        let [low, high, _] = low_bits(&shift_right(&rounded, unit), self.bits);
        Ok([low, high])
    }
}

/// Debug builds refuse a phase farther from a multiple of 2^`unit` than 5/16 of it. Added noise and the rounding of `b` take a
/// quarter at most, and that of `a` by a uniform secret takes more than the rest with probability below 2^-1000.
fn check_noise<const W: usize>(value: &[u64; W], unit: u32) -> Result<()> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let allowed: [u64; W] = shift_left(&product([5]), unit - 4);
    let mut moved = *value;
    add(&mut moved, &allowed);
    let inside = below(&low_bits(&moved, unit), &shift_left(&allowed, 1)) == 1;
    if inside { Ok(()) } else { Err(LatticeError::Noise) }
}

/// The modulus of slots: an odd number t, one prime of 20 to 50 bits or a product of two or three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotModulus {
    primes: Vec<u64>,
}

/// Most primes of a slot modulus.
pub(crate) const MOST_PRIMES: usize = 3;

impl SlotModulus {
    /// Bits that a modulus may have.
    pub const BITS: std::ops::RangeInclusive<u32> = 20..=150;

    /// A modulus just below 2^`bits`, by the rule of the parameters' primes and apart from all of them.
    ///
    /// # Errors
    /// [`LatticeError::Range`] if it may not have so many bits.
    pub fn new(bits: u32) -> Result<SlotModulus> {
        let refused = LatticeError::Range { what: "bits of a slot modulus", allowed: "20 to 150", found: bits.into() };
        if !SlotModulus::BITS.contains(&bits) {
            return Err(refused);
        }
        let count = bits.div_ceil(50);
        let sizes: Vec<u32> = (0..count).map(|i| (bits + i) / count).collect();
        let nth = |i: usize, &size: &u32| {
            let earlier = sizes[..i].iter().filter(|&&s| s == size).count();
            descending(size).nth(earlier + if size < 36 { 0 } else { RESERVED })
        };
        let primes: Option<Vec<u64>> = sizes.iter().enumerate().map(|(i, size)| nth(i, size)).collect();
        primes.map(|primes| SlotModulus { primes }).ok_or(refused)
    }

    /// Its primes.
    pub fn primes(&self) -> &[u64] {
        &self.primes
    }

    /// The modulus, low word first.
    pub fn words(&self) -> [u64; 3] {
        product(self.primes.iter().copied())
    }

    /// ⌈log2 t⌉.
    pub fn bits(&self) -> u32 {
        let words = self.words();
        (0..3).rev().find(|&i| words[i] != 0).map_or(0, |i| 64 * i as u32 + 64 - words[i].leading_zeros())
    }
}

/// Messages modulo t, slot by slot.
pub(crate) struct Slotted {
    pub(crate) bits: u32,
    pub(crate) transforms: Vec<Transform>,
    pub(crate) scale: Scale,
    /// q modulo each prime.
    q: Vec<Factor>,
    /// Products of primes before each, inverted modulo it, one step at a time: `steps[j][i]` is 1/t_i modulo t_j.
    steps: Vec<Vec<Factor>>,
    /// 1 modulo each prime.
    ones: Vec<Factor>,
    /// Products of the primes before each.
    places: Vec<Words>,
    t: Words,
    /// (t + 1) / 2.
    half: Words,
    /// Residues of a word below t·2^k for each prime.
    reducers: Vec<Reducer>,
}

impl Slotted {
    pub(crate) fn new(ring: &Ring, modulus: SlotModulus) -> Slotted {
        let bits = modulus.bits();
        let log = ring.parameters().log_degree();
        let transforms: Vec<Transform> = modulus.primes.iter().map(|&p| Transform::new(p, log)).collect();
        let moduli: Vec<Modulus> = transforms.iter().map(|t| t.modulus).collect();
        let t_mod = |m: Modulus| modulus.primes.iter().fold(1, |product, &p| m.product(product, p % m.p));
        let t = modulus.words();
        let mut half = t;
        add(&mut half, &[1, 0, 0]);
        Slotted {
            bits,
            scale: Scale::new(ring, t_mod, bits + 1),
            q: moduli.iter().map(|&m| m.factor(ring.modulus_mod(m))).collect(),
            steps: (0..moduli.len())
                .map(|j| (0..j).map(|i| moduli[j].factor(moduli[j].invert(moduli[i].p % moduli[j].p))).collect())
                .collect(),
            ones: moduli.iter().map(|m| m.factor(1)).collect(),
            places: (0..moduli.len()).map(|j| product(modulus.primes[..j].iter().copied())).collect(),
            half: shift_right(&half, 1),
            reducers: moduli.iter().map(|&m| Reducer::new(m, 1)).collect(),
            t,
            transforms,
        }
    }

    /// t.
    pub(crate) fn t(&self) -> &Words {
        &self.t
    }

    /// (t + 1) / 2.
    pub(crate) fn half(&self) -> &Words {
        &self.half
    }

    /// The number below t with these residues (Garner).
    pub(crate) fn compose(&self, residue: impl Fn(usize) -> u64) -> Words {
        let mut digits = [0; MOST_PRIMES];
        let mut value = [0; WORDS];
        for (j, t) in self.transforms.iter().enumerate() {
            let m = t.modulus;
            let mut digit = residue(j);
            for (i, &step) in self.steps[j].iter().enumerate() {
                digit = m.times(m.sub(digit, m.times(digits[i], self.ones[j])), step);
            }
            digits[j] = digit;
            add_product(&mut value, &self.places[j], digit);
        }
        value
    }

    /// `value` below t, minus t if it is above t/2.
    pub(crate) fn centred(&self, value: Words) -> Words {
        let mut out = value;
        sub(&mut out, &times_bit(&self.t, 1 - below(&value, &self.half)));
        out
    }

    /// Centred remainders of coefficients with these residues, for [`Scale::add`]; the residues are used up.
    pub(crate) fn remainders(&self, coefficients: &mut [Zeroizing<Vec<u64>>], out: &mut Planes) {
        for ((t, &q), x) in self.transforms.iter().zip(&self.q).zip(coefficients.iter_mut()) {
            scale(t.modulus, x, q);
        }
        self.numbers(coefficients, out);
    }

    /// Centred coefficients with these residues.
    pub(crate) fn numbers(&self, coefficients: &[Zeroizing<Vec<u64>>], out: &mut Planes) {
        if let ([x], [t], Some(out)) = (coefficients, &self.transforms[..], out.single()) {
            out.iter_mut().zip(x.iter()).for_each(|(out, &v)| *out = centred(v, t.modulus.p) as u64);
            return;
        }
        let composed = |x: usize| self.centred(self.compose(|prime| coefficients[prime][x]));
        (0..coefficients[0].len()).for_each(|x| out.set(x, &composed(x)));
    }

    /// The residue of a signed number modulo prime number `prime`.
    pub(crate) fn residue_of(&self, prime: usize, v: i128) -> u64 {
        self.reducers[prime].wide(&[v as u64, (v >> 64) as u64], 128)
    }

    /// The coefficient, at most t, of a phase of `phase` bits: round(value·t / 2^phase).
    ///
    /// # Errors
    /// [`LatticeError::Noise`] in debug builds.
    pub(crate) fn message(&self, value: &Words, phase: u32) -> Result<Words> {
        let mut whole = [0u64; 2 * WORDS];
        let long = [value[0], value[1], value[2], 0, 0, 0];
        for (i, &word) in self.t.iter().enumerate() {
            add_product(&mut whole, &shift_left(&long, 64 * i as u32), word);
        }
        check_noise(&whole, phase)?;
        add(&mut whole, &power_of_two(phase - 1));
        let [a, b, c, ..] = shift_right(&whole, phase);
        Ok([a, b, c])
    }

    /// A number below 2^(bits + 1) modulo prime number `prime`.
    pub(crate) fn reduce(&self, prime: usize, value: &Words) -> u64 {
        self.reducers[prime].wide(value, self.bits + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_moduli_have_their_size_and_are_apart_from_parameters() {
        for bits in SlotModulus::BITS {
            let modulus = SlotModulus::new(bits).expect("a modulus of this size");
            assert!(modulus.bits() == bits, "{bits}: {}", modulus.bits());
        }
        assert!(SlotModulus::new(19).is_err() && SlotModulus::new(151).is_err());
        let used: Vec<u64> =
            crate::Parameters::all().flat_map(|p| p.primes().into_iter().chain(p.special_prime())).collect();
        for bits in 20..=150 {
            assert!(SlotModulus::new(bits).expect("a modulus").primes().iter().all(|p| !used.contains(p)));
        }
    }
}
