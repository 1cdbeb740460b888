//! Trees of seeds as Goldreich, Goldwasser and Micali grow them, whole and without the leaf at a secret place.
//!
//! A seed s has the children H(s) and H(s ⊕ 1), where H(b) = AES(b) ⊕ b under a public key. Whoever lacks the path to one
//! leaf gets, for every level, the sum of the children on the side that the path does not take. Nodes are kept by their
//! place relative to the path, so that the missing one is always the first and no address depends on the secret.

use mpcc_kernels::Permutation;
use zeroize::{Zeroize, Zeroizing};

/// A seed, low word first.
pub(crate) type Block = [u64; 2];

/// Nodes of one level.
pub(crate) type Level = Zeroizing<Vec<Block>>;

/// The block of 16 bytes.
pub(crate) fn block(bytes: &[u8; 16]) -> Block {
    let whole = u128::from_le_bytes(*bytes);
    [whole as u64, (whole >> 64) as u64]
}

/// The bytes of a block.
pub(crate) fn bytes([low, high]: Block) -> [u8; 16] {
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

pub(crate) fn xor(a: Block, b: Block) -> Block {
    [a[0] ^ b[0], a[1] ^ b[1]]
}

fn sum(nodes: impl Iterator<Item = Block>) -> Block {
    nodes.fold([0; 2], xor)
}

/// Both children of all nodes; those in even places grow on side `even`, 0 or 1.
fn children(hash: &Permutation, nodes: &[Block], even: u64) -> Level {
    // At its full size from the start: a list that grows leaves copies behind.
    let mut grown: Level = Zeroizing::new(Vec::with_capacity(2 * nodes.len()));
    for &[low, high] in nodes {
        grown.extend([[low ^ even, high], [low ^ even ^ 1, high]]);
    }
    hash.one_way(&mut grown);
    grown
}

/// The 2^`depth` leaves, by their number, and for every level the sums of all left and of all right nodes. The first level
/// decides on the top bit of a number.
pub(crate) fn whole(hash: &Permutation, root: Block, depth: usize) -> (Level, Zeroizing<Vec<[Block; 2]>>) {
    let mut nodes: Level = Zeroizing::new(vec![root]);
    let mut sums = Zeroizing::new(Vec::with_capacity(depth));
    for _ in 0..depth {
        nodes = children(hash, &nodes, 0);
        sums.push([0, 1].map(|side| sum(nodes.iter().skip(side).step_by(2).copied())));
    }
    (nodes, sums)
}

/// All leaves but the one whose number has the bits `path`, top bit first: place p holds leaf p ⊕ path, place 0 nothing of
/// use. `beside` is, for every level, the sum of the nodes on the side that the path does not take.
pub(crate) fn punctured(hash: &Permutation, path: &[u64], beside: &[Block]) -> Level {
    let mut nodes: Level = Zeroizing::new(vec![[0; 2]]);
    for (&bit, &beside) in path.iter().zip(beside) {
        nodes = children(hash, &nodes, bit);
        nodes[0].zeroize();
        // The sum of all nodes beside the path's side, less those that are known, is the one beside the path.
        nodes[1] = xor(beside, sum(nodes.iter().skip(3).step_by(2).copied()));
    }
    nodes
}

#[cfg(test)]
mod tests;
