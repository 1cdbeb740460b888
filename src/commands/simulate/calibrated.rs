//! What a calibration saw: how many inputs, what the float network gave for them, and the command that comes next.

use std::path::Path;

use anyhow::Result;
use mpcc_cli::given::quoted;
use mpcc_cli::model::Model;
use mpcc_cli::outputs::{Accuracy, Revealed};
use mpcc_cli::presented::Presenter;
use mpcc_cli::ranges::Observed;
use mpcc_cli::source::Source;
use mpcc_import::inputs::Example;
use mpcc_program::shown::shown;
use serde::Serialize;

use super::SimulateArguments;

/// How many labels are named.
const NAMED: usize = 6;

/// What calibration inputs gave.
#[derive(Debug, Serialize)]
pub(super) struct Calibration {
    inputs: usize,
    outputs: Vec<Seen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<Accuracy>,
    /// What to run next.
    next: String,
}

/// What one output was.
#[derive(Debug, Serialize)]
struct Seen {
    name: String,
    /// Least and greatest entry.
    range: (f64, f64),
    /// How often each label was given, the most frequent first; of tokens, how often to a token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<(String, usize)>,
}

impl Calibration {
    /// Of a model planned on what was observed.
    pub(super) fn new(
        observed: &Observed,
        model: &Model,
        source: &Source,
        arguments: &SimulateArguments,
    ) -> Result<Self> {
        let declared = &model.artefact.program.outputs;
        let presenter = Presenter::new(&model.artefact)?;
        let reveal = |(example, values): (&Example, &Vec<Vec<f64>>)| {
            let outputs = declared.iter().zip(values).map(|(output, values)| Revealed::new(output, values.clone()));
            presenter.present(outputs.collect(), example)
        };
        let revealed = observed.examples.iter().zip(&observed.outputs).map(reveal);
        let revealed: Vec<Vec<Revealed>> = revealed.collect::<Result<_>>()?;
        let mut accuracy = Accuracy { float_correct: Some(0), ..Accuracy::default() };
        for (example, revealed) in observed.examples.iter().zip(&revealed) {
            let Some(expected) = presenter.expected(example) else { continue };
            let right = revealed.iter().any(|output| output.label.as_ref() == Some(&expected));
            accuracy.labelled += 1;
            accuracy.float_correct = accuracy.float_correct.map(|n| n + usize::from(right));
        }
        Ok(Self {
            inputs: observed.outputs.len(),
            outputs: (0..declared.len()).filter_map(|at| Seen::of(revealed.iter().filter_map(|r| r.get(at)))).collect(),
            accuracy: (accuracy.labelled > 0).then_some(accuracy),
            next: next(source, arguments),
        })
    }

    /// Lines for people.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let inputs = if self.inputs == 1 { "1 input".to_owned() } else { format!("{} inputs", self.inputs) };
        for (at, seen) in self.outputs.iter().enumerate() {
            let (what, of) = if at == 0 { ("observed", format!("{inputs}: ")) } else { ("", String::new()) };
            out += &format!("{what:<10} {of}{}\n", seen.text());
        }
        if let Some(Accuracy { labelled, float_correct: Some(right), .. }) = self.accuracy {
            out += &format!("           right labels {right} of {labelled}\n");
        }
        out + &format!("next       {}\n", self.next)
    }
}

impl Seen {
    fn of<'r>(revealed: impl Iterator<Item = &'r Revealed>) -> Option<Self> {
        let mut seen: Option<Self> = None;
        for output in revealed {
            let seen = seen.get_or_insert_with(|| Self {
                name: output.name.clone(),
                range: (f64::INFINITY, f64::NEG_INFINITY),
                labels: Vec::new(),
            });
            for value in &output.values {
                seen.range = (seen.range.0.min(*value), seen.range.1.max(*value));
            }
            for label in output.label.iter().chain(output.labels.iter().flatten()) {
                match seen.labels.iter_mut().find(|(known, _)| known == label) {
                    Some((_, count)) => *count += 1,
                    None => seen.labels.push((label.clone(), 1)),
                }
            }
        }
        if let Some(seen) = &mut seen {
            seen.labels.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        }
        seen
    }

    fn text(&self) -> String {
        if self.labels.is_empty() {
            let (low, high) = self.range;
            return format!("{} from {low:.4} to {high:.4}", shown(&self.name));
        }
        let one = |(label, count): &(String, usize)| format!("{count} × {}", shown(label));
        let more = match self.labels.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} other labels"),
        };
        format!("{}{more}", self.labels.iter().take(NAMED).map(one).collect::<Vec<_>>().join(", "))
    }
}

/// A private run of what was calibrated on, or of its first part.
fn next(source: &Source, arguments: &SimulateArguments) -> String {
    let mut command = source.given.command("run", &source.path);
    let written = arguments.output.as_deref().filter(|path| *path != mpcc_cli::ranges::beside(&source.path));
    if let Some(file) = written {
        command += &format!(" --ranges {}", quoted(file.as_os_str()));
    }
    let named = arguments.ranges.named();
    // Parts of one input belong together.
    let together = named.iter().any(|word| !Path::new(word).exists() && word.to_string_lossy().contains('='));
    let taken = if together { named.len() } else { 1 };
    let inputs: Vec<String> = named.iter().take(taken).map(|word| quoted(word)).collect();
    command + " --input " + &inputs.join(" ")
}
