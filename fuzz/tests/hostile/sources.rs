//! Sources with pieces changed, moved and put in.

use mpcc_compiler::compile::rewrite;
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::plan::plan;
use mpcc_compiler::ranges::nominal;
use mpcc_fuzz::Choices;

use crate::models;

const PIECES: [&str; 46] = [
    "let",
    "for",
    "in",
    "0..9999999999",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "@",
    "..",
    "1e400",
    "-",
    "--",
    "/ 0",
    "% 0",
    "plan",
    "search",
    "\"",
    "///",
    "choose",
    "9223372036854775807",
    "18446744073709551616",
    "Tensor<",
    "concat",
    "assert",
    "const X = X;",
    "one_hot",
    "gelu",
    "param",
    "axis: -1",
    "axis: 99",
    "at \"x.{i}\"",
    ".squeeze(0)",
    ".slice(0, 5, 2)",
    ".reshape(0)",
    "é",
    "\u{0}",
    "<<",
    "2 * ",
    "transpose(x)",
    "per_head<1000000, 1000000>",
    "[[rs; 1000000]; 1000000]",
    "for i in 0..1000000 { x = relu(x); }",
    "fn f<N>(x: Tensor<N>) -> Tensor<N> { return f(x); }",
];
const NUMBERS: [&str; 12] =
    ["0", "1", "2", "3", "7", "64", "1000", "65536", "268435456", "4294967296", "9223372036854775807", "100000"];

/// Golden models and examples.
pub(crate) fn seeds() -> Vec<String> {
    let folders = ["tests/goldens/models", "tests/cli", "examples/cifar10", "examples/softmax-vit"];
    folders.iter().flat_map(|folder| models::sources_in(folder)).collect()
}

/// Checks a changed source, and plans it if it is right.
pub(crate) fn case(choices: &mut Choices<'_>, seeds: &[String]) {
    let mut source: Vec<char> = choices.of(seeds).chars().collect();
    for _ in 0..1 + choices.below(5) {
        change(choices, &mut source);
    }
    let source: String = source.into_iter().collect();
    let _ = mpcc_grammar::format(&source);
    match rewrite(&source, &LowerOptions::default()) {
        Ok(rewritten) => {
            let _ = mpcc_grammar::render(&rewritten.warnings, &source, "m", false);
            let small =
                rewritten.graph.nodes.iter().map(|n| n.ty.shape.iter().product::<usize>()).sum::<usize>() < 1 << 20;
            if small && rewritten.graph.nodes.len() < 1000 {
                let _ = plan(&rewritten.graph, &nominal(&rewritten.graph));
            }
        }
        Err(errors) => {
            assert!(errors.iter().all(|error| error.primary().is_some()), "an error without a place: {errors:?}");
            let _ = mpcc_grammar::render(&errors, &source, "m", false);
        }
    }
}

fn change(choices: &mut Choices<'_>, source: &mut Vec<char>) {
    if source.is_empty() {
        return;
    }
    let at = choices.below(source.len());
    match choices.below(6) {
        0 => _ = source.remove(at),
        1 => source[at] = char::from(32 + choices.byte() % 95),
        2 | 3 => {
            let piece = format!(" {} ", choices.of(&PIECES));
            source.splice(at..at, piece.chars());
        }
        4 => {
            let Some(first) = (at..source.len()).find(|at| source[*at].is_ascii_digit()) else { return };
            let last = (first..source.len()).find(|at| !source[*at].is_ascii_digit()).unwrap_or(source.len());
            source.splice(first..last, choices.of(&NUMBERS).chars());
        }
        _ => {
            let end = (at + 1 + choices.below(60)).min(source.len());
            let piece = source[at..end].to_vec();
            let to = choices.below(source.len());
            source.splice(to..to, piece);
        }
    }
}
