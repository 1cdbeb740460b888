//! What can be written on the command line: the options of every command, and the list of commands.

use clap::Parser;

use crate::commands::Command;
use crate::terminal::Global;

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

const EXIT_STATUS: &str = "\
Exit status:
  0   done
  1   the source, the weights or an input are wrong; the message says where
  2   wrong usage
  3   the peer or the dealer disagrees or misbehaved
  4   a link was lost, timed out or could not be made
  5   correlated randomness is exhausted or was already used
  70  a bug in mpcc: please report the text
  130 interrupted";
