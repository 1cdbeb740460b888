//! Text to token ids, as the trained model saw them.
//!
//! Vocabularies come as Hugging Face's `tokenizer.json`, or as the older files that stand for a fixed one: `vocab.txt`
//! of BERT, `vocab.json` with `merges.txt` of RoBERTa and GPT-2. Whatever the file, the artefact carries a
//! `tokenizer.json`, and only the data owner runs it.

mod checked;
mod guarded;
mod vocabulary;

use std::path::{Path, PathBuf};

use mpcc_compiler::graph::{Graph, Op};
use mpcc_compiler::shown::shown;
use thiserror::Error;
use tokenizers::PostProcessor;
use tokenizers::utils::truncation::TruncationParams;

use crate::FileError;
use guarded::guarded;

/// The largest tokenizer file that is read: 64 MiB.
const FILE_LIMIT: u64 = 1 << 26;
/// Bytes that a text may grow to before it is cut into tokens: 16 MiB.
const TEXT_LIMIT: usize = 1 << 24;
/// Tokens that mean padding where the file does not say it; a mask keeps the model from reading them.
const PADDING: [&str; 3] = ["[PAD]", "<pad>", "<|endoftext|>"];

/// Why there is no tokenizer, or why it does not suit the model.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is something else.
    #[error(
        "{} is no tokenizer: {reason}; give a tokenizer.json, a vocab.txt, or a vocab.json with merges.txt beside it",
        shown(.path)
    )]
    NotATokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The bytes are no `tokenizer.json`.
    #[error("the tokenizer cannot be used: {0}")]
    Unusable(String),
    /// More text than can be tokenized in a reasonable time.
    #[error(
        "a text has {bytes} bytes, and the tokenizer takes {limit} at most: shorten it, the model reads only the start"
    )]
    TextTooLong {
        /// Its size.
        bytes: usize,
        /// What can be used.
        limit: usize,
    },
    /// Nothing to fill the rest of the model's length with.
    #[error("the tokenizer has no token for padding: add `padding` to its tokenizer.json")]
    NoPadding,
    /// The special tokens alone are too many.
    #[error("the tokenizer adds {added} special tokens, and the model reads {length} tokens: no text would fit")]
    TooShort {
        /// How many tokens surround a text, or two.
        added: usize,
        /// How many the model reads.
        length: usize,
    },
    /// The model's table has too few rows.
    #[error(
        "the tokenizer has token ids up to {largest}, and the model looks them up in a table of {extent} rows: is this the \
         tokenizer the model was trained with?"
    )]
    Vocabulary {
        /// The largest id.
        largest: u32,
        /// Rows of the table.
        extent: usize,
    },
}

/// What a text becomes: three lists as long as the model reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids, filled up with padding at the end.
    pub ids: Vec<u32>,
    /// 0 for the first sentence, 1 for the second where the tokenizer tells them apart, 0 for padding.
    pub segments: Vec<u32>,
    /// 1 for tokens, 0 for padding.
    pub mask: Vec<u32>,
    /// Whether the text had more tokens than the model reads.
    pub cut: bool,
    /// The tokens as text, those around it among them, without padding.
    pub pieces: Vec<String>,
    /// For each of those, its bytes in the text, or in the second of two; nothing of a token that is not of it.
    pub places: Vec<Option<(usize, usize)>>,
}

/// A tokenizer for a model that reads a fixed number of tokens.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    length: usize,
    padding: u32,
    /// Bytes of the longest text.
    longest: usize,
}

/// The tokenizer in a file, as an artefact carries it: the bytes of a `tokenizer.json`.
///
/// # Errors
/// If a file cannot be read or is no tokenizer.
pub fn read(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    let bytes = crate::file::read(path, FILE_LIMIT)?;
    vocabulary::as_tokenizer(path, bytes)
}

/// Whether every token id has a row in the tables that the model looks it up in.
///
/// # Errors
/// If a table is too short.
pub fn check_vocabulary(tokenizer: &Tokenizer, graph: &Graph) -> Result<(), TokenizerError> {
    let Some(declared) = &graph.tokenizer else { return Ok(()) };
    let largest = tokenizer.largest_id();
    let extents = graph.nodes.iter().filter_map(|node| match node.op {
        Op::OneHot { x, extent } if graph.node(x).op == Op::Input(declared.ids) => Some(extent),
        _ => None,
    });
    match extents.min() {
        Some(extent) if largest as usize >= extent => Err(TokenizerError::Vocabulary { largest, extent }),
        _ => Ok(()),
    }
}

impl Tokenizer {
    /// Reads the bytes of a `tokenizer.json`, for a model that reads `length` tokens.
    ///
    /// # Errors
    /// If they are none, or the tokenizer cannot fill that length.
    pub fn new(bytes: &[u8], length: usize) -> Result<Self, TokenizerError> {
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(TokenizerError::Unusable(format!("it has {} bytes; at most {FILE_LIMIT}", bytes.len())));
        }
        guarded(|| Self::unguarded(bytes, length))?
    }

    fn unguarded(bytes: &[u8], length: usize) -> Result<Self, TokenizerError> {
        let (mut inner, growth) = checked::tokenizer(bytes).map_err(TokenizerError::Unusable)?;
        let named = PADDING.iter().find_map(|token| inner.token_to_id(token));
        let padding = inner.get_padding().map(|padding| padding.pad_id).or(named).ok_or(TokenizerError::NoPadding)?;
        let tokenizer_adds = added(&inner, false);
        if tokenizer_adds >= length {
            return Err(TokenizerError::TooShort { added: tokenizer_adds, length });
        }
        inner.with_padding(None);
        let truncation = TruncationParams { max_length: length, ..TruncationParams::default() };
        inner.with_truncation(Some(truncation)).map_err(|error| TokenizerError::Unusable(error.to_string()))?;
        Ok(Self { inner, length, padding, longest: TEXT_LIMIT / growth })
    }

    /// The largest token id there is.
    pub fn largest_id(&self) -> u32 {
        self.inner.get_vocab(true).into_values().max().unwrap_or(0)
    }

    /// The tokens of a text, or of two sentences, with the special tokens of the trained model around them. What is
    /// too long is cut at the end, of the longer sentence first.
    ///
    /// # Errors
    /// If the special tokens around two sentences leave no room, the tokenizer has no token for a part of the text, or the
    /// text is longer than can be tokenized.
    pub fn encode(&self, first: &str, second: Option<&str>) -> Result<Tokens, TokenizerError> {
        let (bytes, limit) = (first.len().max(second.map_or(0, str::len)), self.longest);
        if bytes > limit {
            return Err(TokenizerError::TextTooLong { bytes, limit });
        }
        guarded(|| self.unguarded_encode(first, second))?
    }

    fn unguarded_encode(&self, first: &str, second: Option<&str>) -> Result<Tokens, TokenizerError> {
        let surrounding = added(&self.inner, second.is_some());
        if surrounding >= self.length {
            return Err(TokenizerError::TooShort { added: surrounding, length: self.length });
        }
        let encoding = match second {
            Some(second) => self.inner.encode((first, second), true),
            None => self.inner.encode(first, true),
        };
        let encoding = encoding.map_err(|error| TokenizerError::Unusable(error.to_string()))?;
        let filled = |list: &[u32], filler: u32| {
            let mut list = list.to_vec();
            list.resize(self.length, filler);
            list
        };
        let last = usize::from(second.is_some());
        let of_last = |(place, sequence): (&(usize, usize), Option<usize>)| (sequence == Some(last)).then_some(*place);
        Ok(Tokens {
            places: encoding.get_offsets().iter().zip(encoding.get_sequence_ids()).map(of_last).collect(),
            ids: filled(encoding.get_ids(), self.padding),
            segments: filled(encoding.get_type_ids(), 0),
            mask: filled(encoding.get_attention_mask(), 0),
            cut: !encoding.get_overflowing().is_empty(),
            pieces: encoding.get_tokens().to_vec(),
        })
    }
}

/// How many special tokens surround a text, or a pair.
fn added(tokenizer: &tokenizers::Tokenizer, pair: bool) -> usize {
    tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(pair))
}
