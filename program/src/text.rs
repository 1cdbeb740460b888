//! Readable, deterministic text of share programs and of role code, for goldens and for `--emit`.
//!
//! A share program is printed by hop: everything that is known after hop n stands under `level n`, one value a line.
//! Role code is printed in execution order, one instruction a line; the operations of a map follow it, indented.

mod code;
mod gates;

use std::fmt::{Display, Write};

use crate::code::RoleCode;
use crate::program::{Kind, Program, Value, WeightRounding};

/// Text of a share program: sizes, weights (`$n`), inputs, outputs, then its values (`%n`) by level.
pub fn program(program: &Program) -> String {
    let mut out = String::new();
    line(
        &mut out,
        0,
        format_args!("program {:?}: {} values, {} hops", program.name, program.values.len(), program.hops),
    );
    if !program.weights.is_empty() {
        line(&mut out, 0, "weights");
    }
    for (index, weight) in program.weights.iter().enumerate() {
        let transposed = if weight.transposed { " transposed" } else { "" };
        let rounding = match weight.rounding {
            WeightRounding::Nearest => "nearest",
            WeightRounding::ZeroColumnSums => "zero-column-sums",
        };
        line(
            &mut out,
            1,
            format_args!(
                "${index} [{}] frac {} bound {} = node {}{transposed} {rounding}{}",
                list(&weight.shape),
                weight.fraction,
                weight.bound,
                weight.node,
                comment(&weight.path)
            ),
        );
    }
    if !program.inputs.is_empty() {
        line(&mut out, 0, "inputs");
    }
    for (index, input) in program.inputs.iter().enumerate() {
        line(
            &mut out,
            1,
            format_args!(
                "{index} [{}] frac {} bound {} = node {}{}",
                list(&input.shape),
                input.fraction,
                input.bound,
                input.node,
                comment(&input.path)
            ),
        );
    }
    if !program.outputs.is_empty() {
        line(&mut out, 0, "outputs");
    }
    for (index, output) in program.outputs.iter().enumerate() {
        let labels = if output.labels.is_empty() { String::new() } else { format!(" labels {:?}", output.labels) };
        line(
            &mut out,
            1,
            format_args!("{index} {:?} [{}] frac {}{labels}", output.name, list(&output.shape), output.fraction),
        );
    }
    let mut order: Vec<usize> = (0..program.values.len()).collect();
    order.sort_by_key(|&index| program.values[index].level);
    let mut level = None;
    for index in order {
        let value = &program.values[index];
        if level != Some(value.level) {
            level = Some(value.level);
            line(&mut out, 0, format_args!("level {}", value.level));
        }
        line(&mut out, 1, value_line(index, value));
    }
    out
}

/// Text of one role's code: every stage's instructions, written buffers with their lengths in words, and the exchanges.
pub fn role_code(code: &RoleCode) -> String {
    code::role_code(code)
}

fn value_line(index: usize, value: &Value) -> String {
    let kind = match value.kind {
        Kind::Share => "share",
        Kind::Wire => "wire",
        Kind::Bits => "bits",
    };
    format!(
        "%{index} {kind}[{}] ring {} frac {} bound {} level {} = {}{}",
        list(&value.shape),
        value.ring,
        value.fraction,
        value.bound,
        value.level,
        gates::gate(&value.gate),
        comment(&value.path)
    )
}

fn line(out: &mut String, indent: usize, text: impl Display) {
    writeln!(out, "{:width$}{text}", "", width = 2 * indent).expect("writing to a String cannot fail");
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

fn comment(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("  // {}", path.escape_debug()) }
}

/// A list of positions with runs of at least three consecutive ones as `first..end`.
fn positions(index: &[usize]) -> String {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < index.len() {
        let mut end = at + 1;
        while end < index.len() && index[end] == index[end - 1] + 1 {
            end += 1;
        }
        if end - at >= 3 {
            parts.push(format!("{}..{}", index[at], index[end - 1] + 1));
        } else {
            parts.extend(index[at..end].iter().map(usize::to_string));
        }
        at = end;
    }
    parts.join(",")
}

#[cfg(test)]
mod tests;
