//! Primes by rule: the largest below a power of two that are 1 modulo 2^15, so that rings of degree up to 2^14 have
//! all their roots modulo each of them.

/// Every prime is 1 modulo this, twice the largest ring degree.
pub(crate) const STEP: u64 = 1 << 15;

/// Bases that decide primality of every number below 3.3·10^24 (Sorenson and Webster, 2015).
const BASES: [u64; 13] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41];

pub(crate) fn power(base: u64, mut exponent: u64, p: u64) -> u64 {
    let times = |a: u64, b: u64| (u128::from(a) * u128::from(b) % u128::from(p)) as u64;
    let (mut base, mut out) = (base % p, 1);
    while exponent > 0 {
        if exponent & 1 == 1 {
            out = times(out, base);
        }
        base = times(base, base);
        exponent >>= 1;
    }
    out
}

/// Miller and Rabin's test with enough bases to be a proof.
fn is_prime(n: u64) -> bool {
    if n < 2 {
        return false;
    }
    if BASES.contains(&n) {
        return true;
    }
    let (twos, odd) = ((n - 1).trailing_zeros(), (n - 1) >> (n - 1).trailing_zeros());
    BASES.iter().all(|&base| {
        let mut x = power(base, odd, n);
        if x == 1 || x == n - 1 {
            return true;
        }
        (1..twos).any(|_| {
            x = (u128::from(x) * u128::from(x) % u128::from(n)) as u64;
            x == n - 1
        })
    })
}

/// Primes of exactly `bits` bits that are 1 modulo 2^15, largest first; there are finitely many.
pub(crate) fn descending(bits: u32) -> impl Iterator<Item = u64> {
    assert!((17..=50).contains(&bits), "primes have 17 to 50 bits, not {bits}");
    let lowest = 1u64 << (bits - 1);
    (1..).map(move |i| (1u64 << bits) - i * STEP + 1).take_while(move |&p| p > lowest).filter(|&p| is_prime(p))
}

/// A generator's power of order 2`degree` modulo the prime `p`.
pub(crate) fn root(p: u64, degree: usize) -> u64 {
    let order = 2 * degree as u64;
    let candidate = |g: u64| power(g, (p - 1) / order, p);
    (2..)
        .map(candidate)
        .find(|&psi| power(psi, order / 2, p) == p - 1)
        .expect("a prime that is 1 mod 2N has such a root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_told_apart_by_division() {
        let divides = |n: u64| (2..n).take_while(|d| d * d <= n).any(|d| n.is_multiple_of(d));
        for n in 0..20_000 {
            assert_eq!(is_prime(n), n > 1 && !divides(n), "{n}");
        }
        // Strong pseudoprimes to many small bases.
        for n in [3_215_031_751, 341_550_071_728_321, 3_825_123_056_546_413_051] {
            assert!(!is_prime(n), "{n}");
        }
    }

    #[test]
    fn primes_have_their_size_and_roots() {
        for bits in 17..=50 {
            for p in descending(bits).take(3) {
                assert_eq!((p % STEP, 64 - p.leading_zeros()), (1, bits));
                let psi = root(p, 8192);
                assert_eq!((power(psi, 8192, p), power(psi, 16384, p)), (p - 1, 1));
            }
        }
        assert_eq!(descending(50).next(), Some(1_125_899_904_679_937));
    }
}
