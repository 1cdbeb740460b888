//! Functions of the language and of its standard library against formulas written here, on rows of several lengths.

use mpcc_compiler::evaluate::{Tensor, Wanted, evaluate};
use mpcc_compiler::lower::{LowerOptions, lower};
use mpcc_compiler::{text, verify};
use mpcc_grammar::{parse, render};

const LENGTHS: [usize; 4] = [1, 2, 65, 257];

/// Numbers between -1 and 1, always the same.
fn noise(count: usize) -> Vec<f64> {
    let mut state = 0x9e37_79b9_u64;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// Rows that functions of scores tend to get wrong: random, all negative, flat, a single large entry, and nothing.
fn rows(length: usize) -> Vec<Vec<f64>> {
    let random: Vec<f64> = noise(length).iter().map(|v| 6.0 * v).collect();
    let negative = random.iter().map(|v| -v.abs() - 0.1).collect();
    let mut single = vec![0.0; length];
    single[length / 2] = 7.0;
    vec![random, negative, vec![1.5; length], single, vec![0.0; length]]
}

/// Evaluates `body`, of scores `s` and a client's mask `m`, on `rows`.
fn apply(items: &str, body: &str, rows: &[Vec<f64>], mask: &[f64]) -> Vec<Vec<f64>> {
    let length = rows[0].len();
    let source = format!(
        r#"mpv 1;
{items}
model Tiny() {{
  input x: secret client Tensor<{count}, {length}>;
  input m: secret client Tensor<bit, {length}>;
  weights secret server {{ format: safetensors }}
  param one: Tensor<1> = "one";
  let s = x * one;
  let _kept = m;
  output y: reveal client Tensor<{count}, {length}> = {body};
}}
"#,
        count = rows.len()
    );
    let found =
        outputs(&source, &[Tensor::new(&[rows.len(), length], rows.concat()), Tensor::new(&[length], mask.to_vec())]);
    found.data.chunks(length).map(<[f64]>::to_vec).collect()
}

/// The only output of a model whose weights are all ones.
fn outputs(source: &str, inputs: &[Tensor]) -> Tensor {
    let module = parse(source).unwrap_or_else(|errors| panic!("{}", render(&errors, source, "test", false)));
    let (graph, _) = lower(&module, &LowerOptions::default())
        .unwrap_or_else(|errors| panic!("{}", render(&errors, source, "test", false)));
    verify::verify(&graph).unwrap_or_else(|violations| panic!("{violations:?} in\n{}", text::graph(&graph)));
    let ones = |shape: &[usize]| Tensor::new(shape, vec![1.0; shape.iter().product()]);
    let params: Vec<Tensor> = graph.params.iter().map(|param| ones(&param.shape)).collect();
    let values = evaluate(&graph, inputs, &params, Wanted::All).expect("the graph evaluates");
    values.value(graph.outputs[0].node).expect("the output has a value").clone()
}

fn agree(what: &str, found: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        let scale = wanted.abs().max(1.0);
        assert!((found - wanted).abs() <= tolerance * scale, "{what}: {found} instead of {wanted}");
    }
}

/// Holds `body` against a formula on all rows.
fn check(body: &str, tolerance: f64, formula: impl Fn(&[f64]) -> Vec<f64>) {
    for length in LENGTHS {
        let rows = rows(length);
        let found = apply("", body, &rows, &vec![1.0; length]);
        for (row, found) in rows.iter().zip(&found) {
            agree(&format!("{body} of {row:?}"), found, &formula(row), tolerance);
        }
    }
}

fn each(row: &[f64], f: impl Fn(f64) -> f64) -> Vec<f64> {
    row.iter().map(|v| f(*v)).collect()
}

fn over(row: Vec<f64>, divisor: f64) -> Vec<f64> {
    row.iter().map(|v| v / divisor).collect()
}

fn total(row: &[f64]) -> f64 {
    row.iter().sum()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let e = each(row, f64::exp);
    let d = total(&e);
    over(e, d)
}

#[test]
fn functions_of_every_entry_are_what_they_are_called() {
    check("silu(s)", 1e-12, |row| each(row, |v| v / (1.0 + (-v).exp())));
    check("tanh(s)", 1e-12, |row| each(row, f64::tanh));
    check("sigmoid(s)", 1e-12, |row| each(row, |v| 1.0 / (1.0 + (-v).exp())));
    check("erf(s)", 1e-12, |row| each(row, libm::erf));
    check("exp(s)", 1e-12, |row| each(row, f64::exp));
    check("gelu(s)", 1e-12, |row| each(row, |v| 0.5 * v * (1.0 + libm::erf(v / 2f64.sqrt()))));
    check("step(s)", 0.0, |row| each(row, |v| f64::from(u8::from(v >= 0.0))));
    check("sqrt(square(s))", 1e-12, |row| each(row, f64::abs));
    check("rsqrt(square(s) + 1)", 1e-12, |row| each(row, |v| 1.0 / (v * v + 1.0).sqrt()));
    check("max(s, 0.5) - max(0.5, s)", 1e-12, |row| each(row, |_| 0.0));
    check("max(s, -s)", 1e-12, |row| each(row, f64::abs));
    check("min(2, s)", 1e-12, |row| each(row, |v| v.min(2.0)));
    check("min(s, x + x)", 1e-12, |row| each(row, |v| v.min(2.0 * v)));
    check("s / (square(s) + 1)", 1e-12, |row| each(row, |v| v / (v * v + 1.0)));
    check("relu6(3 * s)", 1e-12, |row| each(row, |v| (3.0 * v).clamp(0.0, 6.0)));
    check("quad(s)", 1e-12, |row| each(row, |v| 0.125 * v * v + 0.25 * v + 0.5));
    check("identity(s) - none(s)", 0.0, |row| each(row, |_| 0.0));
}

/// SecFormer's series, with the cut given and with its own.
#[test]
fn the_published_gelu_is_a_series_up_to_its_cut() {
    let beta = [1.25772, -0.0299154, 0.382155, -0.0519123, 0.196033, -0.0624557, 0.118029];
    let series =
        |u: f64| (1..).zip(beta).map(|(k, b)| b * (f64::from(k) * std::f64::consts::PI * u / 10.0).sin()).sum::<f64>();
    let published = |v: f64, cut: f64| {
        let u = v / 2f64.sqrt();
        0.5 * v * (1.0 + if u.abs() <= cut { series(u) } else { u.signum() })
    };
    check("gelu_fourier(s)", 1e-12, |row| each(row, |v| published(v, 1.7)));
    check("gelu_fourier(s, cut: 2.5)", 1e-12, |row| each(row, |v| published(v, 2.5)));
}

#[test]
fn numbers_are_computed_when_compiling() {
    check("s * ceil(log2(65)) + floor(-1.5)", 1e-12, |row| each(row, |v| v * 7.0 - 2.0));
    check("s * exp2(-3) + sqrt(16) + step(-1) + step(0)", 1e-12, |row| each(row, |v| v / 8.0 + 5.0));
    check("s * max(2, 3) + min(2.5, 4) + tanh(0) + exp(1)", 1e-12, |row| {
        each(row, |v| 3.0 * v + 2.5 + std::f64::consts::E)
    });
    for length in LENGTHS {
        let rows = rows(length);
        let count = "fn count(n: int) -> int { let k = 0; for i in 0..max(n, 3) { k = k + 2; } return k; }";
        let found = apply(count, "s * count(4) * count(1)", &rows, &vec![1.0; length]);
        agree("loops up to a function of numbers", &found[0], &each(&rows[0], |v| 48.0 * v), 1e-12);
    }
}

#[test]
fn attention_is_what_the_papers_write() {
    check("softmax(s)", 1e-12, softmax);
    check("softmax(40 * s)", 1e-12, |row| {
        let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        softmax(&each(row, |v| 40.0 * (v - top)))
    });
    check("scaling(s)", 1e-12, |row| over(row.to_vec(), row.len() as f64));
    check("square_attention(s)", 1e-12, |row| each(row, |v| v * v));
    check("relu_softmax(s)", 1e-12, |row| {
        let r = each(row, |v| v.max(0.0));
        let d = total(&r) + 1e-5;
        over(r, d)
    });
    check("two_quad(s)", 1e-12, |row| {
        let e = each(row, |v| (v + 5.0) * (v + 5.0));
        let d = total(&e);
        over(e, d)
    });
    check("two_quad(s, c: 8, scale: 1)", 1e-12, |row| {
        let e = each(row, |v| (v + 8.0) * (v + 8.0));
        let d = total(&e);
        over(e, d)
    });
    check("two_quad_unshifted(s)", 1e-12, |row| {
        let e = each(row, |v| v * v);
        let d = total(&e) + 1e-5;
        over(e, d)
    });
    let epsilon = 0.00390625;
    check("two_relu(s)", 1e-12, |row| {
        let d = total(&each(row, |v| v.max(0.0))) + epsilon;
        each(row, |v| (v.max(0.0) + epsilon / row.len() as f64) / d)
    });
}

/// Sorting, as the paper does it.
fn sparsemax(row: &[f64]) -> Vec<f64> {
    let mut sorted = row.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let mut sum = 0.0;
    let mut threshold = 0.0;
    for (at, v) in sorted.iter().enumerate() {
        sum += v;
        if 1.0 + (at + 1) as f64 * v > sum {
            threshold = (sum - 1.0) / (at + 1) as f64;
        }
    }
    each(row, |v| (v - threshold).max(0.0))
}

#[test]
fn halving_finds_the_threshold_of_sparsemax() {
    for steps in [1, 5, 12, 30] {
        let bound = 0.5f64.powi(steps);
        for length in LENGTHS {
            let rows = rows(length);
            let found = apply("", &format!("sparsemax(s / 3, steps: {steps})"), &rows, &vec![1.0; length]);
            for (row, found) in rows.iter().zip(&found) {
                for (found, wanted) in found.iter().zip(sparsemax(&over(row.clone(), 3.0))) {
                    assert!(
                        (-1e-9..=bound + 1e-9).contains(&(found - wanted)),
                        "{found} instead of {wanted} of {row:?}"
                    );
                }
            }
        }
    }
}

/// Masked entries get nothing, and the others what they get without the masked ones.
#[test]
fn masks_hide_entries() {
    for length in [2, 65] {
        let mask: Vec<f64> = (0..length).map(|at| f64::from(u8::from(at % 3 != 1))).collect();
        let keep =
            |row: &[f64]| -> Vec<f64> { row.iter().zip(&mask).filter(|(_, m)| **m > 0.0).map(|(v, _)| *v).collect() };
        for (masked, open, zero) in [
            ("softmax_masked(s, m)", "softmax(s)", 1e-12),
            ("relu_softmax_masked(s, m)", "relu_softmax(s)", 0.0),
            ("two_quad_masked(s, m)", "two_quad(s)", 0.0),
            ("two_quad_goldschmidt_masked(s, m, high: 10000)", "two_quad_goldschmidt(s, low: 1, high: 10000)", 0.0),
        ] {
            let rows = rows(length);
            let found = apply("", masked, &rows, &mask);
            let short: Vec<Vec<f64>> = rows.iter().map(|row| keep(row)).collect();
            let wanted = apply("", open, &short, &vec![1.0; short[0].len()]);
            for (found, wanted) in found.iter().zip(&wanted) {
                agree(masked, &keep(found), wanted, 1e-9);
                let hidden = found.iter().zip(&mask).filter(|(_, m)| **m == 0.0);
                hidden.for_each(|(v, _)| assert!(v.abs() <= zero, "{masked}: {v} behind the mask"));
            }
        }
    }
}

#[test]
fn rows_without_a_positive_score_get_nothing() {
    for length in LENGTHS {
        let rows = [vec![-0.001; length], vec![-9.0; length], vec![0.0; length]];
        for body in ["relu_softmax(s)", "relu_softmax_masked(s, m)"] {
            assert!(apply("", body, &rows, &vec![1.0; length]).concat().iter().all(|v| *v == 0.0), "{body}");
        }
        assert!(apply("", "two_quad_unshifted(s)", &rows[2..], &vec![1.0; length]).concat().iter().all(|v| *v == 0.0));
        agree(
            "two_relu",
            &apply("", "two_relu(s)", &rows, &vec![1.0; length]).concat(),
            &vec![1.0 / length as f64; 3 * length],
            1e-12,
        );
    }
}

#[test]
fn norms_are_what_the_papers_write() {
    for length in LENGTHS {
        let rows = &rows(length)[..3];
        let gains = format!("param g: Tensor<{length}> = \"g\";");
        let model = |body: &str| {
            let source = format!(
                "mpv 1;\nmodel Tiny() {{\n  input x: secret client Tensor<3, {length}>;\n  weights secret server {{ format: safetensors }}\n  {gains}\n  output y: reveal client Tensor<3, {length}> = {body};\n}}\n"
            );
            outputs(&source, &[Tensor::new(&[3, length], rows.concat())]).data
        };
        let squares = |row: &[f64]| total(&each(row, |v| v * v)) / row.len() as f64;
        let rms = rows.iter().flat_map(|row| over(each(row, |v| 2.0 * v), (squares(row) + 0.01).sqrt()));
        agree("rmsnorm", &model("rmsnorm(x, g + g, eps: 0.01)"), &rms.collect::<Vec<_>>(), 1e-12);
        let normal = rows.iter().flat_map(|row| {
            let mean = total(row) / row.len() as f64;
            let centred = each(row, |v| v - mean);
            let deviation = (squares(&centred) + 0.01).sqrt();
            each(&centred, |v| 2.0 * v / deviation + 1.0)
        });
        let found = model("ln_goldschmidt(x, g + g, g, eps: 0.01, low: 0.01, high: 40)");
        agree("ln_goldschmidt", &found, &normal.collect::<Vec<_>>(), 2f64.powi(-11));
    }
}

#[test]
fn sums_need_no_axis_and_vectors_of_sentences_are_means_of_length_1() {
    for length in LENGTHS {
        let rows = &rows(length)[..3];
        let mask: Vec<f64> = (0..length).map(|at| f64::from(u8::from(at == 0 || at % 3 == 1))).collect();
        let lengths = rows.iter().flat_map(|row| {
            let norm = total(&each(row, |v| v * v)).sqrt();
            each(row, |v| v / norm)
        });
        agree("unit", &apply("", "unit(s)", rows, &mask).concat(), &lengths.collect::<Vec<_>>(), 1e-12);
        let counted = |row: &[f64]| row.iter().zip(&mask).map(|(v, m)| v * m).sum::<f64>() / total(&mask);
        let wanted = rows.iter().flat_map(|row| each(row, |v| v + counted(&rows[0])));
        let body = "s + mean_masked(transpose(s), m)[0..1]";
        agree("mean_masked", &apply("", body, rows, &mask).concat(), &wanted.collect::<Vec<_>>(), 1e-12);
        let bare = apply("", "s - sum(s) * mean(s) * max(s)", rows, &mask);
        let said = apply("", "s - sum(s, axis: -1) * mean(s, axis: -1) * max(s, axis: -1)", rows, &mask);
        assert_eq!(bare, said);
    }
}

/// The largest relative error of a quotient or inverse root over a range, and the steps taken.
fn goldschmidt(body: &str, (low, high): (f64, f64), exact: impl Fn(f64) -> f64) -> f64 {
    let points = 400;
    let rows: Vec<Vec<f64>> = (0..=points)
        .map(|at| vec![(low * (high / low).powf(f64::from(at) / f64::from(points))).clamp(low, high)])
        .collect();
    let found = apply("", body, &rows, &[1.0]);
    let errors = rows.iter().zip(&found).map(|(row, found)| (found[0] / exact(row[0]) - 1.0).abs());
    errors.fold(0.0, f64::max)
}

#[test]
fn goldschmidt_steps_follow_from_the_range() {
    for (low, high) in [(0.5, 1.5), (1.0, 4.0), (0.01, 1.99), (65.0, 6500.0), (1e-4, 1.0), (3.0, 3.001)] {
        for error in [0.000244140625, 0.01, 1e-9] {
            let range = format!("low: {low}, high: {high:?}, error: {error:.12}");
            let quotient = goldschmidt(&format!("goldschmidt_div(s, s, {range})"), (low, high), |_| 1.0);
            let root = goldschmidt(&format!("goldschmidt_rsqrt(s, {range})"), (low, high), |v| 1.0 / v.sqrt());
            assert!(quotient < error && root < error, "[{low}, {high}]: {quotient} and {root} for {error}");
        }
    }
}

/// A step less than what the range needs is a step too few, so the counts are not merely on the safe side.
#[test]
fn goldschmidt_takes_no_step_more_than_it_needs() {
    let steps = |function: &str, low: f64, high: f64| {
        let rows = [vec![1.0]];
        apply("", &format!("s * {function}(low: {low:?}, high: {high:?})"), &rows, &[1.0])[0][0] as i32
    };
    for (low, high) in [(0.01f64, 1.99f64), (65.0, 6500.0), (1e-3, 1.0)] {
        let up = |v: f64| v.log2().ceil().exp2();
        let rest = 1.0 - low / up((low + high) / 2.0);
        let div = steps("goldschmidt_div_steps", low, high);
        assert!(rest.powf(2f64.powi(div)) < 2f64.powi(-12) && rest.powf(2f64.powi(div - 1)) >= 2f64.powi(-12));
        let mut q = low / up((low + high + (low * high).sqrt()) / 3.0);
        let mut least = 0;
        while 1.0 - q.sqrt() >= 2f64.powi(-12) {
            q *= (1.5 - 0.5 * q) * (1.5 - 0.5 * q);
            least += 1;
        }
        assert_eq!(steps("goldschmidt_rsqrt_steps", low, high), least);
    }
    assert!(steps("goldschmidt_div_steps", 1.0, 900.0) <= 13 && steps("goldschmidt_div_steps", 1.0, 20000.0) > 13);
}

#[test]
fn two_quad_divides_by_goldschmidt() {
    check("two_quad_goldschmidt(s, c: 8, low: 1, high: 40000)", 2f64.powi(-12), |row| {
        let e = each(row, |v| (v + 8.0) * (v + 8.0));
        let d = total(&e);
        over(e, d)
    });
    // The usual range: 1 to 100 an entry.
    check("two_quad_goldschmidt(0 * s)", 2f64.powi(-12), |row| vec![1.0 / row.len() as f64; row.len()]);
}

/// A model of heads with queries, keys and values, all of them client inputs times ones.
fn attention(params: &str, body: &str, (h, n, d): (usize, usize, usize)) -> (Tensor, Vec<Vec<f64>>) {
    let source = format!(
        r#"mpv 1;
model Tiny() {{
  input a: secret client Tensor<{h}, {n}, {d}>;
  input b: secret client Tensor<{h}, {n}, {d}>;
  input c: secret client Tensor<{h}, {n}, {d}>;
  weights secret server {{ format: safetensors }}
  param one: Tensor<1> = "one";
  {params}
  let q = a * one;
  let k = b * one;
  let v = c * one;
  output y: reveal client Tensor<{h}, {n}, {d}> = {body};
}}
"#
    );
    let all = noise(3 * h * n * d);
    let inputs: Vec<Vec<f64>> = all.chunks(h * n * d).map(<[f64]>::to_vec).collect();
    let tensors: Vec<Tensor> = inputs.iter().map(|data| Tensor::new(&[h, n, d], data.clone())).collect();
    (outputs(&source, &tensors), inputs)
}

#[test]
fn linformer_attends_to_combinations_of_keys() {
    let (h, n, d) = (2, 5, 3);
    let (found, inputs) = attention("param e: Tensor<2, 5> = \"e\";", "linformer(q, k, 2 * v, e * 0.5)", (h, n, d));
    for head in 0..h {
        let at = |input: usize, row: usize, column: usize| inputs[input][(head * n + row) * d + column];
        // With ones as projection both combinations are the same: half the sum of all keys, and of all values.
        let value = |column: usize| (0..n).map(|row| 2.0 * at(2, row, column)).sum::<f64>() / 2.0;
        for row in 0..n {
            for column in 0..d {
                let y = found.data[(head * n + row) * d + column];
                assert!((y - value(column)).abs() < 1e-12, "{y} instead of {}", value(column));
            }
        }
    }
}

#[test]
fn xnorm_attention_has_no_scores() {
    let (h, n, d) = (2, 5, 3);
    let (found, inputs) = attention("param g: Tensor<2> = \"g\";", "xnorm_attention(q, k, v, g + g)", (h, n, d));
    let unit = |row: Vec<f64>| {
        let length = total(&each(&row, |v| v * v)).sqrt();
        each(&row, |v| 2.0 * v / length)
    };
    for head in 0..h {
        let at = |input: usize, row: usize, column: usize| inputs[input][(head * n + row) * d + column];
        let kv: Vec<Vec<f64>> = (0..d)
            .map(|i| unit((0..d).map(|j| (0..n).map(|row| at(1, row, i) * at(2, row, j)).sum()).collect()))
            .collect();
        for row in 0..n {
            let q = unit((0..d).map(|column| at(0, row, column)).collect());
            for column in 0..d {
                let wanted: f64 = q.iter().zip(&kv).map(|(q, kv)| q * kv[column]).sum();
                let y = found.data[(head * n + row) * d + column];
                assert!((y - wanted).abs() < 1e-12, "{y} instead of {wanted}");
            }
        }
    }
}

#[test]
fn the_x_scales_scores_by_a_line_in_the_sum_of_cubes() {
    let length = 4;
    let rows = rows(length);
    let source = format!(
        r#"mpv 1;
model Tiny() {{
  input x: secret client Tensor<5, {length}>;
  weights secret server {{ format: safetensors }}
  param w1: Tensor<2, 1> = "w1";
  param b1: Tensor<2> = "b1";
  param w2: Tensor<3, 2> = "w2";
  param b2: Tensor<3> = "b2";
  param w3: Tensor<{length}, 3> = "w3";
  param b3: Tensor<{length}> = "b3";
  output y: reveal client Tensor<5, {length}> = the_x(x, w1, b1, w2, b2, w3, b3);
}}
"#
    );
    let found = outputs(&source, &[Tensor::new(&[5, length], rows.concat())]);
    for (row, found) in rows.iter().zip(found.data.chunks(length)) {
        let sum = total(&each(row, |v| (v / 2.0 + 1.0).powi(3).max(0.0)));
        // All weights are ones: 1 to 2 to 3 to 4 entries, a bias of 1 after each.
        let factor = 3.0 * (2.0 * (sum + 1.0) + 1.0) + 1.0;
        agree("the_x", found, &each(row, |v| v * factor), 1e-9);
    }
}

#[test]
fn look_ups_read_rows() {
    let source = r#"mpv 1;
model Tiny() {
  input ids: secret client Tensor<i32, 4>;
  input table: secret client Tensor<3, 2>;
  weights secret server { format: safetensors }
  param one: Tensor<1> = "one";
  local client {
    let clear = lookup(table, ids);
  }
  output y: reveal client Tensor<4, 2> = lookup(table * one, ids) + clear * one;
}
"#;
    let table = Tensor::new(&[3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let found = outputs(source, &[Tensor::new(&[4], vec![2.0, 0.0, 1.0, 2.0]), table]);
    assert_eq!(found.data, [10.0, 12.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
}

/// Heads of one tensor take different functions of the library.
#[test]
fn plans_mix_functions_of_the_library() {
    let plan = "plan P: per_row<1, 5> = [[softmax, scaling, relu_softmax, two_quad, square_attention]];";
    let rows = rows(7);
    let found = apply(plan, "choose(P[0], s)", &rows, &[1.0; 7]);
    agree("softmax", &found[0], &softmax(&rows[0]), 1e-12);
    agree("scaling", &found[1], &over(rows[1].clone(), 7.0), 1e-12);
    agree("relu_softmax", &found[2], &[1.0 / 7.0; 7], 1e-5);
    agree("square_attention", &found[4], &[0.0; 7], 0.0);
}
