//! What can be written on the command line: the options of every command, and the list of commands.

use clap::Parser;
use mpcc_cli::started::EXIT_STATUS;
use mpcc_cli::terminal::Global;

use crate::commands::Command;

/// Private inference: a compiler and runtime for transformers that compute on secret shares.
///
/// A model file (.mpv) is compiled into a share program. A model owner with trained weights, a data owner with an
/// input and a dealer of random masks run it together; only the data owner learns the result, and nobody else's
/// secret.
#[derive(Debug, Parser)]
#[command(name = "mpcc", version, after_help = EXIT_STATUS, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}
