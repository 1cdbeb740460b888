//! Text of one gate of a share program.

use super::{list, positions};
use crate::code::{RowFunction, RowTable};
use crate::program::{Gate, Term, ValueId, View};

pub(super) fn gate(gate: &Gate) -> String {
    match gate {
        Gate::Input { input } => format!("input {input}"),
        Gate::ServerShare { weight } => format!("server ${}", weight.0),
        Gate::ClientShare { input } => format!("client {input}"),
        Gate::Open { source, truncate } => format!("open {} truncate {truncate}", id(*source)),
        Gate::View { source, view: v } => format!("{} {}", view(v), id(*source)),
        Gate::Rescale { source, shift } => format!("rescale {} by {shift}", id(*source)),
        Gate::Centre { source, truncate } => format!("centre {} truncate {truncate}", id(*source)),
        Gate::Reduce { source, truncate } => format!("reduce {} truncate {truncate}", id(*source)),
        Gate::Add { terms } => format!("add {}", join(terms, term)),
        Gate::Sub { left, right } => format!("sub {}, {}", term(left), term(right)),
        Gate::Concat { parts, axis } => format!("concat axis {axis} {}", join(parts, term)),
        Gate::Residue { source } => format!("residue {}", id(*source)),
        Gate::SumRow { source } => format!("sum-row {}", id(*source)),
        Gate::MulPublic { source, factor } => format!("mul-public {} by {factor}", id(*source)),
        Gate::AddPublic { source, term } => format!("add-public {} plus {term}", id(*source)),
        Gate::AddServer { source, weight } => format!("add-server {}, ${}", id(*source), weight.0),
        Gate::MatMulServer { source, weight } => {
            format!("matmul-server {}, ${}", id(*source), weight.0)
        }
        Gate::MulServer { source, weight } => format!("mul-server {}, ${}", id(*source), weight.0),
        Gate::MatMul { left, right } => format!("matmul {}, {}", id(*left), id(*right)),
        Gate::Hadamard { left, right } => format!("hadamard {}, {}", id(*left), id(*right)),
        Gate::Extend { source } => format!("extend {}", id(*source)),
        Gate::RowSquares { source } => format!("row-squares {}", id(*source)),
        Gate::Square { source } => format!("square {}", id(*source)),
        Gate::RowScale { source, row } => format!("row-scale {}, {}", id(*source), id(*row)),
        Gate::SignDigits { source, offset, digits } => {
            format!("sign-digits {} offset {offset} digits {}", id(*source), list(digits))
        }
        Gate::OpenSign { signs, negate } => {
            let negate = if *negate { " negated" } else { "" };
            format!("open-sign {}{negate}", join(signs, |s| id(*s)))
        }
        Gate::CoarseSign { source, offsets, buckets, negate } => {
            let negate = if *negate { " negated" } else { "" };
            format!("coarse-sign {} offsets {} buckets {buckets}{negate}", id(*source), list(offsets))
        }
        Gate::Select { bit, source, nonnegative } => {
            let nonnegative = if *nonnegative { " nonnegative" } else { "" };
            format!("select {}, {}{nonnegative}", id(*bit), id(*source))
        }
        Gate::ReluShared { source, offsets } if offsets[..] == [0] => format!("relu-shared {}", id(*source)),
        Gate::ReluShared { source, offsets } => format!("relu-shared {} offsets {}", id(*source), list(offsets)),
        Gate::SignShare { bit } => format!("sign-share {}", id(*bit)),
        Gate::StepShared { source, offsets } if offsets[..] == [0] => format!("step-shared {}", id(*source)),
        Gate::StepShared { source, offsets } => format!("step-shared {} offsets {}", id(*source), list(offsets)),
        Gate::RowFunction { source, table } => {
            format!("row-function {} {}", id(*source), row_table(table))
        }
        Gate::RowOffer { source, offer } => {
            format!("row-offer {} {} choice {}", id(*source), row_table(&offer.table), offer.choice_bits)
        }
        Gate::TrigSeries { source, period_bits, table_fraction, cosines, sines } => {
            let parameters = format!("{} period {period_bits} frac {table_fraction}", id(*source));
            if sines.is_empty() {
                format!("cosine-series {parameters} coefficients {}", list(cosines))
            } else {
                format!("trig-series {parameters} cosines {} sines {}", list(cosines), list(sines))
            }
        }
        Gate::BucketBits { source, offset, buckets } => {
            format!("bucket-bits {} offset {offset} buckets {buckets}", id(*source))
        }
        Gate::Exponential { bits, source, mask_fraction, public_fraction } => {
            format!("exponential {}, {} frac {mask_fraction} plus {public_fraction}", id(*bits), id(*source))
        }
        Gate::BucketCounts { source, offset, buckets, step } => {
            format!("bucket-counts {} offset {offset} buckets {buckets} step {step}", id(*source))
        }
        Gate::ZeroDigits { source, offset, digits } => {
            format!("zero-digits {} offset {offset} digits {}", id(*source), list(digits))
        }
        Gate::ZeroShare { bits } => format!("zero-share {}", id(*bits)),
        Gate::SubRow { source, row, shift, term } => {
            format!("sub-row {}, {} << {shift} plus {term}", id(*source), id(*row))
        }
        Gate::Reveal { source, truncate, output } => {
            format!("reveal {} truncate {truncate} as {output}", id(*source))
        }
    }
}

/// Parameters of a row function on one line.
pub(super) fn row_table(table: &RowTable) -> String {
    let function = match table.function {
        RowFunction::Rsqrt { scale, eps } => format!("rsqrt scale {scale:e} eps {eps:e}"),
        RowFunction::Recip { scale, eps } => format!("recip scale {scale:e} eps {eps:e}"),
        RowFunction::Sqrt { scale, eps } => format!("sqrt scale {scale:e} eps {eps:e}"),
    };
    format!(
        "{function} ring {} levels {} position {} frac {}",
        table.ring_bits, table.levels, table.position_bits, table.fraction
    )
}

fn id(id: ValueId) -> String {
    format!("%{}", id.0)
}

fn term(term: &Term) -> String {
    if term.shift == 0 { id(term.value) } else { format!("{} << {}", id(term.value), term.shift) }
}

fn join<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn view(view: &View) -> String {
    match view {
        View::Reshape => "reshape".to_owned(),
        View::Permute(axes) => format!("permute {}", list(axes)),
        View::Slice { axis, start } => format!("slice axis {axis} from {start}"),
        View::Gather { axis, index } => format!("gather axis {axis} at {}", positions(index)),
    }
}
