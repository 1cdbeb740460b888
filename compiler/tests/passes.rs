//! The typed graph and its passes, on whole networks.

#[path = "passes/basis.rs"]
mod basis;
#[path = "passes/examples.rs"]
mod examples;
#[path = "passes/goldens.rs"]
mod goldens;
#[path = "passes/graph.rs"]
mod graph;
#[path = "passes/kept.rs"]
mod kept;
#[path = "passes/meaning.rs"]
mod meaning;
#[path = "passes/models.rs"]
mod models;
#[path = "passes/nominal.rs"]
mod nominal;
#[path = "passes/random.rs"]
mod random;
#[path = "passes/ranges.rs"]
mod ranges;
#[path = "passes/relied.rs"]
mod relied;
#[path = "passes/savings.rs"]
mod savings;
