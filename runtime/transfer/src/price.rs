//! What travels, to the byte.

use crate::base::POINT;
use crate::field::Field;
use crate::plan::TAG;

/// Bytes of the two messages of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// From receiver to sender, in the first hop.
    pub choices: usize,
    /// From sender to receiver, in the second hop; 0 if there is none.
    pub strings: usize,
}

/// Bytes that each end sends in the three hops of a setup.
pub fn setup_price(field: Field) -> [usize; 3] {
    [TAG + POINT, field.base() * POINT, field.base() * 2 * 16]
}
