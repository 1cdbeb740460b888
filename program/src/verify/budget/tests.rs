use super::super::{Violation, verify};
use super::*;
use crate::program::{Output, Term, Value};
use crate::sample;

fn rules(program: &Program) -> Vec<(Option<u32>, Rule)> {
    let found: Vec<Violation> = verify(program).err().unwrap_or_default();
    found.iter().map(|v| (v.value.map(|id| id.0), v.rule)).collect()
}

/// Index of the first value whose gate satisfies `is`.
fn find(program: &Program, is: impl Fn(&Value) -> bool) -> usize {
    program.values.iter().position(is).unwrap()
}

/// The sample with one value more, which is made of the first that satisfies `is`.
fn with(is: impl Fn(&Value) -> bool, change: impl FnOnce(ValueId, &mut Value)) -> Program {
    let mut program = sample::program();
    let source = find(&program, is);
    let mut value = program.values[source].clone();
    change(ValueId(source as u32), &mut value);
    program.values.push(value);
    program
}

/// The last value alone asks for too much.
#[track_caller]
fn refused(program: &Program) {
    let last = program.values.len() as u32 - 1;
    assert_eq!(rules(program), [(Some(last), Rule::Budget)]);
}

/// A wire that can be compared by keys.
fn comparable(value: &Value) -> bool {
    value.kind == Kind::Wire && value.ring <= 32 && value.bound <= 16
}

#[test]
fn a_comparison_at_many_offsets_is_refused() {
    let at = |count: usize| {
        with(comparable, |source, value| {
            value.gate = Gate::ReluShared { source, offsets: (0..count as i64).map(|i| i % 7).collect() };
            value.kind = Kind::Share;
            value.shape[0] *= count;
            (value.ring, value.bound) = (40, 31);
        })
    };
    assert_eq!(rules(&at(MOST_OFFSETS)), []);
    refused(&at(MOST_OFFSETS + 1));
    refused(&at(20_000));
}

#[test]
fn a_series_of_many_frequencies_is_refused() {
    let at = |count: usize| {
        with(comparable, |source, value| {
            let (cosines, sines) = (vec![1; count + 1], vec![1; count]);
            value.gate = Gate::TrigSeries { source, period_bits: 10, table_fraction: 10, cosines, sines };
            (value.kind, value.fraction, value.ring, value.bound) = (Kind::Share, 20, 40, 30);
        })
    };
    assert_eq!(rules(&at(MOST_FREQUENCIES)), []);
    refused(&at(MOST_FREQUENCIES + 1));
    refused(&at(4000));
}

#[test]
fn a_sum_of_many_terms_and_many_sums_are_refused() {
    let share = |value: &Value| value.kind == Kind::Share && !matches!(value.gate, Gate::Reveal { .. });
    let at = |count: usize| {
        with(share, |source, value| {
            value.gate = Gate::Add { terms: vec![Term { value: source, shift: 0 }; count] };
        })
    };
    let most = at(MOST_TERMS);
    assert_eq!(rules(&most), []);
    refused(&at(MOST_TERMS + 1));
    let mut many = most.clone();
    let sum = many.values.last().cloned().unwrap();
    many.values.extend(vec![sum; 100]);
    let found = rules(&many);
    assert!(found.len() == 1 && found[0].1 == Rule::Budget, "{found:?}");
}

#[test]
fn a_sign_of_many_predicates_is_refused_before_they_are_looked_at() {
    let mut program = sample::program();
    let index = find(&program, |value| matches!(value.gate, Gate::OpenSign { .. }));
    let Gate::OpenSign { signs, .. } = &mut program.values[index].gate else { unreachable!() };
    let sign = signs[0];
    signs.resize(MOST_OPERANDS + 1, sign);
    assert_eq!(rules(&program), [(Some(index as u32), Rule::Budget)]);
}

#[test]
fn weights_that_are_too_large_together_are_refused_at_once() {
    let of = |count: usize| {
        let mut program = Program { weights: sample::program().weights, ..Program::default() };
        program.weights.truncate(1);
        program.weights[0].shape = [MOST_ENTRIES][..].into();
        program.weights = vec![program.weights[0].clone(); count];
        rules(&program)
    };
    let most = (MOST_WEIGHT_ENTRIES / MOST_ENTRIES as u64) as usize;
    // They are not used either.
    assert_eq!(of(most), vec![(None, Rule::Reference); most]);
    assert_eq!(of(most + 1), [(None, Rule::Budget)]);
}

/// A long chain holds two of its values at a time, however many there are.
#[test]
fn what_nobody_reads_any_more_is_not_held() {
    let mut program = Program::default();
    let shape = &[(MOST_LIVE_WORDS / 8) as usize][..];
    program.inputs.push(crate::program::Input {
        node: 0,
        shape: shape.into(),
        fraction: 0,
        bound: 5,
        path: String::new(),
    });
    let mut last = sample::push(&mut program, "", (Kind::Share, shape), (64, 0, 5), Gate::ClientShare { input: 0 });
    for _ in 0..20 {
        let gate = Gate::AddPublic { source: last, term: 1 };
        last = sample::push(&mut program, "", (Kind::Share, shape), (64, 0, 6), gate);
    }
    assert_eq!(rules(&program), []);
}

#[test]
fn more_outputs_values_or_weights_than_any_program_has_are_refused_at_once() {
    let refused = |change: &dyn Fn(&mut Program)| {
        let mut program = sample::program();
        change(&mut program);
        assert_eq!(rules(&program), [(None, Rule::Budget)]);
    };
    // As many reveals of one share.
    refused(&|p| {
        let reveal = find(p, |value| matches!(value.gate, Gate::Reveal { .. }));
        for n in p.outputs.len()..5000 {
            let mut value = p.values[reveal].clone();
            let Gate::Reveal { output, .. } = &mut value.gate else { unreachable!() };
            let declared = Output { name: format!("o{n}"), ..p.outputs[*output as usize].clone() };
            *output = n as u32;
            p.outputs.push(declared);
            p.values.push(value);
        }
    });
    refused(&|p| p.values = vec![p.values[0].clone(); MOST_VALUES + 1]);
    refused(&|p| p.weights = vec![p.weights[0].clone(); MOST_WEIGHTS + 1]);
    refused(&|p| p.inputs = vec![p.inputs[0].clone(); MOST_INTERFACES + 1]);
}

#[test]
fn what_would_fill_the_memory_of_a_party_is_refused() {
    let share = |value: &Value| value.kind == Kind::Share && value.shape.len() == 2 && value.ring <= 64;
    let wide = |entries: usize| {
        let mut program = with(share, |source, value| {
            let index = vec![0; 1 << 13];
            value.shape[0] = 1 << 13;
            value.gate = Gate::View { source, view: View::Gather { axis: 0, index } };
        });
        let columns = program.values.last().unwrap().shape[1];
        let mut value = program.values.last().cloned().unwrap();
        let mut push = |gate: &dyn Fn(ValueId) -> Gate, program: &mut Program| {
            value.shape[1] = entries / value.shape[0];
            value.gate = gate(ValueId(program.values.len() as u32 - 1));
            program.values.push(value.clone());
        };
        let index: Vec<usize> = (0..entries >> 13).map(|n| n % columns).collect();
        let wider = |source| Gate::View { source, view: View::Gather { axis: 1, index: index.clone() } };
        push(&wider, &mut program);
        push(&|source| Gate::View { source, view: View::Reshape }, &mut program);
        let terms = |last: ValueId| [last.0 - 1, last.0].map(|id| Term { value: ValueId(id), shift: 0 }).to_vec();
        push(&|last| Gate::Add { terms: terms(last) }, &mut program);
        program
    };
    assert_eq!(rules(&wide(1 << 22)), []);
    let found = rules(&wide(1 << 28));
    assert!(found.len() == 1 && found[0].1 == Rule::Budget, "{found:?}");
    let found = rules(&wide(1 << 29));
    assert!(found.iter().any(|f| f.1 == Rule::Shape), "{found:?}");
}

#[test]
fn shapes_of_declarations_whose_entries_overflow_are_refused() {
    for extents in [&[usize::MAX, 3][..], &[1 << 32, 1 << 32], &[1, 1, 1, 1, 1]] {
        let mut program = sample::program();
        program.weights[0].shape = extents.into();
        assert_eq!(rules(&program), [(None, Rule::Shape)], "{extents:?}");
        let mut program = sample::program();
        program.inputs[0].shape = extents.into();
        program.outputs[0].shape = extents.into();
        assert_eq!(rules(&program), [(None, Rule::Shape); 2], "{extents:?}");
    }
}

/// What a refused value would have proved is not asked of it.
#[test]
fn a_selection_by_a_refused_sign_is_not_examined() {
    let mut program = sample::program();
    let sign = find(&program, |value| matches!(value.gate, Gate::OpenSign { .. }));
    let Gate::OpenSign { signs, .. } = &mut program.values[sign].gate else { unreachable!() };
    signs[0] = ValueId(4_000_000_000);
    assert_eq!(rules(&program)[0], (Some(sign as u32), Rule::Reference));
    let selects = |v: &Value| matches!(&v.gate, Gate::Select { bit, .. } if bit.0 as usize == sign);
    let selection = find(&program, selects) as u32;
    assert!(rules(&program).iter().all(|f| f.0 != Some(selection)));
}

#[test]
fn an_opening_drops_at_most_a_word() {
    let opened = |truncate: u8| {
        let mut program = Program::default();
        let given =
            crate::program::Input { node: 0, shape: [3][..].into(), fraction: 0, bound: 5, path: String::new() };
        program.inputs.push(given);
        let x = sample::push(&mut program, "", (Kind::Share, &[3]), (128, 0, 50), Gate::ClientShare { input: 0 });
        let gate = Gate::Open { source: x, truncate };
        sample::push(&mut program, "", (Kind::Wire, &[3]), (128 - truncate, -i16::from(truncate), 30), gate);
        rules(&program)
    };
    assert_eq!(opened(64), []);
    assert_eq!(opened(65), [(Some(1), Rule::Parameter)]);
    assert_eq!(opened(80), [(Some(1), Rule::Parameter)]);
}

#[test]
fn no_more_than_a_hundred_violations_are_listed() {
    let mut program = sample::program();
    let mut odd = program.values[0].clone();
    odd.ring = 0;
    odd.path = "x".repeat(10_000);
    program.values = vec![odd; 10_000];
    assert_eq!(verify(&program).unwrap_err().len(), 100);
}

/// Programs of as many values as are accepted: everything that a reader does with one takes time in proportion.
#[test]
fn the_longest_programs_are_lowered_and_priced_in_a_moment() {
    let began = std::time::Instant::now();
    let start = || {
        let mut program = Program::default();
        let given =
            crate::program::Input { node: 0, shape: [3][..].into(), fraction: 0, bound: 5, path: String::new() };
        program.inputs.push(given);
        sample::push(&mut program, "", (Kind::Share, &[3]), (64, 0, 5), Gate::ClientShare { input: 0 });
        program
    };
    let open = |source| Gate::Open { source, truncate: 0 };
    let wide = |gate: &dyn Fn(ValueId) -> Gate, kind: Kind| {
        let mut program = start();
        while program.values.len() < MOST_VALUES {
            sample::push(&mut program, "", (kind, &[3]), (64, 0, 40), gate(ValueId(0)));
        }
        program
    };
    let mut deep = start();
    let mut last = ValueId(0);
    while deep.values.len() + 2 <= MOST_VALUES {
        let wire = sample::push(&mut deep, "", (Kind::Wire, &[3]), (20, 0, 5), open(last));
        last = sample::push(&mut deep, "", (Kind::Share, &[3]), (64, 0, 5), Gate::Extend { source: wire });
    }
    let mut sums = start();
    while sums.values.len() < MOST_VALUES {
        let source = ValueId(sums.values.len() as u32 - 1);
        sample::push(&mut sums, "", (Kind::Share, &[3]), (64, 0, 40), Gate::AddPublic { source, term: 1 });
    }
    for (name, program) in [
        ("openings", wide(&open, Kind::Wire)),
        ("factors", wide(&|source| Gate::MulPublic { source, factor: 3 }, Kind::Share)),
        ("a chain of openings", deep),
        ("a chain of sums", sums),
    ] {
        assert_eq!(rules(&program), [], "{name}");
        let workload = crate::timing::Workload::new(&program);
        assert!(workload.peak_bytes(1)[0] > 0);
        eprintln!("{name}: {:?}", began.elapsed());
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(60), "{:?}", began.elapsed());
}
