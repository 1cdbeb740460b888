//! Programs for two parties alone: what the planner takes for them, and a transformer that both make the material of and run.

#[path = "alone/pair.rs"]
mod pair;

use mpcc_compiler::calibrate::calibrate;
use mpcc_compiler::compile::rewrite;
use mpcc_compiler::encode;
use mpcc_compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc_compiler::graph::Graph;
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::plan::{Comparison, Decided, Objective, PlanError, PlanOptions, Softmax, plan_for, plan_with};
use mpcc_compiler::ranges::{Basis, nominal};
use mpcc_program::code::Owner;
use mpcc_program::correlation::materials;
use mpcc_program::cost;
use mpcc_program::gates::lower_making;
use mpcc_program::machine::{Link, Machine};
use mpcc_program::making::MakingPrice;
use mpcc_program::program::{Gate, Program, Supplier, Value, ValueId};

/// ReLU-softmax attention and a ReLU layer, with both norms.
const TRANSFORMER: &str = "mpv 1;

const HEADS = 2;
const DIM = 8;
const N = 5;

numeric { frac: 12, weight_frac: 14 }

model Small() {
  input x: secret client Tensor<N, DIM>;
  weights secret server { format: safetensors }
  param e: Tensor<DIM, DIM> = \"embed\";
  param g0: Tensor<DIM> = \"norm0.weight\";
  param b0: Tensor<DIM> = \"norm0.bias\";
  param qkv: Tensor<3 * DIM, DIM> = \"qkv\";
  param o: Tensor<DIM, DIM> = \"proj\";
  param g1: Tensor<DIM> = \"norm1.weight\";
  param b1: Tensor<DIM> = \"norm1.bias\";
  param w1: Tensor<2 * DIM, DIM> = \"up\";
  param c1: Tensor<2 * DIM> = \"up.bias\";
  param w2: Tensor<DIM, 2 * DIM> = \"down\";
  param head: Tensor<3, DIM> = \"head\";
  let s = linear(x, e);
  let p = linear(layernorm(s, g0, b0, eps: 0.00001), qkv);
  let q = split_heads(p[.., 0..DIM], HEADS);
  let k = split_heads(p[.., DIM..2 * DIM], HEADS);
  let v = split_heads(p[.., 2 * DIM..3 * DIM], HEADS);
  let scores = q @ transpose(k) * rsqrt(DIM / HEADS);
  let a = merge_heads(relu_softmax(scores, eps: 0.25) @ v);
  let y = s + linear(a, o);
  let m = relu(linear(layernorm(y, g1, b1, eps: 0.00001), w1, c1));
  let z = y + linear(m, w2);
  output logits: reveal client Tensor<N, 3> = linear(z, head) labels [\"a\", \"b\", \"c\"];
}
";

/// Softmax attention with the exact maximum, or about that, of every row.
const SOFTMAX: &str = "mpv 1;

const HEADS = 2;
const DIM = 8;
const N = 6;

numeric { frac: 12, weight_frac: 14 }

model Soft() {
  input x: secret client Tensor<N, DIM>;
  weights secret server { format: safetensors }
  param qkv: Tensor<3 * DIM, DIM> = \"qkv\";
  param o: Tensor<DIM, DIM> = \"proj\";
  param head: Tensor<3, DIM> = \"head\";
  let p = linear(x, qkv);
  let q = split_heads(p[.., 0..DIM], HEADS);
  let k = split_heads(p[.., DIM..2 * DIM], HEADS);
  let v = split_heads(p[.., 2 * DIM..3 * DIM], HEADS);
  let a = merge_heads(softmax(q @ transpose(k) * (0.5 * rsqrt(DIM / HEADS))) @ v);
  output logits: reveal client Tensor<N, 3> = linear(x + linear(a, o), head) labels [\"a\", \"b\", \"c\"];
}
";

fn graph(source: &str) -> Graph {
    rewrite(source, &LowerOptions::default()).unwrap_or_else(|e| panic!("{e:?}")).graph
}

fn options(basis: Basis) -> PlanOptions {
    PlanOptions { supplier: Supplier::Pair, basis, ..PlanOptions::default() }
}

/// Numbers between -1 and 1.
fn numbers(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn tensors<'s>(seed: u64, shapes: impl Iterator<Item = &'s [usize]>) -> Vec<Tensor> {
    let one =
        |(at, shape): (usize, &[usize])| Tensor::new(shape, numbers(seed + 1000 * at as u64, shape.iter().product()));
    shapes.enumerate().map(one).collect()
}

fn weights(graph: &Graph) -> Vec<Tensor> {
    tensors(7, graph.params.iter().map(|param| &param.shape[..]))
}

fn inputs(graph: &Graph, seed: u64) -> Vec<Tensor> {
    tensors(100 + seed, graph.inputs.iter().map(|input| &input.ty.shape[..]))
}

/// Two parties can make all that a program needs, and it takes no other gates for it.
fn needs_no_dealer(program: &Program) {
    assert_eq!(program.supplier, Supplier::Pair);
    for item in materials(program).iter().flatten() {
        assert!(item.made_by(Supplier::Pair), "{item:?}");
    }
    let keys =
        |gate: &Gate| matches!(gate, Gate::RowFunction { .. } | Gate::ReluShared { .. } | Gate::StepShared { .. });
    assert!(!program.values.iter().any(|value| keys(&value.gate)));
    assert!(program.values.iter().any(|value| matches!(value.gate, Gate::RowOffer { .. })));
}

/// Whatever a plan may rely on: made by both parties together and run by both, the integers are those of the ideal service, what
/// was sent is what was predicted, and the result is that of the float network.
#[test]
fn two_parties_alone_run_a_transformer_as_the_ideal_service_does() {
    transformer(&graph(TRANSFORMER));
}

/// Where a making has a price, values are opened in rings in which fewer bytes make what follows: the argument of a GeLU is not
/// extended, as its line is of the share. What two parties run is still what the ideal service does.
#[test]
fn rings_are_those_in_which_two_parties_make_fewer_bytes() {
    let graph = graph(&TRANSFORMER.replace("relu(linear", "gelu(linear"));
    let params = weights(&graph);
    let seen: Vec<Vec<Tensor>> = (0..8).map(|seed| inputs(&graph, seed)).collect();
    let ranges = calibrate(&graph, &params, &seen, |_| {}).expect("finite values");
    let (machine, price) = (Machine::built_in(), pair::Bytes::default());
    let plan = |making| {
        let objective = Objective { machine: &machine, link: Link::LOOPBACK, alpha: 1.0, making };
        let decided = Decided { basis: Basis::Guarded, supplier: Supplier::Pair, ..Decided::default() };
        plan_for(&graph, &ranges, &objective, decided).expect("a plan").plan.program
    };
    let uncounted = plan(None);
    let counted = plan(Some(&price));
    let bytes = |program: &Program| price.seconds(&lower_making(program, Owner::ModelOwner).rounds);
    assert!(bytes(&counted) < 0.9 * bytes(&uncounted), "{} {}", bytes(&counted), bytes(&uncounted));
    let extended = |program: &Program| {
        let series = |value: &Value| match value.gate {
            Gate::TrigSeries { source, .. } => Some(source),
            _ => None,
        };
        let arguments: Vec<ValueId> = program.values.iter().filter_map(series).collect();
        let of = |value: &&Value| matches!(value.gate, Gate::Extend { source } if arguments.contains(&source));
        program.values.iter().filter(of).count()
    };
    assert_eq!([&uncounted, &counted].map(extended), [1, 0]);
    needs_no_dealer(&counted);
    let evaluator = Evaluator::new(&graph, &params).expect("finite weights");
    let encoded = encode::weights(&counted, evaluator.server_values()).expect("weights fit");
    for seed in [2, 5] {
        agrees(&graph, (&counted, false), (&evaluator, &encoded), (&seen[seed as usize], seed), 0.01);
    }
}

/// With GeLU in place of ReLU between the layers: the series is made of both parties' own parts of its argument's mask.
#[test]
fn two_parties_alone_run_a_transformer_with_gelu() {
    let source = TRANSFORMER.replace("relu(linear", "gelu(linear");
    let graph = graph(&source);
    let program = transformer(&graph);
    assert!(program.values.iter().any(|value| matches!(value.gate, Gate::TrigSeries { .. })));
}

fn transformer(graph: &Graph) -> Program {
    let params = weights(graph);
    let seen: Vec<Vec<Tensor>> = (0..8).map(|seed| inputs(graph, seed)).collect();
    let ranges = calibrate(graph, &params, &seen, |_| {}).expect("finite values");
    let plans = [Basis::Observed, Basis::Guarded].map(|basis| {
        let program = plan_with(graph, &ranges, &options(basis)).unwrap_or_else(|e| panic!("{e:?}")).program;
        needs_no_dealer(&program);
        assert_eq!(program.verdict, basis == Basis::Guarded);
        let evaluator = Evaluator::new(graph, &params).expect("finite weights");
        let encoded = encode::weights(&program, evaluator.server_values()).expect("weights fit");
        for (seed, compiles) in [(2, false), (2, true), (5, true)] {
            agrees(graph, (&program, compiles), (&evaluator, &encoded), (&seen[seed as usize], seed), 0.01);
        }
        program
    });
    plans.into_iter().next_back().expect("two")
}

/// A run's integers are those of the ideal service, what it sent is what was predicted, nothing left its range, and the answer is
/// within `tolerance` of the float network's.
fn agrees(
    graph: &Graph,
    (program, compiles): (&Program, bool),
    (evaluator, encoded): (&Evaluator<'_>, &[Vec<i64>]),
    (input, seed): (&[Tensor], u64),
    tolerance: f64,
) {
    let values = evaluator.run(input, Wanted::All).expect("finite values");
    let given = encode::inputs(program, &values).expect("inputs fit");
    let run = pair::run((program, compiles), encoded, &given, seed);
    let predicted = cost::program(program);
    assert_eq!(run.hops, predicted.hops);
    assert_eq!(run.sent, [predicted.online_bytes.model_owner, predicted.online_bytes.data_owner]);
    assert_eq!(run.outputs, run.ideal, "two parties and the ideal service");
    let (answers, verdict) = run.outputs.split_at(graph.outputs.len());
    assert!(verdict.iter().all(|bit| *bit == [0]), "all in range");
    let float = &values[graph.outputs[0].node].data;
    for (got, want) in encode::decode(&program.outputs[0], &answers[0]).iter().zip(float) {
        assert!((got - want).abs() < tolerance, "{got} for {want}");
    }
}

/// The same with softmax by exponentials of which both round their parts.
#[test]
fn two_parties_alone_run_softmax_attention_as_the_ideal_service_does() {
    let graph = graph(SOFTMAX);
    let params = weights(&graph);
    let seen: Vec<Vec<Tensor>> = (0..8).map(|seed| inputs(&graph, seed)).collect();
    let ranges = calibrate(&graph, &params, &seen, |_| {}).expect("finite values");
    for (basis, softmax) in
        [(Basis::Observed, Softmax::Maximum), (Basis::Guarded, Softmax::Maximum), (Basis::Observed, Softmax::Static)]
    {
        let options = PlanOptions { softmax, ..options(basis) };
        let program = plan_with(&graph, &ranges, &options).unwrap_or_else(|e| panic!("{e:?}")).program;
        needs_no_dealer(&program);
        let count = |wanted: fn(&Gate) -> bool| program.values.iter().filter(|value| wanted(&value.gate)).count();
        assert!(count(|gate| matches!(gate, Gate::Exponential { .. })) > 0);
        assert_eq!(count(|gate| matches!(gate, Gate::BucketCounts { .. })) > 0, softmax == Softmax::Maximum);
        let evaluator = Evaluator::new(&graph, &params).expect("finite weights");
        let encoded = encode::weights(&program, evaluator.server_values()).expect("weights fit");
        for seed in [1, 6] {
            agrees(&graph, (&program, false), (&evaluator, &encoded), (&seen[seed as usize], seed), 0.003);
        }
    }
}

/// Rows that spread further than two rounded factors fit into a word: arguments are halved, results squared.
#[test]
fn two_parties_alone_run_a_softmax_of_rows_that_spread_far() {
    let graph = graph(&SOFTMAX.replace("0.5 * rsqrt", "1.8 * rsqrt").replace("frac: 12", "frac: 16"));
    let params = weights(&graph);
    let seen: Vec<Vec<Tensor>> = (0..8).map(|seed| inputs(&graph, seed)).collect();
    let ranges = calibrate(&graph, &params, &seen, |_| {}).expect("finite values");
    let program = plan_with(&graph, &ranges, &options(Basis::Guarded)).unwrap_or_else(|e| panic!("{e:?}")).program;
    needs_no_dealer(&program);
    let squares = program.values.iter().filter(|value| matches!(value.gate, Gate::Square { .. })).count();
    assert!((1..=3).contains(&squares), "{squares} squarings");
    let evaluator = Evaluator::new(&graph, &params).expect("finite weights");
    let encoded = encode::weights(&program, evaluator.server_values()).expect("weights fit");
    for (seed, compiles) in [(1, false), (6, true)] {
        agrees(&graph, (&program, compiles), (&evaluator, &encoded), (&seen[seed as usize], seed), 0.003);
    }
}

/// Every smooth function but the exponential, of arguments that are bounded and of such that saturate: the ideal service's integers,
/// and the function to 2·10⁻⁴.
#[test]
fn smooth_functions_of_two_parties_are_accurate() {
    let mut wide = 0;
    for call in ["linear(gelu(v), w)", "gelu(v)", "gelu_fourier(v)", "tanh(v)", "sigmoid(v)", "silu(v)", "erf(v)"] {
        for (most, basis) in [(2.0, Basis::Observed), (2.0, Basis::Guarded), (9.0, Basis::Guarded)] {
            let graph = graph(&format!(
                "mpv 1;
                numeric {{ frac: 16, weight_frac: 14, output_frac: 16 }}
                model Smooth() {{
                  input x: secret client Tensor<2, 64>;
                  weights secret server {{ format: safetensors }}
                  param w: Tensor<64, 64> = \"w\";
                  let v = linear(x, w);
                  output y: reveal client Tensor<2, 64> = {call};
                }}"
            ));
            let identity = (0..64 * 64).map(|at| if at % 65 == 0 { 1.0 } else { 0.0 }).collect();
            let params = [Tensor::new(&[64, 64], identity)];
            let x = (0..128).map(|i| (f64::from(i) / 63.5 - 1.0) * most).collect();
            let given = [Tensor::new(&[2, 64], x)];
            let ranges = calibrate(&graph, &params, &[given.to_vec()], |_| {}).expect("finite values");
            let program = match plan_with(&graph, &ranges, &options(basis)) {
                Ok(plan) => plan.program,
                Err(errors) => panic!("{call}: {errors:?}"),
            };
            let series: Vec<u8> = program
                .values
                .iter()
                .filter(|value| matches!(value.gate, Gate::TrigSeries { .. }))
                .map(|value| value.ring)
                .collect();
            assert!(!series.is_empty());
            wide += series.iter().filter(|ring| **ring > 64).count();
            let evaluator = Evaluator::new(&graph, &params).expect("finite weights");
            let encoded = encode::weights(&program, evaluator.server_values()).expect("weights fit");
            let values = evaluator.run(&given, Wanted::All).expect("finite values");
            let inputs = encode::inputs(&program, &values).expect("inputs fit");
            let run = pair::run((&program, false), &encoded, &inputs, 1);
            assert_eq!(run.outputs, run.ideal, "two parties and the ideal service");
            let float = &values[graph.outputs[0].node].data;
            let got = encode::decode(&program.outputs[0], &run.outputs[0]);
            let worst = got.iter().zip(float).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 2e-4, "{call} to {most}: {worst:e}");
        }
    }
    assert!(wide > 0, "rings of two words occur");
}

/// Frequencies are products of both parties, so a GeLU has no more of them than the model's fraction bits ask for: its error is that
/// of the fit, which is a unit and a half at most, or one where a selection opens its result, of its factors and of openings.
#[test]
fn a_gelu_of_two_parties_is_as_exact_as_its_model_rounds() {
    let frequencies = [(12, 5, 4e-4), (12, 20, 5e-4), (16, 5, 2e-4)].map(|(frac, bound, tolerance)| {
        let graph = graph(&format!(
            "mpv 1;
            numeric {{ frac: {frac}, weight_frac: 14, output_frac: 16 }}
            model Gelu() {{
              input x: secret client Tensor<16, 64>;
              weights secret server {{ format: safetensors }}
              param w: Tensor<64, 64> = \"w\";
              let v = linear(x, w);
              assume range(v) in [-{bound}, {bound}];
              output y: reveal client Tensor<16, 64> = gelu(v);
            }}"
        ));
        let identity = (0..64 * 64).map(|at| if at % 65 == 0 { 1.0 } else { 0.0 }).collect();
        let params = [Tensor::new(&[64, 64], identity)];
        // Over all of the range, and numbers that the model's fraction bits hold, so that only the function's own error is seen.
        let unit = f64::from(frac).exp2();
        let at = |i: i32| ((f64::from(i) / 511.5 - 1.0) * (f64::from(bound) - 0.01) * unit).round() / unit;
        let given = [Tensor::new(&[16, 64], (0..1024).map(at).collect())];
        let ranges = calibrate(&graph, &params, &[given.to_vec()], |_| {}).expect("finite values");
        let of = |supplier| {
            let options = PlanOptions { supplier, ..options(Basis::Observed) };
            let program = plan_with(&graph, &ranges, &options).unwrap_or_else(|e| panic!("{e:?}")).program;
            let count = |value: &Value| match &value.gate {
                Gate::TrigSeries { cosines, .. } => Some(cosines[1..].iter().filter(|a| **a != 0).count()),
                _ => None,
            };
            let count = program.values.iter().find_map(count).expect("a series");
            (program, count)
        };
        let (program, count) = of(Supplier::Pair);
        let evaluator = Evaluator::new(&graph, &params).expect("finite weights");
        let encoded = encode::weights(&program, evaluator.server_values()).expect("weights fit");
        agrees(&graph, (&program, false), (&evaluator, &encoded), (&given, 1), tolerance);
        [count, of(Supplier::Dealer).1]
    });
    assert_eq!(frequencies, [[5, 7], [5, 6], [7, 7]]);
}

/// A value out of its range is told as with a dealer.
#[test]
fn the_verdict_of_two_parties_says_that_a_value_left_its_range() {
    let graph = graph(
        "mpv 1;
        model Guarded() {
          input x: secret client Tensor<2, 4>;
          weights secret server { format: safetensors }
          param w: Tensor<4, 4> = \"w\";
          let r = relu(linear(x, w));
          let d = sum(r, axis: -1) + 0.01;
          assume range(d) in [0.3, 4];
          output y: reveal client Tensor<2, 4> = r * recip(d);
        }",
    );
    let params = weights(&graph);
    let seen: Vec<Vec<Tensor>> = (0..4).map(|seed| inputs(&graph, seed)).collect();
    let ranges = calibrate(&graph, &params, &seen, |_| {}).expect("finite values");
    let program = plan_with(&graph, &ranges, &options(Basis::Guarded)).unwrap_or_else(|e| panic!("{e:?}")).program;
    needs_no_dealer(&program);
    let evaluator = Evaluator::new(&graph, &params).expect("finite weights");
    let encoded = encode::weights(&program, evaluator.server_values()).expect("weights fit");
    // Nothing is left of the row that is zero.
    for (row, outside) in [(vec![0.9, 0.5, 0.7, 0.8], false), (vec![0.0; 4], true)] {
        let sums = |row: &[f64]| -> f64 {
            let w = &params[0].data;
            (0..4).map(|i| row.iter().zip(&w[4 * i..]).map(|(x, w)| x * w).sum::<f64>().max(0.0)).sum()
        };
        let flipped: Vec<f64> = row.iter().map(|x| -x).collect();
        let kept = if sums(&row) > 0.35 { row } else { flipped };
        let data = [kept.clone(), kept].concat();
        let values = evaluator.run(&[Tensor::new(&[2, 4], data)], Wanted::All).expect("finite values");
        let given = encode::inputs(&program, &values).expect("inputs fit");
        let run = pair::run((&program, false), &encoded, &given, 1);
        assert_eq!(run.outputs.last(), Some(&vec![i64::from(outside)]));
    }
}

/// Asking for keys, everywhere or somewhere, changes nothing without a dealer.
#[test]
fn two_parties_compare_by_digits() {
    let graph = graph(TRANSFORMER);
    let all = options(Basis::Observed);
    let keys = PlanOptions { comparison: Comparison::FunctionSharing, ..all.clone() };
    let [plan, other] =
        [all, keys].map(|options| plan_with(&graph, &nominal(&graph), &options).expect("a plan").program);
    assert_eq!(plan, other);
}

/// Every example, as it is or with functions in place of those that take a dealer: its plan needs none, or an error names the
/// layer that does.
#[test]
fn examples_need_no_dealer_or_say_where_they_do() {
    let example = |name: &str| {
        let path = format!("{}/../examples/{name}/model.mpv", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("an example")
    };
    let changed = |name: &str, changes: &[(&str, &str)]| {
        changes.iter().fold(example(name), |source, (from, to)| {
            assert!(source.contains(from), "{name} has `{from}`");
            source.replace(from, to)
        })
    };
    let mut planned = 0;
    for (source, refused) in [
        (example("mpcvit-cifar10-paper"), false),
        (changed("mpcvit-cifar10-paper", &[("gelu(", "relu(")]), false),
        (example("mpcvit-tiny-imagenet"), false),
        (example("mpcvit-plus"), false),
        (example("softmax-vit"), false),
        (example("cifar10"), false),
        (example("secformer-bert"), true),
    ] {
        let graph = graph(&source);
        match plan_with(&graph, &nominal(&graph), &options(Basis::Observed)) {
            Ok(plan) => {
                assert!(!refused, "{}", graph.name);
                needs_no_dealer(&plan.program);
                planned += 1;
            }
            Err(errors) => {
                let dealer = PlanOptions { supplier: Supplier::Dealer, ..options(Basis::Observed) };
                let with_dealer = plan_with(&graph, &nominal(&graph), &dealer).err().unwrap_or_default();
                assert!(refused, "{}: {errors:?}", graph.name);
                // What no ranges but those of calibration allow, whoever deals.
                if format!("{errors:?}") == format!("{with_dealer:?}") {
                    continue;
                }
                for error in errors {
                    let PlanError::Alone { path, .. } = &error else { panic!("{}: {error}", graph.name) };
                    let text = error.to_string();
                    assert!(text.contains(path.as_str()) && text.contains("two parties alone"), "{text}");
                }
            }
        }
    }
    assert_eq!(planned, 6);
}
