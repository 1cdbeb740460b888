//! The standard library: what wins over it, and what its functions compute.

use mpcc_compiler::lower::{LowerOptions, builtin_functions, lower};
use mpcc_compiler::{library, text};
use mpcc_grammar::parse;

fn graph(items: &str, body: &str) -> String {
    let source = format!(
        r#"mpv 1;
{items}
model Tiny() {{
  input x: secret client Tensor<2, 3>;
  weights secret server {{ format: safetensors }}
  param w: Tensor<3, 3> = "w";
  let h = linear(x, w);
  output y: reveal client Tensor<2, 3> = {body};
}}
"#
    );
    let module = parse(&source).expect("the source parses");
    let (graph, warnings) = lower(&module, &LowerOptions::default()).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(graph.nodes.iter().all(|node| node.span.is_some_and(|span| span.end <= source.len())));
    text::graph(&graph)
}

#[test]
fn a_definition_of_the_model_wins() {
    let own = "fn scaling<N, M>(s: Tensor<N, M>) -> Tensor<N, M> { return 7 * s; }";
    assert!(graph(own, "scaling(h)").contains("scale(%2, 7.0)"));
    assert!(graph("", "scaling(h)").contains(&format!("scale(%2, {:?})", 1.0 / 3.0)));
    let own = "const scaling = 7;";
    assert!(graph(own, "h * scaling").contains("scale(%2, 7.0)"));
}

#[test]
fn a_function_of_the_model_may_call_what_it_resembles() {
    let own = "fn mine<M>(s: Tensor<M>) -> Tensor<M> { return scaling(s); }";
    assert_eq!(graph(own, "mine(h)").matches("scale(").count(), 1);
}

#[test]
fn plans_take_functions_of_the_library() {
    let plan = "plan P: per_row<1, 2> = [[scaling, square_attention]];";
    assert!(graph(plan, "choose(P[0], h)").contains("per_row<1, 2> = [[scaling, square_attention]]"));
}

#[test]
fn the_library_is_found_by_name() {
    let found = library::function("scaling").expect("a function of the library");
    assert_eq!(found.signature, "fn scaling<M>(s: Tensor<M>) -> Tensor<M>");
    assert!(library::function("scalin").is_none());
}

const GUIDE: &str = include_str!("../../../LANGUAGE.md");

/// Words between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_guide_lists_every_function_and_its_file_is_right() {
    let section = |from: &str, to: &str| {
        let at = GUIDE.find(from).unwrap_or_else(|| panic!("LANGUAGE.md has no `{from}`"));
        let rest = &GUIDE[at..];
        &rest[..rest.find(to).unwrap_or(rest.len())]
    };
    let mut listed: Vec<&str> = quoted(section("<!-- standard-library -->", "\n\n")).collect();
    let mut known: Vec<&str> = library::functions().iter().map(|function| function.name).collect();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known, "left: LANGUAGE.md, right: the standard library");
    let sentence: Vec<&str> = quoted(section("Built in are", "\n\n")).collect();
    for function in builtin_functions() {
        assert!(sentence.contains(&function.name), "LANGUAGE.md does not list the built-in `{}`", function.name);
    }
    let file = section("```rust\n//!", "\n```").trim_start_matches("```rust\n");
    let module = parse(file).expect("the file of LANGUAGE.md parses");
    lower(&module, &LowerOptions::default()).expect("the file of LANGUAGE.md is right");
}
