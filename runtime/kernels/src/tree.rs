//! What trees of seeds have in common: blocks, their control bits, and selection without branches.

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
