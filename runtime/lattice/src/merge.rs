//! Many ciphertexts to one: of each the coefficients at multiples of a power of two are kept and interleaved. A step adds
//! the image under an automorphism that cancels what is not kept, and switches its secret back.

use zeroize::Zeroizing;

use crate::keys::{Evaluator, Key, exponent};
use crate::modulus::{Factor, Reducer};
use crate::ntt::Transform;
use crate::pointwise::{add, lift, multiply, multiply_add, scale, sub, sum_and_difference, to_multiplier};
use crate::ring::{Pair, Residues, Ring};

/// What merging up to a number of steps needs: tables by step and space.
pub(crate) struct Merger<'e> {
    evaluator: &'e Evaluator,
    steps: Vec<Step>,
    /// −1/P times a centred number, and 1/P.
    down: Vec<Reducer>,
    inverse: Vec<Factor>,
    /// Centred numbers to residues of each prime, the special one last.
    lift: Vec<Reducer>,
    moved: Residues,
    digit: Zeroizing<Vec<u64>>,
    lifted: Zeroizing<Vec<u64>>,
    sums: [Residues; 2],
}

struct Step {
    /// Where each value comes from.
    from: Vec<u32>,
    /// X^(2^step) as a multiplier modulo each prime.
    monomial: Residues,
}

impl Step {
    fn new(ring: &Ring, step: u32) -> Step {
        let (log, degree) = (ring.parameters().log_degree(), ring.degree());
        let mut places = vec![0u32; degree];
        (0..degree).for_each(|at| places[Transform::exponent(log, at) / 2] = at as u32);
        let g = exponent(degree, step);
        let from = |at: usize| places[(Transform::exponent(log, at) * g % (2 * degree)) / 2];
        let monomial = |t: &Transform| {
            let mut x = t.monomial(1 << step);
            to_multiplier(t.modulus, &mut x);
            x
        };
        Step { from: (0..degree).map(from).collect(), monomial: ring.limbs.iter().map(monomial).collect() }
    }
}

impl<'e> Merger<'e> {
    /// For the first `steps` steps; the evaluator's keys must have as many.
    pub(crate) fn new(evaluator: &'e Evaluator, steps: u32) -> Merger<'e> {
        let ring = &*evaluator.ring;
        let special = ring.special.as_ref().map_or(1, |t| t.modulus.p);
        let inverse: Vec<u64> = ring.limbs.iter().map(|t| t.modulus.invert(special % t.modulus.p)).collect();
        let moduli = || ring.limbs.iter().map(|t| t.modulus);
        let residues = |limbs: usize| vec![vec![0; ring.degree()]; limbs];
        let limbs = ring.limbs.len();
        Merger {
            evaluator,
            steps: (0..steps).map(|step| Step::new(ring, step)).collect(),
            down: moduli().zip(&inverse).map(|(m, &i)| Reducer::new(m, m.p - i)).collect(),
            inverse: moduli().zip(&inverse).map(|(m, &i)| m.factor(i)).collect(),
            lift: ring.extended().map(|t| Reducer::new(t.modulus, 1)).collect(),
            moved: residues(limbs),
            digit: Zeroizing::new(vec![0; ring.degree()]),
            lifted: Zeroizing::new(vec![0; ring.degree()]),
            sums: [residues(limbs + 1), residues(limbs + 1)],
        }
    }

    /// `even` + X^s·`odd` + τ(`even` − X^s·`odd`) into `even`, s = 2^`step`; `odd` is used up.
    pub(crate) fn merge(&mut self, step: u32, even: &mut Pair, odd: &mut Pair) {
        let ring = &*self.evaluator.ring;
        let Step { from, monomial } = &self.steps[step as usize];
        for (limb, t) in ring.limbs.iter().enumerate() {
            let m = t.modulus;
            for (even, odd) in [(&mut even.a[limb], &mut odd.a[limb]), (&mut even.b[limb], &mut odd.b[limb])] {
                multiply(m, odd, &monomial[limb]);
                sum_and_difference(m, even, odd);
            }
            let image = self.lifted.iter_mut().zip(from);
            image.for_each(|(out, &from)| *out = odd.b[limb][from as usize]);
            add(m, &mut even.b[limb], &self.lifted);
            let image = self.moved[limb].iter_mut().zip(from);
            image.for_each(|(out, &from)| *out = odd.a[limb][from as usize]);
        }
        self.switch(step);
        for (part, sum) in [&mut even.a, &mut even.b].into_iter().zip(&mut self.sums) {
            let special = ring.special.as_ref().expect("merging needs a special prime");
            let (limbs, [top]) = sum.split_at_mut(ring.limbs.len()) else { unreachable!("one special prime") };
            special.inverse(top);
            for (limb, t) in ring.limbs.iter().enumerate() {
                let m = t.modulus;
                lift(&self.down[limb], special.modulus.p, top, &mut self.lifted);
                t.forward(&mut self.lifted);
                scale(m, &mut limbs[limb], self.inverse[limb]);
                add(m, &mut limbs[limb], &self.lifted);
                sub(m, &mut part[limb], &limbs[limb]);
            }
        }
    }

    /// Sums of the moved part's digits times the step's key, into `sums`.
    fn switch(&mut self, step: u32) {
        let ring = &*self.evaluator.ring;
        self.sums.iter_mut().flatten().for_each(|limb| limb.fill(0));
        let [sum_a, sum_b] = &mut self.sums;
        for (j, key) in self.evaluator.steps[step as usize].iter().enumerate() {
            let Key { a, b } = key;
            let own = &ring.limbs[j];
            self.digit.copy_from_slice(&self.moved[j]);
            own.inverse(&mut self.digit);
            for (limb, t) in ring.extended().enumerate() {
                let values: &[u64] = if limb == j {
                    &self.moved[j]
                } else {
                    lift(&self.lift[limb], own.modulus.p, &self.digit, &mut self.lifted);
                    t.forward(&mut self.lifted);
                    &self.lifted
                };
                multiply_add(t.modulus, &mut sum_a[limb], values, &a[limb]);
                multiply_add(t.modulus, &mut sum_b[limb], values, &b[limb]);
            }
        }
    }
}
