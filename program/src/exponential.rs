//! Exponentials by integers alone, so that they are the same everywhere: the factors of G17.
//!
//! exp(−Y) of Y = iD + τ − ρ is exp(−iD − τ) · exp(ρ): a public factor, looked up by two digits of τ, and a factor of the mask,
//! multiplied bit by bit of ρ. Both stand here as functions; lowered code computes the same integers by maps.
//!
//! Two parties that know no more than the positions ρ_0 and ρ_1 of their parts of the mask multiply a factor each: with
//! ρ = ρ_0 + ρ_1 − Dc the mask's factor is exp(ρ_0) · exp(ρ_1), or exp(ρ_0 − D) · exp(ρ_1) if they carry, c = 1.

use serde::{Deserialize, Serialize};

/// Fraction bits of what is multiplied bit by bit.
pub(crate) const UNIT: u8 = 62;
/// Fraction bits of the factor for the low digit of a position.
pub(crate) const LOW: u8 = 24;
/// Bits that the factor for the high digit has beyond those of the product.
pub(crate) const GUARD: u8 = 4;

/// log2 e with 96 fraction bits.
const LOG2_E: u128 = 0x1_7154_7652_b82f_e177_7d0f_fda1;
/// ln 2 with 64 fraction bits.
const LN_2: u64 = 0xb172_17f7_d1cf_79ac;

/// Of what the mask's factor is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MaskFactor {
    /// Of the whole mask, by who knows it.
    Whole,
    /// Of a party's part, by each party. The data owner's factor is at least 1. The model owner's may be as small as one of a
    /// bucket's width and has as many fraction bits more, so that both are as precise.
    Parts,
}

/// The exponentials of a wire's buckets. The fields keep the limits that the verifier of programs holds them to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exponential {
    /// Fraction bits of the wire, at most 24.
    pub fraction: u8,
    /// Bits of a position in a bucket, at least 2; a bucket is at most 2^4 wide.
    pub position: u8,
    /// Buckets in which the result is not zero.
    pub count: u8,
    /// Fraction bits of the mask's factor.
    pub mask_fraction: u8,
    /// Fraction bits of the public factor.
    pub public_fraction: u8,
    /// Who rounds the mask's factor.
    pub mask_factor: MaskFactor,
}

/// The least power of two that a bucket's exponential lies below, by its logarithm: of a bucket of 2^`position` units with
/// `fraction` fraction bits, at most 2^4 wide.
pub fn growth(position: u8, fraction: u8) -> u8 {
    decay(1 << position, fraction).1 as u8 + 1
}

/// Products of powers: `start`, and a factor below 1 with [`UNIT`] fraction bits for every bit that is set in the argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Powers {
    /// The value at 0.
    pub(crate) start: u64,
    /// By bit, from the lowest.
    pub(crate) factors: Vec<u64>,
}

impl Powers {
    /// The powers of exp(−2^(low − fraction)) up to those of `bits` bits.
    fn new(start: u64, low: u8, fraction: u8, bits: u8) -> Powers {
        let factors = (0..bits).map(|bit| fixed(1 << (low + bit), fraction, UNIT)).collect();
        Powers { start, factors }
    }

    /// The value at `n`, each product rounded down.
    pub(crate) fn at(&self, n: u64) -> u64 {
        let set = |(bit, factor): (usize, &u64)| (n >> bit & 1 == 1).then_some(*factor);
        let chosen = self.factors.iter().enumerate().filter_map(set);
        chosen.fold(self.start, |value, factor| ((u128::from(value) * u128::from(factor)) >> UNIT) as u64)
    }
}

/// `word` without `drop` low bits, to nearest.
fn rounded(word: u128, drop: u8) -> u64 {
    match drop {
        0 => word as u64,
        _ => ((word + (1 << (drop - 1))) >> drop) as u64,
    }
}

/// exp(−n / 2^fraction), n below 2^30, as (m, e): m 2^−(63 + e) with m from 2^62 to 2^63.
fn decay(n: u64, fraction: u8) -> (u64, u32) {
    // 2^−(whole + part) with part as 64 fraction bits.
    let power = ((u128::from(n) * LOG2_E) >> fraction) >> 32;
    let (whole, part) = ((power >> 64) as u32, power as u64);
    let x = ((u128::from(part) * u128::from(LN_2)) >> 64) as u64;
    // exp(−x) = 1 − x (1 − x/2 (1 − x/3 (…))), the series to where a term is below 2^−64.
    let one = 1u64 << 63;
    let series = (1..=22u128).rev().fold(one, |rest, k| one - (((u128::from(x) * u128::from(rest)) >> 64) / k) as u64);
    (series, whole)
}

/// exp(−n / 2^fraction) with `bits` fraction bits, to nearest.
fn fixed(n: u64, fraction: u8, bits: u8) -> u64 {
    let (mantissa, exponent) = decay(n, fraction);
    match u8::try_from(u32::from(63 - bits) + exponent) {
        Ok(drop) if drop < 64 => rounded(mantissa.into(), drop),
        _ => 0,
    }
}

impl Exponential {
    /// Bits of a position's low digit.
    pub(crate) fn low_bits(&self) -> u8 {
        self.position / 2
    }

    /// Bits of a position's high digit with the bucket above it.
    pub(crate) fn high_bits(&self) -> u8 {
        self.position - self.low_bits() + self.count.next_power_of_two().trailing_zeros() as u8
    }

    /// The public factor's part for the high digit, bucket and all, with [`UNIT`] fraction bits.
    pub(crate) fn high(&self) -> Powers {
        Powers::new(1 << UNIT, self.low_bits(), self.fraction, self.high_bits())
    }

    /// Its part for the low digit, with [`UNIT`] fraction bits.
    pub(crate) fn low(&self) -> Powers {
        Powers::new(1 << UNIT, 0, self.fraction, self.low_bits())
    }

    /// exp(2^position − 1 − n) at the complement n of a position, and how many bits to drop for some fraction bits.
    pub(crate) fn mask(&self, fraction_bits: u8) -> (Powers, u8) {
        let (mantissa, exponent) = decay(self.top(), self.fraction);
        // exp(top) = 2^(63 + exponent) / mantissa, with 61 bits below its power of two.
        let start = ((1u128 << 123) / u128::from(mantissa)) as u64;
        (Powers::new(start, 0, self.fraction, self.position), 60 - exponent as u8 - fraction_bits)
    }

    /// What [`Self::mask`] starts from for a position less a bucket.
    pub(crate) fn carried_start(&self) -> u64 {
        fixed(1, self.fraction, 60 - decay(self.top(), self.fraction).1 as u8)
    }

    /// The last position.
    fn top(&self) -> u64 {
        (1 << self.position) - 1
    }

    /// Fraction bits of the parts' factors, the model owner's first.
    pub(crate) fn part_fractions(&self) -> [u8; 2] {
        let second = (self.mask_fraction - growth(self.position, self.fraction)) / 2;
        [self.mask_fraction - second, second]
    }

    /// Bits of the parts' factors.
    pub(crate) fn part_bits(&self) -> [u8; 2] {
        self.part_fractions().map(|fraction| fraction + growth(self.position, self.fraction))
    }

    /// Whether the mask's factor can be made without leaving a word, and with bits to spare for products that are rounded down.
    pub(crate) fn mask_fits(&self) -> bool {
        match self.mask_factor {
            MaskFactor::Whole => (4..=24).contains(&self.mask_fraction),
            MaskFactor::Parts => {
                let growth = growth(self.position, self.fraction);
                (growth..=63 - growth).contains(&self.mask_fraction) && self.part_bits()[0] <= 53
            }
        }
    }

    /// Both factors as functions.
    pub fn factors(&self) -> Factors {
        let mask = match self.mask_factor {
            MaskFactor::Whole => Mask::Whole(self.mask(self.mask_fraction)),
            MaskFactor::Parts => {
                let parts = self.part_fractions().map(|fraction| self.mask(fraction));
                let carried = Powers { start: self.carried_start(), factors: parts[0].0.factors.clone() };
                Mask::Parts { parts, carried }
            }
        };
        Factors { of: *self, high: self.high(), low: self.low(), mask }
    }
}

/// Powers for the complement of a position, and the bits to drop.
#[derive(Clone, Debug)]
enum Mask {
    /// One factor.
    Whole((Powers, u8)),
    /// One of either part.
    Parts {
        /// The model owner's first.
        parts: [(Powers, u8); 2],
        /// The model owner's if positions carry.
        carried: Powers,
    },
}

/// The two factors of an exponential, made ready for many positions.
#[derive(Clone, Debug)]
pub struct Factors {
    of: Exponential,
    high: Powers,
    low: Powers,
    mask: Mask,
}

impl Factors {
    /// exp(−iD − τ) with the public fraction bits, D the width of a bucket.
    pub fn public(&self, bucket: u8, position: u64) -> u64 {
        let bits = self.of.low_bits();
        let index = (u64::from(bucket) << self.of.position | position) >> bits;
        let high = rounded(self.high.at(index).into(), UNIT - self.of.public_fraction - GUARD);
        let low = rounded(self.low.at(position & ((1 << bits) - 1)).into(), UNIT - LOW);
        rounded(u128::from(high) * u128::from(low), LOW + GUARD)
    }

    /// exp(ρ) with the mask's fraction bits, of both parts of a mask, the model owner's first.
    pub fn secret(&self, parts: [u64; 2]) -> u64 {
        let top = self.of.top();
        let [first, second] = parts.map(|part| part & top);
        let at = |powers: &Powers, position: u64, drop: u8| rounded(powers.at(!position & top).into(), drop);
        match &self.mask {
            Mask::Whole((powers, drop)) => at(powers, first + second, *drop),
            Mask::Parts { parts: [(powers, drop), (others, other_drop)], carried } => {
                let powers = if first + second > top { carried } else { powers };
                at(powers, first, *drop) * at(others, second, *other_drop)
            }
        }
    }
}

#[cfg(test)]
mod tests;
