//! Tiles: matrix products modulo 2^k of the owner's encrypted matrix with one of the evaluator's, exact whatever wraps.
//! Uploads are taken as they arrive; answers are made one by one and give each side a share of some columns.

use std::ops::Range;
use std::sync::Arc;

use mpcc_kernels::Prg;
use zeroize::Zeroizing;

use crate::answer::{Product, Randomness, Switch, Variation, stream};
use crate::bound::Bound;
use crate::budget::{Budget, Flood, Sources};
use crate::error::{LatticeError, Result, count};
use crate::index::UploadIndex;
use crate::keys::Evaluator;
use crate::layout::TileLayout;
use crate::merge::Merger;
use crate::modulus::Reducer;
use crate::owner::{Desk, Owner};
use crate::params::Parameters;
use crate::plain::PowerOfTwo;
use crate::pointwise::TOGETHER;
use crate::ring::{Pair, Ring, secret_words};
use crate::upload::{Upload, add_products};

/// One kind of matrix product: layout, ring of the result, size of the evaluator's factors, what is hidden. Both sides make
/// it from the same numbers; that it exists means that results are exact.
pub struct Tiles {
    ring: Arc<Ring>,
    layout: TileLayout,
    plain: PowerOfTwo,
    factor_bits: u32,
    budget: Budget,
    switch: Switch,
    /// By lg of the merged groups, then by prime: factors to multipliers that undo the growth of merging.
    reducers: Vec<Vec<Reducer>>,
}

impl std::fmt::Debug for Tiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tiles({:?}, {:?}, 2^{})", self.ring, self.layout, self.plain.bits)
    }
}

impl Tiles {
    /// Products modulo 2^`bits` with factors of size at most 2^(`factor_bits` − 1).
    ///
    /// # Errors
    /// [`LatticeError::Budget`] if the ring is too small, [`LatticeError::Range`] for widths that are not supported or a
    /// layout of another degree, [`LatticeError::Keys`] if the layout merges and the ring cannot.
    pub fn new(ring: &Arc<Ring>, layout: TileLayout, bits: u32, factor_bits: u32, flood: Flood) -> Result<Tiles> {
        let budget = Tiles::budget_for(ring.parameters(), &layout, bits, factor_bits, flood)?;
        let switch = Switch::new(ring, bits, layout.used())?;
        let reducer = |merged: u32| {
            let scale = |t: &crate::ntt::Transform| {
                let m = t.modulus;
                Reducer::new(m, m.product(m.power(2, 52), m.invert(m.power(2, merged.into()))))
            };
            ring.limbs.iter().map(scale).collect()
        };
        let reducers = (0..=layout.log_merged).map(reducer).collect();
        let plain = PowerOfTwo::new(ring, bits);
        Ok(Tiles { ring: ring.clone(), layout, plain, factor_bits, budget, switch, reducers })
    }

    /// The noise of such answers, for planners.
    ///
    /// # Errors
    /// As [`Tiles::new`].
    pub fn budget_for(
        parameters: Parameters,
        layout: &TileLayout,
        bits: u32,
        factor_bits: u32,
        flood: Flood,
    ) -> Result<Budget> {
        let refused = |what, allowed, found: u32| Err(LatticeError::Range { what, allowed, found: found.into() });
        if !(1..=64).contains(&bits) {
            return refused("bits of a ring", "1 to 64", bits);
        }
        if !(1..=51).contains(&factor_bits) {
            return refused("bits of factors", "1 to 51; split wider ones", factor_bits);
        }
        if layout.degree != parameters.degree() {
            return refused("the layout's degree", "that of the ring", layout.degree as u32);
        }
        if layout.log_merged > 0 && parameters.special_bits() == 0 {
            return Err(LatticeError::Keys { made: 0, needed: layout.steps() });
        }
        let sources = Sources {
            parameters,
            message: bits,
            terms: Bound::integer(layout.shape.inner as u64).times(Bound::integer(layout.wide as u64)),
            factor: Bound::power_of_two(factor_bits - 1),
            merged: layout.log_merged,
            flood,
        };
        sources.budget()
    }

    /// The layout.
    pub fn layout(&self) -> &TileLayout {
        &self.layout
    }

    /// The noise that answers have.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Bytes of each of the layout's uploads.
    pub fn upload_bytes(&self) -> usize {
        self.ring.polynomial_bytes()
    }

    /// Bytes of each of the layout's answers.
    pub fn answer_bytes(&self) -> usize {
        self.switch.bytes()
    }

    /// Every result of answer number `answer`: its place in the result, row by row, and its coefficient.
    fn results(&self, answer: usize, mut each: impl FnMut(usize, usize)) {
        let l = &self.layout;
        let (set, block) = (answer / l.blocks, answer % l.blocks);
        let (groups, merged) = l.groups_of(set);
        let spacing = (1 << l.log_inner) >> merged;
        for i in 0..l.high.min(l.shape.rows - block * l.high) {
            for group in 0..groups {
                let column = ((set << l.log_merged) + group) * l.wide;
                for beside in 0..l.wide.min(l.shape.columns - column) {
                    let coefficient = i * l.low() + (beside << l.log_inner) + group * spacing;
                    each((block * l.high + i) * l.shape.columns + column + beside, coefficient);
                }
            }
        }
    }
}

/// The uploads of one matrix, made one after the other.
pub struct TileUploads<'o> {
    owner: &'o Owner,
    tiles: &'o Tiles,
    values: &'o [u64],
    next: usize,
    desk: Desk,
    remainders: Zeroizing<Vec<[u64; 1]>>,
}

impl std::fmt::Debug for TileUploads<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TileUploads({} of {}, ..)", self.next, self.tiles.layout.uploads())
    }
}

impl Owner {
    /// The uploads of `values`, rows times inner words modulo 2^k, row by row.
    ///
    /// # Errors
    /// [`LatticeError::Count`] for another number of values.
    pub fn upload_tiles<'o>(&'o self, tiles: &'o Tiles, values: &'o [u64]) -> Result<TileUploads<'o>> {
        self.ring.same(&tiles.ring)?;
        let shape = tiles.layout.shape;
        count("the owner's matrix", shape.rows * shape.inner, values.len())?;
        let degree = self.ring.degree();
        let remainders = secret_words(degree, [0]);
        Ok(TileUploads { owner: self, tiles, values, next: 0, desk: Desk::new(degree), remainders })
    }

    /// Opens answer number `answer`, in the order in which they were made: writes the owner's shares of its results into the
    /// rows times columns words of `shares`.
    ///
    /// # Errors
    /// [`LatticeError::Length`] if it has another length, [`LatticeError::Count`] for another number of shares; in debug builds
    /// [`LatticeError::Noise`].
    pub fn open_tiles(&self, tiles: &Tiles, answer: usize, bytes: &[u8], shares: &mut [u64]) -> Result<()> {
        self.ring.same(&tiles.ring)?;
        let l = &tiles.layout;
        count("shares", l.shape.rows * l.shape.columns, shares.len())?;
        if answer >= l.answers() {
            let found = answer as u64;
            return Err(LatticeError::Range {
                what: "the number of an answer",
                allowed: "below the layout's answers",
                found,
            });
        }
        let phases = self.phases(&tiles.switch, bytes)?;
        let mut failed = Ok(());
        tiles.results(answer, |place, coefficient| {
            match tiles.plain.message(&phases.0[coefficient], tiles.switch.phase_bits()) {
                Ok(message) => shares[place] = message,
                Err(error) => failed = Err(error),
            }
        });
        failed
    }
}

impl TileUploads<'_> {
    /// Uploads that are left.
    pub fn left(&self) -> usize {
        self.tiles.layout.uploads() - self.next
    }

    /// Appends the next upload under this index.
    ///
    /// # Errors
    /// [`LatticeError::Range`] if none is left.
    pub fn write(&mut self, index: UploadIndex, out: &mut Vec<u8>) -> Result<()> {
        if self.left() == 0 {
            return Err(LatticeError::Range { what: "uploads left", allowed: "at least 1", found: 0 });
        }
        let l = &self.tiles.layout;
        let (inner, block) = (self.next / l.blocks, self.next % l.blocks);
        let (width, plain) = (1 << l.log_inner, &self.tiles.plain);
        self.remainders.fill([0]);
        for i in 0..l.high.min(l.shape.rows - block * l.high) {
            let row = &self.values[(block * l.high + i) * l.shape.inner..][..l.shape.inner];
            for (j, &value) in row[inner * width..].iter().take(width).enumerate() {
                // At X^(i·nw·kw − j), and X^−j is −X^(N − j).
                let place = i * l.low();
                if place >= j {
                    self.remainders[place - j] = plain.remainder(value);
                } else {
                    self.remainders[l.degree + place - j] = plain.remainder(value.wrapping_neg());
                }
            }
        }
        let remainders = &self.remainders;
        self.owner.upload(&index, &mut self.desk, |limb, x| plain.scale.residue(limb, &remainders[x]), out);
        self.next += 1;
        Ok(())
    }
}

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
        let l = &self.tiles.layout;
        if self.missing() > 0 {
            let found = self.missing() as u64;
            return Err(LatticeError::Range { what: "missing uploads", allowed: "none", found });
        }
        count("the evaluator's matrix", l.shape.inner * l.shape.columns, factors.len())?;
        // One look at all of them, whatever they are.
        let limit = 1u64 << (self.tiles.factor_bits - 1);
        let largest = factors.iter().fold(0, |largest, f| largest.max(f.unsigned_abs()));
        if largest > limit {
            let allowed = "within the bits that were declared";
            return Err(LatticeError::Range {
                what: "bits of a factor",
                allowed,
                found: self.tiles.factor_bits.into(),
            });
        }
        let zero = || Pair::zero(&self.tiles.ring);
        Ok(TileAnswers {
            product: self,
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
    factors: &'f [i64],
    occupied: &'f dyn Fn(Range<usize>, Range<usize>) -> bool,
    next: usize,
    /// Merged sums of the set at hand, by block.
    ready: Vec<Pair>,
    merger: Merger<'f>,
    /// Sums that wait for their partner, by block and then by depth.
    stacks: Vec<Vec<Pair>>,
    multipliers: [Zeroizing<Vec<u64>>; TOGETHER],
}

impl std::fmt::Debug for TileAnswers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TileAnswers({} of {}, ..)", self.next, self.product.tiles.layout.answers())
    }
}

impl TileAnswers<'_> {
    /// Answers that are left.
    pub fn left(&self) -> usize {
        self.product.tiles.layout.answers() - self.next
    }

    /// Appends the next answer to `out` and writes the evaluator's shares of its results into the rows times columns words of
    /// `shares`. Both sides' shares add up to the product modulo 2^k.
    ///
    /// # Errors
    /// [`LatticeError::Range`] if none is left, [`LatticeError::Count`] for another number of shares.
    pub fn write(&mut self, randomness: &mut Randomness, shares: &mut [u64], out: &mut Vec<u8>) -> Result<()> {
        self.write_varied(Variation::None, randomness, shares, out)
    }

    fn write_varied(
        &mut self,
        variation: Variation,
        randomness: &mut Randomness,
        shares: &mut [u64],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let tiles = self.product.tiles;
        let l = &tiles.layout;
        count("shares", l.shape.rows * l.shape.columns, shares.len())?;
        if self.left() == 0 {
            return Err(LatticeError::Range { what: "answers left", allowed: "at least 1", found: 0 });
        }
        let (set, block) = (self.next / l.blocks, self.next % l.blocks);
        if block == 0 {
            self.multiply(set);
        }
        let bits = tiles.plain.bits;
        let mut words = secret_words(l.degree, 0u64);
        let mask = |prg: &Prg| {
            prg.fill_masked(stream::MASK, 0, bits, &mut words);
            Zeroizing::new(words.iter().map(|&s| tiles.plain.remainder(s)).collect())
        };
        let product = Product { evaluator: self.product.evaluator, pair: &mut self.ready[block] };
        let answer = product.answer(variation, &tiles.budget, randomness, mask, &tiles.plain.scale);
        answer.write(&tiles.ring, &tiles.switch, out);
        let low = u64::MAX >> (64 - bits);
        tiles.results(self.next, |place, coefficient| shares[place] = words[coefficient].wrapping_neg() & low);
        self.next += 1;
        Ok(())
    }

    /// Products and merged sums of one set of columns, for all blocks of rows.
    fn multiply(&mut self, set: usize) {
        let l = self.product.tiles.layout;
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
        let tiles = self.product.tiles;
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

/// A word modulo 2^`bits` as the number of least size, for factors that are ring words.
pub fn centred(word: u64, bits: u32) -> i64 {
    let up = 64 - bits;
    (word << up) as i64 >> up
}

#[cfg(test)]
mod tests;
