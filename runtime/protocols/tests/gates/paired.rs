//! What two parties make for each other without a dealer. That it adds up to what a dealer deals is tested in every run of a
//! program that they can make; here is what each of them sees.

use mpcc_program::correlation::Sharing;
use mpcc_program::program::{Gate, Kind};
use smallvec::smallvec;

use super::harness::{Builder, pair, random_words};

/// With every mask fixed a party's additive share is as often odd as even, over what tasks draw: the low bits of shares are
/// coins of later roundings.
#[test]
fn additive_shares_are_uniform_whatever_the_masks_are() {
    const RUNS: usize = 400;
    let mut b = Builder::new();
    let x = b.share(&[1, 2], 20, 7);
    let wire = b.open(x, 9, 0, 7);
    let squares = b.push(Gate::RowSquares { source: wire }, Kind::Share, &[1, 1], 14, 0, 13);
    let wide = b.push(Gate::Extend { source: wire }, Kind::Share, &[1, 2], 14, 0, 7);
    let row = b.open(squares, 14, 0, 13);
    let scaled = b.push(Gate::RowScale { source: wire, row }, Kind::Share, &[1, 2], 22, 0, 20);
    let digits = smallvec![5, 4];
    let signs = b.push(Gate::SignDigits { source: wire, offset: 0, digits }, Kind::Bits, &[1, 2], 3, 0, 0);
    let bit = b.push(Gate::OpenSign { signs: smallvec![signs], negate: true }, Kind::Bits, &[1, 2], 1, 0, 0);
    let sign = b.push(Gate::SignShare { bit }, Kind::Share, &[1, 2], 14, 0, 1);
    let (cosines, sines) = (vec![3, 200, -90], vec![40]);
    let gate = Gate::TrigSeries { source: wire, period_bits: 8, table_fraction: 8, cosines, sines };
    let series = b.push(gate, Kind::Share, &[1, 2], 40, 24, 26);
    b.reveal(series, 40, 0);
    b.reveal(sign, 14, 0);
    b.reveal(wide, 14, 0);
    b.reveal(scaled, 22, 0);
    let program = pair::paired(&b.program);
    for mask_seed in 0..3 {
        let mut odd: Vec<[usize; 2]> = Vec::new();
        for seed in 0..RUNS as u64 {
            let draw = &mut |owner, stream, bits, len| random_words(owner, stream, mask_seed, bits, len);
            let made = pair::make(&program, &[vec![3, -5]], draw, seed);
            let additive = made.items.iter().enumerate().filter(|(_, (_, item))| item.sharing == Sharing::Additive);
            let lows: Vec<[usize; 2]> = additive
                .flat_map(|(at, (_, item))| (0..item.len).map(move |i| (at, i)))
                .map(|(at, i)| [0, 1].map(|p| (made.shares[p][at][i] & 1) as usize))
                .collect();
            odd.resize(lows.len(), [0; 2]);
            odd.iter_mut().zip(&lows).for_each(|(sum, low)| [0, 1].iter().for_each(|p| sum[*p] += low[*p]));
        }
        assert!(odd.len() > 10);
        // Six standard deviations.
        assert!(odd.iter().flatten().all(|odd| (140..260).contains(odd)), "{odd:?}");
    }
}
