//! Functions of rows of scores: lengths, shapes of rows and variances. What is planned is right, and what cannot be planned
//! is refused with the range that is to blame.

use mpcc::compiler::encode;
use mpcc::compiler::evaluate::Tensor;
use mpcc::compiler::plan::PlanError;

use super::pipeline::{compile_calibrated, try_compile_calibrated, uniform};

const LENGTHS: [usize; 6] = [1, 2, 65, 128, 257, 512];
const VARIANCES: [f64; 7] = [0.01, 0.1, 1.0, 4.0, 16.0, 100.0, 1000.0];
/// Rows of every kind.
const RANDOM: usize = 4;
/// Fraction bits of scores.
const FRACTION: i32 = 14;
/// 2^-9
const TOLERANCE: f64 = 0.001_953_125;

/// A call on scores, and what their row must sum to before it is divided by: rounding counts relative to that.
struct Function {
    call: &'static str,
    head: &'static str,
    divisor: fn(&[f64]) -> f64,
}

fn one(_: &[f64]) -> f64 {
    1.0
}

fn rectified(row: &[f64]) -> f64 {
    row.iter().map(|s| s.max(0.0)).sum()
}

fn squared(row: &[f64]) -> f64 {
    let sum = |f: fn(f64) -> f64| row.iter().map(|s| f(0.2 * s + 1.0)).sum::<f64>();
    // A square errs by the size of its root.
    sum(|e| e * e) / (1.0 + 2.0 * sum(f64::abs) / row.len() as f64)
}

const FUNCTIONS: [Function; 7] = [
    Function { call: "softmax(s)", head: "// softmax: maximum", divisor: one },
    Function { call: "softmax(s)", head: "// softmax: static", divisor: one },
    Function { call: "softmax(s)", head: "// comparison: fss", divisor: one },
    Function { call: "relu_softmax(s)", head: "", divisor: rectified },
    Function { call: "two_quad(s)", head: "", divisor: squared },
    Function { call: "scaling(s)", head: "", divisor: one },
    Function { call: "sparsemax(s)", head: "", divisor: one },
];

/// Normal scores, flat rows, one score above or below equal ones, and scores below 0.
fn rows(length: usize, deviation: f64, seed: u64) -> Vec<Vec<f64>> {
    let [mut angles, mut radii] = [2, 3].map(|k| uniform(seed * 8 + k, 2 * RANDOM * length, 1e-9, 1.0).into_iter());
    let mut normal = || {
        let (angle, radius) = (angles.next().expect("enough"), radii.next().expect("enough"));
        deviation * (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    };
    let mut all: Vec<Vec<f64>> = (0..RANDOM).map(|_| (0..length).map(|_| normal()).collect()).collect();
    let flat = |value: f64| vec![value; length];
    all.extend([flat(0.0), flat(deviation), flat(-deviation)]);
    for (low, high) in [(0.0, 3.0), (-3.0, 3.0), (-3.0, 0.0)] {
        let mut row = flat(low * deviation);
        row[length / 2] = high * deviation;
        all.push(row);
    }
    all.push((0..length).map(|_| -normal().abs()).collect());
    all
}

fn model(function: &Function, count: usize, length: usize, fraction: i32) -> String {
    format!(
        "{}\nmpv 1;\nnumeric {{ frac: {fraction}, output_frac: 18 }}\nmodel Rows() {{\n  \
         input x: secret client Tensor<{count}, {length}>;\n  weights secret server {{ format: safetensors }}\n  \
         param z: Tensor<1> = \"z\";\n  let s = x + 0 * z;\n  \
         output y: reveal client Tensor<{count}, {length}> = {};\n}}\n",
        function.head, function.call
    )
}

/// The largest error in units of what it may be, or the refusal.
fn error(function: &Function, length: usize, variance: f64) -> Result<f64, String> {
    let all = rows(length, variance.sqrt(), 1);
    let source = model(function, all.len(), length, FRACTION);
    let input = |rows: &[Vec<f64>]| vec![Tensor::new(&[rows.len(), length], rows.concat())];
    let calibration: Vec<Vec<Tensor>> = (1..4).map(|seed| input(&rows(length, variance.sqrt(), seed))).collect();
    let compiled = match try_compile_calibrated(&source, 1, &calibration) {
        Ok(compiled) => compiled,
        Err(errors) => {
            let of_values = |e: &PlanError| matches!(e, PlanError::TooWide { .. } | PlanError::RowDomain { .. });
            let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            assert!(errors.iter().all(of_values), "{} of {length} at {variance}: {text}", function.call);
            return Err(text);
        }
    };
    let inference = compiled.inference(input(&all));
    let ideal = compiled
        .try_ideal(&inference.encoded, 5, 0)
        .unwrap_or_else(|why| panic!("{} of {length} at {variance}: {why}", function.call));
    let found = encode::decode(&compiled.program.outputs[0], &ideal.outputs[0]);
    let mut worst = 0f64;
    for ((row, found), wanted) in all.iter().zip(found.chunks(length)).zip(inference.float[0].chunks(length)) {
        let divisor = (function.divisor)(row);
        if divisor <= 0.0 {
            assert!(found.iter().all(|v| *v == 0.0), "{} of {length} at {variance}: {found:?}", function.call);
            continue;
        }
        // Half of the entries' rounding, at most, adds up.
        let allowed = TOLERANCE + (1.0 + length as f64 / 16.0) * f64::from(-FRACTION).exp2() / divisor;
        let errors = found.iter().zip(wanted).map(|(found, wanted)| (found - wanted).abs() / allowed);
        worst = errors.fold(worst, f64::max);
    }
    Ok(worst)
}

#[test]
fn rows_of_every_length_shape_and_variance_are_right_or_refused() {
    let mut failures = Vec::new();
    for function in &FUNCTIONS {
        for length in LENGTHS {
            for variance in VARIANCES {
                let at = format!("{} {} of {length} at {variance}", function.head, function.call);
                let outcome = error(function, length, variance);
                if std::env::var_os("MPCC_SHOW").is_some() {
                    println!("{at}: {outcome:?}");
                }
                match outcome {
                    Ok(units) if units <= 1.0 => {}
                    Ok(units) => failures.push(format!("{at}: {units:.2} times the tolerance")),
                    Err(_) if variance > 20.0 => {}
                    Err(why) => failures.push(format!("{at}: {why}")),
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// With 22 fraction bits, scores around 100 cannot be compared, nor their sums divided by.
#[test]
fn what_does_not_fit_is_refused_with_its_range() {
    for function in FUNCTIONS.iter().filter(|f| f.call.starts_with("softmax") || f.call.starts_with("sparsemax")) {
        let all = rows(65, 100.0, 1);
        let calibration = vec![vec![Tensor::new(&[all.len(), 65], all.concat())]];
        let errors = match try_compile_calibrated(&model(function, all.len(), 65, 22), 1, &calibration) {
            Ok(_) => panic!("{} is planned", function.call),
            Err(errors) => errors,
        };
        let text = errors[0].to_string();
        assert!(matches!(errors[0], PlanError::TooWide { .. }), "{text}");
        assert!(text.contains("ranges over ±") && text.contains("22 fraction bits"), "{text}");
    }
}

/// A number takes a maximum's place only where all that depends on it is divided by the row's sum: not where the sum or its
/// reciprocal is revealed, nor where something else is divided by it.
#[test]
fn what_depends_on_the_maximum_of_a_row_keeps_it() {
    let input = |seed: u64| vec![Tensor::new(&[4, 8], uniform(seed, 32, -1.0, 1.0))];
    for results in [
        "output y: reveal client Tensor<4, 8> = e * recip(sum(e, axis: -1));",
        "output y: reveal client Tensor<4, 8> = relu(s) * recip(sum(e, axis: -1));",
        "output y: reveal client Tensor<4, 8> = e * recip(sum(e, axis: -1));\n  \
         output d: reveal client Tensor<4, 1> = sum(e, axis: -1);",
        "output y: reveal client Tensor<4, 1> = recip(sum(e, axis: -1));",
    ] {
        let source = format!(
            "// softmax: static\nmpv 1;\nmodel Rows() {{\n  input x: secret client Tensor<4, 8>;\n  \
             weights secret server {{ format: safetensors }}\n  param z: Tensor<1> = \"z\";\n  let s = x + 0 * z;\n  \
             let e = exp(s - max(s, axis: -1));\n  {results}\n}}\n"
        );
        let compiled = compile_calibrated(&source, 1, |_| (1..9).map(input).collect());
        let inference = compiled.inference(input(20));
        let ideal = compiled.ideal(&inference.encoded, 5, 0);
        for ((output, found), wanted) in compiled.program.outputs.iter().zip(&ideal.outputs).zip(&inference.float) {
            let found = encode::decode(output, found);
            let worst = found.iter().zip(wanted).map(|(found, wanted)| (found - wanted).abs()).fold(0.0, f64::max);
            assert!(worst < 0.01, "{results}: {} is off by {worst}", output.name);
        }
    }
}
