//! What the owner publishes once a session: an encryption of zero, and keys that switch the secret under the automorphisms
//! X → X^(N/2^i + 1) of merging back to the secret. It travels in chunks of known lengths.

use std::sync::Arc;

use mpcc_kernels::pack::packed_len;
use mpcc_kernels::{Prg, Seed};

use crate::error::{LatticeError, Result};
use crate::index::{Batch, Batches, MOST_BATCHES, UploadIndex};
use crate::modulus::Reducer;
use crate::owner::{Desk, Owner};
use crate::params::Parameters;
use crate::planes::Planes;
use crate::pointwise::to_multiplier;
use crate::ring::{Residues, Ring, read_polynomial};
use crate::sample;

/// Most steps of merging: 256 ciphertexts to one.
pub const MOST_STEPS: u32 = 8;

const SEED: usize = 16;

/// The upload that key chunk `at` is in the streams' domain.
fn place(at: usize) -> UploadIndex {
    UploadIndex { batch: MOST_BATCHES, at: at as u64 }
}

/// The exponent of merging step `i`.
pub(crate) fn exponent(degree: usize, step: u32) -> usize {
    (degree >> step) + 1
}

/// Refuses steps that the ring cannot make.
fn check_steps(parameters: Parameters, steps: u32) -> Result<()> {
    let most = if parameters.special_bits() > 0 { MOST_STEPS } else { 0 };
    if steps > most {
        return Err(LatticeError::Keys { made: most, needed: steps });
    }
    Ok(())
}

/// Lengths of all chunks of the keys for merging 2^`steps` ciphertexts, in order.
///
/// # Errors
/// [`LatticeError::Keys`] if the ring has no special prime or `steps` exceeds [`MOST_STEPS`].
pub fn key_chunks(ring: &Ring, steps: u32) -> Result<Vec<usize>> {
    check_steps(ring.parameters(), steps)?;
    let zero = SEED + ring.polynomial_bytes();
    let digit = ring.polynomial_bytes() + ring.special_bytes();
    Ok(std::iter::once(zero).chain((0..steps as usize * ring.limbs.len()).map(|_| digit)).collect())
}

/// Bytes of all chunks of [`key_chunks`] together, for planners.
///
/// # Errors
/// As [`key_chunks`].
pub fn key_bytes(parameters: Parameters, steps: u32) -> Result<usize> {
    check_steps(parameters, steps)?;
    let bytes = |bits: u32| packed_len(parameters.degree(), bits);
    let polynomial: usize = parameters.limb_bits().iter().map(|&bits| bytes(bits)).sum();
    let digits = steps as usize * parameters.limb_bits().len();
    Ok(SEED + polynomial + digits * (polynomial + bytes(parameters.special_bits())))
}

impl Owner {
    /// The chunks of [`key_chunks`], made one after the other.
    ///
    /// # Errors
    /// As [`key_chunks`].
    pub fn keys(&self, steps: u32) -> Result<impl ExactSizeIterator<Item = Vec<u8>> + '_> {
        let lengths = key_chunks(&self.ring, steps)?;
        let mut desk = Desk::new(self.ring.degree());
        let chunk = move |(at, length): (usize, usize)| {
            let mut out = Vec::with_capacity(length);
            self.key_chunk(at, &mut desk, &mut out);
            debug_assert_eq!(out.len(), length);
            out
        };
        Ok(lengths.into_iter().enumerate().map(chunk))
    }

    fn key_chunk(&self, at: usize, desk: &mut Desk, out: &mut Vec<u8>) {
        let ring = &*self.ring;
        if at == 0 {
            out.extend_from_slice(self.public_seed().expose());
            return self.upload(&place(0), desk, |_, _| (), out);
        }
        let (step, digit) = ((at - 1) / ring.limbs.len(), (at - 1) % ring.limbs.len());
        let index = place(at);
        let public = self.public_stream(&index);
        sample::errors(&self.hidden_stream(&index), 0, &mut desk.errors);
        let special = ring.special.as_ref().expect("keys of merging need a special prime").modulus.p;
        let exponent = exponent(ring.degree(), step as u32);
        let mut moved = Planes::new(ring.degree(), 2);
        for x in 0..ring.degree() {
            let (from, negative) = preimage(ring.degree(), exponent, x);
            let v = self.small()[from];
            moved.set(x, &[if negative { v.wrapping_neg() } else { v }]);
        }
        for (limb, (t, bits)) in ring.extended().zip(ring.residue_bits()).enumerate() {
            // P·τ(s) modulo the digit's own prime, 0 modulo all others.
            let message = |b: &mut [u64]| {
                if limb == digit {
                    moved.add(&Reducer::new(t.modulus, special), b);
                }
            };
            self.seal(limb, t, bits, &public, desk, message, out);
        }
    }
}

/// Which coefficient the automorphism X → X^`exponent` moves to place `x`, and whether it changes its sign.
fn preimage(degree: usize, exponent: usize, x: usize) -> (usize, bool) {
    // The inverse of N/2^i + 1 modulo 2N by powers: the group's order divides N.
    let mask = 2 * degree - 1;
    let mut inverse = 1usize;
    for _ in 0..degree.trailing_zeros() + 1 {
        inverse = inverse.wrapping_mul(2usize.wrapping_sub(exponent.wrapping_mul(inverse))) & mask;
    }
    let from = x.wrapping_mul(inverse) & mask;
    // x = from·exponent mod 2N; with from ≥ N the coefficient at from − N arrives with its sign changed.
    (from & (degree - 1), from >= degree)
}

/// An encryption of zero or a digit of a switching key, both parts multipliers modulo each prime.
pub(crate) struct Key {
    pub(crate) a: Residues,
    pub(crate) b: Residues,
}

/// The other side's public material: what an evaluator computes with.
pub struct Evaluator {
    pub(crate) ring: Arc<Ring>,
    pub(crate) public: Prg,
    pub(crate) zero: Key,
    /// By step, then by digit.
    pub(crate) steps: Vec<Vec<Key>>,
    batches: Batches,
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Evaluator({:?}, {} steps)", self.ring, self.steps.len())
    }
}

impl Evaluator {
    /// Begins a batch of uploads with the number that the owner began it with.
    ///
    /// # Errors
    /// [`LatticeError::Batch`] if it is not above all earlier ones.
    pub fn batch(&mut self, number: u64) -> Result<Batch> {
        self.batches.begin(number)
    }

    /// Fills `out` with the uniform parts of an upload.
    pub(crate) fn uniform_parts(&self, index: &UploadIndex, out: &mut Residues) {
        uniform_parts(&self.ring, &self.public, index, out);
    }
}

fn uniform_parts(ring: &Ring, public: &Prg, index: &UploadIndex, out: &mut Residues) {
    let public = Prg::new(&public.derive(index.batch, index.at));
    for (limb, ((t, bits), out)) in ring.extended().zip(ring.residue_bits()).zip(out).enumerate() {
        sample::uniform(&public, limb as u64, t.modulus.p, bits, out);
    }
}

/// Takes the chunks of a key, in order.
pub struct KeyReader {
    ring: Arc<Ring>,
    lengths: Vec<usize>,
    public: Option<Prg>,
    keys: Vec<Key>,
}

impl KeyReader {
    /// A reader of the keys for merging 2^`steps` ciphertexts.
    ///
    /// # Errors
    /// As [`key_chunks`].
    pub fn new(ring: &Arc<Ring>, steps: u32) -> Result<KeyReader> {
        Ok(KeyReader { ring: ring.clone(), lengths: key_chunks(ring, steps)?, public: None, keys: Vec::new() })
    }

    /// The length of the next chunk, or `None` after the last.
    pub fn expected(&self) -> Option<usize> {
        self.lengths.get(self.keys.len()).copied()
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    /// [`LatticeError::Length`] and [`LatticeError::Residue`] if it is malformed, and then nothing is taken.
    pub fn take(&mut self, bytes: &[u8]) -> Result<()> {
        const WHAT: &str = "a chunk of keys";
        let expected = self.expected().unwrap_or(0);
        if bytes.len() != expected || expected == 0 {
            return Err(LatticeError::Length { what: WHAT, expected, found: bytes.len() });
        }
        let at = self.keys.len();
        let limbs = self.ring.limbs.len() + usize::from(at > 0);
        let zero = || vec![vec![0; self.ring.degree()]; limbs];
        let mut key = Key { a: zero(), b: zero() };
        let (head, body) = bytes.split_at(if at == 0 { SEED } else { 0 });
        let primes = self.ring.residue_bits().zip(self.ring.extended().map(|t| t.modulus.p));
        read_polynomial(WHAT, body, primes, key.b.iter_mut())?;
        if let Some(seed) = head.first_chunk::<SEED>() {
            self.public = Some(Prg::new(&Seed::from_bytes(*seed)));
        }
        let public = self.public.as_ref().expect("the first chunk has the seed");
        uniform_parts(&self.ring, public, &place(at), &mut key.a);
        for (limb, t) in key.a.iter_mut().zip(self.ring.extended()).chain(key.b.iter_mut().zip(self.ring.extended())) {
            to_multiplier(t.modulus, limb);
        }
        self.keys.push(key);
        Ok(())
    }

    /// The evaluator, once all chunks are there.
    ///
    /// # Errors
    /// [`LatticeError::Length`] if chunks are missing.
    pub fn finish(self) -> Result<Evaluator> {
        if let Some(expected) = self.expected() {
            return Err(LatticeError::Length { what: "a chunk of keys", expected, found: 0 });
        }
        let mut keys = self.keys.into_iter();
        let zero = keys.next().expect("at least the encryption of zero");
        let mut steps = Vec::new();
        let digits = self.ring.limbs.len();
        let mut rest: Vec<Key> = keys.collect();
        while !rest.is_empty() {
            let later = rest.split_off(digits);
            steps.push(std::mem::replace(&mut rest, later));
        }
        let public = self.public.expect("the first chunk has the seed");
        Ok(Evaluator { ring: self.ring, public, zero, steps, batches: Batches::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_keys_are_those_of_their_chunks() {
        for parameters in Parameters::all() {
            let ring = Ring::new(parameters);
            for steps in 0..=MOST_STEPS {
                let chunks = key_chunks(&ring, steps).map(|chunks| chunks.iter().sum::<usize>());
                assert_eq!(key_bytes(parameters, steps), chunks, "{parameters:?}");
            }
        }
    }

    #[test]
    fn the_preimage_of_every_coefficient_is_moved_there() {
        for degree in [128, 1024] {
            for step in 0..7 {
                let g = exponent(degree, step);
                for x in 0..degree {
                    let (from, negative) = preimage(degree, g, x);
                    let to = from * g % (2 * degree);
                    assert_eq!((to % degree, to >= degree), (x, negative));
                }
            }
        }
    }
}
