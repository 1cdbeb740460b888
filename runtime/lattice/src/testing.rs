//! What tests of products share: both sides of a session in one process, reproducible numbers, and statistics.

use std::sync::Arc;

use mpcc_kernels::{Prg, Seed};

use crate::{Batch, Evaluator, KeyReader, Owner, Parameters, Randomness, Ring};

/// Owner and evaluator after the keys were exchanged.
pub(crate) struct Session {
    pub(crate) ring: Arc<Ring>,
    pub(crate) owner: Owner,
    pub(crate) evaluator: Evaluator,
    pub(crate) randomness: Randomness,
    batches: u64,
}

impl Session {
    /// A fresh batch at both sides.
    pub(crate) fn batch(&mut self) -> (Batch, Batch) {
        self.batches += 1;
        (self.owner.batch(self.batches).expect("a batch"), self.evaluator.batch(self.batches).expect("a batch"))
    }
}

/// A session whose keys merge up to 2^`steps`.
pub(crate) fn session(parameters: Parameters, steps: u32) -> Session {
    let ring = Ring::new(parameters);
    let owner = Owner::new(&ring, Seed::from_bytes([1; 16]));
    let mut reader = KeyReader::new(&ring, steps).expect("steps of the ring");
    for chunk in owner.keys(steps).expect("steps of the ring") {
        assert_eq!(Some(chunk.len()), reader.expected());
        reader.take(&chunk).expect("a chunk");
    }
    let evaluator = reader.finish().expect("all chunks");
    Session { ring, owner, evaluator, randomness: Randomness::new(Seed::from_bytes([2; 16])), batches: 0 }
}

/// Uniform words of `bits` bits, the same for the same stream.
pub(crate) fn words(stream: u64, bits: u32, len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    Prg::new(&Seed::from_bytes([7; 16])).fill_masked(stream, 0, bits, &mut out);
    out
}

/// Uniform numbers of size at most 2^(bits − 1), the extremes among them.
pub(crate) fn numbers(stream: u64, bits: u32, len: usize) -> Vec<i64> {
    let of = |(i, v): (usize, u64)| match i % 97 {
        0 => -(1 << (bits - 1)),
        1 => 1 << (bits - 1),
        _ => crate::centred(v, bits),
    };
    words(stream, bits, len).into_iter().enumerate().map(of).collect()
}

/// How far counts of equally likely outcomes are from equal, in deviations of the statistic: below 6 for uniform ones.
pub(crate) fn unevenness(outcomes: impl Iterator<Item = usize>, kinds: usize) -> f64 {
    let mut counts = vec![0f64; kinds];
    outcomes.for_each(|o| counts[o] += 1.0);
    let expected = counts.iter().sum::<f64>() / kinds as f64;
    let chi: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
    (chi - (kinds - 1) as f64) / (2.0 * (kinds - 1) as f64).sqrt()
}

/// Kolmogorov and Smirnov's distance of two samples times √(n/2): above 1.95 once in a thousand for equal distributions.
pub(crate) fn distance(mut a: Vec<i64>, mut b: Vec<i64>) -> f64 {
    assert_eq!(a.len(), b.len());
    a.sort_unstable();
    b.sort_unstable();
    let n = a.len() as f64;
    let (mut i, mut j, mut largest) = (0, 0, 0f64);
    while i < a.len() && j < b.len() {
        let v = a[i].min(b[j]);
        i += a[i..].partition_point(|&x| x <= v);
        j += b[j..].partition_point(|&x| x <= v);
        largest = largest.max((i as f64 - j as f64).abs() / n);
    }
    largest * (n / 2.0).sqrt()
}
