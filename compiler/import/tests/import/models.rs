//! Model files for published networks compute what the networks' definitions say.

use std::path::Path;

use mpcc_compiler::evaluate::{Evaluator, Tensor, Wanted};
use mpcc_compiler::graph::Graph;
use mpcc_import::models::{Options, Template, import};
use mpcc_import::weights;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::families;
use crate::networks::{Named, Published, bert, save, vit, vit_lite};
use crate::reference::{self, Weights};

/// The model file in its canonical layout, its graph, and the notes.
fn imported(template: Template, directory: &Path, options: &Options) -> (String, Graph, Vec<String>) {
    let imported = import(template, directory, options).unwrap_or_else(|e| panic!("{e}"));
    let (source, graph, leftover) = families::model(&imported);
    (source, graph, imported.notes.into_iter().chain(leftover.note()).collect())
}

/// The model's output on these inputs.
fn output(published: &Published, template: Template, options: &Options, inputs: &[Tensor]) -> Vec<f64> {
    let directory = TempDir::new().expect("a directory");
    published.save(directory.path());
    let (_, graph, _) = imported(template, directory.path(), options);
    evaluated(&graph, &directory.path().join("model.safetensors"), inputs)
}

fn evaluated(graph: &Graph, weights: &Path, inputs: &[Tensor]) -> Vec<f64> {
    let bound = weights::load(weights, graph).unwrap_or_else(|e| panic!("{e}"));
    let evaluator = Evaluator::new(graph, &bound.params).expect("parameters");
    let node = graph.outputs[0].node;
    let inputs: Vec<Tensor> =
        graph.inputs.iter().zip(inputs).map(|(i, t)| Tensor::new(&i.ty.shape, t.data.clone())).collect();
    evaluator.run(&inputs, Wanted::Only(&[node])).expect("finite numbers")[node].data.clone()
}

fn assert_close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (a, b) in got.iter().zip(want) {
        assert!((a - b).abs() < 1e-9, "{got:?} and not {want:?}");
    }
}

const MEAN: [f64; 3] = [0.4, 0.5, 0.6];
const STD: [f64; 3] = [0.25, 0.5, 0.2];

#[test]
fn vision_transformers_are_those_of_their_definition() {
    let pixels: Vec<f64> = (0..192u32).map(|i| f64::from(i * 89 % 256)).collect();
    let normalised = |mean: [f64; 3], std: [f64; 3]| -> Vec<f64> {
        pixels.iter().enumerate().map(|(i, p)| (p / 255.0 - mean[i / 64]) / std[i / 64]).collect()
    };
    for (template, family, architecture) in [
        (Template::Vit, "vit", "ViTForImageClassification"),
        (Template::Deit, "deit", "DeiTForImageClassification"),
        (Template::Deit, "deit", "DeiTForImageClassificationWithTeacher"),
    ] {
        let mut published = vit(family, architecture);
        published.config["layer_norm_eps"] = json!(0.25);
        let input = [Tensor::new(&[3, 8, 8], pixels.clone())];
        let want = reference::vit(&Weights::new(&published.tensors), family, 0.25, &normalised(MEAN, STD));
        assert_close(&output(&published, template, &Options::default(), &input), &want);
        published.files.clear();
        let want = reference::vit(&Weights::new(&published.tensors), family, 0.25, &normalised([0.5; 3], [0.5; 3]));
        assert_close(&output(&published, template, &Options::default(), &input), &want);
        published.config["qkv_bias"] = json!(false);
        published.tensors.retain(|(name, ..)| !(name.contains("attention.attention.") && name.ends_with("bias")));
        let want = reference::vit(&Weights::new(&published.tensors), family, 0.25, &normalised([0.5; 3], [0.5; 3]));
        assert_close(&output(&published, template, &Options::default(), &input), &want);
    }
}

#[test]
fn pixels_become_what_the_preprocessor_says() {
    let mut published = vit("vit", "ViTForImageClassification");
    published.config["num_channels"] = json!(1);
    for (name, shape, entries) in &mut published.tensors {
        if name.ends_with("projection.weight") {
            *shape = vec![32, 1, 4, 4];
            entries.truncate(512);
        }
    }
    let cases = [
        (
            json!({ "image_mean": [0.25], "image_std": [0.5] }),
            "let image = normalize(pixels / 255, mean: [0.25], std: [0.5]);",
        ),
        (json!({ "do_normalize": false }), "let image = pixels / 255;"),
        (json!({ "do_normalize": false, "rescale_factor": 0.0078125 }), "let image = pixels * 0.0078125;"),
        (
            json!({ "do_rescale": false, "image_mean": [127.5], "image_std": [64] }),
            "normalize(pixels, mean: [127.5], std: [64])",
        ),
    ];
    let directory = TempDir::new().unwrap();
    for (preprocessor, written) in cases {
        published.files = vec![("preprocessor_config.json", preprocessor.to_string())];
        published.save(directory.path());
        let (source, ..) = imported(Template::Vit, directory.path(), &Options::default());
        assert!(source.contains(written) && source.contains("Tensor<u8, 1, HEIGHT, WIDTH>"), "{source}");
    }
    for (preprocessor, said) in [
        (json!({}), "`image_mean` is missing"),
        (json!({ "image_mean": [0.5, 0.5], "image_std": [0.5] }), "a list of 1 numbers"),
        (json!({ "image_mean": [0.5], "image_std": [0.0] }), "not positive"),
        (json!({ "do_normalize": "yes" }), "true or false"),
    ] {
        published.files = vec![("preprocessor_config.json", preprocessor.to_string())];
        let message = refusal(&published, Template::Vit);
        assert!(message.contains("preprocessor_config.json") && message.contains(said), "{message}");
    }
}

#[test]
fn searched_transformers_are_those_of_the_authors_code() {
    let pixels: Vec<f64> = (0..192u32).map(|i| f64::from(i * 89 % 256)).collect();
    let normalised: Vec<f64> = pixels.iter().map(|p| (p / 255.0 - 0.5) / 0.5).collect();
    let heads = Options { heads: Some(2), ..Options::default() };
    for (alpha, beta) in [(None, None), (Some(&[1, 2, 1, 1][..]), None), (Some(&[1, 2, 1, 1]), Some(&[1, 5, 1][..]))] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("net.safetensors");
        let tensors = vit_lite(alpha, beta);
        save(&path, &tensors);
        let (_, graph, _) = imported(Template::Mpcvit, &path, &heads);
        let got = evaluated(&graph, &path, &[Tensor::new(&[3, 8, 8], pixels.clone())]);
        assert_close(&got, &reference::vit_lite(&Weights::new(&tensors), &normalised));
    }
}

#[test]
fn text_encoders_are_those_of_their_definition() {
    let (ids, segments, mask) = ([2, 4, 6, 7, 3, 5, 3, 0], [0, 0, 0, 0, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1, 1, 0]);
    let tensor = |values: &[usize]| Tensor::new(&[8], values.iter().map(|n| *n as f64).collect());
    let on = mask.map(|m| m == 1);
    let options = Options { length: Some(8), ..Options::default() };
    for (family, architecture) in [
        ("bert", "BertForSequenceClassification"),
        ("bert", "BertModel"),
        ("roberta", "RobertaForSequenceClassification"),
    ] {
        let mut published = bert(family, architecture);
        published.files.clear();
        let weights = Weights::new(&published.tensors);
        let (template, root) = match (family, architecture) {
            ("roberta", _) => (Template::Roberta, "roberta."),
            (_, "BertModel") => (Template::Bert, ""),
            _ => (Template::Bert, "bert."),
        };
        let (inputs, segments) = match template {
            Template::Roberta => (vec![tensor(&ids), tensor(&mask)], [0; 8]),
            _ => (vec![tensor(&ids), tensor(&segments), tensor(&mask)], segments),
        };
        let want = reference::bert(&weights, root, &ids, &segments, &on);
        assert_close(&output(&published, template, &options, &inputs), &want);
    }
}

/// What is said of a directory that cannot be imported.
fn refusal(published: &Published, template: Template) -> String {
    let directory = TempDir::new().expect("a directory");
    published.save(directory.path());
    import(template, directory.path(), &Options::default()).expect_err("a refusal").to_string()
}

#[test]
fn settings_that_no_template_has_are_refused_by_name() {
    let vit = || vit("vit", "ViTForImageClassification");
    let bert = || bert("bert", "BertForSequenceClassification");
    let cases: [(Template, Published, &str, Value, &[&str]); 12] = [
        (Template::Vit, vit(), "hidden_act", json!("mish"), &["`hidden_act` is `mish`", "gelu_new"]),
        (Template::Vit, vit(), "model_type", json!("swin"), &["`swin`", "`vit`"]),
        (Template::Vit, vit(), "architectures", json!(["ViTForMaskedImageModeling"]), &["ViTForMaskedImageModeling"]),
        (Template::Vit, vit(), "num_attention_heads", json!(3), &["3 heads", "32"]),
        (Template::Vit, vit(), "quantization_config", json!({ "bits": 4 }), &["`quantization_config`"]),
        (Template::Bert, bert(), "is_decoder", json!(true), &["`is_decoder`"]),
        (Template::Bert, bert(), "add_cross_attention", json!(true), &["`add_cross_attention`"]),
        (Template::Bert, bert(), "position_embedding_type", json!("relative_key"), &["`relative_key`", "`absolute`"]),
        (Template::Bert, bert(), "pruned_heads", json!({ "0": [1] }), &["`pruned_heads`"]),
        (Template::Bert, bert(), "hidden_act", json!(["gelu"]), &["no name of an activation"]),
        (Template::Bert, bert(), "architectures", json!(["BertForMultipleChoice"]), &["BertForMultipleChoice"]),
        (Template::Roberta, bert(), "vocab_size", json!(8), &["`bert`", "`roberta`"]),
    ];
    for (template, mut published, key, value, said) in cases {
        published.config[key] = value;
        let message = refusal(&published, template);
        for word in said.iter().chain(&["config.json"]) {
            assert!(message.contains(word), "{key}: `{word}` is not said in: {message}");
        }
    }
}

#[test]
fn approximations_and_assumptions_are_said() {
    let directory = TempDir::new().unwrap();
    let mut published = bert("bert", "BertForSequenceClassification");
    published.config["hidden_act"] = json!("gelu_new");
    published.files.clear();
    published.save(directory.path());
    let (source, graph, notes) = imported(Template::Bert, directory.path(), &Options::default());
    assert!(notes[0].starts_with("warning:") && notes[0].contains("gelu_new") && notes[0].contains("0.0005"));
    assert!(notes[1].contains("tokenizer") && notes.len() == 2, "{notes:?}");
    assert!(source.contains("const SEQ = 12;"), "twelve positions, fewer than 128 tokens: {source}");
    assert_eq!(graph.outputs[0].labels, ["bad", "fair", "good"]);
}

#[test]
fn names_of_other_times_and_unused_tensors_are_known() {
    let directory = TempDir::new().unwrap();
    let mut published = bert("bert", "BertForSequenceClassification");
    published.config["architectures"] = json!(["BertForPreTraining"]);
    published.files.clear();
    for (name, ..) in &mut published.tensors {
        *name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        *name = name.replace("classifier.", "cls.seq_relationship.");
    }
    published.tensors.push(("bert.embeddings.position_ids".to_owned(), vec![1, 12], vec![0.0; 12]));
    published.save(directory.path());
    let (source, graph, _) = imported(Template::Bert, directory.path(), &Options::default());
    assert!(source.contains("LayerNorm.gamma") && !source.contains("CLASSES"), "{source}");
    assert_eq!(graph.outputs[0].name, "pooled");
}

#[test]
fn tensors_in_several_files_are_read_by_their_index() {
    let directory = TempDir::new().unwrap();
    let published = vit("vit", "ViTForImageClassification");
    let write = |parts: [&[Named]; 2], index: Value| {
        published.save(directory.path());
        std::fs::remove_file(directory.path().join("model.safetensors")).unwrap();
        for (tensors, name) in parts.iter().zip(["one.safetensors", "two.safetensors"]) {
            save(&directory.path().join(name), tensors);
        }
        std::fs::write(directory.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
    };
    let (one, two) = published.tensors.split_at(7);
    let map: serde_json::Map<String, Value> = published
        .tensors
        .iter()
        .enumerate()
        .map(|(i, (name, ..))| (name.clone(), json!(if i < 7 { "one.safetensors" } else { "two.safetensors" })))
        .collect();
    write([one, two], json!({ "metadata": {}, "weight_map": map }));
    let mut together = import(Template::Vit, directory.path(), &Options::default()).unwrap().tensors;
    let names: Vec<String> = together.listing().keys().cloned().collect();
    let joined = directory.path().join("joined.safetensors");
    together.save(&names, &joined).unwrap();
    let mut joined = mpcc_import::tensors::Tensors::open(&joined).unwrap();
    assert_eq!(joined.listing().len(), published.tensors.len());
    for (name, _, data) in &published.tensors {
        let data: Vec<f64> = data.iter().map(|v| f64::from(*v)).collect();
        assert_eq!(joined.values(name).unwrap(), Some(data));
    }

    let refused = |parts, index, said: &str| {
        write(parts, index);
        let message = import(Template::Vit, directory.path(), &Options::default()).unwrap_err().to_string();
        assert!(message.contains("index.json") && message.contains(said), "{message}");
    };
    refused(
        [one, one],
        json!({ "weight_map": { "a": "one.safetensors", "b": "two.safetensors" } }),
        "is in `two.safetensors` and in",
    );
    refused([one, two], json!({ "weight_map": { "a": "one.safetensors" } }), "`a` is in none");
    refused([one, two], json!({ "weight_map": { "a": "../one.safetensors" } }), "beside the index");
    refused([one, two], json!({ "weights": {} }), "weight_map");
}
