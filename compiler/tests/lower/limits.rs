//! Sources that ask for too much: each is explained in place, and in a moment.

use std::fmt::Write;
use std::time::Duration;

use cpu_time::ThreadTime;
use mpcc_compiler::compile::rewrite;
use mpcc_compiler::lower::LowerOptions;
use mpcc_grammar::{Diagnostic, MOST_COLLECTED, MOST_SHOWN, render};

/// Processor time that a source of these sizes may take, in a build with little optimisation.
const PATIENCE: Duration = Duration::from_secs(10);

/// A model with further statements, constants and another shape.
fn model(statements: &str, items: &str, shape: &str) -> String {
    format!(
        r#"mpv 1;
{items}
model M() {{
  input x: secret client Tensor<{shape}>;
  weights secret server {{ format: safetensors }}
  param w: Tensor<4, 4> = "w";
  let y = linear(x, w);
{statements}
  output o: reveal client Tensor<{shape}> = y;
}}
"#
    )
}

/// What is said about a source, drawn, laid out and timed.
fn said(name: &str, source: &str) -> Vec<Diagnostic> {
    let began = ThreadTime::now();
    let found = match rewrite(source, &LowerOptions::default()) {
        Ok(rewritten) => rewritten.warnings,
        Err(errors) => {
            assert!(errors.iter().all(|error| error.primary().is_some_and(|p| p.end <= source.len())), "{name}");
            errors
        }
    };
    assert!(found.len() <= MOST_COLLECTED, "{name}: {} findings", found.len());
    let drawn = render(&found, source, "m.mpv", false);
    assert!(drawn.len() < 3_000 * MOST_SHOWN, "{name}: {} bytes are shown", drawn.len());
    let _ = mpcc_grammar::format(source);
    let took = began.elapsed();
    assert!(took < PATIENCE, "{name} took {took:?}");
    found
}

#[track_caller]
fn refused(name: &str, source: &str, code: &str) {
    let found = said(name, source);
    assert!(found.iter().any(|d| d.code == code), "{name}: {:?}", found.first());
}

#[test]
fn shapes_beyond_measure_are_shown_where_they_stand() {
    let source = model("", "", "4294967296, 6");
    let found = said("a wide extent", &source);
    assert_eq!(found[0].code, "E0518");
    let place = found[0].primary().expect("a place");
    assert_eq!(&source[place.start..place.end], "4294967296");
    refused("many entries", &model("", "", "65536, 65536"), "E0518");
    refused("many axes", &model("", "", "1, 1, 1, 1, 1, 1, 1, 1, 4"), "E0518");
    refused(
        "a product",
        &model("  let z = transpose(y) @ y;", "", "100000, 4").replace("Tensor<4, 4>", "Tensor<100000, 4>"),
        "E0518",
    );
}

#[test]
fn loops_lists_and_plans_without_end_are_refused() {
    refused("a long loop", &model("  for i in 0..1000000000 { y = relu(y); }", "", "4, 4"), "E0607");
    refused("an empty loop", &model("  for i in 0..4000000000 { }", "", "4, 4"), "E0607");
    refused("nested loops", &model("  for i in 0..3000 { for j in 0..3000 { y = y + 1; } }", "", "4, 4"), "E0607");
    let plan = "fn a<N>(s: Tensor<N>) -> Tensor<N> { return s; }\nplan P: per_head<1000000, 1000000> = [[a; 1000000]; 1000000];";
    refused("a large plan", &model("", plan, "4, 4"), "E0518");
    let lists = "const A = [0; 1048576];\nconst B = [A, A, A, A];";
    refused("a list of lists", &model("", lists, "4, 4"), "E0607");
    let repeated = "const A = [[0; 1024]; 1024];\nconst B = [A; 2];";
    refused("a repeated list", &model("", repeated, "4, 4"), "E0607");
    let constants = "  for i in 0..100 { y = y + sum(A, axis: -1); }";
    refused("many constants", &model(constants, "const A = [1; 1048576];", "4, 4"), "E0524");
}

#[test]
fn calls_that_double_and_calls_inside_one_another_are_refused() {
    let mut items = "fn g0<N>(x: Tensor<N>) -> Tensor<N> { return x; }\n".to_owned();
    for i in 1..40 {
        let _ = writeln!(items, "fn g{i}<N>(x: Tensor<N>) -> Tensor<N> {{ return g{0}(x) + g{0}(x); }}", i - 1);
    }
    refused("doubling", &model("  y = g39(y);", &items, "4, 4"), "E0607");
    let mut items = "fn g0<N>(x: Tensor<N>) -> Tensor<N> { return x; }\n".to_owned();
    for i in 1..3000 {
        let _ = writeln!(items, "fn g{i}<N>(x: Tensor<N>) -> Tensor<N> {{ return g{}(x); }}", i - 1);
    }
    refused("a chain", &model("  y = g2999(y);", &items, "4, 4"), "E0119");
    let (open, close) = ("for i in 0..1 { ".repeat(100), "} ".repeat(100));
    let mut items = "fn g0<N>(x: Tensor<N>) -> Tensor<N> { return x; }\n".to_owned();
    for i in 1..100 {
        let body = format!("let y = x; {open} y = g{}(y); {close} return y;", i - 1);
        let _ = writeln!(items, "fn g{i}<N>(x: Tensor<N>) -> Tensor<N> {{ {body} }}");
    }
    refused("loops in calls", &model("  y = g99(y);", &items, "4, 4"), "E0119");
}

#[test]
fn long_expressions_are_refused() {
    for (name, expression, code) in [
        ("minus", format!("{}y", "-".repeat(100_000)), "E0119"),
        ("a sum", format!("{}y", "y + ".repeat(100_000)), "E0119"),
        ("a product", format!("{}y", "y * ".repeat(100_000)), "E0119"),
        ("positions", format!("y{}", "[0..4]".repeat(50_000)), "E0119"),
        ("brackets", format!("{}y{}", "relu(".repeat(200), ")".repeat(200)), "E0119"),
    ] {
        refused(name, &model(&format!("  let z = {expression};"), "", "4, 4"), code);
    }
    let joined = format!("  let z = concat({}, axis: 0);", vec!["y"; 100_000].join(", "));
    said("joined", &model(&joined, "", "4, 4"));
    refused("a constant", &model("", &format!("const A = {}1;", "1 + ".repeat(300_000)), "4, 4"), "E0119");
}

/// As many mistakes as a file has room for; what they cost may not grow with their square.
#[test]
fn a_file_of_mistakes_is_answered() {
    let names: Vec<String> = (0..100_000).map(|i| format!("N{i}")).collect();
    let unknown: String = (0..40_000).map(|i| format!("  let a{i} = b{i};\n")).collect();
    let twice = "const A = 1;\n".repeat(40_000);
    let constants: String = (0..40_000).map(|i| format!("const A{i} = B{i};\n")).collect();
    let fields: String = (0..40_000).map(|i| format!("f{i}: 1, ")).collect();
    let outputs: String = (0..3000).map(|i| format!("  output o{i}: reveal client Tensor<4, 4> = y;\n")).collect();
    for (name, source) in [
        ("tokens", format!("mpv 1;\n{}", "} ".repeat(500_000))),
        ("lines", format!("mpv 1;\n{}", "}\n".repeat(500_000))),
        ("statements", format!("mpv 1;\n{}", "let = ;\n".repeat(100_000))),
        ("commas", format!("mpv 1;\nplan P = [{}];", ",".repeat(1_000_000))),
        ("signs", format!("mpv 1;\n{}", "§ ".repeat(500_000))),
        ("a long string", format!("mpv 1;\nassert true, \"{}\";", "a".repeat(1_500_000))),
        ("a long name", format!("mpv 1;\nconst {} = 1;", "a".repeat(1_500_000))),
        ("far out", format!("mpv 1;{}const = 1;", " ".repeat(100_000))),
        ("generics", format!("mpv 1;\nfn f<{}>(x: Tensor<N0>) -> Tensor<N0> {{ return x; }}\n", names.join(", "))),
        ("unknown names", model(&unknown, "", "4, 4")),
        ("the same name", model("", &twice, "4, 4")),
        ("unknown constants", model("", &constants, "4, 4")),
        ("fields", model("", &format!("numeric {{ {fields} }}"), "4, 4")),
        ("outputs", model(&outputs, "", "4, 4")),
        (
            "small functions",
            format!("mpv 1;\n{}", "fn f(x: Tensor<4>) -> Tensor<4> { return x[.., 0..4][.., 0..4]; }\n".repeat(5_000)),
        ),
    ] {
        assert!(!said(name, &source).is_empty(), "{name}");
    }
}

/// Passes walk over what loops unroll to.
#[test]
fn a_long_chain_of_operations_is_rewritten() {
    let found = said("a chain", &model("  for i in 0..3000 { y = relu(y + 1); }", "", "4, 4"));
    assert!(found.is_empty(), "{found:?}");
}
