//! Tensors by name in the files that networks are published in: safetensors and checkpoints of `torch.save`, whole or in
//! parts, or a directory that holds one of them. Names, shapes and number formats are known without reading the numbers.

mod checkpoint;
mod header;
mod numbers;
mod pickle;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use mpcc_compiler::shown::shown;
use safetensors::{Dtype, SafeTensorError, View};
use thiserror::Error;

use crate::FileError;
use crate::file;
pub use crate::listing::{Listed, Listing};
use checkpoint::Checkpoint;

pub use checkpoint::CheckpointError;
pub(crate) use numbers::floats;
pub use pickle::PickleError;

/// Files with tensors in a directory in Hugging Face's layout, the first that is there.
const IN_A_DIRECTORY: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];
/// What files with tensors end in, where a directory holds one under another name.
const ENDINGS: [&str; 5] = ["safetensors", "bin", "pt", "pth", "ckpt"];

/// Why tensors cannot be read.
#[derive(Debug, Error)]
pub enum TensorsError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not safetensors, or is damaged.
    #[error("{} is not a whole safetensors file: {reason}; save it again with safetensors", shown(.path))]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
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
    /// A directory without a file of tensors, or with several that could be meant.
    #[error("{}: it holds {found}; name the file itself", shown(.path))]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {source}; nothing was left behind", shown(.path))]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Where the numbers of a tensor stand.
#[derive(Clone, Debug)]
enum Place {
    /// In a safetensors file.
    Bytes { file: PathBuf, offset: u64, length: usize },
    /// In one of the checkpoints, under this name.
    Saved { checkpoint: usize, name: String },
    /// Computed from others.
    Derived(Vec<u8>),
}

/// Tensors that can be read by name.
#[derive(Debug)]
pub struct Tensors {
    path: PathBuf,
    listing: Listing,
    places: BTreeMap<String, Place>,
    checkpoints: Vec<(PathBuf, Checkpoint)>,
}

impl Tensors {
    /// Opens a file by its name: `.safetensors`, the `.json` index of several files, or else a checkpoint of `torch.save`; or the
    /// one of these that a directory holds.
    ///
    /// # Errors
    /// If a file is damaged or, for a checkpoint, holds anything but tensors in dictionaries.
    pub fn open(path: &Path) -> Result<Self, TensorsError> {
        let path = &if path.is_dir() { within(path)? } else { path.to_owned() };
        let mut opened =
            Self { path: path.clone(), listing: Listing::new(), places: BTreeMap::new(), checkpoints: Vec::new() };
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => opened.add_parts(path)?,
            _ => opened.add(path)?,
        }
        Ok(opened)
    }

    /// Adds the tensors of a file.
    fn add(&mut self, path: &Path) -> Result<(), TensorsError> {
        if path.extension().is_some_and(|e| e == "safetensors") {
            for (name, listed, (offset, length)) in header::read(path)? {
                self.listing.insert(name.clone(), listed);
                self.places.insert(name, Place::Bytes { file: path.to_owned(), offset, length });
            }
            return Ok(());
        }
        file::check(path)?;
        let refused = |source| TensorsError::Checkpoint { path: path.to_owned(), source };
        let (checkpoint, listing) = checkpoint::open(path).map_err(refused)?;
        for (name, listed) in listing {
            let place = Place::Saved { checkpoint: self.checkpoints.len(), name: name.clone() };
            self.listing.insert(name.clone(), listed);
            self.places.insert(name, place);
        }
        self.checkpoints.push((path.to_owned(), checkpoint));
        Ok(())
    }

    /// Adds the tensors of the files that an index names; they lie beside it.
    fn add_parts(&mut self, path: &Path) -> Result<(), TensorsError> {
        let parts = |reason: String| TensorsError::Parts { path: path.to_owned(), reason };
        let (names, files) = header::index(path)?;
        let mut from: BTreeMap<String, String> = BTreeMap::new();
        for file in files {
            let mut one = Self { path: path.with_file_name(&file), ..Self::none() };
            let part = one.path.clone();
            one.add(&part)?;
            let offset = self.checkpoints.len();
            for (name, mut place) in one.places {
                if let Place::Saved { checkpoint, .. } = &mut place {
                    *checkpoint += offset;
                }
                if let Some(other) = from.insert(name.clone(), file.clone()) {
                    return Err(parts(format!(
                        "`{}` is in `{}` and in `{}`",
                        shown(&name),
                        shown(&file),
                        shown(&other)
                    )));
                }
                self.places.insert(name, place);
            }
            self.listing.extend(one.listing);
            self.checkpoints.extend(one.checkpoints);
        }
        match names.iter().find(|name| !self.listing.contains_key(*name)) {
            Some(absent) => Err(parts(format!("`{}` is in none of them", shown(absent)))),
            None => Ok(()),
        }
    }

    fn none() -> Self {
        Self { path: PathBuf::new(), listing: Listing::new(), places: BTreeMap::new(), checkpoints: Vec::new() }
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names, shapes and number formats.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Takes a prefix off every name; every name must begin with it.
    pub fn strip(&mut self, prefix: &str) {
        let short = |name: String| name.strip_prefix(prefix).map(str::to_owned).unwrap_or(name);
        self.listing = std::mem::take(&mut self.listing).into_iter().map(|(n, l)| (short(n), l)).collect();
        self.places = std::mem::take(&mut self.places).into_iter().map(|(n, p)| (short(n), p)).collect();
    }

    /// Adds a tensor that is computed from others, or replaces one.
    pub fn derive(&mut self, name: &str, shape: &[usize], values: &[f64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect();
        self.listing.insert(name.to_owned(), Listed { shape: shape.to_vec(), dtype: Dtype::F32 });
        self.places.insert(name.to_owned(), Place::Derived(bytes));
    }

    /// Whether a tensor is computed, so that the files that were opened do not hold all of them.
    pub fn is_derived(&self) -> bool {
        self.places.values().any(|place| matches!(place, Place::Derived(_)))
    }

    /// Mean and deviation of the training images, where the options saved in a checkpoint name them.
    pub fn normalisation(&self) -> Option<&(Vec<f64>, Vec<f64>)> {
        self.checkpoints.first()?.1.normalisation.as_ref()
    }

    /// What a checkpoint holds besides these tensors: other dictionaries of tensors, by name.
    pub fn others(&self) -> &[String] {
        self.checkpoints.first().map_or(&[], |(_, checkpoint)| &checkpoint.others)
    }

    /// The numbers of a tensor, row-major; nothing if it is not there or holds no floats.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn values(&mut self, name: &str) -> Result<Option<Vec<f64>>, TensorsError> {
        let Some(dtype) = self.listing.get(name).map(|l| l.dtype) else { return Ok(None) };
        Ok(floats(dtype, &self.bytes(name)?))
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
        let refused = |source| TensorsError::Write { path: path.into(), source };
        let bytes =
            safetensors::serialize(tensors, None).map_err(|e: SafeTensorError| refused(std::io::Error::other(e)))?;
        file::replace(path, &bytes).map_err(refused)
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, TensorsError> {
        match self.places.get(name) {
            None => Ok(Vec::new()),
            Some(Place::Derived(bytes)) => Ok(bytes.clone()),
            Some(Place::Saved { checkpoint, name }) => {
                let (path, checkpoint) = &mut self.checkpoints[*checkpoint];
                checkpoint.read(name).map_err(|source| TensorsError::Checkpoint { path: path.clone(), source })
            }
            Some(Place::Bytes { file: path, offset, length }) => {
                let io = |source| FileError::Io { path: path.clone(), source };
                let mut file = File::open(path).map_err(io)?;
                file.seek(SeekFrom::Start(*offset)).map_err(io)?;
                let mut bytes = vec![0; *length];
                file.read_exact(&mut bytes).map_err(io)?;
                Ok(bytes)
            }
        }
    }
}

/// The file of tensors in a directory.
fn within(directory: &Path) -> Result<PathBuf, TensorsError> {
    let known = IN_A_DIRECTORY.iter().map(|name| directory.join(name)).find(|path| path.exists());
    if let Some(path) = known {
        return Ok(path);
    }
    let io = |source| FileError::Io { path: directory.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().and_then(|e| e.to_str()).is_some_and(|e| ENDINGS.contains(&e)) {
            found.push(path);
        }
    }
    found.sort();
    let said = |found: String| TensorsError::Directory { path: directory.to_owned(), found };
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(said(format!("no tensors: none of {} is there", IN_A_DIRECTORY.join(", ")))),
        [one, ..] => Err(said(format!("several files of tensors, {} among them", shown(one)))),
    }
}

/// What all names begin with, up to one of their dots: the empty prefix first, then longer ones.
pub fn common_prefixes(listing: &Listing) -> Vec<String> {
    let mut names = listing.keys();
    let mut common: &str = names.next().map_or("", String::as_str);
    for name in names {
        let same = common.chars().zip(name.chars()).take_while(|(a, b)| a == b);
        common = &common[..same.map(|(a, _)| a.len_utf8()).sum()];
    }
    let ends = common.match_indices('.').map(|(at, _)| common[..=at].to_owned());
    std::iter::once(String::new()).chain(ends).collect()
}

/// The prefix that all names share and without which most of `wanted` are found; the shortest of several.
pub fn prefix_of<'n>(listing: &Listing, wanted: impl Iterator<Item = &'n str> + Clone) -> String {
    let found = |prefix: &str| wanted.clone().filter(|name| listing.contains_key(&format!("{prefix}{name}"))).count();
    let mut best = (String::new(), found(""));
    for longer in common_prefixes(listing) {
        let count = found(&longer);
        if count > best.1 {
            best = (longer, count);
        }
    }
    best.0
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

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(names: &[&str]) -> Vec<String> {
        let listed = Listed { shape: vec![1], dtype: Dtype::F32 };
        common_prefixes(&names.iter().map(|name| ((*name).to_owned(), listed.clone())).collect())
    }

    #[test]
    fn prefixes_end_at_dots() {
        assert_eq!(prefixes(&["module.a", "module.b.c"]), ["", "module."]);
        assert_eq!(prefixes(&["m.vit.a.x", "m.vit.ab"]), ["", "m.", "m.vit."]);
        assert_eq!(prefixes(&["module.a", "b"]), [""]);
        assert_eq!(prefixes(&["model.é", "model.è"]), ["", "model."]);
        assert_eq!(prefixes(&[]), [""]);
    }
}
