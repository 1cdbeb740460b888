//! The report of a training run.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use mpcc_cli::model::{ModelOptions, Source};
use mpcc_cli::terminal::Terminal;
use mpcc_cli::{files, ranges};
use mpcc_training::checkpoint::Epoch;
use mpcc_training::parameters::{Parameters, start_from};
use mpcc_training::train::{Place, Trained};
use serde::Serialize;

use super::{Prepared, TrainingOptions};

/// `training.json`: how weights were made.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome<'o> {
    pub(crate) schema: &'static str,
    pub(crate) command: &'static str,
    pub(crate) model: &'o str,
    /// What else the result depends on.
    pub(crate) seed: u64,
    pub(crate) epochs: usize,
    pub(crate) parameters: usize,
    pub(crate) training_images: usize,
    pub(crate) held_out_images: usize,
    /// The weights that the run started from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) teacher: Option<String>,
    /// The plans in force, as the language writes them.
    pub(crate) plans: &'o [(String, String)],
    /// The recipe.
    pub(crate) recipe: &'o mpcc_training::train::Recipe,
    pub(crate) history: &'o [Epoch],
    /// Epoch, from 0, whose weights were kept, and its accuracy on held-out images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) best: Option<(usize, f64)>,
    /// Accuracy of the kept weights on the test split, which nothing was chosen by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) test: Option<Test>,
    /// Seconds of all epochs.
    pub(crate) seconds: f64,
}

/// Accuracy on the test split.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Test {
    pub(crate) accuracy: f64,
    pub(crate) images: usize,
}

impl<'o> Outcome<'o> {
    /// What a finished run says of itself.
    pub(crate) fn of(
        command: &'static str,
        teacher: Option<String>,
        options: &TrainingOptions,
        prepared: &'o Prepared,
        trained: &'o Trained,
    ) -> Result<Self> {
        let place = Place::of(&options.output);
        let graph = prepared.network.graph();
        let kept = start_from(&place.weights, graph, BTreeMap::new(), |_| false)?;
        let kept = Parameters::new(graph, &kept, &prepared.device)
            .map_err(|name| anyhow::anyhow!("the weights just written lack {name}"))?;
        let test = prepared.test_accuracy(&kept).map(|(accuracy, images)| Test { accuracy, images });
        let (position, counts) = (&trained.position, prepared.examples.counts());
        Ok(Outcome {
            schema: "mpcc.training/1",
            command,
            model: &graph.name,
            seed: options.seed,
            epochs: position.history.len(),
            parameters: kept.count(),
            training_images: counts.trained,
            held_out_images: counts.held_out,
            from: options.from.as_ref().map(|path| path.display().to_string()),
            teacher,
            plans: &graph.plans,
            recipe: &prepared.recipe,
            history: &position.history,
            best: position.best,
            test,
            seconds: position.history.iter().map(|epoch| epoch.seconds).sum(),
        })
    }

    /// Writes it as JSON.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        files::write(path, text.as_bytes())
    }
}

/// Everything that a finished run writes.
pub(crate) struct Finish<'f> {
    /// The command that ran.
    pub(crate) command: &'static str,
    /// The weights that were learned from.
    pub(crate) teacher: Option<String>,
    /// The model.
    pub(crate) source: &'f Source,
    /// What was replaced in it.
    pub(crate) plans: &'f ModelOptions,
    /// The run.
    pub(crate) options: &'f TrainingOptions,
}

impl Finish<'_> {
    /// Writes ranges, plan and report beside the weights, and says what came of the run.
    pub(crate) fn write(&self, prepared: &Prepared, trained: &Trained, terminal: &Terminal) -> Result<()> {
        let folder = &self.options.output;
        let place = Place::of(folder);
        if self.options.ranges_from > 0 {
            let images = prepared.examples.plain(self.options.ranges_from);
            let found = ranges::observe_values(self.source, &place.weights, &images, terminal)?;
            found.keep(&folder.join("model.ranges.json"), self.source, terminal)?;
        }
        if let Some(plans) = self.plans.plans_as_json()? {
            let mut text = serde_json::to_string_pretty(&plans)?;
            text.push('\n');
            files::write(&folder.join("plan.json"), text.as_bytes())?;
        }
        let outcome = Outcome::of(self.command, self.teacher.clone(), self.options, prepared, trained)?;
        outcome.write(&folder.join("training.json"))?;
        terminal.result(&outcome, || outcome.text(&place.weights))?;
        Ok(())
    }
}

impl Outcome<'_> {
    fn text(&self, weights: &Path) -> String {
        let mut text = format!("weights     {}\n", weights.display());
        let mut line = |name: &str, value: String| text.push_str(&format!("{name:<11} {value}\n"));
        line("epochs", format!("{}, {:.0} s", self.epochs, self.seconds));
        if let Some((epoch, accuracy)) = self.best {
            let of = self.held_out_images;
            line("held out", format!("{:.2} % of {of} images, after epoch {}", 100.0 * accuracy, epoch + 1));
        }
        if let Some(test) = self.test {
            line(
                "test",
                format!("{:.2} % of {} images, which nothing was chosen by", 100.0 * test.accuracy, test.images),
            );
        }
        text
    }
}
