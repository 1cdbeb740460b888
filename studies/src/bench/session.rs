//! A measured session: `mpcc run` on an artefact, its weights and its inputs.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};
use mpcc_cli::failure::{Bug, WITHHELD};
use mpcc_cli::outputs::Revealed;
use mpcc_cli::started;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::evaluate::Tensor;
use mpcc_import::weights;
use mpcc_runtime::Measurement;
use npyz::{WriteOptions, WriterBuilder};
use serde::{Deserialize, Serialize};

/// What a session took.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Measured {
    /// Hops, with that of the reveal.
    pub(super) hops: u64,
    /// From the input to the output.
    pub(super) online_seconds: f64,
    /// Before the input is known.
    pub(super) offline_seconds: f64,
}

/// The part of a run's report that is read.
#[derive(Deserialize)]
struct Report {
    measured: Measurement,
    inferences: Vec<Inference>,
}

#[derive(Deserialize)]
struct Inference {
    outputs: Vec<Revealed>,
}

/// The files and the network of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'a> {
    /// An artefact.
    pub(super) program: &'a Path,
    /// Its weights.
    pub(super) weights: &'a Path,
    /// As `--input` takes them.
    pub(super) inputs: &'a [OsString],
    /// How many inferences share hops.
    pub(super) batch: usize,
    /// By name.
    pub(super) network: &'a str,
    /// Whether it is imitated.
    pub(super) imitated: bool,
}

impl Session<'_> {
    /// Runs all three roles as processes on this machine.
    pub(super) fn run(&self) -> Result<Measurement> {
        Ok(self.report(false)?.measured)
    }

    /// The same, with progress where that is shown, and the outputs of each inference.
    pub(super) fn outputs(&self, terminal: &Terminal) -> Result<(Measurement, Vec<Vec<Revealed>>)> {
        let report = self.report(terminal.progress())?;
        Ok((report.measured, report.inferences.into_iter().map(|inference| inference.outputs).collect()))
    }

    fn report(&self, progress: bool) -> Result<Report> {
        let mut command =
            started::other("mpcc").context("the program mpcc is neither beside this one nor on the path")?;
        command.arg("run").arg(self.program).arg("--weights").arg(self.weights);
        for input in self.inputs {
            command.arg("--input").arg(input);
        }
        command.arg("--batch").arg(self.batch.to_string());
        command.args(["--net", self.network, "--net-emulate", if self.imitated { "on" } else { "off" }]);
        // What is measured is compared elsewhere, if at all.
        command.args(["--check", "off"]);
        command.arg("--json").stdin(Stdio::null()).stdout(Stdio::piped());
        if progress {
            command.stderr(Stdio::inherit());
        } else {
            command.arg("--quiet").stderr(Stdio::piped());
        }
        let output = command.spawn().and_then(Child::wait_with_output);
        let output = output.context("cannot start a session")?;
        // A withheld answer is one of the results.
        if !output.status.success() && output.status.code() != Some(WITHHELD.into()) {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("a session failed ({}): {}", output.status, said.trim());
        }
        serde_json::from_slice(&output.stdout).context("a session's report cannot be read")
    }
}

/// Runs an artefact once, in a directory of its own, on a network that is imitated.
pub(super) fn measure(
    artefact: &Artefact,
    params: &[(String, Tensor)],
    input: &Tensor,
    network: &str,
) -> Result<Measured> {
    let place = tempfile::Builder::new().prefix("mpcc-bench-").tempdir().context("cannot make a directory")?;
    let at = |name: &str| place.path().join(name);
    let (program, given, bound) = (at("layer.mpca"), at("input.npy"), at("weights.safetensors"));
    fs::write(&program, artefact.to_bytes()).with_context(|| format!("cannot write {}", program.display()))?;
    write_npy(&given, input)?;
    weights::save(&bound, params)?;
    let inputs = [given.into_os_string()];
    let session = Session { program: &program, weights: &bound, inputs: &inputs, batch: 1, network, imitated: true };
    let measured = session.run()?;
    if measured.hops != u64::from(artefact.program.hops) {
        return Err(Bug(format!("{} hops were measured", measured.hops)).into());
    }
    Ok(Measured {
        hops: measured.hops,
        online_seconds: measured.online_seconds,
        offline_seconds: measured.offline_seconds,
    })
}

/// A NumPy array of 64-bit floats.
pub(super) fn write_npy(path: &Path, tensor: &Tensor) -> Result<()> {
    let shape: Vec<u64> = tensor.shape.iter().map(|d| *d as u64).collect();
    let write = || -> io::Result<()> {
        let file = BufWriter::new(File::create(path)?);
        let mut array = WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
        array.extend(tensor.data.iter().copied())?;
        array.finish()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
