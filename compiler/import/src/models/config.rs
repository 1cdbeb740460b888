//! Directories in the layout of Hugging Face: `config.json` beside the tensors.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mpcc_compiler::shown::shown;
use serde_json::{Map, Value};

use super::ImportError;
use crate::file;

/// The longest configuration that is read, in bytes: one with the names of 20,000 classes is far below.
const LIMIT: u64 = 16 << 20;

/// What a configuration may say without changing what the network computes: how it is trained, saved and called.
const HARMLESS: [&str; 38] = [
    "_attn_implementation_autoset",
    "_commit_hash",
    "_name_or_path",
    "_num_labels",
    "architectures",
    "auto_map",
    "bos_token_id",
    "classifier_dropout",
    "directionality",
    "dtype",
    "embedding_size",
    "encoder_stride",
    "eos_token_id",
    "finetuning_task",
    "gradient_checkpointing",
    "id2label",
    "problem_type",
    "label2id",
    "language",
    "layerscale_value",
    "max_length",
    "mask_ratio",
    "model_type",
    "name",
    "norm_pix_loss",
    "num_labels",
    "num_layers",
    "pad_token_id",
    "processor_class",
    "return_dict",
    "sep_token_id",
    "cls_token_id",
    "tie_word_embeddings",
    "tie_weights_",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "use_cache",
];
/// The same of whole groups of keys, by what they begin or end with.
const HARMLESS_STARTS: [&str; 9] = [
    "initializer_",
    "layer_scale_init",
    "output_",
    "pooler_",
    "auxiliary_",
    "decoder_",
    "semantic_",
    "summary_",
    "out_",
];
const HARMLESS_ENDS: [&str; 4] = ["dropout", "dropout_prob", "dropout_rate", "drop_path_rate"];

/// A JSON file of a directory. It remembers which fields were asked for.
#[derive(Clone, Debug)]
pub(super) struct Config {
    path: PathBuf,
    fields: Map<String, Value>,
    asked: RefCell<BTreeSet<String>>,
}

impl Config {
    /// Reads a file of a directory.
    pub(super) fn read(directory: &Path, name: &str) -> Result<Self, ImportError> {
        let path = directory.join(name);
        let bytes = file::read(&path, LIMIT).map_err(|e| ImportError::Tensors(e.into()))?;
        match serde_json::from_slice(&bytes) {
            Ok(fields) => Ok(Self { path, fields, asked: RefCell::default() }),
            Err(error) => Err(ImportError::Unsupported { path, reason: format!("it is no JSON object: {error}") }),
        }
    }

    /// The same for a file that may be missing.
    pub(super) fn read_if_there(directory: &Path, name: &str) -> Result<Option<Self>, ImportError> {
        if directory.join(name).exists() { Self::read(directory, name).map(Some) } else { Ok(None) }
    }

    /// A file that holds a list of objects.
    pub(super) fn list(directory: &Path, name: &str) -> Result<Vec<Value>, ImportError> {
        let path = directory.join(name);
        let bytes = file::read(&path, LIMIT).map_err(|e| ImportError::Tensors(e.into()))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ImportError::Unsupported { path, reason: format!("it is no JSON list: {error}") })
    }

    /// The network must be of one of these types, if the file says its type.
    pub(super) fn expect(&self, types: &[&str]) -> Result<(), ImportError> {
        match self.text("model_type") {
            Some(found) if !types.contains(&found) => Err(self.unsupported(format!(
                "this is a network of the type `{found}`, and the template is for `{}`; without --template the type is found",
                types.join("`, `")
            ))),
            _ => Ok(()),
        }
    }

    /// Fields that need not be asked for.
    pub(super) fn skip(&self, keys: &[&str]) {
        self.asked.borrow_mut().extend(keys.iter().map(|key| (*key).to_owned()));
    }

    /// Something that the file asks for and no template does.
    pub(super) fn unsupported(&self, reason: impl Into<String>) -> ImportError {
        ImportError::Unsupported { path: self.path.clone(), reason: reason.into() }
    }

    /// A field; nothing if it is missing or null.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.fields.get(key).filter(|v| !v.is_null())
    }

    /// The first of several fields that is there: families name the same thing differently.
    pub(super) fn first<'k>(&self, keys: &[&'k str]) -> &'k str {
        let there = keys.iter().find(|key| self.get(key).is_some());
        there.or(keys.first()).copied().unwrap_or_default()
    }

    /// A note about fields that nobody asked for and that may mean something; nothing if there are none.
    pub(super) fn unknown(&self, harmless: &[&str]) -> Option<String> {
        let asked = self.asked.borrow();
        let matters = |key: &&String| {
            !asked.contains(*key)
                && !HARMLESS.contains(&key.as_str())
                && !harmless.contains(&key.as_str())
                && !HARMLESS_STARTS.iter().any(|start| key.starts_with(start))
                && !HARMLESS_ENDS.iter().any(|end| key.ends_with(end))
                && !matches!(self.fields.get(*key), None | Some(Value::Null | Value::Bool(false)))
        };
        let unknown: Vec<String> = self.fields.keys().filter(matters).map(|key| format!("`{}`", shown(key))).collect();
        let file = self.path.file_name().unwrap_or_default();
        (!unknown.is_empty()).then(|| {
            format!(
                "{} also says {}, which the model file does not follow: check whether it matters",
                shown(file),
                unknown.join(", ")
            )
        })
    }

    fn needed<T>(&self, key: &str, what: &str, read: impl Fn(&Value) -> Option<T>) -> Result<T, ImportError> {
        match self.get(key) {
            None => Err(self.unsupported(format!("`{key}` is missing, {what}"))),
            Some(value) => {
                read(value).ok_or_else(|| self.unsupported(format!("`{key}` is {value}, which is not {what}")))
            }
        }
    }

    /// A positive whole number.
    pub(super) fn whole(&self, key: &str) -> Result<usize, ImportError> {
        self.needed(key, "a positive whole number", whole)
    }

    /// A whole number, or a default that the family's own code has.
    pub(super) fn whole_or(&self, key: &str, default: usize) -> Result<usize, ImportError> {
        let read = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok());
        if self.get(key).is_some() { self.needed(key, "a whole number", read) } else { Ok(default) }
    }

    /// A positive number, or a default that the family's own code has.
    pub(super) fn real_or(&self, key: &str, default: f64) -> Result<f64, ImportError> {
        let read = |v: &Value| v.as_f64().filter(|x| *x > 0.0);
        if self.get(key).is_some() { self.needed(key, "a positive number", read) } else { Ok(default) }
    }

    /// One positive whole number for both axes, or a pair; or a default that the family's own code has.
    pub(super) fn pair_or(&self, key: &str, default: (usize, usize)) -> Result<(usize, usize), ImportError> {
        if self.get(key).is_none() {
            return Ok(default);
        }
        self.needed(key, "a positive whole number or two", |v| match v.as_array().map(Vec::as_slice) {
            Some([height, width]) => whole(height).zip(whole(width)),
            Some(_) => None,
            None => whole(v).map(|n| (n, n)),
        })
    }

    /// A list of numbers, one for each of `count`.
    pub(super) fn numbers(&self, key: &str, count: usize) -> Result<Vec<f64>, ImportError> {
        self.needed(key, &format!("a list of {count} numbers"), |v| {
            let list = v.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>()?;
            (list.len() == count).then_some(list)
        })
    }

    /// Whether a flag is set; `default` if the file does not say.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, ImportError> {
        if self.get(key).is_some() { self.needed(key, "true or false", Value::as_bool) } else { Ok(default) }
    }

    /// A text; nothing if it is missing or something else.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// The class that the network was saved by; nothing if the file does not say.
    pub(super) fn architecture(&self) -> Option<&str> {
        self.get("architectures")?.as_array()?.first()?.as_str()
    }

    /// What changes the network and is in no template must not be set.
    pub(super) fn refuse_set(&self, fields: &[(&str, &str)]) -> Result<(), ImportError> {
        let set = |v: &Value| match v {
            Value::Bool(on) => *on,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::Object(map) => !map.is_empty(),
            Value::Array(list) => !list.is_empty(),
            _ => true,
        };
        match fields.iter().find(|(key, _)| self.get(key).is_some_and(set)) {
            Some((key, what)) => Err(self.unsupported(format!("`{key}` is set, and {what}"))),
            None => Ok(()),
        }
    }
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0)
}
