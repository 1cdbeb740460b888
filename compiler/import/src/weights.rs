//! Binding of the tensors of a file to the parameters of a graph, and generation of untrained weights.
//!
//! Every tensor of the file must be a parameter or be ignored by the source on purpose, and every parameter must be
//! there in its shape with finite entries. All that is wrong is reported at once.

mod decode;
mod generate;
mod report;
mod shown;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{Graph, Node, Op, Shape};
use mpcc_compiler::shown::shown;
use safetensors::tensor::{SafeTensorError, TensorView};
use safetensors::{Dtype, serialize};
use thiserror::Error;

use crate::file;
use crate::listing::Listing;
use crate::tensors::{Tensors, TensorsError, prefix_of};

pub(crate) use decode::matches;
pub use generate::generate;
pub use report::{BindingReport, Declared, Missing, NotFinite, Unexpected, Unsupported, WrongShape};
pub(crate) use shown::pattern;

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
    /// The tensors cannot be read.
    #[error(transparent)]
    Tensors(#[from] TensorsError),
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

/// Reads the tensors at `path` (F32, F16, BF16 or F64), a file or directory as [`Tensors::open`] takes it, and binds them to the
/// parameters of `graph`. A prefix that all names have and the parameters lack is left out.
///
/// # Errors
/// If a file is not whole, or any tensor is missing, extra and not ignored, of another shape, of another number
/// format, or holds a value that is not finite: then [`WeightsError::Binding`] lists every such tensor.
pub fn load(path: &Path, graph: &Graph) -> Result<Bound, WeightsError> {
    let mut tensors = Tensors::open(path)?;
    let mut report = bind(graph, tensors.listing());
    let mut values = BTreeMap::new();
    let unfit: BTreeSet<&str> = report.wrong_shape.iter().map(|w| w.name.as_str()).collect();
    for name in report.bound.iter().filter(|name| !unfit.contains(name.as_str())) {
        let Some(data) = tensors.values(&format!("{}{name}", report.prefix))? else { continue };
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
/// are not looked at. Of the prefixes that all names share, the one without which most parameters are found is left out.
pub fn bind(graph: &Graph, listing: &Listing) -> BindingReport {
    let mut declared: BTreeMap<&str, &Shape> = BTreeMap::new();
    for param in &graph.params {
        declared.entry(param.name.as_str()).or_insert(&param.file_shape);
    }
    let prefix = prefix_of(listing, declared.keys().copied());
    let declared_at = places(graph);
    let mut report = BindingReport::default();
    for (name, shape) in &declared {
        let param = declared_at.get(*name).cloned().unwrap_or_default();
        let Some(listed) = listing.get(&format!("{prefix}{name}")) else {
            report.missing.push(Missing { name: (*name).into(), expected: shape.to_vec(), param });
            continue;
        };
        report.bound.push((*name).into());
        if listed.shape != shape.as_slice() {
            let (expected, found) = (shape.to_vec(), listed.shape.clone());
            report.wrong_shape.push(WrongShape { name: (*name).into(), expected, found, param });
        } else if !decode::reads(listed.dtype) {
            let dtype = format!("{:?}", listed.dtype);
            report.unsupported.push(Unsupported { name: (*name).into(), dtype });
        }
    }
    for (name, listed) in listing {
        let name = name.strip_prefix(&prefix).unwrap_or(name);
        if declared.contains_key(name) {
            continue;
        }
        if graph.ignore.iter().any(|pattern| decode::matches(pattern, name)) {
            report.ignored.push(name.to_owned());
        } else {
            report.unexpected.push(Unexpected { name: name.to_owned(), found: listed.shape.clone() });
        }
    }
    report.prefix = prefix;
    report
}

/// The `param` that declares each tensor.
fn places(graph: &Graph) -> BTreeMap<&str, Declared> {
    let of = |node: &Node| {
        let Op::Param(id) = node.op else { return None };
        let name = node.path.rsplit('/').next().unwrap_or_default().to_owned();
        let line = node.span.map(|span| span.start);
        Some((graph.params.get(id.0 as usize)?.name.as_str(), Declared { name, start: line, line: None }))
    };
    graph.nodes.iter().filter_map(of).collect()
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
    file::replace(path, &bytes).map_err(|source| WeightsError::Write { path: path.into(), source })
}
