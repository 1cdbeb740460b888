//! Products of matrices by tiles: the encrypting party's uploads and openings, the other one's answers. A unit is one pair of
//! matrices. Each party adds its shares of a unit into its share of the task's result.

use std::sync::Arc;

use mpcc_lattice::{Batch, Evaluator, Owner as Encrypter, Randomness, Ring, TileLayout, TileShape, Tiles};
use mpcc_program::code::Owner;
use mpcc_program::making::Task;
use zeroize::Zeroizing;

use crate::PairError;
use crate::lists::{Words, lanes};
use crate::numbers::{Integers, digit_bits, digits};
use crate::scheme::{FLOOD, Sides, TileScheme, digits_cost};

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
    pieces: Vec<Piece>,
}

/// Rows that are multiplied together.
#[derive(Debug)]
struct Piece {
    first: usize,
    layout: TileLayout,
    /// By digit of the other party's numbers.
    tiles: Vec<Tiles>,
}

impl Piece {
    /// Bytes of uploads, and of the answers for each digit.
    fn bytes(&self) -> (usize, impl Iterator<Item = usize>) {
        let uploads = self.layout.uploads() * self.tiles[0].upload_bytes();
        (uploads, self.tiles.iter().map(|tiles| self.layout.answers() * tiles.answer_bytes()))
    }
}

/// A task's sides, how many products of matrices it is, and their shape, which must be that of the scheme.
fn shape(task: &Task, scheme: &TileScheme) -> Result<(Sides, usize, TileShape), PairError> {
    let no_matrices = || PairError::Scheme("tiles for what is no product of matrices");
    let sides = Sides::of(task, scheme.encrypts).ok_or_else(no_matrices)?;
    let (products, shape) = sides.shape().ok_or_else(no_matrices)?;
    let rows = scheme.layouts().map(|(_, layout)| layout.shape().rows).sum::<usize>();
    let others = |layout: TileLayout| TileShape { rows, ..layout.shape() } == shape;
    if !scheme.layouts().all(|(_, layout)| others(layout)) || scheme.parts == 0 {
        return Err(PairError::Scheme("a layout of matrices of another shape"));
    }
    Ok((sides, products, shape))
}

impl Tiling {
    pub(crate) fn new(task: &Task, scheme: &TileScheme, ring: &Arc<Ring>, key: usize) -> Result<Tiling, PairError> {
        let TileScheme { encrypts, parts, .. } = *scheme;
        let (sides, products, shape) = shape(task, scheme)?;
        let factor_bits = digit_bits(sides.plain_size(), parts);
        let piece = |(first, layout)| -> Result<_, PairError> {
            let place = |part| (task.bits.into(), part * factor_bits);
            let tiles = |part| Tiles::shifted(ring, layout, place(part), factor_bits, FLOOD);
            Ok(Piece { first, layout, tiles: (0..parts).map(tiles).collect::<Result<_, _>>()? })
        };
        let pieces = scheme.layouts().map(piece).collect::<Result<_, _>>()?;
        Ok(Tiling { encrypts, key, products, sides, shape, parts, pieces })
    }

    /// Bytes of a task's uploads and answers.
    pub(crate) fn bytes(task: &Task, scheme: &TileScheme) -> Result<[usize; 2], PairError> {
        let (sides, products, _) = shape(task, scheme)?;
        let digit = digit_bits(sides.plain_size(), scheme.parts);
        if (scheme.parts - 1) * digit >= u32::from(task.bits) {
            return Err(PairError::Scheme("digits that do not count"));
        }
        let cost = scheme.layouts().map(|(_, layout)| digits_cost(layout, scheme, (task.bits.into(), digit)));
        let bytes = cost.fold([0; 2], |[up, answers], cost| [up + cost.upload_bytes, answers + cost.answer_bytes]);
        Ok(bytes.map(|bytes| products * bytes as usize))
    }

    /// Bytes of a unit's uploads and answers.
    pub(crate) fn unit_bytes(&self) -> [usize; 2] {
        self.pieces
            .iter()
            .map(Piece::bytes)
            .fold([0; 2], |sum, (up, answers)| [sum[0] + up, sum[1] + answers.sum::<usize>()])
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
        for Piece { first, layout, tiles } in &self.pieces {
            let row = inner * lanes(bits);
            let rows = &matrix[first * row..][..layout.shape().rows * row];
            let mut uploads = owner.upload_tiles(&tiles[0], rows)?;
            while uploads.left() > 0 {
                uploads.write(batch.next(), out)?;
            }
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
        let digits = digits(&numbers, self.sides.plain_size(), self.parts);
        let mut rest = uploads;
        for piece in &self.pieces {
            let (now, later) = rest.split_at(piece.bytes().0.min(rest.len()));
            rest = later;
            let mut product = evaluator.tile_product(&piece.tiles[0])?;
            for upload in now.chunks(piece.tiles[0].upload_bytes()) {
                product.take(batch.next(), upload)?;
            }
            for (place, (tiles, digits)) in (0..).zip(piece.tiles.iter().zip(&digits)) {
                let mut shares = self.shares(tiles);
                let mut answers = product.answers_above(tiles, digits)?;
                while answers.left() > 0 {
                    answers.write(randomness, &mut shares, out)?;
                }
                self.add((&shares, tiles.lanes()), (unit, piece.first, place), result);
            }
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
        let mut rest = answers;
        for piece in &self.pieces {
            for (place, (tiles, bytes)) in (0..).zip(piece.tiles.iter().zip(piece.bytes().1)) {
                let (now, later) = rest.split_at(bytes.min(rest.len()));
                rest = later;
                let mut shares = self.shares(tiles);
                for (number, answer) in now.chunks(tiles.answer_bytes()).enumerate() {
                    owner.open_tiles(tiles, number, answer, &mut shares)?;
                }
                self.add((&shares, tiles.lanes()), (unit, piece.first, place), result);
            }
        }
        Ok(())
    }

    /// Space for shares of some rows.
    fn shares(&self, tiles: &Tiles) -> Words {
        Words::new(vec![0; tiles.layout().shape().rows * self.shape.columns * tiles.lanes()])
    }

    /// Adds shares of the product with one digit, from a row on, to the result.
    fn add(&self, (shares, of_share): (&[u64], usize), (unit, first, place): (usize, usize, u32), result: &mut [u64]) {
        let TileShape { rows, columns, .. } = self.shape;
        let (size, lanes) = (rows * columns, lanes(self.sides.bits));
        let shift = place * digit_bits(self.sides.plain_size(), self.parts);
        let mask = u128::MAX >> (128 - self.sides.bits);
        let number = |words: &[u64]| u128::from(words[0]) | u128::from(words.get(1).copied().unwrap_or(0)) << 64;
        let result = &mut result[unit * size * lanes..(unit + 1) * size * lanes];
        for (at, share) in shares.chunks(of_share).enumerate() {
            let at = first * columns + at;
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
