//! Directories in the layout of Hugging Face: `config.json` beside the tensors.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::ImportError;
use crate::file;
use crate::tensors::Tensors;

/// The longest configuration that is read, in bytes: one with the names of 20,000 classes is far below.
const LIMIT: u64 = 16 << 20;

/// Where tensors may be, the first that is there.
const WEIGHTS: [&str; 3] = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];

/// A JSON file of a directory.
#[derive(Clone, Debug)]
pub(super) struct Config {
    path: PathBuf,
    fields: Map<String, Value>,
}

impl Config {
    /// Reads a file of a directory.
    pub(super) fn read(directory: &Path, name: &str) -> Result<Self, ImportError> {
        let path = directory.join(name);
        let bytes = file::read(&path, LIMIT).map_err(|e| ImportError::Tensors(e.into()))?;
        match serde_json::from_slice(&bytes) {
            Ok(fields) => Ok(Self { path, fields }),
            Err(error) => Err(ImportError::Unsupported { path, reason: format!("it is no JSON object: {error}") }),
        }
    }

    /// The same for a file that may be missing.
    pub(super) fn read_if_there(directory: &Path, name: &str) -> Result<Option<Self>, ImportError> {
        if directory.join(name).exists() { Self::read(directory, name).map(Some) } else { Ok(None) }
    }

    /// Something that the file asks for and no template does.
    pub(super) fn unsupported(&self, reason: impl Into<String>) -> ImportError {
        ImportError::Unsupported { path: self.path.clone(), reason: reason.into() }
    }

    /// A field; nothing if it is missing or null.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.fields.get(key).filter(|v| !v.is_null())
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

    /// A positive number.
    pub(super) fn real(&self, key: &str) -> Result<f64, ImportError> {
        self.needed(key, "a positive number", |v| v.as_f64().filter(|x| *x > 0.0))
    }

    /// One positive whole number for both axes, or a pair.
    pub(super) fn pair(&self, key: &str) -> Result<(usize, usize), ImportError> {
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

    /// The file must be of this family.
    pub(super) fn expect_family(&self, family: &str) -> Result<(), ImportError> {
        match self.text("model_type") {
            Some(found) if found != family => Err(self
                .unsupported(format!("this is a network of the type `{found}`, and the template is for `{family}`"))),
            _ => Ok(()),
        }
    }

    /// What changes the network and is in no template must not be set.
    pub(super) fn refuse(&self, fields: &[(&str, &str)]) -> Result<(), ImportError> {
        let set = |v: &Value| match v {
            Value::Bool(on) => *on,
            Value::Object(map) => !map.is_empty(),
            _ => true,
        };
        match fields.iter().find(|(key, _)| self.get(key).is_some_and(set)) {
            Some((key, what)) => Err(self.unsupported(format!("`{key}` is set, and {what}"))),
            None => Ok(()),
        }
    }

    /// The language's name of the activation, and a remark if it is not quite the same function.
    pub(super) fn activation(&self) -> Result<(&'static str, Option<String>), ImportError> {
        match self.text("hidden_act") {
            Some("gelu") => Ok(("gelu", None)),
            Some("relu") => Ok(("relu", None)),
            Some(name @ ("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast")) => Ok((
                "gelu",
                Some(format!(
                    "warning: the network was trained with `{name}`, GeLU by way of tanh; the model has GeLU itself, which \
                     differs by up to 0.0005 an entry"
                )),
            )),
            Some(other) => Err(self.unsupported(format!(
                "`hidden_act` is `{other}`, and the activations that can be imported are gelu, gelu_new, gelu_fast, \
                 gelu_pytorch_tanh and relu"
            ))),
            None => Err(self.unsupported("`hidden_act` is missing")),
        }
    }

    /// The names of `count` classes, in order; nothing if the file has none.
    pub(super) fn labels(&self, count: usize) -> Result<Option<Vec<String>>, ImportError> {
        let Some(named) = self.get("id2label") else { return Ok(None) };
        let Some(named) = named.as_object().filter(|named| named.len() == count) else {
            return Err(self.unsupported(format!("`id2label` does not name the {count} classes of the classifier")));
        };
        let label = |i: usize| named.get(&i.to_string()).and_then(Value::as_str).map(str::to_owned);
        let labels = (0..count).map(label).collect::<Option<Vec<String>>>();
        let labels =
            labels.ok_or_else(|| self.unsupported(format!("`id2label` has no name for each of 0 to {}", count - 1)));
        labels.map(Some)
    }
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0)
}

/// Opens the tensors of a directory.
pub(super) fn tensors(directory: &Path) -> Result<Tensors, ImportError> {
    let there = WEIGHTS.iter().map(|name| directory.join(name)).find(|path| path.exists());
    let path = there.ok_or_else(|| ImportError::Unsupported {
        path: directory.to_owned(),
        reason: format!("it holds no tensors: none of {} is there", WEIGHTS.join(", ")),
    })?;
    Ok(Tensors::open(&path)?)
}

/// Labels as the language writes them after an output; the flag says whether any was changed to be written.
pub(super) fn labels_text(labels: &[String]) -> (String, bool) {
    let plain = |c: char| {
        if c == '"' {
            '\''
        } else if c.is_control() {
            ' '
        } else {
            c
        }
    };
    let written: Vec<String> = labels.iter().map(|label| label.chars().map(plain).collect()).collect();
    let list: Vec<String> = written.iter().map(|label| format!("\"{label}\"")).collect();
    (format!(" labels [{}]", list.join(", ")), written != labels)
}
