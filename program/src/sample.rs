//! A small share program that holds every gate, for tests.

use smallvec::smallvec;

use crate::code::{RowFunction, RowTable};
use crate::program::{
    Gate, Input, Kind, Output, Program, Term, Value, ValueId, View, Weight, WeightId, WeightRounding,
};

/// Appends a value; its level follows from its gate.
pub(crate) fn push(
    program: &mut Program,
    path: &str,
    (kind, shape): (Kind, &[usize]),
    (ring, fraction, bound): (u8, i16, u8),
    gate: Gate,
) -> ValueId {
    let known = gate.operands().iter().map(|&o| program.value(o).level).max().unwrap_or(0);
    let level = known + u16::from(gate.takes_a_hop());
    program.hops = program.hops.max(level);
    program.values.push(Value { gate, kind, shape: shape.into(), ring, fraction, bound, level, path: path.to_owned() });
    ValueId(program.values.len() as u32 - 1)
}

fn weight(shape: &[usize], fraction: i16, bound: u8, rounding: WeightRounding, path: &str) -> Weight {
    Weight {
        node: 0,
        shape: shape.into(),
        transposed: shape.len() == 2,
        fraction,
        bound,
        rounding,
        path: path.to_owned(),
    }
}

/// Every gate at least once: a normalised row, a rectified score, a series, two outputs.
pub(crate) fn program() -> Program {
    use Kind::{Bits, Share, Wire};
    let term = |value, shift| Term { value, shift };
    let mut p = Program { name: "every gate".to_owned(), ..Program::default() };
    p.weights = vec![
        weight(&[4, 3], 10, 12, WeightRounding::ZeroColumnSums, "w"),
        weight(&[3], 20, 21, WeightRounding::Nearest, "bias"),
        weight(&[2, 3], 20, 21, WeightRounding::Nearest, "position"),
        weight(&[3], 8, 9, WeightRounding::Nearest, "gain"),
    ];
    p.inputs = vec![
        Input { node: 1, shape: smallvec![2, 4], fraction: 10, bound: 12, path: "image".to_owned() },
        Input { node: 2, shape: smallvec![2, 2], fraction: 10, bound: 11, path: "mask".to_owned() },
    ];
    p.outputs = vec![
        Output {
            name: "logits".to_owned(),
            shape: smallvec![2, 3],
            fraction: 8,
            labels: vec!["cat".into(), "dog".into(), "eel".into()],
        },
        Output { name: "score".to_owned(), shape: smallvec![2, 6], fraction: 20, labels: vec![] },
    ];
    let image = push(&mut p, "image", (Wire, &[2, 4]), (50, 10, 12), Gate::Input { input: 0 });
    let table = push(&mut p, "position", (Share, &[2, 3]), (64, 20, 21), Gate::ServerShare { weight: WeightId(2) });
    let gate = Gate::MatMulServer { source: image, weight: WeightId(0) };
    let product = push(&mut p, "embed", (Share, &[2, 3]), (50, 20, 26), gate);
    let gate = Gate::AddServer { source: product, weight: WeightId(1) };
    let biased = push(&mut p, "embed", (Share, &[2, 3]), (50, 20, 27), gate);
    let gate = Gate::Add { terms: vec![term(biased, 0), term(table, 0)] };
    let x = push(&mut p, "embed", (Share, &[2, 3]), (50, 20, 28), gate);
    let gate = Gate::Open { source: x, truncate: 10 };
    let wire = push(&mut p, "norm/x", (Wire, &[2, 3]), (40, 10, 18), gate);
    let gate = Gate::Centre { source: wire, truncate: 2 };
    let z = push(&mut p, "norm/z", (Wire, &[2, 3]), (38, 10, 19), gate);
    let v = push(&mut p, "norm/v", (Share, &[2, 1]), (44, 20, 28), Gate::RowSquares { source: z });
    let gate = Gate::Open { source: v, truncate: 0 };
    let v = push(&mut p, "norm/v", (Wire, &[2, 1]), (30, 20, 28), gate);
    let function = RowFunction::Rsqrt { scale: 2f64.powi(-20), eps: 1e-6 };
    let rows = RowTable { ring_bits: 30, levels: 14, position_bits: 14, fraction: 14, function };
    let y = push(&mut p, "norm/y", (Share, &[2, 1]), (60, 28, 40), Gate::RowFunction { source: v, table: rows });
    let gate = Gate::Open { source: y, truncate: 14 };
    let y = push(&mut p, "norm/y", (Wire, &[2, 1]), (46, 14, 26), gate);
    let n = push(&mut p, "norm", (Share, &[2, 3]), (44, 24, 36), Gate::RowScale { source: z, row: y });
    let gate = Gate::Open { source: n, truncate: 14 };
    let n = push(&mut p, "norm", (Wire, &[2, 3]), (28, 10, 16), gate);
    let view = View::Permute(smallvec![1, 0]);
    let nt = push(&mut p, "scores", (Wire, &[3, 2]), (28, 10, 16), Gate::View { source: n, view });
    let s = push(&mut p, "scores", (Share, &[2, 2]), (28, 20, 26), Gate::MatMul { left: n, right: nt });
    let gate = Gate::Open { source: s, truncate: 10 };
    let s = push(&mut p, "scores", (Wire, &[2, 2]), (18, 10, 16), gate);
    let gate = Gate::SignDigits { source: s, offset: 0, digits: smallvec![6, 6, 6] };
    let digits = push(&mut p, "relu", (Bits, &[2, 2]), (5, 0, 0), gate);
    let gate = Gate::OpenSign { signs: smallvec![digits], negate: true };
    let bit = push(&mut p, "relu", (Bits, &[2, 2]), (1, 0, 0), gate);
    let gate = Gate::Select { bit, source: s, nonnegative: true };
    let relu = push(&mut p, "relu", (Share, &[2, 2]), (40, 10, 16), gate);
    let sum = push(&mut p, "sum", (Share, &[2, 1]), (40, 10, 17), Gate::SumRow { source: relu });
    let gate = Gate::MulPublic { source: relu, factor: 3 };
    let thrice = push(&mut p, "thrice", (Share, &[2, 2]), (40, 12, 18), gate);
    let wide = push(&mut p, "wide", (Share, &[2, 2]), (40, 10, 16), Gate::Extend { source: s });
    let gate = Gate::AddPublic { source: wide, term: -5 };
    let wide = push(&mut p, "wide", (Share, &[2, 2]), (40, 10, 17), gate);
    let gate = Gate::Sub { left: term(wide, 2), right: term(thrice, 0) };
    let difference = push(&mut p, "difference", (Share, &[2, 2]), (40, 12, 20), gate);
    let cosines = vec![512, -300, 20];
    let gate = Gate::TrigSeries { source: s, period_bits: 14, table_fraction: 10, cosines, sines: vec![] };
    let series = push(&mut p, "series", (Share, &[2, 2]), (40, 20, 21), gate);
    let view = View::Slice { axis: 1, start: 0 };
    let first = push(&mut p, "first", (Share, &[2, 1]), (40, 20, 21), Gate::View { source: series, view });
    let view = View::Gather { axis: 1, index: vec![1] };
    let last = push(&mut p, "last", (Share, &[2, 1]), (40, 20, 21), Gate::View { source: series, view });
    let parts = vec![term(sum, 10), term(first, 0), term(last, 0), term(difference, 8), term(s_of(&mut p, series), 2)];
    let joined = push(&mut p, "joined", (Share, &[2, 6]), (40, 20, 30), Gate::Concat { parts, axis: 1 });
    let gate = Gate::ReluShared { source: s, offsets: smallvec![100, -100] };
    push(&mut p, "relu-shared", (Share, &[4, 2]), (40, 10, 17), gate);
    push(&mut p, "step", (Share, &[2, 2]), (40, 0, 1), Gate::StepShared { source: s, offsets: smallvec![0] });
    push(&mut p, "sign", (Share, &[2, 2]), (70, 0, 1), Gate::SignShare { bit });
    let (cosines, sines) = (vec![0], vec![300, 0, -20]);
    let gate = Gate::TrigSeries { source: s, period_bits: 14, table_fraction: 10, cosines, sines };
    push(&mut p, "odd", (Share, &[2, 2]), (40, 20, 21), gate);
    push(&mut p, "low", (Wire, &[2, 2]), (10, 6, 9), Gate::Reduce { source: s, truncate: 4 });
    push(&mut p, "square", (Share, &[2, 3]), (44, 20, 38), Gate::Square { source: z });
    push(&mut p, "product", (Share, &[2, 3]), (28, 24, 42), Gate::Hadamard { left: n, right: y });
    push(&mut p, "mask", (Share, &[2, 2]), (64, 10, 11), Gate::ClientShare { input: 1 });
    let gate = Gate::BucketCounts { source: s, offset: 100, buckets: 4, step: 13 };
    let counts = push(&mut p, "maximum", (Share, &[2, 30]), (4, 0, 3), gate);
    let counts = push(&mut p, "maximum", (Wire, &[2, 30]), (4, 0, 3), Gate::Open { source: counts, truncate: 0 });
    let gate = Gate::ZeroDigits { source: counts, offset: 7, digits: smallvec![2, 2] };
    let zero = push(&mut p, "maximum", (Bits, &[2, 30]), (2, 0, 0), gate);
    let zero = push(&mut p, "maximum", (Share, &[2, 30]), (5, 0, 1), Gate::ZeroShare { bits: zero });
    let sum = push(&mut p, "maximum", (Share, &[2, 1]), (5, 0, 4), Gate::SumRow { source: zero });
    let gate = Gate::Rescale { source: sum, shift: -3 };
    let sum = push(&mut p, "maximum", (Share, &[2, 1]), (5, -3, 4), gate);
    let row = push(&mut p, "maximum", (Wire, &[2, 1]), (5, -3, 4), Gate::Open { source: sum, truncate: 0 });
    let gate = Gate::SubRow { source: s, row, shift: 13, term: 5 };
    let near = push(&mut p, "near", (Wire, &[2, 2]), (18, 10, 17), gate);
    let bits =
        push(&mut p, "exp", (Bits, &[2, 2]), (3, 0, 0), Gate::BucketBits { source: near, offset: 131_071, buckets: 5 });
    let gate = Gate::Exponential { bits, source: near, mask_fraction: 12, public_fraction: 30 };
    push(&mut p, "exp", (Share, &[2, 2]), (80, 42, 43), gate);
    let gate = Gate::MulServer { source: n, weight: WeightId(3) };
    let scaled = push(&mut p, "logits", (Share, &[2, 3]), (28, 18, 24), gate);
    push(&mut p, "logits", (Share, &[2, 3]), (16, 8, 14), Gate::Reveal { source: scaled, truncate: 10, output: 0 });
    push(&mut p, "score", (Share, &[2, 6]), (40, 20, 30), Gate::Reveal { source: joined, truncate: 0, output: 1 });
    p
}

/// The series flattened, quartered and cut to one column.
fn s_of(p: &mut Program, series: ValueId) -> ValueId {
    let gate = Gate::View { source: series, view: View::Reshape };
    let flat = push(p, "flat", (Kind::Share, &[4, 1]), (40, 20, 21), gate);
    let gate = Gate::Rescale { source: flat, shift: -2 };
    let flat = push(p, "flat", (Kind::Share, &[4, 1]), (40, 18, 21), gate);
    let gate = Gate::View { source: flat, view: View::Slice { axis: 0, start: 1 } };
    push(p, "flat", (Kind::Share, &[2, 1]), (40, 18, 21), gate)
}
