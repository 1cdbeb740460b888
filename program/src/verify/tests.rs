use super::*;
use crate::code::RowFunction;
use crate::program::{Input, Supplier, View, Weight, WeightId, WeightRounding};
use crate::sample;

fn rules(program: &Program) -> Vec<(Option<u32>, Rule)> {
    match verify(program) {
        Ok(()) => Vec::new(),
        Err(list) => list.iter().map(|v| (v.value.map(|id| id.0), v.rule)).collect(),
    }
}

/// Index of the first value whose gate satisfies `is`.
fn find(program: &Program, is: impl Fn(&Gate) -> bool) -> usize {
    program.values.iter().position(|v| is(&v.gate)).unwrap()
}

macro_rules! at {
    ($program:expr, $pattern:pat) => {
        find(&$program, |g| matches!(g, $pattern))
    };
}

// Behind the macro that it uses.
mod alone;
mod buckets;

#[track_caller]
fn rejected(change: impl FnOnce(&mut Program), rule: Rule) {
    let mut program = sample::program();
    change(&mut program);
    let found = rules(&program);
    assert!(found.iter().any(|f| f.1 == rule), "wanted {rule:?}, found {found:?}");
}

#[test]
fn the_sample_is_accepted_and_holds_every_gate() {
    let program = sample::program();
    assert_eq!(rules(&program), vec![]);
    let mut names: Vec<String> =
        program.values.iter().map(|v| format!("{:?}", v.gate).split([' ', '{']).next().unwrap().to_owned()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 38, "{names:?}");
}

/// Keys. A series of two parties has another fraction than that of a dealer.
#[test]
fn what_two_parties_cannot_make_takes_a_dealer() {
    let program = Program { supplier: Supplier::Pair, ..sample::program() };
    let found = rules(&program);
    for (index, value) in program.values.iter().enumerate() {
        let dealt = matches!(value.gate, Gate::RowFunction { .. } | Gate::ReluShared { .. } | Gate::StepShared { .. });
        assert_eq!(found.contains(&(Some(index as u32), Rule::Supplier)), dealt, "{value:?}");
        let series = matches!(value.gate, Gate::TrigSeries { .. });
        assert_eq!(found.contains(&(Some(index as u32), Rule::Fraction)), series, "{value:?}");
    }
    assert!(found.iter().all(|(_, rule)| [Rule::Supplier, Rule::Fraction].contains(rule)));
}

#[test]
fn every_wrong_level_is_rejected_at_its_value() {
    for index in 0..sample::program().values.len() {
        let mut program = sample::program();
        program.values[index].level += 1;
        assert!(rules(&program).contains(&(Some(index as u32), Rule::Level)), "value {index}");
    }
    rejected(|p| p.hops += 1, Rule::Level);
}

#[test]
fn every_wrong_shape_and_kind_is_rejected() {
    for index in 0..sample::program().values.len() {
        let mut program = sample::program();
        program.values[index].shape[0] += 1;
        // A view may be of more entries; what reads it is then at fault.
        let free = matches!(program.values[index].gate, Gate::View { view: View::Reshape | View::Slice { .. }, .. });
        let found = |program: &Program| {
            rules(program).iter().any(|f| f.1 == Rule::Shape && (free || f.0 == Some(index as u32)))
        };
        assert!(found(&program), "shape of value {index}");
        let mut program = sample::program();
        program.values[index].shape.push(1);
        assert!(found(&program), "rank of value {index}");
        let mut program = sample::program();
        program.values[index].shape[0] = 0;
        assert!(rules(&program).contains(&(Some(index as u32), Rule::Shape)), "empty value {index}");
        let mut program = sample::program();
        let value = &mut program.values[index];
        value.kind = if value.kind == Kind::Bits { Kind::Share } else { Kind::Bits };
        assert!(rules(&program).contains(&(Some(index as u32), Rule::Kind)), "kind of value {index}");
    }
}

#[test]
fn every_wrong_fraction_is_rejected() {
    for index in 0..sample::program().values.len() {
        let mut program = sample::program();
        if program.values[index].kind == Kind::Bits {
            continue;
        }
        program.values[index].fraction += 1;
        // A public factor may have a fraction of its own; what reads the product is then at fault.
        let free = matches!(program.values[index].gate, Gate::MulPublic { .. });
        let found = rules(&program).iter().any(|f| f.1 == Rule::Fraction && (free || f.0 == Some(index as u32)));
        assert!(found, "fraction of value {index}");
    }
    rejected(|p| p.weights[1].fraction += 1, Rule::Fraction);
    rejected(|p| p.outputs[0].fraction += 1, Rule::Fraction);
}

#[test]
fn a_ring_one_bit_wider_than_its_operands_allow_is_rejected() {
    for (index, value) in sample::program().values.iter().enumerate() {
        let free = matches!(
            value.gate,
            Gate::Input { .. }
                | Gate::ServerShare { .. }
                | Gate::Extend { .. }
                | Gate::Select { .. }
                | Gate::ReluShared { .. }
                | Gate::RowSquares { .. }
                | Gate::RowFunction { .. }
                | Gate::TrigSeries { .. }
                | Gate::Square { .. }
                | Gate::SignShare { .. }
                | Gate::StepShared { .. }
                | Gate::Exponential { .. }
                | Gate::ZeroShare { .. }
                | Gate::ClientShare { .. }
        );
        // What comes out of a comparison key is one word.
        let most = match value.gate {
            Gate::ReluShared { .. } | Gate::StepShared { .. } => 64,
            _ => 128,
        };
        let mut program = sample::program();
        let widest = (1..=most).rev().find(|&ring| {
            program.values[index].ring = ring;
            !rules(&program).contains(&(Some(index as u32), Rule::Ring))
        });
        assert_eq!(widest == Some(most), free, "value {index} accepts a ring of {widest:?} bits");
        program.values[index].ring = most + 1;
        assert!(rules(&program).contains(&(Some(index as u32), Rule::Ring)), "{} bits at value {index}", most + 1);
    }
}

#[test]
fn a_derived_wire_keeps_its_ring() {
    for gate in ["View", "Centre"] {
        let mut program = sample::program();
        let index = program
            .values
            .iter()
            .position(|v| v.kind == Kind::Wire && format!("{:?}", v.gate).starts_with(gate))
            .unwrap();
        program.values[index].ring -= 1;
        assert!(rules(&program).contains(&(Some(index as u32), Rule::Ring)), "{gate}");
    }
}

#[test]
fn row_squares_need_two_more_bits() {
    let mut program = sample::program();
    let index = at!(program, Gate::RowSquares { .. });
    program.values[index].ring = 40;
    assert_eq!(rules(&program), vec![]);
    program.values[index].ring = 39;
    assert_eq!(rules(&program), vec![(Some(index as u32), Rule::Ring)]);
}

#[test]
fn shared_relu_needs_a_wider_ring_and_at_most_32_bits() {
    let mut program = sample::program();
    let index = at!(program, Gate::ReluShared { .. });
    let source = program.values[index].gate.operands()[0].0 as usize;
    let offsets = |by: &[i64]| {
        let mut program = sample::program();
        let Gate::ReluShared { offsets, .. } = &mut program.values[index].gate else { unreachable!() };
        *offsets = by.into();
        rules(&program)
    };
    // Values below 2^16 in size in a ring of 18 bits.
    assert_eq!(offsets(&[1 << 16, -(1 << 16)]), vec![]);
    assert_eq!(offsets(&[0, (1 << 16) + 1]), vec![(Some(index as u32), Rule::Bound)]);
    assert_eq!(offsets(&[-(1 << 16) - 1, 0]), vec![(Some(index as u32), Rule::Bound)]);
    assert_eq!(offsets(&[0]), vec![(Some(index as u32), Rule::Shape)]);
    assert!(offsets(&[]).contains(&(Some(index as u32), Rule::Parameter)));
    program.values[index].ring = program.values[source].ring + 1;
    assert_eq!(rules(&program), vec![]);
    program.values[index].ring -= 1;
    assert_eq!(rules(&program), vec![(Some(index as u32), Rule::Ring)]);
    program.values[index].ring = 40;
    program.values[source].ring = 33;
    assert!(rules(&program).contains(&(Some(index as u32), Rule::Parameter)));
}

/// The step compares as ReLU does, but its result need not be wider than the wire.
#[test]
fn shared_steps_take_at_most_32_bits_that_fit_with_their_offsets() {
    let mut program = sample::program();
    let index = at!(program, Gate::StepShared { .. });
    let source = program.values[index].gate.operands()[0].0 as usize;
    let offset = |by: &[i64]| {
        let mut program = sample::program();
        let Gate::StepShared { offsets, .. } = &mut program.values[index].gate else { unreachable!() };
        *offsets = by.into();
        rules(&program)
    };
    assert_eq!(offset(&[1 << 16]), vec![]);
    assert_eq!(offset(&[-(1 << 16) - 1]), vec![(Some(index as u32), Rule::Bound)]);
    assert_eq!(offset(&[0, 0]), vec![(Some(index as u32), Rule::Shape)]);
    assert!(offset(&[]).contains(&(Some(index as u32), Rule::Parameter)));
    program.values[index].ring = 1;
    assert_eq!(rules(&program), vec![]);
    program.values[index].bound = 0;
    assert_eq!(rules(&program), vec![(Some(index as u32), Rule::Bound)]);
    program.values[source].ring = 33;
    assert!(rules(&program).contains(&(Some(index as u32), Rule::Parameter)));
}

#[test]
fn a_number_from_anything_but_an_opened_sign_is_rejected() {
    let mut program = sample::program();
    let index = at!(program, Gate::SignShare { .. });
    let digits = at!(program, Gate::SignDigits { .. });
    program.values[index].gate = Gate::SignShare { bit: ValueId(digits as u32) };
    assert!(rules(&program).contains(&(Some(index as u32), Rule::Kind)));
}

#[test]
fn a_factor_entry_by_entry_has_the_shape_or_its_end_or_one_entry_a_row() {
    for (shape, accepted) in [
        (&[2usize, 3][..], true),
        (&[3], true),
        (&[], true),
        (&[2, 1], true),
        (&[1], false),
        (&[2], false),
        (&[1, 3], false),
        (&[1, 2, 3], false),
        (&[3, 2], false),
    ] {
        let mut program = Program::default();
        let mut input = |shape: &[usize]| {
            let index = program.inputs.len() as u32;
            let given = Input { node: 0, shape: shape.into(), fraction: 0, bound: 5, path: String::new() };
            program.inputs.push(given);
            sample::push(&mut program, "", (Kind::Wire, shape), (20, 0, 5), Gate::Input { input: index })
        };
        let (left, right) = (input(&[2, 3]), input(shape));
        let gate = Gate::Hadamard { left, right };
        sample::push(&mut program, "", (Kind::Share, &[2, 3]), (20, 0, 10), gate);
        let found = rules(&program);
        assert_eq!(found.is_empty(), accepted, "{shape:?}: {found:?}");
        assert!(accepted || found == [(Some(2), Rule::Shape)], "{shape:?}: {found:?}");
    }
}

#[test]
fn a_weight_entry_by_entry_has_the_last_axes_of_the_wire() {
    for (shape, accepted) in [
        (&[3usize][..], true),
        (&[1, 3], true),
        (&[2, 3], true),
        (&[1, 1, 3], false),
        (&[3, 2], false),
        (&[2, 1], false),
        (&[1], false),
        (&[], false),
    ] {
        let mut program = Program::default();
        program.inputs.push(Input { node: 0, shape: [2, 3][..].into(), fraction: 0, bound: 5, path: String::new() });
        let source = sample::push(&mut program, "", (Kind::Wire, &[2, 3]), (20, 0, 5), Gate::Input { input: 0 });
        program.weights.push(Weight {
            node: 0,
            shape: shape.into(),
            transposed: false,
            fraction: 0,
            bound: 5,
            rounding: WeightRounding::Nearest,
            path: String::new(),
        });
        let gate = Gate::MulServer { source, weight: WeightId(0) };
        sample::push(&mut program, "", (Kind::Share, &[2, 3]), (20, 0, 10), gate);
        let found = rules(&program);
        assert_eq!(found.is_empty(), accepted, "{shape:?}: {found:?}");
        assert!(accepted || found == [(Some(1), Rule::Shape)], "{shape:?}: {found:?}");
    }
}

#[test]
fn a_ring_one_bit_too_narrow_for_its_bound_is_rejected() {
    for (index, value) in sample::program().values.iter().enumerate().filter(|(_, v)| v.kind != Kind::Bits) {
        let mut program = sample::program();
        match value.kind {
            Kind::Wire => program.values[index].ring = value.bound,
            _ => program.values[index].bound = 64,
        }
        assert!(rules(&program).contains(&(Some(index as u32), Rule::Bound)), "value {index}");
    }
}

#[test]
fn an_extension_without_its_spare_bit_is_rejected() {
    for gate in ["Extend", "RowSquares", "Square", "RowScale"] {
        let mut program = sample::program();
        let index = find(&program, |g| format!("{g:?}").starts_with(gate));
        let source = program.values[index].gate.operands()[0].0 as usize;
        program.values[source].bound = program.values[source].ring - 2;
        assert!(!rules(&program).contains(&(Some(index as u32), Rule::Bound)), "{gate} with its spare bit");
        program.values[source].bound += 1;
        assert!(rules(&program).contains(&(Some(index as u32), Rule::Bound)), "{gate}");
    }
    let mut program = sample::program();
    let index = at!(program, Gate::Select { .. });
    let Gate::Select { source, ref mut nonnegative, .. } = program.values[index].gate else { unreachable!() };
    *nonnegative = false;
    let source = source.0 as usize;
    assert_eq!(rules(&program), vec![]);
    program.values[source].bound = program.values[source].ring - 1;
    // The extension beside it, and the comparison at two offsets.
    let shared = at!(program, Gate::ReluShared { .. });
    let broken = [index, index + 3, shared, shared];
    assert_eq!(rules(&program), broken.map(|at| (Some(at as u32), Rule::Bound)));
}

#[test]
fn opening_a_share_that_does_not_fit_is_rejected() {
    for index in 0..sample::program().values.len() {
        let mut program = sample::program();
        let (Gate::Open { source, truncate, .. } | Gate::Reveal { source, truncate, .. }) = program.values[index].gate
        else {
            continue;
        };
        let width = program.values[index].ring + truncate;
        program.values[source.0 as usize].bound = width - 1;
        assert!(!rules(&program).contains(&(Some(index as u32), Rule::Bound)), "value {index} at its limit");
        program.values[source.0 as usize].bound = width;
        assert!(rules(&program).contains(&(Some(index as u32), Rule::Bound)), "value {index}");
    }
}

#[test]
fn broken_references_are_rejected() {
    rejected(|p| p.values.swap(2, 3), Rule::Reference);
    rejected(|p| p.weights.truncate(1), Rule::Reference);
    rejected(|p| p.outputs.truncate(1), Rule::Reference);
    rejected(|p| p.inputs.clear(), Rule::Reference);
    rejected(|p| p.weights.push(p.weights[0].clone()), Rule::Reference);
    rejected(|p| p.inputs.push(p.inputs[0].clone()), Rule::Reference);
    rejected(|p| p.outputs.push(p.outputs[0].clone()), Rule::Reference);
    rejected(|p| p.values.extend(p.values.last().cloned()), Rule::Reference);
    rejected(
        |p| {
            let source = ValueId(p.values.len() as u32 - 1);
            let mut value = p.values.last().cloned().unwrap();
            value.gate = Gate::AddPublic { source, term: 1 };
            p.values.push(value);
        },
        Rule::Reference,
    );
}

#[test]
fn a_shape_whose_entries_cannot_be_counted_is_rejected() {
    let huge = |p: &mut Program| {
        for value in &mut p.values {
            value.shape = [usize::MAX, 3].as_slice().into();
        }
    };
    rejected(huge, Rule::Shape);
}

#[test]
fn parameters_outside_their_limits_are_rejected() {
    fn table(p: &mut Program) -> &mut crate::code::RowTable {
        let index = at!(p, Gate::RowFunction { .. });
        let Gate::RowFunction { table, .. } = &mut p.values[index].gate else { unreachable!() };
        table
    }
    rejected(|p| table(p).ring_bits += 1, Rule::Ring);
    rejected(|p| table(p).levels = 3, Rule::Parameter);
    rejected(|p| table(p).levels = 31, Rule::Parameter);
    rejected(|p| table(p).position_bits = 31, Rule::Parameter);
    rejected(|p| table(p).position_bits = 0, Rule::Parameter);
    rejected(|p| table(p).fraction += 1, Rule::Fraction);
    rejected(|p| table(p).function = RowFunction::Recip { scale: f64::NAN, eps: 0.0 }, Rule::Parameter);
    fn digits(p: &mut Program) -> &mut Gate {
        let index = at!(p, Gate::SignDigits { .. });
        &mut p.values[index].gate
    }
    fn set_digits(p: &mut Program, widths: &[u8]) {
        if let Gate::SignDigits { digits, .. } = digits(p) {
            *digits = widths.into();
        }
    }
    rejected(|p| set_digits(p, &[7, 5, 6]), Rule::Parameter);
    rejected(|p| set_digits(p, &[6, 6, 5]), Rule::Parameter);
    rejected(|p| set_digits(p, &[6, 6, 6, 0]), Rule::Parameter);
    rejected(|p| set_digits(p, &[6, 6, 4, 2]), Rule::Ring);
    rejected(|p| set_digits(p, &[3, 3, 3, 3, 3, 3]), Rule::Parameter);
    let offset = |by| {
        move |p: &mut Program| {
            if let Gate::SignDigits { offset, .. } = digits(p) {
                *offset = by;
            }
        }
    };
    rejected(offset((1 << 16) + 1), Rule::Bound);
    rejected(offset(1), Rule::Parameter);
    let mut allowed = sample::program();
    offset(-(1 << 16))(&mut allowed);
    assert_eq!(rules(&allowed), vec![]);
    rejected(
        |p| {
            let index = at!(p, Gate::OpenSign { .. });
            if let Gate::OpenSign { negate, .. } = &mut p.values[index].gate {
                *negate = false;
            }
        },
        Rule::Parameter,
    );
    rejected(
        |p| {
            let index = at!(p, Gate::TrigSeries { .. });
            if let Gate::TrigSeries { period_bits, .. } = &mut p.values[index].gate {
                *period_bits = 19;
            }
        },
        Rule::Ring,
    );
    rejected(
        |p| {
            let index = at!(p, Gate::TrigSeries { .. });
            if let Gate::TrigSeries { cosines, .. } = &mut p.values[index].gate {
                cosines[1] = i64::MIN;
            }
        },
        Rule::Parameter,
    );
    let series = |cosines: &[i64], sines: &[i64]| {
        let mut program = sample::program();
        let index = at!(program, Gate::TrigSeries { .. });
        let Gate::TrigSeries { cosines: c, sines: s, .. } = &mut program.values[index].gate else { unreachable!() };
        (*c, *s) = (cosines.to_vec(), sines.to_vec());
        rules(&program) == [(Some(index as u32), Rule::Parameter)]
    };
    // A frequency's two coefficients together must leave the sum of their factors in a word.
    let half = 1 << 51;
    assert!(series(&[0, half], &[half]) && series(&[0, half], &[-half]) && series(&[2 * half], &[1]));
    assert!(!series(&[half, half], &[half - 1]) && !series(&[0, half, 0, half], &[0, half]));
    assert!(series(&[5], &[]) && series(&[], &[5]) && !series(&[5], &[5]));
    rejected(
        |p| {
            let index = at!(p, Gate::Centre { .. });
            if let Gate::Centre { truncate, .. } = &mut p.values[index].gate {
                *truncate -= 1;
            }
        },
        Rule::Parameter,
    );
    rejected(
        |p| {
            let index = at!(p, Gate::View { view: View::Gather { .. }, .. });
            if let Gate::View { view: View::Gather { index, .. }, .. } = &mut p.values[index].gate {
                index[0] = 2;
            }
        },
        Rule::Shape,
    );
    rejected(|p| p.weights[0].bound = 64, Rule::Bound);
    rejected(|p| p.weights[2].bound = 22, Rule::Bound);
}

#[test]
fn a_violation_says_where_and_what() {
    let mut program = sample::program();
    let index = at!(program, Gate::RowScale { .. });
    program.values[index].ring = 47;
    let violations = verify(&program).unwrap_err();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].to_string(), format!("%{index} (norm): ring of 47 bits but its operands determine 46"));
}
