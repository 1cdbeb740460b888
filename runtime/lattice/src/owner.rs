//! The side that holds a secret key: it encrypts, and opens answers. A secret serves one session.

use std::sync::Arc;

use mpcc_kernels::pack::pack;
use mpcc_kernels::{Prg, Seed};
use zeroize::Zeroizing;

use crate::index::{Batch, Batches, UploadIndex};
use crate::ntt::Transform;
use crate::pointwise::{multiply, multiply_add, set_signed, to_multiplier};
use crate::ring::{Ring, secret_words};
use crate::sample;

/// Purposes of seeds that follow from the entropy and from the public seed.
mod purpose {
    pub(super) const PUBLIC: u64 = 0;
    pub(super) const SECRET: u64 = 1;
    pub(super) const ERRORS: u64 = 2;
}

/// A secret key with the streams of a session. Wiped when dropped; `Debug` shows nothing of it.
pub struct Owner {
    pub(crate) ring: Arc<Ring>,
    /// The secret as a multiplier modulo each prime, the special one last.
    secret: Vec<Zeroizing<Vec<u64>>>,
    /// The secret's coefficients in two's complement.
    small: Zeroizing<Vec<u64>>,
    seed: Seed,
    public: Prg,
    hidden: Prg,
    batches: Batches,
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Owner({:?}, ..)", self.ring)
    }
}

/// Space for making one ciphertext.
pub(crate) struct Desk {
    pub(crate) errors: Zeroizing<Vec<u64>>,
    a: Vec<u64>,
    b: Zeroizing<Vec<u64>>,
}

impl Desk {
    pub(crate) fn new(degree: usize) -> Desk {
        Desk { errors: secret_words(degree, 0), a: vec![0; degree], b: secret_words(degree, 0) }
    }
}

impl Owner {
    /// A fresh secret from `entropy`, which must be fresh itself and serve nothing else.
    pub fn new(ring: &Arc<Ring>, entropy: Seed) -> Owner {
        let root = Prg::new(&entropy);
        let degree = ring.degree();
        let mut small = secret_words(degree, 0);
        sample::ternary(&Prg::new(&root.derive(purpose::SECRET, 0)), 0, &mut small);
        let values = |t: &Transform| {
            let mut values = secret_words(degree, 0);
            set_signed(t.modulus, &mut values, &small);
            t.forward(&mut values);
            to_multiplier(t.modulus, &mut values);
            values
        };
        let secret = ring.extended().map(values).collect();
        let seed = root.derive(purpose::PUBLIC, 0);
        let hidden = Prg::new(&root.derive(purpose::ERRORS, 0));
        Owner { ring: ring.clone(), secret, small, public: Prg::new(&seed), seed, hidden, batches: Batches::default() }
    }

    /// Begins a batch of uploads with a number above all earlier ones.
    ///
    /// # Errors
    /// [`crate::LatticeError::Batch`] if it is not.
    pub fn batch(&mut self, number: u64) -> crate::Result<Batch> {
        self.batches.begin(number)
    }

    pub(crate) fn public_seed(&self) -> &Seed {
        &self.seed
    }

    pub(crate) fn small(&self) -> &[u64] {
        &self.small
    }

    pub(crate) fn public_stream(&self, index: &UploadIndex) -> Prg {
        Prg::new(&self.public.derive(index.batch, index.at))
    }

    pub(crate) fn hidden_stream(&self, index: &UploadIndex) -> Prg {
        Prg::new(&self.hidden.derive(index.batch, index.at))
    }

    /// Appends b = a·s + e + message modulo prime number `limb`, in values. `message` adds the message's coefficients.
    #[expect(clippy::too_many_arguments, reason = "one ciphertext's parts")]
    pub(crate) fn seal(
        &self,
        limb: usize,
        t: &Transform,
        bits: u32,
        public: &Prg,
        desk: &mut Desk,
        message: impl FnOnce(&mut [u64]),
        out: &mut Vec<u8>,
    ) {
        let m = t.modulus;
        set_signed(m, &mut desk.b, &desk.errors);
        message(&mut desk.b);
        t.forward(&mut desk.b);
        sample::uniform(public, limb as u64, m.p, bits, &mut desk.a);
        multiply_add(m, &mut desk.b, &desk.a, &self.secret[limb]);
        pack(&desk.b, bits, out);
    }

    /// Appends an upload of the message that `message` adds to residues modulo each prime.
    pub(crate) fn upload(
        &self,
        index: &UploadIndex,
        desk: &mut Desk,
        message: impl Fn(usize, &mut [u64]),
        out: &mut Vec<u8>,
    ) {
        let public = self.public_stream(index);
        sample::errors(&self.hidden_stream(index), 0, &mut desk.errors);
        out.reserve(self.ring.polynomial_bytes());
        for (limb, (t, bits)) in self.ring.limbs.iter().zip(self.ring.residue_bits()).enumerate() {
            self.seal(limb, t, bits, &public, desk, |b| message(limb, b), out);
        }
    }

    /// x = x·s modulo prime number `limb`, coefficients to coefficients.
    pub(crate) fn times_secret(&self, limb: usize, x: &mut [u64]) {
        let t = &self.ring.limbs[limb];
        t.forward(x);
        multiply(t.modulus, x, &self.secret[limb]);
        t.inverse(x);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::params;

    #[test]
    fn every_upload_has_its_own_randomness_and_debug_shows_nothing() {
        let ring = Ring::new(params::small());
        let mut owner = Owner::new(&ring, Seed::from_bytes([1; 16]));
        let mut seen = BTreeSet::new();
        for number in [0, 1, 1 << 40] {
            let mut batch = owner.batch(number).expect("a batch");
            for _ in 0..3 {
                let (index, mut desk, mut bytes) = (batch.next(), Desk::new(ring.degree()), Vec::new());
                let mut uniform = vec![0; 8];
                sample::uniform(&owner.public_stream(&index), 0, ring.limbs[0].modulus.p, 50, &mut uniform);
                sample::errors(&owner.hidden_stream(&index), 0, &mut desk.errors);
                let errors = desk.errors.to_vec();
                owner.upload(&index, &mut desk, |_, _| (), &mut bytes);
                assert!(seen.insert(format!("{uniform:?}")) && seen.insert(format!("{errors:?}")));
                assert!(seen.insert(format!("{:?}", &bytes[..40])));
            }
        }
        let other = Owner::new(&ring, Seed::from_bytes([2; 16]));
        assert_ne!(other.small(), owner.small());
        assert_eq!(format!("{owner:?}"), format!("{other:?}"));
    }
}
