//! What the correlated randomness of a program means: what the shares of every item add up to, computed from the masks in plain
//! integers. Whoever supplies it must agree with this.

use mpcc_kernels::{rows, trig};
use mpcc_program::code::RowOffer;
use mpcc_program::correlation::{Along, Correlation, Item, Pairing, Sharing, materials};
use mpcc_program::exponential::Exponential;
use mpcc_program::gates::mask_widths;
use mpcc_program::program::{Kind, Program, ValueId, WeightId};
use mpcc_program::series;
use mpcc_program::verify::verify;

use super::coins::{low, low_words, total};
use super::{Coins, IdealError, Ranges, State, gates, tables};
use crate::engine::row_offer;
use crate::seeds::StageSeed;

/// The low 64 bits of what the shares of one item add up to, modulo 2^bits.
pub struct Meaning {
    /// The value whose gate needs it.
    pub value: ValueId,
    /// The item.
    pub item: Item,
    /// Its entries.
    pub words: Vec<u64>,
}

/// What every item of the program that is a sum of shares means, in the order in which they are dealt; `setup`
/// is the model owner's, from which the masks of its weights come.
///
/// # Errors
/// [`IdealError::Program`] if the program does not verify, [`IdealError::Range`] at the first value that leaves its bound.
pub fn meanings(
    program: &Program,
    weights: &[Vec<i64>],
    inputs: &[Vec<i64>],
    coins: &Coins,
    setup: &StageSeed,
) -> Result<Vec<Meaning>, IdealError> {
    verify(program).map_err(IdealError::Program)?;
    let ranges = Ranges::Strict;
    let mut state = State { program, weights, inputs, coins, ranges, values: Vec::new(), masks: Vec::new() };
    let mut out = Vec::new();
    for (index, items) in materials(program).into_iter().enumerate() {
        let id = ValueId(index as u32);
        let (integers, mask) = gates::evaluate(&state, id)?;
        state.values.push(integers.into_iter().map(|x| x as i64).collect());
        state.masks.push(match program.value(id).kind {
            Kind::Bits => Some(coins.pads(id, program.value(id).ring, state.values[index].len())),
            Kind::Share | Kind::Wire => mask,
        });
        let known = Known { state: &state, setup };
        let shares = items.into_iter().filter(|item| matches!(item.sharing, Sharing::Additive | Sharing::Xor));
        out.extend(shares.map(|item| Meaning { value: id, words: known.words(id, &item), item }));
    }
    Ok(out)
}

/// All masks up to a value.
struct Known<'s, 'a> {
    state: &'s State<'a>,
    setup: &'s StageSeed,
}

impl Known<'_, '_> {
    fn words(&self, own: ValueId, item: &Item) -> Vec<u64> {
        let words: Vec<u64> = match &item.what {
            Correlation::MaskTimesWeight { wire, weight, pairing } => {
                paired(&self.state.mask(*wire)[1], &self.weight(*weight), *pairing)
            }
            Correlation::Cross { left, right, pairing } => {
                let [a, b] = [left, right].map(|wire| (self.wrapped(*wire), &self.state.mask(*wire)[0]));
                let (all, own) = (paired(&a.0, &b.0, *pairing), paired(a.1, b.1, *pairing));
                all.iter().zip(own).map(|(all, own)| all.wrapping_sub(own)).collect()
            }
            Correlation::Carry { wire, top } => {
                let k = self.ring(*wire);
                let [first, second] = self.state.mask(*wire);
                let sums = first.iter().zip(second).map(|(a, b)| u128::from(low(*a, k)) + u128::from(low(*b, k)));
                sums.map(|sum| (sum >> k) as u64 + if *top { (sum >> (k - 1)) as u64 & 1 } else { 0 }).collect()
            }
            Correlation::Squares { wire, cols } => {
                let r = self.mask(*wire);
                r.chunks(*cols).map(|row| row.iter().fold(0u64, |s, r| s.wrapping_add(r.wrapping_mul(*r)))).collect()
            }
            Correlation::TopTimesMask { wire } => {
                self.mask(*wire).iter().zip(self.top(*wire)).map(|(r, top)| top * r).collect()
            }
            Correlation::MaskTimesRow { wire, row, top } => {
                let (r, t) = (if *top { self.top(*wire) } else { self.mask(*wire) }, self.wrapped(*row));
                let cols = r.len() / t.len();
                r.iter().enumerate().map(|(at, r)| r.wrapping_mul(t[at / cols])).collect()
            }
            Correlation::OneHot { wire, low: from, width } => {
                self.mask(*wire).iter().map(|r| 1u64 << low(r >> from, *width)).collect()
            }
            Correlation::HalfAbove { wire, low: from, width } => {
                let above = |bucket: u64, j: u64| low(j.wrapping_sub(bucket), *width) >> (width - 1);
                let half = |r: u64| (0..1 << (width - 1)).map(|j| above(r >> from, j) << j).sum();
                self.mask(*wire).into_iter().map(half).collect()
            }
            Correlation::PadProducts { sets } => {
                let products = |pads: u64| {
                    let chosen = |set: &u32| pads & u64::from(*set) == u64::from(*set);
                    sets.iter().enumerate().map(|(at, set)| u64::from(chosen(set)) << at).sum()
                };
                self.pads(own).into_iter().map(products).collect()
            }
            Correlation::Pad { bit } => self.pads(*bit),
            Correlation::PadTimesMask { bit, wire, top } => {
                let factor = if *top { self.top(*wire) } else { self.mask(*wire) };
                self.pads(*bit).iter().zip(factor).map(|(pad, factor)| pad * factor).collect()
            }
            Correlation::Harmonic { wire, period_bits, fraction, multiple, less, sine } => {
                let one = |r: u64| {
                    let turned = r.wrapping_mul((*multiple).into());
                    let (cos, sin) = trig::cos_sin(turned, (*period_bits).into(), (*fraction).into());
                    series::rounded(if *sine { sin } else { cos }, *less) as u64
                };
                self.mask(*wire).into_iter().map(one).collect()
            }
            Correlation::HarmonicOfParts { wire, period_bits, fraction, multiple, sine } => {
                let [first, second] = self.state.mask(*wire);
                let one = |(a, b): (&u64, &u64)| {
                    let (cos, sin) = tables::product([*a, *b], *multiple, (*period_bits, *fraction));
                    (if *sine { sin } else { cos }) as u64
                };
                first.iter().zip(second).map(one).collect()
            }
            Correlation::Exponent { wire, of } => self.exponents(*wire, of),
            Correlation::PadTimesExponent { bits, position, wire, of } => {
                let pads = self.pads(*bits).into_iter().map(|pads| pads >> position & 1);
                self.exponents(*wire, of).iter().zip(pads).map(|(exponent, pad)| exponent * pad).collect()
            }
            Correlation::InBucket { wire, low } => {
                let buckets = self.mask(*wire).into_iter().map(|r| r >> low).collect::<Vec<_>>();
                let others = (1u64 << (self.ring(*wire) - low)) - 1;
                (0..others).flat_map(|e| buckets.iter().map(move |bucket| u64::from(*bucket == e))).collect()
            }
            Correlation::PadProduct { bits, set } => {
                let chosen = |pads: u64| u64::from(pads & u64::from(*set) == u64::from(*set));
                self.pads(*bits).into_iter().map(chosen).collect()
            }
            Correlation::Comparison { .. } | Correlation::RowPowers { .. } => unreachable!("keys are no sum of shares"),
            Correlation::BucketPads { .. } => unreachable!("pads are no sum of shares"),
            Correlation::MaskedPowers { wire, offer } => self.masked_powers(own, (*wire, offer), item),
        };
        words.into_iter().map(|word| low(word, item.bits)).collect()
    }

    fn ring(&self, id: ValueId) -> u8 {
        self.state.program.value(id).ring
    }

    /// r, from 0 to 2^k.
    fn mask(&self, wire: ValueId) -> Vec<u64> {
        total(self.state.mask(wire), self.ring(wire))
    }

    /// r modulo 2^64 of the sum of its parts, as far as a product sees it.
    fn wrapped(&self, wire: ValueId) -> Vec<u64> {
        let [first, second] = self.state.mask(wire);
        first.iter().zip(second).map(|(a, b)| a.wrapping_add(*b)).collect()
    }

    /// exp of the mask's position in its bucket.
    fn exponents(&self, wire: ValueId, of: &Exponential) -> Vec<u64> {
        let factors = of.factors();
        let [first, second] = self.state.mask(wire);
        first.iter().zip(second).map(|(a, b)| factors.secret([*a, *b])).collect()
    }

    /// Powers of the position of the model owner's mask in its bucket of every list, times what the data owner draws.
    fn masked_powers(&self, own: ValueId, (wire, of): (ValueId, &RowOffer), item: &Item) -> Vec<u64> {
        let (levels, first) = (row_offer(of).levels(), &self.state.mask(wire)[0]);
        let masks: Vec<Vec<u64>> = (0..4)
            .map(|power| self.state.coins.of_data_owner(own, 3 + power, item.bits, item.len * levels.len()))
            .collect();
        let row = |(row, mask): (usize, &u64)| {
            let list = |(list, level): (usize, &u32)| {
                let powers = rows::powers(&row_offer(of).table, *mask, *level);
                (1..4)
                    .fold(0u64, |sum, q| sum.wrapping_add(powers[q].wrapping_mul(masks[q][row * levels.len() + list])))
            };
            levels.iter().enumerate().map(list).fold(0, u64::wrapping_add)
        };
        first.iter().enumerate().map(row).collect()
    }

    fn top(&self, wire: ValueId) -> Vec<u64> {
        let k = self.ring(wire);
        self.mask(wire).iter().map(|r| r >> (k - 1) & 1).collect()
    }

    /// Pads of opened bits.
    fn pads(&self, bits: ValueId) -> Vec<u64> {
        let [first, second] = self.state.mask(bits);
        first.iter().zip(second).map(|(a, b)| a ^ b).collect()
    }

    /// s, the static mask of a weight.
    fn weight(&self, weight: WeightId) -> Vec<u64> {
        let program = self.state.program;
        let len = program.weights[weight.0 as usize].shape.iter().product();
        low_words(self.setup, u64::from(weight.0), mask_widths(program)[weight.0 as usize], len)
    }
}

/// The products of two operands, modulo 2^64.
fn paired(left: &[u64], right: &[u64], pairing: Pairing) -> Vec<u64> {
    match pairing {
        Pairing::Matrices { batch, m, k, n, shared_right } => {
            let mut out = vec![0u64; batch * m * n];
            for (at, out) in out.iter_mut().enumerate() {
                let (b, i, j) = (at / (m * n), at / n % m, at % n);
                let from = if shared_right { 0 } else { b * k * n };
                for p in 0..k {
                    let term = left[(b * m + i) * k + p].wrapping_mul(right[from + p * n + j]);
                    *out = out.wrapping_add(term);
                }
            }
            out
        }
        Pairing::Complex { .. } => unreachable!("no pairing of wires"),
        Pairing::Entries { cols, right: along, .. } => {
            let place = |at: usize| match along {
                Along::Both => at,
                Along::Columns => at % cols,
                Along::Rows => at / cols,
            };
            left.iter().enumerate().map(|(at, a)| a.wrapping_mul(right[place(at)])).collect()
        }
    }
}
