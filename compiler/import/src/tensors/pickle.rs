//! The part of Python's pickle format that PyTorch writes for tensors in dictionaries, read without executing anything.
//!
//! A pickle is a program for a stack machine that may call any function. This machine knows no function: a global is
//! one of a closed list of names, each with its own effect here, and every other name or opcode is refused. Values
//! live in one arena and refer to each other by index, so nothing recurses, and each opcode adds at most one value of bounded size.

mod machine;
#[cfg(test)]
mod tests;

use mpcc_compiler::shown::shown;
use safetensors::Dtype;
use thiserror::Error;

pub(super) use machine::read;

/// Why a pickle was refused. Nothing of it was executed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PickleError {
    /// It names a class or function outside the list.
    #[error(
        "it refers to `{}.{}`, which is not among the few names of plain tensors in dictionaries, and mpcc executes nothing \
         of it",
        shown(.module), shown(.name)
    )]
    Global {
        /// Python module.
        module: String,
        /// Name in it.
        name: String,
    },
    /// An opcode outside the list.
    #[error("it holds the pickle opcode {opcode:#04x} at byte {at}, which plain tensors in dictionaries do not need")]
    Opcode {
        /// The opcode.
        opcode: u8,
        /// Its offset.
        at: usize,
    },
    /// It ends too early.
    #[error("its pickle is cut off")]
    Truncated,
    /// Its opcodes do not fit together.
    #[error("its pickle is damaged: {0}")]
    Malformed(&'static str),
}

/// Index of a value in its arena.
pub(super) type Id = usize;

/// The names that a pickle may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `argparse.Namespace`, the options of a training script.
    Namespace,
    /// `torch._utils._rebuild_tensor_v2`
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`
    RebuildParameter,
    /// `torch.FloatStorage` and the like.
    Storage(Dtype),
}

const GLOBALS: [(&str, &str, Global); 14] = [
    ("collections", "OrderedDict", Global::OrderedDict),
    ("argparse", "Namespace", Global::Namespace),
    ("torch._utils", "_rebuild_tensor_v2", Global::RebuildTensor),
    ("torch._utils", "_rebuild_parameter", Global::RebuildParameter),
    ("torch", "DoubleStorage", Global::Storage(Dtype::F64)),
    ("torch", "FloatStorage", Global::Storage(Dtype::F32)),
    ("torch", "HalfStorage", Global::Storage(Dtype::F16)),
    ("torch", "BFloat16Storage", Global::Storage(Dtype::BF16)),
    ("torch", "LongStorage", Global::Storage(Dtype::I64)),
    ("torch", "IntStorage", Global::Storage(Dtype::I32)),
    ("torch", "ShortStorage", Global::Storage(Dtype::I16)),
    ("torch", "CharStorage", Global::Storage(Dtype::I8)),
    ("torch", "ByteStorage", Global::Storage(Dtype::U8)),
    ("torch", "BoolStorage", Global::Storage(Dtype::BOOL)),
];

/// A run of entries in a file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    /// Number format of the entries.
    pub(super) dtype: Dtype,
    /// Name of the file.
    pub(super) key: String,
    /// Number of entries.
    pub(super) entries: usize,
}

/// A strided view of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Where the entries are.
    pub(super) storage: Storage,
    /// First entry.
    pub(super) offset: usize,
    /// Extents.
    pub(super) shape: Vec<usize>,
    /// Entries between neighbours along each axis.
    pub(super) strides: Vec<usize>,
}

/// Axes that a tensor may have. With [`LONGEST_KEY`] it bounds what one opcode can store.
const MOST_AXES: usize = 8;
/// Bytes in the name of a storage's file; PyTorch numbers them.
const LONGEST_KEY: usize = 64;

/// What a pickle holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A tuple or a list.
    List(Vec<Id>),
    /// Pairs of key and value.
    Dict(Vec<(Id, Id)>),
    /// A namespace, whose attributes are the dictionary.
    Object(Option<Id>),
    Storage(Storage),
    Tensor(View),
    Global(Global),
}

/// All values of a pickle, and the one that it stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// The value that the pickle stands for.
    pub(super) fn root(&self) -> &Value {
        &self.values[self.root]
    }

    /// A value by its index.
    pub(super) fn value(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// The entry of a dictionary, or the attribute of a namespace, under a text.
    pub(super) fn get(&self, of: &Value, key: &str) -> Option<&Value> {
        let entries = match of {
            Value::Dict(entries) => entries,
            Value::Object(Some(attributes)) => match self.value(*attributes) {
                Value::Dict(entries) => entries,
                _ => return None,
            },
            _ => return None,
        };
        let matching = |(k, _): &&(Id, Id)| matches!(self.value(*k), Value::Text(text) if text == key);
        entries.iter().find(matching).map(|(_, value)| self.value(*value))
    }
}
