//! What a program may rely on of a node, by basis, and ranges that are checked.

use std::collections::BTreeMap;

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{Element, Visibility};
use mpcc_compiler::ranges::{Basis, Checked, NodeRange, Origin, Ranges, weights_digest};

use crate::models::Builder;

#[test]
fn what_was_seen_is_widened_on_the_sides_that_it_has() {
    let widened = |low, high| NodeRange { observed: Some((low, high)), ..NodeRange::default() }.widened();
    assert_eq!(widened(-3.0, 1.0), Some((-6.0, 6.0)));
    assert_eq!(widened(0.5, 1.0), Some((0.0, 2.0)));
    assert_eq!(widened(-3.0, -1.0), Some((-6.0, 0.0)));
    assert_eq!(widened(-3.0, 0.0), Some((-6.0, 0.0)));
}

#[test]
fn checked_ranges_follow_their_number_to_other_units() {
    let checked = Checked { low: -1.0, high: 3.0, most: 8.0, below: false, above: true, zero: true };
    assert_eq!(checked.scaled(4.0), Checked { low: -4.0, high: 12.0, most: 32.0, ..checked });
    assert_eq!(checked.offset(-2.0), Checked { low: -3.0, high: 1.0, most: 10.0, ..checked });
    for (below, above) in [(false, false), (false, true), (true, false), (true, true)] {
        assert_eq!(Checked { below, above, ..checked }.is_guard(), below || above);
    }
}

/// The data owner may send anything that its input takes, however small what was seen is.
#[test]
fn observed_ranges_narrow_what_is_proved_of_everything_but_inputs() {
    let mut b = Builder::new("seen");
    let input = b.input("x", Element::U8, &[4], Visibility::SecretClient);
    let shared = b.shared("y", &[4]);
    let graph = b.finish();
    let known = NodeRange { observed: Some((0.0, 10.0)), proved: Some((0.0, 255.0)), ..NodeRange::default() };
    let ranges = Ranges { nodes: BTreeMap::from([(input.0, known), (shared.0, known)]), ..Ranges::new(&graph) };
    let range = |id| ranges.range(&graph, id, Basis::Observed);
    assert_eq!(range(input), Some(((0.0, 255.0), Origin::Proved)));
    assert_eq!(range(shared), Some(((0.0, 20.0), Origin::Observed)));
}

/// What the data owner computes in the clear is refused beyond what it was encoded for, so that counts as checked.
#[test]
fn unproved_values_of_the_data_owner_are_checked_where_they_are_encoded() {
    let mut b = Builder::new("encoded");
    let input = b.input("x", Element::Real, &[4], Visibility::SecretClient);
    let shared = b.shared("y", &[4]);
    let mut graph = b.finish();
    let seen = NodeRange { observed: Some((0.0, 10.0)), ..NodeRange::default() };
    let range = |graph: &_, id, known| {
        let ranges = Ranges { nodes: BTreeMap::from([(input.0, known), (shared.0, known)]), ..Ranges::new(graph) };
        ranges.range(graph, id, Basis::Guarded)
    };
    assert_eq!(range(&graph, input, seen), Some(((0.0, 20.0), Origin::Guarded)));
    assert_eq!(range(&graph, shared, seen), None);
    let proved = NodeRange { proved: Some((0.0, 255.0)), ..seen };
    assert_eq!(range(&graph, input, proved), Some(((0.0, 255.0), Origin::Proved)));
    graph.nodes[input.0 as usize].assumed = Some((-1.0, 1.0));
    assert_eq!(range(&graph, input, seen), Some(((-1.0, 1.0), Origin::Assumed)));
}

#[test]
fn who_uses_a_checked_value_may_rely_on_the_check_if_there_is_one() {
    let mut b = Builder::new("used");
    let id = b.shared("x", &[4]);
    let graph = b.finish();
    let checked = Checked { low: -1.0, high: 300.0, most: 300.0, below: true, above: false, zero: false };
    let known = NodeRange { proved: Some((-255.0, 255.0)), checked: Some(checked), ..NodeRange::default() };
    let ranges = Ranges { nodes: BTreeMap::from([(id.0, known)]), ..Ranges::new(&graph) };
    assert_eq!(ranges.used(&graph, id, Basis::Guarded), Some((-1.0, 255.0)));
    assert_eq!(ranges.used(&graph, id, Basis::Proved), Some((-255.0, 255.0)));
}

/// Whoever has files of ranges compares it with theirs, so it stays what it is.
#[test]
fn the_digest_of_weights_is_of_their_shapes_and_entries() {
    let digest = |shape: &[usize], data: &[f64]| weights_digest(&[Tensor::new(shape, data.to_vec())]);
    let known = digest(&[2, 2], &[1.0, -2.0, 0.5, 0.0]);
    assert_eq!(known, "f2743a56b0ca6957485754cee613e79509e8841991684c82057cdec5868b05e4");
    assert_ne!(known, digest(&[4], &[1.0, -2.0, 0.5, 0.0]));
    assert_ne!(known, digest(&[2, 2], &[1.0, -2.0, 0.5, 1.0]));
}
