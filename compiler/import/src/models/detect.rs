//! Which family a network is of, from its configuration or from the names of its tensors.

use std::path::Path;

use mpcc_compiler::shown::shown;

use super::config::Config;
use super::{ImportError, Template};
use crate::tensors::{Tensors, common_prefixes};

/// Families by `model_type`.
const TYPES: [(&str, Template); 13] = [
    ("vit", Template::Vit),
    ("deit", Template::Deit),
    ("dinov2", Template::Dinov2),
    ("beit", Template::Beit),
    ("vit_mae", Template::Mae),
    ("bert", Template::Bert),
    ("roberta", Template::Roberta),
    ("xlm-roberta", Template::Roberta),
    ("camembert", Template::Roberta),
    ("distilbert", Template::Distilbert),
    ("electra", Template::Electra),
    ("albert", Template::Albert),
    ("mpnet", Template::Mpnet),
];

/// Tensors that tell a state dict's family.
const SIGNS: [(&str, Template); 4] = [
    ("tokenizer.conv_layers.0.0.weight", Template::Mpcvit),
    ("patch_embed.proj.weight", Template::Timm),
    ("conv_proj.weight", Template::Torchvision),
    ("layers.0.self_attn.in_proj_weight", Template::Encoder),
];

/// Tensors of Hugging Face's families, which need a configuration.
const CONFIGURED: [(&str, Template); 9] = [
    ("distillation_token", Template::Deit),
    ("layer_scale1.lambda1", Template::Dinov2),
    ("lambda_1", Template::Beit),
    ("patch_embeddings.projection.weight", Template::Vit),
    ("q_lin.weight", Template::Distilbert),
    ("albert_layers.0.ffn.weight", Template::Albert),
    ("attention.attn.q.weight", Template::Mpnet),
    ("embeddings_project.weight", Template::Electra),
    ("attention.self.query.weight", Template::Bert),
];

/// The family of the network at `from`, a directory or a file.
///
/// # Errors
/// If it cannot be read, or is of no family that is known.
pub fn detect(from: &Path) -> Result<Template, ImportError> {
    let unsupported = |reason: String| ImportError::Unsupported { path: from.to_owned(), reason };
    let mut encoder = from.to_owned();
    if from.is_dir() && !from.join("config.json").exists() && from.join("0_Transformer/config.json").exists() {
        encoder = from.join("0_Transformer");
    }
    let config = if encoder.is_dir() { Config::read_if_there(&encoder, "config.json")? } else { None };
    if let Some(found) = config.as_ref().and_then(|config| config.text("model_type")) {
        return TYPES.iter().find(|(name, _)| *name == found).map(|(_, template)| *template).ok_or_else(|| {
            let known: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
            unsupported(format!(
                "this is a network of the type `{}`, which cannot be imported; types that can are {}, and state dicts of timm, \
                 torchvision, nn.TransformerEncoder and MPCViT. Write the model file by hand (LANGUAGE.md), and see names and shapes \
                 with `mpcc inspect {}`",
                shown(found),
                known.join(", "),
                shown(from)
            ))
        });
    }
    let tensors = Tensors::open(&encoder)?;
    let listing = tensors.listing();
    let prefixes = common_prefixes(listing);
    let sign = SIGNS.iter().find(|(name, _)| prefixes.iter().any(|p| listing.contains_key(&format!("{p}{name}"))));
    if let Some((_, template)) = sign {
        return Ok(*template);
    }
    let named = CONFIGURED.iter().find(|(end, _)| listing.keys().any(|name| name.ends_with(end)));
    match (named, config) {
        (Some((_, template)), Some(_)) => Ok(*template),
        (Some(_), None) => Err(unsupported(
            "the tensors are those of a network of Hugging Face's, whose heads and activation stand in a config.json: give the \
             directory that holds both"
                .to_owned(),
        )),
        (None, _) => Err(unsupported(format!(
            "its tensors are of no family that can be imported: see their names with `mpcc inspect {}`, and write the model file \
             by hand (LANGUAGE.md)",
            shown(from)
        ))),
    }
}
