//! Draws that a seed and a position fix on every machine.
//!
//! Each place that needs chance opens a stream of its own (ChaCha with 8 rounds, keyed by seed, purpose and epoch), so
//! what one place draws never moves what another one sees. Floating-point steps use `libm`, whose results do not depend
//! on the machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a stream is for. Streams of different purposes are unrelated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Which images are held out; the position is the class.
    HoldOut,
    /// The order of an epoch; the position is 0.
    Order,
    /// Changes of one image; the position is its place in the epoch's order.
    Augment,
    /// Mixing of one batch; the position is the batch.
    Mix,
    /// A plan by chance; the position is what its name hashes to.
    Plan,
    /// First values of a parameter; the position is its number.
    FirstValues,
    /// What a network drops; the epoch is the number of the step, the position that of the piece of its batch.
    Drop,
}

/// A stream of draws.
#[derive(Clone, Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of a purpose at a position of an epoch.
    pub fn new(seed: u64, purpose: Purpose, epoch: usize, position: usize) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&(epoch as u64).to_le_bytes());
        key[16] = match purpose {
            Purpose::HoldOut => 0,
            Purpose::Order => 1,
            Purpose::Augment => 2,
            Purpose::Mix => 3,
            Purpose::Plan => 4,
            Purpose::FirstValues => 5,
            Purpose::Drop => 6,
        };
        let mut stream = ChaCha8Rng::from_seed(key);
        stream.set_stream(position as u64);
        Self(stream)
    }

    /// Uniform among all 32-bit numbers.
    pub fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * 2f64.powi(-53)
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform over whole numbers below `end`, 0 if there are none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = end as u64;
        let Some(threshold) = end.wrapping_neg().checked_rem(end) else { return 0 };
        loop {
            let wide = u128::from(self.0.next_u64()) * u128::from(end);
            if wide as u64 >= threshold {
                return (wide >> 64) as usize;
            }
        }
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// The value or its negation, each half of the time.
    pub fn sign(&mut self, value: f64) -> f64 {
        if self.chance(0.5) { -value } else { value }
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// Beta(shape, shape), for a positive shape.
    pub fn beta(&mut self, shape: f64) -> f64 {
        let (first, second) = (self.gamma(shape), self.gamma(shape));
        if first + second > 0.0 { first / (first + second) } else { 0.5 }
    }

    /// Gamma(shape, 1) (Marsaglia and Tsang 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let scale = libm::pow(1.0 - self.unit(), 1.0 / shape);
            return scale * self.gamma(shape + 1.0);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let v = 1.0 + c * x;
            if v <= 0.0 {
                continue;
            }
            let v = v * v * v;
            if libm::log(1.0 - self.unit()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }

    /// Puts items into an order that is uniform over all orders.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (2..=items.len()).rev() {
            items.swap(end - 1, self.below(end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(position: usize) -> Draws {
        Draws::new(7, Purpose::Mix, 3, position)
    }

    fn moments(count: usize, mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let drawn: Vec<f64> = (0..count).map(|_| draw()).collect();
        let mean = drawn.iter().sum::<f64>() / count as f64;
        (mean, drawn.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count as f64)
    }

    #[test]
    fn streams_are_fixed_and_differ() {
        let first = |mut draws: Draws| draws.unit();
        assert_eq!(first(draws(5)), first(draws(5)));
        let others = [
            draws(6),
            Draws::new(8, Purpose::Mix, 3, 5),
            Draws::new(7, Purpose::Mix, 4, 5),
            Draws::new(7, Purpose::Order, 3, 5),
        ];
        assert!(others.into_iter().all(|other| first(other) != first(draws(5))));
    }

    #[test]
    fn the_first_values_never_change() {
        let mut draws = Draws::new(42, Purpose::Augment, 1, 2);
        let drawn = [draws.unit(), draws.normal(), draws.beta(0.8), draws.below(1000) as f64];
        assert_eq!(drawn, PINNED);
    }

    /// What the generator gave when it was chosen.
    const PINNED: [f64; 4] = [0.8599362121474067, 3.3837661615352994, 0.9850998627481177, 842.0];

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = draws(0);
        let (unit, normal) = (moments(20_000, || stream.unit()), moments(20_000, || stream.normal()));
        for (name, (mean, variance), expected) in [("unit", unit, (0.5, 1.0 / 12.0)), ("normal", normal, (0.0, 1.0))] {
            assert!(
                (mean - expected.0).abs() < 0.03 && (variance - expected.1).abs() < 0.04,
                "{name}: {mean} {variance}"
            );
        }
        for shape in [0.2, 0.8, 1.0, 4.0] {
            let (mean, variance) = moments(20_000, || stream.beta(shape));
            let expected = 1.0 / (4.0 * (2.0 * shape + 1.0));
            assert!((mean - 0.5).abs() < 0.02 && (variance - expected).abs() < 0.01, "{shape}: {mean} {variance}");
        }
    }

    #[test]
    fn whole_numbers_are_uniform_and_orders_hold_everything() {
        let mut stream = draws(1);
        let mut counts = [0usize; 5];
        (0..10_000).for_each(|_| counts[stream.below(5)] += 1);
        assert!(counts.iter().all(|c| (1_800..2_200).contains(c)), "{counts:?}");
        assert_eq!((stream.below(0), stream.below(1)), (0, 0));
        let mut items: Vec<usize> = (0..100).collect();
        stream.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
