//! Outputs as people read them: values, labels and margins, and how two sets of outputs differ.

use std::path::Path;

use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::encode;
use mpcc_import::inputs::Example;
use mpcc_program::program::{Output, Program};
use serde::{Deserialize, Serialize};

/// What an inference gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer", content = "outputs")]
pub enum Answer {
    /// Every value that the run checked was in its range, or nothing is checked.
    Given(Vec<Revealed>),
    /// One was not: what the shares add up to means nothing, and nobody is shown it.
    Withheld,
}

impl Answer {
    /// The integers of all outputs, and of the verdict behind them if there is one.
    pub fn decode(program: &Program, integers: &[Vec<i64>]) -> Self {
        let violated = |verdict: &Vec<i64>| verdict.iter().any(|bit| *bit != 0);
        if program.verdict && integers.get(program.outputs.len()).is_none_or(violated) {
            return Answer::Withheld;
        }
        let outputs = program.outputs.iter().zip(integers);
        Answer::Given(
            outputs.map(|(output, integers)| Revealed::new(output, encode::decode(output, integers))).collect(),
        )
    }

    /// The outputs; none if they are withheld.
    pub fn outputs(&self) -> &[Revealed] {
        match self {
            Answer::Given(outputs) => outputs,
            Answer::Withheld => &[],
        }
    }

    /// Whether nothing is shown.
    pub fn is_withheld(&self) -> bool {
        matches!(self, Answer::Withheld)
    }
}

/// A revealed value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revealed {
    /// Name of the output.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Entries, row-major.
    pub values: Vec<f64>,
    /// Name of the largest entry, or of the revealed position, where the model names them and there is one row.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<String>,
    /// Names of the largest entries of each row, where the model names them and there are several; or of the entries above 0,
    /// where each label holds by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub labels: Option<Vec<String>>,
}

impl Revealed {
    /// An output with its values.
    pub fn new(output: &Output, values: Vec<f64>) -> Self {
        let index = match values.as_slice() {
            // The position of the largest entry, in place of the entries.
            [position] if output.labels.len() > 1 => Some(*position as usize),
            _ if output.labels.len() == values.len() => largest(&values),
            _ => None,
        };
        let label = index.and_then(|index| output.labels.get(index)).cloned();
        let labels = rows(output, &values);
        Self { name: output.name.clone(), shape: output.shape.to_vec(), values, label, labels }
    }

    /// The same where any number of the output's labels may hold: those whose entries are above 0.
    pub fn any_of(&mut self, output: &Output) {
        if output.labels.len() == self.values.len() {
            let holds = output.labels.iter().zip(&self.values).filter(|(_, value)| **value > 0.0);
            self.label = None;
            self.labels = Some(holds.map(|(label, _)| label.clone()).collect());
        }
    }

    /// What is named, in words; nothing if the entries have no names.
    pub fn said(&self) -> Option<String> {
        match (&self.label, &self.labels) {
            (Some(label), _) => Some(label.clone()),
            (None, Some(labels)) if self.shape.len() > 1 => Some(labels.join(" ")),
            (None, Some(labels)) if labels.is_empty() => Some("none of the labels".to_owned()),
            (None, Some(labels)) => Some(labels.join(", ")),
            (None, None) => None,
        }
    }

    /// How far the largest entry is above the second.
    pub fn margin(&self) -> f64 {
        let Some(best) = largest(&self.values) else { return f64::INFINITY };
        let others = self.values.iter().enumerate().filter(|(i, _)| *i != best).map(|(_, v)| *v);
        self.values[best] - others.fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Outputs as the model says they are read.
pub fn presented(mut outputs: Vec<Revealed>, artefact: &Artefact) -> Vec<Revealed> {
    for at in artefact.graph.several.iter().map(|at| *at as usize) {
        if let (Some(revealed), Some(output)) = (outputs.get_mut(at), artefact.program.outputs.get(at)) {
            revealed.any_of(output);
        }
    }
    outputs
}

/// The label of every row, if there are several and the entries of a row are named.
fn rows(output: &Output, values: &[f64]) -> Option<Vec<String>> {
    let [.., _, last] = *output.shape.as_slice() else { return None };
    if last == 0 || output.labels.len() != last || values.len() <= last {
        return None;
    }
    values.chunks(last).map(|row| output.labels.get(largest(row)?).cloned()).collect()
}

/// The position of the largest entry.
pub fn largest(values: &[f64]) -> Option<usize> {
    (0..values.len()).reduce(|best, i| if values[i] > values[best] { i } else { best })
}

/// The largest difference of two equally long lists.
pub fn largest_difference(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The label that an example should get: a column of its file says it, by name or by position, or its place or name does.
pub fn expected_of(example: &Example, outputs: &[Output]) -> Option<String> {
    let Some(said) = example.label() else {
        return example.path().and_then(|file| expected_label(file, outputs));
    };
    let named = outputs.iter().flat_map(|output| &output.labels).find(|label| *label == said);
    let position = said.parse::<usize>().ok();
    named.or_else(|| outputs.iter().find_map(|output| output.labels.get(position?))).cloned()
}

/// The label that a file should get: the directory it lies in, or its own name, if that is a label.
pub fn expected_label(path: &Path, outputs: &[Output]) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let names = [mpcc_import::labels::class_of(path), Some(stem)];
    let labels = outputs.iter().flat_map(|o| &o.labels);
    names.into_iter().flatten().find_map(|name| labels.clone().find(|label| *label == name)).cloned()
}

/// Labels counted over a batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Accuracy {
    /// Inferences whose right label is known.
    pub labelled: usize,
    /// Of these, how many the secure or fixed-point computation got right.
    pub correct: usize,
    /// Of these, how many the float network got right, where it was evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub float_correct: Option<usize>,
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;

    fn output() -> Output {
        let labels = vec!["cat".to_owned(), "dog".to_owned(), "owl".to_owned()];
        Output { name: "logits".to_owned(), shape: smallvec![3], fraction: 10, labels }
    }

    #[test]
    fn the_largest_entry_names_the_label() {
        let revealed = Revealed::new(&output(), vec![-1.0, 2.5, 2.0]);
        assert_eq!(revealed.label.as_deref(), Some("dog"));
        assert!((revealed.margin() - 0.5).abs() < 1e-12);
        assert_eq!(Revealed::new(&output(), vec![1.0; 6]).label, None);
    }

    #[test]
    fn a_revealed_position_names_the_label() {
        let position = Output { shape: smallvec![1], fraction: 0, ..output() };
        assert_eq!(Revealed::new(&position, vec![2.0]).label.as_deref(), Some("owl"));
        assert_eq!(Revealed::new(&position, vec![3.0]).label, None);
    }

    #[test]
    fn directories_and_names_say_the_right_label() {
        let label = |path: &str| expected_label(Path::new(path), &[output()]);
        assert_eq!(label("data/owl/17.png").as_deref(), Some("owl"));
        assert_eq!(label("images/cat.jpg").as_deref(), Some("cat"));
        assert_eq!(label("images/horse.jpg"), None);
    }
}
