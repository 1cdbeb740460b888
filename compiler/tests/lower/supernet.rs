//! Plans that are to be searched: what their mixture computes, and who refuses it.

use std::fs;

use mpcc_compiler::compile::rewrite;
use mpcc_compiler::evaluate::{Tensor, Wanted, evaluate};
use mpcc_compiler::graph::Graph;
use mpcc_compiler::lower::{LowerOptions, PlanValue, lower};
use mpcc_compiler::plan::{PlanError, plan};
use mpcc_compiler::{ranges, text, verify};
use mpcc_grammar::{parse, render};

use super::{agrees, folder};

fn source() -> String {
    fs::read_to_string(folder("supernet").join("small.mpv")).expect("a readable golden")
}

fn lowered(source: &str, options: &LowerOptions) -> Result<Graph, String> {
    let module = parse(source).expect("the source parses");
    let (graph, _) = lower(&module, options).map_err(|errors| render(&errors, source, "small.mpv", false))?;
    verify::verify(&graph).unwrap_or_else(|violations| panic!("{violations:?}"));
    Ok(graph)
}

fn supernet(source: &str) -> Graph {
    lowered(source, &LowerOptions { supernet: true, ..LowerOptions::default() })
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn named(name: &str) -> PlanValue {
    PlanValue::Name(name.to_owned())
}

/// Numbers without a pattern, the same for every caller with the same name.
fn noise(name: &str, count: usize) -> Vec<f64> {
    let bytes = blake3::hash(name.as_bytes());
    let mut stream = vec![0; 4 * count];
    blake3::Hasher::new_keyed(bytes.as_bytes()).finalize_xof().fill(&mut stream);
    let number = |four: &[u8]| f64::from(i32::from_le_bytes([four[0], four[1], four[2], four[3]])) / 2e9;
    stream.chunks_exact(4).map(number).collect()
}

/// The only output, with weights drawn by name and coefficients from `alpha(plan, layer, position, row)`.
fn output(graph: &Graph, alpha: &dyn Fn(&str, usize, usize, usize) -> f64) -> Tensor {
    let params: Vec<Tensor> = graph
        .params
        .iter()
        .enumerate()
        .map(|(id, param)| {
            let data = match graph.searched.iter().find(|searched| searched.param.0 as usize == id) {
                Some(searched) => (1..searched.candidates.len())
                    .flat_map(|row| searched.positions.iter().map(move |at| (row - 1, *at)))
                    .map(|(row, at)| alpha(&searched.plan, searched.layer, at, row))
                    .collect(),
                None => noise(&param.name, param.shape.iter().product()),
            };
            Tensor::new(&param.shape, data)
        })
        .collect();
    let input = Tensor::new(&graph.inputs[0].ty.shape, noise("input", graph.inputs[0].ty.shape.iter().product()));
    let values = evaluate(graph, &[input], &params, Wanted::All).expect("the graph evaluates");
    values[graph.outputs[0].node].clone()
}

/// The candidate that a coin chooses at each entry.
fn choice(graph: &Graph, seed: u32) -> impl Fn(&str, usize, usize) -> usize {
    let searched = graph.searched.clone();
    move |plan, layer, at| {
        let among = searched
            .iter()
            .find(|entry| entry.plan == plan && entry.layer == layer && entry.positions.contains(&at))
            .map_or(1, |entry| entry.candidates.len());
        let draw = noise(&format!("{seed} {plan} {layer} {at}"), 1)[0].to_bits() >> 20;
        usize::try_from(draw).expect("a small number") % among
    }
}

/// A plan of the golden with every entry decided.
fn decided(graph: &Graph, plan: &str, columns: Option<usize>, pick: &dyn Fn(&str, usize, usize) -> usize) -> PlanValue {
    let entry = |layer: usize, at: usize| {
        let open = graph
            .searched
            .iter()
            .find(|entry| entry.plan == plan && entry.layer == layer && entry.positions.contains(&at));
        let fixed = if plan == "ATTN" { "softmax" } else { "identity" };
        named(open.map_or(fixed, |open| &open.candidates[pick(plan, layer, at)]))
    };
    let row = |layer| match columns {
        Some(columns) => PlanValue::List((0..columns).map(|at| entry(layer, at)).collect()),
        None => entry(layer, 0),
    };
    PlanValue::List((0..2).map(row).collect())
}

#[test]
fn the_supernet_is_as_written_in_the_golden() {
    let graph = supernet(&source());
    agrees(&folder("supernet").join("small.mpv"), "graph", &text::graph(&graph)).unwrap_or_else(|why| panic!("{why}"));
    let groups: Vec<(&str, usize, usize)> =
        graph.searched.iter().map(|s| (s.plan.as_str(), s.layer, s.positions.len())).collect();
    let open: Vec<&str> = graph.open.iter().map(|open| open.plan.as_str()).collect();
    assert_eq!(open, ["ATTN", "MASS", "ACT", "LAST"]);
    assert_eq!(graph.open[0].entries[1][1..3], [vec!["relu_softmax", "scaling"], vec!["softmax"]]);
    assert_eq!(graph.open[3].entries[0][0].len(), 3);
    assert_eq!(graph.searched[3].start(), [1.0, 0.0]);
    let expected = [
        ("ATTN", 0, 4),
        ("MASS", 0, 5),
        ("ACT", 0, 5),
        ("LAST", 0, 1),
        ("ATTN", 1, 3),
        ("MASS", 1, 5),
        ("ACT", 1, 3),
        ("ACT", 1, 2),
    ];
    assert_eq!(groups, expected);
}

#[test]
fn coefficients_of_0_and_1_give_the_network_with_that_plan() {
    let source = source();
    let graph = supernet(&source);
    let mut outputs = Vec::new();
    for seed in 0..12 {
        let pick = choice(&graph, seed);
        let plans = [("ATTN", Some(4)), ("MASS", Some(5)), ("ACT", Some(5)), ("LAST", None)]
            .map(|(plan, columns)| (plan.to_owned(), decided(&graph, plan, columns, &pick)));
        let plain = lowered(&source, &LowerOptions { plans: plans.into(), ..LowerOptions::default() })
            .unwrap_or_else(|errors| panic!("{errors}"));
        assert!(plain.searched.is_empty());
        let expected = output(&plain, &|_, _, _, _| f64::NAN);
        let found = output(&graph, &|plan, layer, at, row| if pick(plan, layer, at) == row { 1.0 } else { 0.0 });
        assert_eq!(found, expected, "seed {seed}");
        outputs.push(found.data);
    }
    outputs.dedup();
    assert_eq!(outputs.len(), 12, "different plans compute different values");
}

#[test]
fn a_plan_that_follows_is_mixed_by_the_coefficients_of_the_other() {
    let source = r#"mpv 1;
fn double<N, M>(x: Tensor<N, M>) -> Tensor<N, M> { return 2 * x; }
plan ACT: per_row<1, 3> = [[search[double, identity]; 3]];
plan POST: per_row<1, 3> = [double: identity, identity: double] following ACT;
model Tiny() {
  input x: secret client Tensor<3, 1>;
  weights secret server { format: safetensors }
  param w: Tensor<1> = "w";
  output y: reveal client Tensor<3, 1> = choose(POST[0], choose(ACT[0], w * x));
}
"#;
    let graph = supernet(source);
    assert_eq!(graph.searched.len(), 1);
    let plain = output(&lowered(source, &one("double", "identity", "double")).expect("lowers"), &|_, _, _, _| 0.0);
    let mixed = output(&graph, &|_, _, at, _| [0.0, 0.25, 1.0][at]);
    for (at, factor) in [1.0, 1.25 * 1.75 / 2.0, 1.0].into_iter().enumerate() {
        assert!((mixed.data[at] - factor * plain.data[at]).abs() < 1e-12, "row {at}: {mixed:?} beside {plain:?}");
    }
}

fn one(a: &str, b: &str, c: &str) -> LowerOptions {
    let row = PlanValue::List([a, b, c].map(named).to_vec());
    LowerOptions { plans: [("ACT".to_owned(), PlanValue::List(vec![row]))].into(), ..LowerOptions::default() }
}

#[test]
fn a_searched_plan_in_place_of_another_goes_by_the_name_of_that() {
    let source = source().replace("mpv 1;", "mpv 1;\nplan FREE: per_head<2, 4> = [[search[softmax, scaling]; 4]; 2];");
    let with = |name: &str| {
        let plans = [(name.to_owned(), named("FREE"))].into();
        let options = LowerOptions { plans, supernet: true, ..LowerOptions::default() };
        lowered(&source, &options).unwrap_or_else(|errors| panic!("{errors}"))
    };
    for name in ["ATTN", "attn"] {
        let searched = &with(name).searched[0];
        assert_eq!((searched.plan.as_str(), searched.candidates[0].as_str()), (name, "softmax"));
        assert_eq!(with(name).open[0].plan, name);
    }
}

#[test]
fn what_is_not_decided_is_neither_lowered_nor_planned() {
    let source = source();
    let errors = lowered(&source, &LowerOptions::default()).expect_err("undecided");
    assert!(errors.matches("error[E0210]").count() == 4 && errors.contains("mpcc search"), "{errors}");
    let options = LowerOptions { supernet: true, ..LowerOptions::default() };
    let graph = rewrite(&source, &options).expect("rewrites").graph;
    let errors = plan(&graph, &ranges::nominal(&graph)).expect_err("undecided");
    assert_eq!(errors, [PlanError::Searched { plan: "ATTN".to_owned() }]);
}
