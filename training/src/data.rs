//! Labelled images from directories and binary files, and labelled texts.
//!
//! A data set is read whole, checked, and kept as bytes. Images are read exactly as a party reads its input for
//! inference, so training and inference see the same pixels; nothing is scaled.

mod binary;
mod error;
mod folder;
mod hold_out;
mod read;
pub mod text;
mod tiny;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use mpcc_compiler::graph::Picture;

pub use error::DataError;
pub use hold_out::hold_out;

/// Images of one extent with labels. Bytes are CHW, as the model's u8 input.
#[derive(Clone, PartialEq, Eq)]
pub struct Images {
    /// Channels (3 or 1), height and width.
    pub shape: [usize; 3],
    /// Names of the classes; a label is a position here.
    pub classes: Vec<String>,
    bytes: Vec<u8>,
    labels: Vec<usize>,
}

impl Images {
    /// Images of `shape` whose bytes follow each other in `bytes`, with a label each.
    ///
    /// # Errors
    /// If an extent is 0, the channels are neither 1 nor 3, there is not one label for every image, or a label is no class.
    pub fn from_bytes(
        shape: [usize; 3],
        classes: Vec<String>,
        bytes: Vec<u8>,
        labels: Vec<usize>,
    ) -> Result<Self, DataError> {
        if Some(bytes.len()) != labels.len().checked_mul(size_of(shape)?) {
            return Err(DataError::Labels { shape, bytes: bytes.len(), labels: labels.len() });
        }
        if let Some(label) = labels.iter().copied().find(|label| *label >= classes.len()) {
            return Err(DataError::Label { label, classes: classes.len() });
        }
        Ok(Self { shape, classes, bytes, labels })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of the image at `i`, channel by channel and row by row.
    ///
    /// # Panics
    /// If there is none at `i`.
    pub fn image(&self, i: usize) -> &[u8] {
        let size = self.shape.iter().product::<usize>();
        &self.bytes[i * size..][..size]
    }

    /// Class of the image at `i`.
    ///
    /// # Panics
    /// If there is none at `i`.
    pub fn label(&self, i: usize) -> usize {
        self.labels[i]
    }

    /// The class of every image.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Numbers the classes as `names` does, such as the labels of a model's output.
    ///
    /// # Errors
    /// If `names` are not the same classes.
    pub fn order_classes(&mut self, names: &[String]) -> Result<(), DataError> {
        let place = |class: &String| names.iter().position(|name| name == class);
        let places: Option<Vec<usize>> = self.classes.iter().map(place).collect();
        let same = |places: &Vec<usize>| {
            let distinct: BTreeSet<_> = places.iter().collect();
            distinct.len() == names.len()
        };
        let Some(places) = places.filter(same) else {
            return Err(DataError::Classes { found: self.classes.clone(), expected: names.to_vec() });
        };
        self.labels.iter_mut().for_each(|label| *label = places[*label]);
        self.classes = names.to_vec();
        Ok(())
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} images of shape {:?} in {} classes", self.len(), self.shape, self.classes.len())
    }
}

/// A data set: images to train on and, where it comes with one, a split to test on.
///
/// Nothing is ever chosen by the test split; see [`hold_out`] for one that checkpoints may be chosen by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Images to train on.
    pub train: Images,
    /// Images to test on, of the same classes.
    pub test: Option<Images>,
}

impl Dataset {
    /// Numbers the classes of both splits as `names` does; see [`Images::order_classes`].
    ///
    /// # Errors
    /// If `names` are not the same classes.
    pub fn order_classes(&mut self, names: &[String]) -> Result<(), DataError> {
        self.train.order_classes(names)?;
        self.test.as_mut().map_or(Ok(()), |test| test.order_classes(names))
    }
}

/// Reads the data set in `dir`, whose images must have the given shape. `progress` is told how many images of how many
/// are read.
///
/// Known are CIFAR-10 and CIFAR-100 as binary files, Tiny-ImageNet as it is distributed, and directories of images:
/// `train/CLASS/FILE` with `test/CLASS/FILE` (or `val` instead of `test`), or `CLASS/FILE` without a test split. Classes
/// are in the order of their names, or as a binary data set numbers them.
///
/// # Errors
/// If the layout is none of these, a file is damaged or of another size, or a class has no images.
pub fn open(dir: &Path, shape: [usize; 3], progress: &mut dyn FnMut(usize, usize)) -> Result<Dataset, DataError> {
    open_prepared(dir, shape, None, progress)
}

/// [`open`] of files of any size, which are resized and cropped as `picture` says.
///
/// # Errors
/// As of [`open`].
pub fn open_prepared(
    dir: &Path,
    shape: [usize; 3],
    picture: Option<&Picture>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Dataset, DataError> {
    size_of(shape)?;
    if !dir.is_dir() {
        return Err(DataError::NotADirectory { path: dir.into() });
    }
    if let Some(kind) = binary::Kind::of(dir) {
        return binary::open(dir, kind, shape, progress);
    }
    let listing = if tiny::is(dir) { tiny::list(dir)? } else { folder::list(dir)? };
    read::read(listing, shape, picture, progress)
}

/// Bytes of an image.
fn size_of(shape: [usize; 3]) -> Result<usize, DataError> {
    let [channels, height, width] = shape;
    let size = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
    size.filter(|size| *size > 0 && matches!(channels, 1 | 3)).ok_or(DataError::Shape { shape })
}

/// A data set before its images are read.
struct Listing {
    classes: Vec<String>,
    train: Vec<Labelled>,
    test: Option<Vec<Labelled>>,
}

/// A file and its class.
type Labelled = (PathBuf, usize);

#[cfg(test)]
mod tests;
