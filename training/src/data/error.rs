//! Why a data set could not be read, in words that say what to do.

use std::io;
use std::path::PathBuf;

use mpcc_compiler::shown::shown;
use mpcc_import::inputs::InputError;
use thiserror::Error;

/// Why a data set could not be read.
#[derive(Debug, Error)]
pub enum DataError {
    /// No directory at all.
    #[error("{} is no directory; give the directory of a data set", shown(.path))]
    NotADirectory {
        /// What was named.
        path: PathBuf,
    },
    /// None of the known layouts.
    #[error(
        "{} holds no data set that mpcc knows: {reason}. Known are\n  \
         train/CLASS/FILE with test/CLASS/FILE or val/CLASS/FILE, or only CLASS/FILE, of .png, .jpg and .jpeg files;\n  \
         data_batch_*.bin with test_batch.bin (CIFAR-10) or train.bin with test.bin (CIFAR-100);\n  \
         train/CLASS/images/FILE with val/val_annotations.txt and val/images/FILE (Tiny-ImageNet)",
        shown(.path)
    )]
    Layout {
        /// The directory.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The system refused.
    #[error("cannot read {}: {source}; check the path and its permissions", shown(.path))]
    Io {
        /// File or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An image that is damaged or has another size.
    #[error(transparent)]
    Image(#[from] InputError),
    /// A class without images.
    #[error("class {} has no images; remove the directory or fill it", shown(.path))]
    EmptyClass {
        /// Its directory.
        path: PathBuf,
    },
    /// Something else among the images of a class.
    #[error("{} lies among the images of a class and is no .png, .jpg or .jpeg file; convert or remove it", shown(.path))]
    NotAnImage {
        /// The file or directory.
        path: PathBuf,
    },
    /// A name that is not UTF-8.
    #[error("the name of {} is not UTF-8; rename it", shown(.path))]
    Name {
        /// File or directory.
        path: PathBuf,
    },
    /// A class of the test split that is not trained on.
    #[error("{} is of class `{}`, and the images to train on have no such class", shown(.path), shown(.class))]
    UnknownClass {
        /// File or directory.
        path: PathBuf,
        /// The class.
        class: String,
    },
    /// A damaged file of a data set.
    #[error("{} is damaged or of another kind: {reason}", shown(.path))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A model that takes other images than the data set has.
    #[error("{} has images of shape {found:?} (channels, height, width), and {expected:?} is asked for: choose a model for such images, or scale them first and lay them out as directories of .png files", shown(.path))]
    Size {
        /// The data set.
        path: PathBuf,
        /// Shape of its images.
        found: [usize; 3],
        /// Shape that is asked for.
        expected: [usize; 3],
    },
    /// A shape that no image has.
    #[error("{shape:?} (channels, height, width) is no shape of images; they have 1 or 3 channels and pixels")]
    Shape {
        /// The shape.
        shape: [usize; 3],
    },
    /// Not a label for every image.
    #[error("{bytes} bytes are not {labels} images of shape {shape:?} (channels, height, width)")]
    Labels {
        /// Shape of an image.
        shape: [usize; 3],
        /// How many bytes there are.
        bytes: usize,
        /// How many labels there are.
        labels: usize,
    },
    /// A label beyond the classes.
    #[error("label {label} is no class; there are {classes}, counted from 0")]
    Label {
        /// The label.
        label: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// Classes of the data set that are not those of a model.
    #[error(
        "the data set has the classes {}, and the model {}: rename directories or labels, so that both are the same",
        some(.found), some(.expected)
    )]
    Classes {
        /// Classes of the data set.
        found: Vec<String>,
        /// Labels of the model.
        expected: Vec<String>,
    },
    /// A line of a file of texts.
    #[error("line {line} of {}: {reason}", shown(.path))]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A directory without texts.
    #[error("{} has no train.tsv or train.jsonl; write one of them, with a label and a text on each line", shown(.path))]
    NoTexts {
        /// The directory.
        path: PathBuf,
    },
    /// Two forms of one split.
    #[error("{} and {} both exist; keep one of them", shown(.first), shown(.second))]
    Twice {
        /// One file.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },
}

/// How many names there are, and the first few of them.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let rest = if names.len() > SHOWN { ", …" } else { "" };
    format!("{shown}{rest} ({})", names.len())
}
