//! A variant on inputs: the exact fixed-point computation beside its float network.

use anyhow::{Context, Result};
use mpcc_cli::encoded;
use mpcc_cli::model::Model;
use mpcc_cli::outputs::{Accuracy, Answer, Revealed, largest_difference, named, same_names};
use mpcc_cli::presented::Presenter;
use mpcc_cli::progress::Bar;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::encode;
use mpcc_compiler::evaluate::{Evaluator, Tensor};
use mpcc_import::inputs::Example;
use mpcc_protocols::ideal::{self, Ranges};
use serde::Serialize;

/// What came of a variant's inputs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Measured {
    /// Where right labels are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accuracy: Option<Accuracy>,
    /// Answers whose labels are those of the first variant's float network, where outputs have labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) as_first: Option<usize>,
    /// Answers that a run would withhold, and inputs that it would refuse.
    pub(super) withheld: usize,
    /// The largest difference of an output from the variant's own float network; nothing if nothing is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) largest_error: Option<f64>,
    /// The same from the first variant's float network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) largest_difference_from_first: Option<f64>,
}

/// Computes all inputs. `first` is what the first variant's float network gave, if this is another; returned is what this one's
/// gave.
pub(super) fn measure(
    model: &Model,
    params: &[Tensor],
    (examples, given): (&[Example], &[Vec<Tensor>]),
    seed: u64,
    first: Option<&[Vec<Revealed>]>,
    terminal: &Terminal,
) -> Result<(Measured, Vec<Vec<Revealed>>)> {
    let (artefact, program) = (&model.artefact, &model.artefact.program);
    let as_written = Evaluator::new(model.float_graph(), params)?;
    let rewritten = Evaluator::new(&artefact.graph, params)?;
    let weights = encode::weights(program, rewritten.server_values())?;
    encoded::check_weights(artefact, params, model.source.as_ref())?;
    let presenter = Presenter::new(artefact)?;
    let bar = Bar::new(terminal, examples.len() as u64, "comparing");
    let (mut floats, mut answers) = (Vec::with_capacity(given.len()), Vec::with_capacity(given.len()));
    for (index, (example, input)) in (0u64..).zip(examples.iter().zip(given)) {
        let float = encoded::float_outputs(model, &as_written, input).with_context(|| example.to_string())?;
        floats.push(presenter.present(float, example)?);
        let answer = match encoded::inputs(artefact, input) {
            // A run refuses what its encoding cannot hold.
            Err(_) => Answer::Withheld,
            Ok(encoded) => {
                let coins = encoded::coins(seed, index);
                let fixed = ideal::evaluate(program, &weights, &encoded, &coins, Ranges::Record)
                    .with_context(|| example.to_string())?;
                Answer::decode(program, &fixed.outputs)
            }
        };
        answers.push(match answer {
            Answer::Given(outputs) => Some(presenter.present(outputs, example)?),
            Answer::Withheld => None,
        });
        bar.set(index + 1);
    }
    bar.finish();
    let first = first.unwrap_or(&floats);
    let answered = || answers.iter().enumerate().filter_map(|(at, answer)| Some((at, answer.as_ref()?)));
    let farthest =
        |from: &[Vec<Revealed>]| answered().flat_map(|(at, answer)| differences(answer, &from[at])).reduce(f64::max);
    let labelled = floats.iter().any(|outputs| named(outputs).is_some());
    let expected: Vec<Option<String>> = examples.iter().map(|example| presenter.expected(example)).collect();
    let measured = Measured {
        accuracy: accuracy(&expected, &answers, &floats),
        as_first: labelled.then(|| answered().filter(|(at, answer)| same_names(answer, &first[*at])).count()),
        withheld: answers.iter().filter(|answer| answer.is_none()).count(),
        largest_error: farthest(&floats),
        largest_difference_from_first: farthest(first),
    };
    Ok((measured, floats))
}

fn differences(one: &[Revealed], other: &[Revealed]) -> impl Iterator<Item = f64> {
    one.iter().zip(other).map(|(a, b)| largest_difference(&a.values, &b.values))
}

fn accuracy(
    expected: &[Option<String>],
    answers: &[Option<Vec<Revealed>>],
    floats: &[Vec<Revealed>],
) -> Option<Accuracy> {
    let right =
        |outputs: &[Revealed], label: &String| outputs.iter().any(|output| output.label.as_ref() == Some(label));
    let labelled = || expected.iter().enumerate().filter_map(|(at, label)| Some((at, label.as_ref()?)));
    let correct = labelled().filter(|(at, label)| answers[*at].as_ref().is_some_and(|answer| right(answer, label)));
    let accuracy = Accuracy {
        labelled: labelled().count(),
        correct: correct.count(),
        float_correct: Some(labelled().filter(|(at, label)| right(&floats[*at], label)).count()),
    };
    (accuracy.labelled > 0).then_some(accuracy)
}
