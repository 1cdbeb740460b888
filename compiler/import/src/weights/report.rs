//! What became of each tensor of a weights file and of each parameter of a model.

use serde::{Deserialize, Serialize};

/// The `param` that declares a tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Its name in the model file; empty if that is not known.
    pub name: String,
    /// Where it stands in the text, in bytes.
    #[serde(skip)]
    pub start: Option<usize>,
    /// Its line, from 1, once [`BindingReport::number_lines`] has seen the text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<usize>,
}

/// A parameter the file does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Tensor name.
    pub name: String,
    /// Shape the model declares.
    pub expected: Vec<usize>,
    /// Where the model declares it.
    #[serde(default)]
    pub param: Declared,
}

/// A tensor that is no parameter and is not ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexpected {
    /// Tensor name.
    pub name: String,
    /// Shape in the file.
    pub found: Vec<usize>,
}

/// A parameter that has another shape in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongShape {
    /// Tensor name.
    pub name: String,
    /// Shape the model declares, before load-time reshapes.
    pub expected: Vec<usize>,
    /// Shape in the file.
    pub found: Vec<usize>,
    /// Where the model declares it.
    #[serde(default)]
    pub param: Declared,
}

/// A parameter with entries that are NaN or infinite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotFinite {
    /// Tensor name.
    pub name: String,
    /// How many entries.
    pub count: usize,
}

/// A parameter in a number format that is not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsupported {
    /// Tensor name.
    pub name: String,
    /// Number format in the file.
    pub dtype: String,
}

/// How the tensors of a weights file meet the parameters of a model. Names only, no values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingReport {
    /// What all names in the file begin with and is left out; empty if nothing is.
    #[serde(default)]
    pub prefix: String,
    /// Parameters found, by name.
    pub bound: Vec<String>,
    /// Tensors left out because the source says so.
    pub ignored: Vec<String>,
    /// Parameters that the file does not hold.
    pub missing: Vec<Missing>,
    /// Tensors that the model does not know.
    pub unexpected: Vec<Unexpected>,
    /// Parameters of another shape.
    pub wrong_shape: Vec<WrongShape>,
    /// Parameters with entries that are not numbers.
    pub not_finite: Vec<NotFinite>,
    /// Parameters in a number format that is not read.
    pub unsupported: Vec<Unsupported>,
}

impl BindingReport {
    /// Whether nothing is wrong.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.wrong_shape.is_empty()
            && self.not_finite.is_empty()
            && self.unsupported.is_empty()
    }

    /// Finds the lines of the `param`s in the model file's text.
    pub fn number_lines(&mut self, text: &str) {
        let declared =
            self.missing.iter_mut().map(|m| &mut m.param).chain(self.wrong_shape.iter_mut().map(|w| &mut w.param));
        for param in declared {
            let before = param.start.and_then(|start| text.get(..start));
            param.line = before.map(|before| before.matches('\n').count() + 1);
        }
    }
}
