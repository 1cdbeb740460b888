//! Random compositions of functions with declared ranges: whatever is planned stays within them, and near the float
//! network to what the errors of the parts add up to. `MPCC_CASES` says on how many rows; 2,000 unless given.

use std::fmt::Write;

use mpcc::compiler::encode;
use mpcc::compiler::evaluate::Tensor;
use mpcc::compiler::plan::PlanError;

use super::pipeline::{try_compile_calibrated, uniform};

/// Rows of an input.
const ROWS: usize = 20;
/// Inputs of a program.
const INPUTS: u64 = 4;
/// Fraction bits.
const FRACTION: i32 = 14;
/// Of functions that declare an absolute error.
const ABSOLUTE: f64 = 0.000_488_281_25;
/// Of functions that declare a relative error.
const RELATIVE: f64 = 0.000_976_562_5;
/// Values are kept below.
const LARGEST: f64 = 12.0;

/// A value `[ROWS, D]` of a model: its interval, and how far it may be from the float network's.
#[derive(Clone, Debug)]
struct Known {
    name: String,
    low: f64,
    high: f64,
    error: f64,
}

impl Known {
    fn size(&self) -> f64 {
        self.low.abs().max(self.high.abs())
    }
}

struct Random(std::vec::IntoIter<f64>);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        (self.0.next().expect("enough numbers") * n as f64) as usize
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}

/// An expression, its interval and its error.
type Made = (String, (f64, f64), f64);

/// Some function of known values; `d` is the length of a row.
fn function(r: &mut Random, a: &Known, b: &Known, d: f64) -> Made {
    let unit = f64::from(-FRACTION).exp2();
    let (x, y) = (&a.name, &b.name);
    let (m, e) = (a.size(), a.error);
    let square = 2.0 * m * (e + unit) + 2.0 * unit;
    let positive = |v: f64| v.max(0.0);
    let c = r.of(&[0.5, 1.0, 2.0]);
    match r.below(27) {
        0 => (format!("gelu({x})"), (-0.2, positive(a.high)), 1.13 * e + 2e-4),
        1 => (format!("silu({x})"), (-0.3, positive(a.high)), 1.1 * e + ABSOLUTE),
        2 => (format!("tanh({x})"), (-1.0, 1.0), e + ABSOLUTE),
        3 => (format!("sigmoid({x})"), (0.0, 1.0), e + ABSOLUTE),
        4 => (format!("erf({x})"), (-1.0, 1.0), 1.13 * e + ABSOLUTE),
        5 if a.high <= 3.0 => (format!("exp({x})"), (0.0, a.high.exp()), a.high.exp() * (e + ABSOLUTE)),
        5 | 6 => (format!("exp(min({x}, 0))"), (0.0, 1.0), e + 2.0 * ABSOLUTE),
        7 => (format!("relu({x})"), (positive(a.low), positive(a.high)), e + unit),
        8 => (format!("relu6({x})"), (0.0, positive(a.high).min(6.0)), e + 2.0 * unit),
        9 => (format!("max({x}, {y})"), (a.low.max(b.low), a.high.max(b.high)), e.max(b.error) + 2.0 * unit),
        10 => (format!("min({x}, {y})"), (a.low.min(b.low), a.high.min(b.high)), e.max(b.error) + 2.0 * unit),
        11 => (format!("square({x})"), (0.0, m * m), square),
        12 => (format!("{x} + {y}"), (a.low + b.low, a.high + b.high), e + b.error + unit),
        13 => (
            format!("{x} - 1.7 * {y}"),
            (a.low - 1.7 * b.high, a.high - 1.7 * b.low),
            e + 1.7 * b.error + 2.0 * unit + 1e-4 * b.size(),
        ),
        14 => {
            let size = m * b.size();
            (format!("{x} * {y}"), (-size, size), m * (b.error + unit) + b.size() * (e + unit) + unit)
        }
        15 => (
            format!("recip(square({x}) + {c:?})"),
            (1.0 / (m * m + c), 1.0 / c),
            0.65 * e / c.powf(1.5) + (2.0 * m + 2.0) * unit / (c * c) + RELATIVE / c,
        ),
        16 => (
            format!("sqrt(square({x}) + {c:?})"),
            (c.sqrt(), (m * m + c).sqrt()),
            e + (m + 1.0) * unit / c.sqrt() + RELATIVE * (m * m + c).sqrt(),
        ),
        17 => (
            format!("rsqrt(square({x}) + {c:?})"),
            ((m * m + c).powf(-0.5), c.powf(-0.5)),
            0.4 * e / c + (m + 1.0) * unit / c.powf(1.5) + RELATIVE / c.sqrt(),
        ),
        18 => {
            let size = m;
            let (n, f) = (b.size(), b.error);
            let divisor = 0.65 * f + (2.0 * n + 2.0) * unit + RELATIVE;
            (format!("{x} / (square({y}) + 1)"), (-size, size), e + unit + m * divisor)
        }
        19 => (format!("softmax({x})"), (0.0, 1.0), 2.0 * (e + unit) + RELATIVE),
        20 => {
            let up = 0.5 - a.low;
            (format!("relu_softmax({x} + {up:?})"), (0.0, 1.0), 4.0 * (e + unit) + RELATIVE)
        }
        21 => {
            let up = 1.0 - a.low;
            (format!("two_quad({x}, c: {up:?})"), (0.0, 1.0), 4.0 * e + 100.0 * unit + RELATIVE)
        }
        22 => (format!("scaling({x})"), (a.low / d, a.high / d), e / d + 2.0 * unit + 1e-5 * m),
        23 => (format!("sparsemax({x})"), (0.0, 1.0), d * 2.0 * (e + unit) + ABSOLUTE),
        24 => (format!("{x} - max({x}, axis: -1)"), (a.low - a.high, 0.0), 2.0 * (e + unit)),
        25 => {
            let root = d.sqrt();
            (
                format!("{x} * rsqrt(mean(square({x}), axis: -1) + 0.5)"),
                (-root, root),
                1.42 * (1.0 + root) * (e + unit) + RELATIVE * root + 4.0 * unit,
            )
        }
        _ => {
            let factor = r.of(&[0.3, 2.0, 0.25, -1.5, 0.125]);
            let ends = [factor * a.low, factor * a.high];
            let interval = (ends[0].min(ends[1]), ends[0].max(ends[1]));
            (format!("{factor:?} * {x}"), interval, factor.abs() * e + unit + 1e-5 * m)
        }
    }
}

/// A model with declared ranges, its extents and the error that its output may have.
fn model(seed: u64) -> (String, usize, f64) {
    let mut r = Random(uniform(seed + 1, 200, 0.0, 1.0).into_iter());
    let d = r.of(&[1, 2, 3, 5, 8, 17, 33, 65]);
    let first = r.of(&[0.5, 2.0, 4.0, 8.0]);
    let mut body = String::new();
    let mut known = Vec::new();
    let mut keep = |(expression, (low, high), error): Made, known: &mut Vec<Known>| {
        let name = format!("t{}", known.len());
        let room = error + 0.001;
        writeln!(body, "  let {name} = {expression};").expect("a string");
        writeln!(body, "  assume range({name}) in [{:?}, {:?}];", low - room, high + room).expect("a string");
        known.push(Known { name, low, high, error });
    };
    keep((format!("{first:?} * x + 0 * z"), (-first, first), 2e-4), &mut known);
    for _ in 0..1 + r.below(4) {
        let a = if r.below(3) > 0 { known[known.len() - 1].clone() } else { r.of(&known) };
        let b = r.of(&known);
        let made = function(&mut r, &a, &b, d as f64);
        let size = made.1.0.abs().max(made.1.1.abs());
        keep(made, &mut known);
        if size > LARGEST {
            let last = known[known.len() - 1].clone();
            let factor = (6.0 / size * 64.0).ceil() / 64.0;
            let error = factor * last.error + 1e-5 * size + f64::from(-FRACTION).exp2();
            keep((format!("{factor:?} * {}", last.name), (factor * last.low, factor * last.high), error), &mut known);
        }
    }
    let head = [r.of(&["// comparison: fss", "// comparison: digit tables"]), r.of(&["// softmax: static", ""])];
    let last = &known[known.len() - 1];
    let source = format!(
        "{}\n{}\nmpv 1;\nnumeric {{ frac: {FRACTION}, weight_frac: 20, table_frac: 18, output_frac: 18 }}\nmodel Random() {{\n  \
         input x: secret client Tensor<{ROWS}, {d}>;\n  weights secret server {{ format: safetensors }}\n  \
         param z: Tensor<1> = \"z\";\n{body}  output y: reveal client Tensor<{ROWS}, {d}> = {};\n}}\n",
        head[0], head[1], last.name
    );
    (source, d, last.error)
}

/// Rows in [−1, 1]: evenly spread, and a few at the ends of the interval.
fn input(d: usize, seed: u64) -> Vec<Tensor> {
    let mut data = uniform(seed, ROWS * d, -1.0, 1.0);
    for (row, values) in data.chunks_mut(d).enumerate() {
        match row {
            0 => values.fill(1.0),
            1 => values.fill(-1.0),
            2 => values.fill(0.0),
            3 | 4 => values.iter_mut().for_each(|v| *v = v.signum()),
            5 => {
                values.fill(-1.0);
                values[d / 2] = 1.0;
            }
            _ => {}
        }
    }
    vec![Tensor::new(&[ROWS, d], data)]
}

#[test]
fn random_compositions_keep_their_declared_ranges_and_errors() {
    let cases: u64 = std::env::var("MPCC_CASES").map_or(2000, |n| n.parse().expect("a number"));
    let programs = cases.div_ceil(INPUTS * ROWS as u64);
    let (mut planned, mut refused, mut evaluated, mut failures, mut closest) = (0, 0, 0, vec![], 0f64);
    let mut seed = 0;
    while planned < programs {
        seed += 1;
        assert!(refused <= programs + 10, "{refused} of {seed} models were refused");
        let (source, d, allowed) = model(seed);
        let calibration: Vec<Vec<Tensor>> = (0..4).map(|i| input(d, 1000 + i)).collect();
        let compiled = match try_compile_calibrated(&source, seed, &calibration) {
            Ok(compiled) => compiled,
            Err(errors) => {
                let of_values = |e: &PlanError| matches!(e, PlanError::TooWide { .. } | PlanError::RowDomain { .. });
                if !errors.iter().all(of_values) {
                    failures.push(format!("seed {seed}: {errors:?}\n{source}"));
                }
                refused += 1;
                continue;
            }
        };
        planned += 1;
        for index in 0..INPUTS {
            let inference = compiled.inference(input(d, seed * INPUTS + index));
            evaluated += ROWS;
            let ideal = match compiled.try_ideal(&inference.encoded, 3, index) {
                Ok(ideal) => ideal,
                Err(why) => {
                    failures.push(format!("seed {seed}: {why}\n{source}"));
                    break;
                }
            };
            let found = encode::decode(&compiled.program.outputs[0], &ideal.outputs[0]);
            let errors = found.iter().zip(&inference.float[0]).map(|(found, wanted)| (found - wanted).abs());
            let error = errors.fold(0.0, f64::max);
            closest = closest.max(error / allowed);
            if error > allowed {
                failures.push(format!("seed {seed}: error {error:.2e} where {allowed:.2e} is allowed\n{source}"));
                break;
            }
        }
    }
    println!(
        "{planned} programs on {INPUTS} inputs of {ROWS} rows: {evaluated} rows; {refused} programs were refused; \
         the largest error is {closest:.2} of what is allowed"
    );
    let shown = failures.iter().take(12).cloned().collect::<Vec<_>>().join("\n---\n");
    assert!(failures.is_empty(), "{} failures of {planned} programs:\n{shown}", failures.len());
}
