//! Images of the training split that are kept from training, to choose a checkpoint by.

use super::Images;
use crate::random::{Draws, Purpose};

/// Stratified by class, deterministic by seed: (training indices, held-out indices), ascending.
///
/// Of each class `fraction` of the images is held out, rounded. If the fraction is above 0, every class with two images
/// or more gives at least one and keeps at least one.
pub fn hold_out(images: &Images, fraction: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut by_class = vec![Vec::new(); images.classes.len()];
    (0..images.len()).for_each(|i| by_class[images.label(i)].push(i));
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
