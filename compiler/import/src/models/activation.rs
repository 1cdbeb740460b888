//! Activations by the names that Hugging Face's configurations give them.

use super::ImportError;
use super::config::Config;

/// An activation of the language, or one that the model file defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Activation {
    /// Its name in the model file.
    pub(super) name: &'static str,
    /// Its definition, where the language has none.
    pub(super) definition: &'static str,
    /// Whether the network was trained with GeLU by way of tanh.
    approximate: bool,
}

const QUICK_GELU: &str = "/// GeLU by way of the logistic function.\n\
     fn quick_gelu<M>(x: Tensor<M>) -> Tensor<M> {\n  return silu(1.702 * x) * (1 / 1.702);\n}\n";
const GELU_10: &str = "/// GeLU up to 10.\nfn gelu_10<M>(x: Tensor<M>) -> Tensor<M> {\n  return min(gelu(x), 10);\n}\n";

/// All names that are known.
const NAMES: &str = "gelu, gelu_python, gelu_new, gelu_fast, gelu_accurate, gelu_pytorch_tanh, gelu_10, quick_gelu, relu, \
                     relu6, silu, swish, sigmoid, tanh and linear";

/// What an activation of this name is; nothing if it is not known.
pub(super) fn named(name: &str) -> Option<Activation> {
    let plain = |name| Activation { name, definition: "", approximate: false };
    Some(match name {
        "gelu" | "gelu_python" => plain("gelu"),
        "gelu_new" | "gelu_fast" | "gelu_accurate" | "gelu_pytorch_tanh" | "gelu_python_tanh" => {
            Activation { approximate: true, ..plain("gelu") }
        }
        "gelu_10" => Activation { definition: GELU_10, ..plain("gelu_10") },
        "quick_gelu" => Activation { definition: QUICK_GELU, ..plain("quick_gelu") },
        "relu" => plain("relu"),
        "relu6" => plain("relu6"),
        "silu" | "swish" => plain("silu"),
        "sigmoid" => plain("sigmoid"),
        "tanh" => plain("tanh"),
        "linear" => plain("identity"),
        _ => return None,
    })
}

/// The activation that a field names, or the family's own, and a note if it is not quite the same function.
pub(super) fn of(config: &Config, key: &str, default: &str) -> Result<(Activation, Option<String>), ImportError> {
    if let Some(value) = config.get(key).filter(|value| !value.is_string()) {
        return Err(config.unsupported(format!("`{key}` is {value}, which is no name of an activation")));
    }
    let name = config.text(key).unwrap_or(default);
    let Some(activation) = named(name) else {
        return Err(config.unsupported(format!(
            "`{key}` is `{name}`, and the activations that can be imported are {NAMES}: import with one of these in its \
             place, and define your own in the model file"
        )));
    };
    let note = activation.approximate.then(|| {
        format!(
            "warning: the network was trained with `{name}`, GeLU by way of tanh; the model has GeLU itself, which differs by \
             up to 0.0005 an entry"
        )
    });
    Ok((activation, note))
}
