//! What the READMEs of the other examples tell a user to type.
//!
//! Links are not paced, since what a network would take is no part of what is tested. The networks for images have their full
//! size and the shipped ranges, which fit the weights of the seed. Those for text have one narrow layer, for which ranges are
//! observed first; their inputs are the shipped ones. They keep all cores busy, so they stand apart from tests of commands that
//! must end in time.

#[path = "cli/documents.rs"]
mod documents;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use documents::{Smaller, commands, copy, mpcc, run};

/// The command line.
fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_mpcc").into()
}

/// An example, and what its commands are given to be done soon.
struct Example {
    name: &'static str,
    /// Folders of other examples that they read.
    beside: &'static [&'static str],
    /// Constants of the model, as they stand there and smaller.
    constants: &'static [(&'static str, &'static str)],
    /// What is run before them.
    before: &'static [&'static str],
    smaller: &'static [Smaller],
}

impl Example {
    fn run(&self) {
        let place = TempDir::new().expect("a directory");
        let here = |folder: &str| Path::new("examples").join(folder);
        for folder in self.beside.iter().chain([&self.name]) {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(here(folder));
            copy(&from, &place.path().join(here(folder)));
        }
        if !self.constants.is_empty() {
            let path = place.path().join(here(self.name)).join("model.mpv");
            let mut model = fs::read_to_string(&path).expect("the model");
            for (full, small) in self.constants {
                assert!(model.contains(full), "the model of {} has no `{full}`", self.name);
                model = model.replace(full, small);
            }
            fs::write(path, model).expect("a file");
        }
        for arguments in self.before {
            let output = mpcc(arguments, place.path());
            assert!(output.status.success(), "{arguments}\n{}", String::from_utf8_lossy(&output.stderr));
        }
        let document = here(self.name).join("README.md").display().to_string();
        let sections: BTreeSet<String> = commands(&document).into_iter().map(|(section, _)| section).collect();
        let sections: Vec<&str> = sections.iter().map(String::as_str).collect();
        run(&document, &sections, place.path(), self.smaller, &[]);
    }
}

/// One layer with two heads of 16, in place of twelve with twelve of 64.
const NARROW: &[(&str, &str)] =
    &[("LAYERS = 12", "LAYERS = 1"), ("HEADS = 12", "HEADS = 2"), ("DIM = 768", "DIM = 32")];
const UNPACED: (&str, &str) = ("--net wan", "--net wan --net-emulate off");
/// Five images in place of fifty.
const FEW: (&str, &str) = ("examples/cifar10/calibration", "examples/cifar10/calibration/cat");

macro_rules! examples {
    ($($test:ident: $example:expr;)*) => {
        $(
            #[test]
            fn $test() {
                $example.run();
            }
        )*

        #[test]
        fn the_commands_of_every_example_are_run() {
            let run: BTreeSet<String> = [$($example.name),*, "cifar10"].map(str::to_owned).into();
            let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).expect("the examples");
            let names = folders.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
            assert_eq!(run, names.collect::<BTreeSet<_>>());
        }
    };
}

examples! {
    the_commands_of_the_papers_network_do_what_they_say: Example {
        name: "mpcvit-cifar10-paper",
        beside: &["cifar10"],
        constants: &[],
        before: &[],
        smaller: &[],
    };
    the_commands_of_the_network_with_plans_by_token_do_what_they_say: Example {
        name: "mpcvit-plus",
        beside: &["cifar10"],
        constants: &[],
        before: &[],
        smaller: &[
            ("run examples/mpcvit-plus/", &[UNPACED], ""),
            ("cost examples/mpcvit-plus/model.mpv --plan", &[FEW], ""),
        ],
    };
    the_commands_of_the_network_for_tiny_imagenet_do_what_they_say: Example {
        name: "mpcvit-tiny-imagenet",
        beside: &[],
        constants: &[],
        before: &[],
        smaller: &[("run examples/mpcvit-tiny-imagenet/", &[UNPACED], "")],
    };
    the_commands_of_the_softmax_network_do_what_they_say: Example {
        name: "softmax-vit",
        beside: &["cifar10"],
        constants: &[],
        before: &[],
        smaller: &[
            ("run examples/softmax-vit/", &[UNPACED], ""),
            ("cost examples/softmax-vit/", &[FEW], ""),
        ],
    };
    the_commands_of_bert_with_mpcformers_functions_do_what_they_say: Example {
        name: "mpcformer-bert",
        beside: &[],
        constants: NARROW,
        before: &[
            "weights examples/mpcformer-bert/model.mpv --seed 1 -o seeded.safetensors",
            "simulate examples/mpcformer-bert/model.mpv --weights seeded.safetensors --calibrate examples/mpcformer-bert/inputs",
        ],
        smaller: &[("run examples/mpcformer-bert/", &[UNPACED], "")],
    };
    the_commands_of_bert_with_secformers_functions_do_what_they_say: Example {
        name: "secformer-bert",
        beside: &["mpcformer-bert"],
        constants: NARROW,
        before: &[
            "weights examples/secformer-bert/model.mpv --seed 1 -o seeded.safetensors",
            "simulate examples/secformer-bert/model.mpv --ranges observed --weights seeded.safetensors \
             --calibrate examples/mpcformer-bert/inputs",
        ],
        smaller: &[("run examples/secformer-bert/", &[UNPACED], "")],
    };
}
