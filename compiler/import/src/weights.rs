//! Binding of a safetensors file to the parameters of a graph, and generation of untrained weights.
//!
//! Every tensor of the file must be a parameter or be ignored by the source on purpose, and every parameter must be
//! there in its shape with finite entries. All that is wrong is reported at once.

mod decode;
mod generate;
mod report;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::Graph;
use mpcc_compiler::shown::shown;
use safetensors::tensor::{SafeTensorError, SafeTensors, TensorView};
use safetensors::{Dtype, serialize};
use thiserror::Error;

use crate::FileError;
use crate::listing::{Listed, Listing};

pub(crate) use decode::{floats, matches};
pub use generate::generate;
pub use report::{BindingReport, Missing, NotFinite, Unexpected, Unsupported, WrongShape};

/// The largest weights file that is read: 16 GiB.
pub const SIZE_LIMIT: u64 = 1 << 34;

/// The parameters of a graph with their values.
#[derive(Clone, Debug)]
pub struct Bound {
    /// One tensor for each parameter, in the graph's order, after the load-time reshapes.
    pub params: Vec<Tensor>,
    /// What was bound and what was ignored.
    pub report: BindingReport,
}

/// Why weights could not be loaded or saved.
#[derive(Debug, Error)]
pub enum WeightsError {
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
    /// The tensors in the file are not those of the model.
    #[error("the weights in {} do not fit the model\n{report}", shown(.path))]
    Binding {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong.
        report: Box<BindingReport>,
    },
    /// The load-time reshapes of the model do not give the declared shape.
    #[error(
        "the model's load-time reshapes of `{}` cannot be applied to {}: {reason}; compile the model again",
        shown(.name), shown(.path)
    )]
    LoadOps {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Which step fails.
        reason: String,
    },
    /// A value does not fit the file's number format.
    #[error("`{}` holds {value}, which a 32-bit float cannot hold; {} was not written", shown(.name), shown(.path))]
    Overflow {
        /// The file that was to be written.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The value.
        value: f64,
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

/// Reads the safetensors file at `path` (F32, F16, BF16 or F64) and binds it to the parameters of `graph`.
///
/// # Errors
/// If the file is not whole, or any tensor is missing, extra and not ignored, of another shape, of another number
/// format, or holds a value that is not finite: then [`WeightsError::Binding`] lists every such tensor.
pub fn load(path: &Path, graph: &Graph) -> Result<Bound, WeightsError> {
    let bytes = crate::file::read(path, SIZE_LIMIT)?;
    let format = |reason| WeightsError::Format { path: path.into(), reason };
    let file = SafeTensors::deserialize(&bytes).map_err(|e| format(describe(&e, bytes.len())))?;
    let tensors: BTreeMap<String, TensorView<'_>> = file.tensors().into_iter().collect();

    let listed = |view: &TensorView<'_>| Listed { shape: view.shape().to_vec(), dtype: view.dtype() };
    let listing: Listing = tensors.iter().map(|(name, view)| (name.clone(), listed(view))).collect();
    let mut report = bind(graph, &listing);
    let mut values = BTreeMap::new();
    for name in &report.bound {
        let Some(data) = tensors.get(name).and_then(|view| floats(view.dtype(), view.data())) else { continue };
        let count = data.iter().filter(|v| !v.is_finite()).count();
        if count > 0 {
            report.not_finite.push(NotFinite { name: name.clone(), count });
        }
        values.insert(name.clone(), data);
    }
    if !report.is_complete() {
        return Err(WeightsError::Binding { path: path.into(), report: Box::new(report) });
    }

    let last: BTreeMap<&str, usize> = (0..).zip(&graph.params).map(|(at, param)| (param.name.as_str(), at)).collect();
    let mut params = Vec::with_capacity(graph.params.len());
    for (at, param) in graph.params.iter().enumerate() {
        let wrong = |reason| WeightsError::LoadOps { path: path.into(), name: param.name.clone(), reason };
        let data = if last.get(param.name.as_str()) == Some(&at) {
            values.remove(&param.name)
        } else {
            values.get(&param.name).cloned()
        };
        let data = data.unwrap_or_default();
        if data.len() != param.file_shape.iter().product::<usize>() {
            return Err(wrong("the model declares another shape elsewhere".to_owned()));
        }
        let tensor = decode::apply(Tensor { shape: param.file_shape.clone(), data }, &param.ops).map_err(wrong)?;
        if tensor.shape != param.shape {
            return Err(wrong(format!("they give {:?} where {:?} is declared", tensor.shape, param.shape)));
        }
        params.push(tensor);
    }
    Ok(Bound { params, report })
}

/// How the tensors of a file meet the parameters of `graph`, by name, shape and number format; the numbers themselves
/// are not looked at.
pub fn bind(graph: &Graph, listing: &Listing) -> BindingReport {
    let mut report = BindingReport::default();
    let mut declared = BTreeMap::new();
    for param in &graph.params {
        declared.entry(param.name.as_str()).or_insert(&param.file_shape);
    }
    for (name, shape) in &declared {
        let Some(listed) = listing.get(*name) else {
            report.missing.push(Missing { name: (*name).into(), expected: shape.to_vec() });
            continue;
        };
        report.bound.push((*name).into());
        if listed.shape != shape.as_slice() {
            let (expected, found) = (shape.to_vec(), listed.shape.clone());
            report.wrong_shape.push(WrongShape { name: (*name).into(), expected, found });
        } else if !decode::reads(listed.dtype) {
            let dtype = format!("{:?}", listed.dtype);
            report.unsupported.push(Unsupported { name: (*name).into(), dtype });
        }
    }
    for (name, listed) in listing.iter().filter(|(name, _)| !declared.contains_key(name.as_str())) {
        if graph.ignore.iter().any(|pattern| decode::matches(pattern, name)) {
            report.ignored.push(name.clone());
        } else {
            report.unexpected.push(Unexpected { name: name.clone(), found: listed.shape.clone() });
        }
    }
    report
}

/// Writes `tensors` to `path` as 32-bit floats, readable by the owner of the file alone; whole or not at all.
///
/// # Errors
/// If a value does not fit a 32-bit float, or the file cannot be written.
pub fn save(path: &Path, tensors: &[(String, Tensor)]) -> Result<(), WeightsError> {
    save_noted(path, tensors, None)
}

/// [`save`] with a note in the file's header: a key and its text.
///
/// # Errors
/// As of [`save`].
pub fn save_noted(path: &Path, tensors: &[(String, Tensor)], note: Option<(&str, String)>) -> Result<(), WeightsError> {
    let mut encoded = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let mut bytes = Vec::with_capacity(4 * tensor.data.len());
        for value in &tensor.data {
            let narrow = *value as f32;
            if !narrow.is_finite() {
                return Err(WeightsError::Overflow { path: path.into(), name: name.clone(), value: *value });
            }
            bytes.extend(narrow.to_le_bytes());
        }
        encoded.push((name, tensor.shape.to_vec(), bytes));
    }
    let refused = |e: SafeTensorError| WeightsError::Write { path: path.into(), source: std::io::Error::other(e) };
    let views = encoded
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, SafeTensorError>>()
        .map_err(refused)?;
    let notes = note.map(|(key, text)| HashMap::from([(key.to_owned(), text)]));
    let bytes = serialize(views, notes).map_err(refused)?;
    write(path, &bytes)
}

/// Writes a weights file, readable by the owner of the file alone; whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), WeightsError> {
    replace(path, bytes).map_err(|source| WeightsError::Write { path: path.into(), source })
}

/// Puts `bytes` at `path` by way of a file beside it.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn describe(error: &SafeTensorError, size: usize) -> String {
    match error {
        SafeTensorError::HeaderTooSmall => format!("it has only {size} bytes"),
        SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeaderLength => {
            "the length of its header is impossible, so it is cut off or of another format".into()
        }
        SafeTensorError::InvalidHeader(_) | SafeTensorError::InvalidHeaderDeserialization(_) => {
            "its header is not the JSON that the format asks for".into()
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            "its header describes more or less data than there is, so it is cut off or was appended to".into()
        }
        SafeTensorError::InvalidOffset(name) => format!("the data of `{}` are not where they can be", shown(&name)),
        other => format!("{other}"),
    }
}
