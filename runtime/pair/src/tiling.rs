//! Products of matrices by tiles: the encrypting party's uploads and openings, the other one's answers. A unit is one pair of
//! matrices. Each party adds its shares of a unit into its share of the task's result.

use std::sync::Arc;

use mpcc_lattice::{Batch, Evaluator, Owner as Encrypter, Randomness, Ring, TileShape, Tiles};
use mpcc_program::code::Owner;
use mpcc_program::making::Task;
use zeroize::Zeroizing;

use crate::PairError;
use crate::lists::{Words, lanes};
use crate::numbers::{Integers, digit_bits, digits};
use crate::scheme::{FLOOD, Sides, TileScheme};

/// How a task is done by tiles, or tasks that amount to it.
#[derive(Debug)]
pub(crate) struct Tiling {
    pub(crate) encrypts: Owner,
    /// Which of its keys.
    pub(crate) key: usize,
    /// Units.
    pub(crate) products: usize,
    sides: Sides,
    shape: TileShape,
    parts: u32,
    tiles: Tiles,
}

/// A task's sides, how many products of matrices it is, and their shape, which must be that of the scheme.
fn shape(task: &Task, scheme: &TileScheme) -> Result<(Sides, usize, TileShape), PairError> {
    let no_matrices = || PairError::Scheme("tiles for what is no product of matrices");
    let sides = Sides::of(task, scheme.encrypts).ok_or_else(no_matrices)?;
    let (products, shape) = sides.shape().ok_or_else(no_matrices)?;
    if scheme.layout.shape() != shape || scheme.parts == 0 {
        return Err(PairError::Scheme("a layout of matrices of another shape"));
    }
    Ok((sides, products, shape))
}

impl Tiling {
    pub(crate) fn new(task: &Task, scheme: &TileScheme, ring: &Arc<Ring>, key: usize) -> Result<Tiling, PairError> {
        let TileScheme { encrypts, layout, parts, .. } = *scheme;
        let (sides, products, shape) = shape(task, scheme)?;
        let tiles = Tiles::new(ring, layout, task.bits.into(), digit_bits(sides.plain_size(), parts), FLOOD)?;
        Ok(Tiling { encrypts, key, products, sides, shape, parts, tiles })
    }

    /// Bytes of a task's uploads and answers.
    pub(crate) fn bytes(task: &Task, scheme: &TileScheme) -> Result<[usize; 2], PairError> {
        let (_, products, _) = shape(task, scheme)?;
        let (layout, parameters) = (&scheme.layout, scheme.parameters);
        let up = layout.uploads() * layout.upload_bytes(parameters);
        let answers = layout.answers() * layout.answer_bytes(parameters, task.bits.into());
        Ok([products * up, products * answers * scheme.parts as usize])
    }

    /// Bytes of a unit's uploads and answers.
    pub(crate) fn unit_bytes(&self) -> [usize; 2] {
        let layout = self.tiles.layout();
        let answers = layout.answers() * self.tiles.answer_bytes();
        [layout.uploads() * self.tiles.upload_bytes(), answers * self.parts as usize]
    }

    /// Whether the left operand is encrypted.
    pub(crate) fn left_encrypted(&self) -> bool {
        self.sides.left_encrypted
    }

    /// Appends the uploads of a unit, whose matrix has numbers modulo 2^bits.
    pub(crate) fn upload(
        &self,
        (owner, batch): (&Encrypter, &mut Batch),
        matrix: Words,
        out: &mut Vec<u8>,
    ) -> Result<(), PairError> {
        let Sides { left_encrypted, bits, .. } = self.sides;
        // Rows are those of the right operand's transpose if that is encrypted.
        let TileShape { rows, inner, .. } = self.shape;
        let matrix = if left_encrypted { matrix } else { Words::new(transposed(&matrix, (inner, rows), lanes(bits))) };
        let mut uploads = owner.upload_tiles(&self.tiles, &matrix)?;
        while uploads.left() > 0 {
            uploads.write(batch.next(), out)?;
        }
        Ok(())
    }

    /// Appends the answers to the uploads of a unit.
    pub(crate) fn answer(
        &self,
        (evaluator, batch, randomness): (&Evaluator, &mut Batch, &mut Randomness),
        (numbers, unit, uploads): (Integers, usize, &[u8]),
        result: &mut [u64],
        out: &mut Vec<u8>,
    ) -> Result<(), PairError> {
        let TileShape { inner, columns, .. } = self.shape;
        let numbers =
            if self.sides.left_encrypted { numbers } else { Zeroizing::new(transposed(&numbers, (columns, inner), 1)) };
        let mut product = evaluator.tile_product(&self.tiles)?;
        for upload in uploads.chunks(self.tiles.upload_bytes()) {
            product.take(batch.next(), upload)?;
        }
        for (place, digits) in (0..).zip(digits(&numbers, self.sides.plain_size(), self.parts)) {
            let mut shares = self.shares();
            let mut answers = product.answers(&digits)?;
            while answers.left() > 0 {
                answers.write(randomness, &mut shares, out)?;
            }
            self.add(&shares, (unit, place), result);
        }
        Ok(())
    }

    /// Opens the answers of a unit.
    pub(crate) fn open(
        &self,
        owner: &Encrypter,
        (unit, answers): (usize, &[u8]),
        result: &mut [u64],
    ) -> Result<(), PairError> {
        let count = self.tiles.layout().answers();
        let size = self.tiles.answer_bytes();
        for (place, answers) in (0..).zip(answers.chunks(count * size)) {
            let mut shares = self.shares();
            for (number, answer) in answers.chunks(size).enumerate() {
                owner.open_tiles(&self.tiles, number, answer, &mut shares)?;
            }
            self.add(&shares, (unit, place), result);
        }
        Ok(())
    }

    fn shares(&self) -> Words {
        Words::new(vec![0; self.shape.rows * self.shape.columns * self.tiles.lanes()])
    }

    /// Adds shares of the product with one digit to the result.
    fn add(&self, shares: &[u64], (unit, place): (usize, u32), result: &mut [u64]) {
        let TileShape { rows, columns, .. } = self.shape;
        let (size, lanes) = (rows * columns, self.tiles.lanes());
        let shift = place * digit_bits(self.sides.plain_size(), self.parts);
        let mask = u128::MAX >> (128 - self.sides.bits);
        let number = |words: &[u64]| u128::from(words[0]) | u128::from(words.get(1).copied().unwrap_or(0)) << 64;
        let result = &mut result[unit * size * lanes..(unit + 1) * size * lanes];
        for (at, share) in shares.chunks(lanes).enumerate() {
            let at = if self.sides.left_encrypted { at } else { at % columns * rows + at / columns };
            let to = &mut result[at * lanes..(at + 1) * lanes];
            let share = number(share).checked_shl(shift).unwrap_or(0);
            let sum = number(to).wrapping_add(share) & mask;
            to.copy_from_slice(&[sum as u64, (sum >> 64) as u64][..lanes]);
        }
    }
}

/// A row-major matrix of so many rows and columns, columns first. Entries take `lanes` elements.
fn transposed<T: Copy>(matrix: &[T], (rows, columns): (usize, usize), lanes: usize) -> Vec<T> {
    let entries = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
    entries.flat_map(|at| matrix[at * lanes..(at + 1) * lanes].iter().copied()).collect()
}
