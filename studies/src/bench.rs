//! `mpcc bench`: the published tables that this compiler is compared with, and whole networks measured.

mod experiment;
mod models;
mod normal;
mod pareto;
mod scaling;
mod session;
mod setting;
mod silence;
mod subject;
mod table1;
mod table2;
mod variants;

use anyhow::Result;
use clap::{Args, Subcommand};
use mpcc_cli::terminal::Terminal;

/// Measure whole networks in local sessions, or make published tables again: errors and costs of attention functions,
/// beside the figures of others.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  mpcc bench models --model cifar-half --net loopback,wan --repeat 5
  mpcc bench scaling --repeat 5 --output scaling
  mpcc bench pareto model.mpv --points runs --data cifar10/test -o report
  mpcc bench silence --generated 7 --count 10000
  mpcc bench table1
  mpcc bench table2 --tokens 65 --measure wan
  mpcc bench table2 --function softmax --json")]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    table: Table,
}

#[derive(Debug, Subcommand)]
enum Table {
    Models(models::ModelsArguments),
    Pareto(pareto::ParetoArguments),
    Scaling(scaling::ScalingArguments),
    Silence(silence::SilenceArguments),
    Table1(table1::Table1Arguments),
    Table2(table2::Table2Arguments),
}

pub(crate) fn run(arguments: &BenchArguments, terminal: &Terminal) -> Result<()> {
    match &arguments.table {
        Table::Models(arguments) => models::run(arguments, terminal),
        Table::Pareto(arguments) => pareto::run(arguments, terminal),
        Table::Scaling(arguments) => scaling::run(arguments, terminal),
        Table::Silence(arguments) => silence::run(arguments, terminal),
        Table::Table1(arguments) => table1::run(arguments, terminal),
        Table::Table2(arguments) => table2::run(arguments, terminal),
    }
}
