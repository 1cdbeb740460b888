//! What a party sees, over all that the other party draws.

use std::collections::HashMap;

use mpcc_program::code::Owner;
use mpcc_program::correlation::{Sharing, materials};
use mpcc_program::program::{ValueId, stream};

use super::{Builder, mask, run};

/// How often a party sees what, if the other party draws each of the words of `free` streams once in every combination, one a
/// row, and itself always the same.
pub(crate) fn views(
    b: &Builder,
    data: &[Vec<i64>],
    (party, own): (Owner, u64),
    free: &[(u64, u8)],
) -> HashMap<Vec<u64>, u32> {
    let rows = data[0].len();
    let seen = run(&b.program, data, &[], &mut |owner, s, bits, len| {
        let mut below = 0;
        for (stream, width) in free {
            if owner != party && s == *stream {
                return (0..len).map(|row| (row as u64 >> below) & mask(bits.min(*width))).collect();
            }
            below += width;
        }
        (0..len as u64).map(|_| own.wrapping_mul(s | 1) & mask(bits)).collect()
    });
    let other = usize::from(party == Owner::ModelOwner);
    let mut counts = HashMap::new();
    for row in 0..rows {
        let messages = seen.messages.iter().flat_map(|hop| &hop[other]).map(|words| words[row]);
        let dealt = if party == Owner::DataOwner { &seen.dealt } else { &seen.dealt_to_model_owner };
        let dealt = dealt.iter().map(|words| words[row]);
        *counts.entry(messages.chain(dealt).collect::<Vec<_>>()).or_default() += 1;
    }
    counts
}

/// The streams of an item that the other party draws, since the correction is this one's, with their widths, behind those of
/// masks and pads.
pub(crate) fn free(b: &Builder, party: Owner, masks: &[(ValueId, u8)]) -> Vec<(u64, u8)> {
    let masks = masks.iter().map(|(value, width)| (stream(*value, 0), *width));
    let items =
        (0u32..).zip(materials(&b.program)).flat_map(|(at, items)| items.into_iter().map(move |item| (at, item)));
    let drawn = items.filter(|(_, item)| item.sharing != Sharing::Keys && item.to == party);
    masks.chain(drawn.map(|(at, item)| (stream(ValueId(at), item.number), item.bits))).collect()
}
