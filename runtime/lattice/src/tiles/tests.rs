use std::ops::Range;

use mpcc_kernels::{Prg, Seed};

use super::*;
use crate::answer::{Variation, stream};
use crate::planes::Planes;
use crate::testing::{Session, distance, numbers, session, unevenness, words};
use crate::{Parameters, TileShape, params};

fn parameters(bits: u32) -> Parameters {
    Parameters::all().find(|p| p.bits() == bits).expect("a set of this size")
}

fn plain_product(shape: TileShape, bits: u32, a: &[u64], b: &[i64]) -> Vec<u64> {
    let TileShape { rows, inner, columns } = shape;
    let mut out = vec![0u64; rows * columns];
    for i in 0..rows {
        for j in 0..inner {
            for l in 0..columns {
                let sum = &mut out[i * columns + l];
                *sum = sum.wrapping_add(a[i * inner + j].wrapping_mul(b[j * columns + l] as u64));
            }
        }
    }
    out.iter_mut().for_each(|v| *v &= u64::MAX >> (64 - bits));
    out
}

/// Both sides' shares of one product, after their bytes were counted.
fn run(s: &mut Session, tiles: &Tiles, variation: Variation, a: &[u64], b: &[i64]) -> [Vec<u64>; 2] {
    let (mut ours, mut theirs) = s.batch();
    let mut product = s.evaluator.tile_product(tiles).expect("keys");
    let mut uploads = s.owner.upload_tiles(tiles, a).expect("a matrix");
    let cost = tiles.layout().cost(s.ring.parameters(), tiles.plain.bits);
    let (mut sent, mut bytes) = (0, Vec::new());
    while uploads.left() > 0 {
        bytes.clear();
        uploads.write(ours.next(), &mut bytes).expect("an upload");
        product.take(theirs.next(), &bytes).expect("an upload");
        sent += bytes.len() as u64;
    }
    assert_eq!((sent, product.missing()), (cost.upload_bytes, 0));
    let results = tiles.layout().shape.rows * tiles.layout().shape.columns;
    let mut shares = [vec![0; results], vec![0; results]];
    let mut answers = product.answers(b).expect("factors");
    let (mut back, mut number) = (0, 0);
    while answers.left() > 0 {
        bytes.clear();
        answers.write_varied(variation, &mut s.randomness, &mut shares[0], &mut bytes).expect("an answer");
        s.owner.open_tiles(tiles, number, &bytes, &mut shares[1]).expect("an answer");
        back += bytes.len() as u64;
        number += 1;
    }
    assert_eq!((back, number), (cost.answer_bytes, tiles.layout().answers()));
    shares
}

fn check(s: &mut Session, tiles: &Tiles, variation: Variation, stream: u64) {
    let shape = tiles.layout().shape;
    let a = words(stream, tiles.plain.bits, shape.rows * shape.inner);
    let b = numbers(1000 + stream, tiles.factor_bits, shape.inner * shape.columns);
    let [x, y] = run(s, tiles, variation, &a, &b);
    let low = u64::MAX >> (64 - tiles.plain.bits);
    let sum: Vec<u64> = x.iter().zip(&y).map(|(x, y)| x.wrapping_add(*y) & low).collect();
    assert!(sum == plain_product(shape, tiles.plain.bits, &a, &b), "{tiles:?}");
}

#[test]
fn products_with_weights_of_17_bits_are_exact_modulo_2_to_61() {
    let mut s = session(parameters(150), 6);
    let shape = TileShape { rows: 65, inner: 70, columns: 150 };
    for (at, (blocks, inner, merged)) in [(1, 5, 5), (2, 6, 6), (3, 4, 2)].into_iter().enumerate() {
        let layout = TileLayout::new(s.ring.parameters(), shape, blocks, inner, merged).expect("a layout");
        let tiles = Tiles::new(&s.ring, layout, 61, 17, Flood::WEIGHTS).expect("a budget");
        check(&mut s, &tiles, Variation::None, 2 * at as u64);
        check(&mut s, &tiles, Variation::LargestFlood, 2 * at as u64 + 1);
    }
}

#[test]
fn products_of_full_factors_are_exact_modulo_2_to_36() {
    let mut s = session(parameters(140), 5);
    for (at, (rows, inner, columns)) in [(65, 40, 70), (1, 1, 1), (5, 300, 3)].into_iter().enumerate() {
        let shape = TileShape { rows, inner, columns };
        let layout = TileLayout::new(s.ring.parameters(), shape, 1, 5, 5).expect("a layout");
        let tiles = Tiles::new(&s.ring, layout, 36, 36, Flood::MASKS).expect("a budget");
        check(&mut s, &tiles, Variation::LargestFlood, at as u64);
    }
}

#[test]
fn up_to_256_groups_are_merged() {
    let mut s = session(params::small(), 8);
    for log in 0..=8u32 {
        let shape = TileShape { rows: 2, inner: (1 << log) + 3, columns: 2 * (1 << log).min(64) + 1 };
        for merged in [0, 1.min(log), log] {
            let layout = TileLayout::new(s.ring.parameters(), shape, 1, log, merged).expect("a layout");
            let tiles = Tiles::new(&s.ring, layout, 40, 12, Flood::WEIGHTS).expect("a budget");
            check(&mut s, &tiles, Variation::LargestFlood, u64::from(log) * 10 + u64::from(merged));
            if log == 0 {
                break;
            }
        }
    }
}

#[test]
fn every_width_is_exact_and_its_masks_are_uniform_in_every_bit() {
    let mut s = session(params::small(), 2);
    let shape = TileShape { rows: 9, inner: 7, columns: 40 };
    let layout = TileLayout::new(s.ring.parameters(), shape, 2, 2, 2).expect("a layout");
    for bits in 1..=64 {
        let tiles = Tiles::new(&s.ring, layout, bits, 8, Flood::MASKS).expect("a budget");
        let a = words(u64::from(bits), bits, 63);
        let b = numbers(500, 8, 280);
        let [x, y] = run(&mut s, &tiles, Variation::None, &a, &b);
        let low = u64::MAX >> (64 - bits);
        let sum: Vec<u64> = x.iter().zip(&y).map(|(x, y)| x.wrapping_add(*y) & low).collect();
        assert_eq!(sum, plain_product(shape, bits, &a, &b));
        for shares in [&x, &y] {
            assert!(shares.iter().all(|&v| v <= low));
            for bit in 0..bits {
                let ones = shares.iter().filter(|&&v| v >> bit & 1 == 1).count() as f64;
                assert!((ones - 180.0).abs() < 57.0, "bit {bit} of {bits}: {ones} ones of 360");
            }
        }
    }
}

/// Numbers and shares of two words.
#[test]
fn products_are_exact_modulo_more_than_a_word() {
    let shape = TileShape { rows: 9, inner: 7, columns: 40 };
    for (set, bits, factor, merged) in [(168, 65, 17, 2), (172, 80, 17, 2), (200, 101, 17, 0), (230, 128, 17, 0)] {
        let mut s = session(parameters(set), merged);
        let layout = TileLayout::new(s.ring.parameters(), shape, 2, 2, merged).expect("a layout");
        let tiles = Tiles::new(&s.ring, layout, bits, factor, Flood::WEIGHTS).expect("a budget");
        let (a, b) = (words(u64::from(bits), 64, 2 * 63), numbers(501, factor, 280));
        let (mut ours, mut theirs) = s.batch();
        let mut product = s.evaluator.tile_product(&tiles).expect("keys");
        let mut uploads = s.owner.upload_tiles(&tiles, &a).expect("a matrix");
        while uploads.left() > 0 {
            let mut bytes = Vec::new();
            uploads.write(ours.next(), &mut bytes).expect("an upload");
            product.take(theirs.next(), &bytes).expect("an upload");
        }
        let mut answers = product.answers(&b).expect("factors");
        let [mut x, mut y] = [const { [0; 2 * 360] }; 2];
        assert!(answers.write(&mut s.randomness, &mut x[..360], &mut Vec::new()).is_err());
        for number in 0..layout.answers() {
            let mut bytes = Vec::new();
            let variation = [Variation::None, Variation::LargestFlood][number % 2];
            answers.write_varied(variation, &mut s.randomness, &mut x, &mut bytes).expect("an answer");
            s.owner.open_tiles(&tiles, number, &bytes, &mut y).expect("an answer");
        }
        let number = |w: &[u64], at: usize| u128::from(w[2 * at]) | u128::from(w[2 * at + 1]) << 64;
        let low = u128::MAX >> (128 - bits);
        for at in 0..360 {
            let (i, l) = (at / 40, at % 40);
            let terms = (0..7).map(|j| number(&a, i * 7 + j).wrapping_mul(i128::from(b[j * 40 + l]) as u128));
            let want = terms.fold(0u128, u128::wrapping_add) & low;
            assert_eq!(number(&x, at).wrapping_add(number(&y, at)) & low, want, "{tiles:?}");
            assert!(number(&x, at) <= low && number(&y, at) <= low);
        }
        for shares in [&x, &y] {
            for bit in 0..bits {
                let ones = (0..360).filter(|&at| number(shares, at) >> bit & 1 == 1).count();
                // Six deviations.
                assert!((123..=237).contains(&ones), "bit {bit} of {bits}: {ones} ones of 360");
            }
        }
    }
}

/// `MPCC_LATTICE_COEFFICIENTS` says how many results are looked at.
#[test]
fn results_are_exact_at_the_largest_width_whatever_the_noise() {
    let asked = std::env::var("MPCC_LATTICE_COEFFICIENTS").ok().map(|n| n.parse().expect("a number of coefficients"));
    let shape = TileShape { rows: 64, inner: 7, columns: 128 };
    let mut s = session(parameters(172), 2);
    let layout = TileLayout::new(s.ring.parameters(), shape, 1, 2, 2).expect("a layout");
    let tiles = Tiles::new(&s.ring, layout, 64, 17, Flood::WEIGHTS).expect("a budget");
    let mut seen = 0;
    while seen < asked.unwrap_or(1 << 16) {
        for variation in [Variation::None, Variation::LargestFlood] {
            check(&mut s, &tiles, variation, seen as u64);
            seen += shape.rows * shape.columns;
        }
    }
}

/// An answer before its moduli are switched, as the owner could see it at most: both parts in coefficients, by prime.
fn raw(s: &mut Session, tiles: &Tiles, variation: Variation, a: &[u64], b: &[i64]) -> [Vec<Vec<u64>>; 2] {
    let (mut ours, mut theirs) = s.batch();
    let mut product = s.evaluator.tile_product(tiles).expect("keys");
    let mut uploads = s.owner.upload_tiles(tiles, a).expect("a matrix");
    while uploads.left() > 0 {
        let mut bytes = Vec::new();
        uploads.write(ours.next(), &mut bytes).expect("an upload");
        product.take(theirs.next(), &bytes).expect("an upload");
    }
    let mut answers = product.answers(b).expect("factors");
    let mut shares = vec![0; tiles.layout.shape.rows * tiles.layout.shape.columns];
    answers.write_varied(variation, &mut s.randomness, &mut shares, &mut Vec::new()).expect("an answer");
    [answers.ready[0].a.clone(), answers.ready[0].b.clone()]
}

/// Noise of a raw answer whose messages are all zero, and is small enough for one prime.
fn noise(s: &Session, [a, b]: &[Vec<Vec<u64>>; 2]) -> Vec<i64> {
    let m = s.ring.limbs[0].modulus;
    let mut product = a[0].clone();
    s.owner.times_secret(0, &mut product);
    let phase = b[0].iter().zip(&product).map(|(&b, &x)| m.sub(b, x));
    phase.map(|v| if v > m.p / 2 { v as i64 - m.p as i64 } else { v as i64 }).collect()
}

fn tiles_with(s: &Session, flood: Flood) -> Tiles {
    let shape = TileShape { rows: 4, inner: 64, columns: 4 };
    let layout = TileLayout::new(s.ring.parameters(), shape, 1, 6, 0).expect("a layout");
    Tiles::new(&s.ring, layout, 40, 17, flood).expect("a budget")
}

#[test]
fn noise_of_answers_does_not_depend_on_weights_and_without_flood_it_does() {
    let mut s = session(params::small(), 0);
    let mut distance_at = |flood: u32, variation: Variation| {
        let tiles = tiles_with(&s, Flood(flood));
        let mut sample = |weight: i64| {
            let mut out = Vec::new();
            for _ in 0..100 {
                // The owner's matrix is zero, so without the mask the phase is the noise.
                let answer = unmasked(&mut s, &tiles, variation, &[0; 256], &[weight; 256]);
                out.extend(noise(&s, &answer));
            }
            out
        };
        distance(sample(0), sample(1 << 16))
    };
    assert!(distance_at(6, Variation::None) < 2.2);
    assert!(distance_at(0, Variation::None) > 5.0);
    assert!(distance_at(6, Variation::NoFlood) > 5.0);
}

/// A raw answer less the mask that the evaluator drew.
fn unmasked(s: &mut Session, tiles: &Tiles, variation: Variation, a: &[u64], b: &[i64]) -> [Vec<Vec<u64>>; 2] {
    let [x, mut y] = raw(s, tiles, variation, a, b);
    let mut mask = vec![0; tiles.layout.degree];
    s.randomness.streams_of_last_answer().fill_masked(stream::MASK, 0, tiles.plain.bits, &mut mask);
    let mut negative = Planes::new(tiles.layout.degree, 64);
    mask.iter().enumerate().for_each(|(x, &m)| negative.set(x, &tiles.plain.remainder(m).map(u64::wrapping_neg)));
    y.iter_mut().enumerate().for_each(|(limb, y)| tiles.plain.scale.add(limb, &negative, y));
    [x, y]
}

#[test]
fn all_coefficients_of_both_parts_are_uniform_and_each_part_left_out_is_seen() {
    let mut s = session(params::small(), 3);
    // Half of the coefficients serve no result.
    let shape = TileShape { rows: 5, inner: 8, columns: 12 };
    let layout = TileLayout::new(s.ring.parameters(), shape, 1, 3, 3).expect("a layout");
    assert!(layout.used() <= 512);
    let tiles = Tiles::new(&s.ring, layout, 40, 17, Flood::WEIGHTS).expect("a budget");
    let mut uneven = |variation: Variation| {
        let [mut a, mut b, mut unused, mut opened] = [const { Vec::new() }; 4];
        let kinds = |limb: &[u64], p: u64| -> Vec<usize> {
            limb.iter().map(|&v| (u128::from(v) * 64 / u128::from(p)) as usize).collect()
        };
        for _ in 0..60 {
            let [x, y] = raw(&mut s, &tiles, variation, &[0; 40], &[0; 96]);
            for (limb, t) in s.ring.limbs.iter().enumerate() {
                a.extend(kinds(&x[limb], t.modulus.p));
                b.extend(kinds(&y[limb], t.modulus.p));
                unused.extend(kinds(&y[limb][layout.used()..], t.modulus.p));
            }
            let [_, shares] = run(&mut s, &tiles, variation, &[0; 40], &[0; 96]);
            opened.extend(shares.into_iter().map(|v| (v >> 34) as usize));
        }
        [a, b, unused, opened].map(|kinds| unevenness(kinds.into_iter(), 64))
    };
    assert!(uneven(Variation::None).iter().all(|&u| u < 6.0));
    // Without zero, `a` is what the product made it; without a mask, the results are open.
    assert!(uneven(Variation::NoZero)[0] > 100.0);
    assert!(uneven(Variation::NoMask)[3] > 100.0);
}

#[test]
fn a_diagonal_beside_a_product_shares_its_uploads_and_skips_its_zeros() {
    let mut s = session(params::small(), 2);
    let shape = TileShape { rows: 80, inner: 24, columns: 24 + 6 };
    let layout = TileLayout::new(s.ring.parameters(), shape, 1, 2, 2).expect("a layout");
    let tiles = Tiles::new(&s.ring, layout, 30, 10, Flood::MASKS).expect("a budget");
    let (a, mut b) = (words(1, 30, 80 * 24), vec![0; 24 * 30]);
    for (at, v) in numbers(2, 10, 24 * 30).into_iter().enumerate() {
        let (row, column) = (at / 30, at % 30);
        if column >= 24 || row == column {
            b[at] = v;
        }
    }
    let (mut ours, mut theirs) = s.batch();
    let mut product = s.evaluator.tile_product(&tiles).expect("keys");
    let mut uploads = s.owner.upload_tiles(&tiles, &a).expect("a matrix");
    while uploads.left() > 0 {
        let mut bytes = Vec::new();
        uploads.write(ours.next(), &mut bytes).expect("an upload");
        product.take(theirs.next(), &bytes).expect("an upload");
    }
    let asked = std::cell::Cell::new(0);
    let occupied = |rows: Range<usize>, columns: Range<usize>| {
        let occupied = columns.end > 24 || (rows.start < columns.end && columns.start < rows.end);
        asked.set(asked.get() + usize::from(!occupied));
        occupied
    };
    let mut answers = product.answers_within(&b, &occupied).expect("factors");
    let [mut x, mut y] = [const { [0; 80 * 30] }; 2];
    for number in 0..layout.answers() {
        let mut bytes = Vec::new();
        answers.write(&mut s.randomness, &mut x, &mut bytes).expect("an answer");
        s.owner.open_tiles(&tiles, number, &bytes, &mut y).expect("an answer");
    }
    let sum: Vec<u64> = x.iter().zip(&y).map(|(x, y)| x.wrapping_add(*y) & ((1 << 30) - 1)).collect();
    assert_eq!(sum, plain_product(shape, 30, &a, &b));
    assert!(asked.get() > 0, "no tile was left out");
}

#[test]
fn malformed_messages_are_errors() {
    let mut s = session(params::small(), 2);
    let shape = TileShape { rows: 3, inner: 4, columns: 5 };
    let layout = TileLayout::new(s.ring.parameters(), shape, 1, 2, 2).expect("a layout");
    let tiles = Tiles::new(&s.ring, layout, 20, 10, Flood::MASKS).expect("a budget");
    let mut batch = s.evaluator.batch(0).expect("a batch");
    let mut product = s.evaluator.tile_product(&tiles).expect("keys");
    for len in [0, 1, tiles.upload_bytes() - 1, tiles.upload_bytes() + 1] {
        assert!(matches!(product.take(batch.next(), &vec![0; len]), Err(LatticeError::Length { .. })));
    }
    let ones = vec![0xff; tiles.upload_bytes()];
    assert_eq!(product.take(batch.next(), &ones), Err(LatticeError::Residue { what: "an upload" }));
    assert!(product.answers(&[0; 20]).is_err());
    product.take(batch.next(), &vec![0; tiles.upload_bytes()]).expect("residues");
    assert!(product.take(batch.next(), &vec![0; tiles.upload_bytes()]).is_err());
    assert!(product.answers(&[0; 19]).is_err());
    assert!(product.answers(&[513; 20]).is_err());
    let mut answers = product.answers(&[-512; 20]).expect("factors");
    let (mut shares, mut bytes) = (vec![0; 15], Vec::new());
    assert!(answers.write(&mut s.randomness, &mut [0; 14], &mut bytes).is_err());
    while answers.left() > 0 {
        answers.write(&mut s.randomness, &mut shares, &mut bytes).expect("an answer");
    }
    assert!(answers.write(&mut s.randomness, &mut shares, &mut bytes).is_err());
    for len in [0, tiles.answer_bytes() - 1, tiles.answer_bytes() + 1] {
        assert!(matches!(s.owner.open_tiles(&tiles, 0, &vec![7; len], &mut shares), Err(LatticeError::Length { .. })));
    }
    assert!(s.owner.open_tiles(&tiles, 9, &bytes, &mut shares).is_err());
    let mut random = vec![0; tiles.answer_bytes().div_ceil(8)];
    Prg::new(&Seed::from_bytes([6; 16])).fill(0, 0, &mut random);
    let random: Vec<u8> = random.iter().flat_map(|w| w.to_le_bytes()).take(tiles.answer_bytes()).collect();
    let opened = s.owner.open_tiles(&tiles, 0, &random, &mut shares);
    assert_eq!(opened, if cfg!(debug_assertions) { Err(LatticeError::Noise) } else { Ok(()) });
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let s = session(params::small(), 2);
    let shape = TileShape { rows: 3, inner: 4, columns: 5 };
    let new = |shape, blocks, inner, merged| TileLayout::new(s.ring.parameters(), shape, blocks, inner, merged);
    for (blocks, inner, merged) in [(0, 2, 2), (4, 2, 2), (1, 2, 3), (1, 10, 0), (1, 60, 0), (1, 9, 9)] {
        assert!(new(shape, blocks, inner, merged).is_err(), "{blocks} {inner} {merged}");
    }
    assert!(new(TileShape { rows: 0, ..shape }, 1, 2, 2).is_err());
    let layout = new(shape, 1, 3, 3).expect("a layout");
    let tiles = |bits, factors| Tiles::new(&s.ring, layout, bits, factors, Flood::MASKS);
    assert!(tiles(0, 3).is_err() && tiles(129, 3).is_err() && tiles(20, 0).is_err() && tiles(20, 52).is_err());
    assert!(matches!(tiles(64, 51), Err(LatticeError::Budget { .. })));
    // Three steps with keys for two.
    let tiles = tiles(20, 3).expect("a budget");
    assert!(matches!(s.evaluator.tile_product(&tiles), Err(LatticeError::Keys { made: 2, needed: 3 })));
}

/// Digits of wide factors, multiplied by one matrix: each place modulo what counts of it, all bits of its shares uniform, and no tiles
/// of other uploads taken.
#[test]
fn upper_digits_are_exact_modulo_what_counts_of_them() {
    let mut s = session(params::small(), 2);
    let shape = TileShape { rows: 9, inner: 7, columns: 40 };
    let layout = TileLayout::new(s.ring.parameters(), shape, 2, 2, 2).expect("a layout");
    let whole = Tiles::new(&s.ring, layout, 60, 10, Flood::WEIGHTS).expect("a budget");
    for shift in [0, 1, 20, 45, 59] {
        let tiles = Tiles::shifted(&s.ring, layout, (60, shift), 10, Flood::WEIGHTS).expect("a budget");
        let (a, b) = (words(u64::from(shift), 60, 63), numbers(502, 10, 280));
        for variation in [Variation::None, Variation::LargestFlood] {
            let (mut ours, mut theirs) = s.batch();
            let mut product = s.evaluator.tile_product(&whole).expect("keys");
            let mut uploads = s.owner.upload_tiles(&whole, &a).expect("a matrix");
            while uploads.left() > 0 {
                let mut bytes = Vec::new();
                uploads.write(ours.next(), &mut bytes).expect("an upload");
                product.take(theirs.next(), &bytes).expect("an upload");
            }
            let mut answers = product.answers_above(&tiles, &b).expect("factors");
            let [mut x, mut y] = [const { [0; 360] }; 2];
            for number in 0..layout.answers() {
                let mut bytes = Vec::new();
                answers.write_varied(variation, &mut s.randomness, &mut x, &mut bytes).expect("an answer");
                assert_eq!(bytes.len(), layout.answer_bytes(s.ring.parameters(), 60 - shift));
                s.owner.open_tiles(&tiles, number, &bytes, &mut y).expect("an answer");
            }
            let low = u64::MAX >> (64 - (60 - shift));
            let sum: Vec<u64> = x.iter().zip(&y).map(|(x, y)| x.wrapping_add(*y) & low).collect();
            assert_eq!(sum, plain_product(shape, 60 - shift, &a, &b), "{tiles:?}");
            for shares in [&x, &y] {
                for bit in 0..60 - shift {
                    let ones = shares.iter().filter(|&&v| v >> bit & 1 == 1).count();
                    assert!((123..=237).contains(&ones), "bit {bit} beside {shift}: {ones} ones of 360");
                }
            }
            let other = Tiles::shifted(&s.ring, layout, (61, shift), 10, Flood::WEIGHTS).expect("a budget");
            assert!(product.answers_above(&other, &b).is_err());
        }
    }
    assert!(Tiles::shifted(&s.ring, layout, (60, 60), 10, Flood::WEIGHTS).is_err());
}
