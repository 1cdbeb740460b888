//! G17 and G18: exponentials and row maxima by the buckets of masks.

use mpcc_program::code::{Owner, Role};
use mpcc_program::correlation::{Correlation, Sharing};
use mpcc_program::cost;
use mpcc_program::exponential::growth;
use mpcc_program::gates::lower;
use mpcc_program::program::{self, Gate, Kind, ValueId, stream};
use mpcc_program::verify::verify;
use smallvec::SmallVec;

use super::harness::views::{free, views};
use super::harness::{Builder, Seen, mask, masked, masked_by, mix, pair, run, run_seeded, signed};

/// A wire of k bits whose 2^buckets buckets are looked at.
#[derive(Clone, Copy)]
struct Ring {
    k: u8,
    fraction: i16,
    buckets: u8,
}

impl Ring {
    /// Numbers are kept this far below what they stand for, so that all of a ring is in use.
    fn offset(self) -> i64 {
        (1 << (self.k - 1)) - 1
    }

    /// The first number above the domain.
    fn end(self) -> i64 {
        (1 << self.k) - self.width()
    }

    /// Width of a bucket.
    fn width(self) -> i64 {
        1 << (self.k - self.buckets)
    }

    /// How far an exponential may be off: half a unit of the mask's factor, which is 1 at least, and of the public one, which the
    /// other multiplies by up to that of a bucket.
    fn allowed(self, want: f64, public: u8) -> f64 {
        let bucket = (self.width() as f64 / f64::from(self.fraction).exp2()).exp();
        want * 2f64.powi(-13) * 1.01 + bucket * 0.6 * f64::from(-i16::from(public)).exp2()
    }

    /// A wire of the numbers, which a test gives without the offset.
    fn wire(self, b: &mut Builder, shape: &[usize]) -> ValueId {
        let share = b.share(shape, self.k, self.k - 1);
        b.program.values[share.0 as usize].fraction = self.fraction;
        b.program.weights.last_mut().expect("a weight").fraction = self.fraction;
        b.open(share, self.k, 0, self.k - 1)
    }

    /// exp of a wire in `count` buckets, with (12, public) fraction bits, in a ring.
    fn exponential(self, b: &mut Builder, wire: ValueId, count: u8, public: u8, ring: u8) -> (ValueId, ValueId) {
        self.scaled_exponential(b, wire, count, (12, public), ring)
    }

    /// The same with any fraction bits.
    fn scaled_exponential(
        self,
        b: &mut Builder,
        wire: ValueId,
        count: u8,
        (mask_fraction, public_fraction): (u8, u8),
        ring: u8,
    ) -> (ValueId, ValueId) {
        let shape = b.program.value(wire).shape.clone();
        let gate = Gate::BucketBits { source: wire, offset: self.offset(), buckets: self.buckets };
        let bits = b.push(gate, Kind::Bits, &shape, count, 0, count);
        let gate = Gate::Exponential { bits, source: wire, mask_fraction, public_fraction };
        let fraction = mask_fraction + public_fraction;
        (bits, b.push(gate, Kind::Share, &shape, ring, fraction.into(), fraction + 1))
    }
}

/// Every number of the domain under every mask: right to the last bits up to the cut, and exactly 0 beyond the last bucket.
#[test]
fn exponentials_are_right_for_every_value_and_mask_of_small_rings() {
    for (k, fraction, buckets, count, ring) in [(9u8, 4i16, 3u8, 3u8, 44u8), (8, 3, 2, 2, 64), (9, 5, 4, 4, 44)] {
        let of = Ring { k, fraction, buckets };
        let size = 1usize << k;
        let end = of.end() as usize;
        let mut b = Builder::new();
        let wire = of.wire(&mut b, &[end * size]);
        let public = 28;
        let (_, y) = of.exponential(&mut b, wire, count, public, ring);
        b.reveal(y, ring, 0);
        let x: Vec<i64> = (0..end * size).map(|i| (i / size) as i64 - of.offset()).collect();
        let seen = run(&b.program, std::slice::from_ref(&x), &[], &mut masked_by(wire, 3, |i| (i % size) as u64));
        for (i, got) in seen.outputs[0].iter().enumerate() {
            let (y, mask) = ((i / size) as i64, (i % size) as i64);
            let want = (-(y as f64) / f64::from(fraction).exp2()).exp();
            let (got, allowed) = (*got as f64 / f64::from(12 + public).exp2(), of.allowed(want, public));
            // A number lies in the bucket of its distance or in the next.
            if y >= of.width() * i64::from(count) {
                assert_eq!(got, 0.0, "{y} under {mask}");
            } else if y <= of.width() * i64::from(count - 1) {
                assert!((got - want).abs() <= allowed, "{y} under {mask}: {got} for {want}");
            } else {
                assert!(got == 0.0 || (got - want).abs() <= allowed, "{y} under {mask}: {got}");
            }
        }
    }
}

#[test]
fn exponentials_at_production_widths() {
    for (k, buckets, count, public, ring) in [(20u8, 4u8, 3u8, 48u8, 63u8), (21, 5, 3, 36, 64), (18, 4, 5, 22, 36)] {
        let of = Ring { k, fraction: 12, buckets };
        let mut s = u64::from(k);
        let special = [0, 1, of.width() - 1, of.width(), of.width() * i64::from(count), of.end() - 1];
        let numbers: Vec<i64> = (0..3000)
            .map(|i| special.get(i).copied().unwrap_or_else(|| (mix(&mut s) % of.end() as u64) as i64))
            .chain((0..3000).map(|i| i * 17))
            .collect();
        let mut b = Builder::new();
        let wire = of.wire(&mut b, &[numbers.len()]);
        let (_, y) = of.exponential(&mut b, wire, count, public, ring);
        b.reveal(y, ring, 0);
        let x: Vec<i64> = numbers.iter().map(|y| y - of.offset()).collect();
        let seen = run_seeded(&b.program, &[x], &[], 9);
        for (y, got) in numbers.iter().zip(&seen.outputs[0]) {
            let (want, got) = ((-(*y as f64) / 4096.0).exp(), *got as f64 / f64::from(12 + public).exp2());
            let whole = *y <= of.width() * i64::from(count - 1);
            assert!((got - want).abs() <= of.allowed(want, public) || !whole && got == 0.0, "{y}: {got} for {want}");
        }
    }
}

/// What two parties make of both parts of every mask of small rings: every item is the integer function of the parts, and every
/// number's result that of them, right to the last bits up to the cut and exactly 0 beyond the last bucket.
#[test]
fn two_parties_make_exponentials_of_every_value_and_both_parts_of_its_mask() {
    for (k, fraction, buckets, count) in [(6u8, 2i16, 2u8, 3u8), (5, 1, 1, 2), (6, 4, 3, 4)] {
        let of = Ring { k, fraction, buckets };
        let position = k - buckets;
        let (size, end) = (1usize << k, of.end() as usize);
        let growth = growth(position, fraction as u8);
        let (mask_fraction, public) = (26 + growth, 20);
        let mut b = Builder::new();
        let wire = of.wire(&mut b, &[end * size * size]);
        let (bits, y) = of.scaled_exponential(&mut b, wire, count, (mask_fraction, public), 62);
        b.reveal(y, 62, 0);
        let program = pair::paired(&b.program);
        verify(&program).unwrap_or_else(|v| panic!("{v:?}"));
        let parts = |row: usize| [(row / size % size) as u64, (row % size) as u64];
        let x: Vec<i64> = (0..end * size * size).map(|row| (row / size / size) as i64 - of.offset()).collect();
        let draw = &mut masked(wire, 3, parts);
        let made = pair::make(&program, std::slice::from_ref(&x), draw, 5);
        let exponential = program::exponential(&program, (bits, wire), (mask_fraction, public));
        let factors = exponential.factors();
        let secret: Vec<u64> = (0..x.len()).map(|row| factors.secret(parts(row))).collect();
        let pads = [Owner::ModelOwner, Owner::DataOwner].map(|owner| draw(owner, stream(bits, 0), count, x.len()));
        let mut found = 0;
        for (at, (_, item)) in made.items.iter().enumerate() {
            let padded = match item.what {
                Correlation::Exponent { .. } => None,
                Correlation::PadTimesExponent { position, .. } => Some(position),
                _ => continue,
            };
            found += 1;
            for (row, want) in secret.iter().enumerate() {
                let pad = padded.map_or(1, |position| (pads[0][row] ^ pads[1][row]) >> position & 1);
                let got = made.shares[0][at][row].wrapping_add(made.shares[1][at][row]) & mask(62);
                assert_eq!(got, want * pad, "{item:?} of {:?}", parts(row));
            }
        }
        assert_eq!(found, 1 + count);
        let outputs = pair::run(&program, std::slice::from_ref(&x), &[], draw, made);
        for (row, got) in outputs[0].iter().enumerate() {
            let (y, [first, second]) = ((row / size / size) as u64, parts(row));
            let hat = (y + first + second) & mask(k);
            let bucket = (hat >> position).wrapping_sub((first + second) >> position) & mask(buckets);
            let tau = hat & mask(position);
            let below = u8::try_from(bucket).unwrap() < count;
            let want = if below { factors.public(bucket as u8, tau) * secret[row] } else { 0 };
            assert_eq!(*got as u64, want, "{y} under {first} and {second}");
            let real = (-(y as f64) / f64::from(fraction).exp2()).exp();
            let (got, allowed) = (*got as f64 / f64::from(mask_fraction + public).exp2(), of.allowed(real, public));
            if y >= of.width() as u64 * u64::from(count) {
                assert_eq!(got, 0.0, "{y} under {first} and {second}");
            } else if y <= of.width() as u64 * u64::from(count - 1) {
                assert!((got - real).abs() <= allowed, "{y} under {first} and {second}: {got} for {real}");
            }
        }
    }
}

/// With every mask fixed both parties' shares of what they make are even and odd as often, over what tasks draw.
#[test]
fn shares_of_made_exponentials_are_uniform_whatever_the_masks_are() {
    const RUNS: usize = 400;
    let of = Ring { k: 6, fraction: 2, buckets: 2 };
    let mut b = Builder::new();
    let wire = of.wire(&mut b, &[2]);
    of.scaled_exponential(&mut b, wire, 2, (32, 20), 60);
    let program = pair::paired(&b.program);
    for parts in [[0u64, 0], [63, 63], [17, 60]] {
        let mut odd: Vec<[usize; 2]> = Vec::new();
        for seed in 0..RUNS as u64 {
            let made = pair::make(&program, &[vec![3, -5]], &mut masked(wire, 1, |_| parts), seed);
            let additive = made.items.iter().enumerate().filter(|(_, (_, item))| item.sharing == Sharing::Additive);
            let lows: Vec<[usize; 2]> = additive
                .flat_map(|(at, (_, item))| (0..item.len).map(move |i| (at, i)))
                .map(|(at, i)| [0, 1].map(|p| (made.shares[p][at][i] & 1) as usize))
                .collect();
            odd.resize(lows.len(), [0; 2]);
            odd.iter_mut().zip(&lows).for_each(|(sum, low)| [0, 1].iter().for_each(|p| sum[*p] += low[*p]));
        }
        assert_eq!(odd.len(), 6);
        // Six standard deviations.
        assert!(odd.iter().flatten().all(|odd| (140..260).contains(odd)), "{odd:?}");
    }
}

/// A hop for the bits and one for the result; the formula for what is dealt is that of the code.
#[test]
fn an_exponential_takes_one_hop_and_a_few_dealt_words() {
    let of = Ring { k: 20, fraction: 12, buckets: 4 };
    let mut b = Builder::new();
    let wire = of.wire(&mut b, &[8]);
    let (bits, y) = of.exponential(&mut b, wire, 3, 36, 79);
    assert_eq!((b.program.value(bits).level, b.program.value(y).level), (2, 2));
    let codes = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| lower(&b.program, role));
    let counted = cost::counted(&codes[0], &codes[1], &codes[2]);
    assert_eq!(counted.offline_bytes, cost::program(&b.program).offline_bytes);
    let dealt = counted.offline_bytes.model_owner + counted.offline_bytes.data_owner;
    assert_eq!(dealt, 16 + 4 * 79);
    assert_eq!(counted.online_bytes.data_owner, 20 + 3);
}

/// About half of the words have each of the low bits set, and no two of them go together.
fn assert_uniform(words: &[u64], bits: u8, what: &str) {
    let all = words.len() as f64;
    let far = |ones: usize| (ones as f64 - all / 2.0).abs() > 4.5 * (all / 4.0).sqrt();
    for i in 0..bits {
        assert!(!far(words.iter().filter(|w| *w >> i & 1 == 1).count()), "{what}: bit {i}");
        for j in 0..i {
            assert!(!far(words.iter().filter(|w| (*w >> i ^ *w >> j) & 1 == 0).count()), "{what}: bits {i} and {j}");
        }
    }
}

fn opened(seen: &Seen, hop: usize) -> Vec<u64> {
    let [a, b] = &seen.messages[hop];
    a[0].iter().zip(&b[0]).map(|(a, b)| a ^ b).collect()
}

#[test]
fn opened_bits_of_buckets_look_uniform_for_every_value() {
    let of = Ring { k: 20, fraction: 12, buckets: 4 };
    for y in [0, 4096, of.width() + 5, of.end() - 1] {
        let mut b = Builder::new();
        let wire = of.wire(&mut b, &[20_000]);
        of.exponential(&mut b, wire, 4, 36, 60);
        let seen = run_seeded(&b.program, &[vec![y - of.offset(); 20_000]], &[], 5);
        assert_uniform(&opened(&seen, 1), 4, &format!("bits at {y}"));
        for (dealt, bits) in seen.dealt.iter().zip([16, 60, 60, 60, 60, 60]) {
            assert_uniform(dealt, bits, &format!("dealt at {y}"));
        }
    }
}

/// A maximum of rows by counts: thresholds 2^step apart, counts in a ring.
#[derive(Clone, Copy)]
struct Maximum {
    of: Ring,
    step: u8,
    count: u8,
}

/// The values of a maximum by counts.
struct Counted {
    wire: ValueId,
    counts: ValueId,
    opened: ValueId,
    bits: ValueId,
    zero: ValueId,
    row: ValueId,
    lowered: ValueId,
}

impl Maximum {
    fn thresholds(self) -> usize {
        (self.of.end() as usize).div_ceil(1 << self.step)
    }

    /// Bits of the row's number of empty thresholds.
    fn row_bits(self) -> u8 {
        self.of.k - self.step
    }

    fn build(self, b: &mut Builder, rows: usize, n: usize, digits: &[u8]) -> Counted {
        let Maximum { of, step, count } = self;
        let wire = of.wire(b, &[rows, n]);
        let gate = Gate::BucketCounts { source: wire, offset: of.offset(), buckets: of.buckets, step };
        let counts = b.push(gate, Kind::Share, &[rows, self.thresholds()], count, 0, count - 1);
        let opened = b.open(counts, count, 0, count - 1);
        let gate =
            Gate::ZeroDigits { source: opened, offset: (1 << (count - 1)) - 1, digits: SmallVec::from_slice(digits) };
        let shape = [rows, self.thresholds()];
        let bits = b.push(gate, Kind::Bits, &shape, digits.len() as u8, 0, 0);
        let ring = self.row_bits();
        let zero = b.push(Gate::ZeroShare { bits }, Kind::Share, &shape, ring, 0, 1);
        let sum = b.push(Gate::SumRow { source: zero }, Kind::Share, &[rows, 1], ring, 0, ring);
        let middle = (1i64 << (ring - 1)) - 1;
        let sum = b.push(Gate::AddPublic { source: sum, term: -middle }, Kind::Share, &[rows, 1], ring, 0, ring - 1);
        let shift = of.fraction - i16::from(step);
        let sum = b.push(Gate::Rescale { source: sum, shift }, Kind::Share, &[rows, 1], ring, shift, ring - 1);
        let row = b.open(sum, ring, 0, ring - 1);
        // The number of thresholds that none is at or below is one more than the last one's.
        let term = of.width() / 2 + (1 << step) - (middle << step);
        let gate = Gate::SubRow { source: wire, row, shift: step, term };
        let lowered = b.push(gate, Kind::Wire, &[rows, n], of.k, of.fraction, of.k - 1);
        Counted { wire, counts, opened, bits, zero, row, lowered }
    }
}

/// Rows that are all equal, with one far entry, with entries at both ends, and any.
fn rows(of: Ring, n: usize, count: usize, highest: i64) -> Vec<Vec<i64>> {
    let mut s = 7 + n as u64;
    let mut out = vec![vec![0; n], vec![highest; n], vec![1; n], vec![of.width() - 1; n]];
    for at in [0, n - 1] {
        let mut row = vec![highest; n];
        row[at] = 0;
        out.push(row);
        let mut row = vec![0; n];
        row[at] = highest;
        out.push(row);
    }
    while out.len() < count {
        let least = (mix(&mut s) % (highest as u64 + 1)) as i64;
        let spread = 1 + mix(&mut s) % (highest - least + 1) as u64;
        out.push((0..n).map(|_| least + (mix(&mut s) % spread) as i64).collect());
    }
    out
}

/// Whatever the row and the masks: no number is below zero afterwards, and the least is at most a bucket and a threshold's step.
#[test]
fn the_least_of_every_row_comes_near_zero_and_none_below() {
    let ring = |k, buckets| Ring { k, fraction: 2, buckets };
    for (of, step, count, digits, lengths) in [
        (ring(8, 4), 2u8, 4u8, &[4u8][..], &[1usize, 3, 14][..]),
        (ring(10, 5), 3, 8, &[4, 4], &[2, 126, 254]),
        (ring(9, 3), 6, 3, &[2, 1], &[1, 2, 6]),
        (ring(9, 4), 0, 5, &[3, 2], &[5, 30]),
        (ring(8, 3), 3, 10, &[5, 5], &[300, 1022]),
    ] {
        for &n in lengths {
            let maximum = Maximum { of, step, count };
            let highest = of.end() - (1 << step) - of.width() / 2 - 1;
            let all = rows(of, n, if n > 100 { 24 } else { 200 }, highest);
            let mut b = Builder::new();
            let counted = maximum.build(&mut b, all.len(), n, digits);
            let gate = Gate::MulServer { source: counted.lowered, weight: b.weight(&[n], 0, 2) };
            let share = b.push(gate, Kind::Share, &[all.len(), n], of.k, of.fraction, of.k - 1);
            b.reveal(share, of.k, 0);
            b.reveal(counted.zero, maximum.row_bits(), 0);
            let numbers: Vec<i64> = all.concat();
            let x: Vec<i64> = numbers.iter().map(|y| y - of.offset()).collect();
            for seed in 0..if n > 100 { 2 } else { 6 } {
                let seen = run_seeded(&b.program, &[x.clone(), vec![1; n]], &[], seed);
                let mut s = seen.outputs[0].chunks(n).zip(seen.outputs[1].chunks(maximum.thresholds()));
                for row in &all {
                    let (lowered, zero) = s.next().unwrap();
                    let modulo = mask(of.k) as i64;
                    let lowered: Vec<i64> = lowered.iter().map(|y| (y + of.offset()) & modulo).collect();
                    let least = lowered.iter().min().unwrap();
                    assert!(*least <= of.width() + (1 << step), "{row:?}: {lowered:?}");
                    // Nothing wrapped: all moved by the same.
                    let moved = row[0] - lowered[0];
                    assert!(row.iter().zip(&lowered).all(|(y, l)| y - l == moved), "{row:?}: {lowered:?}");
                    // The empty thresholds come first.
                    let empty = zero.iter().take_while(|z| **z != 0).count();
                    assert!(zero[empty..].iter().all(|z| *z == 0), "{zero:?}");
                }
            }
        }
    }
}

/// Three hops, whatever the length of a row; nothing travels for the wire that is left; what is dealt is what formulas say.
#[test]
fn a_maximum_by_counts_takes_three_hops() {
    let of = Ring { k: 20, fraction: 12, buckets: 5 };
    let maximum = Maximum { of, step: 12, count: 8 };
    let mut b = Builder::new();
    let c = maximum.build(&mut b, 2, 128, &[4, 4]);
    let level = |id: ValueId| b.program.value(id).level;
    assert_eq!([c.wire, c.counts, c.opened, c.bits, c.zero, c.row, c.lowered].map(level), [1, 1, 2, 3, 3, 4, 4]);
    let codes = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| lower(&b.program, role));
    let counted = cost::counted(&codes[0], &codes[1], &codes[2]);
    let predicted = cost::program(&b.program);
    assert_eq!((counted.offline_bytes, counted.online_bytes), (predicted.offline_bytes, predicted.online_bytes));
    let thresholds = 2 * maximum.thresholds() as u64;
    let dealt = counted.offline_bytes.model_owner + counted.offline_bytes.data_owner;
    assert_eq!(dealt, 2 * 128 * 31 + thresholds * (32 + 3 * 8) / 8);
    assert_eq!(counted.online_bytes.data_owner, 2 * 128 * 20 / 8 + thresholds * (8 + 2) / 8 + 2);
}

/// Whether a number of a few bits is zero, for every number under every mask.
#[test]
fn zero_is_told_from_all_else_for_every_value_and_mask() {
    for (digits, ring) in [(&[3u8, 2][..], 7u8), (&[6], 64), (&[2, 2, 1], 33), (&[1, 1, 2, 1], 3)] {
        let k: u8 = digits.iter().sum();
        let size = 1usize << k;
        let x: Vec<i64> = (0..size * size).map(|i| signed((i / size) as u64, k)).collect();
        for zero in [0, -3] {
            let mut b = Builder::new();
            let share = b.share(&[x.len()], k, k - 1);
            let wire = b.open(share, k, 0, k - 1);
            let gate = Gate::ZeroDigits { source: wire, offset: -zero, digits: SmallVec::from_slice(digits) };
            let bits = b.push(gate, Kind::Bits, &[x.len()], digits.len() as u8, 0, 0);
            let y = b.push(Gate::ZeroShare { bits }, Kind::Share, &[x.len()], ring, 0, 1);
            b.reveal(y, ring.min(64), 0);
            let seen = run(&b.program, std::slice::from_ref(&x), &[], &mut masked_by(wire, 3, |i| (i % size) as u64));
            for (x, got) in x.iter().zip(&seen.outputs[0]) {
                assert_eq!(*got, i64::from(*x == zero), "{x} with digits {digits:?}");
            }
        }
    }
}

/// All masks, pads and shares that the other party draws, in rings of a few bits: what a party sees, sent and dealt, is
/// distributed alike for every value.
#[test]
fn the_view_of_an_exponential_does_not_depend_on_the_value() {
    let of = Ring { k: 3, fraction: 0, buckets: 1 };
    let build = |rows| {
        let mut b = Builder::new();
        let wire = of.wire(&mut b, &[rows]);
        let (bits, y) = of.exponential(&mut b, wire, 2, 4, 2);
        (b, wire, bits, y)
    };
    for party in [Owner::DataOwner, Owner::ModelOwner] {
        // As many rows as decide who receives what.
        let (b, wire, bits, _) = build(1 << 10);
        let free = free(&b, party, &[(wire, 3), (bits, 2)]);
        let rows = 1usize << free.iter().map(|f| u32::from(f.1)).sum::<u32>();
        let (b, ..) = build(rows);
        for own in [0u64, 1, 0x9e37_79b9_7f4a_7c15] {
            let view = |y: i64| views(&b, &[vec![y - of.offset(); rows]], (party, own), &free);
            let base = view(0);
            for y in 1..of.end() {
                assert!(view(y) == base, "{y} at {party:?}");
            }
        }
    }
}

#[test]
fn the_view_of_a_maximum_does_not_depend_on_the_row() {
    let maximum = Maximum { of: Ring { k: 3, fraction: 0, buckets: 1 }, step: 2, count: 2 };
    let build = |rows| {
        let mut b = Builder::new();
        let counted = maximum.build(&mut b, rows, 1, &[2]);
        (b, counted)
    };
    assert_eq!(maximum.thresholds(), 1);
    for party in [Owner::DataOwner, Owner::ModelOwner] {
        // As many rows as decide who receives what.
        let (b, c) = build(1 << 10);
        let free = free(&b, party, &[(c.wire, 3), (c.opened, 2), (c.bits, 1), (c.row, 1)]);
        let rows = 1usize << free.iter().map(|f| u32::from(f.1)).sum::<u32>();
        let (b, _) = build(rows);
        for own in [0u64, 1, 0x9e37_79b9_7f4a_7c15] {
            let view = |y: i64| views(&b, &[vec![y - maximum.of.offset(); rows]], (party, own), &free);
            let base = view(0);
            for y in 1..maximum.of.end() {
                assert!(view(y) == base, "{y} at {party:?}");
            }
        }
    }
}
