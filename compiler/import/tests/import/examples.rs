//! What is named on a command line, as examples with a value for each input.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use mpcc_compiler::graph::{Element, Graph, Input, NodeId, Output, Tokenizer};
use mpcc_import::inputs::{Example, InputError, Reader, examples};
use tempfile::TempDir;

use crate::fixtures::input;

const WORDS: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\nfilm\n";

fn named(name: &str, element: Element, shape: &[usize]) -> Input {
    Input { name: name.into(), ..input(element, shape) }
}

/// Two inputs, and a third where `third` says so.
fn graph(reads_text: bool, third: bool) -> Graph {
    let mut inputs = vec![named("mask", Element::Bit, &[6]), named("ids", Element::I32, &[6])];
    if third {
        inputs.push(named("age", Element::Real, &[1]));
    }
    let tokenizer = Tokenizer { file: "vocab.txt".into(), ids: 1, segments: None, mask: Some(0), span: None };
    Graph { inputs, tokenizer: reads_text.then_some(tokenizer), ..Graph::default() }
}

fn words(directory: &Path) -> Vec<u8> {
    let path = directory.join("vocab.txt");
    fs::write(&path, WORDS).expect("a file");
    mpcc_import::tokenizer::read(&path).expect("a tokenizer")
}

fn found(arguments: &[&str], graph: &Graph) -> Result<Vec<Example>, InputError> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    examples(&arguments, graph)
}

fn message(arguments: &[&str], graph: &Graph) -> String {
    found(arguments, graph).expect_err("arguments with a mistake").to_string()
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

/// An archive as numpy.savez writes it, or numpy.savez_compressed.
fn npz(files: &[(&str, Vec<u8>)], packed: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in files {
        let mut checksum = flate2::Crc::new();
        checksum.update(data);
        let stored = if packed {
            use std::io::Write;
            let mut pack = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            pack.write_all(data).expect("packed");
            pack.finish().expect("packed")
        } else {
            data.clone()
        };
        let mut middle = Vec::new();
        for half in [20u16, 0, if packed { 8 } else { 0 }, 0, 0] {
            middle.extend(half.to_le_bytes());
        }
        for word in [checksum.sum(), stored.len() as u32, data.len() as u32] {
            middle.extend(word.to_le_bytes());
        }
        let (name, extra) = (format!("{name}.npy"), [1u8, 0, 4, 0, 9, 9, 9, 9]);
        middle.extend((name.len() as u16).to_le_bytes());
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&middle);
        directory.extend([0; 12]);
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(name.bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&middle);
        bytes.extend((extra.len() as u16).to_le_bytes());
        bytes.extend(name.bytes());
        bytes.extend(extra);
        bytes.extend(stored);
    }
    let at = bytes.len() as u32;
    let count = (files.len() as u16).to_le_bytes();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
    bytes.extend([count, count].concat());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(at.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn arrays() -> Vec<(&'static str, Vec<u8>)> {
    let ids: Vec<u8> = [2i64, 4, 5, 3, 0, 0].iter().flat_map(|v| v.to_le_bytes()).collect();
    vec![("ids", npy("<i8", "(6,)", &ids)), ("mask", npy("|b1", "(6,)", &[1, 1, 1, 1, 0, 0]))]
}

#[test]
fn text_fills_the_inputs_that_the_tokenizer_names() {
    let directory = TempDir::new().unwrap();
    let tokenizer = words(directory.path());
    let graph = graph(true, false);
    let reader = Reader::new(&graph, Some(&tokenizer)).unwrap();
    let file = directory.path().join("review.txt");
    fs::write(&file, "\u{feff}The film\r\n").unwrap();
    let arguments = ["the film", file.to_str().unwrap(), "film=the film", "the\tfilm the film"];
    let found = found(&arguments, &graph).unwrap();
    assert_eq!(
        found.iter().map(Example::to_string).collect::<Vec<_>>()[..],
        ["text 1", arguments[1], "text 2", "text 3"]
    );
    assert_eq!(format!("{:?}", found[0]), "Example(text 1)", "what it says is nobody's business");
    for example in &found[..2] {
        let given = reader.load(example).unwrap();
        assert_eq!(given.inputs[0].data, [1., 1., 1., 1., 0., 0.]);
        assert_eq!(given.inputs[1].data, [2., 4., 5., 3., 0., 0.]);
        assert!(!given.cut);
    }
    let pair = reader.load(&found[3]).unwrap();
    assert_eq!(pair.inputs[1].data, [2., 4., 3., 5., 4., 3.]);
    assert!(pair.cut);
}

#[test]
fn text_that_is_none_is_refused() {
    let directory = TempDir::new().unwrap();
    let tokenizer = words(directory.path());
    let said = |graph: &Graph, bytes: &[u8]| {
        let file = directory.path().join("review.txt");
        fs::write(&file, bytes).unwrap();
        let reader = Reader::new(graph, Some(&tokenizer)).unwrap();
        reader.load(&Example::File(file)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    for (bytes, reason) in
        [(&b""[..], "no text"), (b" \r\n", "no text"), (b"a\tb\tc", "more than one tab"), (b"\xff\xfe", "UTF-8")]
    {
        let message = said(&graph(true, false), bytes);
        assert!(message.contains(reason) && message.contains("review.txt"), "{message}");
    }
    let message = said(&graph(true, true), b"the film");
    assert!(message.contains("input `age`") && message.contains(".npz"), "{message}");
    assert!(said(&graph(false, false), b"the film").contains("declares no tokenizer"));
}

#[test]
fn what_looks_like_a_path_is_one() {
    let graph = graph(true, false);
    for path in ["reveiw.txt", "./reviews", "src/reviews", "/no/such.npz"] {
        assert!(message(&[path], &graph).contains("cannot read"), "{path}");
    }
    for text in ["good", "10/10", "N/A", "and/or", "mask=1 the film", "src"] {
        assert!(matches!(found(&[text], &graph).unwrap()[..], [Example::Text { number: 1, .. }]), "{text}");
    }
    assert!(matches!(found(&["either/or, I say"], &graph).unwrap()[..], [Example::Text { .. }]));
}

#[test]
fn files_of_texts_hold_an_example_a_line() {
    let directory = TempDir::new().unwrap();
    let tokenizer = words(directory.path());
    let mut graph = graph(true, false);
    let output = Output { name: "y".into(), node: NodeId(0), labels: vec!["bad".into(), "good".into()] };
    graph.outputs.push(output);
    let reader = Reader::new(&graph, Some(&tokenizer)).unwrap();
    let read = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        found(&[path.to_str().unwrap()], &graph)
    };
    let both = [("the film", None), ("film the", None)];
    type Expected<'a> = &'a [(&'a str, Option<&'a str>)];
    let cases: [(&str, &str, Expected<'_>); 8] = [
        ("a.txt", "the film\n\nfilm the\n", &both),
        ("a.tsv", "the film\nfilm the\n", &both),
        ("a.tsv", "good\tthe film\nbad\tfilm the\n", &[("the film", Some("good")), ("film the", Some("bad"))]),
        ("a.tsv", "the\tfilm\n", &[("the\tfilm", None)]),
        ("a.tsv", "Label\tSentence\n1\tthe \"film\n", &[("the \"film", Some("1"))]),
        ("a.csv", "text,label\n\"the, film\",good\n", &[("the, film", Some("good"))]),
        ("a.csv", "premise,hypothesis\nthe,\"film\nthe\"\n", &[("the\tfilm the", None)]),
        (
            "a.jsonl",
            "{\"text\": \"the film\", \"label\": 1}\n\"film the\"\n",
            &[("the film", Some("1")), ("film the", None)],
        ),
    ];
    for (name, text, wanted) in cases {
        let examples = read(name, text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(examples.len(), wanted.len(), "{name} {text}");
        for (example, (text, label)) in examples.iter().zip(wanted) {
            assert_eq!(example.label(), *label, "{name}");
            let one = Example::Text { number: 1, text: (*text).to_owned() };
            assert!(reader.load(example).unwrap() == reader.load(&one).unwrap(), "{name}: {text}");
            assert!(!format!("{example:?}").contains("film"), "what it says is nobody's business");
        }
    }
    for (name, text, said) in [
        ("b.csv", "the film\n", "names no column"),
        ("b.csv", "label,text\ngood,\n", "line 2 has no text"),
        ("b.tsv", "a\tb\nc\n", "others"),
        ("b.jsonl", "{\"label\": 1}\n", "line 1 has no `text`"),
        ("b.jsonl", "{\n", "line 1 is no JSON"),
        ("b.txt", "\n", "holds no text"),
    ] {
        let message = read(name, text).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message.contains(said) && message.contains(name), "{name}: {message}");
    }
}

#[test]
fn inputs_are_given_by_name() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for (name, bytes) in arrays() {
        fs::write(path(name), &bytes).unwrap();
        fs::write(path(&format!("{name}.npy")), bytes).unwrap();
    }
    let (ids, mask) = (format!("ids={}", path("ids.npy")), format!("mask={}", path("mask.npy")));
    for graph in [graph(false, false), graph(true, false)] {
        let found = found(&[&ids, &mask], &graph).unwrap();
        let given = Reader::new(&graph, None).unwrap().load(&found[0]).unwrap();
        assert_eq!(given.inputs[0].data, [1., 1., 1., 1., 0., 0.]);
        assert_eq!(given.inputs[1].data, [2., 4., 5., 3., 0., 0.]);
    }
    let graph = graph(false, false);
    let load = |arguments: &[&str]| {
        let found = found(arguments, &graph)?;
        Reader::new(&graph, None)?.load(&found[0]).map(|_| ())
    };
    let said = |arguments: &[&str]| load(arguments).unwrap_err().to_string();
    assert!(said(&[&ids]).contains("nothing is given for input `mask`"));
    assert!(said(&[&ids, &ids]).contains("`ids` is given twice"));
    assert!(said(&["id=x.npy"]).contains("no input `id`; it has inputs `mask` and `ids`"));
    assert!(said(&[&ids, &path("mask.npy")]).contains("do not go together"));
    assert!(said(&[&path("ids.npy")]).contains("one array, and the model has inputs `mask` and `ids`"));
    let swapped = format!("mask={}", path("ids.npy"));
    assert!(said(&[&format!("ids={}", path("mask.npy")), &swapped]).contains("`mask` takes 0 and 1"));
    assert!(said(&[&ids, "mask=none.npy"]).contains("none.npy"));
}

#[test]
fn an_archive_holds_an_array_for_each_input() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x.npz");
    let graph = graph(false, false);
    let reader = Reader::new(&graph, None).unwrap();
    let load = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        reader.load(&Example::File(path.clone()))
    };
    for packed in [false, true] {
        let given = load(&npz(&arrays(), packed)).unwrap();
        assert_eq!(given.inputs[0].data, [1., 1., 1., 1., 0., 0.]);
        assert_eq!(given.inputs[1].data, [2., 4., 5., 3., 0., 0.]);
    }
    let said = |bytes: &[u8]| load(bytes).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(said(&npz(&arrays()[..1], false)).contains("nothing is given for input `mask`"));
    let more = [arrays(), vec![("age", npy("<f8", "(1,)", &[0; 8]))]].concat();
    assert!(said(&npz(&more, false)).contains("no input `age`"));
    assert!(said(&npz(&[arrays(), arrays()].concat(), false)).contains("twice"));
    let long = vec![("ids", npy("<i8", "(7,)", &[0; 56])), arrays().remove(1)];
    assert!(said(&npz(&long, true)).contains("[7]"));
    let whole = npz(&arrays(), true);
    for end in [0, 10, whole.len() / 2, whole.len() - 1] {
        assert!(said(&whole[..end]).contains("not a whole npz"), "{end}");
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        // Most bytes matter; none may make it panic.
        let _ = load(&damaged);
    }
    let mut wrong = npz(&arrays(), false);
    let at = wrong.windows(6).position(|window| window == b"\x93NUMPY").unwrap();
    wrong[at + 100] ^= 1;
    assert!(said(&wrong).contains("damaged"));
}
