use super::keys::generate_at;
use super::shares::evaluate_at;
use super::*;
use crate::level::{self, Level};
use crate::prg::{Prg, Seed};
use entry::Entry;

fn words(seed: u8, stream: u64, len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    Prg::new(&Seed::from_bytes([seed; 16])).fill(stream, 0, &mut out);
    out
}

fn rsqrt(ring_bits: u32, levels: u32, fraction: u32) -> RowTable {
    let function = RowFunction::Rsqrt { scale: 2f64.powi(-32), eps: 1e-5 };
    RowTable { ring_bits, levels, position_bits: 13, fraction, function }
}

fn recip(ring_bits: u32, levels: u32, fraction: u32) -> RowTable {
    let function = RowFunction::Recip { scale: 2f64.powi(-12), eps: 1e-5 };
    RowTable { ring_bits, levels, position_bits: 13, fraction, function }
}

fn sqrt(ring_bits: u32, levels: u32, fraction: u32) -> RowTable {
    let function = RowFunction::Sqrt { scale: 2f64.powi(-20), eps: 1e-6 };
    RowTable { ring_bits, levels, position_bits: 13, fraction, function }
}

/// Keys of a batch of masks with both roots.
struct Keys {
    roots: [Vec<u64>; 2],
    seeds: Vec<u64>,
    controls: Vec<u64>,
    values: Vec<u64>,
}

impl Keys {
    fn new<E: Entry>(level: Level, table: &RowTable, masks: &[u64]) -> Keys {
        let [s, c, v] = words_per_key(table.levels);
        let n = masks.len();
        let roots = [words(5, 0, 2 * n), words(5, 1, 2 * n)];
        let mut keys =
            Keys { roots, seeds: vec![0; s * n], controls: vec![0; c * n], values: vec![0; v * n * E::WORDS] };
        let out = Words { seeds: &mut keys.seeds[..], controls: &mut keys.controls[..], values: &mut keys.values[..] };
        generate_at::<E>(level, table, masks, [&keys.roots[0], &keys.roots[1]], out);
        keys
    }

    fn share<E: Entry>(&self, level: Level, table: &RowTable, party: u8, points: &[u64]) -> Vec<u64> {
        let mut out = vec![0; points.len() * E::WORDS];
        let given = Words { seeds: &self.seeds[..], controls: &self.controls[..], values: &self.values[..] };
        evaluate_at::<E>(level, table, party, points, &self.roots[usize::from(party)], given, &mut out);
        out
    }

    /// What the shares add up to.
    fn result<E: Entry>(&self, table: &RowTable, points: &[u64]) -> Vec<i64> {
        let [a, b] = [0, 1].map(|party| self.share::<E>(level::current(), table, party, points));
        let sum = |i: usize| E::read(&a, i).add(E::read(&b, i));
        (0..points.len())
            .map(|i| {
                let mut words = [0; 2];
                sum(i).write(&mut words, 0);
                assert!(E::WORDS == 1 || words[1] == (words[0].cast_signed() >> 63).cast_unsigned(), "no wide number");
                words[0].cast_signed()
            })
            .collect()
    }
}

#[test]
fn shares_add_up_to_the_plain_function_for_every_number_and_mask() {
    for (k, levels) in [(7, 4), (7, 5), (7, 6), (7, 7), (8, 6), (8, 8), (6, 6)] {
        let size = 1u64 << k;
        let table = recip(k, levels, 18);
        let masks: Vec<u64> = (0..size).collect();
        let (word, double) =
            (Keys::new::<u64>(level::current(), &table, &masks), Keys::new::<u128>(level::current(), &table, &masks));
        for v in 0..size {
            let points: Vec<u64> = masks.iter().map(|r| (v + r) & (size - 1)).collect();
            let want = plain(&table, &points, &masks);
            assert_eq!(word.result::<u64>(&table, &points), want, "{k} bits, {levels} levels, {v}");
            assert_eq!(double.result::<u128>(&table, &points), want, "{k} bits, {levels} levels, {v}");
        }
    }
}

/// The number alone decides the value: where buckets are single units, to the last bit.
#[test]
fn a_ring_of_levels_to_its_last_bit_is_exact_near_zero() {
    let table = recip(9, 9, 20);
    let masks: Vec<u64> = (0..512).collect();
    for v in 1..15 {
        let points: Vec<u64> = masks.iter().map(|r| (v + r) & 511).collect();
        let unit = (1u64 << 33) as f64;
        for y in plain(&table, &points, &masks) {
            let relative = y as f64 / unit / table.function.value(v as f64) - 1.0;
            assert!(relative.abs() < 2f64.powi(-14), "{v}: {relative}");
        }
    }
}

fn relative_error(table: &RowTable, v: u64, masks: &[u64]) -> f64 {
    let points: Vec<u64> = masks.iter().map(|r| v.wrapping_add(*r)).collect();
    let unit = 2f64.powi((table.fraction + table.position_bits) as i32) * table.function.value(v as f64);
    plain(table, &points, masks).iter().map(|y| (*y as f64 / unit - 1.0).abs()).fold(0.0, f64::max)
}

/// Largest relative error over log-uniform values of the domain under random masks, as −log2.
fn accuracy(table: &RowTable) -> f64 {
    table.check().unwrap();
    let random = words(u8::try_from(table.ring_bits).unwrap(), u64::from(table.levels), 9000);
    let domain = table.domain();
    let octaves = (domain.end as f64 / domain.start as f64).log2();
    let mut worst = 0f64;
    for words in random.chunks_exact(3) {
        let u = (words[0] >> 11) as f64 / (1u64 << 53) as f64;
        let v = (domain.start as f64 * 2f64.powf(u * octaves)) as u64;
        let v = v.clamp(domain.start, domain.end - 1);
        worst = worst.max(relative_error(table, v, &words[1..]));
    }
    for v in [domain.start, domain.start + 1, domain.end - 1] {
        worst = worst.max(relative_error(table, v, &random));
    }
    -worst.log2()
}

#[test]
fn functions_meet_their_bounds_over_any_number_of_octaves() {
    for (table, bits) in [
        (rsqrt(36, 12, 22), 15.5),
        (rsqrt(41, 24, 20), 14.5),
        (rsqrt(38, 38, 22), 14.5),
        (recip(25, 12, 28), 14.2),
        (recip(25, 25, 30), 14.2),
        (recip(34, 30, 38), 14.2),
        (sqrt(36, 12, 26), 15.0),
        (sqrt(41, 41, 28), 14.5),
    ] {
        let found = accuracy(&table);
        assert!(found > bits, "2^-{found:.2} is not below 2^-{bits}: {table:?}");
        assert!(found < 20.0, "2^-{found:.2} is too good to be measured right: {table:?}");
    }
}

#[test]
fn values_below_the_domain_saturate() {
    for table in [rsqrt(36, 12, 20), rsqrt(41, 20, 20), recip(25, 18, 26), sqrt(36, 12, 26)] {
        let unit = 2f64.powi((table.fraction + table.position_bits) as i32);
        let start = table.domain().start;
        let ends = [start as f64, table.least()].map(|v| table.function.value(v));
        let (low, high) = (ends[0].min(ends[1]) * 0.999, ends[0].max(ends[1]) * 1.001);
        let masks = words(8, 0, 5000);
        for v in [0, 1, start / 4, start / 2, start - 1] {
            let points: Vec<u64> = masks.iter().map(|r| v.wrapping_add(*r)).collect();
            for y in plain(&table, &points, &masks) {
                assert!((low..high).contains(&(y as f64 / unit)), "v = {v}: {} of {table:?}", y as f64 / unit);
            }
        }
    }
}

#[test]
fn parameters_out_of_bounds_are_named() {
    let name = |table: RowTable| match table.check() {
        Err(RowError::Parameter { name, .. }) => name,
        Ok(()) => "",
    };
    let good = recip(25, 20, 26);
    assert_eq!(name(good), "");
    assert_eq!(name(RowTable { ring_bits: 63, ..good }), "ring_bits");
    assert_eq!(name(RowTable { levels: 3, ..good }), "levels");
    assert_eq!(name(RowTable { levels: 26, ..good }), "levels");
    assert_eq!(name(RowTable { position_bits: 0, ..good }), "position_bits");
    assert_eq!(name(RowTable { position_bits: 31, ..good }), "position_bits");
    assert_eq!(name(RowTable { fraction: 41, ..good }), "fraction");
    assert_eq!(name(RowTable { fraction: 40, levels: 25, ..good }), "fraction");
    let undefined = RowFunction::Recip { scale: 0.0, eps: 0.0 };
    assert_eq!(name(RowTable { function: undefined, ..good }), "fraction");
}

/// Every level of the hardware makes the same keys and shares.
#[test]
fn levels_of_instruction_sets_agree() {
    let table = rsqrt(41, 30, 20);
    let (masks, points) = (words(3, 0, 37), words(4, 0, 37));
    let all = Level::ALL.into_iter().filter(|&level| level <= level::hardware());
    let made: Vec<_> = all
        .map(|level| {
            let keys = Keys::new::<u128>(level, &table, &masks);
            let shares = [0, 1].map(|party| keys.share::<u128>(level, &table, party, &points));
            (keys.seeds, keys.controls, keys.values, shares)
        })
        .collect();
    assert!(made.windows(2).all(|pair| pair[0] == pair[1]));
}

/// What one party holds and computes is uniform over the other's root, whatever the mask and the opened number.
#[test]
fn correction_words_and_single_shares_look_uniform_for_every_mask() {
    const KEYS: usize = 8192;
    let table = recip(8, 6, 18);
    let [seeds, controls, values] = words_per_key(table.levels);
    for mask in [0u64, 1, 77, 255] {
        for party in 0..2usize {
            let masks = vec![mask; KEYS];
            let mut roots = [words(11, 0, 2 * KEYS), words(11, 1, 2 * KEYS)];
            for own in roots[party].chunks_mut(2) {
                own.copy_from_slice(&[0x1234_5678_9abc_def0, 42]);
            }
            let (mut s, mut c, mut v) = (vec![0; seeds * KEYS], vec![0; KEYS * controls], vec![0; values * KEYS]);
            let out = Words { seeds: &mut s[..], controls: &mut c[..], values: &mut v[..] };
            generate(&table, Width::Word, &masks, [&roots[0], &roots[1]], out);
            let columns = |name: &'static str, data: &[u64], per_key: usize| -> Vec<(&'static str, Vec<u64>)> {
                (0..per_key).map(|w| (name, data.iter().skip(w).step_by(per_key).copied().collect())).collect()
            };
            let mut found = columns("seed", &s, seeds);
            found.extend(columns("value", &v, values));
            for point in [0, 20, 200] {
                let given = Words { seeds: &s[..], controls: &c[..], values: &v[..] };
                let mut share = vec![0; KEYS];
                evaluate(&table, Width::Word, party as u8, &vec![point; KEYS], &roots[party], given, &mut share);
                found.push(("share", share));
            }
            for (name, column) in &found {
                for shift in [0, 4, 32, 60] {
                    let mut counts = [0f64; 16];
                    column.iter().for_each(|w| counts[(w >> shift & 15) as usize] += 1.0);
                    let expected = KEYS as f64 / 16.0;
                    let chi: f64 = counts.iter().map(|n| (n - expected).powi(2) / expected).sum();
                    // 15 degrees of freedom: exceeded once in about 10^9.
                    assert!(chi < 75.0, "{name} of party {party} at bit {shift} for {mask}: {chi}");
                }
            }
            for level in 0..table.levels {
                let ones = c.iter().filter(|w| *w >> level & 1 == 1).count() as f64;
                let half = KEYS as f64 / 2.0;
                assert!((ones - half).abs() < 6.0 * (KEYS as f64).sqrt() / 2.0, "control {level}: {ones}");
            }
        }
    }
}

/// The sum over the nodes that are taken holds for exactly one of them: without the rule that a child is taken only if its
/// parent was not, or with a level left out, some number would be counted twice or not at all.
#[test]
fn exactly_one_visited_node_is_the_masks_for_every_number_and_mask() {
    for (k, levels) in [(7u32, 6u32), (8, 8)] {
        let size = 1u64 << k;
        for v in 0..size - size / 16 {
            for mask in 0..size {
                let hat = (v + mask) & (size - 1);
                let distance = |level: u32| (hat >> (k - level)).wrapping_sub(mask >> (k - level)) & ((1 << level) - 1);
                let near = u64::from(NEAR);
                let takes = |level: u32| distance(level) >= near || level == levels;
                let untaken_above = |level: u32| (FIRST..level).all(|above| distance(above) < near);
                let taken: Vec<u32> = (FIRST..=levels).filter(|l| takes(*l) && untaken_above(*l)).collect();
                assert_eq!(taken.len(), 1, "{v} under {mask}");
                let (level, width) = (taken[0], 1i64 << (k - taken[0]));
                let d = distance(level).cast_signed();
                assert!((v.cast_signed() - d * width).abs() < width, "{v} under {mask}: level {level}, distance {d}");
                assert!(d < 2 * NEAR as i64, "no cubic is listed for distance {d}");
            }
        }
    }
}
