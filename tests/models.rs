//! Golden models from source to answer: every phase's text form, and the same integers from the ideal functionality,
//! the interpreter and machine code.

#[path = "models/accuracy.rs"]
mod accuracy;
#[path = "models/compositions.rs"]
mod compositions;
#[path = "models/examples.rs"]
mod examples;
#[path = "models/fusing.rs"]
mod fusing;
#[path = "models/guards.rs"]
mod guards;
#[path = "models/library.rs"]
mod library;
#[path = "models/operands.rs"]
mod operands;
#[path = "models/pipeline.rs"]
mod pipeline;
#[path = "models/random.rs"]
mod random;
#[path = "models/rows.rs"]
mod rows;
#[path = "models/suppliers.rs"]
mod suppliers;
#[path = "models/widths.rs"]
mod widths;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mpcc::codegen::Jit;
use mpcc::compiler::encode;
use mpcc::compiler::plan::Comparison;
use mpcc::program::code::{MapExecutor, RoleCode};
use mpcc::program::gates::{COIN, lower_recording};
use mpcc::program::interpret::Interpreter;
use mpcc::program::{cost, text};
use mpcc::protocols::local_run::{InferenceRecord, InsecureInputs, RoleInProcess, Trio, run_insecurely_in_one_process};
use mpcc::protocols::{CheckedCode, OutputWords};
use pipeline::{Compiled, Inference, compile, golden_ranges, golden_ranges_by, seeded_inputs};

fn goldens() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/models");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the golden folder")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "mpv"))
        .collect();
    files.sort();
    assert!(files.len() >= 8);
    files
}

/// Which of model owner, data owner and dealer run machine code; the others interpret.
type Compiles = [bool; 3];

fn trio(codes: &[RoleCode; 3], compiles: Compiles) -> Trio {
    let role = |(code, jit): (&RoleCode, bool)| {
        let executor: Arc<dyn MapExecutor> =
            if jit { Arc::new(Jit::compile(code).expect("this host has a backend")) } else { Arc::new(Interpreter) };
        RoleInProcess { code: Arc::new(CheckedCode::new(code.clone()).expect("lowered code is valid")), executor }
    };
    let [p0, p1, dealer] = [0, 1, 2].map(|i| role((&codes[i], compiles[i])));
    Trio { model_owner: p0, data_owner: p1, dealer }
}

/// Runs a model on a few inputs and holds every figure and every integer against its twin.
fn check(compiled: &Compiled, values: Vec<Inference>, seed: u8, executors: &[Compiles]) -> f64 {
    let encoded: Vec<Vec<Vec<u64>>> = values.iter().map(|v| v.encoded_words()).collect();
    let codes = compiled.codes();
    let mut recording = codes.clone();
    recording[1] = lower_recording(&compiled.program);
    let (mut outputs, mut coins) = (vec![], vec![]);
    let runs = executors.iter().map(|compiles| (&recording, compiles)).chain([(&codes, &executors[0])]);
    for (by, compiles) in runs {
        let trio = trio(by, *compiles);
        let predicted = cost::program(&compiled.program);
        let counted = cost::counted(&codes[0], &codes[1], &codes[2]);
        let run = run_insecurely_in_one_process(
            &trio,
            InsecureInputs {
                weights: compiled.weight_words(),
                inputs: &encoded,
                model_owner_seed: [seed; 16],
                data_owner_seed: [seed ^ 0x5a; 16],
                record: false,
            },
        )
        .expect("a run");
        assert_eq!(run.model_owner_setup_bytes, predicted.setup_bytes);
        for record in &run.inferences {
            assert_eq!((predicted.hops, counted.hops), (record.hops as u32, record.hops as u32));
            let online = (record.model_owner_bytes, record.data_owner_bytes);
            let dealt = (record.model_owner_correction_bytes, record.correction_bytes);
            for cost in [&predicted, &counted] {
                assert_eq!((cost.online_bytes.model_owner, cost.online_bytes.data_owner), online);
                assert_eq!((cost.offline_bytes.model_owner, cost.offline_bytes.data_owner), dealt);
            }
        }
        let signed = |r: &InferenceRecord| -> Vec<Vec<i64>> {
            r.outputs.iter().filter(|words| words.output & COIN == 0).map(OutputWords::signed).collect()
        };
        outputs.push(run.inferences.iter().map(signed).collect::<Vec<_>>());
        coins.push(run.inferences.into_iter().map(|r| r.outputs).collect::<Vec<_>>());
    }
    assert!(outputs.windows(2).all(|w| w[0] == w[1]), "interpreter and machine code");
    let mut worst = 0f64;
    for (index, (value, shared)) in values.iter().zip(&outputs[0]).enumerate() {
        let ideal = compiled.ideal_of_run(&value.encoded, seed, index as u64, &coins[0][index]);
        assert_eq!(&ideal.outputs, shared, "ideal functionality and two parties");
        for ((output, integers), float) in compiled.program.outputs.iter().zip(shared).zip(&value.float) {
            for (got, want) in encode::decode(output, integers).iter().zip(float) {
                worst = worst.max((got - want).abs());
            }
        }
    }
    worst
}

#[test]
fn golden_models_give_the_same_integers_in_every_way_of_computing_them() {
    for file in goldens() {
        let compiled = compile(&file, 7);
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let inputs = (0..3).map(|i| compiled.inference(seeded_inputs(&compiled.graph, 50 + i))).collect();
        let worst = check(&compiled, inputs, 11, &[[false; 3], [true; 3], [true, false, true], [false, true, false]]);
        assert!(worst < compiled.tolerance, "{name}: error {worst} against float");
    }
}

#[test]
fn plans_and_role_programs_are_as_recorded() {
    for file in goldens() {
        let compiled = compile(&file, 7);
        pipeline::compare(&file.with_extension("plan"), &text::program(&compiled.program));
        if compiled.source.contains("show: program") {
            for (role, code) in ["model-owner", "data-owner", "dealer"].iter().zip(compiled.codes()) {
                let to = file.with_extension(format!("{role}.program"));
                pipeline::compare(&to, &text::role_code(&code));
            }
        }
    }
}

/// The compiler is deterministic: the same source and ranges give the same bytes, and comments change no hash.
#[test]
fn artefacts_are_reproducible_and_blind_to_comments() {
    for file in goldens() {
        let compiled = compile(&file, 7);
        let again = compile(&file, 7);
        assert_eq!(compiled.artefact.to_bytes(), again.artefact.to_bytes());
        let commented = compiled.source.replace("model ", "// a remark\nmodel ");
        let other = pipeline::compile_source(&commented, 7);
        assert_eq!(other.artefact.manifest.program, compiled.artefact.manifest.program);
        let read = mpcc::compiler::artefact::Artefact::from_bytes(&compiled.artefact.to_bytes()).expect("it reads");
        assert_eq!(read.program, compiled.artefact.program);
    }
}

/// The shipped example with its trained weights and ranges: right labels, small errors, predicted cost as measured.
#[test]
fn the_cifar10_example_classifies_its_images_as_the_float_network_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cifar10");
    let compiled = golden_ranges(
        &root.join("model.mpv"),
        &root.join("model.ranges.json"),
        Some(&root.join("weights.safetensors")),
    );
    let labels = &compiled.program.outputs[0].labels;
    let mut files = mpcc::import::inputs::expand(&[root.join("images")]).expect("images");
    files.truncate(4);
    let values: Vec<_> = files
        .iter()
        .map(|f| compiled.inference(vec![mpcc::import::inputs::load(f, &compiled.graph.inputs[0]).expect("an image")]))
        .collect();
    let greatest = |v: &[f64]| (0..v.len()).max_by(|a, b| v[*a].total_cmp(&v[*b])).expect("entries");
    for (value, file) in values.iter().zip(&files) {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let sorted = {
            let mut v = value.float[0].clone();
            v.sort_by(f64::total_cmp);
            v
        };
        assert_eq!(labels[greatest(&value.float[0])], name);
        assert!(sorted[9] - sorted[8] > 0.1, "{name} has a margin that the error bound below cannot turn");
    }
    let worst = check(&compiled, values, 3, &[[false; 3], [true; 3]]);
    assert!(worst <= 0.03, "error {worst} against float");
}

/// The paper's network, whose hops decide its time on a wide-area link: predicted, counted and measured agree.
#[test]
fn the_papers_network_needs_at_most_110_hops_and_its_cost_is_exact() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mpcvit-cifar10-paper");
    let compiled = golden_ranges(&root.join("model.mpv"), &root.join("model.ranges.json"), None);
    assert!(compiled.program.hops <= 110, "{} hops", compiled.program.hops);
    paper_is_exact(&compiled);
}

/// Function secret sharing saves the two hops of every layer's rectified scores, for dealt bytes.
#[test]
fn the_papers_network_trades_dealt_bytes_for_hops() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mpcvit-cifar10-paper");
    let by = |comparison| golden_ranges_by(comparison, &root.join("model.mpv"), &root.join("model.ranges.json"), None);
    let (tables, keys) = (by(Comparison::DigitTables), by(Comparison::FunctionSharing));
    let [before, after] = [&tables, &keys].map(|c| cost::program(&c.program));
    assert_eq!(after.hops + 2 * 7, before.hops, "seven layers have rectified scores");
    assert!(after.hops <= 96, "{} hops", after.hops);
    assert!(after.online_bytes.data_owner < before.online_bytes.data_owner);
    assert!(after.offline_bytes.model_owner > before.offline_bytes.model_owner);
    assert!(after.offline_bytes.data_owner > before.offline_bytes.data_owner);
    paper_is_exact(&keys);
}

/// Where no bound is relied on, GeLU costs hops: one by comparisons without a hop, two by digit tables.
#[test]
fn a_gelu_without_a_bound_costs_one_hop_more_with_keys_and_two_with_tables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/models");
    let hops = |name: &str| compile(&root.join(name), 7).program.hops;
    let plain = hops("gelu_assumed.mpv");
    assert_eq!(hops("gelu_clamped.mpv"), plain + 1);
    assert_eq!(hops("gelu_saturating.mpv"), plain + 2);
}

fn paper_is_exact(compiled: &Compiled) {
    exact_on(compiled, "examples/cifar10/images/ship.jpg");
}

fn exact_on(compiled: &Compiled, image: &str) {
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join(image);
    let pixels = mpcc::import::inputs::load(&image, &compiled.graph.inputs[0]).expect("an image");
    let worst = check(compiled, vec![compiled.inference(vec![pixels])], 5, &[[true; 3]]);
    assert!(worst <= 0.03, "error {worst} against float");
}

/// The paper's other network: with scaling attention as it runs, with ReLU-softmax everywhere as its code counts.
#[test]
fn the_tiny_imagenet_network_costs_what_is_predicted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mpcvit-tiny-imagenet");
    let rectified = golden_ranges(&root.join("model.mpv"), &root.join("model.ranges.json"), None);
    let [p0, p1, dealer] = rectified.codes();
    let (predicted, counted) = (cost::program(&rectified.program), cost::counted(&p0, &p1, &dealer));
    assert_eq!(counted, cost::Cost { macs: counted.macs, words: counted.words, ..predicted });

    let folder = tempfile::tempdir().expect("a folder");
    let scaling = folder.path().join("model.mpv");
    let source = std::fs::read_to_string(root.join("model.mpv")).expect("the example");
    std::fs::write(&scaling, source.replace("attn: plan = ATTN)", "attn: plan = ATTN_SCALE)")).expect("written");
    let scaling = golden_ranges(&scaling, &root.join("scale.ranges.json"), None);
    exact_on(&scaling, "examples/mpcvit-tiny-imagenet/images/horse.png");
}
