//! Networks that answer questions: the answer is shown in the words of the text.

use std::path::Path;

use serde_json::Value;

use crate::documents::copy;
use crate::support::Place;

/// As many words as the reference networks have.
const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwho\nsat\nwhere\nthe\ncafe\nowl\n,\non\nmat\n##s\na\nin\nit\nwas\nold\nred\nblue\nran\nto\n";

/// Questions with what is read, and the pieces of that.
const QUESTIONS: [(&str, &str, &[&str]); 4] = [
    ("who sat", "the Owls, in Café", &["the", "Owl", "s", ",", "in", "Café"]),
    ("where", "it was a RED mat", &["it", "was", "a", "RED", "mat"]),
    ("who ran", "to the old  owl", &["to", "the", "old", "owl"]),
    ("where was it", "on the blue mat", &["on", "the", "blue", "mat"]),
];

/// A network of a reference library, imported with a vocabulary.
fn place(name: &str) -> (Place, String) {
    let place = Place::new();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("compiler/import/tests/reference/families").join(name);
    copy(&fixture, &place.path("published"));
    place.write("published/vocab.txt", VOCABULARY);
    let report = place.json(&["new", "--from", "published", "--length", "14", "-o", "net.mpv"]);
    (place, report["weights"].as_str().expect("weights").to_owned())
}

fn numbers(output: &Value) -> Vec<f64> {
    output["values"].as_array().expect("values").iter().map(|v| v.as_f64().expect("a number")).collect()
}

/// The best words by the numbers of a result, found in another way: pieces lie behind the question and two tokens around it.
fn best(outputs: &Value, (question, text, pieces): (&str, &str, &[&str])) -> String {
    let (starts, ends) = (numbers(&outputs[0]), numbers(&outputs[1]));
    let behind = question.split(' ').count() + 2;
    let mut at = 0;
    let mut places = Vec::new();
    for piece in pieces {
        let from = at + text[at..].find(piece).expect("a piece");
        at = from + piece.len();
        places.push((from, at));
    }
    let pairs = (0..places.len()).flat_map(|first| (first..places.len()).map(move |last| (first, last)));
    let score = |(first, last): (usize, usize)| starts[behind + first] + ends[behind + last];
    let (first, last) = pairs.reduce(|a, b| if score(b) > score(a) { b } else { a }).expect("pieces");
    match starts[0] + ends[0] > score((first, last)) {
        true => "not in the text".to_owned(),
        false => text[places[first].0..places[last].1].to_owned(),
    }
}

#[test]
fn the_answer_is_shown_in_the_words_of_the_text() {
    let mut answers = Vec::new();
    for name in ["bert-answer", "distilbert-answer"] {
        let (place, weights) = place(name);
        let texts: Vec<String> = QUESTIONS.iter().map(|(question, text, _)| format!("{question}\t{text}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let calibrated =
            place.json(&[&["simulate", "net.mpv", "--weights", &weights, "--calibrate"], &texts[..]].concat());
        let with = |command: &'static str, more: &[&str]| {
            place.json(&[&[command, "net.mpv", "--weights", &weights, "--input"], more].concat())
        };
        let simulated = with("simulate", &texts);
        let of = |at: usize, side: &str| simulated["simulation"]["inferences"][at][side].clone();
        for (at, question) in QUESTIONS.iter().enumerate() {
            for side in ["float", "fixed"] {
                assert_eq!(of(at, side)[0]["label"], best(&of(at, side), *question), "{name} {question:?}");
                assert!(of(at, side)[1].get("label").is_none());
            }
            answers.push(of(at, "float")[0]["label"].clone());
        }
        let seen = calibrated["calibration"]["outputs"][0]["labels"].as_array().expect("answers").len();
        assert!(seen > 0, "{calibrated}");

        let run = with("run", &texts[..1]);
        assert_eq!(run["outputs"][0]["label"], best(&run["outputs"], QUESTIONS[0]));
        let shown = place.good(&["run", "net.mpv", "--weights", &weights, "--input", texts[0]]);
        assert!(shown.starts_with(&format!("{}\n\n", best(&run["outputs"], QUESTIONS[0]))), "{shown}");

        // What people answered stands in a file, as it does in published sets of questions.
        let right = |at: usize| of(at, "float")[0]["label"].clone();
        let object = |at: usize, answer: Value| {
            let (question, text, _) = QUESTIONS[at];
            serde_json::json!({ "question": question, "context": text, "answers": { "text": [answer], "answer_start": [0] } })
        };
        let lines = [object(0, right(0)), object(1, "nothing of this".into()), object(2, right(2))];
        place.write("questions.jsonl", &lines.map(|line| line.to_string()).join("\n"));
        let counted = with("simulate", &["questions.jsonl"])["simulation"]["accuracy"].clone();
        assert_eq!((&counted["labelled"], &counted["float_correct"]), (&3.into(), &2.into()), "{counted}");
    }
    answers.sort_by_key(Value::to_string);
    answers.dedup();
    assert!(answers.len() > 2, "{answers:?}");
}

/// Without a text there is no passage, and numbers are numbers.
#[test]
fn arrays_have_no_answer() {
    let (place, weights) = place("bert-answer");
    let text = "who sat\tthe owl sat on the mat";
    place.good(&["simulate", "net.mpv", "--weights", &weights, "--calibrate", text]);
    for (name, values) in
        [("ids", [2u8, 5, 6, 3, 8, 10, 3, 0, 0, 0, 0, 0, 0, 0]), ("mask", [1; 14]), ("segments", [0; 14])]
    {
        crate::text::array(&place, &format!("{name}.npy"), "|u1", &values);
    }
    let given = ["ids=ids.npy", "mask=mask.npy", "segments=segments.npy"];
    let run = place.json(&[&["simulate", "net.mpv", "--weights", &weights, "--input"], &given[..]].concat());
    assert!(run["simulation"]["inferences"][0]["float"][0].get("label").is_none(), "{run}");
}
