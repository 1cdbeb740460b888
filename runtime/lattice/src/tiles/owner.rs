//! The owner's half of tiles: uploads of its matrix, and its shares from answers.

use super::Tiles;
use crate::error::{LatticeError, Result, count};
use crate::index::UploadIndex;
use crate::owner::{Desk, Owner};
use crate::planes::Planes;

/// The uploads of one matrix, made one after the other.
pub struct TileUploads<'o> {
    owner: &'o Owner,
    tiles: &'o Tiles,
    values: &'o [u64],
    next: usize,
    desk: Desk,
    remainders: Planes,
}

impl std::fmt::Debug for TileUploads<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TileUploads({} of {}, ..)", self.next, self.tiles.layout.uploads())
    }
}

impl Owner {
    /// The uploads of `values`, rows times inner numbers modulo 2^k, row by row.
    ///
    /// # Errors
    /// [`LatticeError::Count`] for another number of values.
    pub fn upload_tiles<'o>(&'o self, tiles: &'o Tiles, values: &'o [u64]) -> Result<TileUploads<'o>> {
        self.ring.same(&tiles.ring)?;
        let shape = tiles.layout.shape;
        count("the owner's matrix", shape.rows * shape.inner * tiles.lanes(), values.len())?;
        let degree = self.ring.degree();
        let remainders = Planes::new(degree, tiles.plain.scale.bits());
        Ok(TileUploads { owner: self, tiles, values, next: 0, desk: Desk::new(degree), remainders })
    }

    /// Opens answer number `answer`, in the order in which they were made: writes the owner's shares of its results into the
    /// rows times columns numbers of `shares`.
    ///
    /// # Errors
    /// [`LatticeError::Length`] if it has another length, [`LatticeError::Count`] for another number of shares; in debug builds
    /// [`LatticeError::Noise`].
    pub fn open_tiles(&self, tiles: &Tiles, answer: usize, bytes: &[u8], shares: &mut [u64]) -> Result<()> {
        self.ring.same(&tiles.ring)?;
        let l = &tiles.layout;
        let lanes = tiles.lanes();
        count("shares", l.shape.rows * l.shape.columns * lanes, shares.len())?;
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
            match tiles.plain.message(&phases.0[coefficient / l.spacing()], tiles.switch.phase_bits()) {
                Ok(message) => shares[place * lanes..][..lanes].copy_from_slice(&message[..lanes]),
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
        self.remainders.clear();
        for i in 0..l.high.min(l.shape.rows - block * l.high) {
            let row = (block * l.high + i) * l.shape.inner;
            for j in 0..width.min(l.shape.inner - inner * width) {
                // At X^(i·nw·kw − j), and X^−j is −X^(N − j).
                let (place, value) = (i * l.low(), (self.values, row + inner * width + j));
                if place >= j {
                    plain.set_remainder(&mut self.remainders, place - j, value, false);
                } else {
                    plain.set_remainder(&mut self.remainders, l.degree + place - j, value, true);
                }
            }
        }
        let remainders = &self.remainders;
        self.owner.upload(&index, &mut self.desk, |limb, b| plain.scale.add(limb, remainders, b), out);
        self.next += 1;
        Ok(())
    }
}
