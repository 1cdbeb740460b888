//! Labelled inputs, evenly over the labels: those run privately are the first of those that the float network gets.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mpcc_cli::failure::Usage;
use mpcc_cli::outputs::{Revealed, expected_label};
use mpcc_compiler::graph::Graph;
use mpcc_import::inputs::{self, Example};
use mpcc_program::program::Output;

/// Inputs with their labels.
pub(super) struct Images {
    /// For the float network.
    pub(super) all: Vec<Labelled>,
    /// So many of them are run privately.
    pub(super) private: usize,
    /// The same files, numbered, so that a session takes them in this order.
    pub(super) directory: PathBuf,
    /// One of them.
    pub(super) one: PathBuf,
    /// How many labels they have.
    pub(super) labels: usize,
}

/// An input with its label.
pub(super) struct Labelled {
    pub(super) example: Example,
    pub(super) label: String,
}

impl Images {
    /// Finds labelled inputs in a directory, and copies those that are run privately to another.
    pub(super) fn choose(
        data: &Path,
        (graph, outputs): (&Graph, &[Output]),
        (private, float): (usize, Option<usize>),
        copies: &Path,
    ) -> Result<Self> {
        let examples = inputs::examples(&[data.as_os_str().to_owned()], graph)?;
        let mut labels: Vec<(String, VecDeque<Example>)> = Vec::new();
        for example in examples {
            let label = example.path().and_then(|path| expected_label(path, outputs));
            let Some(label) = label else { continue };
            match labels.iter_mut().find(|(other, _)| *other == label) {
                Some((_, examples)) => examples.push_back(example),
                None => labels.push((label, [example].into())),
            }
        }
        let count = labels.iter().map(|(_, examples)| examples.len()).sum();
        if count == 0 {
            bail!(
                "{}: no file lies in a directory named after a label of the model; lay inputs out as LABEL/FILE",
                data.display()
            );
        }
        if private > count {
            return Err(Usage(format!("--images {private}: {} holds {count} labelled inputs", data.display())).into());
        }
        if float == Some(0) {
            return Err(Usage("--float-images 0: accuracy needs at least one".to_owned()).into());
        }
        let wanted = float.unwrap_or(count).max(private).min(count);
        let names = labels.len();
        let mut all = take_turns(labels);
        all.truncate(wanted);
        fs::create_dir_all(copies).context("cannot make a directory")?;
        let mut one = None;
        for (index, Labelled { example, .. }) in all.iter().enumerate().take(private.max(1)) {
            let Some(path) = example.path() else { continue };
            let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            let copy = copies.join(format!("input-{index:06}.{ending}"));
            fs::copy(path, &copy).with_context(|| format!("cannot copy {}", path.display()))?;
            one.get_or_insert(copy);
        }
        let one = one.context("there is no input")?;
        Ok(Self { all, private, directory: copies.to_owned(), one, labels: names })
    }
}

/// How many outputs have the right label.
pub(super) fn right(outputs: &[Vec<Revealed>], inputs: &[Labelled]) -> usize {
    outputs.iter().zip(inputs).filter(|(outputs, input)| label(outputs) == Some(&input.label)).count()
}

/// The label that outputs name.
pub(super) fn label(outputs: &[Revealed]) -> Option<&str> {
    outputs.iter().find_map(|output| output.label.as_deref())
}

/// One of each label in turn, as long as there are any.
fn take_turns(mut labels: Vec<(String, VecDeque<Example>)>) -> Vec<Labelled> {
    let mut all = Vec::new();
    loop {
        let before = all.len();
        for (label, examples) in &mut labels {
            all.extend(examples.pop_front().map(|example| Labelled { example, label: label.clone() }));
        }
        if all.len() == before {
            return all;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_take_turns_until_all_are_used() {
        let examples = |count: usize| (0..count).map(|n| Example::File(PathBuf::from(n.to_string()))).collect();
        let all = take_turns(vec![("cat".to_owned(), examples(1)), ("dog".to_owned(), examples(3))]);
        let labels: Vec<&str> = all.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(labels, ["cat", "dog", "dog", "dog"]);
    }
}
