//! Files of weights, arrays and images with bytes changed.

use std::io::{Cursor, Write};
use std::path::PathBuf;

use image::{ImageFormat, RgbImage};
use mpcc_compiler::compile::rewrite;
use mpcc_compiler::graph::Graph;
use mpcc_compiler::lower::LowerOptions;
use mpcc_fuzz::Choices;
use mpcc_import::tensors::Tensors;
use mpcc_import::{inputs, weights};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::{models, torch};

/// A file: its extension and its bytes.
type File = (&'static str, Vec<u8>);

/// What files of one kind are read for.
pub(crate) struct Target {
    seeds: Vec<File>,
    graph: Graph,
    folder: TempDir,
}

fn graph() -> Graph {
    let source = std::fs::read_to_string(models::root().join("studies/tests/studies/attention.mpv")).expect("a model");
    rewrite(&source, &LowerOptions::default()).expect("a model that lowers").graph
}

/// Weights of the model, as they are generated.
pub(crate) fn safetensors() -> Vec<File> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.safetensors");
    weights::save(&path, &weights::generate(&graph(), 1)).expect("weights are written");
    vec![("safetensors", std::fs::read(path).expect("a file"))]
}

/// A checkpoint of torch, which is an archive.
pub(crate) fn pickles() -> Vec<File> {
    let state = torch::Object::StateDict(vec![
        ("fc.weight".to_owned(), torch::tensor(0, &[3, 8])),
        ("fc.bias".to_owned(), torch::tensor(1, &[3])),
    ]);
    let pickle = torch::pickle(&state);
    let entries = [
        ("archive/data.pkl", pickle),
        ("archive/data/0", vec![1; 96]),
        ("archive/data/1", vec![2; 12]),
        ("archive/version", b"3\n".to_vec()),
    ];
    vec![("pt", zipped(&entries))]
}

/// An array of the model's input, alone and in an archive.
pub(crate) fn arrays() -> Vec<File> {
    let array = |kind: &str, width: usize| {
        let mut head = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (3, 4, 8), }}");
        while (head.len() + 11) % 64 != 0 {
            head.push(' ');
        }
        head.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((head.len() as u16).to_le_bytes());
        bytes.extend(head.bytes());
        bytes.extend(vec![0; 96 * width]);
        bytes
    };
    let entries = [("pixels.npy", array("|u1", 1)), ("other.npy", array("<f8", 8))];
    vec![("npy", array("|u1", 1)), ("npy", array("<i8", 8)), ("npz", zipped(&entries))]
}

/// A picture of the model's size.
pub(crate) fn images() -> Vec<File> {
    let picture = RgbImage::from_fn(8, 4, |x, y| image::Rgb([x as u8 * 30, y as u8 * 60, 128]));
    let encoded = |format| {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).expect("a picture");
        bytes.into_inner()
    };
    vec![("png", encoded(ImageFormat::Png)), ("jpg", encoded(ImageFormat::Jpeg))]
}

fn zipped(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive
            .start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
            .expect("an entry");
        archive.write_all(bytes).expect("an entry");
    }
    archive.finish().expect("an archive").into_inner()
}

impl Target {
    pub(crate) fn new(seeds: Vec<File>) -> Self {
        Self { seeds, graph: graph(), folder: tempfile::tempdir().expect("a folder") }
    }

    fn file(&self, choices: &mut Choices<'_>) -> PathBuf {
        let (extension, seed) = choices.of(&self.seeds);
        let mut bytes = seed.clone();
        choices.spoil(&mut bytes);
        let path = self.folder.path().join(format!("x.{extension}"));
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    /// Weights of the model, and tensors by name.
    pub(crate) fn weights(&self, choices: &mut Choices<'_>) {
        let path = self.file(choices);
        let _ = weights::load(&path, &self.graph).map_err(|error| error.to_string());
        all_tensors(&path);
    }

    /// Tensors by name.
    pub(crate) fn tensors(&self, choices: &mut Choices<'_>) {
        all_tensors(&self.file(choices));
    }

    /// An input of the model.
    pub(crate) fn inputs(&self, choices: &mut Choices<'_>) {
        let path = self.file(choices);
        if let Ok(tensor) = inputs::load(&path, &self.graph.inputs[0]) {
            assert_eq!(tensor.shape, self.graph.inputs[0].ty.shape);
        }
    }
}

fn all_tensors(path: &std::path::Path) {
    let Ok(mut tensors) = Tensors::open(path) else { return };
    let names: Vec<String> = tensors.listing().keys().cloned().collect();
    for name in names {
        let _ = tensors.values(&name).map_err(|error| error.to_string());
    }
}
