//! Planning errors as diagnostics at the place in the source that a node was lowered from.

use mpcc_compiler::plan::PlanError;
use mpcc_grammar::{Diagnostic, Label, Severity};

use crate::failure::SourceErrors;
use crate::source::Source;

/// All planning errors as one error.
pub fn diagnose(source: &Source, errors: &[PlanError]) -> anyhow::Error {
    let diagnostics = errors.iter().map(|error| diagnostic(source, error)).collect();
    SourceErrors { file: source.name.clone(), source_text: source.text.clone(), diagnostics }.into()
}

fn diagnostic(source: &Source, error: &PlanError) -> Diagnostic {
    let (code, label, help) = words(source, error);
    let span = error.node().and_then(|node| source.rewritten.graph.node(node).span);
    Diagnostic {
        severity: Severity::Error,
        code,
        message: error.to_string(),
        labels: span.map(|span| Label { span, text: label.to_owned() }).into_iter().collect(),
        help: vec![help],
    }
}

fn words(source: &Source, error: &PlanError) -> (&'static str, &'static str, String) {
    let calibrate = source.calibrating();
    match error {
        PlanError::NoRange { .. } => (
            "E0801",
            "how large this can be is neither proved nor observed",
            format!("observe it with `{calibrate}`, or declare it with `assume range(…) in [low, high];`"),
        ),
        PlanError::Searched { plan } => {
            ("E0210", "", format!("run `mpcc search {}`, or give a plan with `--plan {plan}=FILE.json`", source.name))
        }
        PlanError::StaleRanges => ("E0802", "", format!("observe the ranges again with `{calibrate}`")),
        PlanError::TooWide { .. } => (
            "E0803",
            "this value and what is made of it do not fit the widest ring",
            "lower `frac` or `weight_frac` in `numeric`, or declare a tighter range with `assume`; in place of adding a large \
             negative number to masked scores write `softmax_masked(scores, mask)`"
                .to_owned(),
        ),
        PlanError::RowDomain { .. } => (
            "E0804",
            "the argument of this reciprocal or square root varies too much",
            "declare its range with `assume range(…) in [low, high];`, or scale what it is made of".to_owned(),
        ),
        PlanError::Alone { .. } => (
            "E0805",
            "this takes a dealer",
            "compile for a dealer, or take a function that two parties can compute, such as `relu` and `relu_softmax`".to_owned(),
        ),
        PlanError::Unsupported { .. } | PlanError::Invalid { .. } => (
            "E0805",
            "this cannot be computed on shares yet",
            "`mpcc explain` lists the operations there are; a function of inputs alone can move to `local client`"
                .to_owned(),
        ),
    }
}
