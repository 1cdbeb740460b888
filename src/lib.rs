//! Private transformer inference between a model owner and a data owner, helped by a dealer or by nobody.
//!
//! [`grammar`] and [`compiler`] turn a model file into a share program ([`program`]), [`import`] reads trained weights and
//! inputs, [`codegen`] makes machine code, and [`runtime`] runs the parties over [`channel`]. The command line of the same
//! name is in this package, and what it is made of in [`cli`].

#![forbid(unsafe_code)]

pub use mpcc_channel as channel;
pub use mpcc_cli as cli;
pub use mpcc_codegen as codegen;
pub use mpcc_compiler as compiler;
pub use mpcc_grammar as grammar;
pub use mpcc_import as import;
pub use mpcc_kernels as kernels;
pub use mpcc_program as program;
pub use mpcc_protocols as protocols;
pub use mpcc_runtime as runtime;
