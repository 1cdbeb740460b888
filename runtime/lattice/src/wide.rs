//! Unsigned integers of a fixed number of words, low word first, modulo 2^(64·W). What is computed from secrets does
//! not branch on them.

/// `a` + `b`.
pub(crate) fn add<const W: usize>(a: &mut [u64; W], b: &[u64; W]) {
    let mut carry = false;
    for (a, &b) in a.iter_mut().zip(b) {
        let (sum, over) = a.overflowing_add(b);
        let (sum, more) = sum.overflowing_add(u64::from(carry));
        (*a, carry) = (sum, over | more);
    }
}

/// `a` − `b`.
pub(crate) fn sub<const W: usize>(a: &mut [u64; W], b: &[u64; W]) {
    let mut borrow = false;
    for (a, &b) in a.iter_mut().zip(b) {
        let (rest, under) = a.overflowing_sub(b);
        let (rest, more) = rest.overflowing_sub(u64::from(borrow));
        (*a, borrow) = (rest, under | more);
    }
}

/// `sum` += `a`·`word`.
#[inline(always)]
pub(crate) fn add_product<const W: usize>(sum: &mut [u64; W], a: &[u64; W], word: u64) {
    let mut carry = 0u128;
    for (sum, &a) in sum.iter_mut().zip(a) {
        let value = u128::from(a) * u128::from(word) + u128::from(*sum) + carry;
        *sum = value as u64;
        carry = value >> 64;
    }
}

/// 1 if `a` < `b`, else 0.
pub(crate) fn below<const W: usize>(a: &[u64; W], b: &[u64; W]) -> u64 {
    let mut borrow = false;
    for (&a, &b) in a.iter().zip(b) {
        let (rest, under) = a.overflowing_sub(b);
        borrow = under | rest.overflowing_sub(u64::from(borrow)).1;
    }
    u64::from(borrow)
}

/// `a` where `bit` is 1, else 0.
pub(crate) fn times_bit<const W: usize>(a: &[u64; W], bit: u64) -> [u64; W] {
    a.map(|word| word & bit.wrapping_neg())
}

/// `a` · 2^`bits`.
pub(crate) fn shift_left<const W: usize>(a: &[u64; W], bits: u32) -> [u64; W] {
    let (words, bits) = ((bits / 64) as usize, bits % 64);
    std::array::from_fn(|i| {
        let word = |i: Option<usize>| i.map_or(0, |i| a[i]);
        let low = word(i.checked_sub(words + 1));
        word(i.checked_sub(words)) << bits | if bits == 0 { 0 } else { low >> (64 - bits) }
    })
}

/// ⌊`a` / 2^`bits`⌋.
pub(crate) fn shift_right<const W: usize>(a: &[u64; W], bits: u32) -> [u64; W] {
    let (words, bits) = ((bits / 64) as usize, bits % 64);
    std::array::from_fn(|i| {
        let word = |i: usize| a.get(i).copied().unwrap_or(0);
        word(i + words) >> bits | if bits == 0 { 0 } else { word(i + words + 1) << (64 - bits) }
    })
}

/// `a` mod 2^`bits`.
pub(crate) fn low_bits<const W: usize>(a: &[u64; W], bits: u32) -> [u64; W] {
    std::array::from_fn(|i| match bits.saturating_sub(64 * i as u32) {
        0 => 0,
        left if left < 64 => a[i] & ((1 << left) - 1),
        _ => a[i],
    })
}

/// 2^`bits`.
pub(crate) fn power_of_two<const W: usize>(bits: u32) -> [u64; W] {
    std::array::from_fn(|i| if bits / 64 == i as u32 { 1 << (bits % 64) } else { 0 })
}

/// ⌊2^(64·W) / `divisor`⌋ of a public number above 1.
pub(crate) fn reciprocal<const W: usize>(divisor: u64) -> [u64; W] {
    let (mut rest, mut out) = (1u128, [0; W]);
    for word in out.iter_mut().rev() {
        let value = rest << 64;
        *word = (value / u128::from(divisor)) as u64;
        rest = value % u128::from(divisor);
    }
    out
}

/// The product of public words, modulo 2^(64·W).
pub(crate) fn product<const W: usize>(factors: impl IntoIterator<Item = u64>) -> [u64; W] {
    let one = std::array::from_fn(|i| u64::from(i == 0));
    factors.into_iter().fold(one, |product, factor| {
        let mut out = [0; W];
        add_product(&mut out, &product, factor);
        out
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn two(v: u128) -> [u64; 2] {
        [v as u64, (v >> 64) as u64]
    }

    fn one([low, high]: [u64; 2]) -> u128 {
        u128::from(low) | u128::from(high) << 64
    }

    proptest! {
        #[test]
        fn words_behave_as_one_integer(a: u128, b: u128, word: u64, bits in 0u32..128) {
            let mut sum = two(a);
            add(&mut sum, &two(b));
            prop_assert_eq!(one(sum), a.wrapping_add(b));
            sub(&mut sum, &two(b));
            prop_assert_eq!(one(sum), a);
            add_product(&mut sum, &two(b), word);
            prop_assert_eq!(one(sum), a.wrapping_add(b.wrapping_mul(u128::from(word))));
            prop_assert_eq!(below(&two(a), &two(b)), u64::from(a < b));
            prop_assert_eq!(below(&two(a), &two(a)), 0);
            prop_assert_eq!(one(shift_left(&two(a), bits)), a << bits);
            prop_assert_eq!(one(shift_right(&two(a), bits)), a >> bits);
            prop_assert_eq!(one(low_bits(&two(a), bits)), a & ((1 << bits) - 1));
            prop_assert_eq!(one(power_of_two(bits)), 1 << bits);
            prop_assert_eq!(one(times_bit(&two(a), 1)), a);
            prop_assert_eq!(one(product([word, a as u64])), u128::from(word) * u128::from(a as u64));
            let divisor = word.max(2);
            let quotient = u128::MAX / u128::from(divisor) + u128::from(u128::MAX % u128::from(divisor) == u128::from(divisor - 1));
            prop_assert_eq!(one(reciprocal(divisor)), quotient);
        }
    }
}
