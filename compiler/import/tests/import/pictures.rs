//! Pictures as Pillow reads, resizes and crops them (`tests/reference/pictures.py`), byte for byte.

use std::fs;
use std::path::Path;

use mpcc_compiler::graph::{Element, Filter, Picture, Resize};
use mpcc_import::inputs::load_prepared;
use serde::Deserialize;

use crate::fixtures::input;

/// What becomes of a picture.
#[derive(Deserialize)]
struct Prepared {
    file: String,
    shape: Vec<usize>,
    resize: Option<(u32, u32)>,
    shortest: Option<u32>,
    filter: String,
    crop: bool,
    /// In base 64.
    bytes: String,
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    let whole = text.as_bytes().chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0, |bits, byte| bits << 6 | if *byte == b'=' { 0 } else { digit(*byte) });
        bits.to_be_bytes()[1..].to_vec()
    });
    let mut bytes: Vec<u8> = whole.collect();
    bytes.truncate(bytes.len() - padding);
    bytes
}

#[test]
fn pictures_are_those_of_pillow_to_the_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/pictures");
    let all: Vec<Prepared> =
        serde_json::from_slice(&fs::read(folder.join("reference.json")).expect("references")).expect("JSON");
    assert!(all.len() > 25);
    for prepared in all {
        let resize = prepared.resize.map(|(height, width)| Resize::To(height, width));
        let resize = resize.or(prepared.shortest.map(Resize::Shortest));
        let filter = Filter::ALL.into_iter().find(|filter| filter.name() == prepared.filter).expect("a filter");
        let picture = Picture { input: 0, resize, filter, crop: prepared.crop };
        let declared = input(Element::U8, &prepared.shape);
        let what = format!("{} {:?} {}", prepared.file, resize, prepared.filter);
        let read = load_prepared(&folder.join(&prepared.file), &declared, Some(&picture));
        let read = read.unwrap_or_else(|e| panic!("{what}: {e}"));
        let wanted = base64(&prepared.bytes);
        assert_eq!(read.data.len(), wanted.len(), "{what}");
        let farthest = read.data.iter().zip(&wanted).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
        // The colours of a JPEG depend on the decoder.
        let allowed = if prepared.file.ends_with("jpg") { 4.0 } else { 0.0 };
        assert!(farthest <= allowed, "{what}: off by {farthest}");
    }
}
