//! A stack of `nn.TransformerEncoderLayer`, from a state dict: vectors of tokens in, vectors of tokens out.

use std::path::Path;

use super::fill::Fill;
use super::{ImportError, Imported, Options, Shapes, opened};

const TEMPLATE: &str = include_str!("templates/encoder.mpv.in");

/// Tokens that the model reads unless another length is asked for.
const LENGTH: usize = 128;

pub(super) fn import(from: &Path, options: &Options) -> Result<Imported, ImportError> {
    let mut notes = Vec::new();
    let first = "layers.0.self_attn.in_proj_weight";
    let tensors = opened(from, &[first], &mut notes)?;
    let listing = tensors.listing().clone();
    let shapes = Shapes { path: tensors.path(), listing: &listing };
    let [_, dim] = shapes.extents(first, "of the shape [3 width, width]")?;
    let [hidden, _] = shapes.extents("layers.0.linear1.weight", "of the shape [hidden, width]")?;
    let heads = options.heads.ok_or_else(|| {
        shapes.unsupported(
            "the number of heads is in no shape of these tensors: give it with --heads, as `nhead` was given",
        )
    })?;
    if heads == 0 || !dim.is_multiple_of(heads) {
        return Err(shapes.unsupported(format!("{heads} heads do not divide the width {dim}")));
    }
    if !shapes.has("layers.0.self_attn.in_proj_bias") {
        return Err(shapes.unsupported("its layers have no biases, which cannot be imported"));
    }
    let mut fill = Fill::default();
    fill.value("LAYERS", shapes.layers(|i| format!("layers.{i}.self_attn.in_proj_weight")));
    fill.value("HEADS", heads);
    fill.value("DIM", dim);
    fill.value("HIDDEN", hidden);
    fill.value("SEQ", options.length.unwrap_or(LENGTH));
    fill.flag("norm", shapes.has("norm.weight"));
    fill.flag("first", options.norm_first);
    let order = if options.norm_first { "" } else { "a norm after each part (--norm-first says before), " };
    notes.push(format!(
        "a state dict does not say how its layers were made: PyTorch's defaults are assumed, {order}ReLU (`--set act=gelu` for \
         another) and `layer_norm_eps` 1e-5 (`--set EPS=…`)"
    ));
    Ok(Imported {
        text: fill.apply(TEMPLATE)?,
        tensors,
        notes,
        files: vec![],
        layers: "layers.".to_owned(),
        unused: vec![],
    })
}
