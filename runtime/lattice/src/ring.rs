//! A parameter set with its transforms and constants, shared by both sides.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{LatticeError, Result};
use crate::modulus::{Factor, Modulus};
use crate::ntt::Transform;
use crate::params::Parameters;
use crate::wide;

/// The ring of polynomials modulo X^N + 1 and q.
pub struct Ring {
    parameters: Parameters,
    /// One transform for each prime of q.
    pub(crate) limbs: Vec<Transform>,
    /// That of the special prime.
    pub(crate) special: Option<Transform>,
    /// (q / q_i)^-1 mod q_i.
    pub(crate) hats: Vec<Factor>,
}

impl Ring {
    /// Prepares a parameter set; takes some milliseconds and about 300 kB a prime.
    pub fn new(parameters: Parameters) -> Arc<Ring> {
        let transform = |p| Transform::new(p, parameters.log_degree());
        let limbs: Vec<Transform> = parameters.primes().into_iter().map(transform).collect();
        let hats = hats(&limbs);
        Arc::new(Ring { parameters, limbs, special: parameters.special_prime().map(transform), hats })
    }

    /// The parameter set.
    pub fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// Refuses what was made for other parameters.
    pub(crate) fn same(&self, other: &Ring) -> Result<()> {
        self.check(other.parameters)
    }

    /// Refuses other parameters.
    pub(crate) fn check(&self, other: Parameters) -> Result<()> {
        if self.parameters == other {
            return Ok(());
        }
        let found = u64::from(other.bits());
        Err(LatticeError::Range { what: "bits of the modulus", allowed: "those of the keys", found })
    }

    /// N.
    pub fn degree(&self) -> usize {
        self.parameters.degree()
    }

    /// Transforms of all primes, the special one last.
    pub(crate) fn extended(&self) -> impl Iterator<Item = &Transform> {
        self.limbs.iter().chain(&self.special)
    }

    /// q modulo 2^(64·W).
    pub(crate) fn modulus_words<const W: usize>(&self) -> [u64; W] {
        wide::product(self.limbs.iter().map(|t| t.modulus.p))
    }

    /// q modulo a prime.
    pub(crate) fn modulus_mod(&self, m: Modulus) -> u64 {
        self.limbs.iter().fold(1, |product, t| m.product(product, t.modulus.p % m.p))
    }

    /// Bytes of residues modulo each prime of q.
    pub(crate) fn polynomial_bytes(&self) -> usize {
        self.parameters.limb_bits().iter().map(|&b| limb_bytes(self.degree(), b)).sum()
    }

    /// Bytes of residues modulo the special prime.
    pub(crate) fn special_bytes(&self) -> usize {
        limb_bytes(self.degree(), self.parameters.special_bits())
    }

    /// Bits of a residue of each transform of [`Ring::extended`].
    pub(crate) fn residue_bits(&self) -> impl Iterator<Item = u32> + use<'_> {
        self.parameters.limb_bits().iter().copied().chain(self.special.as_ref().map(|_| self.parameters.special_bits()))
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({:?})", self.parameters)
    }
}

/// (Q / q_i)^-1 mod q_i for the product Q of these primes.
pub(crate) fn hats(limbs: &[Transform]) -> Vec<Factor> {
    let of = |i: usize| {
        let m = limbs[i].modulus;
        let others = limbs.iter().enumerate().filter(|(j, _)| *j != i);
        let hat = others.fold(1, |product, (_, t)| m.product(product, t.modulus.p % m.p));
        m.factor(m.invert(hat))
    };
    (0..limbs.len()).map(of).collect()
}

fn limb_bytes(degree: usize, bits: u32) -> usize {
    mpcc_kernels::pack::packed_len(degree, bits)
}

/// Residues modulo each prime of q, each of N words.
pub(crate) type Residues = Vec<Vec<u64>>;

/// A ciphertext: b − a·s is the message with its noise. Both parts in values.
pub(crate) struct Pair {
    pub(crate) a: Residues,
    pub(crate) b: Residues,
}

impl Pair {
    pub(crate) fn zero(ring: &Ring) -> Pair {
        let zero = || vec![vec![0; ring.degree()]; ring.limbs.len()];
        Pair { a: zero(), b: zero() }
    }

    pub(crate) fn clear(&mut self) {
        self.a.iter_mut().chain(&mut self.b).for_each(|limb| limb.fill(0));
    }
}

/// Numbers of one polynomial that are wiped when dropped.
pub(crate) fn secret_words<T: zeroize::Zeroize + Clone>(degree: usize, zero: T) -> Zeroizing<Vec<T>>
where
    Vec<T>: zeroize::Zeroize,
{
    Zeroizing::new(vec![zero; degree])
}

/// Reads residues of one prime, each refused if it is not below it.
pub(crate) fn read_residues(what: &'static str, bytes: &[u8], bits: u32, p: u64, out: &mut [u64]) -> Result<()> {
    let expected = limb_bytes(out.len(), bits);
    mpcc_kernels::pack::unpack(bytes, bits, out).map_err(|_| LatticeError::Length {
        what,
        expected,
        found: bytes.len(),
    })?;
    if out.iter().any(|&v| v >= p) { Err(LatticeError::Residue { what }) } else { Ok(()) }
}

/// Reads residues of consecutive primes.
pub(crate) fn read_polynomial<'r>(
    what: &'static str,
    mut bytes: &[u8],
    primes: impl Iterator<Item = (u32, u64)>,
    out: impl Iterator<Item = &'r mut Vec<u64>>,
) -> Result<()> {
    for ((bits, p), out) in primes.zip(out) {
        let (limb, rest) = bytes.split_at(limb_bytes(out.len(), bits));
        read_residues(what, limb, bits, p, out)?;
        bytes = rest;
    }
    Ok(())
}
