//! The examples: laid out canonically, documented, and at the cost that is recorded, as predicted and as counted.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use mpcc::compiler::compile::rewrite;
use mpcc::compiler::evaluate::Tensor;
use mpcc::compiler::lower::{LowerOptions, PlanValue, SetValue};
use mpcc::compiler::plan::{Decided, Objective, plan_for};
use mpcc::compiler::ranges::{Basis, Kept, nominal};
use mpcc::program::code::Role;
use mpcc::program::cost::{self, Cost};
use mpcc::program::gates::lower;
use mpcc::program::machine::{Link, Machine};

use super::pipeline::{compare, compile_calibrated, golden_ranges};
use super::{check, paper_is_exact};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Folders of examples, by name.
fn examples() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("examples")).expect("the examples");
    let mut folders: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    folders.sort();
    folders
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_example_is_laid_out_documented_and_listed() {
    let list = text(&root().join("README.md"));
    for folder in examples() {
        let source = text(&folder.join("model.mpv"));
        let laid_out = mpcc::grammar::format(&source).expect("an example parses");
        assert!(laid_out == source, "`mpcc fmt {}/model.mpv` changes it", folder.display());
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let readme = text(&folder.join("README.md"));
        assert!(readme.contains(&format!("examples/{name}/model.mpv")), "the README of {name} runs nothing");
        assert!(list.contains(&format!("| `examples/{name}/` |")), "README.md does not list {name}");
    }
}

/// Options as the command line writes them, `--plan NAME=PLAN` and `--set NAME=FUNCTION`.
fn options(text: &str) -> LowerOptions {
    let mut options = LowerOptions::default();
    let words: Vec<&str> = text.split_whitespace().collect();
    for pair in words.chunks(2) {
        let (name, value) = pair[1].split_once('=').expect("NAME=VALUE");
        match pair[0] {
            "--plan" => drop(options.plans.insert(name.into(), PlanValue::Name(value.into()))),
            "--set" => drop(options.sets.insert(name.into(), SetValue::Name(value.into()))),
            other => panic!("{other}"),
        }
    }
    options
}

/// Cost on the wide-area link; with usual ranges, where the shipped ones are of other functions.
fn priced(example: &str, changes: &str) -> Cost {
    let folder = root().join("examples").join(example);
    let graph = rewrite(&text(&folder.join("model.mpv")), &options(changes)).expect("a valid model").graph;
    let ranges = if changes.is_empty() {
        let kept = Kept::read(&text(&folder.join("model.ranges.json"))).expect("ranges parse");
        kept.of(&graph).expect("ranges of the example")
    } else {
        nominal(&graph)
    };
    let machine = Machine::built_in();
    let objective = Objective { machine: &machine, link: Link::WAN, alpha: 1.0, making: None };
    let chosen = plan_for(&graph, &ranges, &objective, Decided { basis: Basis::Observed, ..Decided::default() })
        .unwrap_or_else(|e| panic!("{example} {changes}: {e:?}"));
    let program = &chosen.plan.program;
    let [p0, p1, dealer] = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| lower(program, role));
    let (predicted, counted) = (cost::program(program), cost::counted(&p0, &p1, &dealer));
    assert_eq!(counted, Cost { macs: counted.macs, words: counted.words, ..predicted.clone() }, "{example} {changes}");
    predicted
}

/// Every example and what its README changes in it.
const PRICED: [(&str, &[&str]); 7] = [
    ("cifar10", &[""]),
    ("mpcvit-cifar10-paper", &[""]),
    ("mpcvit-tiny-imagenet", &["", "--plan attn=ATTN_SCALE"]),
    ("mpcvit-plus", &["", "--plan attn=ATTN_ROW", "--plan attn=ATTN_LAYER"]),
    (
        "softmax-vit",
        &[
            "",
            "--set attn=softmax_and_scaling",
            "--set attn=relu_softmax",
            "--set attn=two_relu",
            "--set attn=two_quad",
            "--set attn=two_quad_unshifted",
            "--set attend=by_linformer",
            "--set attn=with_the_x",
            "--set attn=relu6",
            "--set attn=square_attention",
            "--set attn=scaling",
        ],
    ),
    ("mpcformer-bert", &["", "--set act=gelu --set probs=softmax_masked"]),
    ("secformer-bert", &[""]),
];

#[test]
fn examples_cost_what_is_recorded() {
    let mut recorded = String::from("example and changes: hops, bytes of model owner and data owner, dealt, setup\n");
    for (example, variants) in PRICED {
        for changes in variants {
            let cost = priced(example, changes);
            let (online, dealt) = (cost.online_bytes, cost.offline_bytes);
            let what = format!("{example} {changes}");
            let _ = writeln!(
                recorded,
                "{}: {}, {} {}, {}, {}",
                what.trim_end(),
                cost.hops,
                online.model_owner,
                online.data_owner,
                dealt.model_owner + dealt.data_owner,
                cost.setup_bytes
            );
        }
    }
    compare(&root().join("tests/goldens/examples.cost"), &recorded);
}

/// Both kinds of networks with the shipped ranges: right in two parties, at the predicted cost.
#[test]
fn vision_examples_are_exact_in_two_parties() {
    for example in ["mpcvit-plus", "softmax-vit"] {
        let folder = root().join("examples").join(example);
        paper_is_exact(&golden_ranges(&folder.join("model.mpv"), &folder.join("model.ranges.json"), None));
    }
}

/// The language models with smaller constants: right in two parties, whatever stands for softmax, GeLU and LayerNorm.
#[test]
fn text_examples_are_exact_in_two_parties_when_small() {
    const SEQ: usize = 12;
    let sizes = [("LAYERS = 12", "LAYERS = 1"), ("HEADS = 12", "HEADS = 4"), ("DIM = 768", "DIM = 48")];
    let others = [("SEQ = 128", "SEQ = 12"), ("VOCAB = 30522", "VOCAB = 40")];
    let text_of = |seed: usize| {
        let tokens = 4 + seed % (SEQ - 3);
        let row = |entry: &dyn Fn(usize) -> usize| {
            Tensor::new(&[SEQ], (0..SEQ).map(|i| if i < tokens { entry(i) as f64 } else { 0.0 }).collect())
        };
        vec![row(&|i| (7 * i + 11 * seed) % 40), row(&|i| usize::from(2 * i > tokens)), row(&|_| 1)]
    };
    for example in ["mpcformer-bert", "secformer-bert"] {
        let mut source = text(&root().join("examples").join(example).join("model.mpv"));
        for (full, small) in sizes.iter().chain(&others) {
            assert!(source.contains(full), "{example} has no `{full}`");
            source = source.replace(full, small);
        }
        let compiled = compile_calibrated(&source, 1, |_| (0..9).map(text_of).collect());
        let worst = check(&compiled, vec![compiled.inference(text_of(5))], 5, &[[true; 3]]);
        assert!(worst <= 0.01, "{example}: error {worst} against float");
    }
}
