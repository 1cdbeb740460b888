//! The meaning of each gate on plain integers.

use mpcc_program::code::{RowOffer, RowTable};
use mpcc_program::program::{Gate, Supplier, Term, ValueId, WeightId, exponential};

use super::arithmetic::{concat, matmul, rearrange, row_sums};
use super::coins::{self, Mask, hat, total};
use super::{RangeError, State, buckets, tables};

type Integers = Vec<i128>;

/// The integers of a value, and its mask if it is a wire.
pub(super) fn evaluate(state: &State<'_>, id: ValueId) -> Result<(Integers, Option<Mask>), RangeError> {
    let value = state.program.value(id);
    let len = value.shape.iter().product();
    let get = |id: ValueId| state.integers(id).iter().map(|x| i128::from(*x));
    let weight = |id: WeightId| &state.weights[id.0 as usize];
    let integers: Integers = match &value.gate {
        Gate::Input { input } => {
            let mask = state.coins.mask_of_data_owner(id, value.ring, len);
            return Ok((wide(&state.inputs[*input as usize]), Some(mask)));
        }
        Gate::ServerShare { weight: w } => wide(weight(*w)),
        Gate::ClientShare { input } => wide(&state.inputs[*input as usize]),
        Gate::Open { source, truncate } => {
            let integers = state.coins.round(id, get(*source).collect(), *truncate);
            return Ok((integers, Some(state.coins.mask(id, value.ring, len))));
        }
        Gate::Reveal { source, truncate, .. } => {
            let revealed = state.coins.round(id, get(*source).collect(), *truncate);
            revealed.into_iter().map(|x| signed(x, value.ring)).collect()
        }
        Gate::View { source, view } => {
            let (from, to) = (state.shape(*source), &value.shape[..]);
            let integers = rearrange(&get(*source).collect::<Vec<_>>(), from, to, view);
            let mask = state.masks[source.0 as usize].as_ref();
            return Ok((integers, mask.map(|m| [0, 1].map(|i| rearrange(&m[i], from, to, view)))));
        }
        Gate::Rescale { source, .. } => {
            return Ok((get(*source).collect(), state.masks[source.0 as usize].clone()));
        }
        Gate::Centre { source, truncate } => return Ok(centre(state, *source, *truncate)),
        Gate::Reduce { source, truncate } => return Ok(reduce(state, id, *source, *truncate)),
        Gate::Add { terms } => {
            let mut sum = vec![0; len];
            for term in terms {
                sum.iter_mut().zip(shifted(state, *term)).for_each(|(s, x)| *s += x);
            }
            sum
        }
        Gate::Sub { left, right } => shifted(state, *left).zip(shifted(state, *right)).map(|(l, r)| l - r).collect(),
        Gate::Concat { parts, axis } => {
            let parts: Vec<_> =
                parts.iter().map(|p| (shifted(state, *p).collect(), state.shape(p.value)[*axis])).collect();
            concat(&parts, &value.shape, *axis)
        }
        Gate::Residue { source } => {
            let low = |x: i128| x & ((1 << value.ring) - 1);
            get(*source).map(low).collect()
        }
        Gate::SumRow { source } => row_sums(get(*source), last(state, *source)),
        Gate::MulPublic { source, factor } => get(*source).map(|x| x * i128::from(*factor)).collect(),
        Gate::AddPublic { source, term } => get(*source).map(|x| x + i128::from(*term)).collect(),
        Gate::AddServer { source, weight: w } => {
            get(*source).zip(wide(weight(*w)).into_iter().cycle()).map(|(x, w)| x + w).collect()
        }
        Gate::MatMulServer { source, weight: w } => {
            matmul(state.integers(*source), weight(*w), last(state, *source), last(state, id))
        }
        Gate::MulServer { source, weight: w } => {
            get(*source).zip(wide(weight(*w)).into_iter().cycle()).map(|(x, w)| x * w).collect()
        }
        Gate::MatMul { left, right } => {
            let (k, n) = (last(state, *left), last(state, *right));
            let m = state.shape(*left)[state.shape(*left).len() - 2];
            let pairs = state.integers(*left).chunks_exact(m * k).zip(state.integers(*right).chunks_exact(k * n));
            pairs.flat_map(|(l, r)| matmul(l, r, k, n)).collect()
        }
        Gate::Hadamard { left, right } => {
            let (l, r) = (state.shape(*left), state.shape(*right));
            // How many entries of the left wire in a row meet one entry of the right.
            let run = if l.ends_with(r) { 1 } else { last(state, *left) };
            let right = get(*right).flat_map(|y| std::iter::repeat_n(y, run));
            get(*left).zip(right.collect::<Vec<_>>().into_iter().cycle()).map(|(x, y)| x * y).collect()
        }
        Gate::Extend { source } => get(*source).collect(),
        Gate::Square { source } => get(*source).map(|x| x * x).collect(),
        Gate::RowSquares { source } => row_sums(get(*source).map(|x| x * x), last(state, *source)),
        Gate::RowScale { source, row } => {
            let columns = last(state, *source);
            let row = state.integers(*row);
            get(*source).enumerate().map(|(at, x)| x * i128::from(row[at / columns])).collect()
        }
        Gate::SignDigits { source, offset, .. } => {
            get(*source).map(|x| i128::from(x + i128::from(*offset) < 0)).collect()
        }
        Gate::OpenSign { signs, negate } => {
            let start = vec![i128::from(*negate); len];
            signs.iter().fold(start, |bits, sign| bits.into_iter().zip(get(*sign)).map(|(a, b)| a ^ b).collect())
        }
        Gate::CoarseSign { source, offsets, buckets, negate } => {
            let start = vec![i128::from(*negate); len];
            let signs = offsets.iter().map(|offset| buckets::signs(state, *source, *offset, *buckets));
            signs.fold(start, |bits, sign| bits.into_iter().zip(sign).map(|(a, b)| a ^ b).collect())
        }
        Gate::Select { bit, source, .. } => get(*bit).zip(get(*source)).map(|(b, x)| b * x).collect(),
        Gate::SignShare { bit } => get(*bit).collect(),
        Gate::StepShared { source, offsets } => {
            offsets.iter().flat_map(|o| get(*source).map(|x| i128::from(x + i128::from(*o) >= 0))).collect()
        }
        Gate::ReluShared { source, offsets } => {
            offsets.iter().flat_map(|o| get(*source).map(|x| (x + i128::from(*o)).max(0))).collect()
        }
        Gate::RowFunction { source, table } => row_function(state, *source, table)?,
        Gate::RowOffer { source, offer } => row_offer(state, *source, offer)?,
        Gate::BucketBits { source, offset, buckets } => {
            let at = buckets::within(state, *source, *offset, *buckets)?;
            at.into_iter()
                .map(|at| 1i128.checked_shl(at.above).map_or(0, |bit| bit & ((1 << value.ring) - 1)))
                .collect()
        }
        Gate::Exponential { bits, source, mask_fraction, public_fraction } => {
            let of = exponential(state.program, (*bits, *source), (*mask_fraction, *public_fraction));
            buckets::exponential(state, (*bits, *source), &of)
        }
        Gate::BucketCounts { source, offset, buckets, step } => {
            let at = buckets::within(state, *source, *offset, *buckets)?;
            buckets::counts(&at, (last(state, *source), last(state, id)), *step, value.ring)
        }
        Gate::ZeroDigits { source, offset, .. } => {
            let ring = state.program.value(*source).ring;
            get(*source).map(|x| i128::from(signed(x + i128::from(*offset), ring) == 0)).collect()
        }
        Gate::ZeroShare { bits } => get(*bits).collect(),
        Gate::SubRow { source, row, shift, term } => return Ok(sub_row(state, (*source, *row), *shift, *term)),
        Gate::TrigSeries { source, period_bits, table_fraction, cosines, sines } => {
            let (hat, mask) = opened(state, *source);
            let (parameters, [first, second]) = ((*period_bits, *table_fraction), state.mask(*source));
            let masks = mask.iter().zip(first.iter().zip(second)).map(|(whole, (a, b))| match state.program.supplier {
                Supplier::Dealer => tables::Mask::Whole(*whole),
                Supplier::Pair => tables::Mask::Parts([*a, *b]),
            });
            hat.iter().zip(masks).map(|(h, r)| tables::trig_series(*h, r, parameters, [cosines, sines])).collect()
        }
    };
    Ok((integers, None))
}

fn wide(integers: &[i64]) -> Integers {
    integers.iter().map(|x| i128::from(*x)).collect()
}

fn last(state: &State<'_>, id: ValueId) -> usize {
    state.shape(id).last().copied().unwrap_or(1)
}

fn shifted<'s>(state: &'s State<'_>, term: Term) -> impl Iterator<Item = i128> + 's {
    state.integers(term.value).iter().map(move |x| i128::from(*x) << term.shift)
}

/// The public x^ and the whole mask of a wire.
fn opened(state: &State<'_>, source: ValueId) -> (Vec<u64>, Vec<u64>) {
    let (mask, ring) = (state.mask(source), state.program.value(source).ring);
    (hat(state.integers(source), mask, ring), total(mask, ring))
}

/// The integer that `bits` bits of `x` stand for.
fn signed(x: i128, bits: u8) -> i128 {
    let modulus = 1i128 << bits;
    (x + modulus / 2).rem_euclid(modulus) - modulus / 2
}

/// d·x − Σx: each party's mask goes through the same map, and both are truncated with it.
fn centre(state: &State<'_>, source: ValueId, truncate: u8) -> (Integers, Option<Mask>) {
    let ring = state.program.value(source).ring;
    let d = last(state, source);
    let apply = |data: &mut dyn Iterator<Item = i128>| -> Integers {
        let data: Integers = data.collect();
        let sums = row_sums(data.iter().copied(), d);
        data.iter().enumerate().map(|(at, x)| d as i128 * x - sums[at / d]).collect()
    };
    let mask = state.mask(source);
    let mask = [0, 1].map(|i| {
        let derived = apply(&mut mask[i].iter().map(|r| i128::from(*r)));
        derived.into_iter().map(|r| coins::low(r as u64, ring)).collect()
    });
    let centred = apply(&mut state.integers(source).iter().map(|x| i128::from(*x)));
    let integers = coins::dithered(&centred, &mask, truncate);
    (integers, Some(mask.map(|m| coins::shifted(&m, truncate))))
}

/// What is left of the low bits, as a signed number, with the low bits of the masks.
fn reduce(state: &State<'_>, id: ValueId, source: ValueId, truncate: u8) -> (Integers, Option<Mask>) {
    let (from, ring) = (state.program.value(source).ring, state.program.value(id).ring);
    let mask = state.mask(source);
    let integers: Integers = state.integers(source).iter().map(|x| i128::from(*x)).collect();
    let integers = if truncate == 0 { integers } else { coins::dithered(&integers, mask, truncate) };
    let integers = integers.into_iter().map(|x| signed(x, ring)).collect();
    let low = |m: &Vec<u64>| m.iter().map(|r| coins::low(coins::low(*r, from) >> truncate, ring)).collect();
    (integers, Some([low(&mask[0]), low(&mask[1])]))
}

/// x − 2^shift u + term, with the masks' parts alike.
fn sub_row(state: &State<'_>, (source, row): (ValueId, ValueId), shift: u8, term: i64) -> (Integers, Option<Mask>) {
    let (cols, ring) = (last(state, source), state.program.value(source).ring);
    let u = state.integers(row);
    let integers = state.integers(source).iter().enumerate();
    let integers = integers.map(|(at, x)| i128::from(*x) - (i128::from(u[at / cols]) << shift) + i128::from(term));
    let integers = integers.collect();
    let mask = [0, 1].map(|i| {
        let (r, u) = (&state.mask(source)[i], &state.mask(row)[i]);
        r.iter().enumerate().map(|(at, r)| coins::low(r.wrapping_sub(u[at / cols] << shift), ring)).collect()
    });
    (integers, Some(mask))
}

/// To the data owner the number is masked by the model owner's part alone.
fn row_offer(state: &State<'_>, source: ValueId, offer: &RowOffer) -> Result<Integers, RangeError> {
    within_domain(state, source, &offer.table)?;
    let (hat, _) = opened(state, source);
    let [first, second] = state.mask(source);
    let points: Vec<u64> = hat.iter().zip(second).map(|(hat, r)| hat.wrapping_sub(*r)).collect();
    Ok(tables::offered(offer, &points, first))
}

fn row_function(state: &State<'_>, source: ValueId, table: &RowTable) -> Result<Integers, RangeError> {
    within_domain(state, source, table)?;
    let (hat, mask) = opened(state, source);
    Ok(tables::rows(table, &hat, &mask))
}

fn within_domain(state: &State<'_>, source: ValueId, table: &RowTable) -> Result<(), RangeError> {
    let end = u128::from(table.domain().end);
    let arguments = state.integers(source).iter();
    // A negative argument stands for one at the upper end of the ring.
    let unsigned: Integers = arguments.map(|v| i128::from(coins::low(*v as u64, table.ring_bits))).collect();
    state.within(source, &unsigned, end)
}
