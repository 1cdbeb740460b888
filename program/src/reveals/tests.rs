use smallvec::smallvec;

use super::*;
use crate::program::{Input, Kind, Output, Term, Weight, WeightRounding};
use crate::sample::push;
use crate::verify::verify;

/// A program of an input `[1, 4]`, the weights `first` `[4, 3]`, `second` `[3, 3]` and `bias` `[3]`, and one output.
struct Sketch(Program);

impl Sketch {
    fn new() -> Self {
        let weight = |node, shape: &[usize], fraction, path: &str| Weight {
            node,
            shape: shape.into(),
            transposed: false,
            fraction,
            bound: 9,
            rounding: WeightRounding::Nearest,
            path: path.to_owned(),
        };
        Sketch(Program {
            weights: vec![
                weight(1, &[4, 3], 8, "first"),
                weight(2, &[3, 3], 8, "second"),
                weight(3, &[3], 18, "bias"),
                weight(1, &[4, 3], 18, "first"),
            ],
            inputs: vec![Input { node: 0, shape: smallvec![1, 4], fraction: 10, bound: 12, path: "x".to_owned() }],
            ..Program::default()
        })
    }

    fn value(&mut self, kind: Kind, shape: &[usize], (ring, fraction, bound): (u8, i16, u8), gate: Gate) -> ValueId {
        push(&mut self.0, "", (kind, shape), (ring, fraction, bound), gate)
    }

    fn input(&mut self) -> ValueId {
        self.value(Kind::Wire, &[1, 4], (60, 10, 12), Gate::Input { input: 0 })
    }

    /// The input times the first weight, opened.
    fn product(&mut self) -> ValueId {
        let source = self.input();
        let gate = Gate::MatMulServer { source, weight: WeightId(0) };
        let product = self.value(Kind::Share, &[1, 3], (60, 18, 24), gate);
        let gate = Gate::Open { source: product, truncate: 8 };
        self.value(Kind::Wire, &[1, 3], (32, 10, 16), gate)
    }

    /// A value that is linear in nothing.
    fn rectified(&mut self, source: ValueId) -> ValueId {
        let gate = Gate::ReluShared { source, offsets: smallvec![0] };
        let share = self.value(Kind::Share, &[1, 3], (50, 10, 16), gate);
        let gate = Gate::Open { source: share, truncate: 0 };
        self.value(Kind::Wire, &[1, 3], (50, 10, 16), gate)
    }

    fn times_second(&mut self, source: ValueId) -> ValueId {
        let gate = Gate::MatMulServer { source, weight: WeightId(1) };
        let ring = self.0.value(source).ring;
        self.value(Kind::Share, &[1, 3], (ring, 18, 26), gate)
    }

    /// Reveals a share with so many fraction bits in a ring of 30 bits, and says what that gives away.
    fn reveal(mut self, source: ValueId) -> Disclosure {
        let (shape, fraction) = (self.0.value(source).shape.clone(), self.0.value(source).fraction);
        let output = Output { name: "out".to_owned(), shape: shape.clone(), fraction, labels: vec![] };
        self.0.outputs.push(output);
        let gate = Gate::Reveal { source, truncate: 0, output: 0 };
        self.value(Kind::Share, &shape, (30, fraction, 27), gate);
        let broken: Vec<String> = verify(&self.0).err().into_iter().flatten().map(|v| v.to_string()).collect();
        assert!(broken.iter().all(|line| line.contains("never used")), "{broken:?}");
        disclosures(&self.0).remove(0)
    }
}

#[test]
fn weights_revealed_as_they_are_need_no_input() {
    let mut sketch = Sketch::new();
    let share = sketch.value(Kind::Share, &[4, 3], (40, 18, 9), Gate::ServerShare { weight: WeightId(3) });
    let told = sketch.reveal(share);
    assert_eq!((told.input_entries, told.linear_in_inputs, told.bits), (0, true, 12 * 30));
    assert_eq!(told.weights, Weights { paths: vec!["first".to_owned()], entries: 12, bits: 120 });
    assert_eq!(told.weights_by_linear_steps, told.weights);
    assert_eq!(told.inferences_of_as_many_bits, Some(1));
}

#[test]
fn weights_times_an_input_are_linear() {
    let mut sketch = Sketch::new();
    let source = sketch.input();
    let gate = Gate::MatMulServer { source, weight: WeightId(0) };
    let product = sketch.value(Kind::Share, &[1, 3], (60, 18, 24), gate);
    let told = sketch.reveal(product);
    assert_eq!((told.input_entries, told.linear_in_inputs, told.bits), (4, true, 90));
    assert_eq!(told.weights_by_linear_steps, told.weights);
    assert_eq!(told.inferences_of_as_many_bits, Some(2));
}

#[test]
fn a_product_of_weights_is_linear_in_the_input_only() {
    let mut sketch = Sketch::new();
    let product = sketch.product();
    let twice = sketch.times_second(product);
    let told = sketch.reveal(twice);
    assert!(told.linear_in_inputs);
    assert_eq!(told.weights.paths, ["first", "second"]);
    assert_eq!(told.weights_by_linear_steps, Weights::default());
}

#[test]
fn after_a_comparison_only_what_is_added_later_is_linear() {
    let mut sketch = Sketch::new();
    let product = sketch.product();
    let rectified = sketch.rectified(product);
    let share = sketch.times_second(rectified);
    let biased =
        sketch.value(Kind::Share, &[1, 3], (50, 18, 27), Gate::AddServer { source: share, weight: WeightId(2) });
    let told = sketch.reveal(biased);
    assert!(!told.linear_in_inputs);
    assert_eq!(told.weights.paths, ["first", "second", "bias"]);
    assert_eq!(told.weights_by_linear_steps.paths, ["bias"]);
    assert_eq!((told.weights.entries, told.weights.bits), (24, 240));
    assert_eq!(told.inferences_of_as_many_bits, Some(3));
}

/// One entry of an output may be another thing than the rest.
#[test]
fn a_path_of_linear_steps_beside_others_is_seen() {
    let mut sketch = Sketch::new();
    let source = sketch.input();
    let gate = Gate::MatMulServer { source, weight: WeightId(3) };
    let raw = sketch.value(Kind::Share, &[1, 3], (60, 28, 24), gate);
    let gate = Gate::Open { source: raw, truncate: 18 };
    let wire = sketch.value(Kind::Wire, &[1, 3], (32, 10, 16), gate);
    let rectified = sketch.rectified(wire);
    let hidden = sketch.times_second(rectified);
    let terms = vec![Term { value: hidden, shift: 10 }, Term { value: raw, shift: 0 }];
    let both = sketch.value(Kind::Share, &[1, 3], (50, 28, 29), Gate::Add { terms });
    let told = sketch.reveal(both);
    assert!(!told.linear_in_inputs);
    assert_eq!(told.weights_by_linear_steps.paths, ["first"]);
}

#[test]
fn a_product_of_two_functions_of_the_input_is_not_linear_in_it() {
    let mut sketch = Sketch::new();
    let one = sketch.input();
    let square = sketch.value(Kind::Share, &[1, 4], (60, 20, 24), Gate::Hadamard { left: one, right: one });
    let told = sketch.reveal(square);
    assert_eq!((told.linear_in_inputs, told.inferences_of_as_many_bits), (false, None));
    assert_eq!(told.weights, Weights::default());
}
