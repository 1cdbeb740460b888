//! Vision transformers from state dicts: timm's, which may lie beside a `config.json` of its own, and torchvision's.

use std::path::Path;

use serde_json::Value;

use super::families::{Head, Names};
use super::pixels::{Pixels, Sizing};
use super::{Config, Network, activation, families, opened};
use crate::models::{ImportError, Imported, Options, Shapes};

const IMAGENET: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

/// What timm's `config.json` says, where there is one.
#[derive(Debug, Default)]
struct Timm {
    mean: Option<Vec<f64>>,
    std: Option<Vec<f64>>,
    filter: Option<&'static str>,
    crop: Option<f64>,
    size: Option<(usize, usize)>,
    mean_pooled: bool,
    notes: Option<String>,
}

/// Filters that both know, by timm's name.
const FILTERS: [(&str, &str); 4] =
    [("bicubic", "bicubic"), ("bilinear", "bilinear"), ("nearest", "nearest"), ("lanczos", "lanczos")];

fn timm(from: &Path) -> Result<Timm, ImportError> {
    let Some(config) = from.is_dir().then(|| Config::read_if_there(from, "config.json")).transpose()?.flatten() else {
        return Ok(Timm::default());
    };
    config.skip(&[
        "architecture",
        "num_classes",
        "num_features",
        "global_pool",
        "pretrained_cfg",
        "label_names",
        "label_descriptions",
    ]);
    if config.get("model_args").and_then(Value::as_object).is_some_and(|arguments| !arguments.is_empty()) {
        return Err(
            config.unsupported("`model_args` changes the network, which is not followed: save it as one of timm's own")
        );
    }
    let inside = config.get("pretrained_cfg").cloned().unwrap_or(Value::Null);
    let list = |key: &str| -> Option<Vec<f64>> { inside.get(key)?.as_array()?.iter().map(Value::as_f64).collect() };
    let size = list("input_size").filter(|size| size.len() == 3).map(|size| (size[1] as usize, size[2] as usize));
    let named = inside.get("interpolation").and_then(Value::as_str);
    let filter = match named {
        None => None,
        Some(name) => Some(
            FILTERS
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, filter)| *filter)
                .ok_or_else(|| config.unsupported(format!("`interpolation` is `{name}`, which is not known")))?,
        ),
    };
    if let Some(mode) = inside.get("crop_mode").and_then(Value::as_str).filter(|mode| *mode != "center") {
        return Err(config.unsupported(format!("`crop_mode` is `{mode}`, and only `center` is supported")));
    }
    let mean_pooled = match config.text("global_pool") {
        None | Some("token") => false,
        Some("avg") => true,
        Some(other) => {
            return Err(
                config.unsupported(format!("`global_pool` is `{other}`, and only `token` and `avg` are supported"))
            );
        }
    };
    let (mean, std, crop) = (list("mean"), list("std"), inside.get("crop_pct").and_then(Value::as_f64));
    Ok(Timm { mean, std, filter, crop, size, mean_pooled, notes: config.unknown(&[]) })
}

pub(in crate::models) fn import_timm(from: &Path, options: &Options) -> Result<Imported, ImportError> {
    let said = timm(from)?;
    let mut notes: Vec<String> = said.notes.iter().cloned().collect();
    let tensors = opened(from, &["patch_embed.proj.weight"], &mut notes)?;
    let listing = tensors.listing().clone();
    let shapes = Shapes { path: tensors.path(), listing: &listing };
    let own = str::to_owned;
    let distilled = shapes.has("dist_token");
    let scaled = shapes.has("blocks.0.ls1.gamma");
    let names = Names {
        layer: own("blocks.{i}"),
        norms: (own("norm1"), own("norm2")),
        fused: own("attn.qkv"),
        out: own("attn.proj"),
        up: own("mlp.fc1"),
        down: own("mlp.fc2"),
        scales: if scaled { (own("ls1.gamma"), own("ls2.gamma")) } else { Default::default() },
        conv: own("patch_embed.proj"),
        class: own("cls_token"),
        distillation: if distilled { own("dist_token") } else { String::new() },
        positions: own("pos_embed"),
        norm: own("norm"),
        mean_norm: own("fc_norm"),
        classifier: own("head"),
        second: own("head_dist"),
    };
    for (name, what) in [("reg_token", "register tokens"), ("norm_pre.weight", "a norm before the layers")] {
        if shapes.has(name) {
            return Err(shapes.unsupported(format!("`{name}` belongs to {what}, which cannot be imported")));
        }
    }
    let mean_pooled = said.mean_pooled || shapes.has("fc_norm.weight");
    let head = match () {
        () if !shapes.has("head.weight") => Head::Hidden,
        () if distilled && shapes.has("head_dist.weight") => Head::Two,
        () if mean_pooled && shapes.has("fc_norm.weight") => Head::Mean,
        () if mean_pooled => Head::NormedMean,
        () => Head::One,
    };
    let kept = if distilled { 2 } else { 1 };
    let filter = said.filter.unwrap_or("bicubic");
    let imagenet = distilled;
    if said.mean.is_none() {
        let (mean, std) = if imagenet { ("ImageNet's", "deviation") } else { ("0.5", "deviation 0.5") };
        notes.push(format!(
            "no config.json of timm's says how pictures are prepared: a bicubic filter is assumed, and mean {mean} and {std}"
        ));
    }
    let default = if imagenet { (IMAGENET.0.to_vec(), IMAGENET.1.to_vec()) } else { (vec![0.5; 3], vec![0.5; 3]) };
    let normalised = (said.mean.unwrap_or(default.0), said.std.unwrap_or(default.1));
    let plan = Plan {
        title: "ViT of timm",
        name: "Vit",
        head,
        kept,
        normalised,
        filter,
        crop: said.crop.unwrap_or(0.9),
        size: said.size,
    };
    let text = plan.written(&names, &shapes, &tensors, options, &mut notes)?;
    let unused = vec![("head_dist.*".to_owned(), "of the training before")];
    Ok(Imported { text, tensors, notes, files: vec![], layers: "blocks.".to_owned(), unused })
}

pub(in crate::models) fn import_torchvision(from: &Path, options: &Options) -> Result<Imported, ImportError> {
    let mut notes = Vec::new();
    let tensors = opened(from, &["conv_proj.weight"], &mut notes)?;
    let listing = tensors.listing().clone();
    let shapes = Shapes { path: tensors.path(), listing: &listing };
    let own = str::to_owned;
    // Before torchvision 0.12 the two layers had names.
    let old = shapes.has("encoder.layers.encoder_layer_0.mlp.linear_1.weight");
    let (up, down) = if old { ("mlp.linear_1", "mlp.linear_2") } else { ("mlp.0", "mlp.3") };
    let names = Names {
        layer: own("encoder.layers.encoder_layer_{i}"),
        norms: (own("ln_1"), own("ln_2")),
        fused: own("self_attention.in_proj"),
        out: own("self_attention.out_proj"),
        up: own(up),
        down: own(down),
        conv: own("conv_proj"),
        class: own("class_token"),
        positions: own("encoder.pos_embedding"),
        norm: own("encoder.ln"),
        classifier: own("heads.head"),
        ..Names::default()
    };
    if shapes.has("heads.pre_logits.weight") {
        return Err(shapes.unsupported("`heads.pre_logits` is a layer before the classifier, which cannot be imported"));
    }
    let head = if shapes.has("heads.head.weight") { Head::One } else { Head::Hidden };
    notes.push(
        "pictures are prepared as for torchvision's own weights: the shorter side to 256 of 224 pixels by a bilinear filter, and \
         ImageNet's mean and deviation"
            .to_owned(),
    );
    let normalised = (IMAGENET.0.to_vec(), IMAGENET.1.to_vec());
    let plan = Plan {
        title: "ViT of torchvision",
        name: "Vit",
        head,
        kept: 1,
        normalised,
        filter: "bilinear",
        crop: 0.875,
        size: None,
    };
    let text = plan.written(&names, &shapes, &tensors, options, &mut notes)?;
    Ok(Imported {
        text,
        tensors,
        notes,
        files: vec![],
        layers: "encoder.layers.".to_owned(),
        unused: families::unused(""),
    })
}

/// What is known of a network from a state dict.
struct Plan {
    title: &'static str,
    name: &'static str,
    head: Head,
    /// Tokens that are no patches.
    kept: usize,
    normalised: (Vec<f64>, Vec<f64>),
    filter: &'static str,
    /// The part of the shorter side that is read.
    crop: f64,
    size: Option<(usize, usize)>,
}

impl Plan {
    fn written(
        self,
        names: &Names,
        shapes: &Shapes<'_>,
        tensors: &crate::tensors::Tensors,
        options: &Options,
        notes: &mut Vec<String>,
    ) -> Result<String, ImportError> {
        let [_, tokens, dim] = shapes.extents(&names.positions, "of the shape [1, tokens, width]")?;
        let conv = format!("{}.weight", names.conv);
        let [_, channels, patch, _] = shapes.extents(&conv, "of the shape [width, channels, patch, patch]")?;
        let grid = tokens.saturating_sub(self.kept).isqrt();
        let size = self.size.unwrap_or((grid * patch, grid * patch));
        if size.0 / patch * (size.1 / patch) + self.kept != tokens || grid == 0 {
            return Err(shapes.unsupported(format!(
                "{tokens} positions are not those of images of {} by {} pixels with patches of {patch} and {} other tokens: a variant \
                 that cannot be imported",
                size.0, size.1, self.kept
            )));
        }
        let heads = match options.heads {
            Some(heads) => heads,
            None if dim.is_multiple_of(64) => {
                notes.push(format!(
                    "{} heads of 64 entries are assumed, as all but the largest of these networks have: another number is said with \
                     --heads",
                    dim / 64
                ));
                dim / 64
            }
            None => {
                return Err(
                    shapes.unsupported("the number of heads is in no shape of these tensors: give it with --heads")
                );
            }
        };
        let layers =
            shapes.layers(|i| format!("{}.{}.weight", names.layer.replace("{i}", &i.to_string()), names.norms.0));
        let shorter = (size.0.min(size.1) as f64 / self.crop) as usize;
        let pixels = Pixels {
            size: Some(size),
            declared: Sizing::Shortest(shorter).declared(self.filter, size, true),
            scaled: "pixels / 255".to_owned(),
            normalised: (self.normalised.0.len() == channels).then_some(self.normalised),
        };
        let Some(act) = activation::named("gelu") else {
            return Err(ImportError::Template("gelu".to_owned()));
        };
        let (title, name, head) = (self.title, self.name, self.head);
        let network = Network { title, name, names, head, heads, layers, eps: 1e-6, act, size, labels: String::new() };
        super::written(&network, shapes, tensors, &pixels)
    }
}
