//! From a syntax tree to a share program: lower, rewrite, assign fixed point, plan.
//!
//! Pure: strings and structs in, strings and structs out. No file, clock, socket or secret is touched here.

pub mod artefact;
pub mod calibrate;
pub mod compile;
pub mod encode;
pub mod evaluate;
pub mod graph;
pub mod library;
pub mod lower;
mod masks;
pub mod passes;
pub mod plan;
pub mod ranges;
pub mod smooth;
pub mod text;
pub mod value_ranges;
pub mod verify;

pub use mpcc_program::shown;
