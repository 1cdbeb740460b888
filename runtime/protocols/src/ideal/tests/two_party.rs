//! The ideal result against a two-party run of the lowered program with the same seeds: every value is revealed.

use std::sync::Arc;

use mpcc_program::code::Role;
use mpcc_program::gates::lower;
use mpcc_program::interpret::Interpreter;

use super::*;
use crate::CheckedCode;
use crate::local_run::{InsecureInputs, RoleInProcess, Trio, run_insecurely_in_one_process};
use mpcc_program::program::{Term, View};

/// Reveals every share as it is, and every wire that has the slack for it through an extension. Values keep their ids,
/// so they keep their masks.
fn reveal_everything(b: &mut Build) -> Vec<ValueId> {
    let mut revealed = Vec::new();
    for index in 0..b.program.values.len() {
        let id = ValueId(index as u32);
        let value = b.program.values[index].clone();
        let size = (value.ring, value.fraction, value.bound);
        let (source, size) = match value.kind {
            Kind::Share if !matches!(value.gate, Gate::Reveal { .. }) => (id, size),
            Kind::Wire if value.bound + 2 <= value.ring && value.ring < 64 => {
                let wide = (64, value.fraction, value.bound);
                (b.push(Kind::Share, &value.shape, wide, Gate::Extend { source: id }), wide)
            }
            _ => continue,
        };
        let output = b.output(&value.shape, value.fraction);
        b.push(Kind::Share, &value.shape, size, Gate::Reveal { source, truncate: 0, output });
        revealed.push(id);
    }
    revealed
}

fn words(data: &[Vec<i64>]) -> Vec<Vec<u64>> {
    data.iter().map(|list| list.iter().map(|x| *x as u64).collect()).collect()
}

fn role(program: &Program, role: Role) -> RoleInProcess {
    let code = match CheckedCode::new(lower(program, role)) {
        Ok(code) => Arc::new(code),
        Err(error) => panic!("{error}"),
    };
    RoleInProcess { code, executor: Arc::new(Interpreter) }
}

/// Outputs of a two-party run with the seeds of [`coins`], in order.
fn outputs(b: &Build) -> Vec<Vec<i64>> {
    let trio = Trio {
        model_owner: role(&b.program, Role::ModelOwner),
        data_owner: role(&b.program, Role::DataOwner),
        dealer: role(&b.program, Role::Dealer),
    };
    let [model_owner_seed, data_owner_seed] = seeds(1);
    let inputs = [words(&b.inputs)];
    let given = InsecureInputs {
        weights: words(&b.weights),
        inputs: &inputs,
        model_owner_seed,
        data_owner_seed,
        record: false,
    };
    let run = match run_insecurely_in_one_process(&trio, given) {
        Ok(run) => run,
        Err(error) => panic!("{error}"),
    };
    let mut outputs = vec![Vec::new(); b.program.outputs.len()];
    for words in &run.inferences[0].outputs {
        outputs[words.output as usize] = words.signed();
    }
    outputs
}

/// Runs `b` by two parties and holds every share and wire against the ideal result.
#[track_caller]
pub(super) fn compare(b: &Build, ideal: &Ideal) {
    let mut open = b.clone();
    let revealed = reveal_everything(&mut open);
    let found = outputs(&open);
    let (own, rest) = found.split_at(b.program.outputs.len());
    assert_eq!(own, ideal.outputs, "outputs of the program itself");
    for (id, found) in revealed.iter().zip(rest) {
        let want = &ideal.values[id.0 as usize];
        let at = want.iter().zip(found).position(|(w, f)| w != f);
        assert!(
            at.is_none() && want.len() == found.len(),
            "%{} {:?}: entry {at:?}, ideal {:?}, two parties {:?}",
            id.0,
            b.program.value(*id).gate,
            at.map(|i| want[i]),
            at.map(|i| found[i])
        );
    }
}

/// A row through normalisation, scores, a rectifier, a windowed reciprocal and a series, in narrow rings.
#[test]
fn a_network_in_small_agrees_bit_for_bit() {
    use mpcc_program::code::{RowFunction, RowTable};
    let term = |value, shift| Term { value, shift };
    let (rows, d) = (5usize, 6usize);
    for salt in 0..4 {
        let mut b = Build::default();
        let image = b.wire(&[rows, 8], (46, 10), &random(rows * 8, 10, 10 * salt));
        let w = b.weight(&[8, d], 10, &random(8 * d, 10, 10 * salt + 1));
        let bias = b.weight(&[d], 18, &random(d, 18, 10 * salt + 2));
        let x = b.push(Kind::Share, &[rows, d], (46, 0, 24), Gate::MatMulServer { source: image, weight: w });
        let x = b.push(Kind::Share, &[rows, d], (46, 0, 25), Gate::AddServer { source: x, weight: bias });
        let rounding = if salt % 2 == 0 { Rounding::Dithered } else { Rounding::Exact };
        let gate = Gate::Open { source: x, truncate: 10, rounding };
        let x = b.push(Kind::Wire, &[rows, d], (36, -10, 16), gate);
        let z = b.push(Kind::Wire, &[rows, d], (33, -10, 16), Gate::Centre { source: x, truncate: 3 });
        let v = b.push(Kind::Share, &[rows, 1], (64, -20, 35), Gate::RowSquares { source: z });
        let gate = Gate::Open { source: v, truncate: 0, rounding: Rounding::Exact };
        let v = b.push(Kind::Wire, &[rows, 1], (36, -20, 35), gate);
        let function = RowFunction::Rsqrt { scale: 2f64.powi(-20), eps: 1e-6 };
        let table =
            RowTable { ring_bits: 36, index_bits: 6, windows: 4, degree: 3, tau_bits: 14, fraction: 18, function };
        let y = b.push(Kind::Share, &[rows, 7], (60, 32, 52), Gate::RowTable { source: v, table });
        let gate = Gate::Open { source: y, truncate: 0, rounding: Rounding::Exact };
        let y = b.push(Kind::Wire, &[rows, 7], (60, 32, 52), gate);
        let y = b.push(Kind::Share, &[rows, 1], (60, 32, 52), Gate::WindowChain { source: y, windows: 4 });
        let gate = Gate::Open { source: y, truncate: 14, rounding: Rounding::Dithered };
        let y = b.push(Kind::Wire, &[rows, 1], (46, 18, 39), gate);
        let n = b.push(Kind::Share, &[rows, d], (46, 8, 40), Gate::RowScale { source: z, row: y });
        let gate = Gate::Open { source: n, truncate: 20, rounding: Rounding::Dithered };
        let n = b.push(Kind::Wire, &[rows, d], (26, -12, 10), gate);
        let view = View::Permute([1, 0].into_iter().collect());
        let t = b.push(Kind::Wire, &[d, rows], (26, -12, 10), Gate::View { source: n, view });
        let s = b.push(Kind::Share, &[rows, rows], (26, -24, 20), Gate::MatMul { left: n, right: t });
        let gate = Gate::Open { source: s, truncate: 2, rounding: Rounding::Exact };
        let s = b.push(Kind::Wire, &[rows, rows], (24, -26, 19), gate);
        let digits = [[6, 6, 6, 6].as_slice(), &[5, 5, 5, 5, 4]][usize::from(salt > 1)];
        let gate = Gate::SignDigits { source: s, offset: -3, digits: digits.iter().copied().collect() };
        let signs = b.push(Kind::Bits, &[rows, rows], (2 * digits.len() as u8 - 1, 0, 0), gate);
        let signs = [signs].into_iter().collect();
        let bit = b.push(Kind::Bits, &[rows, rows], (1, 0, 0), Gate::OpenSign { signs, negate: true });
        let gate = Gate::Select { bit, source: s, nonnegative: true };
        let relu = b.push(Kind::Share, &[rows, rows], (50, -26, 19), gate);
        let sum = b.push(Kind::Share, &[rows, 1], (50, -26, 22), Gate::SumRow { source: relu });
        let gate = Gate::CosineSeries {
            source: s,
            period_bits: 20,
            table_fraction: 16,
            coefficients: vec![30_000, -9000, 77, 2],
        };
        let series = b.push(Kind::Share, &[rows, rows], (60, 32, 40), gate);
        let sum = b.push(Kind::Share, &[rows, 1], (50, 30, 22), Gate::Rescale { source: sum, shift: 56 });
        let parts = vec![term(series, 0), term(sum, 2)];
        b.push(Kind::Share, &[rows, rows + 1], (52, 32, 40), Gate::Concat { parts, axis: 1 });
        let source = relu;
        let output = b.output(&[rows, rows], -29);
        b.push(Kind::Share, &[rows, rows], (47, -29, 19), Gate::Reveal { source, truncate: 3, output });
        b.run();
    }
}
