//! What the README tells a user to type for training and for measuring, on few pictures and with the shipped model.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::documents::{copy, run};

/// A training run that takes a moment.
const QUICK: &str = "--epochs 1 --batch 8 --ranges-from 4 --threads 1";

#[test]
fn the_commands_of_the_readme_do_what_they_say() {
    let place = TempDir::new().expect("a directory");
    let at = |name: &str| place.path().join(name);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/cifar10");
    for class in fs::read_dir(example.join("calibration")).expect("classes") {
        let class = class.expect("a class").path();
        let name = class.file_name().expect("a name").to_string_lossy().into_owned();
        copy(&class, &at("data/train").join(&name));
        for split in ["data/test", "cifar10/test"] {
            fs::create_dir_all(at(split).join(&name)).expect("a directory");
            let image = format!("{name}.jpg");
            fs::copy(example.join("images").join(&image), at(split).join(&name).join(&image)).expect("a copy");
        }
    }
    image::open(example.join("images/cat.jpg")).and_then(|picture| picture.save(at("cat.png"))).expect("an image");
    // The README's model has open entries in the plan that the shipped one keeps beside its own.
    let model = fs::read_to_string(example.join("model.mpv")).expect("the model");
    let model = model.replace("plan ATTN:", "plan SHIPPED:").replace("plan SEARCH:", "plan ATTN:");
    fs::write(at("model.mpv"), model).expect("a file");
    let smaller = [
        ("train", &[][..], QUICK),
        ("search", &[], QUICK),
        ("distill", &[], QUICK),
        ("bench pareto", &[], "--images 2 --repeat 1"),
        ("bench models", &[("--repeat 5", "--repeat 1")], "--model cifar-2quad"),
        ("bench scaling", &[("--repeat 5", "--repeat 1")], "--axis tokens --most 65"),
    ];
    let elsewhere = ["cargo build --release --workspace", "benches/study/run.sh", "benches/peers/run.sh"];
    run("README.md", &["Train, search, distil", "Benchmarks"], place.path(), &smaller, &elsewhere);
}
