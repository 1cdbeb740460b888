//! Published networks as model files: the directory or state dict of a known family becomes the text of a `.mpv` file.
//!
//! A family is one template in `models/templates/`; its constants come from the configuration and from the shapes of
//! the tensors. Whether the text then fits the tensors is for [`crate::weights::bind`] to say.

mod config;
mod fill;
mod mpcvit;
mod plans;
mod text;
mod vision;

use std::path::{Path, PathBuf};

use mpcc_compiler::shown::shown;
use thiserror::Error;

use crate::tensors::{Listing, Tensors, TensorsError};

/// A family of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// ViT for image classification, a Hugging Face directory.
    Vit,
    /// DeiT with its distillation token, a Hugging Face directory.
    Deit,
    /// BERT for sequence classification, or BERT alone, a Hugging Face directory.
    Bert,
    /// RoBERTa for sequence classification, a Hugging Face directory.
    Roberta,
    /// The state dicts of MPCViT, and those of ViT-Lite in Compact-Transformers.
    Mpcvit,
}

/// What neither a configuration nor a shape says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Attention heads, where no tensor's shape depends on them.
    pub heads: Option<usize>,
    /// Tokens that a text model reads; 128 unless given, or fewer if it has fewer positions.
    pub length: Option<usize>,
}

/// A network as a model file, with what is needed beside it.
#[derive(Debug)]
pub struct Imported {
    /// Text of the model file, to be laid out by the formatter.
    pub source: String,
    /// The tensors that the model is for.
    pub tensors: Tensors,
    /// What had to be assumed or was approximated, a sentence each.
    pub notes: Vec<String>,
    /// Files that the model file names and that must lie beside it.
    pub files: Vec<PathBuf>,
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
        Template::Vit => vision::import(vision::Family::Vit, from),
        Template::Deit => vision::import(vision::Family::Deit, from),
        Template::Bert => text::import(text::Family::Bert, from, options),
        Template::Roberta => text::import(text::Family::Roberta, from, options),
        Template::Mpcvit => mpcvit::import(from, options),
    }
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
        (0..).take_while(|i| self.has(&layer(*i))).count()
    }

    fn unsupported(&self, reason: impl Into<String>) -> ImportError {
        ImportError::Unsupported { path: self.path.to_owned(), reason: reason.into() }
    }
}
