//! The rules of each gate: kinds, shapes, fractions, rings, preconditions and parameters.

use super::budget::{MOST_FREQUENCIES, MOST_OFFSETS, MOST_TERMS};
use super::{Check, Rule};
use crate::code::{RowFunction, RowOffer, RowTable};
use crate::program::{Gate, Kind, Program, Shape, Term, Value, ValueId, View, WeightId, frequencies};
use crate::series::result_fraction;

/// The widest ring: two machine words.
const FULL: u8 = 128;
/// The widest ring of what is handed out or compared: one machine word.
const WORD: u8 = 64;
/// The widest ring of a wire that is extended: its carry is computed in one word.
const EXTENSIBLE: u8 = 62;

pub(super) fn check(check: &mut Check<'_>) {
    let program: &Program = check.program;
    let Some(index) = check.index else { return };
    let out = &program.values[index];
    let get = |id: ValueId| program.value(id);
    match &out.gate {
        Gate::Input { input } => {
            let given = &program.inputs[*input as usize];
            kind(check, out, Kind::Wire);
            source(check, out, &given.shape, given.fraction, given.bound);
        }
        Gate::ServerShare { weight } => {
            let given = &program.weights[weight.0 as usize];
            kind(check, out, Kind::Share);
            source(check, out, &given.shape, given.fraction, given.bound);
        }
        Gate::ClientShare { input } => {
            let given = &program.inputs[*input as usize];
            kind(check, out, Kind::Share);
            source(check, out, &given.shape, given.fraction, given.bound);
        }
        Gate::Open { source, truncate } => {
            kind(check, out, Kind::Wire);
            opened(check, out, get(*source), *truncate);
        }
        Gate::Reveal { source, truncate, output } => {
            check.require(Rule::Kind, out.kind != Kind::Bits, || "a reveal gives no bits".to_owned());
            match program.outputs.get(*output as usize) {
                Some(declared) => {
                    shape(check, out, &declared.shape);
                    fraction(check, out, declared.fraction.into());
                }
                None => verdict(check, out, get(*source)),
            }
            opened(check, out, get(*source), *truncate);
            ring(check, out, WORD);
        }
        Gate::View { source, view } => {
            let source = get(*source);
            same_entries(check, out, source);
            fraction(check, out, source.fraction.into());
            rearranged(check, out, source, view);
        }
        Gate::Rescale { source, shift } => {
            let source = get(*source);
            same_entries(check, out, source);
            shape(check, out, &source.shape);
            fraction(check, out, i32::from(source.fraction) + i32::from(*shift));
        }
        Gate::Centre { source, truncate } => centre(check, out, get(*source), *truncate),
        Gate::Reduce { source, truncate } => reduced(check, out, get(*source), *truncate),
        Gate::Add { terms } => {
            check.require(Rule::Parameter, !terms.is_empty(), || "a sum of no terms".to_owned());
            check.require(Rule::Budget, terms.len() <= MOST_TERMS, || {
                format!("a sum of {} terms; at most {MOST_TERMS}", terms.len())
            });
            sum(check, out, terms, None);
        }
        Gate::Sub { left, right } => sum(check, out, &[*left, *right], None),
        Gate::Concat { parts, axis } => {
            check.require(Rule::Parameter, !parts.is_empty(), || "nothing is joined".to_owned());
            sum(check, out, parts, Some(*axis));
        }
        Gate::Residue { source } => {
            let source = get(*source);
            linear(check, out, source);
            shape(check, out, &source.shape);
            fraction(check, out, 0);
        }
        Gate::SumRow { source } => {
            let source = get(*source);
            linear(check, out, source);
            row_of(check, out, source, 1);
            fraction(check, out, source.fraction.into());
        }
        Gate::MulPublic { source, .. } => {
            // The factor may carry fraction bits of its own, which the program does not record.
            let source = get(*source);
            linear(check, out, source);
            shape(check, out, &source.shape);
        }
        Gate::AddPublic { source, .. } => {
            let source = get(*source);
            linear(check, out, source);
            shape(check, out, &source.shape);
            fraction(check, out, source.fraction.into());
        }
        Gate::AddServer { source, weight } => {
            let (source, weight) = (get(*source), &program.weights[weight.0 as usize]);
            linear(check, out, source);
            shape(check, out, &source.shape);
            fraction(check, out, source.fraction.into());
            fraction(check, out, weight.fraction.into());
            check.require(Rule::Shape, source.shape.ends_with(&weight.shape), || {
                format!(
                    "a weight of shape {} does not end a share of shape {}",
                    text(&weight.shape),
                    text(&source.shape)
                )
            });
        }
        Gate::MatMulServer { source, weight } => server_product(check, out, get(*source), *weight, true),
        Gate::MulServer { source, weight } => server_product(check, out, get(*source), *weight, false),
        Gate::MatMul { left, right } => matmul(check, out, get(*left), get(*right)),
        Gate::Hadamard { left, right } => hadamard(check, out, get(*left), get(*right)),
        Gate::Extend { source } => {
            let source = get(*source);
            extended(check, out, source, 1);
            shape(check, out, &source.shape);
            fraction(check, out, source.fraction.into());
        }
        Gate::RowSquares { source } => {
            let source = get(*source);
            extended(check, out, source, 2);
            row_of(check, out, source, 1);
            fraction(check, out, 2 * i32::from(source.fraction));
        }
        Gate::Square { source } => {
            let source = get(*source);
            extended(check, out, source, 2);
            shape(check, out, &source.shape);
            fraction(check, out, 2 * i32::from(source.fraction));
        }
        Gate::RowScale { source, row } => {
            let (source, row) = (get(*source), get(*row));
            extended(check, out, source, 1);
            operand(check, row, Kind::Wire);
            shape(check, out, &source.shape);
            fraction(check, out, i32::from(source.fraction) + i32::from(row.fraction));
            ring(check, out, row.ring);
            one_a_row(check, row, source);
        }
        Gate::SignDigits { source, offset, digits } => sign_digits(check, out, get(*source), *offset, digits),
        Gate::OpenSign { signs, .. } => {
            kind(check, out, Kind::Bits);
            check.require(Rule::Ring, out.ring == 1, || format!("one bit is opened, not {}", out.ring));
            check.require(Rule::Parameter, !signs.is_empty(), || "no sign to open".to_owned());
            for sign in signs.iter().map(|&s| get(s)) {
                let digits = matches!(sign.gate, Gate::SignDigits { .. });
                check.require(Rule::Kind, digits, || "only digit predicates can become a sign".to_owned());
                shape(check, out, &sign.shape);
            }
        }
        Gate::Select { bit, source, nonnegative } => select(check, out, get(*bit), *source, *nonnegative),
        Gate::SignShare { bit } => {
            let bit = get(*bit);
            opened_sign(check, bit);
            shape(check, out, &bit.shape);
            zero_or_one(check, out);
        }
        Gate::ReluShared { source, offsets } => {
            let source = get(*source);
            compared(check, out, source, offsets);
            fraction(check, out, source.fraction.into());
            wider(check, out, source, 1);
        }
        Gate::StepShared { source, offsets } => {
            compared(check, out, get(*source), offsets);
            zero_or_one(check, out);
        }
        Gate::RowFunction { source, table } => row_function(check, out, get(*source), table),
        Gate::RowOffer { source, offer } => {
            row_function(check, out, get(*source), &offer.table);
            let most = RowOffer::MOST_CHOICE.min(offer.table.levels);
            check.require(Rule::Parameter, (RowTable::FIRST..=most).contains(&offer.choice_bits), || {
                format!("choices of {} bits; from {} to {most}", offer.choice_bits, RowTable::FIRST)
            });
        }
        // Their rules stand in `buckets.rs`.
        Gate::BucketBits { .. }
        | Gate::CoarseSign { .. }
        | Gate::Exponential { .. }
        | Gate::BucketCounts { .. }
        | Gate::ZeroDigits { .. }
        | Gate::ZeroShare { .. }
        | Gate::SubRow { .. } => {}
        Gate::TrigSeries { source, period_bits, table_fraction, cosines, sines } => {
            let source = get(*source);
            kind(check, out, Kind::Share);
            operand(check, source, Kind::Wire);
            shape(check, out, &source.shape);
            fraction(check, out, result_fraction(check.program.supplier, *table_fraction));
            check.require(Rule::Ring, (1..=source.ring.min(40)).contains(period_bits), || {
                format!("a period of 2^{period_bits} on a wire of ring {}", source.ring)
            });
            check.require(Rule::Parameter, !cosines.is_empty(), || "a series without its constant".to_owned());
            check.require(Rule::Parameter, frequencies(cosines, sines) > 0, || {
                "a series without a frequency".to_owned()
            });
            let count = frequencies(cosines, sines);
            check.require(Rule::Budget, count <= MOST_FREQUENCIES, || {
                format!("a series of {count} frequencies; at most {MOST_FREQUENCIES}")
            });
            // A frequency's coefficients times factors of size 2^table_fraction stay below 2^63, as does A_0 shifted.
            let limit = 62u8.checked_sub(*table_fraction).filter(|_| (1..=24).contains(table_fraction));
            let size = |k: Option<&i64>| k.map_or(0, |k| u128::from(k.unsigned_abs()));
            let fits = limit.is_some_and(|l| {
                let both = |j: usize| size(cosines.get(j)) + j.checked_sub(1).map_or(0, |j| size(sines.get(j)));
                (0..=frequencies(cosines, sines)).all(|j| both(j) < 1 << l)
            });
            check.require(Rule::Parameter, fits, || {
                format!("coefficients and {table_fraction} fraction bits do not fit 62-bit products")
            });
        }
    }
}

fn text(shape: &Shape) -> String {
    format!("{:?}", shape.as_slice())
}

pub(super) fn kind(check: &mut Check<'_>, out: &Value, want: Kind) {
    check.require(Rule::Kind, out.kind == want, || format!("gives a {want:?}, not a {:?}", out.kind));
}

pub(super) fn operand(check: &mut Check<'_>, operand: &Value, want: Kind) {
    check.require(Rule::Kind, operand.kind == want, || format!("takes a {want:?}, not a {:?}", operand.kind));
}

pub(super) fn shape(check: &mut Check<'_>, out: &Value, want: &Shape) {
    check.require(Rule::Shape, out.shape == *want, || {
        format!("shape {} but its gate gives {}", text(&out.shape), text(want))
    });
}

pub(super) fn fraction(check: &mut Check<'_>, out: &Value, want: i32) {
    check.require(Rule::Fraction, i32::from(out.fraction) == want, || {
        format!("{} fraction bits but its gate gives {want}", out.fraction)
    });
}

pub(super) fn ring(check: &mut Check<'_>, out: &Value, most: u8) {
    check.require(Rule::Ring, out.ring <= most, || {
        format!("ring of {} bits but its operands determine {most}", out.ring)
    });
}

/// A derived wire keeps every bit that is public: gates that extend or compare it read all of them.
pub(super) fn whole(check: &mut Check<'_>, out: &Value, want: u8) {
    check.require(Rule::Ring, out.ring == want, || {
        format!("ring of {} bits but the wire has {want}, which it must keep", out.ring)
    });
}

/// The entries of a wire or share, moved or read at another scale.
fn same_entries(check: &mut Check<'_>, out: &Value, source: &Value) {
    check.require(Rule::Kind, source.kind != Kind::Bits, || "bits cannot be rearranged or rescaled".to_owned());
    kind(check, out, source.kind);
    match source.kind {
        Kind::Wire => whole(check, out, source.ring),
        _ => ring(check, out, source.ring),
    }
}

/// The shape with another last extent; none for a scalar.
fn with_last(shape: &Shape, last: usize) -> Option<Shape> {
    let mut shape = shape.clone();
    *shape.last_mut()? = last;
    Some(shape)
}

pub(super) fn row_of(check: &mut Check<'_>, out: &Value, source: &Value, last: usize) {
    let want = with_last(&source.shape, last);
    check.require(Rule::Shape, want.as_ref() == Some(&out.shape), || {
        format!("shape {} from rows of shape {}", text(&out.shape), text(&source.shape))
    });
}

/// A wire of one entry for each row of another.
pub(super) fn one_a_row(check: &mut Check<'_>, row: &Value, source: &Value) {
    check.require(Rule::Shape, with_last(&source.shape, 1).as_ref() == Some(&row.shape), || {
        format!("a row wire of shape {} for rows of shape {}", text(&row.shape), text(&source.shape))
    });
}

/// A share from one share in no wider a ring.
fn linear(check: &mut Check<'_>, out: &Value, source: &Value) {
    kind(check, out, Kind::Share);
    operand(check, source, Kind::Share);
    ring(check, out, source.ring);
}

fn source(check: &mut Check<'_>, out: &Value, given: &Shape, fraction_bits: i16, bound: u8) {
    shape(check, out, given);
    fraction(check, out, fraction_bits.into());
    check.require(Rule::Bound, out.bound >= bound, || {
        format!("bound 2^{} but what is loaded may reach 2^{bound}", out.bound)
    });
}

/// G1 and G15: the share is valid in the ring that is opened, and fits it with its sign.
fn opened(check: &mut Check<'_>, out: &Value, source: &Value, truncate: u8) {
    operand(check, source, Kind::Share);
    shape(check, out, &source.shape);
    fraction(check, out, i32::from(source.fraction) - i32::from(truncate));
    check.require(Rule::Parameter, truncate <= WORD, || format!("drops {truncate} bits; at most {WORD} can be"));
    let width = u16::from(out.ring) + u16::from(truncate);
    check.require(Rule::Ring, width <= u16::from(source.ring.min(FULL)), || {
        format!("opened in a ring of {width} bits but the share is valid in {}", source.ring)
    });
    check.require(Rule::Bound, u16::from(source.bound) < width, || {
        format!("values below 2^{} in size do not fit the opened ring of {width} bits with their sign", source.bound)
    });
}

/// The precondition of G2 and the kinds of the gates that extend: |x| < 2^bound ≤ 2^(ring − 2), into a ring wider by
/// at least `more` bits.
fn extended(check: &mut Check<'_>, out: &Value, source: &Value, more: u8) {
    kind(check, out, Kind::Share);
    operand(check, source, Kind::Wire);
    check.require(Rule::Bound, u16::from(source.bound) + 2 <= u16::from(source.ring), || {
        format!(
            "extends values below 2^{} in size from a ring of {} bits, which takes {}",
            source.bound,
            source.ring,
            u16::from(source.bound) + 2
        )
    });
    wider(check, out, source, more);
}

fn wider(check: &mut Check<'_>, out: &Value, source: &Value, more: u8) {
    check.require(Rule::Ring, source.ring <= EXTENSIBLE, || {
        format!("extends a ring of {} bits; at most {EXTENSIBLE} can be extended", source.ring)
    });
    check.require(Rule::Ring, u16::from(out.ring) >= u16::from(source.ring) + u16::from(more), || {
        format!("extends a ring of {} bits to {}; at least {more} more are needed", source.ring, out.ring)
    });
}

fn rearranged(check: &mut Check<'_>, out: &Value, source: &Value, view: &View) {
    let extents = &source.shape;
    let want: Option<Shape> = match view {
        View::Reshape => (out.shape.iter().product::<usize>() == extents.iter().product()).then(|| out.shape.clone()),
        View::Permute(axes) => {
            let mut seen = axes.to_vec();
            seen.sort_unstable();
            seen.iter().copied().eq(0..extents.len()).then(|| axes.iter().map(|&a| extents[a]).collect())
        }
        View::Slice { axis, start } => match (extents.get(*axis), out.shape.get(*axis)) {
            (Some(&extent), Some(&length)) if start.checked_add(length).is_some_and(|end| end <= extent) => {
                Some(with_axis(extents, *axis, length))
            }
            _ => None,
        },
        View::Gather { axis, index } => match extents.get(*axis) {
            Some(&extent) if index.iter().all(|&i| i < extent) => Some(with_axis(extents, *axis, index.len())),
            _ => None,
        },
    };
    check.require(Rule::Shape, want.as_ref() == Some(&out.shape), || {
        format!("shape {} is not this rearrangement of {}", text(&out.shape), text(extents))
    });
}

fn with_axis(shape: &Shape, axis: usize, extent: usize) -> Shape {
    shape.iter().enumerate().map(|(a, &n)| if a == axis { extent } else { n }).collect()
}

/// Fractions and rings of shifted terms, and their shapes: equal, or joined along `axis`.
fn sum(check: &mut Check<'_>, out: &Value, terms: &[Term], axis: Option<usize>) {
    kind(check, out, Kind::Share);
    let mut joined = 0;
    for term in terms {
        let value = check.program.value(term.value);
        operand(check, value, Kind::Share);
        fraction(check, out, i32::from(value.fraction) + i32::from(term.shift));
        check.require(Rule::Parameter, term.shift < 64, || format!("shifts a share by {} bits", term.shift));
        // A share known modulo 2^k is known modulo 2^(k + s) once it is shifted left by s.
        ring(check, out, value.ring.saturating_add(term.shift).min(FULL));
        match axis {
            None => shape(check, out, &value.shape),
            Some(axis) => {
                let extent = value.shape.get(axis).copied().unwrap_or(0);
                joined += extent;
                shape(check, out, &with_axis(&value.shape, axis, out.shape.get(axis).copied().unwrap_or(0)));
            }
        }
    }
    if let Some(axis) = axis {
        check.require(Rule::Shape, out.shape.get(axis) == Some(&joined), || {
            format!("parts with {joined} entries along axis {axis} in shape {}", text(&out.shape))
        });
    }
}

/// Wire of d·x − Σx with ⌈log2 d⌉ bits dropped.
fn centre(check: &mut Check<'_>, out: &Value, source: &Value, truncate: u8) {
    kind(check, out, Kind::Wire);
    operand(check, source, Kind::Wire);
    shape(check, out, &source.shape);
    fraction(check, out, source.fraction.into());
    let d = source.shape.last().copied().unwrap_or(0);
    let want = d.checked_next_power_of_two().map_or(0, usize::trailing_zeros);
    check.require(Rule::Parameter, d > 1 && u32::from(truncate) == want, || {
        format!("drops {truncate} bits of rows of {d} entries, which take {want}")
    });
    whole(check, out, source.ring.saturating_sub(truncate));
}

/// The verdict is one bit: whether a sum of violations is above zero.
fn verdict(check: &mut Check<'_>, out: &Value, source: &Value) {
    shape(check, out, &Shape::from_slice(&[1]));
    fraction(check, out, 0);
    check.require(Rule::Parameter, matches!(source.gate, Gate::StepShared { .. } | Gate::SignShare { .. }), || {
        "a verdict that is not the result of a comparison".to_owned()
    });
}

/// A wire modulo a smaller power of two.
fn reduced(check: &mut Check<'_>, out: &Value, source: &Value, truncate: u8) {
    kind(check, out, Kind::Wire);
    operand(check, source, Kind::Wire);
    shape(check, out, &source.shape);
    fraction(check, out, i32::from(source.fraction) - i32::from(truncate));
    let width = u16::from(out.ring) + u16::from(truncate);
    check.require(Rule::Ring, width <= u16::from(source.ring), || format!("{width} bits of a wire of {}", source.ring));
    check.require(Rule::Parameter, width <= u16::from(WORD), || {
        format!("keeps or drops {width} bits of a wire; at most {WORD}")
    });
    // Dithering moves a number by up to two units. What is left of more bits than are kept has the bound of what was checked.
    let held = source.bound.saturating_sub(truncate).saturating_add(u8::from(truncate > 0));
    check.require(Rule::Bound, width < u16::from(source.ring) || out.bound >= held, || {
        format!("bound 2^{} of numbers up to 2^{held}", out.bound)
    });
}

fn server_product(check: &mut Check<'_>, out: &Value, source: &Value, weight: WeightId, matrix: bool) {
    let weight = &check.program.weights[weight.0 as usize];
    kind(check, out, Kind::Share);
    operand(check, source, Kind::Wire);
    ring(check, out, source.ring);
    fraction(check, out, i32::from(source.fraction) + i32::from(weight.fraction));
    let want = match weight.shape[..] {
        [k, n] if matrix && source.shape.last() == Some(&k) => with_last(&source.shape, n),
        // Leading axes of extent 1 say nothing.
        [.., _] if !matrix && weight.shape.len() <= source.shape.len() => {
            let ones = weight.shape.iter().take_while(|extent| **extent == 1).count().min(weight.shape.len() - 1);
            source.shape.ends_with(&weight.shape[ones..]).then(|| source.shape.clone())
        }
        _ => None,
    };
    check.require(Rule::Shape, want.as_ref() == Some(&out.shape), || {
        format!("shape {} from {} and a weight {}", text(&out.shape), text(&source.shape), text(&weight.shape))
    });
}

fn matmul(check: &mut Check<'_>, out: &Value, left: &Value, right: &Value) {
    kind(check, out, Kind::Share);
    operand(check, left, Kind::Wire);
    operand(check, right, Kind::Wire);
    ring(check, out, left.ring.min(right.ring));
    fraction(check, out, i32::from(left.fraction) + i32::from(right.fraction));
    let want: Option<Shape> = match (&left.shape[..], &right.shape[..]) {
        ([a @ .., m, k], [b @ .., l, n]) if a == b && k == l => Some(a.iter().copied().chain([*m, *n]).collect()),
        _ => None,
    };
    check.require(Rule::Shape, want.as_ref() == Some(&out.shape), || {
        format!("shape {} from {} and {}", text(&out.shape), text(&left.shape), text(&right.shape))
    });
}

fn hadamard(check: &mut Check<'_>, out: &Value, left: &Value, right: &Value) {
    kind(check, out, Kind::Share);
    operand(check, left, Kind::Wire);
    operand(check, right, Kind::Wire);
    ring(check, out, left.ring.min(right.ring));
    fraction(check, out, i32::from(left.fraction) + i32::from(right.fraction));
    shape(check, out, &left.shape);
    let fits = left.shape.ends_with(&right.shape) || with_last(&left.shape, 1).as_ref() == Some(&right.shape);
    check.require(Rule::Shape, fits, || {
        format!(
            "a factor of shape {} neither ends a wire of shape {} nor has one entry a row",
            text(&right.shape),
            text(&left.shape)
        )
    });
}

/// What gates that read an opened sign as a number or a selector ask of it.
fn opened_sign(check: &mut Check<'_>, bit: &Value) {
    check.require(Rule::Kind, matches!(bit.gate, Gate::OpenSign { .. } | Gate::CoarseSign { .. }), || {
        "selects by something that is not an opened sign".to_owned()
    });
}

/// A share of 0 or 1.
pub(super) fn zero_or_one(check: &mut Check<'_>, out: &Value) {
    kind(check, out, Kind::Share);
    fraction(check, out, 0);
    check.require(Rule::Bound, out.bound > 0, || "0 or 1 does not stay below 2^0".to_owned());
}

fn sign_digits(check: &mut Check<'_>, out: &Value, source: &Value, offset: i64, digits: &[u8]) {
    kind(check, out, Kind::Bits);
    operand(check, source, Kind::Wire);
    shape(check, out, &source.shape);
    let total: usize = digits.iter().map(|&d| usize::from(d)).sum();
    check.require(Rule::Parameter, total == usize::from(source.ring), || {
        format!("digits of {total} bits for a ring of {}", source.ring)
    });
    // Six bits index a table of one word; the products of five digits' masks fit one word too.
    check.require(Rule::Parameter, digits.iter().all(|d| (1..=6).contains(d)) && digits.len() <= 5, || {
        let shown = &digits[..digits.len().min(8)];
        format!("{} digits of widths {shown:?}; at most 5 digits of 1 to 6 bits can be compared", digits.len())
    });
    check.require(Rule::Ring, usize::from(out.ring) + 1 == 2 * digits.len(), || {
        format!("{} digits open {} bits, not {}", digits.len(), 2 * digits.len().max(1) - 1, out.ring)
    });
    fits_with_offset(check, source, offset);
}

/// A comparison after a public shift reads the sum's sign in the wire's own ring.
fn fits_with_offset(check: &mut Check<'_>, source: &Value, offset: i64) {
    let half = 1i128 << source.ring.saturating_sub(1).min(WORD);
    check.require(Rule::Bound, (1i128 << source.bound.min(WORD)) + i128::from(offset).abs() <= half, || {
        format!("values below 2^{} in size plus {offset} do not fit a ring of {} bits", source.bound, source.ring)
    });
}

fn select(check: &mut Check<'_>, out: &Value, bit: &Value, source: ValueId, nonnegative: bool) {
    let value = check.program.value(source);
    opened_sign(check, bit);
    shape(check, out, &value.shape);
    check.require(Rule::Shape, bit.shape == value.shape, || {
        format!("bits of shape {} select from shape {}", text(&bit.shape), text(&value.shape))
    });
    fraction(check, out, value.fraction.into());
    if out.ring <= value.ring {
        kind(check, out, Kind::Share);
        operand(check, value, Kind::Wire);
        check.require(Rule::Ring, value.ring <= WORD, || {
            format!("selects from a ring of {} bits; at most {WORD}", value.ring)
        });
        return check.require(Rule::Parameter, !nonnegative, || "a ring that asks for no rule has one".to_owned());
    }
    if !nonnegative {
        extended(check, out, value, 1);
        return;
    }
    kind(check, out, Kind::Share);
    operand(check, value, Kind::Wire);
    wider(check, out, value, 1);
    check.require(Rule::Bound, value.bound < value.ring, || {
        format!("selects values below 2^{} in size from a ring of {} bits", value.bound, value.ring)
    });
    let proved = match &bit.gate {
        Gate::OpenSign { signs, negate: true } => signs.len() == 1 && is_sign_of(check.program, signs[0], source),
        _ => false,
    };
    check.require(Rule::Parameter, proved, || format!("nothing proves %{} nonnegative where it is selected", source.0));
}

/// Whether a clear sign of `digits` means that `source` is not negative.
fn is_sign_of(program: &Program, digits: ValueId, source: ValueId) -> bool {
    matches!(&program.value(digits).gate, Gate::SignDigits { source: s, offset, .. } if *s == source && *offset <= 0)
}

/// G16 takes every value of its ring.
fn compared(check: &mut Check<'_>, out: &Value, source: &Value, offsets: &[i64]) {
    kind(check, out, Kind::Share);
    operand(check, source, Kind::Wire);
    check.require(Rule::Parameter, !offsets.is_empty(), || "no offset to compare at".to_owned());
    check.require(Rule::Budget, offsets.len() <= MOST_OFFSETS, || {
        format!("compares at {} offsets; at most {MOST_OFFSETS}", offsets.len())
    });
    let joined = source.shape.first().and_then(|rows| rows.checked_mul(offsets.len()));
    check.require(Rule::Shape, joined.is_some_and(|rows| with_axis(&source.shape, 0, rows) == out.shape), || {
        format!("shape {} of {} results of shape {}", text(&out.shape), offsets.len(), text(&source.shape))
    });
    for &offset in offsets {
        fits_with_offset(check, source, offset);
    }
    ring(check, out, WORD);
    check.require(Rule::Parameter, source.ring <= 32, || {
        format!("compares {} bits by function secret sharing; at most 32", source.ring)
    });
}

/// Limits of G10: levels from the coarsest with a payload down to single units, and results that a word holds.
fn row_function(check: &mut Check<'_>, out: &Value, source: &Value, table: &RowTable) {
    kind(check, out, Kind::Share);
    operand(check, source, Kind::Wire);
    check.require(Rule::Shape, source.shape.last() == Some(&1), || {
        format!("a function of scalars of rows, not of shape {}", text(&source.shape))
    });
    row_of(check, out, source, 1);
    fraction(check, out, i32::from(table.fraction) + i32::from(table.position_bits));
    check.require(Rule::Ring, table.ring_bits == source.ring, || {
        format!("a function over {} bits at a wire of {}", table.ring_bits, source.ring)
    });
    check.require(Rule::Parameter, table.ring_bits <= 62, || {
        format!("a function over {} bits; at most 62", table.ring_bits)
    });
    let levels = (RowTable::FIRST..=table.ring_bits).contains(&table.levels);
    check.require(Rule::Parameter, levels, || {
        format!("{} levels of {} bits; from {} to as many", table.levels, table.ring_bits, RowTable::FIRST)
    });
    let position = (1..=30).contains(&table.position_bits);
    check.require(Rule::Parameter, position, || format!("{} bits of a position; from 1 to 30", table.position_bits));
    check.require(Rule::Parameter, table.fraction <= 40, || format!("{} fraction bits; at most 40", table.fraction));
    let (RowFunction::Rsqrt { scale, eps } | RowFunction::Recip { scale, eps } | RowFunction::Sqrt { scale, eps }) =
        table.function;
    check.require(Rule::Parameter, scale > 0.0 && scale.is_finite() && eps >= 0.0 && eps.is_finite(), || {
        format!("scale {scale:e} and eps {eps:e} do not make a function of positive numbers")
    });
    if !levels || !position || table.ring_bits > 62 || table.fraction > 40 {
        return;
    }
    let value = |v: f64| match table.function {
        RowFunction::Rsqrt { .. } => 1.0 / (v * scale + eps).sqrt(),
        RowFunction::Recip { .. } => 1.0 / (v * scale + eps),
        RowFunction::Sqrt { .. } => (v * scale + eps).sqrt(),
    };
    let ends = [table.least(), f64::from(table.ring_bits).exp2()].map(value);
    let largest = ends.into_iter().fold(0.0, f64::max) * f64::from(table.fraction + table.position_bits).exp2();
    check.require(Rule::Parameter, largest < 62f64.exp2(), || {
        format!("results up to {largest:e} units; they stay below 2^62")
    });
}
