//! Random polynomials from streams: uniform residues, ternary secrets, binomial errors. Secret ones are made without
//! branching on them; a uniform residue is redrawn if it is not below its prime, which says nothing about the one kept.

use mpcc_kernels::Prg;
use zeroize::Zeroizing;

use crate::pointwise::count_ones_less;

/// Errors are sums of twice this many bits less their mean: variance 10.5, size at most 21.
pub(crate) const ERROR: u64 = 21;

/// Uniform residues below `p` of `bits` bits, from streams 2·`lane` and 2·`lane` + 1.
pub(crate) fn uniform(prg: &Prg, lane: u64, p: u64, bits: u32, out: &mut [u64]) {
    prg.fill_masked(2 * lane, 0, bits, out);
    let mut next = 0;
    for residue in out {
        while *residue >= p {
            let mut word = [0];
            prg.fill_masked(2 * lane + 1, next, bits, &mut word);
            next += 1;
            *residue = word[0];
        }
    }
}

/// Independent uniform numbers of −1, 0 and 1 in two's complement, up to a bias of 2^-126.
pub(crate) fn ternary(prg: &Prg, stream: u64, out: &mut [u64]) {
    let mut words = Zeroizing::new(vec![0; 2 * out.len()]);
    prg.fill(stream, 0, &mut words);
    for (out, words) in out.iter_mut().zip(words.as_chunks::<2>().0) {
        let low = (u128::from(words[0]) * 3) >> 64;
        *out = (((u128::from(words[1]) * 3 + low) >> 64) as u64).wrapping_sub(1);
    }
}

/// Independent centred binomial numbers of variance 10.5 in two's complement: how many of 42 bits are set, less 21.
pub(crate) fn errors(prg: &Prg, stream: u64, out: &mut [u64]) {
    prg.fill_masked(stream, 0, 2 * ERROR as u32, out);
    count_ones_less(ERROR, out);
}

#[cfg(test)]
mod tests;
