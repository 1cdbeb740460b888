//! Checkpoints of `torch.save`: an archive of stored files, one of which is a pickle that describes tensors in the
//! others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use mpcc_compiler::shown::shown;
use thiserror::Error;
use zip::ZipArchive;
use zip::result::ZipError;

use super::pickle::{self, Pickle, PickleError, Value, View};
use super::{Listed, Listing};

/// The longest pickle that is read, in bytes. One for a thousand tensors has a few hundred thousand.
const PICKLE_LIMIT: u64 = 8 << 20;

/// Where a training script puts the tensors of the network, the first that is there.
const NETWORK: [&str; 6] = ["state_dict", "model", "model_state_dict", "net", "network", "weights"];

/// Why a checkpoint was refused.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// Not an archive, or a damaged one.
    #[error(
        "it is no archive as torch.save has written since PyTorch 1.6 ({0}); load it where you trust it and save it \
         again"
    )]
    Archive(#[from] ZipError),
    /// A file of the archive is missing or of another size.
    #[error("the file `{}` in it is missing, compressed or too short", shown(.0))]
    Entry(String),
    /// A file of the archive cannot be read.
    #[error("the file `{}` in it cannot be read: {source}", shown(.name))]
    Read {
        /// The file in the archive.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its pickle was refused.
    #[error("{0}; where you trust the file, load it in PyTorch and save its state_dict with safetensors")]
    Pickle(#[from] PickleError),
    /// Numbers with the most significant byte first.
    #[error("its numbers are not little-endian")]
    ByteOrder,
    /// No dictionary of tensors.
    #[error(
        "it holds no state_dict: neither a dictionary of tensors nor one under `state_dict`, `model`, `model_state_dict`, `net`, `network` or `weights`"
    )]
    NoStateDict,
    /// Something else among the tensors.
    #[error("`{}` in its state_dict is no tensor with a name", shown(.0))]
    NoTensor(String),
    /// A view outside its storage, or larger than it.
    #[error("the tensor `{}` lies outside the data", shown(.0))]
    Outside(String),
}

/// A checkpoint whose tensors can be read.
#[derive(Debug)]
pub(super) struct Checkpoint {
    archive: ZipArchive<BufReader<File>>,
    /// What the names of the archive's files begin with.
    prefix: String,
    views: BTreeMap<String, View>,
    /// Mean and deviation of the images that it was trained on, if its options say so.
    pub(super) normalisation: Option<(Vec<f64>, Vec<f64>)>,
    /// Other dictionaries of tensors beside the one that is read, as of averaged weights.
    pub(super) others: Vec<String>,
}

/// Opens a checkpoint and lists its tensors.
pub(super) fn open(path: &Path) -> Result<(Checkpoint, Listing), CheckpointError> {
    let file = File::open(path).map_err(|source| CheckpointError::Read { name: shown(path).to_string(), source })?;
    let mut archive = ZipArchive::new(BufReader::new(file))?;
    let prefix = archive.file_names().filter_map(Result::ok).find_map(|name| {
        let prefix = name.strip_suffix("data.pkl")?;
        (prefix.is_empty() || prefix.ends_with('/')).then(|| prefix.to_owned())
    });
    let prefix = prefix.ok_or_else(|| CheckpointError::Entry("data.pkl".to_owned()))?;
    let order = format!("{prefix}byteorder");
    if archive.index_for_name(&order).is_some() && entry(&mut archive, &order, 16)?.trim_ascii() != b"little" {
        return Err(CheckpointError::ByteOrder);
    }
    let pickle = pickle::read(&entry(&mut archive, &format!("{prefix}data.pkl"), PICKLE_LIMIT)?)?;
    let views = state_dict(&pickle)?;
    let mut listing = Listing::new();
    for (name, view) in &views {
        within(view).ok_or_else(|| CheckpointError::Outside(name.clone()))?;
        listing.insert(name.clone(), Listed { shape: view.shape.clone(), dtype: view.storage.dtype });
    }
    let (normalisation, others) = (normalisation(&pickle), others(&pickle));
    Ok((Checkpoint { archive, prefix, views, normalisation, others }, listing))
}

impl Checkpoint {
    /// The entries of a tensor in row-major order, little-endian; nothing if there is no such tensor.
    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>, CheckpointError> {
        let outside = || CheckpointError::Outside(name.to_owned());
        let view = self.views.get(name).ok_or_else(outside)?;
        let width = view.storage.dtype.bitsize() / 8;
        let length = view.storage.entries.checked_mul(width).ok_or_else(outside)?;
        let file = format!("{}data/{}", self.prefix, view.storage.key);
        let bytes = entry(&mut self.archive, &file, length as u64)?;
        if bytes.len() != length {
            return Err(CheckpointError::Entry(file));
        }
        if view.shape.contains(&0) {
            return Ok(Vec::new());
        }
        let mut starts = vec![view.offset];
        for (extent, stride) in view.shape.iter().zip(&view.strides) {
            starts = starts.iter().flat_map(|s| (0..*extent).map(move |i| s + i * stride)).collect();
        }
        let mut data = Vec::with_capacity(starts.len() * width);
        for start in starts {
            data.extend_from_slice(bytes.get(start * width..(start + 1) * width).ok_or_else(outside)?);
        }
        Ok(data)
    }
}

/// The bytes of a file of the archive, at most `limit`, with its checksum verified.
fn entry(archive: &mut ZipArchive<BufReader<File>>, name: &str, limit: u64) -> Result<Vec<u8>, CheckpointError> {
    let refused = || CheckpointError::Entry(name.to_owned());
    let index = archive.index_for_name(name).ok_or_else(refused)?;
    let file = archive.by_index(index)?;
    if file.compressed_size() != file.size() || file.size() > limit {
        return Err(refused());
    }
    let mut bytes = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|source| CheckpointError::Read { name: name.to_owned(), source })?;
    if bytes.len() as u64 > limit { Err(refused()) } else { Ok(bytes) }
}

/// Whether every entry of a view is in its storage, and there are no more entries than the storage has.
fn within(view: &View) -> Option<()> {
    if view.strides.len() != view.shape.len() {
        return None;
    }
    let entries = view.shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent))?;
    let last =
        view.shape.iter().zip(&view.strides).try_fold(view.offset, |at, (extent, stride)| {
            at.checked_add(extent.saturating_sub(1).checked_mul(*stride)?)
        })?;
    (entries == 0 || (last < view.storage.entries && entries <= view.storage.entries)).then_some(())
}

/// The tensors by name: those of the dictionary itself, or of the one that a training script has put its own things beside.
fn state_dict(pickle: &Pickle) -> Result<BTreeMap<String, View>, CheckpointError> {
    let root = pickle.root();
    let inner = NETWORK.iter().find_map(|key| pickle.get(root, key).filter(|v| matches!(v, Value::Dict(_))));
    let Value::Dict(entries) = inner.unwrap_or(root) else {
        return Err(CheckpointError::NoStateDict);
    };
    let mut views = BTreeMap::new();
    for (key, value) in entries {
        match (pickle.value(*key), pickle.value(*value)) {
            (Value::Text(name), Value::Tensor(view)) => views.insert(name.clone(), view.clone()),
            (Value::Text(name), _) if inner.is_some() => return Err(CheckpointError::NoTensor(name.clone())),
            _ => return Err(CheckpointError::NoStateDict),
        };
    }
    if views.is_empty() { Err(CheckpointError::NoStateDict) } else { Ok(views) }
}

/// Keys at the top whose values are dictionaries of tensors and not the one that is read.
fn others(pickle: &Pickle) -> Vec<String> {
    let Value::Dict(entries) = pickle.root() else { return Vec::new() };
    let of_tensors = |value: &Value| match value {
        Value::Dict(inner) => {
            !inner.is_empty() && inner.iter().all(|(_, value)| matches!(pickle.value(*value), Value::Tensor(_)))
        }
        _ => false,
    };
    let named = entries.iter().filter_map(|(key, value)| match pickle.value(*key) {
        Value::Text(name) if of_tensors(pickle.value(*value)) => Some(name.clone()),
        _ => None,
    });
    let mut named: Vec<String> = named.collect();
    if let Some(read) = NETWORK.iter().find(|key| named.iter().any(|name| name == *key)) {
        named.retain(|name| name != read);
    }
    named
}

/// `mean` and `std` among the options of the training script.
fn normalisation(pickle: &Pickle) -> Option<(Vec<f64>, Vec<f64>)> {
    let arguments = pickle.get(pickle.root(), "args")?;
    let numbers = |key| match pickle.get(arguments, key) {
        Some(Value::List(items)) => items.iter().map(|id| number(pickle.value(*id))).collect::<Option<Vec<f64>>>(),
        _ => None,
    };
    Some((numbers("mean")?, numbers("std")?))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(x) => Some(*x),
        Value::Int(n) => Some(*n as f64),
        _ => None,
    }
}
