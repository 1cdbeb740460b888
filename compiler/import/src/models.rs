//! Published networks as model files: the directory or state dict of a known family becomes the text of a `.mpv` file.
//!
//! A family is a template in `models/templates/` with the names of its tensors; its constants come from the configuration
//! and from the shapes of the tensors. Whether the text then fits the tensors is for [`crate::weights::bind`] to say.

mod activation;
mod config;
mod detect;
mod encoder;
mod fill;
mod labels;
mod leftover;
mod mpcvit;
mod plans;
mod text;
mod vision;

use std::path::{Path, PathBuf};

use mpcc_compiler::shown::shown;
use thiserror::Error;

use crate::tensors::{Listing, Tensors, TensorsError, common_prefixes};
use crate::weights::BindingReport;

pub use detect::detect;
pub use leftover::Leftover;

/// A family of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// ViT for image classification, a Hugging Face directory.
    Vit,
    /// DeiT with its distillation token, a Hugging Face directory.
    Deit,
    /// DINOv2, a Hugging Face directory.
    Dinov2,
    /// BEiT, a Hugging Face directory.
    Beit,
    /// The encoder of ViT-MAE, a Hugging Face directory.
    Mae,
    /// timm's ViT and DeiT: a state dict, alone or beside timm's `config.json`.
    Timm,
    /// The `vit_*` of torchvision: a state dict.
    Torchvision,
    /// BERT, a Hugging Face directory.
    Bert,
    /// RoBERTa, XLM-R and CamemBERT, a Hugging Face directory.
    Roberta,
    /// DistilBERT, a Hugging Face directory.
    Distilbert,
    /// ELECTRA, a Hugging Face directory.
    Electra,
    /// ALBERT, a Hugging Face directory.
    Albert,
    /// MPNet, a Hugging Face directory.
    Mpnet,
    /// A stack of `nn.TransformerEncoderLayer`: a state dict.
    Encoder,
    /// The state dicts of MPCViT, and those of ViT-Lite in Compact-Transformers.
    Mpcvit,
}

impl Template {
    /// All of them.
    pub const ALL: [Template; 15] = [
        Template::Vit,
        Template::Deit,
        Template::Dinov2,
        Template::Beit,
        Template::Mae,
        Template::Timm,
        Template::Torchvision,
        Template::Bert,
        Template::Roberta,
        Template::Distilbert,
        Template::Electra,
        Template::Albert,
        Template::Mpnet,
        Template::Encoder,
        Template::Mpcvit,
    ];

    /// Whether it reads text.
    pub fn reads_text(self) -> bool {
        matches!(
            self,
            Self::Bert | Self::Roberta | Self::Distilbert | Self::Electra | Self::Albert | Self::Mpnet | Self::Encoder
        )
    }

    /// Whether the number of heads may have to be said.
    pub fn asks_for_heads(self) -> bool {
        matches!(self, Self::Mpcvit | Self::Timm | Self::Torchvision | Self::Encoder)
    }
}

/// What neither a configuration nor a shape says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Attention heads, where no tensor's shape depends on them.
    pub heads: Option<usize>,
    /// Tokens that a text model reads; 128 unless given, or fewer if it has fewer positions.
    pub length: Option<usize>,
    /// Whether the layers of an `nn.TransformerEncoder` norm before each part.
    pub norm_first: bool,
}

/// A network as a model file, with what is needed beside it.
#[derive(Debug)]
pub struct Imported {
    /// Text of the model file but for `ignore`, with a line [`IGNORED`] in its place.
    text: String,
    /// The tensors that the model is for.
    pub tensors: Tensors,
    /// What had to be assumed or was approximated, a sentence each.
    pub notes: Vec<String>,
    /// Files that the model file names and that must lie beside it.
    pub files: Vec<PathBuf>,
    /// What the names of layers begin with.
    layers: String,
    /// Tensors that networks of the family hold and no inference uses.
    unused: Vec<leftover::Unused>,
}

/// Where the field `ignore` goes.
const IGNORED: &str = "@ignored";

impl Imported {
    /// Text of the model file, to be laid out by the formatter, that leaves these tensors out.
    pub fn source(&self, leftover: &Leftover) -> String {
        self.text.replace(IGNORED, &leftover.field())
    }

    /// What a binding of the model file without `ignore` leaves over, if it may be left out.
    ///
    /// # Errors
    /// If a tensor is left over that changes what the network computes.
    pub fn leftover(&self, report: &BindingReport) -> Result<Leftover, ImportError> {
        Leftover::of(report, &self.layers, &self.unused)
            .map_err(|reason| ImportError::Unsupported { path: self.tensors.path().to_owned(), reason })
    }
}

/// Why a network could not be imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The tensors cannot be read.
    #[error(transparent)]
    Tensors(#[from] TensorsError),
    /// A tensor that tells the size of something is not there.
    #[error("{} holds no `{name}` {expected}; is it of this template?", shown(.path))]
    Missing {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape in words.
        expected: &'static str,
    },
    /// Something that no model file of the template can express.
    #[error("{}: {reason}", shown(.path))]
    Unsupported {
        /// The file at fault.
        path: PathBuf,
        /// What is not supported, and what to do.
        reason: String,
    },
    /// The template does not fit its code.
    #[error("a template is filled wrongly: {0}; this is a bug in mpcc, please report it")]
    Template(String),
}

/// Reads the network at `from`, a directory or a weights file as the template takes it, and writes its model file.
///
/// # Errors
/// If a file is damaged, the configuration asks for something that the template does not express, or a tensor that
/// tells a size is missing.
pub fn import(template: Template, from: &Path, options: &Options) -> Result<Imported, ImportError> {
    match template {
        Template::Vit => vision::import(&vision::VIT, from),
        Template::Deit => vision::import(&vision::DEIT, from),
        Template::Dinov2 => vision::import(&vision::DINOV2, from),
        Template::Beit => vision::import(&vision::BEIT, from),
        Template::Mae => vision::import(&vision::MAE, from),
        Template::Timm => vision::import_timm(from, options),
        Template::Torchvision => vision::import_torchvision(from, options),
        Template::Bert => text::import(&text::BERT, from, options),
        Template::Roberta => text::import(&text::ROBERTA, from, options),
        Template::Distilbert => text::import(&text::DISTILBERT, from, options),
        Template::Electra => text::import(&text::ELECTRA, from, options),
        Template::Albert => text::import(&text::ALBERT, from, options),
        Template::Mpnet => text::import(&text::MPNET, from, options),
        Template::Encoder => encoder::import(from, options),
        Template::Mpcvit => mpcvit::import(from, options),
    }
}

/// Opens tensors among which one of `known` is to be found, and takes off what all names begin with before it. Says in a
/// note what was taken off, and what a checkpoint holds besides.
fn opened(path: &Path, known: &[&str], notes: &mut Vec<String>) -> Result<Tensors, ImportError> {
    let mut tensors = Tensors::open(path)?;
    let listing = tensors.listing();
    let found = |prefix: &String| known.iter().any(|name| listing.contains_key(&format!("{prefix}{name}")));
    if let Some(prefix) = common_prefixes(listing).into_iter().find(found).filter(|prefix| !prefix.is_empty()) {
        tensors.strip(&prefix);
        notes.push(format!("all names in the weights begin with `{}`, which is left out", shown(&prefix)));
    }
    if !tensors.others().is_empty() {
        let others: Vec<String> = tensors.others().iter().map(|name| format!("`{}`", shown(name))).collect();
        notes.push(format!(
            "the checkpoint also holds {}, as of averaged weights, which are not used: to use them, save them alone",
            others.join(", ")
        ));
    }
    Ok(tensors)
}

/// Reads sizes off the shapes of tensors.
struct Shapes<'l> {
    path: &'l Path,
    listing: &'l Listing,
}

impl<'l> Shapes<'l> {
    /// The extents of a tensor that must be there with `N` axes.
    fn extents<const N: usize>(&self, name: &str, expected: &'static str) -> Result<[usize; N], ImportError> {
        let shape = self.listing.get(name).and_then(|l| <[usize; N]>::try_from(l.shape.as_slice()).ok());
        let missing = || ImportError::Missing { path: self.path.to_owned(), name: name.to_owned(), expected };
        shape.filter(|s| !s.contains(&0)).ok_or_else(missing)
    }

    fn has(&self, name: &str) -> bool {
        self.listing.contains_key(name)
    }

    /// How many of `layer(0)`, `layer(1)`, … are there in a row.
    fn layers(&self, layer: impl Fn(usize) -> String) -> usize {
        (0..self.listing.len()).take_while(|i| self.has(&layer(*i))).count()
    }

    fn unsupported(&self, reason: impl Into<String>) -> ImportError {
        ImportError::Unsupported { path: self.path.to_owned(), reason: reason.into() }
    }
}
