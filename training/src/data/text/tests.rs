use std::fs;

use tempfile::TempDir;

use super::*;

fn dir(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, content)| fs::write(dir.path().join(name), content).unwrap());
    dir
}

fn rows(texts: &Texts) -> Vec<(usize, &str, Option<&str>)> {
    texts.rows.iter().map(|row| (row.label, row.text.as_str(), row.second.as_deref())).collect()
}

#[test]
fn lines_of_fields_are_rows() {
    let dir =
        dir(&[("train.tsv", "label\ttext\r\npos\tGood film.\r\nneg\tBad \"film\".\r\n"), ("dev.tsv", "neg\tWorse.")]);
    let found = open(dir.path()).unwrap();
    assert_eq!(found.train.classes, ["neg", "pos"]);
    assert_eq!(rows(&found.train), [(1, "Good film.", None), (0, "Bad \"film\".", None)]);
    assert_eq!(rows(&found.dev.unwrap()), [(0, "Worse.", None)]);
    assert!(found.test.is_none());
    assert_eq!(format!("{:?}", found.train), "2 texts in 2 classes");
}

#[test]
fn objects_are_rows_and_numbers_keep_their_order() {
    let dir = dir(&[
        (
            "train.jsonl",
            "{\"label\": 10, \"text\": \"a\", \"text2\": \"b\"}\n{\"text\":\"c\\td\",\"label\":\"9\",\"text2\":\"e\"}\n",
        ),
        ("test.tsv", "10\tf\tg\n"),
    ]);
    let found = open(dir.path()).unwrap();
    assert_eq!(found.train.classes, ["9", "10"]);
    assert_eq!(rows(&found.train), [(1, "a", Some("b")), (0, "c\td", Some("e"))]);
    assert_eq!(rows(&found.test.unwrap()), [(1, "f", Some("g"))]);
}

#[test]
fn whatever_is_wrong_is_named() {
    let cases: [(&str, &[(&str, &str)]); 11] = [
        ("no train.tsv or train.jsonl", &[("dev.tsv", "a\tb")]),
        ("both exist", &[("train.tsv", "a\tb"), ("train.jsonl", "")]),
        ("holds no texts", &[("train.tsv", "label\ttext\n")]),
        ("line 2 of", &[("train.tsv", "a\tb\nc\n")]),
        ("there are 4 fields", &[("train.tsv", "a\tb\tc\td")]),
        ("a text is empty", &[("train.tsv", "a\t \n")]),
        ("the label is empty", &[("train.tsv", "\tb\n")]),
        ("two texts or none", &[("train.tsv", "a\tb\nc\td\te\n")]),
        ("line 1 of", &[("train.jsonl", "{\"label\": \"a\"}")]),
        ("is no JSON", &[("train.jsonl", "label")]),
        ("the label `c`", &[("train.tsv", "a\tb\n"), ("test.tsv", "c\td\n")]),
    ];
    for (expected, files) in cases {
        let message = open(dir(files).path()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let broken = tempfile::tempdir().unwrap();
    fs::write(broken.path().join("train.tsv"), b"a\t\xff").unwrap();
    assert!(open(broken.path()).unwrap_err().to_string().contains("byte 2 is not UTF-8"));
    assert!(open(&broken.path().join("none")).unwrap_err().to_string().contains("no directory"));
}
