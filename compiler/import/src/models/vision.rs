//! ViT and DeiT for image classification, from Hugging Face directories.

use std::path::Path;

use super::config::{self, Config};
use super::fill::{Fill, number, numbers};
use super::{ImportError, Imported, Shapes};

const TEMPLATE: &str = include_str!("templates/vit.mpv.in");

/// A family of vision transformers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Vit,
    Deit,
}

/// How the last layer's tokens become logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// A classifier of the class token.
    One,
    /// The mean of classifiers of the class token and of the distillation token.
    Two,
}

/// What a configuration can ask for that the template lacks.
const REFUSED: [(&str, &str); 3] = [
    ("quantization_config", "quantised weights cannot be read"),
    ("pruned_heads", "heads that were cut off are not supported: save the network with them"),
    ("interpolate_pos_encoding", "positions are not interpolated"),
];

pub(super) fn import(family: Family, from: &Path) -> Result<Imported, ImportError> {
    let config = Config::read(from, "config.json")?;
    let root = match family {
        Family::Vit => "vit",
        Family::Deit => "deit",
    };
    config.expect_family(root)?;
    config.refuse(&REFUSED)?;
    let tensors = config::tensors(from)?;
    let listing = tensors.listing().clone();
    let shapes = Shapes { path: tensors.path(), listing: &listing };
    let head = match (family, config.architecture()) {
        (Family::Vit, None | Some("ViTForImageClassification"))
        | (Family::Deit, Some("DeiTForImageClassification")) => Head::One,
        (Family::Deit, Some("DeiTForImageClassificationWithTeacher")) => Head::Two,
        (Family::Deit, None) if shapes.has("cls_classifier.weight") => Head::Two,
        (Family::Deit, None) => Head::One,
        (_, Some(other)) => {
            return Err(config
                .unsupported(format!("the network is a `{other}`, and only classifiers of images can be imported")));
        }
    };
    let classifier = if head == Head::Two { "cls_classifier" } else { "classifier" };
    let [classes, _] = shapes.extents(&format!("{classifier}.weight"), "of the shape [classes, width]")?;

    let (dim, heads) = (config.whole("hidden_size")?, config.whole("num_attention_heads")?);
    if !dim.is_multiple_of(heads) {
        return Err(config.unsupported(format!("{heads} heads do not divide the width {dim}")));
    }
    let ((height, width), patch) = (config.pair("image_size")?, config.pair("patch_size")?);
    if patch.0 != patch.1 || !height.is_multiple_of(patch.0) || !width.is_multiple_of(patch.0) {
        return Err(config.unsupported(format!(
            "patches of {} by {} pixels do not divide images of {height} by {width} into squares",
            patch.0, patch.1
        )));
    }
    let channels = config.whole_or("num_channels", 3)?;
    let (activation, remark) = config.activation()?;
    let mut notes: Vec<String> = remark.into_iter().collect();

    let mut fill = Fill::default();
    let name = if family == Family::Deit { "Deit" } else { "Vit" };
    fill.value("NAME", name);
    fill.value("TITLE", if family == Family::Deit { "DeiT" } else { "ViT" });
    fill.value("ROOT", root);
    fill.value("LAYERS", config.whole("num_hidden_layers")?);
    fill.value("HEADS", heads);
    fill.value("DIM", dim);
    fill.value("HIDDEN", config.whole("intermediate_size")?);
    fill.value("PATCH", patch.0);
    fill.value("HEIGHT", height);
    fill.value("WIDTH", width);
    fill.value("CHANNELS", channels);
    fill.value("CLASSES", classes);
    fill.value("EPS", number(config.real("layer_norm_eps")?));
    fill.value("ACT", activation);
    fill.value("CLASSIFIER", classifier);
    fill.flag("distilled", family == Family::Deit);
    fill.flag("two_heads", head == Head::Two);
    fill.flag("qkv_bias", config.flag("qkv_bias", true)?);
    let labels = match config.labels(classes)? {
        None => String::new(),
        Some(labels) => {
            let (text, changed) = config::labels_text(&labels);
            if changed {
                notes.push("names of classes are written without quotation marks and line ends".to_owned());
            }
            text
        }
    };
    fill.value("LABELS", labels);
    pixels(from, channels, &mut fill, &mut notes)?;
    Ok(Imported { source: fill.apply(TEMPLATE)?, tensors, notes, files: vec![] })
}

/// What happens to pixels before the network.
fn pixels(from: &Path, channels: usize, fill: &mut Fill, notes: &mut Vec<String>) -> Result<(), ImportError> {
    let Some(config) = Config::read_if_there(from, "preprocessor_config.json")? else {
        notes.push(
            "there is no preprocessor_config.json: pixels are assumed to be normalised by mean 0.5 and deviation 0.5"
                .to_owned(),
        );
        fill.value("SCALED", "pixels / 255");
        fill.flag("normalised", true);
        fill.value("MEAN", numbers(&vec![0.5; channels]));
        fill.value("STD", numbers(&vec![0.5; channels]));
        return Ok(());
    };
    let factor = match config.get("rescale_factor") {
        None => 1.0 / 255.0,
        Some(_) => config.real("rescale_factor")?,
    };
    let scaled = match config.flag("do_rescale", true)? {
        false => "pixels".to_owned(),
        true if (factor * 255.0 - 1.0).abs() < 1e-6 => "pixels / 255".to_owned(),
        true => format!("pixels * {}", number(factor)),
    };
    fill.value("SCALED", scaled);
    let normalised = config.flag("do_normalize", true)?;
    fill.flag("normalised", normalised);
    if normalised {
        fill.value("MEAN", numbers(&config.numbers("image_mean", channels)?));
        let deviations = config.numbers("image_std", channels)?;
        if deviations.iter().any(|s| *s <= 0.0) {
            return Err(config.unsupported("`image_std` holds a number that is not positive"));
        }
        fill.value("STD", numbers(&deviations));
    }
    Ok(())
}
