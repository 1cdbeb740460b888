//! A share program lowered for three roles and run over TLS: the right answer, and exactly the predicted cost.

use mpcc_program::code::Role;
use mpcc_program::cost;
use mpcc_program::gates::lower;
use mpcc_program::program::{
    Gate, Input, Kind, Output, Program, Shape, Value, ValueId, Weight, WeightId, WeightRounding,
};
use mpcc_protocols::OutputWords;
use mpcc_protocols::verify::verify_trio;

use super::{Setting, numbers, start};
use crate::{Measurement, setup_bytes};

pub(super) const ROWS: usize = 6;
pub(super) const WIDTHS: [usize; 3] = [9, 8, 5];
const DROPPED: u8 = 10;

fn push(p: &mut Program, kind: Kind, columns: usize, (ring, fraction, bound): (u8, i16, u8), gate: Gate) -> ValueId {
    let shape: Shape = [ROWS, columns].into_iter().collect();
    let known = gate.operands().iter().map(|&o| p.value(o).level).max().unwrap_or(0);
    let level = known + u16::from(gate.takes_a_hop());
    p.hops = p.hops.max(level);
    p.values.push(Value { gate, kind, shape, ring, fraction, bound, level, path: "test".to_owned() });
    ValueId(p.values.len() as u32 - 1)
}

/// Two layers with a rectifier between them: by digit tables, or by keys that both parties are dealt.
pub(super) fn perceptron(keys: bool) -> Program {
    let mut p = Program { name: "perceptron".to_owned(), ..Program::default() };
    let weight = |k, n, fraction| Weight {
        node: 0,
        shape: [k, n].into_iter().collect(),
        transposed: false,
        fraction,
        bound: 11,
        rounding: WeightRounding::Nearest,
        path: "w".to_owned(),
    };
    p.weights = vec![weight(WIDTHS[0], WIDTHS[1], 5), weight(WIDTHS[1], WIDTHS[2], 0)];
    p.inputs = vec![Input {
        node: 0,
        shape: [ROWS, WIDTHS[0]].into_iter().collect(),
        fraction: 5,
        bound: 11,
        path: "x".to_owned(),
    }];
    let shape = [ROWS, WIDTHS[2]].into_iter().collect();
    p.outputs = vec![Output { name: "y".to_owned(), shape, fraction: 0, labels: vec![] }];
    let (wire, share, bits) = (Kind::Wire, Kind::Share, Kind::Bits);
    let x = push(&mut p, wire, WIDTHS[0], (40, 5, 11), Gate::Input { input: 0 });
    let h = push(&mut p, share, WIDTHS[1], (40, 10, 26), Gate::MatMulServer { source: x, weight: WeightId(0) });
    let open = Gate::Open { source: h, truncate: DROPPED };
    let h = push(&mut p, wire, WIDTHS[1], (18, 0, 17), open);
    let rectify = if keys {
        Gate::ReluShared { source: h, offsets: [0].into_iter().collect() }
    } else {
        let digits = [6, 6, 6].into_iter().collect();
        let signs = push(&mut p, bits, WIDTHS[1], (5, 0, 0), Gate::SignDigits { source: h, offset: 0, digits });
        let open = Gate::OpenSign { signs: [signs].into_iter().collect(), negate: true };
        let bit = push(&mut p, bits, WIDTHS[1], (1, 0, 0), open);
        Gate::Select { bit, source: h, nonnegative: true }
    };
    let a = push(&mut p, share, WIDTHS[1], (44, 0, 17), rectify);
    let open = Gate::Open { source: a, truncate: 0 };
    let a = push(&mut p, wire, WIDTHS[1], (44, 0, 17), open);
    let y = push(&mut p, share, WIDTHS[2], (44, 0, 31), Gate::MatMulServer { source: a, weight: WeightId(1) });
    push(&mut p, share, WIDTHS[2], (44, 0, 31), Gate::Reveal { source: y, truncate: 0, output: 0 });
    p
}

fn product(x: &[f64], w: &[u64], k: usize, n: usize) -> Vec<f64> {
    let entry = |i: usize, j: usize| (0..k).map(|l| x[i * k + l] * (w[l * n + j] as i64) as f64).sum();
    (0..ROWS).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| entry(i, j)).collect()
}

#[test]
fn a_lowered_program_gives_the_right_answer_at_the_predicted_cost() {
    runs_at_the_predicted_cost(&perceptron(false));
}

#[test]
fn keys_for_both_parties_cost_what_is_predicted() {
    let program = perceptron(true);
    let [tables, keys] = [&perceptron(false), &program].map(cost::program);
    assert_eq!(keys.hops + 2, tables.hops);
    assert!(keys.offline_bytes.model_owner > tables.offline_bytes.model_owner);
    runs_at_the_predicted_cost(&program);
}

/// The answer is right but for one unit in every hidden value.
pub(super) fn within_rounding(weights: &[Vec<u64>], input: &[u64], output: &OutputWords) {
    let x: Vec<f64> = input.iter().map(|w| (*w as i64) as f64).collect();
    let hidden = product(&x, &weights[0], WIDTHS[0], WIDTHS[1]);
    let hidden: Vec<f64> = hidden.iter().map(|h| (h / f64::from(1 << DROPPED)).max(0.0)).collect();
    let exact = product(&hidden, &weights[1], WIDTHS[1], WIDTHS[2]);
    let one_unit = 1001.0 * WIDTHS[1] as f64;
    let errors = exact.iter().zip(output.signed()).map(|(e, y)| (e - y as f64).abs());
    let worst = errors.fold(0.0, f64::max);
    assert!(worst <= one_unit, "{worst} is more than every hidden value off by one unit");
    assert!(exact.iter().any(|e| e.abs() > 10.0 * one_unit));
}

fn runs_at_the_predicted_cost(program: &Program) {
    mpcc_program::verify::verify(program).unwrap();
    let codes = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| lower(program, role));
    verify_trio(&codes[0], &codes[1], &codes[2]).unwrap();
    let weights = vec![numbers(WIDTHS[0] * WIDTHS[1], 17), numbers(WIDTHS[1] * WIDTHS[2], 5)];
    let inputs: Vec<_> = (0..2).map(|i| vec![numbers(ROWS * WIDTHS[0], 1 + i)]).collect();

    let session = start(Setting { codes, weights: weights.clone(), inputs: inputs.clone(), ..Setting::default() });
    let done = session.data_owner.join().unwrap().unwrap();
    let model_owner = session.model_owner.join().unwrap().unwrap();
    let dealer = session.dealer.join().unwrap().unwrap();
    for (outputs, input) in done.outputs.iter().zip(&inputs) {
        within_rounding(&weights, &input[0], &outputs[0]);
    }

    let predicted = cost::program(program);
    let measured = Measurement::new(&done.report, Some(&model_owner), Some(&dealer));
    assert_eq!(measured.hops, u64::from(predicted.hops));
    assert_eq!(measured.online_bytes.model_owner, predicted.online_bytes.model_owner);
    assert_eq!(measured.online_bytes.data_owner, predicted.online_bytes.data_owner);
    assert_eq!(measured.offline_bytes.model_owner, predicted.offline_bytes.model_owner);
    assert_eq!(measured.offline_bytes.data_owner, predicted.offline_bytes.data_owner);
    assert_eq!(measured.setup_bytes, setup_bytes(predicted.setup_bytes, false));
    for (one, other) in done.report.inferences.iter().zip(&dealer.inferences) {
        assert_eq!(one.offline_bytes + predicted.offline_bytes.model_owner, other.offline_bytes);
        assert_eq!(one.online_bytes_sent, predicted.online_bytes.data_owner);
    }
}
