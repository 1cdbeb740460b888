//! What may be relied on behind a check, and patterns whose bounds single operations forget.

use mpcc_compiler::evaluate::{Tensor, evaluate_server};
use mpcc_compiler::graph::{Element, Graph, NodeId, Op, Visibility};
use mpcc_compiler::ranges::{Checked, NodeRange, Relied};
use mpcc_compiler::smooth::Smooth;
use mpcc_compiler::value_ranges::{proved, relied_on};

use crate::models::Builder;

/// A value whose entries are proved to be from 0 to 255.
fn bytes(b: &mut Builder, shape: &[usize]) -> NodeId {
    b.input("x", Element::U8, shape, Visibility::Shared)
}

fn close(found: (f64, f64), expected: (f64, f64)) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs().max(1e-3);
    near(found.0, expected.0) && near(found.1, expected.1)
}

/// What is relied on where `seen` was seen of one node.
fn relied(graph: &Graph, params: &[Tensor], (node, seen): (NodeId, NodeRange)) -> Vec<Relied> {
    let server = evaluate_server(graph, params).expect("the weights fit");
    relied_on(graph, &server, &|id| if id == node { seen } else { NodeRange::default() })
}

fn seen(low: f64, high: f64) -> NodeRange {
    let smallest_positive = Some(if low > 0.0 { low } else { 0.25 });
    NodeRange { observed: Some((low, high)), smallest_positive, ..NodeRange::default() }
}

/// The check of a row's number to whose reciprocal `row` leads, and what it leaves of the row's entries.
fn divided(
    row: impl Fn(&mut Builder, NodeId) -> NodeId,
    (low, high): (f64, f64),
    times: Option<f64>,
) -> (Checked, (f64, f64)) {
    let mut b = Builder::new("divided");
    let x = bytes(&mut b, &[3, 8]);
    let x = b.add(Op::Relu(x), "r");
    let argument = row(&mut b, x);
    let inverse = b.add(Op::Recip(argument), "d");
    let again = b.add(Op::Scale(x, 1.0), "again");
    if let Some(times) = times {
        let factor = b.add(Op::Scale(x, times), "t");
        b.add(Op::Mul(if times == 1.0 { x } else { factor }, inverse), "y");
    }
    let relied = relied(&b.finish(), &[], (argument, seen(low, high)));
    (relied[inverse.0 as usize].argument.expect("a check"), relied[again.0 as usize].entries.expect("a range"))
}

fn offset(op: fn(NodeId) -> Op, term: f64) -> impl Fn(&mut Builder, NodeId) -> NodeId {
    move |b, x| {
        let number = b.add(op(x), "n");
        b.add(Op::Offset(number, term), "o")
    }
}

#[test]
fn a_checked_sum_bounds_the_entries_of_its_row() {
    let (checked, entries) = divided(offset(Op::SumRow, 0.5), (1.0, 10.0), None);
    // Half of the least lies above what is proved, twice the greatest far below it.
    assert_eq!((checked.below, checked.above, checked.high), (false, true, 20.0));
    assert!(close((checked.low, checked.most), (0.5, 8.0 * 255.0 + 0.5)), "{checked:?}");
    assert!(close(entries, (0.0, 19.5)), "{entries:?}");
    let (checked, entries) = divided(offset(Op::MeanRow, 0.5), (1.0, 2.0), None);
    assert_eq!((checked.below, checked.above, checked.high), (false, true, 4.0));
    assert!(close(entries, (0.0, 8.0 * 3.5)), "{entries:?}");
    let doubled = |b: &mut Builder, x| {
        let sum = b.add(Op::SumRow(x), "n");
        let doubled = b.add(Op::Scale(sum, 2.0), "m");
        b.add(Op::Offset(doubled, 0.5), "o")
    };
    let (_, entries) = divided(doubled, (1.0, 10.0), None);
    assert!(close(entries, (0.0, 19.5 / 2.0)), "{entries:?}");
}

#[test]
fn a_lower_end_that_is_proved_far_too_low_is_checked() {
    let (checked, _) = divided(offset(Op::SumRow, 1e-6), (1.0, 10.0), None);
    assert_eq!((checked.below, checked.low), (true, 0.5));
    // Of a row that may be zero, the least that is above zero counts.
    let (checked, _) = divided(|b, x| b.add(Op::SumRow(x), "n"), (0.0, 10.0), None);
    assert_eq!((checked.below, checked.low), (true, 0.125));
}

#[test]
fn a_row_of_zeros_over_its_own_sum_is_right() {
    let multiple = |factor| {
        move |b: &mut Builder, x| {
            let sum = b.add(Op::SumRow(x), "n");
            b.add(Op::Scale(sum, factor), "m")
        }
    };
    let zero = |factor, times| divided(multiple(factor), (1.0, 10.0), times).0.zero;
    assert!(zero(2.0, Some(1.0)));
    assert!(!zero(2.0, Some(3.0)), "another value is divided");
    assert!(!zero(2.0, None), "nothing is divided");
    assert!(!zero(-2.0, Some(1.0)), "the divisor is negative");
}

/// A mask of -1000 over scores leaves them as much less than that as it takes an exponential to vanish.
#[test]
fn scores_under_a_mask_are_held_together() {
    let under = |masked: f64| {
        let mut b = Builder::new("masked");
        let x = bytes(&mut b, &[2, 4]);
        let scores = b.add(Op::Scale(x, 100.0), "s");
        let mask = b.param("m", &[2, 4]);
        let sum = b.add(Op::Add(scores, mask), "a");
        b.add(Op::MaxRow(sum), "h");
        let mask = Tensor::new(&[2, 4], vec![0.0, masked, 0.0, 0.0, 0.0, 0.0, 0.0, masked]);
        relied(&b.finish(), &[mask], (scores, seen(10.0, 30.0)))[scores.0 as usize].checked
    };
    let expected = Checked { low: 0.0, high: 20.0 + 492.0, most: 25_500.0, below: false, above: true, zero: false };
    assert_eq!(under(-1000.0), Some(expected));
    assert_eq!(under(-8.0), None, "nothing is masked by so little");
}

/// Of a row with one large entry the mean is small, and the entry lies no farther from it than the deviation allows.
#[test]
fn a_checked_variance_bounds_the_entries_about_their_mean() {
    let mut b = Builder::new("deviation");
    let x = bytes(&mut b, &[3, 8]);
    let sizes = b.param("w", &[8]);
    let row = b.add(Op::Mul(x, sizes), "r");
    let inverse = b.add(Op::InvStd { x: row, eps: 1e-5 }, "y");
    let again = b.add(Op::Scale(row, 1.0), "again");
    let sizes = [100.0, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01];
    let mean = 255.0 * sizes.iter().sum::<f64>() / 8.0;
    let relied = relied(&b.finish(), &[Tensor::new(&[8], sizes.to_vec())], (inverse, seen(0.5, 1.0)));
    let checked = relied[inverse.0 as usize].argument.expect("a check");
    assert!(close((checked.low, checked.high), (0.5 * (1.0 - 1e-5), 4.0 * (4.0 - 1e-5))), "{checked:?}");
    let entries = relied[again.0 as usize].entries.expect("a range");
    assert!(close(entries, (0.0, mean + (checked.high * 7.0).sqrt())), "{entries:?}");
}

#[test]
fn a_checked_variance_and_the_mean_bound_the_length_of_a_row() {
    let mut b = Builder::new("length");
    let x = bytes(&mut b, &[3, 8]);
    let (sizes, weight) = (b.param("w", &[8]), b.param("v", &[2, 8]));
    let row = b.add(Op::Mul(x, sizes), "r");
    let inverse = b.add(Op::InvStd { x: row, eps: 1e-5 }, "y");
    let layer = b.add(Op::Linear { x: row, weight, bias: None }, "l");
    let params = [(vec![8], vec![1.0, 1.0]), (vec![2, 8], vec![1.0, 1.0])].map(|(shape, mut data)| {
        data.resize(shape.iter().product(), 0.0);
        Tensor::new(&shape, data)
    });
    let relied = relied(&b.finish(), &params, (inverse, seen(0.022, 0.022)));
    let variance = relied[inverse.0 as usize].argument.expect("a check").high;
    assert!(variance < 255.0f64.powi(2) / 4.0, "nothing is checked");
    // The mean of two entries up to 255 among eight is at most 63.75.
    let length = (8.0 * (variance + 63.75 * 63.75)).sqrt();
    let entries = relied[layer.0 as usize].entries.expect("a range");
    assert!(close(entries, (0.0, 2f64.sqrt() * length)), "{entries:?}");
}

/// What is proved of the last value that `make` adds.
fn proved_of(make: impl FnOnce(&mut Builder) -> NodeId, params: &[Tensor]) -> Option<(f64, f64)> {
    let mut b = Builder::new("proved");
    let last = make(&mut b);
    let graph = b.finish();
    proved(&graph, &evaluate_server(&graph, params).expect("the weights fit"))[last.0 as usize]
}

/// A row of 8 entries whose length is at most ½.
fn half_unit(b: &mut Builder) -> NodeId {
    let x = b.shared("x", &[3, 8]);
    let squares = b.add(Op::Mul(x, x), "s");
    let sum = b.add(Op::SumRow(squares), "n");
    let multiple = b.add(Op::Scale(sum, 4.0), "m");
    let inverse = b.add(Op::Rsqrt(multiple), "d");
    b.add(Op::Mul(x, inverse), "u")
}

/// The sum of a row's entries, twice, of which the length of the row says more than its entries do.
fn summed(b: &mut Builder, x: NodeId, width: usize) -> (NodeId, Vec<Tensor>) {
    let weight = b.param("ones", &[2, width]);
    let ones = Tensor::new(&[2, width], vec![1.0; 2 * width]);
    (b.add(Op::Linear { x, weight, bias: None }, "l"), vec![ones])
}

#[test]
fn the_length_of_a_row_is_kept_where_it_is_cut_joined_or_multiplied() {
    let of = |view: fn(&mut Builder, NodeId) -> NodeId, width| {
        let ones = [Tensor::new(&[2, width], vec![1.0; 2 * width])];
        let layer = |b: &mut Builder| {
            let unit = half_unit(b);
            let viewed = view(b, unit);
            summed(b, viewed, width).0
        };
        proved_of(layer, &ones).expect("a range").1
    };
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert!(near(of(|_, x| x, 8), 0.5 * 8f64.sqrt()));
    assert!(near(of(|b, x| b.slice(x, 1, 0, 4, "v"), 4), 0.5 * 2.0));
    assert!(near(of(|b, x| b.add(Op::Concat { parts: vec![x, x], axis: 1 }, "v"), 16), 0.5f64.sqrt() * 4.0));
    let product = |b: &mut Builder| {
        let (left, right) = (half_unit(b), half_unit(b));
        let turned = b.add(Op::Transpose(right), "t");
        b.add(Op::MatMul(left, turned), "p")
    };
    assert!(close(proved_of(product, &[]).expect("a range"), (-0.25, 0.25)));
}

/// Entries from 1000 to 1002.55 lie close together, whatever they are multiplied by.
#[test]
fn rows_stay_as_close_to_their_mean_as_their_factors_say() {
    let centred = |multiplied: fn(&mut Builder, NodeId) -> NodeId| {
        let made = |b: &mut Builder| {
            let x = bytes(b, &[3, 8]);
            let x = b.add(Op::Scale(x, 0.01), "s");
            let x = b.add(Op::Offset(x, 1000.0), "o");
            let x = multiplied(b, x);
            b.add(Op::Centre(x), "c")
        };
        proved_of(made, &[]).expect("a range").1
    };
    let spread = 2.55 * 8f64.sqrt();
    let by_number = |b: &mut Builder, x| {
        let factor = b.input("f", Element::Bit, &[3, 1], Visibility::Shared);
        let factor = b.add(Op::Scale(factor, 2.0), "g");
        b.add(Op::Mul(x, factor), "y")
    };
    for (found, expected) in
        [(centred(|b, x| b.add(Op::Scale(x, 10.0), "y")), 25.5), (centred(by_number), 2.0 * spread)]
    {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
}

#[test]
fn squares_and_inverses_are_those_of_the_ends() {
    let of = |op: fn(NodeId) -> Op, term: f64| {
        let made = |b: &mut Builder| {
            let x = bytes(b, &[3, 8]);
            let x = b.add(Op::Offset(x, term), "o");
            b.add(op(x), "y")
        };
        proved_of(made, &[])
    };
    let near = |found: Option<(f64, f64)>, expected| close(found.expect("a range"), expected);
    assert!(near(of(|x| Op::Mul(x, x), -100.0), (0.0, 155.0 * 155.0)));
    assert!(near(of(Op::Recip, 1.0), (1.0 / 256.0, 1.0)) && near(of(Op::Rsqrt, 1.0), (1.0 / 16.0, 1.0)));
    assert_eq!((of(Op::Recip, -1.0), of(Op::Rsqrt, -1.0)), (None, None));
}

/// The range that is proved of what `op` makes of any row over the root of its sum of squares.
fn unit(number: fn(NodeId) -> Op, factor: f64, term: f64) -> Option<(f64, f64)> {
    let mut b = Builder::new("unit");
    let x = b.shared("x", &[3, 8]);
    let squares = b.add(Op::Mul(x, x), "s");
    let number = b.add(number(squares), "n");
    let multiple = b.add(Op::Scale(number, factor), "m");
    let argument = b.add(Op::Offset(multiple, term), "o");
    let inverse = b.add(Op::Rsqrt(argument), "d");
    let y = b.add(Op::Mul(x, inverse), "y");
    proved(&b.finish(), &evaluate_server(&Graph::default(), &[]).expect("nothing"))[y.0 as usize]
}

#[test]
fn a_row_over_the_root_of_its_squares_is_as_long_as_their_factor_says() {
    let half = unit(Op::SumRow, 4.0, 1e-3).expect("a range");
    assert!(close(half, (-0.5, 0.5)), "{half:?}");
    let of_mean = unit(Op::MeanRow, 2.0, 0.0).expect("a range");
    assert!(close(of_mean, (-2.0, 2.0)), "{of_mean:?}");
    assert_eq!(unit(Op::SumRow, -4.0, 1e-3), None, "the root is of something else");
    assert_eq!(unit(Op::SumRow, 4.0, -1e-3), None, "the root is of less");
}

#[test]
fn a_step_of_goldschmidts_iteration_stays_below_its_peak() {
    let mut b = Builder::new("step");
    let x = bytes(&mut b, &[3, 8]);
    let u = b.add(Op::Scale(x, 2.0 / 255.0), "b");
    let slope = b.add(Op::Scale(u, -1.0), "s");
    let factor = b.add(Op::Offset(slope, 2.0), "f");
    let y = b.add(Op::Mul(u, factor), "y");
    let tanh = b.add(Op::Smooth(Smooth::Tanh, y), "z");
    let ranges = proved(&b.finish(), &evaluate_server(&Graph::default(), &[]).expect("nothing"));
    assert!(close(ranges[y.0 as usize].expect("a range"), (0.0, 1.0)), "{:?}", ranges[y.0 as usize]);
    assert!(close(ranges[tanh.0 as usize].expect("a range"), (0.0, 1f64.tanh())), "{:?}", ranges[tanh.0 as usize]);
}
