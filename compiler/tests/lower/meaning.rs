//! What lowered graphs compute, checked with numbers.

use mpcc_compiler::evaluate::{Tensor, Wanted, evaluate};
use mpcc_compiler::lower::{LowerOptions, lower};
use mpcc_grammar::parse;

/// Lowers a model with one input and evaluates its only output.
fn output(source: &str, params: &[Tensor], input: Tensor) -> Tensor {
    let module = parse(source).expect("the source parses");
    let (graph, _) = lower(&module, &LowerOptions::default()).unwrap_or_else(|errors| panic!("{errors:?}"));
    let values = evaluate(&graph, &[input], params, Wanted::All).expect("the graph evaluates");
    values.value(graph.outputs[0].node).expect("the output has a value").clone()
}

fn ramp(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    Tensor::new(shape, (0..count).map(|at| at as f64 - count as f64 / 3.0).collect())
}

/// A model that applies `body` to `h [2, 3, 4]` (heads, rows, columns), which equals the input.
fn on_heads(items: &str, body: &str) -> Tensor {
    let source = format!(
        r#"mpv 1;
{items}
model Tiny() {{
  input x: secret client Tensor<3, 8>;
  weights secret server {{ format: safetensors }}
  param one: Tensor<1> = "one";
  let h = split_heads(x * one, 2);
  output y: reveal client Tensor<2, 3, 4> = {body};
}}
"#
    );
    output(&source, &[Tensor::new(&[1], vec![1.0])], ramp(&[3, 8]))
}

/// Entry `[head, row, column]` of the input as `on_heads` splits it.
fn entry(head: usize, row: usize, column: usize) -> f64 {
    ramp(&[3, 8]).data[row * 8 + head * 4 + column]
}

fn expect(found: &Tensor, wanted: impl Fn(usize, usize, usize) -> f64) {
    assert_eq!(found.shape.as_slice(), [2, 3, 4]);
    for head in 0..2 {
        for row in 0..3 {
            for column in 0..4 {
                let (found, wanted) = (found.data[(head * 3 + row) * 4 + column], wanted(head, row, column));
                assert!((found - wanted).abs() < 1e-9, "[{head}, {row}, {column}]: {found} instead of {wanted}");
            }
        }
    }
}

const FUNCTIONS: &str = "
fn keep<N, M>(x: Tensor<N, M>) -> Tensor<N, M> { return x; }
fn double<N, M>(x: Tensor<N, M>) -> Tensor<N, M> { return 2 * x; }
fn flip<N, M>(x: Tensor<N, M>) -> Tensor<N, M> { return 1 - x; }
";

#[test]
fn heads_and_rows_run_their_own_function_and_keep_their_order() {
    let plans = "plan HEADS: per_head<1, 2> = [[flip, double]];\nplan ROWS: per_row<1, 3> = [[keep, double, keep]];";
    let items = format!("{FUNCTIONS}{plans}");
    expect(&on_heads(&items, "choose(HEADS[0], h)"), |head, row, column| match head {
        0 => 1.0 - entry(0, row, column),
        _ => 2.0 * entry(1, row, column),
    });
    expect(&on_heads(&items, "choose(ROWS[0], h)"), |head, row, column| {
        entry(head, row, column) * if row == 1 { 2.0 } else { 1.0 }
    });
}

#[test]
fn a_function_counts_only_the_axes_it_declares() {
    let items = "
fn shifted<N, M>(x: Tensor<N, M>) -> Tensor<N, M> { return concat(x[1..N], x[0..1], axis: 0); }
fn first<N, M>(x: Tensor<N, M>) -> Tensor<N, M> { return x - x[0] + x[.., 0..1]; }
fn weighted<N, M>(x: Tensor<N, M>, w: Tensor<N, 1>) -> Tensor<N, M> { return x * w; }
fn gram<N, M>(x: Tensor<N, M>) -> Tensor<N, M> { return (x @ transpose(x)) @ x / 100; }
fn row<M>(x: Tensor<M>) -> Tensor<M> { return x * x[M - 1]; }
";
    expect(&on_heads(items, "shifted(h)"), |head, row, column| entry(head, (row + 1) % 3, column));
    expect(&on_heads(items, "first(h)"), |head, row, column| {
        entry(head, row, column) - entry(head, 0, column) + entry(head, row, 0)
    });
    expect(&on_heads(items, "weighted(h, x[.., 0..1])"), |head, row, column| {
        entry(head, row, column) * entry(0, row, 0)
    });
    expect(&on_heads(items, "gram(h)"), |head, row, column| {
        let dot = |a: usize, b: usize| (0..4).map(|at| entry(head, a, at) * entry(head, b, at)).sum::<f64>();
        (0..3).map(|other| dot(row, other) * entry(head, other, column)).sum::<f64>() / 100.0
    });
    expect(&on_heads(items, "row(h)"), |head, row, column| entry(head, row, column) * entry(head, row, 3));
}

#[test]
fn a_function_that_ignores_the_mapped_axes_is_repeated_over_them() {
    let items = "fn other<N, M>(x: Tensor<N, M>, z: Tensor<N, M>) -> Tensor<N, M> { return z * (N + M); }";
    let found = on_heads(items, "other(h, x[.., 4..8])");
    expect(&found, |_, row, column| 7.0 * entry(1, row, column));
}

#[test]
fn a_function_called_in_a_mapped_function_sees_its_own_axes() {
    let items = "
fn row<M>(x: Tensor<M>, y: Tensor<M>) -> Tensor<M> { return x * y[0] + x[1]; }
fn outer<N, M>(x: Tensor<N, M>) -> Tensor<N, M> { return row(x, x[0]); }
";
    expect(&on_heads(items, "outer(h)"), |head, row, column| {
        entry(head, row, column) * entry(head, 0, 0) + entry(head, row, 1)
    });
}

#[test]
fn axes_mapped_twice_and_matrices_that_are_not_mapped_line_up() {
    let items = "
fn second<M>(x: Tensor<M>, y: Tensor<M>) -> Tensor<M> { return y; }
fn outer<N, M>(x: Tensor<N, M>) -> Tensor<N, M> { return second(x, x[0]); }
fn times<N, K, M>(x: Tensor<N, K>, w: Tensor<K, M>) -> Tensor<N, M> { return x @ w; }
";
    expect(&on_heads(items, "outer(h)"), |head, _, column| entry(head, 0, column));
    let gram = |a: usize, b: usize| (0..3).map(|row| entry(0, row, a) * entry(0, row, b)).sum::<f64>();
    expect(&on_heads(items, "times(h, transpose(x[.., 0..4]) @ x[.., 0..4])"), |head, row, column| {
        (0..4).map(|at| entry(head, row, at) * gram(at, column)).sum()
    });
}

#[test]
fn patches_are_a_convolution_whose_kernels_do_not_overlap() {
    let source = r#"mpv 1;
model Tiny() {
  input image: secret client Tensor<2, 4, 4>;
  weights secret server { format: safetensors }
  param k: Tensor<3, 2, 2, 2> = "k";
  param b: Tensor<3> = "b";
  let spare = k[0, 0];
  let t = patch_embed(image, k, b, stride: 2) + patch_embed(image, k, b, stride: 2) * 0;
  output y: reveal client Tensor<4, 3> = t + k[0, 1, 1, 1] * 0 + spare[0, 0] * 0;
}
"#;
    for source in [source.to_owned(), source.replace("  let spare = k[0, 0];\n", "").replace(" + spare[0, 0] * 0", "")]
    {
        let module = parse(&source).expect("the source parses");
        let (graph, _) = lower(&module, &LowerOptions::default()).unwrap_or_else(|errors| panic!("{errors:?}"));
        mpcc_compiler::verify::verify(&graph).expect("a sound graph");
        let (kernel, image) = (ramp(&[3, 2, 2, 2]), ramp(&[2, 4, 4]));
        let mut loaded = kernel.clone();
        loaded.shape = graph.params[0].shape.clone();
        let bias = Tensor::new(&[3], vec![0.5, -0.5, 2.0]);
        let found = output(&source, &[loaded, bias.clone()], image.clone());
        for patch in 0..4 {
            for out in 0..3 {
                let mut sum = bias.data[out];
                for (c, i, j) in (0..8).map(|at| (at / 4, at / 2 % 2, at % 2)) {
                    let pixel = image.data[c * 16 + (patch / 2 * 2 + i) * 4 + patch % 2 * 2 + j];
                    sum += kernel.data[((out * 2 + c) * 2 + i) * 2 + j] * pixel;
                }
                assert!((found.data[patch * 3 + out] - sum).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn a_range_may_differ_by_layer() {
    let source = r#"mpv 1;
const HIGH = [40, 90];
block Layer(high: real) {
  param w: Tensor<4, 4> = "w";
  forward(x: Tensor<3, 4>) -> Tensor<3, 4> {
    let h = linear(x, w);
    assume range(h) in [-high, high];
    return h;
  }
}
model Tiny() {
  input x: secret client Tensor<3, 4>;
  weights secret server { format: safetensors }
  let y = x;
  for i in 0..2 {
    let layer = Layer(high: HIGH[i]) at "layers.{i}";
    y = layer(y);
  }
  output z: reveal client Tensor<3, 4> = y;
}
"#;
    let module = parse(source).expect("the source parses");
    let (graph, _) = lower(&module, &LowerOptions::default()).unwrap_or_else(|errors| panic!("{errors:?}"));
    let assumed: Vec<(f64, f64)> = graph.nodes.iter().filter_map(|node| node.assumed).collect();
    assert_eq!(assumed, [(-40.0, 40.0), (-90.0, 90.0)]);
}

/// Numpy's rules: a vector on the left is a row, one on the right a column, and the result lacks that axis.
#[test]
fn vectors_are_multiplied_as_rows_and_columns() {
    let product = |body: &str, shape: &str| {
        let source = format!(
            r#"mpv 1;
fn times<M, K>(v: Tensor<K>, m: Tensor<K, M>) -> Tensor<M> {{ return v @ m; }}
model Tiny() {{
  input x: secret client Tensor<3, 4>;
  weights secret server {{ format: safetensors }}
  param v: Tensor<3> = "v";
  param w: Tensor<4> = "w";
  param m: Tensor<4, 2> = "m";
  output y: reveal client Tensor<{shape}> = {body};
}}
"#
        );
        let v = Tensor::new(&[3], vec![1.0, -2.0, 0.5]);
        let w = Tensor::new(&[4], vec![2.0, 0.0, 1.0, -1.0]);
        output(&source, &[v, w, ramp(&[4, 2])], ramp(&[3, 4])).data
    };
    let (x, m) =
        (|i: usize, j: usize| ramp(&[3, 4]).data[4 * i + j], |i: usize, j: usize| ramp(&[4, 2]).data[2 * i + j]);
    let (v, w) = ([1.0, -2.0, 0.5], [2.0, 0.0, 1.0, -1.0]);
    let row: Vec<f64> = (0..4).map(|j| (0..3).map(|i| v[i] * x(i, j)).sum()).collect();
    let column: Vec<f64> = (0..3).map(|i| (0..4).map(|j| x(i, j) * w[j]).sum()).collect();
    assert_eq!(product("v @ x", "4"), row);
    assert_eq!(product("x @ w", "3"), column);
    assert_eq!(product("x[1] @ m", "2"), [0, 1].map(|j| (0..4).map(|i| x(1, i) * m(i, j)).sum::<f64>()));
    assert_eq!(product("x[2] @ w", "1"), [column[2]]);
    assert_eq!(product("times(x, m)", "3, 2"), product("x @ m", "3, 2"));
    assert_eq!(product("linear(x[0], transpose(m)) - x[0] @ m", "2"), [0.0; 2]);
}

/// `linear` by values that the server does not know is the product that it stands for.
#[test]
fn a_linear_layer_takes_any_weight_and_bias() {
    let of = |body: &str| {
        let source = format!(
            r#"mpv 1;
model Tiny() {{
  input x: secret client Tensor<3, 4>;
  weights secret server {{ format: safetensors }}
  param v: Tensor<3> = "v";
  param m: Tensor<4, 3> = "m";
  let shared = x @ m;
  output y: reveal client Tensor<3, 3> = {body};
}}
"#
        );
        output(&source, &[Tensor::new(&[3], vec![1.0, -2.0, 0.5]), ramp(&[4, 3])], ramp(&[3, 4])).data
    };
    assert_eq!(of("linear(shared, x @ m)"), of("shared @ transpose(x @ m)"));
    assert_eq!(of("linear(x, x)"), of("x @ transpose(x) + 0 * shared"));
    assert_eq!(of("linear(shared, shared, shared[0])"), of("shared @ transpose(shared) + shared[0]"));
    assert_eq!(of("linear(x, transpose(m), shared[1])"), of("x @ m + shared[1]"));
    assert_eq!(of("linear(x, transpose(m), v)"), of("x @ m + v"));
}
