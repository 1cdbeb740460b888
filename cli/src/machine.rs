//! The machine that seconds are predicted for: built in, or measured by `mpcc calibrate`.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result};
use clap::Args;
use mpcc_program::machine::Machine;
use mpcc_program::shown::shown;

/// Processor cores that this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Which rates to predict seconds with.
#[derive(Args, Clone, Debug, Default)]
pub struct MachineOptions {
    /// Choose protocols and predict seconds by the rates in this file, which `mpcc calibrate` writes. Without it protocols
    /// are chosen by built-in rates, so that a model gives the same program everywhere, and where seconds are shown of a machine
    /// they are by its own rates, measured once and kept.
    #[arg(long, value_name = "FILE.json")]
    machine: Option<PathBuf>,
}

impl MachineOptions {
    /// Those of a file.
    pub fn of(file: PathBuf) -> Self {
        Self { machine: Some(file) }
    }

    /// Whether rates were named.
    pub fn is_given(&self) -> bool {
        self.machine.is_some()
    }

    /// The rates by which protocols are chosen.
    pub fn read(&self) -> Result<Machine> {
        let Some(path) = &self.machine else { return Ok(Machine::built_in()) };
        let name = shown(path);
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let machine: Machine = serde_json::from_str(&text)
            .with_context(|| format!("{name} holds no rates of a machine: write it with `mpcc calibrate -o {name}`"))?;
        machine.check().with_context(|| name.to_string())?;
        Ok(machine)
    }
}
