//! Outputs as people read them: values, labels and margins, and how two sets of outputs differ.

use std::path::Path;

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
    /// Name of the largest entry, or of the revealed position, where the model names them and there is one row; of where an
    /// answer begins, the answer.
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

    /// How far the entries are from another label: how far the largest is above the second, of several rows the least of that;
    /// where each label holds by itself, how far the entry closest to 0 is from it.
    pub fn margin(&self) -> f64 {
        let rows = match (&self.labels, self.shape.last()) {
            (Some(_), _) if self.shape.len() < 2 => {
                return self.values.iter().map(|v| v.abs()).fold(f64::INFINITY, f64::min);
            }
            (Some(_), Some(last)) => *last,
            _ => self.values.len(),
        };
        self.values.chunks(rows.max(1)).map(above_the_second).fold(f64::INFINITY, f64::min)
    }

    /// What is named, or the first numbers where nothing has a name.
    pub fn brief(&self) -> String {
        self.said().unwrap_or_else(|| {
            let first: Vec<String> = self.values.iter().take(SHOWN).map(|v| format!("{v:.4}")).collect();
            let more = if self.values.len() > SHOWN { " …" } else { "" };
            format!("{}{more}", first.join(" "))
        })
    }
}

/// How many numbers of an output without labels are listed for one of many inferences.
const SHOWN: usize = 6;

fn above_the_second(row: &[f64]) -> f64 {
    let Some(best) = largest(row) else { return f64::INFINITY };
    let others = row.iter().enumerate().filter(|(i, _)| *i != best).map(|(_, v)| *v);
    row[best] - others.fold(f64::NEG_INFINITY, f64::max)
}

/// What the outputs of an inference name, in a word or some, or the numbers of the first where none is named.
pub fn brief(outputs: &[Revealed]) -> String {
    named(outputs).unwrap_or_else(|| outputs.first().map_or_else(String::new, Revealed::brief))
}

/// What the first output with names names.
pub fn named(outputs: &[Revealed]) -> Option<String> {
    outputs.iter().find_map(Revealed::said)
}

/// Whether all outputs name the same.
pub fn same_names(one: &[Revealed], other: &[Revealed]) -> bool {
    one.iter().map(Revealed::said).eq(other.iter().map(Revealed::said))
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
    use std::slice::from_ref;

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

    /// Of a label for each of two tokens, and of labels that hold by themselves, each counts.
    #[test]
    fn all_that_is_named_is_compared() {
        let tokens = Output { shape: smallvec![2, 3], ..output() };
        let [one, other] = [[0.0, 2.0, 1.0, 3.0, 0.0, 2.5], [0.0, 2.0, 1.0, 2.4, 0.0, 2.5]]
            .map(|values| Revealed::new(&tokens, values.to_vec()));
        assert_eq!((one.said().as_deref(), other.said().as_deref()), (Some("dog cat"), Some("dog owl")));
        assert!((one.margin() - 0.5).abs() < 1e-12 && (other.margin() - 0.1).abs() < 1e-12);
        assert!(!same_names(from_ref(&one), &[other]) && same_names(from_ref(&one), from_ref(&one)));

        let several = |values: &[f64]| {
            let mut revealed = Revealed::new(&output(), values.to_vec());
            revealed.any_of(&output());
            revealed
        };
        let (one, other) = (several(&[1.0, -0.25, 3.0]), several(&[1.0, 0.01, 3.0]));
        assert_eq!((one.brief().as_str(), other.brief().as_str()), ("cat, owl", "cat, dog, owl"));
        assert!((one.margin() - 0.25).abs() < 1e-12);
        assert!(!same_names(&[one], &[other]));

        let numbers = Revealed::new(&Output { labels: Vec::new(), ..output() }, vec![0.5, -1.25, 2.0]);
        assert_eq!((named(from_ref(&numbers)), brief(from_ref(&numbers)).as_str()), (None, "0.5000 -1.2500 2.0000"));
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
