//! The widths of planned networks, one bit less or more: the verifier refuses what something needs, and what it accepts
//! computes the same function.

use std::path::Path;

use mpcc::program::program::{Gate, Kind, Program, Value, ValueId};
use mpcc::program::verify::verify;

use super::pipeline::{Compiled, compile, golden_ranges, seeded_inputs};
use super::{check, goldens};

/// Consumers of a value.
fn consumers(program: &Program, id: ValueId) -> impl Iterator<Item = &Value> {
    program.values.iter().filter(move |v| v.gate.operands().contains(&id))
}

/// The bits of a sign that read x + offset for |x| < 2^bound.
fn compared(bound: u8, offset: i64) -> u8 {
    let largest = (1u64 << bound) + offset.unsigned_abs();
    largest.next_power_of_two().trailing_zeros() as u8 + 1
}

/// The narrowest ring of a value that its own gate and its consumers, all else unchanged, can do with; its own where
/// nothing but that fits.
fn narrowest(program: &Program, id: ValueId) -> u8 {
    let value = program.value(id);
    let of = |id: &ValueId| program.value(*id);
    let mut needs = vec![if value.kind == Kind::Wire { value.bound + 1 } else { 1 }];
    match &value.gate {
        Gate::Open { source, truncate, .. } | Gate::Reveal { source, truncate, .. } => {
            needs.push((of(source).bound + 1).saturating_sub(*truncate));
        }
        // Any other selection is one in a ring no wider than the wire's if its own is narrower.
        Gate::Select { nonnegative: false, .. } => {}
        Gate::Extend { source }
        | Gate::Select { source, .. }
        | Gate::ReluShared { source, .. }
        | Gate::RowScale { source, .. } => needs.push(of(source).ring + 1),
        Gate::RowSquares { source } | Gate::Square { source } => needs.push(of(source).ring + 2),
        Gate::Centre { .. }
        | Gate::Reduce { .. }
        | Gate::SignDigits { .. }
        | Gate::OpenSign { .. }
        | Gate::CoarseSign { .. }
        | Gate::BucketBits { .. }
        | Gate::ZeroDigits { .. }
        | Gate::SubRow { .. } => return value.ring,
        Gate::View { .. } | Gate::Rescale { .. } if value.kind == Kind::Wire => return value.ring,
        _ => {}
    }
    for consumer in consumers(program, id) {
        match &consumer.gate {
            Gate::Open { truncate, .. } | Gate::Reveal { truncate, .. } => needs.push(consumer.ring + truncate),
            Gate::View { .. } | Gate::Rescale { .. } if value.kind == Kind::Wire => return value.ring,
            Gate::Centre { .. }
            | Gate::Reduce { .. }
            | Gate::SignDigits { .. }
            | Gate::OpenSign { .. }
            | Gate::CoarseSign { .. }
            | Gate::RowOffer { .. }
            | Gate::RowFunction { .. } => {
                return value.ring;
            }
            Gate::Add { terms } | Gate::Concat { parts: terms, .. } => {
                let own = terms.iter().filter(|t| t.value == id);
                needs.extend(own.map(|t| consumer.ring.saturating_sub(t.shift)));
            }
            Gate::Sub { left, right } => {
                let own = [left, right].into_iter().filter(|t| t.value == id);
                needs.extend(own.map(|t| consumer.ring.saturating_sub(t.shift)));
            }
            Gate::BucketBits { .. }
            | Gate::BucketCounts { .. }
            | Gate::ZeroDigits { .. }
            | Gate::ZeroShare { .. }
            | Gate::Exponential { .. }
            | Gate::SignShare { .. } => return value.ring,
            Gate::SubRow { row, shift, .. } if *row == id => needs.push(consumer.ring - shift),
            Gate::SubRow { .. } => return value.ring,
            Gate::Select { bit, .. } if *bit == id => return value.ring,
            Gate::Select { nonnegative: true, .. } => {}
            Gate::Select { .. } => needs.push(consumer.ring.min(value.bound + 2)),
            Gate::Extend { .. } | Gate::RowSquares { .. } | Gate::Square { .. } => {
                needs.push(value.bound + 2);
            }
            Gate::RowScale { source, row } => {
                if *source == id {
                    needs.push(value.bound + 2);
                }
                if *row == id {
                    needs.push(consumer.ring);
                }
            }
            Gate::ReluShared { offsets, .. } | Gate::StepShared { offsets, .. } => {
                needs.extend(offsets.iter().map(|o| compared(value.bound, *o)));
            }
            Gate::TrigSeries { period_bits, .. } => needs.push(*period_bits),
            _ => needs.push(consumer.ring),
        }
    }
    needs.into_iter().max().unwrap_or(1)
}

/// The largest bound of a value that a word, its own ring and its consumers can do with.
fn largest(program: &Program, id: ValueId) -> u8 {
    let value = program.value(id);
    let mut limits = vec![if value.kind == Kind::Wire { value.ring - 1 } else { 63 }, 63];
    for consumer in consumers(program, id) {
        match &consumer.gate {
            Gate::Open { truncate, .. } | Gate::Reveal { truncate, .. } => limits.push(consumer.ring + truncate - 1),
            Gate::Extend { .. } | Gate::RowSquares { .. } | Gate::Square { .. } => limits.push(value.ring - 2),
            Gate::Select { source, nonnegative: false, .. } if *source == id && consumer.ring > value.ring => {
                limits.push(value.ring - 2);
            }
            Gate::CoarseSign { offsets, buckets, .. } => {
                let most = |o: &i64| (1i64 << (value.ring - 1)) - (1 << (value.ring - buckets)) - o.abs();
                let fits = |bound: &u8| offsets.iter().all(|o| 1 << bound <= most(o));
                limits.extend((0..value.ring).rev().find(fits));
            }
            Gate::RowScale { source, .. } if *source == id => limits.push(value.ring - 2),
            Gate::SignDigits { offset, .. } => {
                limits.extend((0..value.ring).rev().find(|bound| compared(*bound, *offset) <= value.ring));
            }
            Gate::ReluShared { offsets, .. } | Gate::StepShared { offsets, .. } => {
                let fits = |bound: &u8| offsets.iter().all(|o| compared(*bound, *o) <= value.ring);
                limits.extend((0..value.ring).rev().find(fits));
            }
            _ => {}
        }
    }
    limits.into_iter().min().unwrap_or(63)
}

fn changed(program: &Program, id: ValueId, change: impl FnOnce(&mut Value)) -> Program {
    let mut program = program.clone();
    change(&mut program.values[id.0 as usize]);
    program
}

/// The golden models, and the example for its size.
fn planned() -> Vec<(String, Compiled)> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mpcvit-cifar10-paper");
    let example = golden_ranges(&example.join("model.mpv"), &example.join("model.ranges.json"), None);
    let name = |file: &Path| file.file_stem().expect("a name").to_string_lossy().into_owned();
    let goldens = goldens().into_iter().map(|file| (name(&file), compile(&file, 7)));
    goldens.chain([("example".to_owned(), example)]).collect()
}

#[test]
fn a_ring_one_bit_narrower_than_something_needs_is_refused_everywhere() {
    for (name, compiled) in planned() {
        let planned = &compiled.program;
        for index in 0..planned.values.len() as u32 {
            let (id, value) = (ValueId(index), planned.value(ValueId(index)));
            // Fewer buckets make another function of less.
            if matches!(value.gate, Gate::BucketBits { .. }) {
                continue;
            }
            let least = narrowest(planned, id);
            let what = format!("{name} %{index} {:?} ring {} least {least}", value.gate, value.ring);
            assert!(least <= value.ring, "{what}");
            let too_narrow = changed(planned, id, |v| v.ring = least - 1);
            assert!(verify(&too_narrow).is_err(), "one bit too narrow: {what}");
            // What travels has no bit to spare.
            let travels = matches!(value.gate, Gate::Input { .. } | Gate::Open { .. });
            assert!(!travels || least == value.ring, "more bits than needed: {what}");
        }
    }
}

/// A share may be wider than anything needs; then the bits that nothing needs change no result.
#[test]
fn the_narrowest_rings_that_are_accepted_compute_the_same_function() {
    for file in goldens() {
        let mut compiled = compile(&file, 7);
        let planned = compiled.program.clone();
        let mut spare = 0;
        for index in 0..planned.values.len() as u32 {
            let (id, value) = (ValueId(index), planned.value(ValueId(index)));
            let least = narrowest(&planned, id);
            if least == value.ring {
                continue;
            }
            spare += 1;
            let what = format!("{} %{index} {:?} ring {} least {least}", file.display(), value.gate, value.ring);
            compiled.program = changed(&planned, id, |v| v.ring = least);
            assert_eq!(verify(&compiled.program), Ok(()), "{what}");
            let inputs = vec![compiled.inference(seeded_inputs(&compiled.graph, 60))];
            let worst = check(&compiled, inputs, 12, &[[false; 3]]);
            assert!(worst < compiled.tolerance, "{what}: error {worst} against float");
        }
        assert!(spare > 0, "{}: a reveal keeps a bit for its rounding", file.display());
    }
}

#[test]
fn a_bound_one_bit_above_what_fits_is_refused_everywhere() {
    for (name, compiled) in planned() {
        let planned = &compiled.program;
        for index in 0..planned.values.len() as u32 {
            let (id, value) = (ValueId(index), planned.value(ValueId(index)));
            if value.kind == Kind::Bits {
                continue;
            }
            let most = largest(planned, id);
            let what = format!("{name} %{index} {:?} bound {} most {most}", value.gate, value.bound);
            assert!(value.bound <= most, "{what}");
            assert_eq!(verify(&changed(planned, id, |v| v.bound = most)), Ok(()), "{what}");
            assert!(verify(&changed(planned, id, |v| v.bound = most + 1)).is_err(), "one bit too large: {what}");
        }
    }
}
