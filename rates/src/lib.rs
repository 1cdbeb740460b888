//! What each unit of an inference's work takes on this machine, measured with the code that does it: kernels, compiled maps, and
//! an encrypted link to itself.

#![forbid(unsafe_code)]

mod link;
mod work;

use mpcc_channel::{IdentityError, LinkError};
use mpcc_codegen::{CodegenError, Extensions};
use mpcc_kernels::pack::PackError;
use mpcc_program::machine::{Machine, MachineError};
use thiserror::Error;

/// How often [`measure`] says that it has come further.
pub const STAGES: u64 = work::STAGES + link::STAGES;

/// Why rates were not measured.
#[derive(Debug, Error)]
pub enum RatesError {
    /// A link within this machine that was not made or broke.
    #[error("a link within this machine: {0}")]
    Link(#[from] LinkError),
    /// Keys of its ends that were not made.
    #[error("a link within this machine: {0}")]
    Identity(#[from] IdentityError),
    /// A map that does not compile, a mistake of this program.
    #[error("a map to be timed does not compile: {0}")]
    Compile(#[from] CodegenError),
    /// Words that are not unpacked, a mistake of this program.
    #[error("words to be timed do not unpack: {0}")]
    Unpack(#[from] PackError),
    /// A thread that ended early, a mistake of this program.
    #[error("a thread ended early")]
    Thread,
    /// Rates that no machine has.
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// Measures all rates in some seconds, best while nothing else runs. `name` and `cores` are the machine's, maps are compiled for
/// `extensions`, and `advance` is called [`STAGES`] times.
///
/// # Errors
/// [`RatesError`]; a link needs the loopback interface.
pub fn measure(name: &str, cores: u32, extensions: Extensions, advance: &dyn Fn()) -> Result<Machine, RatesError> {
    let nanoseconds = work::measure(extensions, advance)?;
    let link = link::measure(advance)?;
    let machine = Machine {
        name: name.to_owned(),
        cores,
        nanoseconds,
        exchange_microseconds: link.exchange_microseconds,
        link_nanoseconds_per_byte: link.nanoseconds_per_byte,
    };
    machine.check()?;
    Ok(machine)
}
