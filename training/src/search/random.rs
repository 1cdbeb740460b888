//! Plans by chance, to compare searched ones with.

use super::{Entry, Found};
use crate::random::{Draws, Purpose};

/// `count` open entries, each set of so many as likely as any other; it follows from the seed and the plan's name alone.
pub fn random(found: &Found, count: usize, seed: u64) -> Vec<Entry> {
    let name = found.plan.bytes().fold(0, |hash: u64, byte| (hash * 257 + u64::from(byte)) % 0xffff_fffb);
    let mut entries = found.open();
    Draws::new(seed, Purpose::Plan, 0, name as usize).shuffle(&mut entries);
    entries.truncate(count);
    entries
}
