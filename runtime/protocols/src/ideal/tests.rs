mod buckets;
mod meaning;
mod tables;
mod truncation;
mod two_party;

use mpcc_kernels::prg::{Seed, fill_masked};
use mpcc_program::program::{
    Gate, Input, Kind, Output, Program, Value, ValueId, Weight, WeightId, WeightRounding, stream,
};

use super::*;
use crate::SessionSeed;
use crate::seeds::StageSeed;

/// A program under construction with its data.
#[derive(Clone, Default)]
struct Build {
    program: Program,
    weights: Vec<Vec<i64>>,
    inputs: Vec<Vec<i64>>,
}

impl Build {
    fn push(&mut self, kind: Kind, shape: &[usize], (ring, fraction, bound): (u8, i16, u8), gate: Gate) -> ValueId {
        let known = gate.operands().iter().map(|&o| self.program.value(o).level).max().unwrap_or(0);
        let level = known + u16::from(gate.takes_a_hop());
        self.program.hops = self.program.hops.max(level);
        let path = format!("v{}", self.program.values.len());
        self.program.values.push(Value { gate, kind, shape: shape.into(), ring, fraction, bound, level, path });
        ValueId(self.program.values.len() as u32 - 1)
    }

    /// An input wire of fraction 0.
    fn wire(&mut self, shape: &[usize], (ring, bound): (u8, u8), data: &[i64]) -> ValueId {
        let input = self.inputs.len() as u32;
        self.program.inputs.push(Input { node: 0, shape: shape.into(), fraction: 0, bound, path: String::new() });
        self.inputs.push(data.to_vec());
        self.push(Kind::Wire, shape, (ring, 0, bound), Gate::Input { input })
    }

    /// An input as a share of the data owner.
    fn own(&mut self, shape: &[usize], (ring, bound): (u8, u8), data: &[i64]) -> ValueId {
        let input = self.inputs.len() as u32;
        self.program.inputs.push(Input { node: 0, shape: shape.into(), fraction: 0, bound, path: String::new() });
        self.inputs.push(data.to_vec());
        self.push(Kind::Share, shape, (ring, 0, bound), Gate::ClientShare { input })
    }

    /// The same integers as a share in a ring of 64 bits.
    fn share(&mut self, shape: &[usize], bound: u8, data: &[i64]) -> ValueId {
        let source = self.wire(shape, (bound + 2, bound), data);
        self.push(Kind::Share, shape, (64, 0, bound), Gate::Extend { source })
    }

    fn weight(&mut self, shape: &[usize], bound: u8, data: &[i64]) -> WeightId {
        self.program.weights.push(Weight {
            node: 0,
            shape: shape.into(),
            transposed: false,
            fraction: 0,
            bound,
            rounding: WeightRounding::Nearest,
            path: String::new(),
        });
        self.weights.push(data.to_vec());
        WeightId(self.weights.len() as u32 - 1)
    }

    /// Opens a share of fraction 0.
    fn open(&mut self, source: ValueId, ring: u8, truncate: u8) -> ValueId {
        let (shape, bound) = (self.program.value(source).shape.clone(), self.program.value(source).bound);
        let gate = Gate::Open { source, truncate };
        let bound = (bound.saturating_sub(truncate) + 1).min(ring - 1);
        self.push(Kind::Wire, &shape, (ring, -i16::from(truncate), bound), gate)
    }

    fn output(&mut self, shape: &[usize], fraction: i16) -> u32 {
        let name = format!("out{}", self.program.outputs.len());
        self.program.outputs.push(Output { name, shape: shape.into(), fraction, labels: vec![] });
        self.program.outputs.len() as u32 - 1
    }

    /// The ideal result with coins of its own, after a two-party run equalled the ideal result with its coins.
    #[track_caller]
    fn run(&self) -> Ideal {
        let ideal = match self.try_run(Ranges::Strict) {
            Ok(ideal) => ideal,
            Err(error) => panic!("{error}"),
        };
        two_party::compare(self);
        ideal
    }

    fn try_run(&self, ranges: Ranges) -> Result<Ideal, IdealError> {
        evaluate(&self.program, &self.weights, &self.inputs, &coins(1), ranges)
    }

    /// The integers of one value.
    #[track_caller]
    fn value(&self, id: ValueId) -> Vec<i64> {
        self.run().values[id.0 as usize].clone()
    }
}

/// Session seeds of the model owner and of the data owner.
fn seeds(number: u8) -> [[u8; 16]; 2] {
    [[number; 16], [number ^ 0x80; 16]]
}

fn inference(number: u8) -> [StageSeed; 2] {
    seeds(number).map(|mut bytes| SessionSeed::take(&mut bytes).inference(0))
}

fn coins(number: u8) -> Coins {
    let [model_owner, data_owner] = inference(number);
    Coins::new(model_owner, data_owner)
}

/// A mask as the party draws it.
fn drawn(owner: usize, id: ValueId, item: u16, bits: u8, len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    inference(1)[owner].fill(stream(id, item), bits, &mut out);
    out
}

/// Integers of size below 2^bound.
fn random(len: usize, bound: u8, salt: u64) -> Vec<i64> {
    let mut out = vec![0; len];
    fill_masked(&Seed::from_bytes([77; 16]), salt, 0, u32::from(bound) + 1, &mut out);
    let half = 1i64 << bound;
    out.into_iter().map(|w| (w as i64 - half).max(1 - half)).collect()
}

#[test]
fn a_value_outside_its_bound_is_named() {
    let mut b = Build::default();
    let x = b.share(&[3], 8, &[1, 200, -255]);
    let y = b.push(Kind::Share, &[3], (64, 0, 9), Gate::MulPublic { source: x, factor: 2 });
    assert_eq!(b.value(y), [2, 400, -510]);
    b.program.values[y.0 as usize].bound = 8;
    let Err(IdealError::Range(error)) = b.try_run(Ranges::Strict) else { panic!("out of range") };
    let want = RangeError { value: y, path: "v2".to_owned(), entry: 1, magnitude: 400, limit: 256 };
    assert_eq!(error, want);
    assert!(error.to_string().starts_with("%2 (v2): entry 1 has size 400, not below 256"), "{error}");
    let ideal = b.try_run(Ranges::Record).ok().unwrap();
    assert_eq!(ideal.values[y.0 as usize], [2, 400, -510]);
    let worst = headroom(&b.program, &ideal.magnitudes)[0].clone();
    assert_eq!((worst.value, worst.magnitude), (y, 510));
    assert!((worst.bits - (8.0 - 510f64.log2())).abs() < 1e-12, "{}", worst.bits);
}

#[test]
fn a_bound_is_strict() {
    let mut b = Build::default();
    let x = b.share(&[1], 8, &[255]);
    b.push(Kind::Share, &[1], (64, 0, 8), Gate::AddPublic { source: x, term: 0 });
    b.run();
    b.inputs[0][0] = 256;
    assert!(matches!(b.try_run(Ranges::Strict), Err(IdealError::Range(RangeError { magnitude: 256, .. }))));
    b.inputs[0][0] = -256;
    assert!(matches!(b.try_run(Ranges::Strict), Err(IdealError::Range(RangeError { magnitude: 256, .. }))));
}

#[test]
fn data_of_another_length_is_refused() {
    let mut b = Build::default();
    let x = b.wire(&[2, 2], (30, 8), &[1, 2, 3, 4]);
    let weight = b.weight(&[2], 8, &[5, 6]);
    b.push(Kind::Share, &[2, 2], (30, 0, 20), Gate::MulServer { source: x, weight });
    b.run();
    let refused = |b: &Build| match b.try_run(Ranges::Strict) {
        Err(IdealError::Length { what, index, found, expected }) => (what, index, found, expected),
        _ => panic!("accepted"),
    };
    b.inputs[0].pop();
    assert_eq!(refused(&b), ("input", 0, 3, 4));
    b.inputs.clear();
    assert_eq!(refused(&b), ("input", 0, 0, 4));
    b.weights.push(vec![1]);
    assert_eq!(refused(&b), ("weight", 1, 1, 0));
}

#[test]
fn an_invalid_program_is_refused() {
    let mut b = Build::default();
    b.wire(&[1], (30, 8), &[1]);
    b.program.hops += 1;
    assert!(matches!(b.try_run(Ranges::Strict), Err(IdealError::Program(v)) if v.len() == 1));
}

#[test]
fn other_coins_round_differently_and_the_same_coins_alike() {
    let mut b = Build::default();
    let x = b.share(&[500], 20, &random(500, 20, 1));
    let y = b.open(x, 20, 8);
    let run = |number| {
        let ideal = evaluate(&b.program, &b.weights, &b.inputs, &coins(number), Ranges::Strict);
        ideal.ok().unwrap().values[y.0 as usize].clone()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
