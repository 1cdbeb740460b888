//! The rules of gates that know a mask's bucket: G17, G18, the wire that they leave, and G19.

use super::budget::MOST_OFFSETS;
use super::gates::{fraction, kind, one_a_row, operand, ring, row_of, shape, whole, zero_or_one};
use super::{Check, Rule};
use crate::program::{self, Gate, Kind, Program, Value, ValueId};

/// The widest ring of a wire whose buckets are looked at.
const WIDEST: u8 = 40;
/// The most bits of buckets that are opened.
const MOST_BITS: u8 = 16;
/// The most digits that are compared with zero.
const MOST_DIGITS: usize = 4;
/// The widest ring of a count.
const WIDEST_COUNT: u8 = 32;
/// The most thresholds of a row.
const MOST_THRESHOLDS: usize = 1 << 12;

/// Checks a value whose gate is one of these; others are checked elsewhere.
pub(super) fn check(check: &mut Check<'_>) {
    let program: &Program = check.program;
    let Some(index) = check.index else { return };
    let out = &program.values[index];
    let get = |id: ValueId| program.value(id);
    match &out.gate {
        Gate::BucketBits { source, offset, buckets } => {
            let source = get(*source);
            kind(check, out, Kind::Bits);
            shape(check, out, &source.shape);
            bucketed(check, source, *offset, *buckets);
            let most = MOST_BITS.min(1u8.checked_shl((*buckets).into()).unwrap_or(MOST_BITS));
            check.require(Rule::Ring, out.ring <= most, || {
                format!("opens {} of 2^{buckets} buckets; at most {most}", out.ring)
            });
        }
        Gate::CoarseSign { source, offsets, buckets, .. } => {
            let source = get(*source);
            kind(check, out, Kind::Bits);
            shape(check, out, &source.shape);
            check.require(Rule::Ring, out.ring == 1, || format!("one bit is opened, not {}", out.ring));
            check.require(Rule::Parameter, !offsets.is_empty(), || "no sign to open".to_owned());
            check.require(Rule::Budget, offsets.len() <= MOST_OFFSETS, || {
                format!("compares at {} offsets; at most {MOST_OFFSETS}", offsets.len())
            });
            for offset in offsets {
                coarse(check, source, *offset, *buckets);
                // The next bucket above a sum is in its half of the ring too.
                let bucket = 1i128 << source.ring.saturating_sub(*buckets).min(WIDEST);
                let half = 1i128 << source.ring.saturating_sub(1).min(64);
                let most = (1i128 << source.bound.min(64)) + i128::from(*offset).abs() + bucket;
                check.require(Rule::Bound, most <= half, || {
                    format!(
                        "values below 2^{} in size plus {offset} and a bucket do not fit {} bits",
                        source.bound, source.ring
                    )
                });
            }
        }
        Gate::Exponential { bits, source, mask_fraction, public_fraction } => {
            exponential(check, out, (*bits, *source), (*mask_fraction, *public_fraction));
        }
        Gate::BucketCounts { source, offset, buckets, step } => {
            let source = get(*source);
            kind(check, out, Kind::Share);
            fraction(check, out, 0);
            bucketed(check, source, *offset, *buckets);
            let (numbers, thresholds) = (last(source), last(out));
            row_of(check, out, source, thresholds);
            let spans = (thresholds as u128 - 1)
                .checked_shl((*step).into())
                .is_some_and(|top: u128| top < 1 << source.ring.min(WIDEST));
            check.require(Rule::Parameter, thresholds <= MOST_THRESHOLDS && *step < source.ring && spans, || {
                format!("{thresholds} thresholds 2^{step} apart in a ring of {} bits", source.ring)
            });
            ring(check, out, WIDEST_COUNT);
            let fits = out.ring > 1 && out.ring <= WIDEST_COUNT && numbers <= (1 << out.ring) - 2;
            check.require(Rule::Bound, fits, || {
                format!("counts of rows of {numbers} do not fit a ring of {} bits with their sign", out.ring)
            });
            check.require(Rule::Bound, out.bound + 1 >= out.ring, || {
                format!("counts in a ring of {} bits are not below 2^{} in size", out.ring, out.bound)
            });
        }
        Gate::ZeroDigits { source, offset, digits } => {
            let source = get(*source);
            kind(check, out, Kind::Bits);
            operand(check, source, Kind::Wire);
            shape(check, out, &source.shape);
            let total: usize = digits.iter().map(|d| usize::from(*d)).sum();
            check.require(Rule::Parameter, total == usize::from(source.ring), || {
                format!("digits of {total} bits for a ring of {}", source.ring)
            });
            check.require(
                Rule::Parameter,
                digits.iter().all(|d| (1..=6).contains(d)) && digits.len() <= MOST_DIGITS,
                || {
                    let shown = &digits[..digits.len().min(8)];
                    format!("{} digits of widths {shown:?}; at most {MOST_DIGITS} of 1 to 6 bits", digits.len())
                },
            );
            check.require(Rule::Ring, usize::from(out.ring) == digits.len(), || {
                format!("{} digits open {0} bits, not {}", digits.len(), out.ring)
            });
            within(check, source, *offset);
        }
        Gate::ZeroShare { bits } => {
            let bits = get(*bits);
            let digits = matches!(bits.gate, Gate::ZeroDigits { .. }) && usize::from(bits.ring) <= MOST_DIGITS;
            check.require(Rule::Kind, digits, || "only digits compared with 0 can become a number".to_owned());
            shape(check, out, &bits.shape);
            zero_or_one(check, out);
        }
        Gate::SubRow { source, row, shift, .. } => {
            let (source, row) = (get(*source), get(*row));
            kind(check, out, Kind::Wire);
            operand(check, source, Kind::Wire);
            operand(check, row, Kind::Wire);
            shape(check, out, &source.shape);
            one_a_row(check, row, source);
            fraction(check, out, source.fraction.into());
            fraction(check, out, i32::from(row.fraction) + i32::from(*shift));
            whole(check, out, source.ring.min(64));
            // What a row wire leaves open above its ring, shifted, must be above the result's.
            check.require(Rule::Ring, *shift < 64 && row.ring.saturating_add(*shift) >= out.ring, || {
                format!("a row wire of {} bits shifted by {shift} in a ring of {}", row.ring, out.ring)
            });
        }
        _ => {}
    }
}

fn last(value: &Value) -> usize {
    value.shape.last().copied().unwrap_or(1)
}

/// A wire of which buckets are looked at after a public shift, and whose one-hot is a word.
fn bucketed(check: &mut Check<'_>, source: &Value, offset: i64, buckets: u8) {
    looked_at(check, source, offset, buckets, 6);
}

/// The same if a word holds half of them.
fn coarse(check: &mut Check<'_>, source: &Value, offset: i64, buckets: u8) {
    looked_at(check, source, offset, buckets, 7);
}

fn looked_at(check: &mut Check<'_>, source: &Value, offset: i64, buckets: u8, most: u8) {
    operand(check, source, Kind::Wire);
    // Two bits of position at least, so that each of its digits has one.
    let fits = (1..=most).contains(&buckets) && (buckets + 2..=WIDEST).contains(&source.ring);
    check.require(Rule::Parameter, fits, || format!("2^{buckets} buckets of a wire of {} bits", source.ring));
    within(check, source, offset);
}

fn within(check: &mut Check<'_>, source: &Value, offset: i64) {
    let half = 1u128 << source.ring.min(64);
    check.require(Rule::Parameter, u128::from(offset.unsigned_abs()) <= half, || {
        format!("{offset} is added to a wire of {} bits", source.ring)
    });
}

/// Limits of G17: what [`crate::exponential::Exponential`] computes without leaving its words.
fn exponential(check: &mut Check<'_>, out: &Value, (word, source): (ValueId, ValueId), (mask, public): (u8, u8)) {
    let (bits, wire) = (check.program.value(word), check.program.value(source));
    kind(check, out, Kind::Share);
    operand(check, wire, Kind::Wire);
    shape(check, out, &wire.shape);
    fraction(check, out, i32::from(mask) + i32::from(public));
    let Gate::BucketBits { source: of, buckets, .. } = bits.gate else {
        return check
            .require(Rule::Kind, false, || "an exponential of something that is not bits of buckets".to_owned());
    };
    check.require(Rule::Parameter, of == source, || format!("bits of %{} for %{}", of.0, source.0));
    check.require(Rule::Ring, (1..=MOST_BITS).contains(&bits.ring), || format!("{} bits of buckets", bits.ring));
    let position = i32::from(wire.ring) - i32::from(buckets);
    let wide = (0..=24).contains(&wire.fraction) && (2..=24.min(i32::from(wire.fraction) + 4)).contains(&position);
    check.require(Rule::Parameter, wide, || {
        format!("buckets of 2^{position} units with {} fraction bits", wire.fraction)
    });
    let fits = || program::exponential(check.program, (word, source), (mask, public)).mask_fits();
    let scaled = wide && fits() && (4..=58).contains(&public) && mask + public <= 62;
    check.require(Rule::Parameter, scaled, || format!("factors of {mask} and {public} fraction bits"));
    // exp(0) = 1 is among the results.
    check.require(Rule::Bound, out.bound > mask.saturating_add(public), || {
        format!(
            "results of {} fraction bits that may be 1 are not below 2^{}",
            u16::from(mask) + u16::from(public),
            out.bound
        )
    });
}
