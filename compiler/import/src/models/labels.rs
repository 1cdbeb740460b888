//! Names of classes, as a configuration has them and as the language writes them.

use serde_json::Value;

use super::config::Config;

/// What the classifier's entries mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The largest is the class.
    One,
    /// Each class holds or not by itself.
    Several,
    /// They are numbers.
    Numbers,
}

/// `problem_type`, or what follows from the number of outputs where it is not said.
pub(super) fn meaning(config: &Config, count: usize) -> Meaning {
    match (config.text("problem_type"), count) {
        (Some("regression"), _) | (None, 1) => Meaning::Numbers,
        (Some("multi_label_classification"), _) => Meaning::Several,
        _ => Meaning::One,
    }
}

/// The names of `count` classes as the language writes them after an output, empty if there are none; with a note about what
/// cannot be used.
pub(super) fn text(config: &Config, count: usize, meaning: Meaning) -> (String, Option<String>) {
    if meaning == Meaning::Numbers {
        config.get("id2label");
        return (String::new(), None);
    }
    let Some(named) = config.get("id2label") else { return (String::new(), None) };
    let name = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(on.to_string()),
        _ => None,
    };
    let labels: Option<Vec<String>> = match named {
        Value::Object(named) if named.len() == count => {
            (0..count).map(|i| named.get(&i.to_string()).and_then(name)).collect()
        }
        Value::Array(named) if named.len() == count => named.iter().map(name).collect(),
        _ => None,
    };
    let Some(labels) = labels.filter(|labels| labels.iter().all(|label| !label.trim().is_empty())) else {
        let note = format!("`id2label` does not name the {count} classes of the classifier: the output has no labels");
        return (String::new(), Some(note));
    };
    let (text, changed) = written(&labels, meaning == Meaning::Several);
    let note = changed.then(|| "names of classes are written without quotation marks and line ends".to_owned());
    (text, note)
}

/// Labels behind an output; the flag says whether any was changed to be written.
fn written(labels: &[String], several: bool) -> (String, bool) {
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
    let any = if several { "any " } else { "" };
    (format!(" labels {any}[{}]", list.join(", ")), written != labels)
}
