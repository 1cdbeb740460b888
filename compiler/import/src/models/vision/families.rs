//! Hugging Face's families of vision transformers: names of tensors, and heads.

use super::{Config, Fill, ImportError, Shapes};
use crate::models::leftover::Unused;

/// The table that a bias by relative position is made of, relative to a layer.
pub(super) const RELATIVE_TABLE: &str = "attention.attention.relative_position_bias.relative_position_bias_table";

/// A family of Hugging Face's.
#[derive(Debug)]
pub(in crate::models) struct Family {
    pub(super) title: &'static str,
    pub(super) name: &'static str,
    /// `model_type` of its configurations.
    pub(super) types: &'static [&'static str],
    /// What names begin with where a head stands beside the encoder.
    pub(super) root: &'static str,
    /// Norms before attention and before the linear layers.
    pub(super) norms: (&'static str, &'static str),
    /// The two linear layers.
    linear: (&'static str, &'static str),
    /// Factors of what is added to the residual stream.
    scales: (&'static str, &'static str),
    pub(super) distilled: bool,
    pub(super) eps: f64,
}

pub(in crate::models) const VIT: Family = Family {
    title: "ViT",
    name: "Vit",
    types: &["vit"],
    root: "vit",
    norms: ("layernorm_before", "layernorm_after"),
    linear: ("intermediate.dense", "output.dense"),
    scales: ("", ""),
    distilled: false,
    eps: 1e-12,
};

pub(in crate::models) const DEIT: Family =
    Family { title: "DeiT", name: "Deit", types: &["deit"], root: "deit", distilled: true, ..VIT };

pub(in crate::models) const DINOV2: Family = Family {
    title: "DINOv2",
    name: "Dinov2",
    types: &["dinov2"],
    root: "dinov2",
    norms: ("norm1", "norm2"),
    linear: ("mlp.fc1", "mlp.fc2"),
    scales: ("layer_scale1.lambda1", "layer_scale2.lambda1"),
    eps: 1e-6,
    ..VIT
};

pub(in crate::models) const BEIT: Family =
    Family { title: "BEiT", name: "Beit", types: &["beit"], root: "beit", scales: ("lambda_1", "lambda_2"), ..VIT };

pub(in crate::models) const MAE: Family =
    Family { title: "the encoder of ViT-MAE", name: "Mae", types: &["vit_mae"], root: "vit", ..VIT };

/// Names of the tensors of a network; those of a layer are relative to it, and what is not there is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// The layer itself, `{i}` for its number.
    pub(super) layer: String,
    pub(super) norms: (String, String),
    /// Query, key and value in one, if they are.
    pub(super) fused: String,
    pub(super) out: String,
    pub(super) up: String,
    pub(super) down: String,
    pub(super) scales: (String, String),
    pub(super) conv: String,
    pub(super) class: String,
    pub(super) distillation: String,
    pub(super) positions: String,
    /// The norm of all tokens after the layers.
    pub(super) norm: String,
    /// The norm of the tokens' mean.
    pub(super) mean_norm: String,
    pub(super) classifier: String,
    pub(super) second: String,
}

impl Names {
    /// Those of a family, with `root` before what belongs to the encoder.
    pub(super) fn hugging_face(family: &Family, root: &str, shapes: &Shapes<'_>) -> Self {
        let own = |name: &str| name.to_owned();
        let of = |name: &str| format!("{root}{name}");
        let two = shapes.has("cls_classifier.weight");
        Self {
            layer: of("encoder.layer.{i}"),
            norms: (own(family.norms.0), own(family.norms.1)),
            fused: String::new(),
            out: own("attention.output.dense"),
            up: own(family.linear.0),
            down: own(family.linear.1),
            scales: (own(family.scales.0), own(family.scales.1)),
            conv: of("embeddings.patch_embeddings.projection"),
            class: of("embeddings.cls_token"),
            distillation: if family.distilled { of("embeddings.distillation_token") } else { String::new() },
            positions: of("embeddings.position_embeddings"),
            norm: of("layernorm"),
            mean_norm: of("pooler.layernorm"),
            classifier: own(if two { "cls_classifier" } else { "classifier" }),
            second: own("distillation_classifier"),
        }
    }
}

/// How the last layer's tokens become what the network gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A classifier of the class token.
    One,
    /// The mean of classifiers of the class token and of the distillation token.
    Two,
    /// A classifier of the mean of the patches, which are normed afterwards.
    Mean,
    /// A classifier of the mean of all tokens but the class token, normed before.
    NormedMean,
    /// A classifier of the class token beside the mean of the patches.
    Both,
    /// All tokens.
    Hidden,
}

/// The head that the configuration names.
pub(super) fn head(
    family: &Family,
    config: &Config,
    shapes: &Shapes<'_>,
    root: &str,
    notes: &mut Vec<String>,
) -> Result<Head, ImportError> {
    let architecture = config.architecture();
    let two = shapes.has("cls_classifier.weight");
    let classifies = match architecture {
        None => two || shapes.has("classifier.weight"),
        Some(name) if name.ends_with("ForImageClassificationWithTeacher") => true,
        Some(name) if name.ends_with("ForImageClassification") => true,
        Some(name) if name.ends_with("Model") || family.types == MAE.types || name.ends_with("Backbone") => {
            if family.types == MAE.types {
                notes.push("the model reads all patches, as for fine-tuning; the decoder is left out".to_owned());
            }
            false
        }
        Some(other) => {
            return Err(config.unsupported(format!(
                "the network is a `{other}`, and only classifiers of images and plain encoders can be imported"
            )));
        }
    };
    Ok(match () {
        () if !classifies => Head::Hidden,
        () if two => Head::Two,
        () if family.types == DINOV2.types => Head::Both,
        () if shapes.has(&format!("{root}pooler.layernorm.weight")) => Head::Mean,
        () => Head::One,
    })
}

impl Head {
    /// The classifier whose rows are the classes, if there is one.
    pub(super) fn classes(self, names: &Names) -> Option<&str> {
        (self != Head::Hidden).then_some(names.classifier.as_str())
    }

    /// Puts the head into the template.
    pub(super) fn fill(
        self,
        names: &Names,
        shapes: &Shapes<'_>,
        labels: &str,
        fill: &mut Fill,
    ) -> Result<(), ImportError> {
        let norm = if self == Head::Mean { &names.mean_norm } else { &names.norm };
        let normed = shapes.has(&format!("{norm}.weight"));
        fill.flag("normed", normed);
        fill.value("NORM", norm);
        fill.flag("classes", self != Head::Hidden);
        fill.flag("two_heads", self == Head::Two);
        fill.value("CLASSIFIER", &names.classifier);
        fill.value("SECOND", &names.second);
        fill.value("FEATURES", if self == Head::Both { "2 * DIM" } else { "DIM" });
        if let Some(classifier) = self.classes(names) {
            let [classes, _] = shapes.extents(&format!("{classifier}.weight"), "of the shape [classes, width]")?;
            fill.value("CLASSES", classes);
        }
        let normed_of = |what: &str| match normed {
            true => format!("layernorm({what}, nf_g, nf_b, eps: EPS)"),
            false => what.to_owned(),
        };
        let mean = |what: &str| format!("mean(transpose({what}[1..TOKENS]))[.., 0]");
        let all = format!("  let y = {};\n", normed_of("x"));
        let logits = |of: &str| format!("  output logits: reveal client Tensor<CLASSES> = {of}{labels};");
        fill.value(
            "OUTPUT",
            match self {
                Head::One => all + &logits("linear(y[0], c_w, c_b)"),
                Head::Two => {
                    all + "  let c = linear(y[0], c_w, c_b);\n  let d = linear(y[1], d_w, d_b);\n\n\
                           \x20 /// The mean of what the two classifiers say.\n"
                        + &logits("(c + d) / 2")
                }
                Head::Mean => format!("  let y = {};\n", normed_of(&mean("x"))) + &logits("linear(y, c_w, c_b)"),
                Head::NormedMean => all + &logits(&format!("linear({}, c_w, c_b)", mean("y"))),
                Head::Both => {
                    all + &format!("  let patches = {};\n", mean("y"))
                        + &logits("linear(concat(y[0], patches, axis: 0), c_w, c_b)")
                }
                Head::Hidden => {
                    all + "\n  /// A row for each token, the class token first.\n\
                           \x20 output hidden: reveal client Tensor<TOKENS, DIM> = y;"
                }
            },
        );
        Ok(())
    }
}

/// Tensors of such networks that no inference uses.
pub(super) fn unused(root: &str) -> Vec<Unused> {
    vec![
        (format!("{root}embeddings.mask_token"), "of the training before"),
        (format!("{root}pooler.*"), "the classifier reads the tokens themselves"),
        (format!("{root}encoder.layer.*.{RELATIVE_TABLE}"), "became biases by relative position"),
        (format!("{root}encoder.layer.*.relative_position_index"), "positions in a table"),
        ("decoder.*".to_owned(), "the decoder of the training before"),
        ("lm_head.*".to_owned(), "the head of the training before"),
    ]
}
