//! The phases in a row, with seeded weights and inputs.

use std::path::Path;

use mpcc::compiler::artefact::Artefact;
use mpcc::compiler::compile::{assemble_with, rewrite};
use mpcc::compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc::compiler::graph::{Element, Graph};
use mpcc::compiler::lower::LowerOptions;
use mpcc::compiler::plan::{Comparison, PlanError, PlanOptions, Softmax};
use mpcc::compiler::ranges::{Basis, Kept, Ranges};
use mpcc::compiler::{calibrate, encode};
use mpcc::import::weights;
use mpcc::program::code::{Role, RoleCode};
use mpcc::program::gates::lower;
use mpcc::program::program::{Program, Supplier};
use mpcc::protocols::ideal::{self, Coins, Ideal};
use mpcc::protocols::{OutputWords, SessionSeed};

/// A model ready to run.
pub(crate) struct Compiled {
    pub(crate) source: String,
    pub(crate) graph: Graph,
    pub(crate) program: Program,
    pub(crate) artefact: Artefact,
    /// From a line `// tolerance: x` of the source.
    pub(crate) tolerance: f64,
    params: Vec<Tensor>,
    weights: Vec<Vec<i64>>,
}

/// One input, as float results and as the program's integers.
pub(crate) struct Inference {
    pub(crate) encoded: Vec<Vec<i64>>,
    pub(crate) float: Vec<Vec<f64>>,
}

/// An input as the float network and as the program evaluate it.
pub(crate) struct Evaluated {
    pub(crate) float: Vec<Vec<f64>>,
    pub(crate) ideal: Ideal,
}

impl Inference {
    pub(crate) fn encoded_words(&self) -> Vec<Vec<u64>> {
        words(&self.encoded)
    }
}

fn words(integers: &[Vec<i64>]) -> Vec<Vec<u64>> {
    integers.iter().map(|x| x.iter().map(|v| *v as u64).collect()).collect()
}

pub(crate) fn compile(file: &Path, seed: u64) -> Compiled {
    compile_source(&std::fs::read_to_string(file).expect("a golden model"), seed)
}

/// For two parties without a dealer, unless they have no protocol for something.
pub(crate) fn compile_alone(file: &Path, seed: u64) -> Result<Compiled, Vec<PlanError>> {
    let source = std::fs::read_to_string(file).expect("a golden model");
    let rewritten = rewritten(&source);
    let params = generated(&rewritten.lowered, &rewritten.graph, seed);
    let inputs: Vec<Vec<Tensor>> = (0..8).map(|i| seeded_inputs(&rewritten.graph, i)).collect();
    let ranges = calibrate::calibrate(&rewritten.graph, &params, &inputs, |_| {}).expect("finite values");
    let options = PlanOptions { supplier: Supplier::Pair, ..options(&source, comparison(&source)) };
    let artefact = assemble_with(&rewritten.graph, &ranges, &options)?;
    Ok(with_weights(&source, rewritten.graph, artefact, params))
}

fn rewritten(source: &str) -> mpcc::compiler::compile::Rewritten {
    rewrite(source, &LowerOptions::default())
        .unwrap_or_else(|e| panic!("{}", mpcc::grammar::render(&e, source, "model.mpv", false)))
}

fn generated(lowered: &Graph, graph: &Graph, seed: u64) -> Vec<Tensor> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.safetensors");
    weights::save(&path, &weights::generate(lowered, seed)).expect("weights are written");
    weights::load(&path, graph).expect("weights bind").params
}

/// Calibrates on eight seeded inputs.
pub(crate) fn compile_source(source: &str, seed: u64) -> Compiled {
    compile_calibrated(source, seed, |graph| (0..8).map(|i| seeded_inputs(graph, i)).collect())
}

/// Calibrates on the given inputs.
pub(crate) fn compile_calibrated(source: &str, seed: u64, inputs: impl Fn(&Graph) -> Vec<Vec<Tensor>>) -> Compiled {
    let rewritten = rewritten(source);
    let params = generated(&rewritten.lowered, &rewritten.graph, seed);
    let inputs = inputs(&rewritten.graph);
    let ranges = calibrate::calibrate(&rewritten.graph, &params, &inputs, |_| {}).expect("finite values");
    finish(source, rewritten.graph, &ranges, params, comparison(source))
}

/// Calibrated on sixteen inputs, with what the program relies on.
pub(crate) fn compile_on(source: &str, seed: u64, basis: Basis, inputs: fn(&Graph, u64) -> Vec<Tensor>) -> Compiled {
    let rewritten = rewritten(source);
    let params = generated(&rewritten.lowered, &rewritten.graph, seed);
    let inputs: Vec<Vec<Tensor>> = (0..16).map(|i| inputs(&rewritten.graph, i)).collect();
    let ranges = calibrate::calibrate(&rewritten.graph, &params, &inputs, |_| {}).expect("finite values");
    let options = PlanOptions { basis, ..options(source, comparison(source)) };
    let artefact = assemble_with(&rewritten.graph, &ranges, &options).unwrap_or_else(|e| panic!("{e:?}"));
    with_weights(source, rewritten.graph, artefact, params)
}

/// As [`compile_calibrated`], for models that may be refused for their ranges.
pub(crate) fn try_compile_calibrated(
    source: &str,
    seed: u64,
    inputs: &[Vec<Tensor>],
) -> Result<Compiled, Vec<PlanError>> {
    let rewritten = rewritten(source);
    let params = generated(&rewritten.lowered, &rewritten.graph, seed);
    let ranges = calibrate::calibrate(&rewritten.graph, &params, inputs, |_| {}).expect("finite values");
    let options = options(source, comparison(source));
    let artefact = assemble_with(&rewritten.graph, &ranges, &options)?;
    Ok(with_weights(source, rewritten.graph, artefact, params))
}

fn comparison(source: &str) -> Comparison {
    let shared = source.lines().any(|l| l == "// comparison: fss");
    if shared { Comparison::FunctionSharing } else { Comparison::DigitTables }
}

/// With shipped ranges; weights from a file, or the seeded ones of seed 1.
pub(crate) fn golden_ranges(model: &Path, ranges: &Path, weights_file: Option<&Path>) -> Compiled {
    golden_ranges_by(Comparison::default(), model, ranges, weights_file)
}

/// As [`golden_ranges`], with a choice of protocol for ReLU.
pub(crate) fn golden_ranges_by(
    comparison: Comparison,
    model: &Path,
    ranges: &Path,
    weights_file: Option<&Path>,
) -> Compiled {
    let source = std::fs::read_to_string(model).expect("the example's model");
    let rewritten = rewritten(&source);
    let kept = Kept::read(&std::fs::read_to_string(ranges).expect("the example's ranges")).expect("ranges parse");
    let ranges = kept.of(&rewritten.graph).expect("the example's ranges are of its graph");
    let params = match weights_file {
        Some(file) => weights::load(file, &rewritten.graph).expect("weights bind").params,
        None => generated(&rewritten.lowered, &rewritten.graph, 1),
    };
    finish(&source, rewritten.graph, &ranges, params, comparison)
}

/// Why a random model is not run.
pub(crate) enum Refused {
    /// Its float values overflow or its ranges do not fit.
    Range,
    /// Its weights do not fit.
    Weights,
    /// A refusal that says nothing about values.
    Bug(String),
}

/// As [`compile_source`], for models that need not have a plan.
pub(crate) fn try_compile_source(source: &str, seed: u64) -> Result<Compiled, Refused> {
    let rewritten = rewritten(source);
    let params = generated(&rewritten.lowered, &rewritten.graph, seed);
    let inputs: Vec<Vec<Tensor>> = (0..8).map(|i| seeded_inputs(&rewritten.graph, i)).collect();
    let ranges = calibrate::calibrate(&rewritten.graph, &params, &inputs, |_| {}).map_err(|_| Refused::Range)?;
    let options = PlanOptions { comparison: Comparison::DigitTables, basis: Basis::Observed, ..PlanOptions::default() };
    match assemble_with(&rewritten.graph, &ranges, &options) {
        Ok(artefact) => {
            let evaluator = Evaluator::new(&rewritten.graph, &params).map_err(|_| Refused::Weights)?;
            encode::weights(&artefact.program, evaluator.server_values()).map_err(|_| Refused::Weights)?;
        }
        Err(errors) => {
            let of_values = |e: &PlanError| matches!(e, PlanError::TooWide { .. } | PlanError::RowDomain { .. });
            return Err(if errors.iter().all(of_values) {
                Refused::Range
            } else {
                Refused::Bug(format!("{errors:?}"))
            });
        }
    }
    Ok(finish(source, rewritten.graph, &ranges, params, options.comparison))
}

fn finish(source: &str, graph: Graph, ranges: &Ranges, params: Vec<Tensor>, comparison: Comparison) -> Compiled {
    let options = options(source, comparison);
    let artefact = assemble_with(&graph, ranges, &options).unwrap_or_else(|e| panic!("{e:?}"));
    with_weights(source, graph, artefact, params)
}

fn options(source: &str, comparison: Comparison) -> PlanOptions {
    let number = source.lines().any(|l| l == "// softmax: static");
    let softmax = if number { Softmax::Static } else { Softmax::Maximum };
    // What the checks of a run add is for `guards`.
    PlanOptions { comparison, softmax, basis: Basis::Observed, ..PlanOptions::default() }
}

fn with_weights(source: &str, graph: Graph, artefact: Artefact, params: Vec<Tensor>) -> Compiled {
    let program = artefact.program.clone();
    let evaluator = Evaluator::new(&graph, &params).expect("finite weights");
    let weights = encode::weights(&program, evaluator.server_values()).expect("weights fit");
    drop(evaluator);
    let tolerance = source
        .lines()
        .find_map(|l| l.strip_prefix("// tolerance: "))
        .map_or(0.03, |t| t.trim().parse().expect("a tolerance"));
    Compiled { source: source.into(), graph, program, artefact, tolerance, params, weights }
}

impl Compiled {
    pub(crate) fn codes(&self) -> [RoleCode; 3] {
        [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|r| lower(&self.program, r))
    }

    pub(crate) fn weight_words(&self) -> Vec<Vec<u64>> {
        words(&self.weights)
    }

    pub(crate) fn inference(&self, inputs: Vec<Tensor>) -> Inference {
        let evaluator = Evaluator::new(&self.graph, &self.params).expect("finite weights");
        let values = evaluator.run(&inputs, Wanted::All).expect("finite values");
        let encoded = encode::inputs(&self.program, &values).expect("inputs fit");
        let float = self.graph.outputs.iter().map(|o| values[o.node].data.clone()).collect();
        Inference { encoded, float }
    }

    /// The ideal result with coins of its own.
    pub(crate) fn ideal(&self, inputs: &[Vec<i64>], seed: u8, index: u64) -> Ideal {
        self.try_ideal(inputs, seed, index).unwrap_or_else(|e| panic!("{e}"))
    }

    /// The ideal result with the coins that a run with these seeds handed out.
    pub(crate) fn ideal_of_run(&self, inputs: &[Vec<i64>], seed: u8, index: u64, handed_out: &[OutputWords]) -> Ideal {
        self.ideal_by(inputs, [[seed; 16], [seed ^ 0x5a; 16]], index, handed_out)
    }

    /// The same with the parties' seeds.
    pub(crate) fn ideal_by(
        &self,
        inputs: &[Vec<i64>],
        seeds: [[u8; 16]; 2],
        index: u64,
        handed_out: &[OutputWords],
    ) -> Ideal {
        let [p0, p1] = seeds.map(|mut bytes| SessionSeed::take(&mut bytes).inference(index));
        let coins = Coins::of_run(p0, p1, handed_out);
        ideal::evaluate(&self.program, &self.weights, inputs, &coins, ideal::Ranges::Strict)
            .unwrap_or_else(|e| panic!("{e}"))
    }

    /// Float results, and an evaluation that goes on where a bound is left; nothing if the input does not fit its encoding.
    pub(crate) fn try_recorded(&self, inputs: Vec<Tensor>, seed: u8, index: u64) -> Option<Evaluated> {
        let evaluator = Evaluator::new(&self.graph, &self.params).expect("finite weights");
        let values = evaluator.run(&inputs, Wanted::All).ok()?;
        let encoded = encode::inputs(&self.program, &values).ok()?;
        let (mut p0, mut p1) = ([seed; 16], [seed ^ 0x5a; 16]);
        let coins =
            Coins::new(SessionSeed::take(&mut p0).inference(index), SessionSeed::take(&mut p1).inference(index));
        let ideal = ideal::evaluate(&self.program, &self.weights, &encoded, &coins, ideal::Ranges::Record).ok()?;
        let float = self.graph.outputs.iter().map(|o| values[o.node].data.clone()).collect();
        Some(Evaluated { float, ideal })
    }

    pub(crate) fn try_ideal(&self, inputs: &[Vec<i64>], seed: u8, index: u64) -> Result<Ideal, ideal::IdealError> {
        let (mut p0, mut p1) = ([seed; 16], [seed ^ 0x5a; 16]);
        let coins =
            Coins::new(SessionSeed::take(&mut p0).inference(index), SessionSeed::take(&mut p1).inference(index));
        ideal::evaluate(&self.program, &self.weights, inputs, &coins, ideal::Ranges::Strict)
    }
}

/// Deterministic inputs of a graph's types: bytes over their whole range, reals in [−1, 1).
pub(crate) fn seeded_inputs(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    };
    graph
        .inputs
        .iter()
        .map(|input| {
            let len = input.ty.shape.iter().product();
            let unit = |v: u64| v as f64 / (1u64 << 53) as f64;
            let data = (0..len)
                .map(|_| match input.ty.element {
                    Element::U8 => (unit(next()) * 256.0).floor(),
                    Element::Bit => (unit(next()) * 2.0).floor(),
                    Element::I32 => (unit(next()) * 8.0).floor(),
                    _ => unit(next()) * 2.0 - 1.0,
                })
                .collect();
            Tensor::new(&input.ty.shape, data)
        })
        .collect()
}

/// Deterministic numbers, spread evenly over an interval.
pub(crate) fn uniform(seed: u64, count: usize, low: f64, high: f64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        low + (high - low) * (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..16).for_each(|_| _ = next());
    (0..count).map(|_| next()).collect()
}

/// Compares with a golden file; `MPCC_BLESS=1` rewrites it.
pub(crate) fn compare(path: &Path, text: &str) {
    if std::env::var_os("MPCC_BLESS").is_some() {
        std::fs::write(path, text).expect("a golden is written");
        return;
    }
    let recorded = std::fs::read_to_string(path).unwrap_or_default();
    assert!(recorded == text, "{} differs; MPCC_BLESS=1 cargo test rewrites it", path.display());
}
