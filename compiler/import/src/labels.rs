//! From where an example lies to the label it should get.
//!
//! A labelled data set is a directory with one directory per class, named as the output labels its entries.

use std::path::{Path, PathBuf};

use mpcc_compiler::graph::Output;
use mpcc_compiler::shown::shown;
use thiserror::Error;

/// An example whose class is not a label of the output.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{} lies in no directory named after a label of `{output}` ({}); lay examples out as LABEL/FILE",
    shown(.path),
    .labels.join(", ")
)]
pub struct LabelError {
    /// The example.
    pub path: PathBuf,
    /// Name of the output.
    pub output: String,
    /// Its labels.
    pub labels: Vec<String>,
}

/// The class of an example: the name of the directory it lies in.
pub fn class_of(path: &Path) -> Option<&str> {
    path.parent()?.file_name()?.to_str()
}

/// Position of a class among the labels of an output.
pub fn index_of(labels: &[String], class: &str) -> Option<usize> {
    labels.iter().position(|label| label == class)
}

/// The entry of `output` that should be the largest for the example at `path`.
///
/// # Errors
/// If the directory of `path` does not bear the name of a label.
pub fn expected(path: &Path, output: &Output) -> Result<usize, LabelError> {
    class_of(path).and_then(|class| index_of(&output.labels, class)).ok_or_else(|| LabelError {
        path: path.into(),
        output: output.name.clone(),
        labels: output.labels.clone(),
    })
}

#[cfg(test)]
mod tests {
    use mpcc_compiler::graph::NodeId;

    use super::*;

    fn output() -> Output {
        Output { name: "logits".into(), node: NodeId(0), labels: vec!["cat".into(), "dog".into()] }
    }

    #[test]
    fn the_directory_is_the_class() {
        assert_eq!(expected(Path::new("data/dog/0001.png"), &output()), Ok(1));
        assert_eq!(expected(Path::new("cat/0001.png"), &output()), Ok(0));
    }

    #[test]
    fn other_directories_are_refused_with_the_labels() {
        for path in ["data/horse/1.png", "1.png", "dog/deep/1.png", "Dog/1.png"] {
            let message = expected(Path::new(path), &output()).unwrap_err().to_string();
            assert!(message.contains(path) && message.contains("cat, dog"), "{message}");
        }
    }
}
