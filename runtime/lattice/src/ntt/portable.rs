//! The transform in plain words, layer by layer (Cooley and Tukey forth, Gentleman and Sande back), with residues that
//! are kept below 4p and reduced at the end (Harvey, 2014).

use super::{INNER, SQUARE, Transform, place, spread};
use crate::modulus::Modulus;

/// Transposes every square of 8 by 8, which takes the order of layers to that of vectors.
fn transpose(x: &mut [u64]) {
    for square in x.as_chunks_mut::<SQUARE>().0 {
        for row in 0..8 {
            for column in 0..row {
                square.swap(8 * row + column, 8 * column + row);
            }
        }
    }
}

pub(super) fn forward(t: &Transform, x: &mut [u64], skipped: u32) {
    let (m, n) = (t.modulus, t.degree());
    let twice = 2 * m.p;
    spread(x, skipped);
    for layer in skipped..t.log {
        let (blocks, half) = (1 << layer, n >> (layer + 1));
        for (i, block) in x.chunks_exact_mut(2 * half).enumerate() {
            let factor = t.forward.at(place(n, blocks + i));
            let (low, high) = block.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                let (u, v) = (Modulus::less(*a, twice), m.times_lazy(*b, factor));
                *a = u + v;
                *b = u + twice - v;
            }
        }
    }
    for v in x.iter_mut() {
        *v = Modulus::less(Modulus::less(*v, twice), m.p);
    }
    transpose(x);
}

pub(super) fn inverse(t: &Transform, x: &mut [u64]) {
    let (m, n) = (t.modulus, t.degree());
    let twice = 2 * m.p;
    transpose(x);
    for layer in (1..t.log).rev() {
        let (blocks, half) = (1 << layer, n >> (layer + 1));
        for (i, block) in x.chunks_exact_mut(2 * half).enumerate() {
            let factor = t.inverse.at(place(n, blocks + i));
            let (low, high) = block.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                let (u, v) = (*a, *b);
                *a = Modulus::less(u + v, twice);
                *b = m.times_lazy(u + twice - v, factor);
            }
        }
    }
    let (low, high) = x.split_at_mut(n / 2);
    for (a, b) in low.iter_mut().zip(high) {
        let (u, v) = (*a, *b);
        *a = m.times(u + v, t.last[0]);
        *b = m.times(u + twice - v, t.last[1]);
    }
    debug_assert!(t.log > INNER);
}
