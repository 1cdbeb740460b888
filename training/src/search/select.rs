//! Which entries keep their costly candidate: the best ranked, of all or by layer, and the same number everywhere.

use super::{Entry, Found};

/// Open entries by falling coefficient of their first candidate; equal ones in the order of layers and positions.
pub fn ranking(found: &Found) -> Vec<Entry> {
    let mut entries = found.open();
    entries.sort_by(|a, b| found.first(*b).total_cmp(&found.first(*a)));
    entries
}

/// How many of `entries` a share `mu` keeps: `entries − ⌊(1 − mu) · entries⌋`, as the published code counts (3, 9, 14, 20
/// of 28 for 0.1, 0.3, 0.5, 0.7).
pub fn kept(mu: f64, entries: usize) -> usize {
    entries - (((1.0 - mu) * entries as f64).max(0.0) as usize).min(entries)
}

/// The `count` best ranked entries.
pub fn top(found: &Found, count: usize) -> Vec<Entry> {
    let mut entries = ranking(found);
    entries.truncate(count);
    entries
}

/// The best ranked share of all entries.
pub fn share(found: &Found, mu: f64) -> Vec<Entry> {
    top(found, kept(mu, found.open().len()))
}

/// The paper's wording of a share: a threshold at the last entry that it keeps, and whatever is equal to that stays.
pub fn above(found: &Found, mu: f64) -> Vec<Entry> {
    let mut entries = ranking(found);
    let count = kept(mu, entries.len());
    let threshold = count.checked_sub(1).map_or(f64::INFINITY, |last| found.first(entries[last]));
    entries.retain(|entry| found.first(*entry) >= threshold);
    entries
}

/// The same share of every layer, the best ranked within it: the paper's search by layer.
pub fn every_layer(found: &Found, mu: f64) -> Vec<Entry> {
    of_layers(found, mu, &ranking(found))
}

/// The same share of every layer, the first positions of it, whatever was found.
pub fn uniform(found: &Found, mu: f64) -> Vec<Entry> {
    of_layers(found, mu, &found.open())
}

fn of_layers(found: &Found, mu: f64, order: &[Entry]) -> Vec<Entry> {
    let layer = |layer: usize| {
        let entries: Vec<Entry> = order.iter().filter(|entry| entry.layer == layer).copied().collect();
        let count = kept(mu, entries.len());
        entries.into_iter().take(count)
    };
    (0..found.alpha.len()).flat_map(layer).collect()
}
