//! How a softmax is planned: by counts and exponentials where a ring holds the row, else by comparisons and a series.

use mpcc_compiler::compile::rewrite;
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::plan::{Plan, PlanOptions, Softmax, Taken, plan_with};
use mpcc_compiler::ranges::{Basis, nominal};
use mpcc_program::cost;
use mpcc_program::program::Gate;

const BERT: &str = include_str!("../../examples/mpcformer-bert/model.mpv");

/// BERT with softmax and GeLU.
fn bert() -> String {
    let changes = [("act: fn = quad", "act: fn = gelu"), ("probs: fn = two_quad_masked", "probs: fn = softmax_masked")];
    changes.iter().fold(BERT.to_owned(), |source, (from, to)| {
        assert!(source.contains(from), "the model has `{from}`");
        source.replace(from, to)
    })
}

fn plan(source: &str, softmax: Softmax) -> Plan {
    let graph = rewrite(source, &LowerOptions::default()).expect("a valid model").graph;
    let options = PlanOptions { basis: Basis::Observed, softmax, ..PlanOptions::default() };
    plan_with(&graph, &nominal(&graph), &options).unwrap_or_else(|e| panic!("{e:?}"))
}

/// What takes the place of each row maximum.
fn taken(plan: &Plan) -> Vec<Softmax> {
    let of = |taken| if let Taken::Softmax(softmax) = taken { Some(softmax) } else { None };
    plan.choices.iter().filter_map(|choice| of(choice.taken)).collect()
}

/// How many gates of a plan pass a test.
fn count(plan: &Plan, test: impl Fn(&Gate) -> bool) -> usize {
    plan.program.values.iter().filter(|v| test(&v.gate)).count()
}

/// The tree of comparisons and the series take twenty hops more a layer.
#[test]
fn a_large_softmax_takes_three_hops_for_its_maximum_and_one_for_its_exponentials() {
    let [compared, counted] = [Softmax::Compared, Softmax::Maximum].map(|softmax| plan(&bert(), softmax));
    assert_eq!(taken(&compared), [Softmax::Compared; 12]);
    assert_eq!(taken(&counted), [Softmax::Maximum; 12]);
    assert_eq!([&compared, &counted].map(|plan| plan.program.hops), [451, 211]);
    assert_eq!(count(&counted, |gate| matches!(gate, Gate::Exponential { .. })), 12);
    assert_eq!(count(&compared, |gate| matches!(gate, Gate::Exponential { .. })), 0);
    // What is left of series is for GeLU and the last tanh.
    assert_eq!(count(&counted, |gate| matches!(gate, Gate::TrigSeries { .. })), 13);
    let [compared, counted] = [&compared, &counted].map(|plan| cost::program(&plan.program));
    assert!(counted.online_bytes.model_owner < compared.online_bytes.model_owner, "{counted:?} {compared:?}");
}

/// A softmax over scores up to a size.
fn small(size: f64, n: usize) -> String {
    format!(
        "mpv 1;
        model Rows() {{
            input x: secret client Tensor<4, {n}>;
            weights secret server {{ format: safetensors }}
            param w: Tensor<{n}, {n}> = \"w\";
            let s = linear(x, w, zeros_of(w));
            assume range(s) in [-{size}.0, {size}.0];
            output y: reveal client Tensor<4, {n}> = softmax(s);
        }}"
    )
    .replace("linear(x, w, zeros_of(w))", "x @ w")
}

#[test]
fn rows_that_no_ring_of_buckets_holds_are_compared() {
    for (size, softmax) in
        [(1, Softmax::Maximum), (20, Softmax::Maximum), (100, Softmax::Maximum), (2000, Softmax::Compared)]
    {
        assert_eq!(taken(&plan(&small(f64::from(size), 16), Softmax::Maximum)), [softmax], "scores up to {size}");
    }
}

/// From one number a row to as many as BERT takes.
#[test]
fn rows_of_any_length_are_counted() {
    for n in [2, 3, 30, 126, 127, 200, 512] {
        let plan = plan(&small(20.0, n), Softmax::Maximum);
        assert_eq!(taken(&plan), [Softmax::Maximum], "rows of {n}");
    }
}
