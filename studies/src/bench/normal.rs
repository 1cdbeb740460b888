//! Seeded normal numbers, so that tables can be made again.

use std::f64::consts::TAU;

use mpcc_compiler::evaluate::Tensor;

/// A xorshift generator with normal deviates by Box and Muller's formula.
pub(super) struct Normal(u64);

impl Normal {
    /// The generator with this seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut normal = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1);
        (0..16).for_each(|_| _ = normal.bits());
        normal
    }

    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// In (0, 1), all equally likely.
    pub(super) fn unit(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    /// Numbers with mean 0 and this deviation.
    pub(super) fn numbers(&mut self, count: usize, deviation: f64) -> Vec<f64> {
        let mut one = || deviation * (-2.0 * self.unit().ln()).sqrt() * (TAU * self.unit()).cos();
        (0..count).map(|_| one()).collect()
    }

    /// Whole numbers from 0 to below `limit`, all equally likely.
    pub(super) fn below(&mut self, limit: u32, count: usize) -> Vec<f64> {
        (0..count).map(|_| (self.unit() * f64::from(limit)).floor()).collect()
    }

    /// A whole number from 0 to below `limit`, all equally likely.
    pub(super) fn index(&mut self, limit: usize) -> usize {
        ((self.unit() * limit as f64) as usize).min(limit.saturating_sub(1))
    }

    /// An entry of a list, all equally likely.
    ///
    /// # Panics
    /// If there is none.
    pub(super) fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.index(list.len())]
    }

    /// A tensor of normal numbers.
    pub(super) fn tensor(&mut self, shape: &[usize], deviation: f64) -> Tensor {
        Tensor::new(shape, self.numbers(shape.iter().product(), deviation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_asked_for() {
        let numbers = Normal::new(1).numbers(20_000, 2.0);
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|v| v * v).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.06 && (variance - 4.0).abs() < 0.2, "{mean} {variance}");
    }
}
