//! What happens to a picture before the network: its size, and the numbers that pixels become.

use std::path::Path;

use serde_json::Value;

use super::{Config, Fill, ImportError};
use crate::models::fill::{number, numbers};

/// Filters of PIL by number.
const FILTERS: [&str; 6] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];

/// What becomes of pixels.
#[derive(Clone, Debug)]
pub(super) struct Pixels {
    /// Height and width of what the network reads, where a file says them.
    pub(super) size: Option<(usize, usize)>,
    /// `preprocess pixels { … }`
    pub(super) declared: String,
    /// What pixels are multiplied by, as the language writes it.
    pub(super) scaled: String,
    /// Mean and deviation by channel.
    pub(super) normalised: Option<(Vec<f64>, Vec<f64>)>,
}

/// How a picture gets its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sizing {
    /// Not at all.
    Kept,
    /// To this height and width.
    To(usize, usize),
    /// The shorter side to so many pixels.
    Shortest(usize),
}

impl Sizing {
    /// The declaration for pictures that become `size`, with a filter's name.
    pub(super) fn declared(self, filter: &str, size: (usize, usize), crop: bool) -> String {
        let mut fields = Vec::new();
        match self {
            Sizing::Kept => {}
            Sizing::To(h, w) if (h, w) == size => fields.push("resize: [HEIGHT, WIDTH]".to_owned()),
            Sizing::To(h, w) => fields.push(format!("resize: [{h}, {w}]")),
            Sizing::Shortest(side) => fields.push(format!("shortest: {side}")),
        }
        if self != Sizing::Kept {
            fields.push(format!("filter: {filter}"));
        }
        if crop {
            fields.push("crop: centre".to_owned());
        }
        if fields.is_empty() { String::new() } else { format!("  preprocess pixels {{ {} }}\n", fields.join(", ")) }
    }
}

impl Pixels {
    /// Puts it into the template.
    pub(super) fn fill(&self, fill: &mut Fill) {
        fill.value("PREPROCESS", &self.declared);
        fill.value("SCALED", &self.scaled);
        fill.flag("normalised", self.normalised.is_some());
        let (mean, std) = self.normalised.clone().unwrap_or_default();
        fill.value("MEAN", numbers(&mean));
        fill.value("STD", numbers(&std));
    }
}

/// What `preprocessor_config.json` says for a network that reads images of `declared` height and width.
pub(super) fn read(
    from: &Path,
    channels: usize,
    declared: (usize, usize),
    notes: &mut Vec<String>,
) -> Result<Pixels, ImportError> {
    let Some(config) = Config::read_if_there(from, "preprocessor_config.json")? else {
        notes.push(
            "there is no preprocessor_config.json: pictures are assumed to be resized by a bilinear filter, and pixels to be \
             normalised by mean 0.5 and deviation 0.5"
                .to_owned(),
        );
        return Ok(Pixels {
            size: None,
            declared: Sizing::To(declared.0, declared.1).declared("bilinear", declared, false),
            scaled: "pixels / 255".to_owned(),
            normalised: Some((vec![0.5; channels], vec![0.5; channels])),
        });
    };
    config.skip(&[
        "image_processor_type",
        "feature_extractor_type",
        "do_convert_rgb",
        "data_format",
        "input_data_format",
    ]);
    let resized = config.flag("do_resize", config.get("size").is_some())?;
    let sizing = match config.get("size").filter(|_| resized) {
        None if resized => Sizing::To(declared.0, declared.1),
        None => Sizing::Kept,
        Some(value) => {
            size(value).ok_or_else(|| config.unsupported(format!("`size` is {value}, which is not understood")))?
        }
    };
    let crop = config.flag("do_center_crop", false)?;
    let cropped = match config.get("crop_size").filter(|_| crop) {
        None => None,
        Some(value) => match size(value) {
            Some(Sizing::To(h, w)) => Some((h, w)),
            _ => return Err(config.unsupported(format!("`crop_size` is {value}, which is not understood"))),
        },
    };
    let size = match (cropped, sizing) {
        (Some(size), _) => size,
        (None, Sizing::To(h, w)) if !crop => (h, w),
        _ => declared,
    };
    if let (false, Sizing::Shortest(side)) = (crop, sizing) {
        return Err(config.unsupported(format!(
            "pictures are resized so that the shorter side has {side} pixels and not cropped, so their size varies: set \
             `do_center_crop` and `crop_size`, or a `size` of `height` and `width`"
        )));
    }
    let filter = match config.get("resample") {
        None => "bilinear",
        Some(value) => value
            .as_u64()
            .and_then(|n| FILTERS.get(usize::try_from(n).ok()?).copied())
            .ok_or_else(|| config.unsupported(format!("`resample` is {value}, and filters are 0 to 5")))?,
    };
    let factor = config.real_or("rescale_factor", 1.0 / 255.0)?;
    let scaled = match config.flag("do_rescale", true)? {
        false => "pixels".to_owned(),
        true if (factor * 255.0 - 1.0).abs() < 1e-6 => "pixels / 255".to_owned(),
        true => format!("pixels * {}", number(factor)),
    };
    let mut normalised = None;
    if config.flag("do_normalize", true)? {
        let mean = config.numbers("image_mean", channels)?;
        let deviations = config.numbers("image_std", channels)?;
        if deviations.iter().any(|s| *s <= 0.0) {
            return Err(config.unsupported("`image_std` holds a number that is not positive"));
        }
        normalised = Some((mean, deviations));
    } else {
        config.skip(&["image_mean", "image_std"]);
    }
    if config.flag("do_flip_channel_order", false)? {
        return Err(config.unsupported("`do_flip_channel_order` is set, and channels are red, green and blue"));
    }
    config.skip(&["size", "crop_size", "resample"]);
    notes.extend(config.unknown(&["_processor_class"]));
    Ok(Pixels { size: Some(size), declared: sizing.declared(filter, size, crop), scaled, normalised })
}

/// A size: one number for both sides, `height` and `width`, or the shorter side.
fn size(value: &Value) -> Option<Sizing> {
    let side = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    if let Some(both) = side(value) {
        return Some(Sizing::To(both, both));
    }
    if let Some([height, width]) = value.as_array().map(Vec::as_slice) {
        return Some(Sizing::To(side(height)?, side(width)?));
    }
    match (value.get("height"), value.get("width"), value.get("shortest_edge")) {
        // Files that were converted twice hold the size where its height stands.
        (Some(nested @ Value::Object(_)), _, None) => size(nested),
        (Some(height), Some(width), None) => Some(Sizing::To(side(height)?, side(width)?)),
        (None, None, Some(shortest)) if value.get("longest_edge").is_none() => Some(Sizing::Shortest(side(shortest)?)),
        _ => None,
    }
}
