//! ReLU-softmax that jumps: its divisor is a sum of rectified scores and an `eps` that is little beside a unit of a score.
//!
//! A score r alone in its row has the weight r / (r + eps), so one unit u of its fixed-point format moves the weight by
//! u / (u + eps).

use mpcc_grammar::ast::Span;

use super::Lowerer;
use super::report::warning;
use crate::graph::{NodeId, Op, Visibility};

/// Units of a score that `eps` should have at least: one of them then moves a weight by 1/17 at most.
const LEAST_UNITS: f64 = 16.0;

/// `factor` times the sum of a row of rectified numbers, and `term`.
struct Divisor {
    factor: f64,
    term: f64,
    /// Whether it is the sum, or still what is summed up.
    summed: bool,
}

impl Lowerer<'_> {
    /// Warns where a divisor of shared rows follows scores less closely than they are held.
    pub(super) fn warn_of_jumps(&mut self, divisor: NodeId, span: Span) {
        if self.ty(divisor).visibility != Visibility::Shared {
            return;
        }
        let Some(Divisor { factor, term, summed: true }) = self.divisor(divisor) else { return };
        let (eps, unit) = (term / factor, 0.5_f64.powi(i32::from(self.graph.numeric.frac)));
        let least = LEAST_UNITS * unit;
        if !(0.0..least).contains(&eps) {
            return;
        }
        let frac = self.graph.numeric.frac;
        let moved = 100.0 * unit / (unit + eps);
        let help = format!(
            "add at least {least} (2^{}), which keeps that below 6 %, and train the weights on with it for a few epochs",
            LEAST_UNITS.log2() as i32 - i32::from(frac)
        );
        // The call, for what the standard library divides.
        let span = self.graph.node(divisor).span.unwrap_or(span);
        self.report.emit(
            warning("W0007", format!("a ReLU-softmax with an `eps` of {eps} jumps within a unit of its scores"))
                .at(span, format!("one unit of a score, 2^-{frac}, moves a weight by {moved:.0} %"))
                .help(help),
        );
    }

    /// What a node is in rectified numbers, if it is no more than a sum of them.
    fn divisor(&self, node: NodeId) -> Option<Divisor> {
        let of = |x: NodeId| self.divisor(x);
        match self.graph.node(node).op {
            Op::Relu(_) => Some(Divisor { factor: 1.0, term: 0.0, summed: false }),
            Op::Reshape(x) | Op::Transpose(x) => of(x),
            Op::Offset(x, term) => of(x).map(|d| Divisor { term: d.term + term, ..d }),
            Op::Scale(x, factor) if factor > 0.0 => {
                of(x).map(|d| Divisor { factor: factor * d.factor, term: factor * d.term, ..d })
            }
            Op::SumRow(x) | Op::MeanRow(x) => {
                let entries = self.ty(x).shape.last().copied().unwrap_or(1) as f64;
                let parts = if matches!(self.graph.node(node).op, Op::MeanRow(_)) { entries } else { 1.0 };
                of(x).filter(|d| !d.summed).map(|d| Divisor {
                    factor: d.factor / parts,
                    term: d.term * entries / parts,
                    summed: true,
                })
            }
            _ => None,
        }
    }
}
