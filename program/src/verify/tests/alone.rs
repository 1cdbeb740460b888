//! Each rule of a gate broken alone, and named at the value that breaks it.

use super::*;
use crate::program::{Term, Value};

/// Ring, fraction bits and bound.
type Format = (u8, i16, u8);

/// What the data owner gives and what a gate makes of it.
fn made(
    (kind, shape, format): (Kind, &[usize], Format),
    gate: impl FnOnce(ValueId) -> Gate,
    out: (Kind, &[usize], Format),
) -> Vec<(Option<u32>, Rule)> {
    let mut program = Program::default();
    let (_, fraction, bound) = format;
    program.inputs.push(Input { node: 0, shape: shape.into(), fraction, bound, path: String::new() });
    let given = if kind == Kind::Wire { Gate::Input { input: 0 } } else { Gate::ClientShare { input: 0 } };
    let source = sample::push(&mut program, "", (kind, shape), format, given);
    sample::push(&mut program, "", (out.0, out.1), out.2, gate(source));
    rules(&program)
}

#[test]
fn an_operand_of_another_kind_is_rejected_where_it_is_used() {
    let kinds = [Kind::Share, Kind::Wire, Kind::Bits];
    // What takes bits asks for the gate that they come from.
    for (index, value) in sample::program().values.iter().enumerate().filter(|(_, v)| v.kind != Kind::Bits) {
        for kind in kinds.into_iter().filter(|kind| *kind != value.kind) {
            let mut program = sample::program();
            program.values[index].kind = kind;
            let found = rules(&program);
            let uses = |user: &Value| user.gate.operands().contains(&ValueId(index as u32));
            for user in (0..program.values.len()).filter(|user| uses(&program.values[*user])) {
                assert!(found.contains(&(Some(user as u32), Rule::Kind)), "{kind:?} of value {index} at {user}");
            }
        }
    }
}

#[test]
fn a_reveal_of_itself_is_one_violation() {
    let mut program = sample::program();
    let index = at!(program, Gate::Reveal { .. });
    let Gate::Reveal { source, .. } = &mut program.values[index].gate else { unreachable!() };
    *source = ValueId(index as u32);
    assert_eq!(rules(&program), [(Some(index as u32), Rule::Reference)]);
}

#[test]
fn bits_are_not_rearranged() {
    let mut program = sample::program();
    let digits = at!(program, Gate::SignDigits { .. });
    let gate = Gate::View { source: ValueId(digits as u32), view: View::Reshape };
    let view = sample::push(&mut program, "", (Kind::Bits, &[4]), (5, 0, 0), gate);
    assert_eq!(rules(&program), [(Some(view.0), Rule::Kind)]);
}

#[test]
fn a_slice_ends_where_its_source_does() {
    let sliced = |start| {
        let slice = |source| Gate::View { source, view: View::Slice { axis: 1, start } };
        made((Kind::Wire, &[2, 4], (20, 0, 5)), slice, (Kind::Wire, &[2, 2], (20, 0, 5)))
    };
    assert_eq!(sliced(2), []);
    for start in [3, 4, usize::MAX] {
        assert_eq!(sliced(start), [(Some(1), Rule::Shape)], "{start}");
    }
}

#[test]
fn a_sum_has_a_term() {
    let share = (Kind::Share, &[3][..], (40, 0, 5));
    let sum = |count| made(share, |value| Gate::Add { terms: vec![Term { value, shift: 0 }; count] }, share);
    assert_eq!(sum(1), []);
    assert_eq!(sum(0), [(Some(1), Rule::Parameter)]);
}

#[test]
fn a_term_is_shifted_by_less_than_a_word() {
    let shifted = |shift: u8| {
        let add = |value| Gate::Add { terms: vec![Term { value, shift: shift as _ }] };
        made((Kind::Share, &[3], (40, 0, 5)), add, (Kind::Share, &[3], (60, i16::from(shift), 60)))
    };
    assert_eq!(shifted(63), []);
    assert_eq!(shifted(64), [(Some(1), Rule::Parameter)]);
}

#[test]
fn entries_along_four_axes_are_counted() {
    let along = |extent: usize| {
        let share = (Kind::Share, &[extent, 1, 1, extent][..], (40, 0, 5));
        made(share, |source| Gate::AddPublic { source, term: 1 }, share)
    };
    assert_eq!(along(8), []);
    assert_eq!(along(1 << 15), [(None, Rule::Shape)]);
}

#[test]
fn a_residue_has_the_shape_of_its_share_and_no_fraction() {
    let residue = |shape: &[usize], fraction| {
        let share = (Kind::Share, &[3][..], (40, 8, 5));
        made(share, |source| Gate::Residue { source }, (Kind::Share, shape, (40, fraction, 5)))
    };
    assert_eq!(residue(&[3], 0), []);
    assert_eq!(residue(&[2], 0), [(Some(1), Rule::Shape)]);
    assert_eq!(residue(&[3], 8), [(Some(1), Rule::Fraction)]);
}

#[test]
fn a_reduced_wire_keeps_no_more_than_there_is() {
    let reduced = |ring, bound| {
        let wire = (Kind::Wire, &[3][..], (20, 0, 15));
        made(wire, |source| Gate::Reduce { source, truncate: 4 }, (Kind::Wire, &[3], (ring, -4, bound)))
    };
    // Of 20 bits without the low 4, all are kept only up to a ring of 16, which then holds all that the wire did.
    assert_eq!(reduced(15, 3), []);
    assert_eq!(reduced(16, 12), []);
    assert_eq!(reduced(16, 11), [(Some(1), Rule::Bound)]);
    assert_eq!(reduced(17, 12), [(Some(1), Rule::Ring)]);
    let of_two_words = |ring| {
        let wire = (Kind::Wire, &[3][..], (80, 0, 15));
        made(wire, |source| Gate::Reduce { source, truncate: 4 }, (Kind::Wire, &[3], (ring, -4, 12)))
    };
    assert_eq!(of_two_words(60), []);
    assert_eq!(of_two_words(61), [(Some(1), Rule::Parameter)]);
}

#[test]
fn only_rows_of_two_entries_are_centred() {
    let centred = |entries, truncate| {
        let centre = |source| Gate::Centre { source, truncate };
        made((Kind::Wire, &[2, entries], (20, 0, 5)), centre, (Kind::Wire, &[2, entries], (20 - truncate, 0, 6)))
    };
    assert_eq!(centred(2, 1), []);
    assert_eq!(centred(1, 0), [(Some(1), Rule::Parameter)]);
}

#[test]
fn only_digit_predicates_become_a_sign() {
    let open = |source| Gate::OpenSign { signs: [source].into_iter().collect(), negate: false };
    let found = made((Kind::Wire, &[3], (6, 0, 4)), open, (Kind::Bits, &[3], (1, 0, 0)));
    assert_eq!(found, [(Some(1), Rule::Kind)]);
}

#[test]
fn results_of_a_row_function_that_exceed_a_word_are_rejected_and_not_computed_if_it_has_no_levels() {
    let with = |levels, scale: i32| {
        let mut program = sample::program();
        let index = at!(program, Gate::RowFunction { .. });
        let Gate::RowFunction { table, .. } = &mut program.values[index].gate else { unreachable!() };
        (table.levels, table.function) = (levels, RowFunction::Recip { scale: 2f64.powi(scale), eps: 0.0 });
        rules(&program).iter().filter(|found| **found == (Some(index as u32), Rule::Parameter)).count()
    };
    assert_eq!([with(14, -20), with(14, -60), with(2, -60)], [0, 1, 1]);
}
