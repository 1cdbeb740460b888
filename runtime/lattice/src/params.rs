//! The closed list of parameter sets: ring degree, primes of the modulus, and the special prime of switching keys. All are
//! within the table of the homomorphic-encryption standard for 128 bits of security with ternary secrets.

use std::fmt;

use crate::primes::descending;

/// Bits of N = 8192's and 16384's largest modulus in the standard's table (ternary secret, classical attacks).
pub const STANDARD: [(usize, u32); 2] = [(8192, 218), (16384, 438)];

/// One set of the list.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameters(&'static Set);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Set {
    log: u32,
    limbs: &'static [u32],
    special: u32,
}

const fn set(log: u32, limbs: &'static [u32], special: u32) -> Set {
    Set { log, limbs, special }
}

/// By degree, then by modulus.
static SETS: &[Set] = &[
    set(13, &[40, 40], 50),
    set(13, &[44, 44], 50),
    set(13, &[48, 48], 50),
    set(13, &[50, 50], 50),
    set(13, &[36, 36, 36], 50),
    set(13, &[37, 37, 38], 50),
    set(13, &[38, 39, 39], 50),
    set(13, &[40, 40, 40], 50),
    set(13, &[41, 41, 42], 50),
    set(13, &[42, 43, 43], 50),
    set(13, &[44, 44, 44], 50),
    set(13, &[45, 45, 46], 50),
    set(13, &[46, 47, 47], 50),
    set(13, &[48, 48, 48], 50),
    set(13, &[49, 49, 49], 50),
    set(13, &[50, 50, 50], 50),
    set(13, &[38, 39, 39, 39], 50),
    set(13, &[40, 40, 40, 40], 50),
    set(13, &[42, 42, 42, 42], 50),
    set(13, &[43, 43, 43, 43], 46),
    set(13, &[45, 45, 45, 45], 0),
    set(13, &[47, 47, 48, 48], 0),
    set(13, &[50, 50, 50, 50], 0),
    set(13, &[41, 42, 42, 42, 42], 0),
    set(13, &[43, 43, 44, 44, 44], 0),
    set(14, &[46, 46, 46, 46, 46], 0),
    set(14, &[48, 48, 48, 48, 48], 0),
    set(14, &[50, 50, 50, 50, 50], 0),
    set(14, &[44, 44, 44, 44, 44, 44], 0),
    set(14, &[47, 47, 47, 47, 47, 47], 0),
    set(14, &[50, 50, 50, 50, 50, 50], 0),
    set(14, &[45, 45, 45, 45, 45, 45, 45], 0),
    set(14, &[47, 47, 47, 47, 47, 47, 47], 0),
    set(14, &[48, 48, 48, 48, 48, 48, 48], 0),
    set(14, &[50, 50, 50, 50, 50, 50, 50], 0),
    set(14, &[47, 47, 47, 47, 47, 47, 47, 47], 0),
    set(14, &[50, 50, 50, 50, 50, 50, 50, 50], 0),
    set(14, &[48, 48, 48, 48, 48, 48, 48, 48, 48], 0),
];

/// Primes of a size that moduli may use; plaintext primes of that size come after them.
pub(crate) const RESERVED: usize = 10;

impl Parameters {
    /// The whole list, smaller degrees and moduli first.
    pub fn all() -> impl ExactSizeIterator<Item = Parameters> {
        SETS.iter().map(Parameters)
    }

    /// N, the number of coefficients: 8192 or 16384.
    pub fn degree(self) -> usize {
        1 << self.0.log
    }

    pub(crate) fn log_degree(self) -> u32 {
        self.0.log
    }

    /// Bits of each prime of the modulus; as many as a residue takes in a message.
    pub fn limb_bits(self) -> &'static [u32] {
        self.0.limbs
    }

    /// ⌈log2 q⌉.
    pub fn bits(self) -> u32 {
        self.0.limbs.iter().sum()
    }

    /// Bits of the special prime of switching keys, 0 if the set has none and cannot merge.
    pub fn special_bits(self) -> u32 {
        self.0.special
    }

    /// Primes of the modulus.
    pub fn primes(self) -> Vec<u64> {
        let nth = |i: usize, bits: u32| {
            let earlier =
                usize::from(bits == self.0.special) + self.0.limbs[..i].iter().filter(|&&b| b == bits).count();
            descending(bits).nth(earlier).expect("the list's primes exist")
        };
        self.0.limbs.iter().enumerate().map(|(i, &bits)| nth(i, bits)).collect()
    }

    /// The special prime, larger than every prime of the modulus, if the set has one.
    pub fn special_prime(self) -> Option<u64> {
        let largest = || descending(self.0.special).next().expect("the list's primes exist");
        (self.0.special > 0).then(largest)
    }

    /// What is hashed into a program, so that both sides mean the same: degree, primes and distributions.
    pub fn id(self) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        hash.update(b"mpcc-lattice 1: ternary secret, error binomial of 42 bits, a from AES-128 counters");
        hash.update(&u64::from(self.0.log).to_le_bytes());
        for p in self.primes().into_iter().chain([self.special_prime().unwrap_or(0)]) {
            hash.update(&p.to_le_bytes());
        }
        *hash.finalize().as_bytes()
    }
}

/// A ring that is far too small to be secure, and quick.
#[cfg(test)]
pub(crate) fn small() -> Parameters {
    static SMALL: Set = set(10, &[50, 50, 50], 50);
    Parameters(&SMALL)
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N={} q=2^{} P=2^{}", self.degree(), self.bits(), self.special_bits())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_set_is_within_the_standard() {
        for set in Parameters::all() {
            let allowed = STANDARD.iter().find(|s| s.0 == set.degree()).expect("a degree of the table").1;
            assert!(set.bits() + set.special_bits() <= allowed, "{set:?}");
        }
    }

    #[test]
    fn primes_are_distinct_of_their_size_and_the_special_one_is_the_largest() {
        for set in Parameters::all() {
            let primes = set.primes();
            assert_eq!(primes.iter().collect::<BTreeSet<_>>().len(), primes.len());
            for (p, &bits) in primes.iter().zip(set.limb_bits()) {
                assert!(*p < 1 << bits && *p > (1 << bits) - (1 << (bits - 8)));
            }
            assert!(set.limb_bits().iter().all(|&b| set.limb_bits().iter().filter(|&&c| c == b).count() < RESERVED));
            if let Some(special) = set.special_prime() {
                assert!(primes.iter().all(|&p| p < special), "{set:?}");
            }
        }
    }

    #[test]
    fn ids_differ_and_are_known() {
        let ids: BTreeSet<_> = Parameters::all().map(Parameters::id).collect();
        assert_eq!(ids.len(), Parameters::all().len());
    }
}
