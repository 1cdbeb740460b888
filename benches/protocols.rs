//! Protocols at the shapes of the paper's CIFAR network: dealing, expanding and computing of all three roles of one
//! gate, in this process and one after another, without a link; and the dealer alone.

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpcc::codegen::Jit;
use mpcc::compiler::compile::{assemble_with, rewrite};
use mpcc::compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc::compiler::lower::LowerOptions;
use mpcc::compiler::plan::{Comparison, PlanOptions};
use mpcc::compiler::{calibrate, encode};
use mpcc::import::weights;
use mpcc::program::code::Role;
use mpcc::program::gates::lower;
use mpcc::protocols::local_run::{InsecureInputs, RoleInProcess, Trio, run_insecurely_in_one_process};
use mpcc::protocols::{CheckedCode, Dealer, SessionSeed};

/// A gate, or a few in a row, on shared values.
struct Protocol {
    name: &'static str,
    /// Shape of the input.
    shape: &'static [usize],
    /// Of `h`, the input as a share.
    body: &'static str,
    comparison: Comparison,
}

const fn of(name: &'static str, shape: &'static [usize], body: &'static str) -> Protocol {
    Protocol { name, shape, body, comparison: Comparison::DigitTables }
}

/// 65 tokens of width 256 and 512, four heads, and rows of 65 scores.
const PROTOCOLS: [Protocol; 12] = [
    of("sign and select by digit tables", &[4, 65, 65], "relu(h)"),
    Protocol { comparison: Comparison::FunctionSharing, ..of("ReLU by function sharing", &[4, 65, 65], "relu(h)") },
    of("trigonometric series: GeLU", &[65, 512], "gelu(h)"),
    of("trigonometric series: tanh", &[65, 512], "tanh(h)"),
    of("exponential", &[4, 65, 65], "exp(h)"),
    of("square", &[65, 512], "square(h)"),
    of("row maxima", &[4, 65, 65], "max(h, axis: -1)"),
    of("row table: norms", &[65, 256], "layernorm(h, g, b, eps: 0.00001)"),
    of("row table: ReLU-softmax", &[4, 65, 65], "relu_softmax(h)"),
    of("softmax", &[4, 65, 65], "softmax(h)"),
    of("product with weights, 65×256×768", &[65, 256], "linear(h, w)"),
    of("products of shares, 4×65×64×65", &[4, 65, 64], "h @ transpose(h)"),
];

impl Protocol {
    fn source(&self) -> String {
        let shape: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        let (shape, width) = (shape.join(", "), self.shape[self.shape.len() - 1]);
        let mut params = String::new();
        for (name, dimensions) in [("g", format!("{width}")), ("b", format!("{width}")), ("w", format!("768, {width}"))]
        {
            if self.body.contains(&format!(", {name}")) {
                params += &format!("param {name}: Tensor<{dimensions}> = \"{name}\";\n");
            }
        }
        let given = match self.body {
            body if body.starts_with("max") => "4, 65, 1".to_owned(),
            body if body.contains("linear") => "65, 768".to_owned(),
            body if body.contains('@') => "4, 65, 65".to_owned(),
            _ => shape.clone(),
        };
        format!(
            "mpv 1;\nnumeric {{ frac: 12, weight_frac: 14 }}\nmodel Gate() {{\ninput x: secret client Tensor<{shape}>;\n\
             weights secret server {{ format: safetensors }}\nparam z: Tensor<{shape}> = \"z\";\n{params}let h = x + z;\n\
             output y: reveal client Tensor<{given}> = {};\n}}\n",
            self.body
        )
    }

    /// The three roles with machine code, encoded weights and an encoded input.
    fn build(&self) -> (Trio, Vec<Vec<u64>>, Vec<Vec<u64>>) {
        let source = self.source();
        let rewritten = rewrite(&source, &LowerOptions::default())
            .unwrap_or_else(|e| panic!("{}", mpcc::grammar::render(&e, &source, self.name, false)));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("weights.safetensors");
        weights::save(&file, &weights::generate(&rewritten.lowered, 1)).expect("weights are written");
        let params = weights::load(&file, &rewritten.graph).expect("weights bind").params;
        let count: usize = self.shape.iter().product();
        // Spread evenly over [−2, 2], neighbours far apart.
        let values = (0..count).map(|i| (i * 7919 % 4001) as f64 / 1000.0 - 2.0).collect();
        let input = vec![Tensor::new(self.shape, values)];
        let observed = std::slice::from_ref(&input);
        let ranges = calibrate::calibrate(&rewritten.graph, &params, observed, |_| {}).expect("finite values");
        let options = PlanOptions { comparison: self.comparison, ..PlanOptions::default() };
        let artefact =
            assemble_with(&rewritten.graph, &ranges, &options).unwrap_or_else(|e| panic!("{}: {e:?}", self.name));
        let program = &artefact.program;
        let evaluator = Evaluator::new(&rewritten.graph, &params).expect("finite weights");
        let weights = encode::weights(program, evaluator.server_values()).expect("weights fit");
        let values = evaluator.run(&input, Wanted::All).expect("finite values");
        let inputs = encode::inputs(program, &values).expect("inputs fit");
        let [model_owner, data_owner, dealer] = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| {
            let code = lower(program, role);
            let executor = Arc::new(Jit::compile(&code).expect("this host has a backend"));
            RoleInProcess { code: Arc::new(CheckedCode::new(code).expect("lowered code is valid")), executor }
        });
        (Trio { model_owner, data_owner, dealer }, words(&weights), words(&inputs))
    }
}

fn words(integers: &[Vec<i64>]) -> Vec<Vec<u64>> {
    integers.iter().map(|x| x.iter().map(|v| *v as u64).collect()).collect()
}

fn protocols(c: &mut Criterion) {
    let mut group = c.benchmark_group("three roles");
    group.sample_size(10);
    for protocol in &PROTOCOLS {
        let (trio, weights, inputs) = protocol.build();
        group.throughput(Throughput::Elements(protocol.shape.iter().product::<usize>() as u64));
        group.bench_function(protocol.name, |b| {
            b.iter_custom(|count| {
                // One setup, and then as many inferences as are asked for.
                let inputs = vec![inputs.clone(); usize::try_from(count).expect("few inferences")];
                let given = InsecureInputs {
                    weights: weights.clone(),
                    inputs: &inputs,
                    model_owner_seed: [1; 16],
                    data_owner_seed: [2; 16],
                    record: false,
                };
                let start = Instant::now();
                black_box(run_insecurely_in_one_process(&trio, given).expect("a run"));
                start.elapsed()
            });
        });
    }
    group.finish();
}

/// The dealer alone, on one thread: bytes of corrections for both parties.
fn dealing(c: &mut Criterion) {
    let mut group = c.benchmark_group("dealer");
    group.sample_size(10);
    for protocol in &PROTOCOLS {
        let dealer = protocol.build().0.dealer;
        let [first, second] = [1, 2].map(|seed| SessionSeed::take(&mut [seed; 16]));
        let mut dealer = Dealer::new(dealer.code, dealer.executor, first, second).expect("the dealer's code");
        dealer.setup(&mut io::sink()).expect("a stream that takes everything");
        let bytes = dealer.inference_bytes();
        group.throughput(Throughput::Bytes(bytes.model_owner + bytes.data_owner));
        let mut index = 0;
        group.bench_function(protocol.name, |b| {
            b.iter(|| {
                dealer.inference(index, &mut io::sink(), &mut io::sink()).expect("a stream that takes everything");
                index += 1;
            });
        });
    }
    group.finish();
}

criterion_group!(benches, protocols, dealing);
criterion_main!(benches);
