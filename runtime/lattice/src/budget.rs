//! How large the noise of an answer can become, how much of it depends on the evaluator's numbers, and so how much noise
//! hides it and which parameters keep results exact. Bounds of noise are absolute; nothing fails with some probability.

use crate::bound::Bound;
use crate::error::{LatticeError, Result};
use crate::flood;
use crate::params::Parameters;
use crate::sample::ERROR;

/// Bits of a coefficient of `a` that travel above those of the message, for N = 8192; one more for 16384.
const ROOM: u32 = 14;
/// Bits of a coefficient of `b` that travel above those of the message.
const ROOM_B: u32 = 2;
/// lg of the part of a message's unit that noise may reach before the switch of moduli: 1/8.
const NOISE: u32 = 3;

/// By how many bits the noise that is added exceeds the noise that it hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flood(pub(crate) u32);

impl Flood {
    /// Where fresh masks are hidden: 2^24 coefficients are 2^-41 from independent of them.
    pub const MASKS: Flood = Flood(52);
    /// Where weights are hidden: 2^34 coefficients, the life of a model, are 2^-42 from independent of them.
    pub const WEIGHTS: Flood = Flood(58);

    /// By how many bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// lg of the bound of the statistical distance of 2^`log_coefficients` coefficients of answers from ones that say nothing,
    /// rounded up.
    pub fn log_distance(self, log_coefficients: u32) -> i32 {
        log_coefficients.div_ceil(2) as i32 - 1 - self.0 as i32
    }
}

/// Noise of one kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bits of the message.
    message: u32,
    /// h of the noise that is added.
    pub(crate) flood: u32,
    noise: Bound,
}

/// What an answer's noise is made of.
pub(crate) struct Sources {
    pub(crate) parameters: Parameters,
    /// Bits of the message's modulus, rounded up.
    pub(crate) message: u32,
    /// Products that meet in one coefficient.
    pub(crate) terms: Bound,
    /// Largest size of a coefficient of the evaluator's polynomials.
    pub(crate) factor: Bound,
    /// lg of the number of ciphertexts merged into an answer.
    pub(crate) merged: u32,
    pub(crate) flood: Flood,
}

impl Sources {
    pub(crate) fn budget(self) -> Result<Budget> {
        let limbs = self.parameters.limb_bits().len() as u64;
        let degree = self.parameters.degree() as u64;
        let int = Bound::integer;
        // An upload's error and the rounding of its message: variance below 11, size below 22.
        let product = self.terms.times(self.factor).times(int(ERROR + 1));
        let deviation = self.terms.times(self.factor).times(self.factor).times(int(11));
        // A switched digit is below half a prime and the special prime is larger, so an error counts at most half.
        let merged = int((1 << self.merged) - 1);
        let switched = merged.times(int(limbs * degree * (ERROR + 1) / 2 + degree + 1));
        let switched_deviation = merged.times(merged).times(int((limbs + 1) * degree));
        // u·e + e' − e''·s and the rounding of the mask.
        let zero = int((2 * degree + 1) * ERROR + 1);
        let hidden = deviation.plus(switched_deviation).plus(int(1)).root();
        let flood = (hidden.bits() + self.flood.0).saturating_sub(flood::DEVIATION).max(1);
        if flood > flood::MOST {
            return Err(LatticeError::Range {
                what: "bits of added noise",
                allowed: "at most 248",
                found: flood.into(),
            });
        }
        let added = Bound::power_of_two(flood - 1).times(int(flood::RANGE));
        let noise = product.plus(switched).plus(zero).plus(added);
        let budget = Budget { message: self.message, flood, noise };
        let (needed, available) = (budget.modulus_bits(), self.parameters.bits());
        if needed > available { Err(LatticeError::Budget { needed, available }) } else { Ok(budget) }
    }
}

impl Budget {
    /// Bits of modulus that keep results exact: noise is below 64/65 of an eighth of a unit, the rounding of `a` below half
    /// a unit's half, that of `b` below an eighth, and the rest is for fractions that are cut off.
    pub fn modulus_bits(&self) -> u32 {
        // 65/64, and primes are less than a part of 2^-20 below their powers of two: 2^22 units of 65·2^16 + 1.
        let slack = Bound::integer((65 << 16) + 1);
        self.noise.times(Bound::power_of_two(self.message + NOISE)).times(slack).bits() - 22
    }

    /// Bits of the deviation of the noise that is added.
    pub fn flood_bits(&self) -> u32 {
        self.flood + flood::DEVIATION
    }
}

/// Bits of each coefficient of both parts of an answer.
pub(crate) fn answer_bits(parameters: Parameters, message: u32) -> [u32; 2] {
    [message + ROOM + (parameters.log_degree().saturating_sub(13)), message + ROOM_B]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(parameters: Parameters, message: u32, factor: u32) -> Result<Budget> {
        let terms = Bound::integer(768);
        let factor = Bound::power_of_two(factor - 1);
        Sources { parameters, message, terms, factor, merged: 5, flood: Flood::WEIGHTS }.budget()
    }

    #[test]
    fn distances_are_below_2_to_minus_40() {
        assert_eq!(Flood::MASKS.log_distance(24), -41);
        assert_eq!(Flood::WEIGHTS.log_distance(34), -42);
        assert_eq!(Flood::WEIGHTS.log_distance(33), -42);
    }

    #[test]
    fn the_modulus_follows_from_the_noise() {
        let at = |bits: u32| Parameters::all().find(|p| p.bits() == bits).expect("a set of this size");
        // 16 bits of a weight, 6.6 of 768 errors of deviation 3.3, 58 of flood, 3 of its range, 3 of margin, 61 of message.
        let budget = weights(at(150), 61, 17).expect("a budget");
        assert_eq!((budget.flood_bits(), budget.modulus_bits()), (23 + 58, 23 + 58 + 3 + 3 + 61));
        assert_eq!(weights(at(147), 61, 17), Err(LatticeError::Budget { needed: 148, available: 147 }));
        assert!(weights(at(147), 60, 17).is_ok());
    }

    #[test]
    fn every_error_together_stays_below_half_a_unit() {
        for set in Parameters::all() {
            let (degree, message) = (set.degree() as u64, 30);
            let [a, b] = answer_bits(set, message);
            let half = 1u64 << (a - message - 1);
            // The secret has at most N coefficients of size 1, and rounding is by half at most, fractions cut off included.
            let rounding = degree / 2 + (1 << (a - b - 1)) + 8;
            let noise = ((2 * half) >> NOISE) * 64 / 65;
            assert!(rounding + noise < half, "{set:?}");
        }
    }
}
