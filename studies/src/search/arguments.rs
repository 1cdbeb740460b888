//! Arguments of `mpcc search`, and the plans that they ask for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use mpcc_channel::NetworkProfile;
use mpcc_cli::failure::Usage;
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::model::ModelOptions;
use mpcc_compiler::graph::Graph;
use mpcc_training::search::Way;

use crate::training::TrainingOptions;

/// Search the plans that a model leaves open, and write them as files for --plan.
///
/// The network is trained with every open entry as a mixture of its candidates, `a f(x) + (1 - a) g(x)`. Coefficients are
/// trained with the weights and are penalised by what their candidate costs: the seconds that it adds to an inference, as
/// predicted for a network. The entries with the largest coefficients keep the costly candidate: a share MU of all, or as
/// many as a budget of seconds allows. The weights are of no further use: train the model with a plan from the beginning.
#[derive(Args, Debug)]
#[command(after_help = "\
Seconds are predictions for plausible value ranges, since the network with the plan is yet to be trained. They count the
online phase, and --alpha times what happens before the input is known.

Examples:
  mpcc search model.mpv --data cifar-10-batches-bin -o search
  mpcc train model.mpv --plan ATTN=search/plans/mu-0.5.json --data cifar-10-batches-bin -o student
  mpcc search model.mpv --data images --budget 2.5s,5s --net wan -o search
  mpcc search model.mpv --found search/search.json --mu 0.2,0.4 --random 3 --uniform -o search-2
  mpcc search plus.mpv --data images --mu 0.1,0.5 --share ACT=0.3 -o joint")]
pub(crate) struct SearchArguments {
    /// A model file with entries `search[f, g]` in its plans.
    #[arg(value_name = "MODEL.mpv")]
    pub(crate) model: PathBuf,
    /// Make plans of an earlier search, from its search.json, without training.
    #[arg(long, value_name = "search.json", conflicts_with = "data")]
    pub(crate) found: Option<PathBuf>,
    /// Shares of entries that keep their first candidate, separated by commas; 0.1,0.3,0.5,0.7 if nothing else is asked for.
    #[arg(long, value_name = "MU,…", value_delimiter = ',', value_parser = share)]
    mu: Vec<f64>,
    /// Seconds that an inference may take by prediction, separated by commas: 2.5s, 800ms. What precedes its input counts
    /// too, as much as --alpha says: with --alpha 0 only what follows.
    #[arg(long, value_name = "SECONDS,…", value_delimiter = ',', value_parser = seconds)]
    budget: Vec<f64>,
    /// The share of one plan, whatever the others keep. May be repeated.
    #[arg(long, value_name = "PLAN=MU", value_parser = named_share)]
    share: Vec<(String, f64)>,
    /// Let a share also keep what equals the last entry that it keeps.
    #[arg(long)]
    keep_ties: bool,
    /// For every share also the plan that takes the same share of each layer, the best of it.
    #[arg(long)]
    each_layer: bool,
    /// For every share also the plan with the same share of each layer, whatever was found.
    #[arg(long)]
    uniform: bool,
    /// For every share also so many plans by chance, with seeds from 1 on.
    #[arg(long, value_name = "N", default_value_t = 0)]
    random: u64,
    /// Penalise all coefficients alike, as the paper does, rather than by predicted seconds.
    #[arg(long)]
    pub(crate) unweighted: bool,
    /// Weight of the penalty. The mean penalty of a coefficient is the same however they are weighted.
    #[arg(long, value_name = "LAMBDA", default_value_t = 1e-5, value_parser = not_negative)]
    pub(crate) lambda: f64,
    /// The network that seconds are predicted for.
    #[arg(long, value_name = "PROFILE", default_value = "wan")]
    pub(crate) net: NetworkProfile,
    #[command(flatten)]
    pub(crate) machine: MachineOptions,
    #[command(flatten)]
    pub(crate) training: MaybeTraining,
    #[command(flatten)]
    pub(crate) options: ModelOptions,
}

/// Options of the training, which plans of an earlier search need not; where results go, in any case.
#[derive(Debug)]
pub(crate) struct MaybeTraining {
    /// Data and recipe, if there is to be training.
    pub(crate) options: Option<TrainingOptions>,
    output: PathBuf,
}

impl Args for MaybeTraining {
    fn augment_args(command: Command) -> Command {
        TrainingOptions::augment_args(command)
            .mut_arg("data", |data| data.required(false).required_unless_present("found"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for MaybeTraining {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::raw(ErrorKind::MissingRequiredArgument, "-o DIR is needed\n");
        let output = matches.get_one::<PathBuf>("output").cloned().ok_or_else(missing)?;
        if matches.contains_id("data") {
            return Ok(Self { options: Some(TrainingOptions::from_arg_matches(matches)?), output });
        }
        let of_training = TrainingOptions::augment_args(Command::new("training"));
        let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let useless = of_training.get_arguments().map(|a| a.get_id().as_str()).find(|id| *id != "output" && given(id));
        match useless {
            Some(id) => {
                let message = format!("--{} is of no use with --found, which trains nothing\n", id.replace('_', "-"));
                Err(clap::Error::raw(ErrorKind::ArgumentConflict, message))
            }
            None => Ok(Self { options: None, output }),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl SearchArguments {
    /// Where results go.
    pub(crate) fn output(&self) -> &Path {
        &self.training.output
    }

    /// The shares of single plans.
    pub(crate) fn shares(&self) -> BTreeMap<String, f64> {
        self.share.iter().cloned().collect()
    }

    /// All plans that are asked for.
    pub(crate) fn wanted(&self, graph: &Graph) -> Result<Vec<Way>> {
        let open: Vec<&str> = graph.open.iter().map(|open| open.plan.as_str()).collect();
        if let Some((plan, _)) = self.share.iter().find(|(plan, _)| !open.contains(&plan.as_str())) {
            return Err(Usage(format!("--share {plan}=…: the plans to be searched are {}", open.join(", "))).into());
        }
        let usual = if self.budget.is_empty() { [0.1, 0.3, 0.5, 0.7].as_slice() } else { &[] };
        let mus = if self.mu.is_empty() { usual } else { &self.mu };
        let mut ways = Vec::new();
        for mu in mus.iter().copied() {
            ways.push(if self.keep_ties { Way::Threshold { mu } } else { Way::Share { mu } });
            ways.extend(self.each_layer.then_some(Way::EveryLayer { mu }));
            ways.extend(self.uniform.then_some(Way::Uniform { mu }));
            ways.extend((1..=self.random).map(|seed| Way::Random { mu, seed }));
        }
        ways.extend(self.budget.iter().map(|seconds| Way::Budget { limit: *seconds }));
        Ok(ways)
    }
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "it is a number from 0 to 1".to_owned())
}

fn named_share(text: &str) -> Result<(String, f64), String> {
    let (plan, mu) = text.split_once('=').ok_or_else(|| "it is PLAN=MU".to_owned())?;
    Ok((plan.to_owned(), share(mu)?))
}

fn seconds(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let number = number.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.map(|number| number * unit).ok_or_else(|| "it is a time above 0, such as 2.5s or 800ms".to_owned())
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "it is a number from 0 on".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_are_read_with_their_units() {
        assert_eq!([seconds("2.5s"), seconds("800ms"), seconds("3")], [Ok(2.5), Ok(0.8), Ok(3.0)]);
        assert!(["0s", "-1s", "s", "1m", "inf"].iter().all(|text| seconds(text).is_err()));
        assert_eq!(named_share("ACT=0.3"), Ok(("ACT".to_owned(), 0.3)));
        assert!(["ACT", "ACT=1.1", "ACT="].iter().all(|text| named_share(text).is_err()));
    }
}
