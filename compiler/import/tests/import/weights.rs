//! Weights files, good and bad, against a small graph.

use std::fs;
use std::path::PathBuf;

use mpcc_compiler::evaluate::{Tensor, Wanted, evaluate};
use mpcc_compiler::graph::{LoadOp, Shape};
use mpcc_import::FileError;
use mpcc_import::tensors::TensorsError;
use mpcc_import::weights::{BindingReport, Bound, WeightsError, generate, load, save};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use tempfile::TempDir;

use crate::fixtures;

/// Name, number format, shape and bytes.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn write(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("w.safetensors");
        fs::write(&path, bytes).expect("a weights file");
        path
    }
}

fn stored(tensors: &[(String, Tensor)]) -> Vec<Stored> {
    let bytes = |t: &Tensor| t.data.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect();
    tensors.iter().map(|(name, t)| (name.clone(), Dtype::F32, t.shape.to_vec(), bytes(t))).collect()
}

fn encode(tensors: &[Stored]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).expect("bytes that fill the shape"))
    });
    serialize(views, None).expect("a weights file")
}

/// Loads generated weights after `change`.
fn changed(change: impl FnOnce(&mut Vec<Stored>)) -> Result<Bound, WeightsError> {
    let graph = fixtures::graph();
    let mut tensors = stored(&generate(&graph, 1));
    change(&mut tensors);
    load(&Files::new().write(&encode(&tensors)), &graph)
}

fn refused(change: impl FnOnce(&mut Vec<Stored>)) -> BindingReport {
    match changed(change) {
        Err(WeightsError::Binding { report, .. }) => *report,
        other => panic!("not refused: {other:?}"),
    }
}

fn find<'a>(tensors: &'a mut [Stored], name: &str) -> &'a mut Stored {
    tensors.iter_mut().find(|t| t.0 == name).expect("a tensor of that name")
}

#[test]
fn generated_weights_survive_a_file_and_run() {
    let graph = fixtures::graph();
    let files = Files::new();
    let path = files.0.path().join("w.safetensors");
    let tensors = generate(&graph, 42);
    save(&path, &tensors).unwrap();
    save(&path, &tensors).unwrap();
    assert_eq!(fs::read_dir(files.0.path()).unwrap().count(), 1, "nothing is left beside the file");

    let bound = load(&path, &graph).unwrap();
    assert!(bound.report.is_complete());
    assert_eq!(bound.report.bound.len(), graph.params.len());
    for ((param, (name, tensor)), loaded) in graph.params.iter().zip(&tensors).zip(&bound.params) {
        assert_eq!((&param.name, &param.file_shape, &param.shape), (name, &tensor.shape, &loaded.shape));
        assert_eq!(tensor.data, loaded.data, "{name}");
    }
    let image = Tensor::new(&[3, 4, 4], (0..48).map(f64::from).collect());
    evaluate(&graph, &[image], &bound.params, Wanted::All).unwrap();
}

#[test]
fn generated_weights_have_the_published_distributions() {
    let tensors: std::collections::BTreeMap<_, _> = generate(&fixtures::graph(), 3).into_iter().collect();
    let deviation = |name: &str| {
        let data = &tensors[name].data;
        (data.iter().map(|v| v * v).sum::<f64>() / data.len() as f64).sqrt()
    };
    let largest = |name: &str| tensors[name].data.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert_eq!(tensors["norm.weight"].data, [1.0; 8]);
    for zero in ["norm.bias", "patch.bias", "fc.bias"] {
        assert_eq!(largest(zero), 0.0, "{zero}");
    }
    assert!(largest("fc.weight") <= 0.0401 && deviation("fc.weight") > 0.01);
    assert!(largest("positions") <= 0.401 && deviation("positions") > 0.1);
    assert!(largest("class") < 0.1 && deviation("class") > 0.005);
    let kaiming = (2.0f64 / 12.0).sqrt();
    assert!((deviation("patch.weight") / kaiming - 1.0).abs() < 0.25);
}

#[test]
fn a_seed_gives_the_same_weights_everywhere() {
    let graph = fixtures::graph();
    assert_eq!(generate(&graph, 5), generate(&graph, 5));
    let (one, other) = (generate(&graph, 5), generate(&graph, 6));
    assert_ne!(one[0], other[0]);
    let bits: Vec<u32> = one[0].1.data[..4].iter().map(|v| (*v as f32).to_bits()).collect();
    assert_eq!(bits, GENERATED_BITS);
}

/// First entries of `patch.weight` for seed 5.
const GENERATED_BITS: [u32; 4] = [0xbeca_cfb9, 0xbf2c_deb4, 0xbea7_699e, 0xbe95_1bff];

#[test]
fn every_float_format_is_read() {
    for (dtype, of) in [
        (Dtype::F16, (|v| half(v).to_le_bytes().to_vec()) as fn(f32) -> Vec<u8>),
        (Dtype::BF16, |v| ((v.to_bits() >> 16) as u16).to_le_bytes().to_vec()),
        (Dtype::F64, |v| f64::from(v).to_le_bytes().to_vec()),
    ] {
        let values = [1.0f32, -0.5];
        let bound = changed(|t| {
            let bytes = values.iter().flat_map(|v| of(*v)).collect();
            *find(t, "fc.bias") = ("fc.bias".into(), dtype, vec![2], bytes);
        })
        .unwrap();
        assert_eq!(bound.params.last().unwrap().data, [1.0, -0.5], "{dtype:?}");
    }
}

/// Half precision of a small power of two.
fn half(v: f32) -> u16 {
    ((v.to_bits() >> 31) as u16) << 15 | ((((v.to_bits() >> 23) & 0xff) as u16 + 15 - 127) << 10)
}

#[test]
fn load_time_parts_of_one_tensor() {
    let mut graph = fixtures::graph();
    let whole = graph.params.last().unwrap().clone();
    for (param, from) in [(7, 0), (6, 1)] {
        graph.params[param].name = "fc.bias".into();
        graph.params[param].file_shape = whole.file_shape.clone();
        graph.params[param].ops = vec![LoadOp::Slice(0, from, from + 1)];
        graph.params[param].shape = Shape::from_slice(&[1]);
    }
    let tensors = generate(&graph, 1);
    assert_eq!(tensors.iter().filter(|(name, _)| name == "fc.bias").count(), 1);
    let mut tensors = stored(&tensors);
    find(&mut tensors, "fc.bias").3 = [3.0f32, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let bound = load(&Files::new().write(&encode(&tensors)), &graph).unwrap();
    assert_eq!((bound.params[7].data[0], bound.params[6].data[0]), (3.0, 4.0));

    graph.params[7].shape = Shape::from_slice(&[2]);
    let error = load(&Files::new().write(&encode(&tensors)), &graph).unwrap_err();
    assert!(matches!(error, WeightsError::LoadOps { .. }), "{error}");
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let report = refused(|t| {
        t.retain(|t| t.0 != "norm.bias");
        find(t, "fc.weight").2 = vec![8, 2];
        find(t, "class").3[..8].fill(0xff);
        *find(t, "fc.bias") = ("fc.bias".into(), Dtype::I32, vec![2], vec![0; 8]);
        t.push(("extra".into(), Dtype::F32, vec![1], vec![0; 4]));
        t.push(("net.0.alpha".into(), Dtype::I64, vec![1], vec![0; 8]));
    });
    let expected = "\
7 bound, 1 ignored
  missing        norm.bias  expected [8]
  wrong shape    fc.weight  expected [2, 8], found [8, 2]
  not finite     class      2 entries are NaN or infinite
  number format  fc.bias    I32 is not read; use F32, F16, BF16 or F64
  unexpected     extra      found [1]
  help: list tensors that the model leaves out on purpose in `ignore` of its `weights`";
    assert_eq!(report.to_string(), expected);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<BindingReport>(&json).unwrap(), report);
}

#[test]
fn each_fault_alone_is_enough() {
    assert_eq!(refused(|t| t.truncate(7)).missing.len(), 1);
    assert_eq!(
        refused(|t| find(t, "fc.bias").3[..4].copy_from_slice(&f32::INFINITY.to_le_bytes())).not_finite[0].count,
        1
    );
    assert_eq!(refused(|t| find(t, "positions").2 = vec![5, 8]).wrong_shape.len(), 1);
    assert_eq!(refused(|t| find(t, "fc.bias").1 = Dtype::U32).unsupported.len(), 1);
    assert_eq!(refused(|t| t.push(("net.alpha".into(), Dtype::F32, vec![1], vec![0; 4]))).unexpected.len(), 1);
    let ignored = changed(|t| t.push(("net.3.alpha".into(), Dtype::F32, vec![1], vec![0; 4]))).unwrap();
    assert_eq!(ignored.report.ignored, ["net.3.alpha"]);
}

#[test]
fn a_common_prefix_is_pointed_out() {
    let report = changed(|t| t.iter_mut().for_each(|t| t.0 = format!("module.net.{}", t.0))).unwrap().report;
    assert!(report.is_complete() && report.prefix == "module.net.", "{report}");
    assert!(report.to_string().contains("begin with `module.net.`"), "{report}");
}

#[test]
fn damaged_files_are_named_with_the_damage() {
    let graph = fixtures::graph();
    let good = encode(&stored(&generate(&graph, 1)));
    let mut json = good.clone();
    json[8] = b'x';
    let mut appended = good.clone();
    appended.push(0);
    for (bytes, reason) in [
        (&good[..0], "only 0 bytes"),
        (&good[..100], "impossible"),
        (&good[..good.len() - 1], "more or less data"),
        (&appended, "more or less data"),
        (&json, "not the format's"),
        (b"PK\x03\x04 a pickle from another framework", "impossible"),
    ] {
        let files = Files::new();
        let path = files.write(bytes);
        let message = load(&path, &graph).unwrap_err().to_string();
        assert!(message.contains(reason) && message.contains(path.to_str().unwrap()), "{message}");
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let graph = fixtures::graph();
    let files = Files::new();
    let error = load(files.0.path(), &graph).unwrap_err();
    assert!(matches!(error, WeightsError::Tensors(TensorsError::Directory { .. })), "{error}");
    let error = load(&files.0.path().join("none"), &graph).unwrap_err();
    assert!(matches!(error, WeightsError::Tensors(TensorsError::File(FileError::Io { .. }))), "{error}");
    let path = files.0.path().join("text.pth");
    fs::write(&path, "no tensors").unwrap();
    let error = load(&path, &graph).unwrap_err();
    assert!(matches!(error, WeightsError::Tensors(TensorsError::Checkpoint { .. })), "{error}");
}

#[test]
fn nothing_is_written_when_saving_fails() {
    let files = Files::new();
    let path = files.0.path().join("w.safetensors");
    let huge = vec![("w".to_owned(), Tensor::new(&[1], vec![1e300]))];
    assert!(matches!(save(&path, &huge), Err(WeightsError::Overflow { .. })));
    let nowhere = files.0.path().join("none/w.safetensors");
    assert!(matches!(save(&nowhere, &generate(&fixtures::graph(), 1)), Err(WeightsError::Write { .. })));
    assert_eq!(fs::read_dir(files.0.path()).unwrap().count(), 0);
}
