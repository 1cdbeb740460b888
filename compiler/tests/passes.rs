//! The typed graph and its passes, on whole networks.

#[path = "passes/graph.rs"]
mod graph;
#[path = "passes/models.rs"]
mod models;
