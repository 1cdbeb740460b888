//! How each operation is computed on shares, for people: what is opened, what it costs, and where it is published.

/// An operation, under its names in models and in share programs.
pub(super) struct Operation {
    /// The first is the one shown.
    pub(super) names: &'static [&'static str],
    pub(super) title: &'static str,
    pub(super) text: &'static str,
}

/// Finds an operation by any of its names; case does not matter.
pub(super) fn find(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|o| o.names.iter().any(|n| n.eq_ignore_ascii_case(name)))
}

const fn operation(names: &'static [&'static str], title: &'static str, text: &'static str) -> Operation {
    Operation { names, title, text }
}

#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = &[
    operation(&["open", "wire", "truncate", "G1"], "a share becomes a masked wire", "\
Both parties add their part of a uniform mask r to their share of x and exchange the sums, so that both know
x + r in a ring of 2^k and neither knows x. Every operation on x then reads the same wire: a value is opened
once, however often it is used. One hop, k bits each way.

Fraction bits are dropped inside the opening: each party drops them from its own share, one rounding down and
the other up, and sends what is left in a ring that is narrower by as many bits. Nothing can wrap there. The
result is off by less than a unit, without bias, and zero and signs are kept.

Papers: ABY2.0 (Patra et al., USENIX Security 2021) for opening wires rather than operands; Boyle, Gilboa and
Ishai (TCC 2019) for masked evaluation with a dealer; SIGMA (Gupta et al., PoPETs 2024) for truncation that
reduces the ring."),
    operation(&["extend", "G2"], "a wire is read in a wider ring", "\
A wire holds x + r modulo 2^k. Whether the sum wrapped depends on the public wire and on bits of r alone, which
the dealer shares. No hop. It needs |x| <= 2^(k-2): the compiler proves the bound from the ranges, and widens
the ring otherwise.

Paper: LLAMA (Gupta et al., PoPETs 2022), signed extension."),
    operation(&["matmul", "G3"], "product of two secret values", "\
Both factors are wires; the dealer shares the product of their masks. The parties compute locally and the
result is a share. No hop of its own, no byte online; the dealer sends a party one word for each entry of the result.
Query times key and weights times values are of this kind.

Products of products need wider rings than one word has. The compiler takes two words an entry (up to 128 bits,
no hop), or opens a value in between in a narrow ring, extends it (G2) and opens it again (one hop, often beside
a longer path): whichever is faster on the network.

Papers: Beaver (CRYPTO 1991); Turbospeedz (Ben-Efraim et al., ACNS 2019) for masks of wires."),
    operation(&["linear", "patch_embed", "G4"], "product of a secret value and a weight", "\
Each weight W is sent as W + s, s a mask that the dealer knows, once for as long as the data owner keeps it. From
then on a product with a wire takes no byte online: the model owner multiplies by W itself, the data owner by W + s
before the input is known, and the dealer corrects the difference. Biases are added by the model owner.

A mask s covers one encoding of one weight for one data owner only; what changed is sent under a fresh one.

Paper: the fixed mask for a reused operand is from SecureML (Mohassel and Zhang, S&P 2017)."),
    operation(&["layernorm", "layer_norm", "invstd", "rmsnorm", "G7"], "normalisation of rows", "\
Centring a row is linear, so it happens on the wire without a hop. The row's sum of squares comes from the
wire and from dealt squares of its mask (G6, no hop). One opened word per row then goes through
1/sqrt (see `recip`), and the rows are scaled by the result (G7). Gain and bias are folded into the next
linear layer where there is one. Two hops.

The variance must stay in the range found by calibration; `mpcc inspect` lists it.

Papers: the folding and the row scale are this project's; the statistics follow SIGMA (PoPETs 2024)."),
    operation(&["recip", "/", "division", "rsqrt", "sqrt", "row_function", "G10"], "a smooth function of one number per row", "\
The ring is cut into 2^l buckets, for one l after the other. The bucket of the opened word is public, and that of
the mask is the path of a point function: the dealer deals both parties keys that share, at the mask's bucket of
every l, the powers of the mask's position in it. Both parties visit the buckets whose distance is large enough
for a cubic at that l, and one of them is the mask's. What multiplies the powers is public. No comparison, and no
hop beyond the opening, however many octaves the numbers span; some 50 dealt bytes a row for each octave.

Domain: positive numbers between the least and the greatest that are declared or were observed, at most some 55
octaves. Below them the function levels off, so that 0 times the reciprocal of 0 is 0. A negative argument is an
error where it is seen: in the float network, and at the data owner for what it computes alone. A division a / b is
a * recip(b); write -(a / -b) where b is always negative, and a * b / square(b), with twice the octaves, where its
sign varies. Error: at most 2^-10 of the result, and 2^-14 of the function itself.

Papers: incremental point functions are from Boneh et al. (IEEE S&P 2021), splines by function secret sharing from
Boyle et al. (EUROCRYPT 2021); cubics by the path of a mask are this project's."),
    operation(&["relu", "sign", "G8", "G16"], "max(x, 0)", "\
x + r is public, so comparing it with r digit by digit is a look-up at a public place of a table that the dealer
shares. One hop opens the masked results of all digits, a second one the masked sign; the product of sign and
x is then local, in any ring. Two hops, about ten bits an entry online for 18-bit values.

The other protocol (G16) deals both parties keys of a distributed comparison function, evaluated at two public
points: no hop, nothing online, but some five hundred dealt bytes an entry in place of some forty. The compiler
takes whichever is faster on the network of `--net`, a second before the input is known counting `--alpha`;
`--relu` decides it for all.

Papers: one-time truth tables (Ishai et al., TCC 2013); the joining of digits is as in CrypTFlow2 (Rathee et
al., CCS 2020); comparison functions with a payload are from Boyle et al. (EUROCRYPT 2021)."),
    operation(&["select", "G9"], "a secret bit times a secret value", "\
The bit is opened under a one-time pad; the value is a wire. The dealer shares the pad and its product with the
value's mask. One hop, one bit."),
    operation(&["gelu", "gelu_fourier", "silu", "tanh", "sigmoid", "erf", "smooth", "trig_series", "G11"], "smooth functions of every entry", "\
A line and a short Fourier series on the range that the argument can have: GeLU and SiLU are x/2 plus a cosine series,
tanh, sigmoid and erf a constant plus a sine series. The cosine and sine of a masked argument follow from the public
ones of x + r and from shares of cos r and sin r. No hop beyond the opening if a bound on x is proved or assumed and a
series covers it. Otherwise the series must not be trusted far out: two comparisons put the function's limits, a
constant or x, in its place (two hops more), or with `--relu function-sharing` clamp x and add what was cut off (one
hop more). `gelu_fourier` is SecFormer's own series; it jumps at its cut, so it is always selected.

Domain: any argument that fits its wire. Error: at most 2e-4 for GeLU and 2^-11 for the others, beside the rounding of
the argument itself; tests hold it over whole domains, at 16 fraction bits, with and without a bound to rely on.

Papers: SecFormer (Luo et al., ACL Findings 2024) and SHAFT (Kei and Chow, NDSS 2025) for Fourier series;
coefficients and periods are this project's."),
    operation(&["exp"], "exp(x) for x that is bounded above", "\
A cosine and sine series on an interval that ends at the greatest argument, at most 12. Below it the result is
switched off by a comparison, so that it is exactly 0 however small x is, and padding with a mask is exact. Beside
the series' opening it needs the hops of a comparison and of one product.

Domain: arguments up to the greatest that is proved, declared or observed, and any below. Error: at most 2^-11 of the
greatest value, beside the rounding of the argument itself.

Papers: as for smooth functions; the exact zero is this project's."),
    operation(&["softmax"], "softmax of rows", "\
exp(s - row maximum), its row sum, a reciprocal per row, and a row scale after the product with the values. For the
maximum a row counts how many of its numbers lie below public thresholds; the first threshold below which none lies is
near enough, since a softmax does not change if a row is moved. Three exchanges, whatever the length of a row. The
exponential takes one: the bucket of the mask of its argument is shared as bits, and e to the mask's place in it as one
word. Scores far below the maximum get exactly 0. Where no ring of buckets holds the range of a row, the maximum is
a tree of comparisons (see `max`) and the exponential a series. A public number takes its place if the row maxima are proved, or declared
by `assume range(max(...))`, to lie within 6 of each other, and with `--softmax static` also if that was observed;
exponentials get more fraction bits for the lower rows.

Papers: as for `exp`; CrypTen (Knott et al., NeurIPS 2021) and MPCFormer (Li et al., ICLR 2023) price what it costs
otherwise."),
    operation(&["max", "argmax", "max_row", "G12"], "largest entry of a row, and its position", "\
A tree on shares: max(a, b) = b + max(a - b, 0), half of the entries gone at every level, and as many levels as n has
bits. A level costs the opening of the differences and the hops of `relu`. Entries of odd number pass through.

For the position, entries are moved up by a bit for each level. The first of a pair gets that level's bit below it, so
the first of equal entries wins, and the low bits of what is left are the complement of the position. Only those bits are
opened, to the data owner alone.

Papers: the tournament is folklore; the bits below the entries are this project's."),
    operation(&["min"], "the smaller of two values", "\
min(a, b) = b - max(b - a, 0): see `relu`."),
    operation(&["step", "sign_share", "step_shared"], "1 where x is not negative, else 0", "\
The comparison of `relu` without the selection: the sign is opened under a one-time pad and corrected by a share of the
pad (G9), two hops in all; or the comparison function itself gives shares of the bit (G16), no hop.

Papers: as for `relu`."),
    operation(&["square", "two_quad", "hadamard", "mul", "G6"], "products entry by entry", "\
A square takes the wire of x read in a wider ring and dealt squares of its mask: no hop beyond the opening of x. A product
of two wires takes the product of their masks, one word dealt an entry. A factor per row, or one weight per column, is
cheaper (see `layernorm` and `linear`). A square of wires narrower than the result is extended first (G2).

Papers: Beaver (CRYPTO 1991); the square of an extended wire is this project's."),
    operation(&["lookup", "one_hot", "embedding", "G14"], "rows of a secret table at secret positions", "\
The data owner writes a row of zeros with a one for each of its positions and sends it under a mask; a product with the
table under the static mask of weights (G4) gives shares of the rows. Nothing comes back, and nobody learns a position
or a row. It costs one ring word for each row of the table and position, from the data owner: the price of a large
vocabulary. A position outside the table is refused before anything is sent.

Papers: as for `linear`; the look-up as a product is folklore."),
    operation(&["mask", "client_share"], "values that the data owner knows, added or multiplied", "\
A mask or another function of inputs alone is a share already: the data owner adds it to its own, and the model owner adds
nothing. No hop, no byte. So padding is best added, `s + (m - 1) * 256`, and multiplied only where it must be: then it is
a wire, and a product an entry."),
    operation(&["relu_softmax", "rs"], "ReLU-softmax attention", "\
max(s, 0) / (sum of max(s, 0) + eps) over each row of scores. The products with the values and the row sum are
formed beside each other and the division comes last, as a row scale by a reciprocal. It needs the hops of
`relu` and of `recip`.

Paper: MPCViT (Zeng et al., ICCV 2023), which searches the heads where it is worth its cost."),
    operation(&["scaling", "scaling_attention", "scale"], "scaling attention", "\
Scores divided by the number of keys: linear, so (Q K^T) V is computed as Q (K^T V), a smaller product. Two
hops, no comparison, no reciprocal.

Paper: MPCViT (Zeng et al., ICCV 2023)."),
    operation(&["input"], "the data owner's input", "\
The data owner evaluates its `local client` part in the clear, encodes the result, and sends x + r with a mask r
that the model owner does not know. One one-way hop. A value beyond its declared range is refused before
anything is sent."),
    operation(&["reveal", "output", "G15"], "the result, to the data owner only", "\
The model owner sends its masked share; the data owner alone can remove the mask. The low bits are dropped
inside the opening, so nothing finer than the output's fraction bits is learned. One one-way hop."),
    operation(&["add", "sub", "concat", "sum", "mean", "transpose", "reshape"], "linear operations", "\
Sums, differences, rearrangements and products with public numbers are computed by each party on its own share
or on the wire: no hop, no byte, no help by the dealer."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_finds_one_operation() {
        let names: Vec<&str> = OPERATIONS.iter().flat_map(|o| o.names).copied().collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!(find("g8").map(|o| o.names[0]), Some("relu"));
        assert!(find("dropout").is_none());
    }
}
