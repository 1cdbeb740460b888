//! What the command lines `mpcc` and `mpcc-studies` are both made of: from what is typed to a model, its ranges and its
//! price, and from a result or an error to what a terminal shows and a status.

#![forbid(unsafe_code)]

pub mod bound;
pub mod declared;
pub mod diagnostics;
pub mod encoded;
pub mod estimate;
pub mod examples;
pub mod failure;
pub mod files;
pub mod given;
pub mod machine;
pub mod making;
pub mod model;
pub mod outputs;
pub mod planning;
pub mod presented;
pub mod progress;
pub mod ranges;
pub mod report;
pub mod source;
pub mod started;
pub mod terminal;
