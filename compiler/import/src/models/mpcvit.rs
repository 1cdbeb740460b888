//! MPCViT, MPCViT+ and the ViT-Lite of Compact-Transformers, from their state dicts.
//!
//! The binary architecture parameters α (which attention) and β (whether GeLU stays) become plans of the model file.

use std::path::Path;

use super::fill::{Fill, numbers};
use super::plans::{self, Unit};
use super::{ImportError, Imported, Options, Shapes};
use crate::tensors::Tensors;

const TEMPLATE: &str = include_str!("templates/mpcvit.mpv.in");

/// Tensors that such state dicts hold and that no inference uses, and why.
const UNUSED: [(&str, &str); 11] = [
    ("classifier.blocks.*.self_attn.alpha", "became the plan ATTN"),
    ("classifier.blocks.*.beta", "became the plans ACT and POST"),
    ("classifier.blocks.*.self_attn.E", "the projection of an unused Linformer"),
    ("classifier.blocks.*.self_attn.qkv_expand.*", "of a teacher in training"),
    ("classifier.blocks.*.self_attn.proj_expand.*", "of a teacher in training"),
    ("classifier.blocks.*.self_attn.dw_conv.*", "of a teacher in training"),
    ("classifier.blocks.*.self_attn.W", "of a teacher in training"),
    ("classifier.blocks.*.self_attn.kernel_*", "of a teacher in training"),
    ("classifier.blocks.*.linear_expand.*", "of a teacher in training"),
    ("classifier.blocks.*.fc_expand.*", "of a teacher in training"),
    ("classifier.fc_expand.*", "of a teacher in training"),
];

/// Images that networks of the paper are trained on.
struct DataSet {
    name: &'static str,
    classes: usize,
    /// Width and height in pixels.
    img: usize,
    /// By channel, of the training images.
    mean: [f64; 3],
    std: [f64; 3],
}

const DATA_SETS: [DataSet; 3] = [
    DataSet { name: "CIFAR-10", classes: 10, img: 32, mean: [0.4914, 0.4822, 0.4465], std: [0.2470, 0.2435, 0.2616] },
    DataSet { name: "CIFAR-100", classes: 100, img: 32, mean: [0.5071, 0.4867, 0.4408], std: [0.2675, 0.2565, 0.2761] },
    DataSet { name: "Tiny-ImageNet", classes: 200, img: 64, mean: [0.480, 0.448, 0.397], std: [0.272, 0.265, 0.274] },
];

/// Sizes of a network.
struct Sizes {
    layers: usize,
    dim: usize,
    hidden: usize,
    channels: usize,
    patch: usize,
    img: usize,
    tokens: usize,
    classes: usize,
}

pub(super) fn import(from: &Path, options: &Options) -> Result<Imported, ImportError> {
    let mut notes = Vec::new();
    let mut tensors = super::opened(from, &["tokenizer.conv_layers.0.0.weight"], &mut notes)?;
    let listing = tensors.listing().clone();
    let shapes = Shapes { path: from, listing: &listing };
    let sizes = sizes(&shapes)?;
    let block = |i: usize| format!("classifier.blocks.{i}");
    let given = options.heads;
    let of_heads = |shape: &[usize]| match *shape {
        [1, 1, n, 1] if n == sizes.tokens && n > 1 => Some(Unit::Row),
        [1, h, 1, 1] if h > 1 || given == Some(1) => Some(Unit::Head),
        _ => layer_wise(shape),
    };
    let of_tokens = |shape: &[usize]| match *shape {
        [1, n, 1] if n == sizes.tokens && n > 1 => Some(Unit::Row),
        _ => layer_wise(shape),
    };
    let alpha = |i| format!("{}.self_attn.alpha", block(i));
    let alpha = plans::read(&mut tensors, &shapes, sizes.layers, alpha, of_heads)?;
    let beta = plans::read(&mut tensors, &shapes, sizes.layers, |i| format!("{}.beta", block(i)), of_tokens)?;
    let read = alpha.as_ref().filter(|a| a.unit == Unit::Head).and_then(|a| a.layers.first()).map(Vec::len);
    let heads = match (read, given) {
        (Some(read), Some(given)) if read != given => {
            return Err(shapes.unsupported(format!("`alpha` is for {read} heads, and --heads says {given}")));
        }
        (read, given) => read.or(given).ok_or_else(|| {
            shapes.unsupported("the number of heads is in no shape of these tensors: give it with --heads")
        })?,
    };
    if heads == 0 || !sizes.dim.is_multiple_of(heads) {
        return Err(shapes.unsupported(format!("{heads} heads do not divide the width {}", sizes.dim)));
    }

    let mut fill = Fill::default();
    let title = match (&alpha, &beta) {
        (_, Some(_)) => "MPCViT+",
        (Some(_), None) => "MPCViT",
        (None, None) => "ViT-Lite",
    };
    fill.value("TITLE", title);
    fill.value("LAYERS", sizes.layers);
    fill.value("HEADS", heads);
    fill.value("DIM", sizes.dim);
    fill.value("HIDDEN", sizes.hidden);
    fill.value("CHANNELS", sizes.channels);
    fill.value("PATCH", sizes.patch);
    fill.value("IMG", sizes.img);
    fill.value("CLASSES", sizes.classes);
    fill.flag("alpha", alpha.is_some());
    if let Some(alpha) = &alpha {
        let (kind, entries) = alpha.plan("relu_softmax", "scaling");
        let (ones, count) = alpha.count();
        fill.value("ATTN_KIND", kind);
        fill.value("ATTN", entries);
        fill.value("ALPHA_UNIT", unit_word(alpha.unit));
        fill.value("ALPHA_ONES", ones);
        fill.value("ALPHA_COUNT", count);
    }
    fill.flag("beta", beta.is_some());
    if let Some(beta) = &beta {
        let (kind, entries) = beta.plan("gelu", "keep");
        let (ones, count) = beta.count();
        fill.value("ACT_KIND", kind);
        fill.value("ACT", entries);
        fill.value("POST", beta.plan("keep", "relu").1);
        fill.value("POST_NONE", beta.plan("keep", "keep").1);
        fill.value("BETA_UNIT", unit_word(beta.unit));
        fill.value("BETA_ONES", ones);
        fill.value("BETA_COUNT", count);
    }
    let (mean, std) = normalisation(&tensors, &sizes, &mut notes);
    fill.value("MEAN", numbers(&mean));
    fill.value("STD", numbers(&std));
    if beta.is_some() {
        notes.push(
            "tokens without GeLU get a ReLU after the second linear layer, as in the authors' code; for a network \
             trained without it use the plan POST_NONE"
                .to_owned(),
        );
    }
    let unused = UNUSED.iter().map(|(pattern, why)| ((*pattern).to_owned(), *why)).collect();
    let (text, layers) = (fill.apply(TEMPLATE)?, "classifier.blocks.".to_owned());
    Ok(Imported { text, tensors, notes, files: vec![], layers, unused })
}

fn sizes(shapes: &Shapes<'_>) -> Result<Sizes, ImportError> {
    let conv = "tokenizer.conv_layers.0.0.weight";
    let [dim, channels, patch, width] = shapes.extents(conv, "of the shape [width, channels, patch, patch]")?;
    let positions = shapes.extents("classifier.positional_emb", "of the shape [1, tokens, width]")?;
    let [_, tokens, _]: [usize; 3] = positions;
    let [classes, _] = shapes.extents("classifier.fc.weight", "of the shape [classes, width]")?;
    let layers = shapes.layers(|i| format!("classifier.blocks.{i}.linear1.weight"));
    let [hidden, _] = shapes.extents("classifier.blocks.0.linear1.weight", "of the shape [hidden, width]")?;
    if shapes.listing.keys().any(|name| name.starts_with("classifier.attention_pool.")) {
        return Err(
            shapes.unsupported("`classifier.attention_pool` pools the tokens, and only class tokens are supported")
        );
    }
    let grid = (tokens - 1).isqrt();
    if patch != width || grid * grid + 1 != tokens {
        return Err(shapes.unsupported(format!(
            "{} patches of {patch} by {width} pixels and a class token are no square image of square patches",
            tokens - 1
        )));
    }
    Ok(Sizes { layers, dim, hidden, channels, patch, img: grid * patch, tokens, classes })
}

/// One number for the layer, in any of the ways that it is written.
fn layer_wise(shape: &[usize]) -> Option<Unit> {
    shape.iter().all(|extent| *extent == 1).then_some(Unit::Layer)
}

fn unit_word(unit: Unit) -> &'static str {
    match unit {
        Unit::Layer => "layer",
        Unit::Head => "head",
        Unit::Row => "token",
    }
}

/// Mean and deviation by channel: from the options saved with the network, or those of the data set that its sizes
/// speak for.
fn normalisation(tensors: &Tensors, sizes: &Sizes, notes: &mut Vec<String>) -> (Vec<f64>, Vec<f64>) {
    let fits = |(mean, std): &&(Vec<f64>, Vec<f64>)| {
        mean.len() == sizes.channels && std.len() == sizes.channels && std.iter().all(|s| *s > 0.0)
    };
    if let Some((mean, std)) = tensors.normalisation().filter(fits) {
        return (mean.clone(), std.clone());
    }
    let sizes_fit = |set: &&DataSet| (set.classes, set.img, 3) == (sizes.classes, sizes.img, sizes.channels);
    match DATA_SETS.iter().find(sizes_fit) {
        Some(set) => {
            let name = set.name;
            notes.push(format!("the images are normalised by mean and deviation of {name}, which its sizes speak for"));
            (set.mean.to_vec(), set.std.to_vec())
        }
        None => {
            notes.push("no file says how images are normalised: mean 0.5 and deviation 0.5 are assumed".to_owned());
            (vec![0.5; sizes.channels], vec![0.5; sizes.channels])
        }
    }
}
