//! G11 by two parties alone: each rounds the factors of its own part of a mask.

use std::f64::consts::TAU;

use mpcc_program::code::Owner;
use mpcc_program::correlation::Correlation;
use mpcc_program::making::Job;
use mpcc_program::program::{Gate, Kind, Program, Supplier, ValueId, stream};
use mpcc_program::verify::verify;

use super::harness::{Builder, mask, pair, random_words};

/// A series of a wire of `ring` bits, for two parties.
fn program(
    len: usize,
    (ring, bound): (u8, u8),
    (period_bits, fraction): (u8, u8),
    [cosines, sines]: [&[i64]; 2],
    result: u8,
) -> (Program, ValueId) {
    let mut b = Builder::new();
    let share = b.share(&[len], ring.max(8), bound);
    let source = b.open(share, ring, 0, bound);
    let (cosines, sines) = (cosines.to_vec(), sines.to_vec());
    let gate = Gate::TrigSeries { source, period_bits, table_fraction: fraction, cosines, sines };
    let y = b.push(gate, Kind::Share, &[len], result, 3 * i16::from(fraction), 3 * fraction + 2);
    b.reveal(y, result, 0);
    let program = Program { supplier: Supplier::Pair, ..b.program };
    verify(&program).unwrap_or_else(|v| panic!("{v:?}"));
    (program, source)
}

/// All pairs of parts of a mask: what both hold of every item adds up to the product of their factors, each rounded by itself to
/// as many bits as its frequency's coefficients take; all frequencies are one task.
#[test]
fn items_are_products_of_both_parties_rounded_factors() {
    let coefficients: [&[i64]; 2] = [&[5, 900, 0, -31, 3], &[0, -2, 17]];
    for (ring, period) in [(5u8, 5u8), (5, 3), (6, 1), (4, 2)] {
        let (len, fraction, result) = (1usize << (2 * ring), 10, 37);
        let (program, wire) = program(len, (ring, 2), (period, fraction), coefficients, result);
        let parts = |owner: Owner, at: usize| if owner == Owner::ModelOwner { at >> ring } else { at % (1 << ring) };
        let draw = &mut |owner, of: u64, bits, len: usize| {
            if of == stream(wire, 0) {
                return (0..len).map(|at| parts(owner, at) as u64).collect();
            }
            random_words(owner, of, 3, bits, len)
        };
        let made = pair::make(&program, &[vec![0; len]], draw, 7);
        let mut seen = vec![];
        for (at, (_, item)) in made.items.iter().enumerate() {
            let Correlation::HarmonicOfParts { multiple, fraction: h, sine, .. } = item.what else {
                panic!("{item:?}")
            };
            assert_eq!(item.bits, result - 2 * (fraction - h));
            let factor = |part: usize| {
                let angle = TAU * (usize::from(multiple) * part % (1 << period)) as f64 / f64::from(period).exp2();
                [angle.cos(), angle.sin()].map(|exact| (exact * f64::from(h).exp2()).round() as i64)
            };
            for i in 0..len {
                let [[a, b], [c, d]] = [Owner::ModelOwner, Owner::DataOwner].map(|owner| factor(parts(owner, i)));
                let want = if sine { a * d + b * c } else { a * c - b * d };
                let got = made.shares[0][at][i].wrapping_add(made.shares[1][at][i]);
                assert_eq!(got & mask(item.bits), want as u64 & mask(item.bits), "{item:?} of {i}");
            }
            seen.push((multiple, h, sine));
        }
        let each = |multiple, h| [false, true].map(|sine| (multiple, h, sine));
        assert_eq!(seen, [each(1, 10), each(2, 3), each(3, 5), each(4, 3)].concat());
    }
}

/// Every residue of a wire, made and run by two parties.
#[test]
fn a_series_is_its_function_for_every_residue() {
    let (period, fraction) = (12u8, 16u8);
    let unit = f64::from(fraction).exp2();
    let (cosines, sines) = ([0.75f64, -0.5, 0.0, -0.002], [0.25f64, 0.125]);
    let scaled = |a: &[f64]| a.iter().map(|a| (a * unit) as i64).collect::<Vec<_>>();
    let x: Vec<i64> = (-(1i64 << (period - 1))..1 << (period - 1)).collect();
    let given = [scaled(&cosines), scaled(&sines)];
    let (program, _) = program(x.len(), (14, 12), (period, fraction), given.each_ref().map(Vec::as_slice), 60);
    for seed in [2, 3] {
        let draw = &mut |owner, stream, bits, len| random_words(owner, stream, seed, bits, len);
        let made = pair::make(&program, std::slice::from_ref(&x), draw, seed);
        let outputs = pair::run(&program, std::slice::from_ref(&x), &[], draw, made);
        for (x, y) in x.iter().zip(&outputs[0]) {
            let angle = TAU * *x as f64 / f64::from(period).exp2();
            let even: f64 = (0i32..).zip(&cosines).map(|(j, a)| a * (f64::from(j) * angle).cos()).sum();
            let odd: f64 = (1i32..).zip(&sines).map(|(j, b)| b * (f64::from(j) * angle).sin()).sum();
            // Coefficients and public factors round by up to 1.5 units for each of five terms, factors of parts by 1.42.
            let error = *y as f64 / unit.powi(3) - even - odd;
            assert!(error.abs() < 10.0 / unit, "{x}: {error:e}");
        }
    }
}

/// A party hands to the task what it knows of its own part, whatever the other part is.
#[test]
fn a_series_is_one_task_of_numbers_that_each_party_has() {
    let (program, _) = program(6, (14, 12), (12, 16), [&[1, 1 << 15, 90], &[77, 0, 0, 5]], 60);
    for owner in [Owner::ModelOwner, Owner::DataOwner] {
        let making = mpcc_program::gates::lower_making(&program, owner);
        let [round] = &making.rounds[..] else { panic!("one round") };
        let [task] = round[..] else { panic!("one task") };
        assert!(
            matches!(task.job, Job::Products { left: Owner::DataOwner, factors: [f, g], .. } if [f.width, g.width] == [18, 18])
        );
        assert_eq!((task.len, task.bits), (2 * 3 * 6, 60));
        assert_eq!(task.operands(owner), [(2 * 3 * 6, 18)]);
    }
}
