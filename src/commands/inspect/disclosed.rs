//! What an output gives away, in words.

use mpcc_program::reveals::{Disclosure, Weights};
use mpcc_program::shown::shown;

/// How many weights are named.
const NAMED: usize = 6;

/// Lines that stand below an output.
pub(super) fn text(output: &Disclosure) -> String {
    let entries = output.shape.iter().product::<usize>() as u64;
    let mut lines =
        vec![format!("an inference reveals {}, {}", counted(entries, "number"), counted(output.bits, "bit"))];
    let Disclosure { weights, weights_by_linear_steps: linear, .. } = output;
    if weights.paths.is_empty() {
        lines.push("no weight reaches it".to_owned());
        return indented(&lines);
    }
    lines.push(match linear.paths.len() {
        0 => "no weight reaches it by linear steps alone".to_owned(),
        n if n == weights.paths.len() => {
            format!("WARNING: all weights reach it by linear steps alone: {}", named(linear))
        }
        n => format!(
            "{n} of {}, with {} of {}, reach it by linear steps alone: {}",
            counted(weights.paths.len() as u64, "weight"),
            linear.entries,
            counted(weights.entries, "number"),
            named(linear)
        ),
    });
    if output.linear_in_inputs {
        lines.push(format!(
            "WARNING: every step from the input to it is linear: {} with chosen inputs give away all of it",
            counted(output.input_entries.saturating_add(1), "inference")
        ));
    }
    if let Some(inferences) = output.inferences_of_as_many_bits {
        lines.push(format!(
            "{} reveal as many bits as its weights have ({})",
            counted(inferences, "inference"),
            weights.bits
        ));
    }
    indented(&lines)
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("             {line}\n")).collect()
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn named(weights: &Weights) -> String {
    let mut names: Vec<String> = weights.paths.iter().take(NAMED).map(|path| shown(path).to_string()).collect();
    if weights.paths.len() > NAMED {
        names.push(format!("{} more", weights.paths.len() - NAMED));
    }
    names.join(", ")
}
