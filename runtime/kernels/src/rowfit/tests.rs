use super::*;
use crate::level::{self, Level};

fn random(stream: u64) -> impl FnMut() -> u64 {
    let prg = crate::Prg::new(&crate::Seed::from_bytes([11; 16]));
    let mut at = 0;
    move || {
        at += 1;
        prg.word(stream, at)
    }
}

fn rsqrt(ring_bits: u32, index_bits: u32, windows: u32, fraction: u32) -> RowTable {
    let function = RowFunction::Rsqrt { scale: 2f64.powi(-32), eps: 1e-5 };
    RowTable { ring_bits, index_bits, windows, degree: 3, tau_bits: 14, fraction, function }
}

fn recip(ring_bits: u32, index_bits: u32, windows: u32, fraction: u32) -> RowTable {
    let function = RowFunction::Recip { scale: 2f64.powi(-12), eps: 1e-5 };
    RowTable { ring_bits, index_bits, windows, degree: 3, tau_bits: 14, fraction, function }
}

fn sqrt(ring_bits: u32, index_bits: u32, windows: u32, fraction: u32) -> RowTable {
    let function = RowFunction::Sqrt { scale: 2f64.powi(-20), eps: 1e-6 };
    RowTable { ring_bits, index_bits, windows, degree: 3, tau_bits: 14, fraction, function }
}

fn relative_error(table: &RowTable, v: u64, mask: u64) -> f64 {
    let y = eval_plain(table, v, mask) as f64 / 2f64.powi((table.fraction + table.tau_bits) as i32);
    (y / table.function.value(v as f64) - 1.0).abs()
}

/// Largest relative error over log-uniform values of the domain under random masks, as −log2.
fn accuracy(table: &RowTable) -> f64 {
    table.check().unwrap();
    let mut next = random(u64::from(table.ring_bits * 100 + table.index_bits));
    let domain = table.domain();
    let octaves = (domain.end as f64 / domain.start as f64).log2();
    let mut worst = 0f64;
    for _ in 0..60_000 {
        let u = (next() >> 11) as f64 / (1u64 << 53) as f64;
        let v = (domain.start as f64 * 2f64.powf(u * octaves)) as u64;
        let v = v.clamp(domain.start, domain.end - 1);
        worst = worst.max(relative_error(table, v, next()));
    }
    -worst.log2()
}

#[test]
fn inverse_square_roots_meet_their_bounds() {
    for (table, bits) in [
        (rsqrt(36, 8, 1, 18), 13.3),
        (rsqrt(36, 9, 1, 20), 13.3),
        (rsqrt(41, 6, 4, 20), 13.3),
        (rsqrt(41, 6, 4, 18), 13.0),
        (rsqrt(41, 5, 5, 22), 13.3),
    ] {
        let found = accuracy(&table);
        assert!(found > bits, "2^-{found:.2} is not below 2^-{bits}: {table:?}");
        assert!(found < 17.0, "2^-{found:.2} is too good to be measured right: {table:?}");
    }
}

#[test]
fn reciprocals_meet_their_bounds() {
    for table in [recip(25, 8, 1, 28), recip(25, 6, 4, 26), recip(27, 5, 6, 34), recip(30, 6, 5, 34)] {
        for tau_bits in [13, 14] {
            let table = RowTable { tau_bits, ..table };
            let found = accuracy(&table);
            assert!(found > 12.0, "2^-{found:.2} is not below 2^-12: {table:?}");
            assert!(found < 15.0, "2^-{found:.2} is too good to be measured right: {table:?}");
        }
    }
}

#[test]
fn square_roots_meet_their_bounds() {
    for table in [sqrt(36, 8, 1, 26), sqrt(36, 9, 1, 26), sqrt(41, 6, 4, 28), sqrt(41, 5, 5, 28)] {
        let found = accuracy(&table);
        assert!(found > 13.5, "2^-{found:.2} is not below 2^-13.5: {table:?}");
    }
}

/// The first values of the domain, where the function is steepest, under masks that put every part of a bucket there,
/// with the fewest position bits in use.
#[test]
fn the_lowest_bucket_is_within_its_bound_at_every_offset() {
    for (k, n, w) in [(25, 8, 1), (30, 6, 4), (31, 5, 6)] {
        for (table, bits) in [(recip(k, n, w, 34), 12.2), (rsqrt(k, n, w, 34), 13.6)] {
            let table = RowTable { tau_bits: 13, ..table };
            let (lo, width) = (table.domain().start, 1u64 << table.bucket_bits(w - 1));
            let mut worst = 0f64;
            for v in (lo..lo + 2 * width).step_by((width as usize / 64).max(1)) {
                for offset in (0..width).step_by((width as usize / 256).max(1)) {
                    worst = worst.max(relative_error(&table, v, offset));
                }
            }
            assert!(-worst.log2() > bits, "2^{:.2}: {table:?}", worst.log2());
        }
    }
}

#[test]
fn seams_between_buckets_and_windows_are_accurate() {
    for table in [rsqrt(36, 8, 1, 20), rsqrt(41, 6, 4, 20), recip(25, 6, 4, 26)] {
        let k = table.ring_bits;
        let domain = table.domain();
        let mut next = random(7);
        let mut values = vec![domain.start, domain.start + 1, domain.end - 1];
        for w in 0..table.windows {
            let width = 1u64 << table.bucket_bits(w);
            for lo in [11 * width / 4, 9 * width / 4] {
                values.extend([lo - 1, lo, lo + 1, lo + width - 1, lo + width]);
            }
        }
        values.retain(|v| domain.contains(v));
        for &v in &values {
            for _ in 0..2000 {
                let r = next();
                let w = (r >> 60) as u32 % table.windows;
                let width = 1u64 << table.bucket_bits(w);
                for mask in [r, r & !(width - 1), (r & !(width - 1)).wrapping_sub(1), 0, !0] {
                    let error = relative_error(&table, v, mask);
                    assert!(error < 2f64.powi(-12), "v = {v}, mask {:#x}: {error}", mask & ((1 << k) - 1));
                }
            }
        }
    }
}

#[test]
fn values_below_the_domain_saturate() {
    for (table, margin) in [(rsqrt(36, 8, 1, 20), 1.35), (rsqrt(41, 6, 4, 20), 1.35), (recip(25, 6, 4, 26), 1.8)] {
        let lo = table.domain().start;
        let at_lo = table.function.value(lo as f64);
        let mut next = random(8);
        for v in [0, 1, lo / 4, lo / 2, lo - 1] {
            for _ in 0..5000 {
                let y = eval_plain(&table, v, next()) as f64 / 2f64.powi((table.fraction + table.tau_bits) as i32);
                assert!((0.99 * at_lo..margin * at_lo).contains(&y), "v = {v}: {y} against {at_lo}");
            }
        }
    }
}

/// An increasing function stays between its values at the domain's start and one bucket below.
#[test]
fn square_roots_below_the_domain_level_off() {
    for table in [sqrt(36, 8, 1, 26), sqrt(41, 6, 4, 28)] {
        let lo = table.domain().start;
        let width = 1u64 << table.bucket_bits(table.windows - 1);
        let [at_lo, below] = [lo, lo - width].map(|v| table.function.value(v as f64));
        let mut next = random(8);
        for v in [0, 1, lo / 4, lo / 2, lo - 1] {
            for _ in 0..5000 {
                let y = eval_plain(&table, v, next()) as f64 / 2f64.powi((table.fraction + table.tau_bits) as i32);
                assert!((0.99 * below..1.001 * at_lo).contains(&y), "v = {v}: {y} in {below}..{at_lo}");
            }
        }
    }
}

#[test]
fn a_whole_row_holds_the_same_entries() {
    for table in [rsqrt(36, 8, 1, 18), rsqrt(41, 6, 4, 20)] {
        let mut next = random(9);
        let mut row = vec![0; table.words_per_row()];
        for _ in 0..20 {
            let mask = next();
            fit_row(&table, mask, &mut row).unwrap();
            for _ in 0..200 {
                let v = next() & ((1 << table.ring_bits) - 1);
                assert_eq!(eval_row(&table, |at| row[at], v.wrapping_add(mask)), eval_plain(&table, v, mask));
            }
        }
    }
}

/// A window fitted with vectors holds what each of its buckets has alone, bit for bit.
#[test]
fn rows_are_their_entries_at_every_level() {
    let tables =
        [rsqrt(36, 8, 1, 18), rsqrt(41, 6, 4, 20), recip(30, 7, 2, 22), recip(12, 5, 3, 20), sqrt(33, 9, 2, 16)];
    for table in tables {
        table.check().unwrap();
        let mut next = random(12);
        for _ in 0..5 {
            let mask = next();
            for level in Level::ALL.into_iter().filter(|&level| level <= level::hardware()) {
                let mut row = vec![7; table.words_per_row()];
                fit::fit_row_at(level, &table, mask, &mut row);
                for w in 0..table.windows {
                    for j in 0..table.entries() {
                        let entry = fit_entry(&table, mask, w, j);
                        let found: [u64; NODES] = std::array::from_fn(|q| row[table.coefficient_at(w, q as u32, j)]);
                        assert_eq!(found, entry.coefficients, "{level:?}: {table:?} window {w} bucket {j}");
                        if w + 1 < table.windows {
                            assert_eq!(row[table.flag_at(w, j)], entry.low, "{level:?}: flag {j} of window {w}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn shares_of_a_row_give_shares_of_the_value() {
    let table = rsqrt(41, 6, 4, 20);
    let mut next = random(10);
    let mask = next();
    let mut row = vec![0; table.words_per_row()];
    fit_row(&table, mask, &mut row).unwrap();
    let first: Vec<u64> = row.iter().map(|_| next()).collect();
    for _ in 0..200 {
        let masked = next();
        for w in 0..table.windows {
            let whole = window_value(&table, |at| row[at], w, masked);
            let zero = window_value(&table, |at| first[at], w, masked);
            let one = window_value(&table, |at| row[at].wrapping_sub(first[at]), w, masked);
            assert_eq!(zero.0.wrapping_add(one.0), whole.0);
            assert_eq!(zero.1.wrapping_add(one.1), whole.1);
        }
    }
}

#[test]
fn positions_tile_the_row() {
    let table = rsqrt(41, 6, 4, 20);
    let mut seen = vec![false; table.words_per_row()];
    assert_eq!(seen.len(), 1216);
    for j in 0..table.entries() {
        for w in 0..4 {
            for q in 0..4 {
                assert!(!std::mem::replace(&mut seen[table.coefficient_at(w, q, j)], true));
            }
            if w < 3 {
                assert!(!std::mem::replace(&mut seen[table.flag_at(w, j)], true));
            }
        }
    }
    assert!(seen.into_iter().all(|seen| seen));
    assert_eq!(rsqrt(36, 8, 1, 18).words_per_row(), 1024);
}

#[test]
fn entries_equal_the_known_ones() {
    let mut count = 0;
    for line in include_str!("coefficients.txt").lines().filter(|line| !line.starts_with('#')) {
        let (shape, entry) = line.split_once(" : ").unwrap();
        let shape: Vec<&str> = shape.split(' ').collect();
        let number = |i: usize| shape[i].parse::<u32>().unwrap();
        let scale = 2f64.powi(-(number(5) as i32));
        let eps: f64 = shape[6].parse().unwrap();
        let function = match shape[0] {
            "rsqrt" => RowFunction::Rsqrt { scale, eps },
            _ => RowFunction::Recip { scale, eps },
        };
        let table = RowTable { function, ..rsqrt(number(1), number(2), number(3), number(4)) };
        let mask: u64 = shape[7].parse().unwrap();
        let entry: Vec<i64> = entry.split(' ').map(|word| word.parse().unwrap()).collect();
        let found = fit_entry(&table, mask, entry[0] as u32, entry[1] as usize);
        assert_eq!(found.low, entry[2] as u64, "{line}");
        assert_eq!(found.coefficients.map(|c| c as i64)[..], entry[3..], "{line}");
        count += 1;
    }
    assert!(count > 300);
}

#[test]
fn impossible_tables_are_refused() {
    let good = rsqrt(41, 6, 4, 20);
    assert_eq!(good.check(), Ok(()));
    for (name, bad) in [
        ("degree", RowTable { degree: 2, ..good }),
        ("windows", RowTable { windows: 0, ..good }),
        ("ring_bits", RowTable { ring_bits: 17, ..good }),
        ("ring_bits", RowTable { ring_bits: 63, ..good }),
        ("index_bits", RowTable { index_bits: 4, ..good }),
        ("fraction", RowTable { fraction: 41, ..good }),
        ("fraction", recip(18, 6, 4, 40)),
        ("tau_bits", RowTable { tau_bits: 0, ..good }),
        ("fraction", sqrt(60, 6, 4, 30)),
    ] {
        match bad.check() {
            Err(RowError::Parameter { name: found, .. }) => assert_eq!(found, name),
            other => panic!("{bad:?} gave {other:?}"),
        }
    }
    assert_eq!(RowTable { ring_bits: 18, ..good }.check(), Ok(()));
}

#[test]
fn the_narrowest_ring_works() {
    let table = recip(18, 6, 4, 26);
    table.check().unwrap();
    let mut next = random(12);
    for v in table.domain().step_by(97) {
        assert!(relative_error(&table, v, next()) < 2f64.powi(-12));
    }
}
