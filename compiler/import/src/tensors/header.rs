//! Headers of safetensors files, and the index of a set of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use mpcc_compiler::shown::shown;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::Deserialize;

use super::{Listed, TensorsError};
use crate::FileError;

/// The longest header that is read, in bytes; that of the safetensors library.
const HEADER_LIMIT: u64 = 100_000_000;
/// The longest index that is read, in bytes.
const INDEX_LIMIT: u64 = 16 << 20;

/// Where a tensor begins in a file, and how many bytes it has.
pub(super) type Range = (u64, usize);

/// The tensors of a safetensors file with their places; the numbers are not read.
pub(super) fn read(path: &Path) -> Result<Vec<(String, Listed, Range)>, TensorsError> {
    let io = |source| FileError::Io { path: path.into(), source };
    let format = |reason: &str| TensorsError::Format { path: path.into(), reason: reason.to_owned() };
    let mut file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let mut length = [0; 8];
    if size < 8 {
        return Err(format(&format!("it has only {size} bytes")));
    }
    file.read_exact(&mut length).map_err(io)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_LIMIT || length > size - 8 {
        return Err(format("the length of its header is impossible, so it is cut off or of another format"));
    }
    let mut header = vec![0; usize::try_from(length).map_err(|_| format("its header is too long"))?];
    file.read_exact(&mut header).map_err(io)?;
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|e| format(&format!("its header is not the format's: {e}")))?;
    if header.data_len() as u64 != size - 8 - length {
        return Err(format(
            "its header describes more or less data than there is, so it is cut off or was appended to",
        ));
    }
    let of = |(name, info): (String, &TensorInfo)| {
        let (start, end) = info.data_offsets;
        let place = (8 + length + start as u64, end - start);
        (name, Listed { shape: info.shape.clone(), dtype: info.dtype }, place)
    };
    Ok(header.tensors().into_iter().map(of).collect())
}

/// `model.safetensors.index.json`, `pytorch_model.bin.index.json`
#[derive(Deserialize)]
struct Index {
    /// File by tensor.
    weight_map: BTreeMap<String, String>,
}

/// The tensors and the files that an index names, which lie beside it.
pub(super) fn index(path: &Path) -> Result<(Vec<String>, Vec<String>), TensorsError> {
    let parts = |reason: String| TensorsError::Parts { path: path.to_owned(), reason };
    let text = crate::file::read(path, INDEX_LIMIT)?;
    let index: Index = serde_json::from_slice(&text).map_err(|e| parts(format!("the index is no JSON of one: {e}")))?;
    let (names, mut files): (Vec<String>, Vec<String>) = index.weight_map.into_iter().unzip();
    files.sort();
    files.dedup();
    let strange = |file: &&String| Path::new(file).components().count() != 1 || file.starts_with('.');
    match files.iter().find(strange) {
        Some(file) => Err(parts(format!("`{}` is no name of a file beside the index", shown(file)))),
        None => Ok((names, files)),
    }
}
