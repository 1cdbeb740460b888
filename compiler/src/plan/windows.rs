//! How long the lists of a row function are that one party offers and the other takes (gate G20).
//!
//! A longer list serves more octaves and takes twice the entries for each of them; a shorter one takes more lists, and for
//! every list transfers and products before the input. The fewest bytes decide.

use mpcc_program::code::{RowOffer, RowTable};

/// Bits of a label, and of a pad.
const LABEL: usize = 128;
/// Bits of a correlated transfer before its string.
const TRANSFER: usize = 16;
/// Powers of a position that are multiplied by masks.
const POWERS: usize = 3;

/// The offer of a row function in a ring, with the fewest bytes.
pub(super) fn offered(table: RowTable, ring: i32) -> RowOffer {
    let most = RowOffer::MOST_CHOICE.min(table.levels);
    let offers = (RowTable::FIRST..=most).map(|choice_bits| RowOffer { table, choice_bits });
    offers.min_by_key(|offer| row_bits(offer, ring as usize)).expect("a function has as many levels")
}

/// About what a row takes, before and after the input, in bits.
fn row_bits(offer: &RowOffer, ring: usize) -> usize {
    let sent = offer.entries() * RowTable::POWERS * ring + offer.labelled() * LABEL;
    let transfers = usize::from(offer.choice_bits) * TRANSFER;
    let bits = usize::from(offer.table.position_bits) + 1;
    // A product sends a string for each bit of the position, each shorter by one than the last.
    let products = POWERS * bits * (TRANSFER + ring - bits.min(ring) / 2);
    sent + offer.lists() * (transfers + products)
}

#[cfg(test)]
mod tests {
    use mpcc_program::code::RowFunction;

    use super::*;

    fn of(levels: u8, ring: i32) -> (u8, usize) {
        let function = RowFunction::Recip { scale: 1.0, eps: 0.0 };
        let offer = offered(RowTable { ring_bits: 40, levels, position_bits: 13, fraction: 20, function }, ring);
        (offer.choice_bits, offer.lists())
    }

    #[test]
    fn lists_are_as_long_as_is_cheapest() {
        // One list where it serves all levels, and then some of three octaves or less each.
        assert_eq!(of(4, 60), (4, 1));
        assert_eq!(of(5, 60).1, 1);
        for levels in 7..=30 {
            let (choice, lists) = of(levels, 60);
            assert!((4..=6).contains(&choice) && lists > 1, "{levels}: {choice}, {lists}");
        }
    }
}
