//! Tiles: matrix products modulo 2^k of the owner's encrypted matrix with one of the evaluator's, exact whatever wraps.
//! Uploads are taken as they arrive; answers are made one by one and give each side a share of some columns.

use std::sync::Arc;

use crate::answer::Switch;
use crate::bound::Bound;
use crate::budget::{Budget, Flood, Sources};
use crate::error::{LatticeError, Result};
use crate::layout::TileLayout;
use crate::modulus::Reducer;
use crate::params::Parameters;
use crate::plain::PowerOfTwo;
use crate::ring::Ring;

mod evaluator;
mod owner;

pub use evaluator::{TileAnswers, TileProduct};
pub use owner::TileUploads;

/// One kind of matrix product: layout, ring of the result, size of the evaluator's factors, what is hidden. Both sides make
/// it from the same numbers; that it exists means that results are exact.
pub struct Tiles {
    ring: Arc<Ring>,
    layout: TileLayout,
    plain: PowerOfTwo,
    factor_bits: u32,
    /// lg of what factors count, and what uploads' numbers had more bits than results.
    shift: u32,
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
    /// Products modulo 2^`bits` with factors of size at most 2^(`factor_bits` − 1). Numbers of the owner's and shares of more than
    /// 64 bits take two words each, low word first.
    ///
    /// # Errors
    /// [`LatticeError::Budget`] if the ring is too small, [`LatticeError::Range`] for widths that are not supported or a
    /// layout of another degree, [`LatticeError::Keys`] if the layout merges and the ring cannot.
    pub fn new(ring: &Arc<Ring>, layout: TileLayout, bits: u32, factor_bits: u32, flood: Flood) -> Result<Tiles> {
        Tiles::shifted(ring, layout, (bits, 0), factor_bits, flood)
    }

    /// Products with upper digits of wide factors, of the uploads of [`Tiles::new`] for `bits` bits: modulo 2^(`bits` − `shift`), which is
    /// all that counts of what is multiplied by 2^`shift` modulo 2^`bits`. Shares have so many bits less, and answers too.
    ///
    /// # Errors
    /// As [`Tiles::new`], and [`LatticeError::Range`] if nothing is left.
    pub fn shifted(
        ring: &Arc<Ring>,
        layout: TileLayout,
        (bits, shift): (u32, u32),
        factor_bits: u32,
        flood: Flood,
    ) -> Result<Tiles> {
        let budget = Tiles::budget_for(ring.parameters(), &layout, (bits, shift), factor_bits, flood)?;
        let bits = bits - shift;
        let switch = Switch::new(ring, bits, (layout.used(), layout.spacing()))?;
        let reducer = |merged: u32| {
            let scale = |t: &crate::ntt::Transform| {
                let m = t.modulus;
                Reducer::new(m, m.product(m.power(2, 52 + u64::from(shift)), m.invert(m.power(2, merged.into()))))
            };
            ring.limbs.iter().map(scale).collect()
        };
        let reducers = (0..=layout.log_merged).map(reducer).collect();
        let plain = PowerOfTwo::new(ring, bits);
        Ok(Tiles { ring: ring.clone(), layout, plain, factor_bits, shift, budget, switch, reducers })
    }

    /// The noise of such answers, for planners.
    ///
    /// # Errors
    /// As [`Tiles::shifted`].
    pub fn budget_for(
        parameters: Parameters,
        layout: &TileLayout,
        (bits, shift): (u32, u32),
        factor_bits: u32,
        flood: Flood,
    ) -> Result<Budget> {
        let refused = |what, allowed, found: u32| Err(LatticeError::Range { what, allowed, found: found.into() });
        if !(1..=128).contains(&bits) {
            return refused("bits of a ring", "1 to 128", bits);
        }
        if shift >= bits {
            return refused("the place of a digit", "below the bits of the ring", shift);
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
            message: bits - shift,
            terms: Bound::integer(layout.shape.inner as u64).times(Bound::integer(layout.wide as u64)),
            factor: Bound::power_of_two(factor_bits - 1 + shift),
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

    /// Words of a share, and of a number of the owner's if no digit was multiplied above others.
    pub fn lanes(&self) -> usize {
        self.plain.lanes()
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

/// A word modulo 2^`bits` as the number of least size, for factors that are ring words.
pub fn centred(word: u64, bits: u32) -> i64 {
    let up = 64 - bits;
    (word << up) as i64 >> up
}

#[cfg(test)]
mod tests;
