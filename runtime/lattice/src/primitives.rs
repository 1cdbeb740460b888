//! The primitives that costs are counted in, for whoever measures their rates: one prime, one polynomial.

use std::sync::Arc;

use crate::pointwise;
use crate::ring::Ring;

/// Polynomials modulo the ring's first prime to work on.
pub struct Primitives {
    ring: Arc<Ring>,
    x: Vec<u64>,
    y: Vec<u64>,
    sum: Vec<u64>,
}

impl std::fmt::Debug for Primitives {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Primitives({:?})", self.ring)
    }
}

impl Primitives {
    /// Space of the ring's degree.
    pub fn new(ring: &Arc<Ring>) -> Primitives {
        let x: Vec<u64> = (0..ring.degree() as u64).map(|i| i * i).collect();
        Primitives { ring: ring.clone(), y: x.clone(), sum: x.clone(), x }
    }

    /// Copies a polynomial: the roof of everything that reads and writes one.
    pub fn copy(&mut self) {
        self.sum.copy_from_slice(&self.x);
    }

    /// A forward transform.
    pub fn forward(&mut self) {
        self.ring.limbs[0].forward(&mut self.x);
    }

    /// A forward transform of a polynomial with `low` low coefficients.
    pub fn forward_low(&mut self, low: usize) {
        self.ring.limbs[0].forward_low(&mut self.x, low);
    }

    /// A transform back.
    pub fn inverse(&mut self) {
        self.ring.limbs[0].inverse(&mut self.x);
    }

    /// A sum with a product.
    pub fn multiply_add(&mut self) {
        pointwise::multiply_add(self.ring.limbs[0].modulus, &mut self.sum, &self.x, &self.y);
    }
}
