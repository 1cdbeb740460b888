//! Every gate without coins against its direct meaning on random cases.

use super::*;
use mpcc_program::program::{Term, View};

fn term(value: ValueId, shift: u8) -> Term {
    Term { value, shift }
}

#[test]
fn linear_gates() {
    let (x, y) = (random(12, 20, 1), random(12, 18, 2));
    let (bias, full) = (random(4, 20, 3), random(12, 20, 4));
    let mut b = Build::default();
    let (sx, sy) = (b.share(&[3, 4], 20, &x), b.share(&[3, 4], 18, &y));
    let rescaled = b.push(Kind::Share, &[3, 4], (64, 2, 20), Gate::Rescale { source: sx, shift: 2 });
    let gate = Gate::Add { terms: vec![term(rescaled, 1), term(sy, 3), term(sy, 3)] };
    let add = b.push(Kind::Share, &[3, 4], (64, 3, 25), gate);
    let gate = Gate::Sub { left: term(sx, 1), right: term(sy, 1) };
    let sub = b.push(Kind::Share, &[3, 4], (64, 1, 25), gate);
    let sum = b.push(Kind::Share, &[3, 1], (64, 0, 25), Gate::SumRow { source: sx });
    let times = b.push(Kind::Share, &[3, 4], (64, 0, 25), Gate::MulPublic { source: sx, factor: -7 });
    let plus = b.push(Kind::Share, &[3, 4], (64, 0, 25), Gate::AddPublic { source: sx, term: -9 });
    let (wb, wf) = (b.weight(&[4], 20, &bias), b.weight(&[3, 4], 20, &full));
    let biased = b.push(Kind::Share, &[3, 4], (64, 0, 25), Gate::AddServer { source: sx, weight: wb });
    let placed = b.push(Kind::Share, &[3, 4], (64, 0, 25), Gate::AddServer { source: sx, weight: wf });
    let own = b.push(Kind::Share, &[3, 4], (64, 0, 20), Gate::ServerShare { weight: wf });
    let mask = b.own(&[3, 4], (70, 20), &y);
    let ideal = b.run();
    let got = |id: ValueId| ideal.values[id.0 as usize].clone();
    let each = |f: &dyn Fn(usize) -> i64| (0..12).map(f).collect::<Vec<_>>();
    assert_eq!(got(add), each(&|i| 2 * x[i] + 16 * y[i]));
    assert_eq!(got(sub), each(&|i| 2 * (x[i] - y[i])));
    assert_eq!(got(sum), x.chunks(4).map(|row| row.iter().sum()).collect::<Vec<i64>>());
    assert_eq!(got(times), each(&|i| -7 * x[i]));
    assert_eq!(got(plus), each(&|i| x[i] - 9));
    assert_eq!(got(biased), each(&|i| x[i] + bias[i % 4]));
    assert_eq!(got(placed), each(&|i| x[i] + full[i]));
    assert_eq!(got(own), full);
    assert_eq!(got(mask), y);
}

#[test]
fn joins_and_views() {
    let x: Vec<i64> = (0..24).collect();
    let mut b = Build::default();
    let share = b.share(&[2, 3, 4], 6, &x);
    let at = |i: usize, j: usize, k: usize| x[i * 12 + j * 4 + k];
    let mut view =
        |shape: &[usize], view: View| b.push(Kind::Share, shape, (64, 0, 6), Gate::View { source: share, view });
    let permuted = view(&[4, 2, 3], View::Permute([2, 0, 1].into_iter().collect()));
    let sliced = view(&[2, 2, 4], View::Slice { axis: 1, start: 1 });
    let gathered = view(&[2, 3, 5], View::Gather { axis: 2, index: vec![3, 0, 0, 1, 3] });
    let reshaped = view(&[6, 4], View::Reshape);
    let parts = vec![term(sliced, 2), term(gathered_slice(&mut b, gathered), 2)];
    let joined = b.push(Kind::Share, &[2, 4, 4], (64, 2, 9), Gate::Concat { parts, axis: 1 });
    let ideal = b.run();
    let got = |id: ValueId| ideal.values[id.0 as usize].clone();
    let list = |shape: [usize; 3], f: &dyn Fn(usize, usize, usize) -> i64| -> Vec<i64> {
        let [a, c, d] = shape;
        (0..a * c * d).map(|i| f(i / (c * d), i / d % c, i % d)).collect()
    };
    assert_eq!(got(permuted), list([4, 2, 3], &|k, i, j| at(i, j, k)));
    assert_eq!(got(sliced), list([2, 2, 4], &|i, j, k| at(i, j + 1, k)));
    assert_eq!(got(gathered), list([2, 3, 5], &|i, j, k| at(i, j, [3, 0, 0, 1, 3][k])));
    assert_eq!(got(reshaped), x);
    let want = list([2, 4, 4], &|i, j, k| 4 * if j < 2 { at(i, j + 1, k) } else { at(i, j - 2, [3, 0, 0, 1][k]) });
    assert_eq!(got(joined), want);
}

/// The first two rows and four columns of the gathered value.
fn gathered_slice(b: &mut Build, source: ValueId) -> ValueId {
    let gate = Gate::View { source, view: View::Slice { axis: 1, start: 0 } };
    let source = b.push(Kind::Share, &[2, 2, 5], (64, 0, 6), gate);
    b.push(Kind::Share, &[2, 2, 4], (64, 0, 6), Gate::View { source, view: View::Slice { axis: 2, start: 0 } })
}

fn product(left: &[i64], right: &[i64], (m, k, n): (usize, usize, usize)) -> Vec<i64> {
    (0..m * n).map(|at| (0..k).map(|i| left[at / n * k + i] * right[i * n + at % n]).sum()).collect()
}

#[test]
fn products() {
    let (x, y) = (random(2 * 3 * 4, 12, 1), random(2 * 4 * 5, 12, 2));
    let (w, g) = (random(4 * 5, 12, 3), random(4, 12, 4));
    let mut b = Build::default();
    let (wx, wy) = (b.wire(&[2, 3, 4], (50, 12), &x), b.wire(&[2, 4, 5], (40, 12), &y));
    let (ww, wg) = (b.weight(&[4, 5], 12, &w), b.weight(&[4], 12, &g));
    let matmul = b.push(Kind::Share, &[2, 3, 5], (40, 0, 30), Gate::MatMul { left: wx, right: wy });
    let server = b.push(Kind::Share, &[2, 3, 5], (50, 0, 30), Gate::MatMulServer { source: wx, weight: ww });
    let scaled = b.push(Kind::Share, &[2, 3, 4], (50, 0, 30), Gate::MulServer { source: wx, weight: wg });
    let (row, last) = (b.wire(&[2, 3, 1], (62, 12), &y[..6]), b.wire(&[3, 4], (62, 12), &y[..12]));
    let mut hadamard = |right| b.push(Kind::Share, &[2, 3, 4], (50, 0, 24), Gate::Hadamard { left: wx, right });
    let (squares, by_row, by_last) = (hadamard(wx), hadamard(row), hadamard(last));
    let ideal = b.run();
    let each = |f: &dyn Fn(usize) -> i64| (0..24).map(f).collect::<Vec<_>>();
    assert_eq!(ideal.values[squares.0 as usize], each(&|i| x[i] * x[i]));
    assert_eq!(ideal.values[by_row.0 as usize], each(&|i| x[i] * y[i / 4]));
    assert_eq!(ideal.values[by_last.0 as usize], each(&|i| x[i] * y[i % 12]));
    let both: Vec<i64> = (0..2).flat_map(|i| product(&x[12 * i..][..12], &y[20 * i..][..20], (3, 4, 5))).collect();
    assert_eq!(ideal.values[matmul.0 as usize], both);
    assert_eq!(ideal.values[server.0 as usize], product(&x, &w, (6, 4, 5)));
    assert_eq!(ideal.values[scaled.0 as usize], (0..24).map(|i| x[i] * g[i % 4]).collect::<Vec<_>>());
}

#[test]
fn a_product_beyond_63_bits_is_found_and_not_wrapped() {
    let big = 1i64 << 40;
    let mut b = Build::default();
    let x = b.wire(&[1, 4], (62, 41), &[big; 4]);
    let weight = b.weight(&[4, 1], 41, &[big; 4]);
    b.push(Kind::Share, &[1, 1], (62, 0, 61), Gate::MatMulServer { source: x, weight });
    let Err(IdealError::Range(error)) = b.try_run(Ranges::Strict) else { panic!("accepted") };
    assert_eq!((error.magnitude, error.limit), (1 << 82, 1 << 61));
    let cancelling = [big, -big, big, -big];
    b.weights[0] = cancelling.to_vec();
    assert_eq!(b.run().values.last().map(Vec::as_slice), Some([0i64].as_slice()));
}

#[test]
fn extensions() {
    let (x, y) = (random(12, 14, 1), random(3, 10, 2));
    let mut b = Build::default();
    let (wx, wy) = (b.wire(&[3, 4], (16, 14), &x), b.wire(&[3, 1], (48, 10), &y));
    let extended = b.push(Kind::Share, &[3, 4], (60, 0, 14), Gate::Extend { source: wx });
    let squares = b.push(Kind::Share, &[3, 1], (60, 0, 30), Gate::RowSquares { source: wx });
    let scaled = b.push(Kind::Share, &[3, 4], (48, 0, 24), Gate::RowScale { source: wx, row: wy });
    let each = b.push(Kind::Share, &[3, 4], (60, 0, 28), Gate::Square { source: wx });
    let ideal = b.run();
    assert_eq!(ideal.values[each.0 as usize], x.iter().map(|x| x * x).collect::<Vec<_>>());
    assert_eq!(ideal.values[extended.0 as usize], x);
    let want: Vec<i64> = x.chunks(4).map(|row| row.iter().map(|x| x * x).sum()).collect();
    assert_eq!(ideal.values[squares.0 as usize], want);
    assert_eq!(ideal.values[scaled.0 as usize], (0..12).map(|i| x[i] * y[i / 4]).collect::<Vec<_>>());
}

#[test]
fn signs_and_selection() {
    let n = 7u8;
    let x: Vec<i64> = (-63..64).collect();
    let y: Vec<i64> = x.iter().rev().map(|x| x / 2).collect();
    let len = [x.len()];
    let mut b = Build::default();
    let (wx, wy) = (b.wire(&len, (n, 6), &x), b.wire(&len, (n, 5), &y));
    let mut digits = |source, offset| {
        let widths = [4, 3].into_iter().collect();
        b.push(Kind::Bits, &len, (3, 0, 0), Gate::SignDigits { source, offset, digits: widths })
    };
    let (sx, sy) = (digits(wx, 0), digits(wy, -8));
    let mut open = |signs: &[ValueId], negate| {
        let signs = signs.iter().copied().collect();
        b.push(Kind::Bits, &len, (1, 0, 0), Gate::OpenSign { signs, negate })
    };
    let (positive, both) = (open(&[sx], true), open(&[sx, sy], false));
    let gate = Gate::Select { bit: positive, source: wx, nonnegative: true };
    let relu = b.push(Kind::Share, &len, (40, 0, 6), gate);
    let shared =
        b.push(Kind::Share, &len, (40, 0, 6), Gate::ReluShared { source: wx, offsets: [0].into_iter().collect() });
    let gate = Gate::ReluShared { source: wy, offsets: [8, -8].into_iter().collect() };
    let moved = b.push(Kind::Share, &[2 * x.len()], (40, 0, 6), gate);
    let gate = Gate::Select { bit: both, source: wy, nonnegative: false };
    let selected = b.push(Kind::Share, &len, (40, 0, 6), gate);
    let number = b.push(Kind::Share, &len, (40, 0, 1), Gate::SignShare { bit: both });
    let gate = Gate::StepShared { source: wy, offsets: [0, -8].into_iter().collect() };
    let steps = b.push(Kind::Share, &[2 * x.len()], (40, 0, 1), gate);
    let ideal = b.run();
    assert_eq!(ideal.values[relu.0 as usize], x.iter().map(|x| (*x).max(0)).collect::<Vec<_>>());
    assert_eq!(ideal.values[shared.0 as usize], ideal.values[relu.0 as usize]);
    let want: Vec<i64> = [8, -8].iter().flat_map(|o| y.iter().map(move |y| (y + o).max(0))).collect();
    assert_eq!(ideal.values[moved.0 as usize], want);
    let want: Vec<i64> = x.iter().zip(&y).map(|(x, y)| if (*x < 0) != (*y < 8) { *y } else { 0 }).collect();
    assert_eq!(ideal.values[selected.0 as usize], want);
    let want: Vec<i64> = x.iter().zip(&y).map(|(x, y)| i64::from((*x < 0) != (*y < 8))).collect();
    assert_eq!(ideal.values[number.0 as usize], want);
    let want: Vec<i64> = [0, 8].iter().flat_map(|t| y.iter().map(move |y| i64::from(y >= t))).collect();
    assert_eq!(ideal.values[steps.0 as usize], want);
    assert_eq!(ideal.values[sx.0 as usize], x.iter().map(|x| i64::from(*x < 0)).collect::<Vec<_>>());
}

/// A rearranged wire keeps each entry with its own mask: a series of it depends on both.
#[test]
fn a_view_moves_masks_with_their_entries() {
    let data = random(8, 16, 9);
    let mut b = Build::default();
    let share = b.share(&[8], 16, &data);
    let wire = b.open(share, 20, 0);
    let series = |b: &mut Build, source| {
        let (cosines, sines) = (vec![3, 250, -91], vec![-40, 0, 17]);
        let gate = Gate::TrigSeries { source, period_bits: 18, table_fraction: 8, cosines, sines };
        b.push(Kind::Share, &[8], (60, 16, 20), gate)
    };
    let straight = series(&mut b, wire);
    let index: Vec<usize> = (0..8).rev().collect();
    let gate = Gate::View { source: wire, view: View::Gather { axis: 0, index } };
    let reversed = b.push(Kind::Wire, &[8], (20, 0, 17), gate);
    let reversed = series(&mut b, reversed);
    let ideal = b.run();
    let mut want = ideal.values[straight.0 as usize].clone();
    want.reverse();
    assert_eq!(ideal.values[reversed.0 as usize], want);
}
