//! The evaluator's half of tiles: it holds the uploads of a product, multiplies group by group of columns, merges, and answers.

use std::ops::Range;

use mpcc_kernels::Prg;
use zeroize::Zeroizing;

use super::Tiles;
use crate::answer::{Product, Randomness, Variation, stream};
use crate::error::{LatticeError, Result, count};
use crate::index::UploadIndex;
use crate::keys::Evaluator;
use crate::merge::Merger;
use crate::planes::Planes;
use crate::pointwise::TOGETHER;
use crate::ring::{Pair, secret_words};
use crate::upload::{Upload, add_products};

/// The evaluator's side of one product: takes the uploads, holds them, and makes answers.
pub struct TileProduct<'e> {
    evaluator: &'e Evaluator,
    tiles: &'e Tiles,
    uploads: Vec<Upload>,
}

impl std::fmt::Debug for TileProduct<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TileProduct({} of {} uploads)", self.uploads.len(), self.tiles.layout.uploads())
    }
}

impl Evaluator {
    /// A product that waits for its uploads.
    ///
    /// # Errors
    /// [`LatticeError::Keys`] if the keys serve too few steps of merging.
    pub fn tile_product<'e>(&'e self, tiles: &'e Tiles) -> Result<TileProduct<'e>> {
        self.ring.same(&tiles.ring)?;
        let (made, needed) = (self.steps.len() as u32, tiles.layout.steps());
        if made < needed {
            return Err(LatticeError::Keys { made, needed });
        }
        Ok(TileProduct { evaluator: self, tiles, uploads: Vec::with_capacity(tiles.layout.uploads()) })
    }
}

impl<'e> TileProduct<'e> {
    /// Uploads that are still to come.
    pub fn missing(&self) -> usize {
        self.tiles.layout.uploads() - self.uploads.len()
    }

    /// Takes the next upload, which has this index.
    ///
    /// # Errors
    /// [`LatticeError::Length`] and [`LatticeError::Residue`] if it is malformed, [`LatticeError::Range`] if none is due.
    pub fn take(&mut self, index: UploadIndex, bytes: &[u8]) -> Result<()> {
        if self.missing() == 0 {
            return Err(LatticeError::Range { what: "uploads due", allowed: "at least 1", found: 0 });
        }
        self.uploads.push(self.evaluator.upload(index, bytes)?);
        Ok(())
    }

    /// The answers for `factors`, inner times columns, row by row.
    ///
    /// # Errors
    /// [`LatticeError::Range`] if uploads are missing or a factor is too large, [`LatticeError::Count`] for another number.
    pub fn answers<'f>(&'f self, factors: &'f [i64]) -> Result<TileAnswers<'f>> {
        self.answers_within(factors, &|_, _| true)
    }

    /// As [`TileProduct::answers`] of a matrix that is known by everybody to be zero where `occupied` says false, of rows and
    /// columns of a tile: such tiles take no time.
    ///
    /// # Errors
    /// As [`TileProduct::answers`].
    pub fn answers_within<'f>(
        &'f self,
        factors: &'f [i64],
        occupied: &'f dyn Fn(Range<usize>, Range<usize>) -> bool,
    ) -> Result<TileAnswers<'f>> {
        self.answers_by(self.tiles, factors, occupied)
    }

    /// As [`TileProduct::answers`] of a digit of wide factors, by the tiles of its place in the same ring and layout.
    ///
    /// # Errors
    /// As [`TileProduct::answers`], and [`LatticeError::Range`] for tiles of another ring, layout or width.
    pub fn answers_above<'f>(&'f self, tiles: &'f Tiles, factors: &'f [i64]) -> Result<TileAnswers<'f>> {
        self.evaluator.ring.same(&tiles.ring)?;
        let whole = |tiles: &Tiles| tiles.plain.bits + tiles.shift;
        if tiles.layout != self.tiles.layout || whole(tiles) != whole(self.tiles) {
            let found = u64::from(whole(tiles));
            return Err(LatticeError::Range { what: "tiles of a digit", allowed: "those of the uploads", found });
        }
        self.answers_by(tiles, factors, &|_, _| true)
    }

    fn answers_by<'f>(
        &'f self,
        tiles: &'f Tiles,
        factors: &'f [i64],
        occupied: &'f dyn Fn(Range<usize>, Range<usize>) -> bool,
    ) -> Result<TileAnswers<'f>> {
        let l = &tiles.layout;
        if self.missing() > 0 {
            let found = self.missing() as u64;
            return Err(LatticeError::Range { what: "missing uploads", allowed: "none", found });
        }
        count("the evaluator's matrix", l.shape.inner * l.shape.columns, factors.len())?;
        // One look at all of them, whatever they are.
        let limit = 1u64 << (tiles.factor_bits - 1);
        let largest = factors.iter().fold(0, |largest, f| largest.max(f.unsigned_abs()));
        if largest > limit {
            let allowed = "within the bits that were declared";
            return Err(LatticeError::Range { what: "bits of a factor", allowed, found: tiles.factor_bits.into() });
        }
        let zero = || Pair::zero(&tiles.ring);
        Ok(TileAnswers {
            product: self,
            tiles,
            factors,
            occupied,
            next: 0,
            ready: (0..l.blocks).map(|_| zero()).collect(),
            merger: Merger::new(self.evaluator, l.steps()),
            stacks: (0..l.blocks).map(|_| (0..=l.log_merged).map(|_| zero()).collect()).collect(),
            multipliers: std::array::from_fn(|_| secret_words(l.degree, 0)),
        })
    }
}

/// The answers of one product, made one after the other: all blocks of rows for some columns, then the next columns.
pub struct TileAnswers<'f> {
    product: &'f TileProduct<'f>,
    tiles: &'f Tiles,
    factors: &'f [i64],
    occupied: &'f dyn Fn(Range<usize>, Range<usize>) -> bool,
    next: usize,
    /// Merged sums of the set at hand, by block.
    pub(super) ready: Vec<Pair>,
    merger: Merger<'f>,
    /// Sums that wait for their partner, by block and then by depth.
    stacks: Vec<Vec<Pair>>,
    multipliers: [Zeroizing<Vec<u64>>; TOGETHER],
}

impl std::fmt::Debug for TileAnswers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TileAnswers({} of {}, ..)", self.next, self.tiles.layout.answers())
    }
}

impl TileAnswers<'_> {
    /// Answers that are left.
    pub fn left(&self) -> usize {
        self.tiles.layout.answers() - self.next
    }

    /// Appends the next answer to `out` and writes the evaluator's shares of its results into the rows times columns numbers of
    /// `shares`. Both sides' shares add up to the product modulo 2^k.
    ///
    /// # Errors
    /// [`LatticeError::Range`] if none is left, [`LatticeError::Count`] for another number of shares.
    pub fn write(&mut self, randomness: &mut Randomness, shares: &mut [u64], out: &mut Vec<u8>) -> Result<()> {
        self.write_varied(Variation::None, randomness, shares, out)
    }

    pub(super) fn write_varied(
        &mut self,
        variation: Variation,
        randomness: &mut Randomness,
        shares: &mut [u64],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let tiles = self.tiles;
        let l = &tiles.layout;
        let lanes = tiles.lanes();
        count("shares", l.shape.rows * l.shape.columns * lanes, shares.len())?;
        if self.left() == 0 {
            return Err(LatticeError::Range { what: "answers left", allowed: "at least 1", found: 0 });
        }
        let (set, block) = (self.next / l.blocks, self.next % l.blocks);
        if block == 0 {
            self.multiply(set);
        }
        let bits = tiles.plain.bits;
        let mut words = secret_words(l.degree * lanes, 0u64);
        let mask = |prg: &Prg| {
            match lanes {
                1 => prg.fill_masked(stream::MASK, 0, bits, &mut words),
                _ => prg.fill_double(stream::MASK, 0, bits, &mut words),
            }
            let mut remainders = Planes::new(l.degree, tiles.plain.scale.bits());
            (0..l.degree).for_each(|x| tiles.plain.set_remainder(&mut remainders, x, (&words, x), false));
            remainders
        };
        let product = Product { evaluator: self.product.evaluator, pair: &mut self.ready[block] };
        let answer = product.answer(variation, &tiles.budget, randomness, mask, &tiles.plain.scale);
        answer.write(&tiles.ring, &tiles.switch, out);
        let low = u128::MAX >> (128 - bits);
        tiles.results(self.next, |place, coefficient| {
            let mask = &words[coefficient * lanes..][..lanes];
            let number = u128::from(mask[0]) | u128::from(mask.get(1).copied().unwrap_or(0)) << 64;
            let share = number.wrapping_neg() & low;
            shares[place * lanes..][..lanes].copy_from_slice(&[share as u64, (share >> 64) as u64][..lanes]);
        });
        self.next += 1;
        Ok(())
    }

    /// Products and merged sums of one set of columns, for all blocks of rows.
    fn multiply(&mut self, set: usize) {
        let l = self.tiles.layout;
        let (groups, merged) = l.groups_of(set);
        for leaf in 0..1usize << merged {
            // Leaves in the order in which partners meet.
            let group = if merged == 0 { 0 } else { leaf.reverse_bits() >> (usize::BITS - merged) };
            // Where the sum of this leaf goes: as deep as partners wait.
            let depth = leaf.count_ones() as usize;
            self.stacks.iter_mut().for_each(|stack| stack[depth].clear());
            if group < groups {
                self.multiply_group((set << l.log_merged) + group, merged, depth);
            }
            for stack in &mut self.stacks {
                let mut top = depth;
                for level in 0..leaf.trailing_ones() {
                    let (before, after) = stack.split_at_mut(top);
                    self.merger.merge(l.log_inner - 1 - level, &mut before[top - 1], &mut after[0]);
                    top -= 1;
                }
            }
        }
        for (ready, stack) in self.ready.iter_mut().zip(&mut self.stacks) {
            std::mem::swap(ready, &mut stack[0]);
        }
    }

    /// Products of one group of columns, added at `depth`. Some tiles are transformed together, and each set serves all blocks.
    fn multiply_group(&mut self, group: usize, merged: u32, depth: usize) {
        let tiles = self.tiles;
        let l = tiles.layout;
        let first = group * l.wide;
        let columns = first..(first + l.wide).min(l.shape.columns);
        let rows = |inner: usize| inner << l.log_inner..((inner + 1) << l.log_inner).min(l.shape.inner);
        let occupied = self.occupied;
        let mut left = (0..l.inner_blocks()).filter(|&inner| occupied(rows(inner), columns.clone()));
        loop {
            let mut some = [0; TOGETHER];
            let count = some.iter_mut().zip(&mut left).map(|(to, inner)| *to = inner).count();
            let some = &some[..count];
            for limb in 0..tiles.ring.limbs.len() {
                for (&inner, multiplier) in some.iter().zip(&mut self.multipliers) {
                    let reducer = &tiles.reducers[merged as usize][limb];
                    multiplier[..l.low()].fill(0);
                    for (j, row) in rows(inner).enumerate() {
                        let factors = &self.factors[row * l.shape.columns..][columns.clone()];
                        for (beside, &w) in factors.iter().enumerate() {
                            multiplier[(beside << l.log_inner) + j] = reducer.small(w);
                        }
                    }
                    tiles.ring.limbs[limb].forward_low(multiplier, l.low());
                }
                for (block, stack) in self.stacks.iter_mut().enumerate() {
                    let uploads = some.iter().map(|inner| &self.product.uploads[inner * l.blocks + block]);
                    let products = uploads.zip(self.multipliers.iter().map(|m| &m[..]));
                    add_products(&tiles.ring, limb, &mut stack[depth], products);
                }
            }
            if some.len() < TOGETHER {
                break;
            }
        }
    }
}
