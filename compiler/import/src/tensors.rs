//! Tensors by name in the files that networks are published in: safetensors, whole or in parts, and checkpoints of
//! `torch.save`. Names, shapes and number formats are known without reading the numbers.

mod checkpoint;
mod header;
mod pickle;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use mpcc_compiler::shown::shown;
use safetensors::{Dtype, SafeTensorError, View};
use thiserror::Error;

use crate::FileError;
pub use crate::listing::{Listed, Listing};
use crate::weights::{self, WeightsError};

pub use checkpoint::CheckpointError;
pub use pickle::PickleError;

/// Why tensors cannot be read.
#[derive(Debug, Error)]
pub enum TensorsError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Damaged or unreadable safetensors.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A checkpoint that is damaged or holds more than tensors.
    #[error("{} cannot be used: {source}", shown(.path))]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: CheckpointError,
    },
    /// Two files of a set hold the same tensor, or the index names one that no file holds.
    #[error("{} and the files it names do not fit: {reason}", shown(.path))]
    Parts {
        /// The index.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
}

/// Where the numbers of a tensor stand.
#[derive(Clone, Debug)]
struct Place {
    file: PathBuf,
    offset: u64,
    length: usize,
}

#[derive(Debug)]
enum Origin {
    Safetensors(BTreeMap<String, Place>),
    Checkpoint(Box<checkpoint::Checkpoint>),
}

/// Tensors that can be read by name.
#[derive(Debug)]
pub struct Tensors {
    path: PathBuf,
    listing: Listing,
    origin: Origin,
    /// Whether it is one safetensors file.
    single: bool,
}

impl Tensors {
    /// Opens a file by its name: `.safetensors`, the `.json` index of several, or else a checkpoint of `torch.save`.
    ///
    /// # Errors
    /// If a file is damaged or, for a checkpoint, holds anything but tensors in dictionaries.
    pub fn open(path: &Path) -> Result<Self, TensorsError> {
        if path.is_dir() {
            return Err(FileError::NotAFile { path: path.into() }.into());
        }
        match path.extension().and_then(|e| e.to_str()) {
            Some("safetensors") => {
                let (mut listing, mut places) = (Listing::new(), BTreeMap::new());
                for (name, listed, place) in header::read(path)? {
                    listing.insert(name.clone(), listed);
                    places.insert(name, place);
                }
                Ok(Self { path: path.to_owned(), listing, origin: Origin::Safetensors(places), single: true })
            }
            Some("json") => {
                let (listing, places) = header::read_parts(path)?;
                Ok(Self { path: path.to_owned(), listing, origin: Origin::Safetensors(places), single: false })
            }
            _ => {
                let refused = |source| TensorsError::Checkpoint { path: path.to_owned(), source };
                let (checkpoint, listing) = checkpoint::open(path).map_err(refused)?;
                let origin = Origin::Checkpoint(Box::new(checkpoint));
                Ok(Self { path: path.to_owned(), listing, origin, single: false })
            }
        }
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names, shapes and number formats.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The safetensors file that holds exactly these tensors, if there is one.
    pub fn single_file(&self) -> Option<&Path> {
        self.single.then_some(self.path.as_path())
    }

    /// Mean and deviation of the training images, where the options saved in a checkpoint name them.
    pub fn normalisation(&self) -> Option<&(Vec<f64>, Vec<f64>)> {
        match &self.origin {
            Origin::Checkpoint(checkpoint) => checkpoint.normalisation.as_ref(),
            Origin::Safetensors(_) => None,
        }
    }

    /// The numbers of a tensor, row-major; nothing if it is not there or holds no floats.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn values(&mut self, name: &str) -> Result<Option<Vec<f64>>, TensorsError> {
        let Some(dtype) = self.listing.get(name).map(|l| l.dtype) else { return Ok(None) };
        Ok(weights::floats(dtype, &self.bytes(name)?))
    }

    /// Writes the named tensors to a safetensors file in their own number formats; whole or not at all.
    ///
    /// # Errors
    /// If they cannot be read, or the file cannot be written.
    pub fn save(&mut self, names: &[String], path: &Path) -> Result<(), TensorsError> {
        let mut tensors = Vec::with_capacity(names.len());
        for name in names {
            let Some(listed) = self.listing.get(name).cloned() else { continue };
            tensors.push((name, Whole { listed, bytes: self.bytes(name)? }));
        }
        let refused = |e: SafeTensorError| WeightsError::Write { path: path.into(), source: std::io::Error::other(e) };
        let bytes = safetensors::serialize(tensors, None).map_err(refused)?;
        Ok(weights::write(path, &bytes)?)
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, TensorsError> {
        match &mut self.origin {
            Origin::Checkpoint(checkpoint) => {
                checkpoint.read(name).map_err(|source| TensorsError::Checkpoint { path: self.path.clone(), source })
            }
            Origin::Safetensors(places) => {
                let Some(place) = places.get(name) else { return Ok(Vec::new()) };
                let io = |source| FileError::Io { path: place.file.clone(), source };
                let mut file = File::open(&place.file).map_err(io)?;
                file.seek(SeekFrom::Start(place.offset)).map_err(io)?;
                let mut bytes = vec![0; place.length];
                file.read_exact(&mut bytes).map_err(io)?;
                Ok(bytes)
            }
        }
    }
}

/// A tensor with its numbers.
struct Whole {
    listed: Listed,
    bytes: Vec<u8>,
}

impl View for Whole {
    fn dtype(&self) -> Dtype {
        self.listed.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.listed.shape
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        self.bytes.as_slice().into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
