//! An encrypted vector as the evaluator holds it, and sums of its products.

use crate::error::{LatticeError, Result};
use crate::index::UploadIndex;
use crate::keys::Evaluator;
use crate::params::Parameters;
use crate::pointwise::{TOGETHER, multiply_add_all};
use crate::ring::{Pair, Ring, read_polynomial};

/// A ciphertext of the owner's, ready to be multiplied by any number of polynomials.
pub struct Upload {
    pub(crate) parameters: Parameters,
    pub(crate) pair: Pair,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upload(..)")
    }
}

/// Bytes of every upload in this ring.
pub fn upload_bytes(ring: &Ring) -> usize {
    ring.polynomial_bytes()
}

impl Evaluator {
    /// Reads the upload that the owner made with the same index.
    ///
    /// # Errors
    /// [`LatticeError::Length`] and [`LatticeError::Residue`] if it is malformed.
    pub fn upload(&self, index: UploadIndex, bytes: &[u8]) -> Result<Upload> {
        let mut upload = Upload { parameters: self.ring.parameters(), pair: Pair::zero(&self.ring) };
        self.upload_into(index, bytes, &mut upload)?;
        Ok(upload)
    }

    /// As [`Evaluator::upload`] in the space of an earlier one, which is gone whatever happens.
    ///
    /// # Errors
    /// As [`Evaluator::upload`].
    pub fn upload_into(&self, index: UploadIndex, bytes: &[u8], upload: &mut Upload) -> Result<()> {
        const WHAT: &str = "an upload";
        let expected = self.ring.polynomial_bytes();
        if bytes.len() != expected {
            return Err(LatticeError::Length { what: WHAT, expected, found: bytes.len() });
        }
        if upload.parameters != self.ring.parameters() {
            *upload = Upload { parameters: self.ring.parameters(), pair: Pair::zero(&self.ring) };
        }
        let primes = self.ring.residue_bits().zip(self.ring.limbs.iter().map(|t| t.modulus.p));
        read_polynomial(WHAT, bytes, primes, upload.pair.b.iter_mut())?;
        self.uniform_parts(&index, &mut upload.pair.a);
        Ok(())
    }
}

/// sum += Σ upload·multiplier modulo prime number `limb`.
pub(crate) fn add_products<'u>(
    ring: &Ring,
    limb: usize,
    sum: &mut Pair,
    products: impl Iterator<Item = (&'u Upload, &'u [u64])> + Clone,
) {
    const NONE: &[u64] = &[];
    let m = ring.limbs[limb].modulus;
    let (a, b) = (&mut sum.a[limb], &mut sum.b[limb]);
    for (sum, of_a) in [(a, true), (b, false)] {
        let part = |pair: &'u Pair| if of_a { &pair.a } else { &pair.b };
        let mut left = products.clone();
        loop {
            let mut some = [(NONE, NONE); TOGETHER];
            let count = some.iter_mut().zip(&mut left).map(|(to, (u, x))| *to = (&part(&u.pair)[limb][..], x)).count();
            multiply_add_all(m, sum, &some[..count]);
            if count < TOGETHER {
                break;
            }
        }
    }
}
