//! Private transformer inference between a model owner and a data owner, helped by a dealer or by nobody.
//!
//! [`grammar`] and [`compiler`] turn a model file into a share program ([`program`]), [`import`] reads trained weights and
//! inputs, [`codegen`] makes machine code, and [`runtime`] runs the parties over [`channel`]. The other modules are what
//! the command lines `mpcc` and `mpcc-studies` are both made of: from what is typed to a model, its ranges and its price,
//! and from a result to what a terminal shows.

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
pub mod progress;
pub mod ranges;
pub mod report;
pub mod source;
pub mod started;
pub mod terminal;

pub use mpcc_channel as channel;
pub use mpcc_codegen as codegen;
pub use mpcc_compiler as compiler;
pub use mpcc_grammar as grammar;
pub use mpcc_import as import;
pub use mpcc_kernels as kernels;
pub use mpcc_program as program;
pub use mpcc_protocols as protocols;
pub use mpcc_runtime as runtime;
