//! `mpcc calibrate`: how fast this machine does what an estimate of seconds is made of.

mod kept;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mpcc_cli::files;
use mpcc_cli::progress::Bar;
use mpcc_cli::report::table;
use mpcc_cli::terminal::Terminal;
use mpcc_program::machine::Machine;
use serde::Serialize;

use super::run::roles::extensions;

pub(crate) use kept::{rates, rates_at_hand};

/// Measure this machine's rates in a few seconds, so that predicted seconds are those of this machine.
///
/// Run it while nothing else does. Without -o the rates replace those kept for this machine, by which `mpcc cost` and `run`
/// show seconds. A file is for --machine, which chooses protocols by it too.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  mpcc calibrate -o machine.json
  mpcc cost model.mpv --machine machine.json")]
pub(crate) struct CalibrateArguments {
    /// Where to put the rates; without it they are kept for this user and machine, as the first command that shows seconds does.
    #[arg(short, long, value_name = "FILE.json")]
    output: Option<PathBuf>,
    /// What to call the machine.
    #[arg(long, value_name = "NAME", default_value = "measured")]
    name: String,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    machine: Machine,
}

pub(crate) fn run(arguments: &CalibrateArguments, terminal: &Terminal) -> Result<()> {
    let machine = measure(&arguments.name, terminal)?;
    match &arguments.output {
        Some(path) => {
            let mut text = serde_json::to_string_pretty(&machine)?;
            text.push('\n');
            files::write(path, text.as_bytes())?;
        }
        None => kept::replace(&machine, terminal),
    }
    let output = arguments.output.as_ref().map(|path| path.display().to_string());
    let report = Report { schema: "mpcc.calibrate/1", output, machine };
    Ok(terminal.result(&report, || text(&report))?)
}

/// Measures all rates.
fn measure(name: &str, terminal: &Terminal) -> Result<Machine> {
    let bar = Bar::new(terminal, mpcc_rates::STAGES, "measuring");
    let cores = u32::try_from(mpcc_cli::machine::cores()).unwrap_or(u32::MAX);
    let machine = mpcc_rates::measure(name, cores, extensions(), &|| bar.advance())?;
    bar.finish();
    Ok(machine)
}

fn text(report: &Report) -> String {
    let machine = &report.machine;
    let built_in = Machine::built_in();
    let row = |what: &str, measured: f64, usual: f64| {
        vec![what.replace('_', " "), format!("{measured:.3}"), format!("{usual:.3}")]
    };
    let units = machine.nanoseconds.entries().into_iter().zip(built_in.nanoseconds.entries());
    let mut rows: Vec<_> = units.map(|((name, rate), (_, usual))| row(name, *rate, *usual)).collect();
    rows.push(row("byte on a link", machine.link_nanoseconds_per_byte, built_in.link_nanoseconds_per_byte));
    rows.push(row("exchange", machine.exchange_microseconds * 1e3, built_in.exchange_microseconds * 1e3));
    let mut out = match &report.output {
        Some(path) => format!("wrote      {path}\n"),
        None => String::new(),
    };
    out += &format!("machine    {}, {} cores\n\n", machine.name, machine.cores);
    out + &table(&["nanoseconds of one", "here", "built in"], &rows)
}
