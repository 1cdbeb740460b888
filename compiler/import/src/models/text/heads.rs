//! What a text encoder gives: labels of a text or of its tokens, an answer's place, or vectors.

use super::{Config, Family, Fill, ImportError, Shapes, labels};
use crate::models::labels::Meaning;
use crate::models::leftover::Unused;

/// What stands after the layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A classifier of the whole text.
    Sequence,
    /// A classifier of every token.
    Tokens,
    /// Where an answer begins and ends.
    Answer,
    /// The first token after a linear layer and tanh.
    Pooled,
    /// Every token's vector.
    Hidden,
    /// One vector for the text: the mean of its tokens, or the first, of length 1 if `unit`.
    Sentence { mean: bool, unit: bool },
}

/// Architectures without a head of their own, or with one of the training before.
const BARE: [&str; 6] =
    ["Model", "ForPreTraining", "ForMaskedLM", "ForNextSentencePrediction", "LMHeadModel", "ForCausalLM"];

/// The head that the configuration names, or that the tensors speak for.
pub(super) fn of(
    family: &Family,
    config: &Config,
    shapes: &Shapes<'_>,
    root: &str,
    notes: &mut Vec<String>,
) -> Result<Head, ImportError> {
    let has = |name: &str| shapes.has(&format!("{name}.weight"));
    let pooled = !family.pooler.is_empty() && has(&format!("{root}{}", family.pooler));
    let bare = if pooled { Head::Pooled } else { Head::Hidden };
    let Some(architecture) = config.architecture() else {
        return Ok(match () {
            () if has("qa_outputs") => Head::Answer,
            () if has(family.last) && has(family.classifier.0) => Head::Sequence,
            () if has("classifier") => Head::Tokens,
            () => bare,
        });
    };
    if architecture.ends_with("ForSequenceClassification") {
        return Ok(Head::Sequence);
    }
    if architecture.ends_with("ForTokenClassification") {
        return Ok(Head::Tokens);
    }
    if architecture.ends_with("ForQuestionAnswering") {
        return Ok(Head::Answer);
    }
    if BARE.iter().any(|end| architecture.ends_with(end)) {
        if !architecture.ends_with("Model") || architecture.ends_with("LMHeadModel") {
            let gives = if pooled { "the pooled first token" } else { "the vectors of its tokens" };
            notes.push(format!("the network is a `{architecture}`: its head is left out, and the model gives {gives}"));
        }
        return Ok(bare);
    }
    Err(config.unsupported(format!(
        "the network is a `{architecture}`, and only classifiers of texts and of tokens, question answering and plain encoders can \
         be imported"
    )))
}

/// Puts the head into the template.
pub(super) fn fill(
    head: &Head,
    family: &Family,
    config: &Config,
    shapes: &Shapes<'_>,
    root: &str,
    fill: &mut Fill,
    notes: &mut Vec<String>,
) -> Result<(), ImportError> {
    let (pooler, function) = match head {
        Head::Sequence => (family.classifier.0.to_owned(), family.classifier.1),
        Head::Pooled => (format!("{root}{}", family.pooler), "tanh"),
        _ => (String::new(), ""),
    };
    fill.flag("pooler", !pooler.is_empty());
    fill.value("POOLER", &pooler);
    let classifier = match head {
        Head::Sequence => family.last,
        Head::Tokens => "classifier",
        Head::Answer => "qa_outputs",
        Head::Pooled | Head::Hidden | Head::Sentence { .. } => "",
    };
    fill.flag("classes", !classifier.is_empty());
    fill.value("CLASSIFIER", classifier);
    let mut given = String::new();
    let mut named = (Meaning::Numbers, String::new());
    if !classifier.is_empty() {
        let [classes, _] = shapes.extents(&format!("{classifier}.weight"), "of the shape [classes, width]")?;
        fill.value("CLASSES", classes);
        if *head != Head::Answer {
            let meaning = if *head == Head::Tokens { Meaning::One } else { labels::meaning(config, classes) };
            let (text, note) = labels::text(config, classes, meaning);
            notes.extend(note);
            named = (meaning, text);
        }
    }
    let pooled = format!("  let pooled = {function}(linear(x[0], p_w, p_b));\n");
    match head {
        Head::Sequence => {
            given += &pooled;
            let (name, doc) = match named.0 {
                Meaning::One => ("logits", ""),
                Meaning::Several => ("logits", "\n  /// Each label holds where its entry is above 0.\n"),
                Meaning::Numbers => ("score", "\n  /// A regression: the numbers themselves.\n"),
            };
            given += doc;
            given += &format!("  output {name}: reveal client Tensor<CLASSES> = linear(pooled, c_w, c_b){};", named.1);
        }
        Head::Tokens => {
            given += "\n  /// A row for each token, padding among them.\n";
            given += &format!("  output logits: reveal client Tensor<SEQ, CLASSES> = linear(x, c_w, c_b){};", named.1);
        }
        Head::Answer => {
            given += "  let ends = transpose(linear(x, c_w, c_b));\n\n";
            given += "  /// How well an answer begins at each token.\n  output start: reveal client Tensor<SEQ> = ends[0];\n\n";
            given += "  /// How well it ends there.\n  output end: reveal client Tensor<SEQ> = ends[1];";
        }
        Head::Pooled => {
            given += &pooled;
            given += "\n  /// The first token after a linear layer and tanh; classifiers read this.\n";
            given += "  output pooled: reveal client Tensor<DIM> = pooled;";
        }
        Head::Hidden => {
            given += "\n  /// A row for each token, padding among them.\n";
            given += "  output hidden: reveal client Tensor<SEQ, DIM> = x;";
        }
        Head::Sentence { mean, unit } => {
            let vector = if *mean { "mean_masked(x, mask)" } else { "x[0]" };
            let vector = if *unit { format!("unit({vector})") } else { vector.to_owned() };
            given += "\n  /// The text as one vector; texts that mean the same lie close together.\n";
            given += &format!("  output embedding: reveal client Tensor<DIM> = {vector};");
        }
    }
    fill.value("OUTPUT", given);
    Ok(())
}

/// Tensors of such networks that no inference uses.
pub(super) fn unused(root: &str, head: &Head) -> Vec<Unused> {
    let mut unused = vec![
        (format!("{root}embeddings.position_ids"), "0, 1, 2, …"),
        (format!("{root}embeddings.token_type_ids"), "zeros"),
        ("cls.*".to_owned(), "heads of the training before"),
        ("lm_head.*".to_owned(), "the head of the training before"),
        ("vocab_*".to_owned(), "the head of the training before"),
        ("predictions.*".to_owned(), "heads of the training before"),
        ("sop_classifier.*".to_owned(), "the head of the training before"),
        ("discriminator_predictions.*".to_owned(), "the head of the training before"),
        ("generator_predictions.*".to_owned(), "the head of the training before"),
        ("generator_lm_head.*".to_owned(), "the head of the training before"),
        (format!("{root}encoder.relative_attention_bias.weight"), "became biases by distance"),
    ];
    if *head != Head::Pooled {
        unused.push((format!("{root}pooler.*"), "the head reads the tokens themselves"));
    }
    unused
}
