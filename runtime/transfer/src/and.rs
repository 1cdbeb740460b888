//! Products of bits that both ends share under ⊕: x₀y₀ ⊕ x₁y₁ at home, and a product of one bit by one bit in each direction
//! for x₀y₁ and x₁y₀.
//!
//! An end hands its bits of x to its receiver and its bits of y to its sender. With uniform bits of both ends the result is
//! a batch of multiplication triples.

use crate::plan::Request;

/// What both directions ask for, for `count` products.
pub fn request(count: usize) -> Request {
    Request::Product { count, bits: 1, widths: vec![1] }
}

/// This end's shares of the products, a bit a word: from its bits of x and y, and the shares that its sender and its receiver
/// got for [`request`].
///
/// # Panics
/// If the lists have different lengths.
pub fn combine(x: &[u64], y: &[u64], sent: &[u64], received: &[u64], out: &mut [u64]) {
    let len = out.len();
    assert!([x, y, sent, received].iter().all(|list| list.len() == len), "{len} bits in every list");
    for (i, out) in out.iter_mut().enumerate() {
        *out = (x[i] & y[i] ^ sent[i] ^ received[i]) & 1;
    }
}
