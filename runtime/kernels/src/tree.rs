//! What trees of seeds have in common: blocks, what corrects the children of a node on the path, and selection without branches.

/// A seed, low word first. Bit 0 of the low word of a corrected seed carries a control bit.
pub(crate) type Block = [u64; 2];

/// Block `at` of a list of words.
pub(crate) fn pair(words: &[u64], at: usize) -> Block {
    [words[2 * at], words[2 * at + 1]]
}

/// A seed without the bit that carries the control bit.
pub(crate) fn cleared([low, high]: Block) -> Block {
    [low & !1, high]
}

/// The input of the hash for the output that `tweak` names.
pub(crate) fn tweaked([low, high]: Block, tweak: u64) -> Block {
    [low ^ tweak, high]
}

/// All ones for 1, zero for 0.
pub(crate) fn spread(bit: u64) -> u64 {
    bit.wrapping_neg()
}

/// `ones` where the mask has ones, `zeros` elsewhere.
pub(crate) fn select(mask: u64, ones: u64, zeros: u64) -> u64 {
    zeros ^ (mask & (ones ^ zeros))
}

/// `a`, or `a ⊕ b` if the mask is all ones.
pub(crate) fn xor(a: Block, b: Block, mask: u64) -> Block {
    [a[0] ^ b[0] & mask, a[1] ^ b[1] & mask]
}

/// What both parties add to the children of a node on the path, whose control bits add up to 1.
#[derive(Clone, Copy)]
pub(crate) struct Correction {
    seed: Block,
    /// Of the control bits of the left and of the right child.
    flips: [u64; 2],
}

impl Correction {
    /// The correction that makes the seeds of the child beside the path equal and its control bits add up to 0, from the hashes
    /// of both parties' `[left, right]` children; `bit` is 1 if the path goes right.
    pub(crate) fn new(children: [[Block; 2]; 2], bit: u64) -> Correction {
        let right = spread(bit);
        let lost = |[l, r]: [Block; 2]| -> Block { std::array::from_fn(|j| select(right, l[j], r[j])) };
        let flips = [0, 1].map(|side: u64| {
            let both = children[0][side as usize][0] ^ children[1][side as usize][0];
            (both ^ bit ^ 1 ^ side) & 1
        });
        Correction { seed: cleared(xor(lost(children[0]), lost(children[1]), u64::MAX)), flips }
    }

    /// As it is dealt: a block of which bit 0 corrects the left child's control bit, and the right child's.
    pub(crate) fn dealt(words: Block, right: u64) -> Correction {
        Correction { seed: cleared(words), flips: [words[0] & 1, right] }
    }

    /// The same, to be dealt.
    pub(crate) fn words(&self) -> (Block, u64) {
        ([self.seed[0] | self.flips[0], self.seed[1]], self.flips[1])
    }

    /// Seed and control bit of the child on `side` from the hash of its parent's seed and its parent's control bit.
    pub(crate) fn child(&self, hashed: Block, side: u64, parent: u64) -> (Block, u64) {
        let on = spread(parent);
        let flip = select(spread(side), self.flips[1], self.flips[0]);
        (xor(cleared(hashed), self.seed, on), hashed[0] & 1 ^ on & flip)
    }
}
