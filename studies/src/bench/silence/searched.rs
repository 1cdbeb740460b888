//! A model that is searched: planned as it would run, and judged input by input beside the float network as written.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use mpcc_cli::encoded;
use mpcc_cli::model::{self, ModelOptions, Source, Target};
use mpcc_cli::outputs::{Answer, largest, largest_difference};
use mpcc_cli::ranges::{self, RangeOptions};
use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::calibrate::calibrate;
use mpcc_compiler::compile::Rewritten;
use mpcc_compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc_compiler::graph::{Graph, NodeId};
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::ranges::{Entry, Kept, Ranges};
use mpcc_import::weights;
use mpcc_protocols::ideal::{self, Ranges as Bounds};
use serde::Serialize;

use super::models;

/// Inputs on which the ranges of a generated model are observed.
const CALIBRATION: u64 = 200;
/// Usual inputs of a generated model that unusual ones are made from; none of them is calibrated on.
const USUAL: u64 = 50;

/// A model with its weights and its plan.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) rewritten: Rewritten,
    pub(super) ranges: Ranges,
    pub(super) artefact: Artefact,
    pub(super) weights: PathBuf,
    pub(super) usual: Vec<Vec<Tensor>>,
    params: Vec<Tensor>,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub(super) enum Outcome {
    /// It was not encoded.
    Refused,
    /// The checks of the run found something.
    Withheld,
    /// It got an answer.
    Answered {
        /// Largest difference from the float network.
        error: f64,
        /// Whether a label differs.
        other_label: bool,
    },
}

impl Outcome {
    /// Whether an answer is off by more than that; an error that is no number is.
    pub(super) fn is_wrong(self, limit: f64) -> bool {
        matches!(self, Outcome::Answered { error, .. } if error.is_nan() || error > limit)
    }
}

impl Subject {
    /// A model of a source with ranges observed before.
    pub(super) fn of(
        source: Source,
        ranges: Ranges,
        basis: &RangeOptions,
        weights: &Path,
        usual: Vec<Vec<Tensor>>,
        target: &Target,
    ) -> Result<Self> {
        let source = source.relying_on(basis, Some(weights))?;
        let artefact = source.assemble(&ranges, target)?;
        let params = weights::load(weights, &artefact.graph)?.params;
        let (name, weights) = (source.name.clone(), weights.to_owned());
        Ok(Self { name, rewritten: source.rewritten, ranges, artefact, weights, usual, params })
    }

    /// The generated model of a seed, whose files are put into a directory.
    pub(super) fn generated(seed: u64, basis: &RangeOptions, directory: &Path, target: &Target) -> Result<Self> {
        let generated = models::model(seed);
        let path = directory.join(format!("{seed}.mpv"));
        let options = ModelOptions::default();
        let source = model::from_text(&path, generated.source, &LowerOptions::default(), &options)?;
        let graph = &source.rewritten.graph;
        let file = directory.join(format!("{seed}.safetensors"));
        weights::save(&file, &models::weights(graph, seed))?;
        let seen: Vec<_> = (0..CALIBRATION).map(|index| models::usual(graph, seed << 32 | index)).collect();
        let usual = (CALIBRATION..CALIBRATION + USUAL).map(|index| models::usual(graph, seed << 32 | index)).collect();
        let params = weights::load(&file, graph)?.params;
        fs::write(&path, &source.text).with_context(|| format!("cannot write {}", path.display()))?;
        let ranges =
            calibrate(graph, &params, &seen, |_| {}).map_err(|error| anyhow!("{}: {error}", generated.name))?;
        let mut kept = Kept::default();
        kept.keep(graph, Entry { options: None, inputs: Some(seen.len()), ranges: ranges.clone() });
        fs::write(ranges::beside(&path), kept.text()?)?;
        let mut subject = Self::of(source, ranges, basis, &file, usual, target)?;
        subject.name = generated.name;
        Ok(subject)
    }

    /// The graph that runs.
    pub(super) fn graph(&self) -> &Graph {
        &self.rewritten.graph
    }

    /// What its inputs are judged by.
    pub(super) fn judge(&self) -> Result<Judge<'_>> {
        let lowered = &self.rewritten.lowered;
        Ok(Judge {
            artefact: &self.artefact,
            float: Evaluator::new(lowered, &self.params)?,
            outputs: lowered.outputs.iter().map(|output| output.node).collect(),
            weights: encoded::weights(&self.artefact, self.params.clone(), None)?,
        })
    }
}

/// The float network and the program of a model.
pub(super) struct Judge<'s> {
    artefact: &'s Artefact,
    float: Evaluator<'s>,
    outputs: Vec<NodeId>,
    weights: Vec<Vec<i64>>,
}

impl Judge<'_> {
    /// What a run would make of an input, with the coins of a seed and an index.
    pub(super) fn outcome(&self, input: &[Tensor], seed: u64, index: u64) -> Result<Outcome> {
        let program = &self.artefact.program;
        let Ok(encoded) = encoded::inputs(self.artefact, input) else { return Ok(Outcome::Refused) };
        let coins = encoded::coins(seed, index);
        let ideal = ideal::evaluate(program, &self.weights, &encoded, &coins, Bounds::Record)?;
        let answer = Answer::decode(program, &ideal.outputs);
        if answer.is_withheld() {
            return Ok(Outcome::Withheld);
        }
        let float = self.float.run(input, Wanted::Only(&self.outputs))?;
        let (mut error, mut other_label) = (0f64, false);
        for (given, node) in answer.outputs().iter().zip(&self.outputs) {
            let values = &float[*node].data;
            error = error.max(largest_difference(&given.values, values));
            other_label |= largest(&given.values) != largest(values);
        }
        Ok(Outcome::Answered { error, other_label })
    }
}
