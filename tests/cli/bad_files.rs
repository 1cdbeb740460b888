//! Sources, weights, inputs and artefacts with something wrong in them.

use std::fs;

use crate::support::{MODEL, Place};

const SIMULATE: [&str; 6] = ["simulate", "model.mpv", "--weights", "w.safetensors", "--input", "cat.png"];
const RUN: [&str; 6] = ["run", "model.mpv", "--weights", "w.safetensors", "--input", "cat.png"];

fn source(place: &Place, from: &str, to: &str) {
    assert!(MODEL.contains(from));
    place.write("model.mpv", &MODEL.replace(from, to));
}

#[test]
fn an_unknown_name_is_shown_where_it_stands() {
    let place = Place::new();
    source(&place, "relu(patch_embed", "rely(patch_embed");
    place.bad(&["compile", "model.mpv", "-o", "new.mpca"], 1, &["rely", "E0301", "1 error in model.mpv"]);
    place.bad(&RUN, 1, &["rely"]);
}

#[test]
fn a_wrong_shape_is_shown_where_it_stands() {
    let place = Place::new();
    source(&place, "fc_w: Tensor<3, 6>", "fc_w: Tensor<3, 7>");
    place.bad(&["compile", "model.mpv", "-o", "new.mpca"], 1, &["E0504", "model.mpv:14"]);
    place.bad(&RUN, 1, &["E0504"]);
}

#[test]
fn a_missing_weight_is_named() {
    let place = Place::new();
    place.change_weights(|tensors| tensors.retain(|(name, ..)| name != "fc.bias"));
    for command in [SIMULATE, RUN] {
        place.bad(&command, 1, &["w.safetensors", "missing", "fc.bias"]);
    }
}

#[test]
fn an_extra_weight_is_named_unless_it_is_ignored() {
    let place = Place::new();
    place.change_weights(|tensors| tensors.push(("unused.scale".to_owned(), vec![1], vec![0.5])));
    place.good(&SIMULATE);
    place.change_weights(|tensors| tensors.push(("head.bias".to_owned(), vec![2], vec![0.5; 2])));
    for command in [SIMULATE, RUN] {
        place.bad(&command, 1, &["w.safetensors", "unexpected", "head.bias"]);
    }
}

#[test]
fn a_weight_of_another_shape_is_named_with_both_shapes() {
    let place = Place::new();
    place.change_weights(|tensors| {
        for (name, shape, _) in tensors {
            if name == "fc.weight" {
                shape.swap(0, 1);
            }
        }
    });
    for command in [SIMULATE, RUN] {
        place.bad(&command, 1, &["fc.weight", "[3, 6]", "[6, 3]"]);
    }
}

#[test]
fn a_weight_that_is_no_number_is_named() {
    let place = Place::new();
    place.change_weights(|tensors| tensors[0].2[0] = f32::NAN);
    for command in [SIMULATE, RUN] {
        place.bad(&command, 1, &["w.safetensors", "NaN"]);
    }
}

#[test]
fn a_weight_outside_its_range_is_named() {
    let place = Place::new();
    place.change_weights(|tensors| {
        for (name, _, data) in tensors {
            if name == "fc.weight" {
                data.iter_mut().for_each(|v| *v *= 1000.0);
            }
        }
    });
    for command in [SIMULATE, RUN] {
        place.bad(&command, 1, &["fc_w", "compile again"]);
    }
}

#[test]
fn an_input_outside_its_range_is_named() {
    let place = Place::new();
    source(&place, "Tensor<u8, 3, 4, 8>", "Tensor<3, 4, 8>");
    let npy = |value: f32| {
        let mut header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4, 8), }".to_owned();
        header += &" ".repeat(127 - 10 - header.len());
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend([value; 96].iter().flat_map(|v| v.to_le_bytes()));
        bytes
    };
    fs::write(place.path("usual.npy"), npy(100.0)).unwrap();
    fs::write(place.path("huge.npy"), npy(1e6)).unwrap();
    fs::remove_file(place.path("model.ranges.json")).unwrap();
    place.good(&["simulate", "model.mpv", "--weights", "w.safetensors", "--calibrate", "usual.npy"]);
    for command in ["simulate", "run"] {
        place.good(&[command, "model.mpv", "--weights", "w.safetensors", "--input", "usual.npy"]);
        let huge = [command, "model.mpv", "--weights", "w.safetensors", "--input", "huge.npy"];
        place.bad(&huge, 1, &["huge.npy", "magnitude", "compile again"]);
    }
}

/// A divisor that an input makes negative is refused with what to write instead, and that works.
#[test]
fn a_negative_divisor_is_refused_with_what_to_write_instead() {
    let place = Place::new();
    let model = |quotient: &str| {
        let declared = "input x: secret client Tensor<4>; weights secret server { format: safetensors }";
        let output = format!("output q: reveal client Tensor<4> = {quotient};");
        place.write(
            "ratio.mpv",
            &format!("mpv 1;\nmodel Ratio() {{ {declared} param w: Tensor<4> = \"w\"; {output} }}\n"),
        );
    };
    let minus = |n: u8| n.wrapping_neg();
    crate::text::array(&place, "positive.npy", "|i1", &[1, 2, 3, 4]);
    crate::text::array(&place, "negative.npy", "|i1", &[minus(1), 2, 3, 4]);
    model("w / x");
    place.good(&["weights", "ratio.mpv", "--seed", "1", "-o", "w.safetensors"]);
    let simulate = ["simulate", "ratio.mpv", "--weights", "w.safetensors", "--calibrate", "positive.npy"];
    place.good(&simulate);
    let said = ["negative.npy", "entry 0", "must not be negative", "`-(a / -b)`", "`a * b / square(b)`"];
    let negative = ["ratio.mpv", "--weights", "w.safetensors", "--input", "negative.npy"];
    place.bad(&[&["run"], &negative[..]].concat(), 1, &said);
    place.bad(&[&["simulate"], &negative[..]].concat(), 1, &said);
    for quotient in ["w * x / square(x)", "-(w / -(x - 5))"] {
        model(quotient);
        place.good(&[&simulate[..], &["--calibrate", "negative.npy"]].concat());
        let run = place.json(&[&["run"], &negative[..]].concat());
        assert!(run["float"]["largest_error"].as_f64().is_some_and(|error| error < 0.01), "{run}");
    }
    assert!(place.good(&["explain", "/"]).contains("write -(a / -b)"));
}

#[test]
fn an_image_of_another_size_is_refused_with_both_sizes() {
    let place = Place::new();
    place.image("cat.png", 9, 4, 1);
    for command in [SIMULATE, RUN] {
        place.bad(&command, 1, &["cat.png", "9 wide", "8 wide"]);
    }
}

#[test]
fn a_corrupt_image_is_refused() {
    let place = Place::new();
    let whole = fs::read(place.path("cat.png")).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"this is no image at all"] {
        fs::write(place.path("cat.png"), damaged).unwrap();
        for command in [SIMULATE, RUN] {
            place.bad(&command, 1, &["cat.png", "not a whole PNG"]);
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    let place = Place::new();
    for name in ["model.mpv", "w.safetensors", "cat.png"] {
        let kept = fs::read(place.path(name)).unwrap();
        fs::remove_file(place.path(name)).unwrap();
        place.bad(&RUN, 1, &[name]);
        fs::write(place.path(name), kept).unwrap();
    }
}

#[test]
fn what_is_no_artefact_is_refused() {
    let place = Place::new();
    place.write("other.mpca", "PK\u{3}\u{4}");
    place.write("empty.mpca", "");
    for name in ["other.mpca", "empty.mpca"] {
        place.bad(&["inspect", name], 1, &[name, "not an mpcc artefact"]);
        place.bad(&["run", name, "--weights", "w.safetensors", "--input", "cat.png"], 1, &["not an mpcc artefact"]);
    }
}

#[test]
fn an_artefact_of_another_version_or_a_damaged_one_is_refused() {
    let place = Place::new();
    let whole = fs::read(place.path("model.mpca")).unwrap();
    let mut newer = whole.clone();
    newer[8] = 99;
    fs::write(place.path("model.mpca"), &newer).unwrap();
    place.bad(&["inspect", "model.mpca"], 1, &["format 99", "compile the model again"]);
    for at in [20, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(place.path("model.mpca"), &damaged).unwrap();
        place.bad(&["cost", "model.mpca"], 1, &["damaged"]);
    }
    fs::write(place.path("model.mpca"), &whole[..whole.len() - 7]).unwrap();
    place.bad(&["inspect", "model.mpca"], 1, &["damaged"]);
}

#[test]
fn without_ranges_the_command_that_finds_them_is_named() {
    let place = Place::new();
    fs::remove_file(place.path("model.ranges.json")).unwrap();
    let said = ["mpcc simulate model.mpv --weights W --calibrate DIR", "model.ranges.json"];
    place.bad(&["compile", "model.mpv", "-o", "new.mpca"], 1, &said);
    place.write("model.ranges.json", "{}");
    place.bad(&["compile", "model.mpv", "-o", "new.mpca"], 1, &["model.ranges.json", "no value ranges"]);
}

#[test]
fn ranges_of_another_state_of_the_model_are_refused() {
    let place = Place::new();
    source(
        &place,
        "let h = relu(patch_embed(image, patch_w, patch_b, stride: 4));",
        "let h = relu(patch_embed(image, patch_w, patch_b, stride: 4)) * 3;",
    );
    place.bad(&["compile", "model.mpv", "-o", "new.mpca"], 1, &["another state", "mpcc simulate"]);
}

#[test]
fn a_result_that_cannot_be_written_leaves_nothing() {
    let place = Place::new();
    place.bad(&["compile", "model.mpv", "-o", "no/such/place.mpca"], 1, &["no/such/place.mpca"]);
    fs::create_dir(place.path("taken.mpca")).unwrap();
    place.bad(&["compile", "model.mpv", "-o", "taken.mpca"], 1, &["taken.mpca"]);
}
