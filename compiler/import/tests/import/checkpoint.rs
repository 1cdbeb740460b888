//! Checkpoints of `torch.save`: what they hold comes out, and what is no plain tensor is refused by name.

use std::fs;

use mpcc_import::tensors::{Tensors, TensorsError, common_prefixes};
use tempfile::TempDir;

use crate::torch::{Object, archive, checkpoint, floats, pickle, tensor};

fn open(bytes: &[u8]) -> Result<Tensors, TensorsError> {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("model.pth.tar");
    fs::write(&path, bytes).expect("a file");
    let opened = Tensors::open(&path);
    // The archive is open, so that it can be read after its name is gone.
    drop(directory);
    opened
}

fn refusal(bytes: &[u8]) -> String {
    let message = open(bytes).expect_err("a refusal").to_string();
    assert!(message.contains("model.pth.tar"), "{message}");
    message
}

fn text(t: &str) -> Object {
    Object::Text(t.to_owned())
}

fn state_dict(entries: Vec<(&str, Object)>) -> Object {
    Object::StateDict(entries.into_iter().map(|(name, object)| (name.to_owned(), object)).collect())
}

#[test]
fn a_training_checkpoint_gives_its_tensors_and_the_normalisation() {
    let transposed = Object::Tensor {
        class: "HalfStorage",
        key: 1,
        entries: 7,
        offset: 1,
        shape: vec![3, 2],
        strides: vec![1, 3],
        parameter: true,
    };
    let adam = Object::Dict(vec![("exp_avg", tensor(0, &[2, 2])), ("step", Object::Int(70_000))]);
    let group = Object::Dict(vec![("lr", Object::Float(5.5e-4)), ("betas", Object::Tuple(vec![Object::Float(0.9)]))]);
    let options = Object::Namespace(vec![
        ("mean", Object::List(vec![Object::Float(0.25), Object::Int(1)])),
        ("std", Object::List(vec![Object::Float(0.5), Object::Float(0.125)])),
        ("seed", Object::Int(1 << 40)),
        ("amp", Object::Bool(true)),
    ]);
    let whole = Object::Dict(vec![
        ("epoch", Object::Int(299)),
        ("arch", text("vit_7_4_32")),
        ("state_dict", state_dict(vec![("a", tensor(0, &[2, 2])), ("b", transposed)])),
        ("optimizer", Object::Dict(vec![("state", adam), ("param_groups", Object::List(vec![group]))])),
        ("args", options),
        ("metric", Object::Float(93.5)),
    ]);
    // 0, 1, …, 6 in binary16.
    let halves = [0x0000u16, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600];
    let halves = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
    let mut tensors = open(&checkpoint(&whole, &[floats(&[1.0, -2.0, 3.5, 1e-9]), halves])).unwrap();
    let shapes: Vec<_> = tensors.listing().iter().map(|(name, l)| (name.as_str(), l.shape.clone())).collect();
    assert_eq!(shapes, [("a", vec![2, 2]), ("b", vec![3, 2])]);
    assert_eq!(tensors.values("a").unwrap(), Some(vec![1.0, -2.0, 3.5, f64::from(1e-9f32)]));
    assert_eq!(tensors.values("b").unwrap(), Some(vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    assert_eq!(tensors.values("c").unwrap(), None);
    assert_eq!(tensors.normalisation(), Some(&(vec![0.25, 1.0], vec![0.5, 0.125])));

    let directory = TempDir::new().unwrap();
    let path = directory.path().join("w.safetensors");
    tensors.save(&["b".to_owned(), "a".to_owned()], &path).unwrap();
    let mut saved = Tensors::open(&path).unwrap();
    assert_eq!(saved.listing(), tensors.listing());
    for name in ["a", "b"] {
        assert_eq!(saved.values(name).unwrap(), tensors.values(name).unwrap());
    }
}

#[test]
fn a_bare_state_dict_is_read() {
    let tensors = open(&checkpoint(&state_dict(vec![("a", tensor(0, &[3]))]), &[floats(&[1.0; 3])])).unwrap();
    assert_eq!(tensors.listing().len(), 1);
    assert!(tensors.normalisation().is_none() && tensors.others().is_empty());
}

#[test]
fn a_prefix_is_taken_off_and_the_numbers_are_still_found() {
    let entries = vec![("module.a", tensor(0, &[3])), ("module.b.c", tensor(0, &[3]))];
    let mut tensors = open(&checkpoint(&state_dict(entries), &[floats(&[1.0, 2.0, 3.0])])).unwrap();
    assert_eq!(common_prefixes(tensors.listing()), ["", "module."]);
    tensors.strip("module.");
    assert_eq!(tensors.listing().keys().cloned().collect::<Vec<_>>(), ["a", "b.c"]);
    assert_eq!(tensors.values("b.c").unwrap(), Some(vec![1.0, 2.0, 3.0]));
}

#[test]
fn averaged_weights_beside_the_network_are_named() {
    let dict = || state_dict(vec![("a", tensor(0, &[3]))]);
    let whole = Object::Dict(vec![("model", dict()), ("model_ema", dict()), ("epoch", Object::Int(3))]);
    let tensors = open(&checkpoint(&whole, &[floats(&[1.0; 3])])).unwrap();
    assert_eq!(tensors.others(), ["model_ema"]);
}

#[test]
fn anything_that_could_be_executed_is_refused_by_name() {
    let hostile = |call: Object| {
        let whole = Object::Dict(vec![("state_dict", state_dict(vec![("a", tensor(0, &[1]))])), ("args", call)]);
        refusal(&checkpoint(&whole, &[floats(&[1.0])]))
    };
    for (module, name) in [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("numpy", "dtype")] {
        let message = hostile(Object::Call(module, name, vec![text("touch pwned")]));
        assert!(message.contains(&format!("`{module}.{name}`")), "{message}");
    }
    // INST, which calls a class by its name.
    let message = refusal(&archive(&[("x/data.pkl".to_owned(), b"\x80\x02(ios\nsystem\n.".to_vec())]));
    assert!(message.contains("0x69"), "{message}");
}

#[test]
fn damaged_checkpoints_are_refused() {
    let good = checkpoint(&state_dict(vec![("a", tensor(0, &[2]))]), &[floats(&[1.0, 2.0])]);
    assert!(refusal(b"not an archive").contains("PyTorch 1.6"));
    assert!(refusal(&good[..good.len() / 2]).contains("no archive"));
    assert!(refusal(&archive(&[])).contains("data.pkl"));
    let mut other = pickle(&state_dict(vec![("a", tensor(0, &[2]))]));
    other.truncate(other.len() / 2);
    assert!(refusal(&archive(&[("x/data.pkl".to_owned(), other)])).contains("cut off"));
    let scalar = Object::Dict(vec![("state_dict", state_dict(vec![("a", Object::Int(1))]))]);
    assert!(refusal(&checkpoint(&scalar, &[])).contains("`a`"));
    assert!(refusal(&checkpoint(&Object::List(vec![]), &[])).contains("no state_dict"));
    let big = [("x/data.pkl".to_owned(), pickle(&state_dict(vec![]))), ("x/byteorder".to_owned(), b"big".to_vec())];
    assert!(refusal(&archive(&big)).contains("little-endian"));

    let mut short = open(&checkpoint(&state_dict(vec![("a", tensor(0, &[2]))]), &[floats(&[1.0])])).unwrap();
    assert!(short.values("a").unwrap_err().to_string().contains("archive/data/0"));
    let mut damaged = good.clone();
    let at = good.windows(8).position(|w| w == floats(&[1.0, 2.0])).unwrap();
    damaged[at] ^= 1;
    assert!(open(&damaged).unwrap().values("a").is_err(), "the checksum is verified");
}

#[test]
fn views_outside_their_data_are_refused_before_anything_is_allocated() {
    let view = |offset, shape: &[usize], strides: &[usize]| Object::Tensor {
        class: "FloatStorage",
        key: 0,
        entries: 4,
        offset,
        shape: shape.to_vec(),
        strides: strides.to_vec(),
        parameter: false,
    };
    let cases = [
        view(0, &[5], &[1]),
        view(3, &[2], &[1]),
        view(0, &[2], &[4]),
        view(0, &[1 << 40], &[0]),
        view(0, &[1 << 40, 1 << 40], &[0, 0]),
        view(0, &[2, 2], &[usize::MAX >> 1, 1]),
        view(0, &[2, 2], &[1]),
    ];
    for case in cases {
        let message = refusal(&checkpoint(&state_dict(vec![("a", case)]), &[floats(&[0.0; 4])]));
        assert!(message.contains("`a` lies outside"), "{message}");
    }
    let empty = view(0, &[1 << 40, 0], &[0, 0]);
    let mut tensors = open(&checkpoint(&state_dict(vec![("a", empty)]), &[floats(&[0.0; 4])])).unwrap();
    assert_eq!(tensors.values("a").unwrap(), Some(vec![]));
}
