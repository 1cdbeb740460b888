use mpcc_kernels::Seed;
use mpcc_lattice::{KeyReader, Parameters};
use mpcc_program::correlation::{Along, Pairing};
use mpcc_program::making::{Factor, Job};

use super::*;
use crate::scheme::modulus_bits;

/// How far counts of equally likely outcomes are from equal, in deviations of the statistic: below 6 for uniform ones.
fn unevenness(outcomes: impl Iterator<Item = usize>, kinds: usize) -> f64 {
    let mut counts = vec![0f64; kinds];
    outcomes.for_each(|outcome| counts[outcome] += 1.0);
    let expected = counts.iter().sum::<f64>() / kinds as f64;
    let chi: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
    (chi - (kinds - 1) as f64) / (2.0 * (kinds - 1) as f64).sqrt()
}

/// Before shares are converted, what either party has of every result is uniform, and the bits by which they are converted are as
/// often 0 as 1, whatever the numbers are: those that the evaluator chooses by, and those that the owner answers by.
#[test]
fn shares_that_wait_for_conversion_are_uniform_whatever_the_numbers_are() {
    let factors = [Factor { width: 12, signed: false }; 2];
    let single = Pairing::Entries { rows: 64, cols: 64, right: Along::Both };
    let rows = Pairing::Entries { rows: 64, cols: 64, right: Along::Rows };
    let sums = Pairing::Matrices { batch: 64, m: 8, k: 5, n: 8, shared_right: false };
    let complex = Pairing::Complex { count: 2048 };
    for pairing in [single, rows, sums, complex] {
        let task =
            Task { job: Job::Products { left: Owner::DataOwner, pairing, factors, again: 0 }, len: 4096, bits: 40 };
        let encrypts = Owner::ModelOwner;
        let sides = Sides::of(&task, encrypts).expect("products");
        let parameters = Parameters::all().find(|set| set.bits() >= 140).expect("a large set");
        let terms = terms(pairing);
        let scheme = SlotScheme { encrypts, parameters, modulus_bits: modulus_bits(&sides, terms) };
        let ring = Ring::new(parameters);
        let slotting = Slotting::new(&task, &scheme, &ring, 0).expect("a scheme of the task");
        let mut owner = Encrypter::new(&ring, Seed::from_bytes([1; 16]));
        let mut reader = KeyReader::new(&ring, 0).expect("no steps");
        owner.keys(0).expect("no steps").for_each(|chunk| reader.take(&chunk).expect("a chunk"));
        let mut evaluator = reader.finish().expect("all chunks");
        let mut randomness = Randomness::new(Seed::from_bytes([2; 16]));
        let [left, right] = pairing.lengths();
        for (round, (encrypted, plain)) in [(0u64, 0u64), (4095, 4095), (1, 0), (0, 1000)].into_iter().enumerate() {
            let number = round as u64;
            let (mut ours, mut theirs) =
                (owner.batch(number).expect("a batch"), evaluator.batch(number).expect("a batch"));
            let (mut uploads, mut answers) = (Vec::new(), Vec::new());
            slotting.upload((&owner, &mut ours), &vec![i128::from(encrypted); right], &mut uploads).expect("uploads");
            let [mut mine, mut yours] = [0, 1].map(|_| slotting.unconverted(4096));
            let by = (&evaluator, &mut theirs, &mut randomness);
            slotting.answer(by, (&vec![i128::from(plain); left], &uploads), &mut mine, &mut answers).expect("answers");
            assert_eq!([uploads.len(), answers.len()], slotting.unit_bytes());
            slotting.open(&owner, &answers, &mut yours).expect("the evaluator's answers");
            let wrap = slotting.slots.wrap(40) as u64;
            for at in 0..4096 {
                let both = mine.low[at] * yours.low[at];
                let sum = mine.parts[at].wrapping_add(yours.parts[at]).wrapping_add(both.wrapping_mul(wrap));
                // Of equal numbers the real part of a product is nothing.
                let times = if pairing == complex && at < 2048 { 0 } else { terms as u64 };
                assert_eq!(sum & ((1 << 40) - 1), encrypted * plain * times);
            }
            for shares in [&mine, &yours] {
                let low = unevenness(shares.parts.iter().map(|part| (part & 63) as usize), 64);
                let halves = unevenness(shares.low.iter().map(|bit| *bit as usize), 2);
                assert!(low < 6.0 && halves < 6.0, "{pairing:?} of {encrypted} and {plain}: {low}, {halves}");
            }
        }
    }
}
