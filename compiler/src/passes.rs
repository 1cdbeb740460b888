//! Rewrites of the typed graph, from what the source says to what is cheap on shares.
//!
//! A pass is one file with one [`Pass`] and a golden folder of the same name; it keeps every output's value.
//! The verifier runs after each, and nodes that no output needs are dropped.
//! [`check_final`] says which ops may be left on shared values.

mod final_form;
mod rewrite;
mod savings;
mod views;
mod worth;

use thiserror::Error;

use crate::graph::Graph;
use crate::verify::{Violation, verify};

pub use final_form::check_final;
pub(crate) use final_form::without_protocol;
pub use savings::{Saved, Saving, Savings, run_without, savings};

/// From a graph to one of the same value.
pub type Rewrite = fn(&Graph) -> Result<Graph, String>;

/// One pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Its name: file, golden folder and command-line argument.
    pub name: &'static str,
    /// What it does, in half a sentence.
    pub summary: &'static str,
    /// Facts that earlier passes must have established.
    pub needs: &'static [&'static str],
    /// Facts that hold after it.
    pub establishes: &'static [&'static str],
    /// The rewrite. An error is a bug of the pass.
    pub run: Rewrite,
    /// What stands in for it where it is left out to see what it saves, if the rest cannot do without.
    pub without: Option<Rewrite>,
}

/// Declares the passes: each is a module of this folder with a constant `PASS`.
macro_rules! passes {
    ($($name:ident,)*) => {
        $(mod $name;)*

        /// THE list, in order.
        pub const PASSES: &[Pass] = &[$($name::PASS,)*];
    };
}

passes! {
    common_subexpressions,
    limit_masks,
    // First of those that look for layers.
    weights_right,
    group_heads,
    // After group_heads, which turns picked heads into picked columns.
    split_linear,
    // After split_linear: q can be narrowed only once it is apart from k and v.
    narrow_rows,
    // After narrow_rows: with a single query row the scores are the smaller product.
    linearise_attention,
    defer_normaliser,
    // After the products have their final order, so that a factor finds the nearest weight.
    fold_scales,
    fold_affine,
    // After fold_scales and fold_affine, which take factors and gains from between two layers.
    fuse_linear,
    // After fuse_linear, which leaves the layers of tokens without an activation beside their residual.
    fold_residual,
    // Last: it ends with every layer on a norm being a product of its own, which no rule above would recognise.
    split_layernorm,
}

/// What one pass did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassReport {
    /// Its name.
    pub name: &'static str,
    /// Nodes before.
    pub before: usize,
    /// Nodes after.
    pub after: usize,
    /// Whether anything but the order of the nodes changed.
    pub changed: bool,
}

/// A pass that broke the graph, or that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PassError {
    /// The input was already broken.
    #[error("the graph is malformed before any pass; this is a bug of the compiler:{}", lines(.0))]
    Input(Vec<Violation>),
    /// A pass gave a graph that the verifier refuses.
    #[error("pass `{pass}` broke the graph; this is a bug of the compiler:{}", lines(.violations))]
    Broken {
        /// The pass.
        pass: &'static str,
        /// What the verifier found.
        violations: Vec<Violation>,
    },
    /// A rule could not be applied.
    #[error("pass `{pass}` failed; this is a bug of the compiler: {message}")]
    Failed {
        /// The pass.
        pass: &'static str,
        /// What went wrong.
        message: String,
    },
    /// No pass of that name.
    #[error("there is no pass `{name}`; the passes are {}", names())]
    Unknown {
        /// The name asked for.
        name: String,
    },
}

fn lines(violations: &[Violation]) -> String {
    violations.iter().map(|v| format!("\n  {v}")).collect()
}

fn names() -> String {
    PASSES.iter().map(|p| p.name).collect::<Vec<_>>().join(", ")
}

/// Runs all passes on a graph that the verifier accepts.
///
/// # Panics
/// If the graph is malformed or a pass breaks it: a bug of the compiler, reported with every violation.
pub fn run_all(graph: &Graph) -> (Graph, Vec<PassReport>) {
    run(graph, PASSES).unwrap_or_else(|bug| panic!("{bug}"))
}

/// Runs the passes up to and including the one named.
///
/// # Errors
/// If there is no such pass, the graph is malformed, or a pass breaks it.
pub fn run_until(graph: &Graph, name: &str) -> Result<(Graph, Vec<PassReport>), PassError> {
    match PASSES.iter().position(|p| p.name == name) {
        Some(last) => run(graph, &PASSES[..=last]),
        None => Err(PassError::Unknown { name: name.to_owned() }),
    }
}

fn run(graph: &Graph, passes: &[Pass]) -> Result<(Graph, Vec<PassReport>), PassError> {
    verify(graph).map_err(PassError::Input)?;
    let mut current = graph.clone();
    let mut reports = Vec::with_capacity(passes.len());
    for pass in passes {
        let failed = |message| PassError::Failed { pass: pass.name, message };
        let next = (pass.run)(&current).and_then(|g| rewrite::tidy(&g)).map_err(failed)?;
        verify(&next).map_err(|violations| PassError::Broken { pass: pass.name, violations })?;
        let unchanged = rewrite::tidy(&current).map_err(failed)?;
        let changed = next.nodes.len() != current.nodes.len() || next != unchanged;
        reports.push(PassReport { name: pass.name, before: current.nodes.len(), after: next.nodes.len(), changed });
        current = next;
    }
    Ok((current, reports))
}
