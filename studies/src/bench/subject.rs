//! A network to be measured: rewritten, with seeded weights and inputs in files, and the ranges observed on them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use mpcc_cli::estimate;
use mpcc_cli::model::{SoftmaxShift, Target};
use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::calibrate::calibrate;
use mpcc_compiler::compile::{self, Rewritten};
use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{Element, Input};
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::plan::{Decided, Objective};
use mpcc_compiler::ranges::{Basis, Ranges};
use mpcc_import::weights;
use mpcc_runtime::material::BytesMade;

use super::normal::Normal;
use super::session::write_npy;

/// Inputs besides the measured one on which ranges are observed.
const CALIBRATION: u64 = 2;

/// Rows of the tables that whole numbers choose from, by input.
const TABLES: [(&str, u32); 2] = [("ids", 30522), ("segments", 2)];

/// A network with its files.
pub(super) struct Subject {
    rewritten: Rewritten,
    ranges: Ranges,
    directory: PathBuf,
    /// Its weights.
    pub(super) weights: PathBuf,
    /// Its input, as `--input` takes it.
    pub(super) inputs: Vec<OsString>,
}

impl Subject {
    /// Lowers a source, and writes weights and an input of a seed to a directory.
    pub(super) fn new(source: &str, options: &LowerOptions, seed: u64, directory: PathBuf) -> Result<Self> {
        let rewritten = compile::rewrite(source, options)
            .map_err(|found| anyhow!("{}", mpcc_grammar::render(&found, source, "an embedded model", false)))?;
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let file = directory.join("weights.safetensors");
        weights::save(&file, &weights::generate(&rewritten.lowered, seed))?;
        let params = weights::load(&file, &rewritten.graph)?.params;
        let declared = &rewritten.graph.inputs;
        let example = |index: u64| -> Result<Vec<Tensor>> {
            let mut normal = Normal::new(seed.wrapping_mul(64) + index);
            declared.iter().map(|input| values(input, &mut normal)).collect()
        };
        let examples: Vec<_> = (0..=CALIBRATION).map(example).collect::<Result<_>>()?;
        let ranges = calibrate(&rewritten.graph, &params, &examples, |_| {})?;
        let mut inputs = Vec::new();
        for (input, tensor) in declared.iter().zip(&examples[0]) {
            let file = directory.join(format!("{}.npy", input.name));
            write_npy(&file, tensor)?;
            let mut given = OsString::new();
            if declared.len() > 1 {
                given.push(format!("{}=", input.name));
            }
            given.push(file);
            inputs.push(given);
        }
        Ok(Self { rewritten, ranges, directory, weights: file, inputs })
    }

    /// Plans it for a target, and writes the artefact beside its other files.
    pub(super) fn plan(&self, target: &Target, alpha: f64, softmax: SoftmaxShift) -> Result<(Artefact, PathBuf)> {
        let making = BytesMade::default();
        let link = estimate::link(&target.network);
        let objective = Objective { machine: &target.machine, link, alpha, making: Some(&making) };
        let purpose = (target.network.name.as_str(), &objective);
        let graph = &self.rewritten.graph;
        let decided = Decided { softmax: softmax.decided(), basis: Basis::Observed, ..Decided::default() };
        let artefact = compile::assemble_for(graph, &self.ranges, purpose, decided)
            .map_err(|errors| anyhow!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
        let file = self.directory.join(format!("{}.mpca", file_name(&target.network.name)));
        fs::write(&file, artefact.to_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
        Ok((artefact, file))
    }
}

/// A directory for the files of what is measured: one that is kept, or one that is gone with the value.
pub(super) enum Place {
    /// Kept.
    Kept(PathBuf),
    /// Not.
    Temporary(tempfile::TempDir),
}

impl Place {
    /// The directory that was asked for, or a temporary one.
    pub(super) fn new(kept: Option<&Path>) -> Result<Self> {
        match kept {
            Some(path) => Ok(Self::Kept(path.to_owned())),
            None => {
                let made = tempfile::Builder::new().prefix("mpcc-bench-").tempdir();
                made.map(Self::Temporary).context("cannot make a directory")
            }
        }
    }

    /// A directory in it.
    pub(super) fn directory(&self, name: &str) -> PathBuf {
        match self {
            Self::Kept(path) => path.join(name),
            Self::Temporary(made) => made.path().join(name),
        }
    }

    /// Removes what is not kept.
    pub(super) fn clear(&self, name: &str) -> Result<()> {
        match self {
            Self::Kept(_) => Ok(()),
            Self::Temporary(made) => {
                fs::remove_dir_all(made.path().join(name)).context("cannot remove a temporary directory")
            }
        }
    }
}

/// `rtt=40ms,bw=44MB/s` as a name of a file.
fn file_name(network: &str) -> String {
    network.chars().map(|c| if c.is_ascii_alphanumeric() || "=.".contains(c) { c } else { '-' }).collect()
}

/// Seeded values for an input: images, normal numbers, rows of tables, and no padding.
fn values(input: &Input, normal: &mut Normal) -> Result<Tensor> {
    let shape = &input.ty.shape;
    let count = shape.iter().product();
    let data = match input.ty.element {
        Element::U8 => normal.below(256, count),
        Element::Real => normal.numbers(count, 1.0),
        Element::Bit => vec![1.0; count],
        Element::I32 => match TABLES.iter().find(|(name, _)| *name == input.name) {
            Some((_, rows)) => normal.below(*rows, count),
            None => bail!("no values are known for the input {}", input.name),
        },
    };
    Ok(Tensor::new(shape, data))
}
