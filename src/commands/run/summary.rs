//! The report of a run: results, trust model, and what was predicted beside what was measured.

use anyhow::Result;
use mpcc_cli::examples;
use mpcc_cli::failure::{Said, WITHHELD};
use mpcc_cli::outputs::{Accuracy, Answer, Revealed, brief, largest_difference, named, same_names};
use mpcc_cli::presented::Presenter;
use mpcc_cli::report::{Bytes, Predicted, Seconds, table};
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::artefact::{Artefact, Manifest};
use mpcc_compiler::ranges::Basis;
use mpcc_import::inputs::Example;
use mpcc_program::program::Supplier;
use mpcc_program::shown::shown;
use mpcc_runtime::Measurement;
use serde::Serialize;

use super::RunArguments;

/// How many inferences are listed one by one for people.
const LISTED: usize = 40;

/// `mpcc.run/1`
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    schema: &'static str,
    program: String,
    trust: String,
    network: String,
    dealer: Dealing,
    /// What the program relies on: `guarded`, `proved` or `observed`.
    ranges: Basis,
    /// Of the first inference.
    outputs: Vec<Revealed>,
    /// How many answers are withheld.
    withheld: usize,
    inferences: Vec<InferenceReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<Accuracy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    float: Option<FloatComparison>,
    predicted: Predicted,
    measured: Measurement,
}

/// Where correlated randomness came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Dealing {
    /// A dealer dealt during the session.
    Live,
    /// It was dealt, or made, before.
    File,
    /// The two parties made it before the session.
    Pair,
}

impl Dealing {
    pub(super) fn of(arguments: &RunArguments, supplier: Supplier) -> Self {
        match supplier {
            _ if arguments.deployment.material.is_some() => Dealing::File,
            Supplier::Dealer => Dealing::Live,
            Supplier::Pair => Dealing::Pair,
        }
    }
}

/// One inference.
#[derive(Clone, Debug, Serialize)]
pub(super) struct InferenceReport {
    input: String,
    /// The right label, if the file's place or name says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expected: Option<String>,
    /// A value that the run checks was out of range, so there is no answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    withheld: bool,
    outputs: Vec<Revealed>,
    /// The tokens of a text whose tokens are labelled. They are shown to who gave the text, and to nobody else.
    #[serde(skip)]
    tokens: Vec<String>,
}

/// The float network beside the private computation.
#[derive(Clone, Debug, Serialize)]
struct FloatComparison {
    largest_error: f64,
    flips: Vec<Flip>,
}

/// An inference whose label is not the float network's.
#[derive(Clone, Debug, Serialize)]
struct Flip {
    input: String,
    label: String,
    float_label: String,
    /// Between the two best float entries.
    float_margin: f64,
}

impl InferenceReport {
    /// Examples with their outputs.
    pub(super) fn list(examples: &[Example], answers: Vec<Answer>, artefact: &Artefact) -> Result<Vec<Self>> {
        let (declared, graph) = (&artefact.program.outputs, &artefact.graph);
        let of_tokens = declared.iter().any(|output| output.shape.len() == 2 && !output.labels.is_empty());
        let mut tokens = match of_tokens {
            true => examples::tokens(examples, graph, artefact.tokenizer.as_deref())?,
            false => vec![Vec::new(); examples.len()],
        };
        let presenter = Presenter::new(artefact)?;
        let one = |((example, answer), tokens): ((&Example, Answer), &mut Vec<String>)| {
            Ok(InferenceReport {
                input: example.to_string(),
                expected: presenter.expected(example),
                withheld: answer.is_withheld(),
                outputs: presenter.present(answer.outputs().to_vec(), example)?,
                tokens: std::mem::take(tokens),
            })
        };
        examples.iter().zip(answers).zip(&mut tokens).map(one).collect()
    }

    /// What it gave; nothing if it is withheld.
    pub(super) fn outputs(&self) -> &[Revealed] {
        &self.outputs
    }

    fn label(&self) -> Option<&str> {
        label(&self.outputs)
    }
}

fn label(outputs: &[Revealed]) -> Option<&str> {
    outputs.iter().find_map(|o| o.label.as_deref())
}

impl Summary {
    /// `float` holds what the float network gives for each inference, where it was evaluated.
    pub(super) fn new(
        manifest: &Manifest,
        inferences: Vec<InferenceReport>,
        float: Option<&[Vec<Revealed>]>,
        predicted: Predicted,
        measured: Measurement,
        (network, dealer): (String, Dealing),
    ) -> Self {
        Self {
            schema: "mpcc.run/1",
            program: manifest.program.clone(),
            trust: manifest.trust.to_owned(),
            network,
            dealer,
            ranges: manifest.basis,
            withheld: inferences.iter().filter(|i| i.withheld).count(),
            outputs: inferences.first().map(|i| i.outputs.clone()).unwrap_or_default(),
            accuracy: accuracy(&inferences, float),
            float: float.map(|float| compare(&inferences, float)),
            inferences,
            predicted,
            measured,
        }
    }

    /// To standard output.
    /// An answer that is withheld gives a status of its own, after the report.
    pub(super) fn show(&self, terminal: &Terminal) -> Result<()> {
        terminal.result(self, || self.text())?;
        if self.withheld == 0 {
            return Ok(());
        }
        let count = match (self.withheld, self.inferences.len()) {
            (1, 1) => "the answer is withheld".to_owned(),
            (withheld, all) => format!("{withheld} of {all} answers are withheld"),
        };
        terminal.remark(&format!(
            "{count}: a value was outside the range that the program checks, so the result would mean nothing. `mpcc \
             simulate` of the same input, by whoever may see both weights and input, names the value; calibrating on inputs \
             like this one widens its range"
        ));
        Err(Said(WITHHELD).into())
    }

    fn text(&self) -> String {
        let mut out = match self.inferences.as_slice() {
            [one] => single(one),
            many => batch(many),
        };
        if let Some(accuracy) = &self.accuracy {
            let share = |n: usize| format!("{n} of {} ({:.2} %)", accuracy.labelled, percent(n, accuracy.labelled));
            out += &format!("right labels {}", share(accuracy.correct));
            out += &accuracy.float_correct.map_or("\n".to_owned(), |n| format!("; the float network {}\n", share(n)));
        }
        if let Some(float) = &self.float {
            let differ = match self.inferences.iter().any(|inference| named(&inference.outputs).is_some()) {
                true => format!("{} labels differ, ", float.flips.len()),
                false => String::new(),
            };
            out += &format!("against the float network: {differ}largest output error {:.5}\n", float.largest_error);
            for flip in &float.flips {
                out += &format!(
                    "  {}: {} instead of {}, whose float margin is {:.4}\n",
                    shown(&flip.input),
                    shown(&flip.label),
                    shown(&flip.float_label),
                    flip.float_margin
                );
            }
        }
        out += &format!("\nprogram    {}\ntrust      {}\n", self.program, self.trust);
        out += &format!("ranges     {}\nnetwork    {}\n\n", self.ranges.meaning(), self.network);
        out + &self.costs()
    }

    fn costs(&self) -> String {
        let (p, m) = (&self.predicted, &self.measured);
        let bytes = |what: &str, p: u64, m: u64| vec![what.to_owned(), Bytes(p).to_string(), Bytes(m).to_string()];
        let seconds =
            |what: &str, p: f64, m: f64| vec![what.to_owned(), Seconds(p).to_string(), Seconds(m).to_string()];
        let memory = |what: &str, p: u64, m: Option<u64>| m.map(|m| bytes(what, p, m));
        let (held, used) = (&p.peak_rss_bytes, &m.peak_rss_bytes);
        let memory = [
            memory("memory, model owner", held.model_owner, used.model_owner),
            memory("memory, data owner", held.data_owner, used.data_owner),
            memory("memory, dealer", held.dealer, used.dealer),
        ];
        let (what, setup_bytes, setup_seconds) = match m.setup_kept {
            true => ("setup, weights kept", p.setup_again_bytes, p.setup_again_seconds),
            // A local run sees all roles, and keeps nothing for another session.
            false if m.wire_overhead_bytes.model_owner.is_some() => {
                ("setup, once per session", p.setup_bytes, p.setup_seconds)
            }
            false => ("setup, weights sent", p.setup_bytes, p.setup_seconds),
        };
        let dealt = match self.dealer {
            Dealing::File | Dealing::Pair => ["offline, model owner's file", "offline, data owner's file"],
            _ => ["offline, dealer to model owner", "offline, dealer to data owner"],
        };
        let mut rows = vec![
            vec!["hops".to_owned(), p.hops.to_string(), m.hops.to_string()],
            bytes("online, model owner sends", p.online_bytes.model_owner, m.online_bytes.model_owner),
            bytes("online, data owner sends", p.online_bytes.data_owner, m.online_bytes.data_owner),
            bytes(dealt[0], p.offline_bytes.model_owner, m.offline_bytes.model_owner),
            bytes(dealt[1], p.offline_bytes.data_owner, m.offline_bytes.data_owner),
            bytes(what, setup_bytes, m.setup_bytes),
            seconds("online time", p.online_seconds, m.online_seconds),
            seconds("offline time", p.offline_seconds, m.offline_seconds),
            seconds("setup time", setup_seconds, m.setup_seconds),
        ];
        rows.extend(memory.into_iter().flatten());
        if let (Some(p), Some(m)) = (&p.made, &m.made) {
            rows.push(vec!["before, hops".to_owned(), p.hops.to_string(), m.hops.to_string()]);
            rows.push(bytes("before, model owner sends", p.bytes.model_owner, m.bytes.model_owner));
            rows.push(bytes("before, data owner sends", p.bytes.data_owner, m.bytes.data_owner));
            rows.push(vec![
                "before, time".to_owned(),
                p.seconds.map_or("-".to_owned(), |seconds| Seconds(seconds).to_string()),
                Seconds(m.seconds).to_string(),
            ]);
        }
        let title = match m.batch {
            2.. => format!("for one of {} at a time", m.batch),
            _ => "for one inference".to_owned(),
        };
        table(&[&title, "predicted", "measured"], &rows)
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn single(inference: &InferenceReport) -> String {
    if inference.withheld {
        return "no answer\n".to_owned();
    }
    let of_the_whole = |output: &&Revealed| output.shape.len() < 2;
    let mut out = match inference.outputs.iter().filter(of_the_whole).find_map(Revealed::said) {
        Some(label) => format!("{}\n\n", shown(&label)),
        None => String::new(),
    };
    for output in &inference.outputs {
        if let Some(labels) = output.labels.as_ref().filter(|_| !inference.tokens.is_empty() && output.shape.len() == 2)
        {
            let rows: Vec<Vec<String>> =
                inference.tokens.iter().zip(labels).map(|(token, label)| vec![token.clone(), label.clone()]).collect();
            out += &table(&["token", "label"], &rows);
            out += "\n";
        }
        let values = output.values.iter().take(16).map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
        let more =
            if output.values.len() > 16 { format!(" … {} in all", output.values.len()) } else { String::new() };
        out += &format!("{} {values}{more}\n", shown(&output.name));
    }
    out
}

fn batch(inferences: &[InferenceReport]) -> String {
    let row = |i: &InferenceReport| {
        let wrong = i.expected.as_deref().filter(|e| i.label().is_some_and(|label| label != *e));
        let remark = wrong.map_or(String::new(), |expected| format!("(should be {expected})"));
        let label = match i.withheld {
            true => "no answer".to_owned(),
            false => brief(&i.outputs),
        };
        vec![i.input.clone(), label, remark]
    };
    let rows: Vec<Vec<String>> = inferences.iter().take(LISTED).map(row).collect();
    let labelled = inferences.iter().any(|inference| named(&inference.outputs).is_some());
    let mut out = table(&["input", if labelled { "label" } else { "outputs" }, ""], &rows);
    if inferences.len() > LISTED {
        out += &format!("… {} inferences in all\n", inferences.len());
    }
    out + "\n"
}

fn accuracy(inferences: &[InferenceReport], float: Option<&[Vec<Revealed>]>) -> Option<Accuracy> {
    let labelled: Vec<usize> = (0..inferences.len()).filter(|i| inferences[*i].expected.is_some()).collect();
    let right =
        |outputs: &[Revealed], i: usize| label(outputs).is_some_and(|l| Some(l) == inferences[i].expected.as_deref());
    (!labelled.is_empty()).then(|| Accuracy {
        labelled: labelled.len(),
        correct: labelled.iter().filter(|i| right(&inferences[**i].outputs, **i)).count(),
        float_correct: float.map(|float| labelled.iter().filter(|i| right(&float[**i], **i)).count()),
    })
}

fn compare(inferences: &[InferenceReport], float: &[Vec<Revealed>]) -> FloatComparison {
    let mut comparison = FloatComparison { largest_error: 0.0, flips: Vec::new() };
    for (inference, float) in inferences.iter().zip(float) {
        for (one, other) in inference.outputs.iter().zip(float) {
            comparison.largest_error = comparison.largest_error.max(largest_difference(&one.values, &other.values));
        }
        if let (Some(label), Some(float_label)) = (named(&inference.outputs), named(float))
            && !same_names(&inference.outputs, float)
        {
            let float_margin = float.first().map_or(f64::INFINITY, Revealed::margin);
            comparison.flips.push(Flip { input: inference.input.clone(), label, float_label, float_margin });
        }
    }
    comparison
}
