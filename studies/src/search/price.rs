//! Predicted seconds of a model with a plan, before it is trained.

use std::collections::HashMap;

use anyhow::Result;
use mpcc_cli::estimate::Priced;
use mpcc_cli::model::{self, Target};
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::ranges::nominal;
use mpcc_training::search::{Plans, Seconds};

use super::SearchArguments;

/// Prices of plans, each found once.
pub(super) struct Prices<'a> {
    arguments: &'a SearchArguments,
    text: &'a str,
    options: LowerOptions,
    target: Target,
    known: HashMap<String, Seconds>,
}

impl<'a> Prices<'a> {
    pub(super) fn new(arguments: &'a SearchArguments, text: &'a str) -> Result<Self> {
        let target = Target { network: arguments.net.clone(), machine: arguments.machine.read()? };
        let options = arguments.options.lower_options()?;
        Ok(Self { arguments, text, options, target, known: HashMap::new() })
    }

    /// The network's name.
    pub(super) fn network(&self) -> &str {
        &self.target.network.name
    }

    /// What a second before the input is known counts.
    pub(super) fn alpha(&self) -> f64 {
        self.arguments.options.counted_offline()
    }

    /// Predicted seconds of an inference with these plans, on plausible value ranges.
    pub(super) fn seconds(&mut self, plans: &Plans) -> Result<Seconds> {
        let key = serde_json::to_string(plans)?;
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let mut options = self.options.clone();
        options.plans.extend(plans.iter().map(|(name, plan)| (name.clone(), plan.clone())));
        let SearchArguments { model, options: chosen, .. } = self.arguments;
        let source = model::from_text(model, self.text.to_owned(), &options, chosen)?;
        let ranges = nominal(&source.rewritten.graph);
        let artefact = source.assemble(&ranges, &self.target)?;
        let predicted = Priced::new(&artefact.program, &self.target.machine).predict(&self.target.network, 1, 1);
        let (online, offline) = (predicted.online_seconds, predicted.offline_seconds);
        let seconds = Seconds { online, offline, counted: online + self.alpha() * offline };
        self.known.insert(key, seconds);
        Ok(seconds)
    }

    /// What budgets and penalties compare.
    pub(super) fn counted(&mut self, plans: &Plans) -> Result<f64> {
        self.seconds(plans).map(|seconds| seconds.counted)
    }
}
