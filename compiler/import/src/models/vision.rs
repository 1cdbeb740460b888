//! Vision transformers: Hugging Face's families from directories, timm's and torchvision's from state dicts.
//!
//! They differ in the names of tensors, in what stands beside the tokens and in how the last tokens become logits.

mod families;
mod fold;
mod pixels;
mod state_dict;

use std::path::Path;

use super::activation::{self, Activation};
use super::config::Config;
use super::fill::{Fill, number};
use super::{ImportError, Imported, Shapes, labels, opened};
use crate::tensors::Tensors;
use families::{Family, Head, Names};

pub(super) use families::{BEIT, DEIT, DINOV2, MAE, VIT};
pub(super) use state_dict::{import_timm, import_torchvision};

const TEMPLATE: &str = include_str!("templates/vision.mpv.in");

/// What a configuration can ask for that the template lacks.
const REFUSED: [(&str, &str); 6] = [
    ("quantization_config", "quantised weights cannot be read"),
    ("pruned_heads", "heads that were cut off are not supported: save the network with them"),
    (
        "interpolate_pos_encoding",
        "positions are interpolated for the size of preprocessor_config.json, not at each image",
    ),
    ("use_swiglu_ffn", "gated linear layers are not supported"),
    ("use_shared_relative_position_bias", "a relative position bias that layers share is not supported"),
    ("num_register_tokens", "register tokens are not supported"),
];

/// What a network is, whatever file it came from.
struct Network<'n> {
    title: &'static str,
    name: &'static str,
    names: &'n Names,
    head: Head,
    heads: usize,
    layers: usize,
    eps: f64,
    act: Activation,
    /// Height and width of images in pixels.
    size: (usize, usize),
    /// Labels behind the output, as the language writes them.
    labels: String,
}

pub(super) fn import(family: &Family, from: &Path) -> Result<Imported, ImportError> {
    let config = Config::read(from, "config.json")?;
    config.expect(family.types)?;
    config.refuse_set(&REFUSED)?;
    if family.types.contains(&"beit") && config.flag("use_relative_position_bias", false)? {
        config.skip(&["use_absolute_position_embeddings", "use_mask_token", "use_mean_pooling"]);
    }
    config.skip(&[
        "hidden_size",
        "intermediate_size",
        "mlp_ratio",
        "num_channels",
        "patch_size",
        "qkv_bias",
        "use_mask_token",
        "use_absolute_position_embeddings",
        "use_mean_pooling",
        "layer_norm_eps",
        "apply_layernorm",
        "reshape_hidden_states",
        "stage_names",
        "add_fpn",
        "pool_scales",
        "out_features",
        "out_indices",
        "use_auxiliary_head",
    ]);
    let mut notes = Vec::new();
    let conv = "embeddings.patch_embeddings.projection.weight";
    let mut tensors = opened(from, &[&format!("{}.{conv}", family.root), conv], &mut notes)?;
    let (listing, path) = (tensors.listing().clone(), tensors.path().to_owned());
    let shapes = Shapes { path: &path, listing: &listing };
    let root = if shapes.has(&format!("{}.{conv}", family.root)) { format!("{}.", family.root) } else { String::new() };
    let head = families::head(family, &config, &shapes, &root, &mut notes)?;
    let heads = config.whole("num_attention_heads")?;
    let counted = shapes.layers(|i| format!("{root}encoder.layer.{i}.{}.weight", family.norms.0));
    let layers = config.whole_or("num_hidden_layers", counted)?;
    let (act, remark) = activation::of(&config, "hidden_act", "gelu")?;
    notes.extend(remark);
    let declared = config.pair_or("image_size", (224, 224))?;
    let names = Names::hugging_face(family, &root, &shapes);
    let [dim, channels, patch] = patches(&shapes, &names, declared)?;
    if !dim.is_multiple_of(heads) {
        return Err(config.unsupported(format!("{heads} heads do not divide the width {dim}")));
    }
    let pixels = pixels::read(from, channels, declared, &mut notes)?;
    let size = pixels.size.unwrap_or(declared);
    if size != declared {
        fold::positions(&mut tensors, &names, (declared, size, patch), family.distilled)?;
        notes.push(format!(
            "images are {} by {} pixels, and the network was trained with {} by {}: its positions are interpolated, and written \
             with the weights beside the model",
            size.0, size.1, declared.0, declared.1
        ));
    }
    if shapes.has(&format!("{root}encoder.layer.0.{}", families::RELATIVE_TABLE)) {
        fold::places(&mut tensors, &root, layers, heads, (size.0 / patch, size.1 / patch))?;
        notes.push(
            "biases by relative position are made of their tables, and written with the weights beside the model"
                .to_owned(),
        );
    }
    let labels = match head.classes(&names) {
        None => String::new(),
        Some(classifier) => {
            let [classes, _] = shapes.extents(&format!("{classifier}.weight"), "of the shape [classes, width]")?;
            let (text, note) = labels::text(&config, classes, labels::meaning(&config, classes));
            notes.extend(note);
            text
        }
    };
    let eps = config.real_or("layer_norm_eps", family.eps)?;
    notes.extend(config.unknown(&[]));
    let (title, name) = (family.title, family.name);
    let network = Network { title, name, names: &names, head, heads, layers, eps, act, size, labels };
    let text = written(&network, &shapes, &tensors, &pixels)?;
    let layers = format!("{root}encoder.layer.");
    Ok(Imported { text, tensors, notes, files: vec![], layers, unused: families::unused(&root) })
}

/// Width, channels and side of patches, whose kernel may be stored flat.
fn patches(shapes: &Shapes<'_>, names: &Names, size: (usize, usize)) -> Result<[usize; 3], ImportError> {
    let name = format!("{}.weight", names.conv);
    let listed = shapes.listing.get(&name).map(|listed| listed.shape.as_slice());
    let (width, channels, (height, side)) = match *listed.unwrap_or_default() {
        [width, channels, height, side] if !listed.unwrap_or_default().contains(&0) => {
            (width, channels, (height, side))
        }
        // Patches of a flat kernel are taken as square and of three channels.
        [width, entries] if entries > 0 && entries % 3 == 0 => {
            let side = (entries / 3).isqrt();
            (width, 3, (side, entries / 3 / side.max(1)))
        }
        _ => shapes
            .extents::<4>(&name, "of the shape [width, channels, patch, patch]")
            .map(|[w, c, h, s]| (w, c, (h, s)))?,
    };
    if height != side || side == 0 || !size.0.is_multiple_of(side) || !size.1.is_multiple_of(side) {
        return Err(shapes.unsupported(format!(
            "patches of {height} by {side} pixels do not divide images of {} by {} into squares",
            size.0, size.1
        )));
    }
    Ok([width, channels, side])
}

/// The model file's text.
fn written(
    network: &Network<'_>,
    shapes: &Shapes<'_>,
    tensors: &Tensors,
    pixels: &pixels::Pixels,
) -> Result<String, ImportError> {
    let (names, head) = (network.names, &network.head);
    let [dim, channels, patch] = patches(shapes, names, network.size)?;
    let layer = |name: &str| format!("{}.{name}", names.layer.replace("{i}", "0"));
    let up = layer(&format!("{}.weight", names.up));
    let [hidden, _] = shapes.extents(&up, "of the shape [hidden, width]")?;
    if !dim.is_multiple_of(network.heads) {
        return Err(shapes.unsupported(format!("{} heads do not divide the width {dim}", network.heads)));
    }
    let mut fill = Fill::default();
    fill.value("TITLE", network.title);
    fill.value("NAME", network.name);
    fill.value("LAYERS", network.layers);
    fill.value("HEADS", network.heads);
    fill.value("DIM", dim);
    fill.value("HIDDEN", hidden);
    fill.value("PATCH", patch);
    fill.value("HEIGHT", network.size.0);
    fill.value("WIDTH", network.size.1);
    fill.value("CHANNELS", channels);
    fill.value("EPS", number(network.eps));
    fill.value("ACT", network.act.name);
    fill.value("FUNCTIONS", network.act.definition);
    for (name, value) in [
        ("N0", &names.norms.0),
        ("N1", &names.norms.1),
        ("QKV", &names.fused),
        ("O", &names.out),
        ("W1", &names.up),
        ("W2", &names.down),
        ("LAYER", &names.layer),
        ("CONV", &names.conv),
        ("CLS", &names.class),
        ("DIST", &names.distillation),
        ("POS", &names.positions),
        ("S0", &names.scales.0),
        ("S1", &names.scales.1),
    ] {
        fill.value(name, value);
    }
    fill.value("DOT", if names.fused.ends_with("in_proj") { "_" } else { "." });
    fill.value("RELATIVE", fold::PLACES);
    let has = |name: &str| tensors.listing().contains_key(&layer(name));
    let fused = !names.fused.is_empty();
    fill.flag("fused", fused);
    let fused_bias = if names.fused.ends_with("in_proj") { "_bias" } else { ".bias" };
    let qkv_bias = match fused {
        true => has(&format!("{}{fused_bias}", names.fused)),
        false => has("attention.attention.query.bias"),
    };
    fill.flag("qkv_bias", qkv_bias);
    fill.flag("key_bias", fused || has("attention.attention.key.bias"));
    fill.flag("relative", has(fold::PLACES));
    fill.flag("scaled_layers", !names.scales.0.is_empty() && has(&names.scales.0));
    let distilled = !names.distillation.is_empty() && shapes.has(&names.distillation);
    fill.flag("distilled", distilled);
    let positions = shapes.has(&names.positions);
    fill.flag("positions", positions);
    let tokens = if distilled { "concat(cls, dist, t, axis: 0)" } else { "concat(cls, t, axis: 0)" };
    fill.value("JOINED", if positions { format!("{tokens} + pos") } else { tokens.to_owned() });
    let flat = shapes.listing.get(&format!("{}.weight", names.conv)).is_some_and(|l| l.shape.len() == 2);
    fill.value("FLAT", if flat { format!(".reshape(DIM, {channels} * PATCH * PATCH)") } else { String::new() });
    head.fill(names, shapes, &network.labels, &mut fill)?;
    pixels.fill(&mut fill);
    fill.apply(TEMPLATE)
}
