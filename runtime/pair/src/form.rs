//! A scheme with the tables that it computes by, as both parties have it once keys are known.

use std::sync::Arc;

use mpcc_lattice::{Parameters, Ring};
use mpcc_program::code::Owner;
use mpcc_program::making::Task;

use crate::PairError;
use crate::scheme::Scheme;
use crate::slotting::Slotting;
use crate::tiling::Tiling;

/// How a task is done, or tasks that amount to it.
#[derive(Debug)]
pub(crate) enum Form {
    Tiles(Tiling),
    Slots(Slotting),
}

impl Form {
    /// `ring` gives a ring and the place of its keys among those of the party.
    pub(crate) fn new(
        task: &Task,
        scheme: &Scheme,
        ring: impl Fn(Owner, Parameters) -> (Arc<Ring>, usize),
    ) -> Result<Form, PairError> {
        match scheme {
            Scheme::Transfers => Err(PairError::Scheme("nothing to encrypt")),
            Scheme::Tiles(tiles) => {
                let (ring, key) = ring(tiles.encrypts, tiles.parameters);
                Ok(Form::Tiles(Tiling::new(task, tiles, &ring, key)?))
            }
            Scheme::Slots(slots) => {
                let (ring, key) = ring(slots.encrypts, slots.parameters);
                Ok(Form::Slots(Slotting::new(task, slots, &ring, key)?))
            }
        }
    }

    /// Bytes of all uploads and of all answers of a task, without any tables.
    pub(crate) fn bytes(task: &Task, scheme: &Scheme) -> Result<[usize; 2], PairError> {
        match scheme {
            Scheme::Transfers => Ok([0, 0]),
            Scheme::Tiles(tiles) => Tiling::bytes(task, tiles),
            Scheme::Slots(slots) => Slotting::bytes(task, slots),
        }
    }

    /// Who encrypts, and with which of its keys.
    pub(crate) fn key(&self) -> (Owner, usize) {
        match self {
            Form::Tiles(tiles) => (tiles.encrypts, tiles.key),
            Form::Slots(slots) => (slots.encrypts, slots.key),
        }
    }

    /// Whether the left operand is encrypted.
    pub(crate) fn left_encrypted(&self) -> bool {
        match self {
            Form::Tiles(tiles) => tiles.left_encrypted(),
            Form::Slots(slots) => slots.left_encrypted(),
        }
    }

    /// Parts of a task that are sent and answered one after the other.
    pub(crate) fn units(&self) -> usize {
        match self {
            Form::Tiles(tiles) => tiles.products,
            Form::Slots(_) => 1,
        }
    }

    /// Bytes of the uploads and of the answers of one of them.
    pub(crate) fn unit_bytes(&self) -> [usize; 2] {
        match self {
            Form::Tiles(tiles) => tiles.unit_bytes(),
            Form::Slots(slots) => slots.unit_bytes(),
        }
    }
}
