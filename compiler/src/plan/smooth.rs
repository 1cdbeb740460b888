//! How a smooth function is computed: its series alone where a bound is relied on, else saturated at its tails.

use mpcc_program::series::result_fraction;

use super::format::{Curve, Form, Saturation};
use super::formats::Assign;
use super::rings::{MOST_BUCKETS, bucketed_bits};
use super::series::{self, Series};
use super::{WIDEST, WORD};
use crate::graph::{NodeId, Op};
use crate::ranges::{Basis, Checked};
use crate::smooth::Smooth;
use crate::value_ranges::EXP_HIGHEST;

/// Frequencies from which on factors have a fraction bit more.
const MANY: usize = 12;
/// Fraction bits of the factors of GeLU, beyond which its error is that of the fit.
const GELU_FRACTION: i32 = 15;
/// Most fraction bits of factors without a dealer: three times as many, and what is in front of the point, fit a word.
const ALONE_FRACTION: i32 = 17;
/// log2 of the sizes of buckets that are tried for coarse signs.
const WIDTHS: [i32; 2] = [0, 1];
/// Fraction bits of an exponential and of its factors.
const EXP_FRACTION: i32 = 20;
/// What is added to the greatest argument of an exponential that was only observed: a factor of e.
const EXP_MARGIN: f64 = 1.0;
/// What rounding adds to an argument that is at most zero.
const ROUNDING: f64 = 0.004;

impl Assign<'_> {
    /// Form, share fraction and widest ring.
    pub(super) fn smooth(&mut self, id: NodeId, function: Smooth, x: NodeId) -> (Form, i32, i32) {
        if function == Smooth::Exp
            && let Some(power) = self.power(x)
        {
            return power;
        }
        let argument = self.of(x).clone();
        let frac = i32::from(self.graph.numeric.frac);
        let mut table = i32::from(self.graph.numeric.table_frac);
        if function.linear() != 0.0 {
            // The linear half is added at the series' scale.
            let numbers = self.scale(1);
            let least = (argument.wire + numbers) / numbers;
            if table < least {
                let name = function.name();
                self.unsupported(
                    id,
                    &format!("{name} with tables of {table} fraction bits (`table_frac` must be at least {least})"),
                );
            }
        }
        // What was only observed is no reason to do without saturation.
        let declared = self.graph.node(x).assumed.filter(|_| self.options.basis == Basis::Observed);
        let proved = match self.options.basis {
            Basis::Guarded => self.ranges.used(self.graph, x, Basis::Guarded),
            _ => self.ranges.of(x).proved,
        };
        let relied_on = declared.or(proved);
        let bounds = [proved, declared].into_iter().flatten();
        let bound = bounds.map(|(low, high)| low.abs().max(high.abs())).min_by(f64::total_cmp);
        let own = argument.form != Form::Derived;
        // A clamped argument keeps the value at the edge, and this one jumps there.
        let shared = self.shares_functions(id) && !matches!(function, Smooth::GeluFourier { .. });
        let mut bucketed = None;
        let mut fraction = if function.linear() == 0.0 { frac.max(16) } else { argument.wire };
        let (plain, saturating) = if function == Smooth::Exp {
            let Some((high, precision)) = self.exp_domain(id, x) else {
                return (Form::Share, 0, WIDEST);
            };
            (table, fraction) = (table.max(EXP_FRACTION), frac.max(EXP_FRACTION + precision));
            let lowest = -8.0 - f64::from(precision);
            let down = self.shift_of_exponential_of(x).map_or(0.0, |shift| shift.below);
            let low = relied_on.map_or(f64::NEG_INFINITY, |(low, _)| low - down);
            let plain = (own && low >= lowest && !self.checks_exponent(id, x))
                .then(|| series::plain(function, low, high, None))
                .flatten();
            (plain, series::exponential(lowest.min(Smooth::Exp.tails().0.at), high))
        } else {
            if function == Smooth::Gelu {
                // More is lost in the fit.
                let fitting = if self.options.alone() { GELU_FRACTION.min(frac + 1) } else { GELU_FRACTION };
                table = table.min(fitting.max((argument.wire + 3) / 2));
            }
            let plain = bound.filter(|_| own).and_then(|b| series::plain(function, -b, b, self.coarse(function, 1.5)));
            bucketed = WIDTHS.into_iter().find_map(|width| {
                let series = series::bucketed(function, width, self.coarse(function, 1.0))?;
                let bits = bucketed_bits(&argument, &series, width);
                (bits <= argument.wire + width + MOST_BUCKETS).then_some((series, width))
            });
            let clamped = if shared { series::clamped(function) } else { series::selected(function) };
            (plain, clamped)
        };
        // A table may give more than is relied on where its argument is 0.
        let bounded =
            |s: &Series| !matches!(argument.form, Form::RowFunction { .. }) || argument.magnitude <= s.reach();
        if let Some(series) = plain.filter(bounded) {
            // Every frequency rounds by a unit of the factors.
            let table = self.factors(table + i32::from(series.frequencies() > MANY));
            let scale = self.scale(table);
            let curve = Curve { series, saturation: Saturation::Plain, table, scale, fraction, checked: None };
            return (Form::Smooth(curve), scale, WIDEST);
        }
        table = self.factors(table);
        let scale = self.scale(table);
        if let Some((series, width)) = bucketed {
            let saturation = Saturation::Bucketed { width };
            let curve = Curve { series, saturation, table, scale, fraction, checked: None };
            return (Form::Smooth(curve), fraction, WIDEST);
        }
        let Some(series) = saturating else {
            self.unsupported(id, &format!("{} over this range", function.name()));
            return (Form::Share, 0, WIDEST);
        };
        let saturation = if shared { Saturation::Clamped } else { Saturation::Selected };
        // What clamping cuts off is known in one word, before it is shifted to the scale of the series.
        let (share, widest) = match (shared, function) {
            (false, _) => (fraction, WIDEST),
            (true, Smooth::Exp) => (fraction, WORD),
            (true, _) if function.linear() != 0.0 => (scale, (WORD + scale - argument.wire - 1).min(WIDEST)),
            (true, _) => (scale, WIDEST),
        };
        let checked = self.checks_exponent(id, x).then_some(series.domain.1);
        (Form::Smooth(Curve { series, saturation, table, scale, fraction, checked }), share, widest)
    }

    /// The error of a series where parties make a product for every frequency, in units of the model's fraction bits: one if its result is opened
    /// with as many, for a selection, and else one and a half.
    fn coarse(&self, function: Smooth, units: f64) -> Option<f64> {
        let frac = f64::from(self.graph.numeric.frac);
        (self.options.alone() && function == Smooth::Gelu).then(|| units * libm::exp2(-frac))
    }

    /// Fraction bits of factors: without a dealer each is the product of two rounded numbers, so they have a bit more.
    fn factors(&self, table: i32) -> i32 {
        if self.options.alone() { (table + 1).min(ALONE_FRACTION) } else { table }
    }

    /// Fraction bits of a series by such factors.
    fn scale(&self, table: i32) -> i32 {
        result_fraction(self.options.supplier, table as u8)
    }

    /// The greatest argument of an exponential, and fraction bits more that rows far below it need.
    fn exp_domain(&mut self, id: NodeId, x: NodeId) -> Option<(f64, i32)> {
        if let Op::Sub(of, max) = self.graph.node(x).op
            && self.graph.node(max).op == Op::MaxRow(of)
        {
            return Some(match &self.of(max).form {
                Form::Shift(shift) => (shift.above, shift.precision()),
                _ => (ROUNDING, 3),
            });
        }
        if self.options.basis != Basis::Observed {
            let used = self.ranges.used(self.graph, x, self.options.basis).map(|(_, high)| high);
            let checked = self.checked_exponent(id).map(|checked| checked.high);
            let high = checked.or(used)?;
            return self.limited(id, high).then_some((high + ROUNDING, 3));
        }
        let known = self.ranges.nodes.get(&x.0).copied().unwrap_or_default();
        let assumed = self.graph.node(x).assumed.map(|(_, high)| high);
        let observed = known.observed.map(|(_, high)| high + EXP_MARGIN);
        let loose = assumed.or(observed);
        let high = [known.proved.map(|(_, high)| high), loose].into_iter().flatten().min_by(f64::total_cmp)?;
        self.limited(id, high).then_some((high + ROUNDING, 3))
    }

    fn limited(&mut self, id: NodeId, high: f64) -> bool {
        if high > EXP_HIGHEST {
            let least = format!(
                "exp of up to {high:.1} (at most {EXP_HIGHEST}; subtract the row maximum, or `assume` its range)"
            );
            self.unsupported(id, &least);
        }
        high <= EXP_HIGHEST
    }

    /// What the run checks an exponential's argument against.
    fn checked_exponent(&self, id: NodeId) -> Option<Checked> {
        self.ranges.of(id).argument.filter(|_| self.options.basis == Basis::Guarded)
    }

    /// Whether the run checks the argument of an exponential, so that its wire must hold what is out of range.
    fn checks_exponent(&self, id: NodeId, x: NodeId) -> bool {
        let shift = self.shift_of_exponential_of(x).is_some_and(|shift| shift.checked);
        shift || self.checked_exponent(id).is_some()
    }
}
