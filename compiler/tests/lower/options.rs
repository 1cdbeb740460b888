//! Plans and values given from outside the file.

use mpcc_compiler::graph::Graph;
use mpcc_compiler::lower::{LowerOptions, PlanValue, SetValue, lower};
use mpcc_grammar::parse;

const SOURCE: &str = r#"mpv 1;
const WIDTH = 6;
const GAIN = 1.0;
const QUICK = false;
fn keep<N, M>(x: Tensor<N, M>) -> Tensor<N, M> { return x; }
fn pair<N, M>(x: Tensor<N, M>, y: Tensor<N, M>) -> Tensor<N, M> { return x + y; }
plan ACT: per_layer<2> = [relu, gelu];
plan ROWS: per_row<2, 3> = [[gelu; 3]; 2];
plan SHORT: per_layer<1> = [relu];
model Tiny(act: plan = ACT, last: fn = relu) {
  input x: secret client Tensor<3, WIDTH>;
  weights secret server { format: safetensors }
  param w: Tensor<WIDTH, WIDTH> = "w";
  let y = linear(x, w);
  for i in 0..2 {
    y = choose(act[i], y);
  }
  output z: reveal client Tensor<3, WIDTH> = last(y) * GAIN;
}
"#;

fn with(plans: &[(&str, PlanValue)], sets: &[(&str, SetValue)]) -> Result<Graph, Vec<String>> {
    let options = LowerOptions {
        plans: plans.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        sets: sets.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        ..LowerOptions::default()
    };
    let module = parse(SOURCE).expect("the source parses");
    let texts = |errors: Vec<mpcc_grammar::Diagnostic>| errors.iter().map(ToString::to_string).collect();
    lower(&module, &options).map(|(graph, _)| graph).map_err(texts)
}

fn plan(json: &str) -> PlanValue {
    serde_json::from_str(json).expect("a plan value")
}

fn plan_text(graph: &Graph) -> &str {
    &graph.plans[0].1
}

#[test]
fn a_plan_is_replaced_by_list_or_by_name_through_parameter_or_plan() {
    assert_eq!(plan_text(&with(&[], &[]).expect("lowers")), "per_layer<2> = [relu, gelu]");
    for name in ["act", "ACT"] {
        let listed = with(&[(name, plan(r#"["keep", "relu"]"#))], &[]).expect("lowers");
        assert_eq!(plan_text(&listed), "per_layer<2> = [keep, relu]");
        let named = with(&[(name, plan(r#""ROWS""#))], &[]).expect("lowers");
        assert_eq!(plan_text(&named), "per_row<2, 3> = [[gelu; 3]; 2]");
    }
}

#[test]
fn a_plan_that_does_not_fit_is_refused() {
    for json in [r#"["relu"]"#, r#"["relu", "pair"]"#, r#"["relu", "sofmax"]"#, r#"[["relu"], ["relu"]]"#, r#""ACTS""#]
    {
        let errors = with(&[("act", plan(json))], &[]).expect_err(json);
        assert!(errors.iter().all(|error| error.starts_with("error[E0203]")), "{errors:?}");
    }
    let errors = with(&[("last", plan(r#"["relu"]"#))], &[]).expect_err("`last` is a function");
    assert!(errors[0].starts_with("error[E0203]"), "{errors:?}");
    let errors = with(&[("atc", plan(r#"["relu", "relu"]"#))], &[]).expect_err("no such plan");
    assert!(errors[0].starts_with("error[E0203]"), "{errors:?}");
    let errors = with(&[("act", plan(r#""SHORT""#))], &[]).expect_err("one layer instead of two");
    assert!(errors[0].starts_with("error[E0508]"), "{errors:?}");
}

#[test]
fn constants_and_parameters_are_set() {
    let sets = [
        ("WIDTH", SetValue::Int(4)),
        ("GAIN", SetValue::Int(2)),
        ("QUICK", SetValue::Bool(true)),
        ("last", SetValue::Name("keep".to_owned())),
    ];
    let graph = with(&[], &sets).expect("lowers");
    assert_eq!(graph.inputs[0].ty.shape.as_slice(), [3, 4]);
    let wrong = [
        ("WIDTH", SetValue::Real(4.5)),
        ("QUICK", SetValue::Int(1)),
        ("last", SetValue::Name("kepe".to_owned())),
        ("last", SetValue::Int(1)),
        ("WITDH", SetValue::Int(4)),
    ];
    for set in wrong {
        let errors = with(&[], std::slice::from_ref(&set)).expect_err("refused");
        assert!(errors[0].starts_with("error[E0312]"), "{set:?}: {errors:?}");
    }
}
