//! Examples of the training split that are kept from training, to choose a checkpoint by.

use crate::random::{Draws, Purpose};

/// Stratified by class, deterministic by seed: (training indices, held-out indices), ascending.
///
/// Of each class `fraction` of the examples is held out, rounded. If the fraction is above 0, every class with two examples
/// or more gives at least one and keeps at least one.
pub fn hold_out(labels: &[usize], fraction: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut by_class = vec![Vec::new(); labels.iter().max().map_or(0, |most| most + 1)];
    labels.iter().enumerate().for_each(|(i, label)| by_class[*label].push(i));
    let (mut kept, mut held) = (Vec::new(), Vec::new());
    for (class, mut members) in by_class.into_iter().enumerate() {
        Draws::new(seed, Purpose::HoldOut, 0, class).shuffle(&mut members);
        let wanted = (members.len() as f64 * fraction).round() as usize;
        let most = members.len().saturating_sub(1);
        let count = if fraction > 0.0 { wanted.clamp(1.min(most), most) } else { 0 };
        held.extend_from_slice(&members[..count]);
        kept.extend_from_slice(&members[count..]);
    }
    kept.sort_unstable();
    held.sort_unstable();
    (kept, held)
}
