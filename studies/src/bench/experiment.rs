//! Embedded models: compiled by the usual phases on seeded inputs, and evaluated exactly beside the float network.

use anyhow::{Context, Result, anyhow};
use mpcc_cli::encoded;
use mpcc_cli::estimate;
use mpcc_cli::model::Target;
use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::calibrate::calibrate;
use mpcc_compiler::compile::{self, Rewritten};
use mpcc_compiler::encode;
use mpcc_compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::plan::{Decided, Objective, PlanError, Softmax, Taken};
use mpcc_compiler::ranges::Ranges;
use mpcc_protocols::ideal::{self, Ranges as Bounds};
use mpcc_runtime::material::BytesMade;

/// A model with weights, and the ranges observed on its calibration inputs.
pub(super) struct Experiment {
    rewritten: Rewritten,
    params: Vec<Tensor>,
    ranges: Ranges,
}

/// Outputs of one inference.
pub(super) struct Outputs {
    /// Of the float network, as written.
    pub(super) float: Vec<f64>,
    /// Of the share program, bit for bit those of a two-party run with the same coins.
    pub(super) fixed: Vec<f64>,
}

impl Outputs {
    /// Σ |error| / Σ |value|.
    pub(super) fn relative_error(&self) -> f64 {
        let sum: f64 = self.float.iter().map(|v| v.abs()).sum();
        self.errors().sum::<f64>() / sum
    }

    /// max |error|.
    pub(super) fn largest_error(&self) -> f64 {
        self.errors().fold(0.0, f64::max)
    }

    fn errors(&self) -> impl Iterator<Item = f64> {
        self.float.iter().zip(&self.fixed).map(|(float, fixed)| (float - fixed).abs())
    }
}

impl Experiment {
    /// Lowers and rewrites `source`, takes weights from `params` by name and shape, and observes ranges.
    pub(super) fn new(
        source: &str,
        options: &LowerOptions,
        mut params: impl FnMut(&str, &[usize]) -> Vec<f64>,
        calibration: &[Tensor],
    ) -> Result<Self> {
        let rewritten = compile::rewrite(source, options)
            .map_err(|found| anyhow!("{}", mpcc_grammar::render(&found, source, "an embedded model", false)))?;
        let declared = &rewritten.graph.params;
        let params: Vec<Tensor> = declared.iter().map(|p| Tensor::new(&p.shape, params(&p.name, &p.shape))).collect();
        let inputs: Vec<Vec<Tensor>> = calibration.iter().map(|x| vec![x.clone()]).collect();
        let ranges = calibrate(&rewritten.graph, &params, &inputs, |_| {})?;
        Ok(Self { rewritten, params, ranges })
    }

    /// The weights, by name.
    pub(super) fn named_params(&self) -> Vec<(String, Tensor)> {
        let declared = self.rewritten.graph.params.iter().map(|p| p.name.clone());
        declared.zip(self.params.iter().cloned()).collect()
    }

    /// The artefact with the protocols that are best for the target, besides those decided; `alpha` is what a second
    /// before the input is known counts.
    pub(super) fn plan(&self, target: &Target, decided: Decided, alpha: f64) -> Result<Artefact> {
        let making = BytesMade::default();
        let link = estimate::link(&target.network);
        let objective = Objective { machine: &target.machine, link, alpha, making: Some(&making) };
        let purpose = (target.network.name.as_str(), &objective);
        compile::assemble_for(&self.rewritten.graph, &self.ranges, purpose, decided).map_err(|errors| refused(&errors))
    }

    /// Evaluates the program exactly, and the float network, on one input.
    pub(super) fn evaluate(&self, artefact: &Artefact, input: &Tensor, seed: u64) -> Result<Outputs> {
        let program = &artefact.program;
        let given = std::slice::from_ref(input);
        let weights = encoded::weights(artefact, self.params.clone(), None)?;
        let coins = encoded::coins(seed, 0);
        let ideal = ideal::evaluate(program, &weights, &encoded::inputs(artefact, given)?, &coins, Bounds::Strict)?;
        let fixed = encode::decode(&program.outputs[0], &ideal.outputs[0]);
        let lowered = &self.rewritten.lowered;
        let node = lowered.outputs.first().context("an embedded model has an output")?.node;
        let values = Evaluator::new(lowered, &self.params)?.run(given, Wanted::Only(&[node]))?;
        Ok(Outputs { float: values[node].data.clone(), fixed })
    }
}

/// Whether a program subtracts a number in place of row maxima.
pub(super) fn has_static_shift(artefact: &Artefact) -> bool {
    let name = Taken::Softmax(Softmax::Static).name();
    artefact.manifest.choices.iter().any(|choice| choice.protocol == name)
}

fn refused(errors: &[PlanError]) -> anyhow::Error {
    anyhow!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}
