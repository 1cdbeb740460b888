//! Rates of this machine, measured once and kept for its user. Seconds are shown by them; plans never depend on them, so that the
//! same model gives the same program everywhere.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use mpcc_cli::files;
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::terminal::Terminal;
use mpcc_kernels::level;
use mpcc_program::machine::Machine;
use mpcc_program::shown::shown;
use serde::{Deserialize, Serialize};

/// Names a file of rates, or `built-in`, for commands that were given none: nothing is measured then, nor kept.
const VARIABLE: &str = "MPCC_MACHINE";

const BUILT_IN: &str = "built-in";

/// What is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// What the rates are of; others are measured anew.
    of: String,
    machine: Machine,
}

/// The rates by which seconds are shown: those that were named, else those kept for this machine, which the first call measures.
pub(crate) fn rates(options: &MachineOptions, terminal: &Terminal) -> Result<Machine> {
    named(options)?.or_else(kept).map_or_else(|| of_this_machine(terminal), Ok)
}

/// The same without measuring, for a role that others wait for and whose machine may be at work.
pub(crate) fn rates_at_hand(options: &MachineOptions) -> Result<Machine> {
    Ok(named(options)?.or_else(kept).unwrap_or_else(Machine::built_in))
}

fn named(options: &MachineOptions) -> Result<Option<Machine>> {
    let variable = env::var_os(VARIABLE).filter(|name| !name.is_empty());
    Ok(match variable {
        _ if options.is_given() => Some(options.read()?),
        Some(name) if name == BUILT_IN => Some(Machine::built_in()),
        Some(name) => Some(MachineOptions::of(name.into()).read()?),
        None => None,
    })
}

fn kept() -> Option<Machine> {
    let kept: Kept = serde_json::from_slice(&fs::read(place()?).ok()?).ok()?;
    (kept.of == described() && kept.machine.check().is_ok()).then_some(kept.machine)
}

fn of_this_machine(terminal: &Terminal) -> Result<Machine> {
    // Without a place to keep them every command would measure.
    let Some(path) = place() else { return Ok(Machine::built_in()) };
    terminal.remark("measuring this machine, once and for some seconds, so that predicted seconds are its own");
    let machine = super::measure("this machine", terminal)?;
    keep(&machine, &path, terminal);
    Ok(machine)
}

/// Keeps rates; that it cannot be done is said and no error, since nothing depends on it.
fn keep(machine: &Machine, path: &Path, terminal: &Terminal) {
    let kept = Kept { of: described(), machine: machine.clone() };
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.map_err(anyhow::Error::from).and_then(|()| {
        let text = serde_json::to_string_pretty(&kept)?;
        files::write(path, text.as_bytes())
    });
    let path = shown(path);
    terminal.remark(&match written {
        Ok(()) => format!("its rates are kept in {path}; `mpcc calibrate` measures again"),
        Err(error) => format!("its rates cannot be kept in {path}, so the next command measures again: {error:#}"),
    });
}

/// Replaces what is kept for this machine.
pub(super) fn replace(machine: &Machine, terminal: &Terminal) {
    match place() {
        Some(path) => keep(machine, &path, terminal),
        None => terminal.remark("the rates are not kept: neither XDG_CACHE_HOME nor HOME is an absolute path"),
    }
}

/// The user's cache folder, as the XDG base directory specification has it.
fn place() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("mpcc").join("machine.json"))
}

/// What rates depend on: this program, the processor with what of it is used, and the cores.
fn described() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    let level = level::allowed().map_or("unknown", level::Level::name);
    let cores = mpcc_cli::machine::cores();
    format!("mpcc {}, {}, {level}, {cores} cores", env!("CARGO_PKG_VERSION"), model.unwrap_or("unknown processor"))
}
