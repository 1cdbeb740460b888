//! The tensors of a file without their numbers.

use std::collections::BTreeMap;

use safetensors::Dtype;

/// A tensor in a file, without its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Extents.
    pub shape: Vec<usize>,
    /// Number format.
    pub(crate) dtype: Dtype,
}

impl Listed {
    /// Name of the number format, as `F32`.
    pub fn format(&self) -> String {
        format!("{:?}", self.dtype)
    }
}

/// The tensors of a file by name.
pub type Listing = BTreeMap<String, Listed>;
