//! Machine code for the maps of a role's code, by Cranelift.
//!
//! [`Jit::compile`] checks every map, compiles each distinct one once and executes it in place of
//! [`mpcc_program::interpret::Interpreter`], with the same results bit for bit. [`clif`] and [`assembly`]
//! print what is compiled. The compiled code neither branches on a word nor communicates.

mod emit;
mod jit;
mod kernel;
mod print;
mod simplify;

use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable, Flags, SetError};
use mpcc_program::interpret::MapError;
use thiserror::Error;

pub use jit::Jit;
pub use print::{assembly, clif};

/// Why maps could not be compiled.
#[derive(Debug, Error)]
pub enum CodegenError {
    /// A map does not fit its buffers.
    #[error("map {id} cannot be compiled: {source}")]
    Map {
        /// Position of the map in [`mpcc_program::code::maps`].
        id: usize,
        /// The rule it breaks.
        source: MapError,
    },
    /// The code does not say how wide the entries of each buffer are.
    #[error("the code has {lengths} buffers, but lanes of {lanes}; every buffer needs one")]
    Lanes {
        /// Buffers with a lane.
        lanes: usize,
        /// Buffers with a length.
        lengths: usize,
    },
    /// Cranelift has no code generator for this machine.
    #[error("no machine code for this host: {reason}; run with the interpreter instead")]
    Host {
        /// What is missing.
        reason: String,
    },
    /// Cranelift refused a function.
    #[error("kernel {kernel} was not compiled: {reason}; run with the interpreter and report the map")]
    Kernel {
        /// Index of the kernel, as in the text of [`clif`].
        kernel: usize,
        /// Cranelift's message.
        reason: String,
    },
    /// The compiled code could not be made executable.
    #[error("the compiled code could not be made executable: {reason}; run with the interpreter instead")]
    Executable {
        /// Cranelift's message.
        reason: String,
    },
}

/// How far the extensions of this machine are used. All give the same words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extensions {
    /// What every processor of the architecture has.
    None,
    /// No vectors beyond those of AVX2.
    Avx2,
    /// All that there are.
    #[default]
    All,
}

/// Extensions that come with AVX-512.
#[cfg(target_arch = "x86_64")]
const AVX512: [&str; 5] = ["has_avx512f", "has_avx512dq", "has_avx512vl", "has_avx512vbmi", "has_avx512bitalg"];
#[cfg(not(target_arch = "x86_64"))]
const AVX512: [&str; 0] = [];

/// The instruction set of this machine with these of its extensions.
fn host(extensions: Extensions) -> Result<OwnedTargetIsa, CodegenError> {
    let refused = |reason: String| CodegenError::Host { reason };
    // The vectors and 128-bit integers used have code generators without further conditions on these two only.
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return Err(refused("only x86-64 and AArch64 are supported".to_owned()));
    }
    let builder = cranelift_native::builder_with_options(extensions != Extensions::None);
    let mut builder = builder.map_err(|reason| refused(reason.to_owned()))?;
    if extensions <= Extensions::Avx2 {
        for name in AVX512 {
            builder.set(name, "false").map_err(|e| refused(e.to_string()))?;
        }
    }
    let flags = flags().map_err(|e| refused(e.to_string()))?;
    builder.finish(flags).map_err(|e| refused(e.to_string()))
}

/// Optimisation for speed; frames beyond a page touch every page, so that the stack guard catches them.
fn flags() -> Result<Flags, SetError> {
    let mut flags = settings::builder();
    flags.set("opt_level", "speed")?;
    flags.set("is_pic", "false")?;
    flags.set("use_colocated_libcalls", "false")?;
    flags.set("enable_probestack", "true")?;
    flags.set("probestack_strategy", "inline")?;
    Ok(Flags::new(flags))
}
