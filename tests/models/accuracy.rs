//! Functions of one number over their whole domain, in the ideal functionality with either comparison: every argument on
//! a grid of 2^16.

use mpcc::compiler::encode;
use mpcc::compiler::evaluate::Tensor;

use super::pipeline::{compile_calibrated, uniform};

/// How far a result may be from the function.
#[derive(Clone, Copy, Debug)]
enum Bound {
    Absolute(f64),
    /// Of the value.
    Relative(f64),
    /// Of the greatest value of the domain.
    OfGreatest(f64),
}

use Bound::{Absolute, OfGreatest, Relative};

/// 2^-11
const ABSOLUTE: f64 = 0.000_488_281_25;
/// 2^-10
const RELATIVE: f64 = 0.000_976_562_5;

/// A call on `s`, the domain of `s`, whether the domain is declared or only observed, and the bound.
const CALLS: &[(&str, (f64, f64), bool, Bound)] = &[
    ("gelu(s)", (-16.0, 16.0), false, Absolute(2e-4)),
    ("gelu(s)", (-128.0, 128.0), false, Absolute(2e-4)),
    ("gelu(s)", (-4.0, 4.0), true, Absolute(2e-4)),
    ("gelu(s)", (-14.0, 14.0), true, Absolute(2e-4)),
    ("silu(s)", (-32.0, 32.0), false, Absolute(ABSOLUTE)),
    ("silu(s)", (-4.0, 4.0), true, Absolute(ABSOLUTE)),
    ("tanh(s)", (-16.0, 16.0), false, Absolute(ABSOLUTE)),
    ("tanh(s)", (-2.0, 2.0), true, Absolute(ABSOLUTE)),
    ("sigmoid(s)", (-32.0, 32.0), false, Absolute(ABSOLUTE)),
    ("sigmoid(s)", (-4.0, 4.0), true, Absolute(ABSOLUTE)),
    ("erf(s)", (-8.0, 8.0), false, Absolute(ABSOLUTE)),
    ("erf(s)", (-1.0, 1.0), true, Absolute(ABSOLUTE)),
    ("exp(s)", (-64.0, 0.0), false, Absolute(ABSOLUTE)),
    ("exp(s)", (-4.0, 0.0), true, Absolute(ABSOLUTE)),
    ("exp(s)", (-12.0, 4.0), true, OfGreatest(ABSOLUTE)),
    ("recip(s)", (0.0625, 64.0625), true, Relative(RELATIVE)),
    ("recip(s)", (0.5, 512.5), true, Relative(RELATIVE)),
    ("rsqrt(s)", (0.0625, 64.0625), true, Relative(RELATIVE)),
    ("sqrt(s)", (0.0625, 64.0625), true, Relative(RELATIVE)),
    ("1.5 / (s + 0.25)", (0.0, 64.0), true, Relative(RELATIVE)),
    ("s / (square(s) + 1)", (-8.0, 8.0), true, Absolute(ABSOLUTE)),
    ("relu(s)", (-16.0, 16.0), false, Absolute(ABSOLUTE)),
    ("relu6(s)", (-16.0, 16.0), false, Absolute(ABSOLUTE)),
    ("step(s)", (-16.0, 16.0), false, Absolute(0.0)),
    ("max(s, 0.25)", (-16.0, 16.0), false, Absolute(ABSOLUTE)),
    ("min(s, -0.25)", (-16.0, 16.0), false, Absolute(ABSOLUTE)),
    ("square(s)", (-8.0, 8.0), false, Absolute(ABSOLUTE)),
    ("quad(s)", (-8.0, 8.0), false, Absolute(ABSOLUTE)),
    ("s * (s + 1)", (-8.0, 8.0), false, Absolute(ABSOLUTE)),
];

/// Arguments of a program, as rows.
const SHAPE: [usize; 2] = [64, 1024];

/// How comparisons are made, as the head of a source says it.
const COMPARISONS: [&str; 2] = ["// comparison: digit tables", "// comparison: fss"];

fn model(call: &str, (low, high): (f64, f64), declared: bool, comparison: &str) -> String {
    let range = if declared { format!("assume range(s) in [{low:?}, {high:?}];") } else { String::new() };
    let [rows, columns] = SHAPE;
    format!(
        "{comparison}\nmpv 1;\nnumeric {{ frac: 16, weight_frac: 20, output_frac: 24 }}\nmodel Function() {{\n  \
         input x: secret client Tensor<{rows}, {columns}>;\n  weights secret server {{ format: safetensors }}\n  \
         param z: Tensor<1> = \"z\";\n  let s = x + 0 * z;\n  {range}\n  \
         output y: reveal client Tensor<{rows}, {columns}> = {call};\n}}\n"
    )
}

/// The largest error in units of what it may be, and where.
fn worst(call: &str, domain: (f64, f64), declared: bool, bound: Bound, comparison: &str) -> (f64, f64) {
    let count = SHAPE.iter().product::<usize>();
    let step = (domain.1 - domain.0) / count as f64;
    let arguments: Vec<f64> = (0..count).map(|i| domain.0 + step * i as f64).collect();
    let input = Tensor::new(&SHAPE, arguments.clone());
    let source = model(call, domain, declared, comparison);
    let compiled = compile_calibrated(&source, 1, |_| vec![vec![input.clone()]]);
    let inference = compiled.inference(vec![input]);
    let ideal = compiled.ideal(&inference.encoded, 5, 0);
    let found = encode::decode(&compiled.program.outputs[0], &ideal.outputs[0]);
    let wanted = &inference.float[0];
    let greatest = wanted.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let allowed = |value: f64| match bound {
        Absolute(error) => error,
        Relative(error) => error * value.abs(),
        OfGreatest(error) => error * greatest,
    };
    let units = |error: f64, value: f64| if error == 0.0 { 0.0 } else { error / allowed(value) };
    let errors = found.iter().zip(wanted).map(|(found, wanted)| units((found - wanted).abs(), *wanted));
    let all = errors.zip(arguments);
    all.fold((0.0, 0.0), |worst, next| if next.0 > worst.0 { next } else { worst })
}

fn check(comparison: &str) {
    let mut failures = Vec::new();
    for &(call, domain, declared, bound) in CALLS {
        let (units, at) = worst(call, domain, declared, bound, comparison);
        if std::env::var_os("MPCC_SHOW").is_some() {
            println!("{call} on {domain:?} {declared} {comparison}: {units:.3} of {bound:?} at {at}");
        }
        if units > 1.0 {
            failures.push(format!("{call} on {domain:?}: {units:.2} times {bound:?}, at {at}"));
        }
    }
    assert!(failures.is_empty(), "{comparison}:\n{}", failures.join("\n"));
}

#[test]
fn functions_keep_their_error_over_their_whole_domain_by_digit_tables() {
    check(COMPARISONS[0]);
}

#[test]
fn functions_keep_their_error_over_their_whole_domain_by_function_sharing() {
    check(COMPARISONS[1]);
}

/// SecFormer's series jumps at its cut: arguments there may fall on either side.
#[test]
fn the_published_series_is_computed_as_published_but_at_its_cut() {
    for cut in [1.7, 2.5] {
        let edge = cut * std::f64::consts::SQRT_2;
        for comparison in COMPARISONS {
            let source = model(&format!("gelu_fourier(s, cut: {cut})"), (-8.0, 8.0), false, comparison);
            let input = Tensor::new(&SHAPE, uniform(1, SHAPE.iter().product(), -8.0, 8.0));
            let compiled = compile_calibrated(&source, 1, |_| vec![vec![input.clone()]]);
            let arguments = input.data.clone();
            let inference = compiled.inference(vec![input]);
            let ideal = compiled.ideal(&inference.encoded, 5, 0);
            let found = encode::decode(&compiled.program.outputs[0], &ideal.outputs[0]);
            for ((x, found), wanted) in arguments.iter().zip(found).zip(&inference.float[0]) {
                let near = (x.abs() - edge).abs() < 1e-4;
                assert!(near || (found - wanted).abs() < ABSOLUTE, "{x}: {found} instead of {wanted}");
            }
        }
    }
}
