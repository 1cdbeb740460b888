//! What the README and that of the example tell a user to type.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use crate::documents::{commands, copy, mpcc, run};
use crate::networks::vit;
use crate::support::Place;

/// The section that is run on a model of its own.
const ALONE: &str = "Without a dealer";

/// Sections whose commands need no studies.
const HERE: [&str; 5] = ["Two commands", "Deploying", "Dealing ahead", "Many inputs", "Your own network"];
/// Those whose commands do: `studies/tests/studies/readme.rs` runs them.
const STUDIES: [&str; 2] = ["Train, search, distil", "Benchmarks"];

fn place() -> TempDir {
    let place = TempDir::new().expect("a directory");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cifar10");
    copy(&example, &place.path().join("examples/cifar10"));
    place
}

#[test]
fn the_commands_of_the_readme_do_what_they_say() {
    let place = place();
    let at = |name: &str| place.path().join(name);
    for file in ["model.mpv", "model.ranges.json"] {
        fs::copy(at("examples/cifar10").join(file), at(file)).expect("a copy");
    }
    fs::copy(at("examples/cifar10/weights.safetensors"), at("w.safetensors")).expect("a copy");
    assert!(mpcc("compile model.mpv -o model.mpca", place.path()).status.success());
    fs::create_dir(at("test")).expect("a directory");
    for image in ["cat.jpg", "ship.jpg"] {
        fs::copy(at("examples/cifar10/images").join(image), at("test").join(image)).expect("a copy");
    }
    vit("vit", "ViTForImageClassification").save(&at("vit-base-patch16-224"));
    fs::create_dir(at("images")).expect("a directory");
    for (seed, name) in ["cat.jpg", "dog.png"].iter().enumerate() {
        let pixel =
            |x: u32, y: u32| Rgb([0, 1, 2].map(|c| ((x * 31 + y * 17 + c * 71 + seed as u32 * 97) % 256) as u8));
        RgbImage::from_fn(8, 8, pixel).save(at("images").join(name)).expect("an image");
    }
    let smaller = [("deal model.mpca", &[("--inferences 1000", "--inferences 3")][..], "")];
    let elsewhere = ["cargo test --workspace", "mpcc run model.mpca --role"];
    run("README.md", &HERE, place.path(), &smaller, &elsewhere);

    let other: Vec<String> = commands("README.md").into_iter().map(|(section, _)| section).collect();
    let unknown = |section: &&String| ![&HERE[..], &STUDIES, &[ALONE]].concat().contains(&section.as_str());
    assert_eq!(other.iter().find(unknown), None, "a section whose commands nobody runs");
}

/// On a small model, since what two parties make for a large one takes a while.
#[test]
fn the_commands_without_a_dealer_do_what_they_say() {
    let place = Place::new();
    fs::create_dir(place.path("test")).expect("a directory");
    for image in ["cat.png", "dog.png"] {
        fs::copy(place.path(image), place.path("test").join(image)).expect("a copy");
    }
    let smaller = [("pair model.mpca", &[("--inferences 20", "--inferences 2")][..], "")];
    run("README.md", &[ALONE], &place.path("."), &smaller, &[]);
}

#[test]
fn the_commands_of_the_example_do_what_they_say() {
    let place = place();
    let smaller = [
        ("run examples/cifar10/model.mpv", &[("cifar10/images", "cifar10/images/frog.jpg")][..], ""),
        ("simulate", &[("DIR", "examples/cifar10/images")], ""),
    ];
    let sections: Vec<String> =
        commands("examples/cifar10/README.md").into_iter().map(|(section, _)| section).collect();
    let sections: Vec<&str> = sections.iter().map(String::as_str).collect();
    // What two parties make for a network as large as this takes a while.
    let elsewhere = ["cargo run --release -- run examples/cifar10/model.mpv --supplier pair"];
    run("examples/cifar10/README.md", &sections, place.path(), &smaller, &elsewhere);
}
