//! From an example to a value for each input of a model.

use std::path::Path;

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{self, Element, Graph, Input, Type};

use super::examples::names;
use super::{Example, InputError, Kind, archive, lines, load_prepared, pixel_values, preparation};
use crate::tokenizer::{Tokenizer, Tokens};

/// What an example gives.
#[derive(Clone, PartialEq)]
pub struct Given {
    /// A value for each input, in the model's order.
    pub inputs: Vec<Tensor>,
    /// Whether it is text with more tokens than the model reads.
    pub cut: bool,
}

/// A text, or the second of two, and where its tokens stand in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Passage {
    /// The text. It is the data owner's secret.
    pub text: String,
    /// For each token that the model reads but padding, its bytes in the text; nothing of a token that is not of it.
    pub places: Vec<Option<(usize, usize)>>,
}

/// A model's inputs, and what makes them of text.
pub struct Reader<'g> {
    graph: &'g Graph,
    text: Option<(&'g graph::Tokenizer, Tokenizer)>,
}

impl<'g> Reader<'g> {
    /// `tokenizer` holds the bytes of the tokenizer that the graph declares.
    ///
    /// # Errors
    /// If it is none, or cannot fill the model's inputs.
    pub fn new(graph: &'g Graph, tokenizer: Option<&[u8]>) -> Result<Self, InputError> {
        let text = match (&graph.tokenizer, tokenizer) {
            (Some(declared), Some(bytes)) => {
                let length = graph.inputs.get(declared.ids as usize).map_or(0, |ids| ids.ty.shape.iter().product());
                Some((declared, Tokenizer::new(bytes, length)?))
            }
            _ => None,
        };
        Ok(Self { graph, text })
    }

    /// Values for all inputs.
    ///
    /// # Errors
    /// If the example does not give each of them, in its type and shape.
    pub fn load(&self, example: &Example) -> Result<Given, InputError> {
        let whole = |inputs| Given { inputs, cut: false };
        match example {
            Example::Text { text, .. } | Example::Line { text, .. } => self.tokens(text, example),
            Example::Named(files) => {
                let file = |name: &str| files.iter().find(|(other, _)| other == name);
                let missing: Vec<String> = names(self.graph).into_iter().filter(|name| file(name).is_none()).collect();
                if !missing.is_empty() {
                    return Err(InputError::Missing { place: example.to_string(), missing });
                }
                let given = self.graph.inputs.iter().enumerate();
                let given = given.filter_map(|(at, input)| Some(self.one(&file(&input.name)?.1, at)));
                given.collect::<Result<_, _>>().map(whole)
            }
            Example::File(path) => match Kind::of(path) {
                Some(Kind::Npz) => archive::load(path, &self.graph.inputs).map(whole),
                Some(Kind::Text | Kind::Lines(_)) if self.text.is_none() => {
                    let reason = "is text, and the model declares no tokenizer";
                    Err(InputError::Text { name: example.to_string(), reason })
                }
                Some(Kind::Text) => match lines::plain(path)?.as_slice() {
                    [line] => self.tokens(&line.text, example),
                    _ => Err(InputError::Text { name: example.to_string(), reason: "holds several texts, one a line" }),
                },
                _ => match self.graph.inputs.as_slice() {
                    [_] => Ok(whole(vec![self.one(path, 0)?])),
                    _ => Err(InputError::OneOfSeveral { path: path.clone(), inputs: names(self.graph) }),
                },
            },
        }
    }

    /// A file for the input at a place. An array of normalised pixels stands for the bytes that it was made of.
    fn one(&self, path: &Path, at: usize) -> Result<Tensor, InputError> {
        let input = &self.graph.inputs[at];
        let loaded = load_prepared(path, input, preparation(self.graph, at));
        match (&loaded, input.ty.element) {
            (Err(InputError::Value { .. }), Element::U8) if Kind::of(path) == Some(Kind::Npy) => {
                let ty = Type { element: Element::Real, ..input.ty.clone() };
                let values = load_prepared(path, &Input { ty, ..input.clone() }, None)?;
                let bytes = pixel_values::bytes(self.graph, at, &values.data);
                bytes.map_or(loaded, |data| Ok(Tensor { shape: values.shape, data }))
            }
            _ => loaded,
        }
    }

    /// The tokens of an example that is text, without padding; none of another.
    ///
    /// # Errors
    /// If the text cannot be tokenized.
    pub fn pieces(&self, example: &Example) -> Result<Vec<String>, InputError> {
        Ok(self.tokenized(example)?.map_or_else(Vec::new, |(tokens, _)| tokens.pieces))
    }

    /// The text of an example, or the second of two, with the places of its tokens; nothing of an example that is no text.
    ///
    /// # Errors
    /// If the text cannot be tokenized.
    pub fn passage(&self, example: &Example) -> Result<Option<Passage>, InputError> {
        Ok(self.tokenized(example)?.map(|(tokens, text)| Passage { text: text.to_owned(), places: tokens.places }))
    }

    /// The tokens of an example that is text, and the text or the second of two.
    fn tokenized<'e>(&self, example: &'e Example) -> Result<Option<(Tokens, &'e str)>, InputError> {
        match (example, &self.text) {
            (Example::Text { text, .. } | Example::Line { text, .. }, Some((_, tokenizer))) => {
                let (first, second) = sentences(text, example)?;
                let tokens = tokenizer.encode(first, second);
                let tokens = tokens.map_err(|source| InputError::Tokens { name: example.to_string(), source })?;
                Ok(Some((tokens, second.unwrap_or(first))))
            }
            _ => Ok(None),
        }
    }

    /// The tokens of a text in the inputs that take them.
    fn tokens(&self, text: &str, example: &Example) -> Result<Given, InputError> {
        let name = || example.to_string();
        let Some((declared, tokenizer)) = &self.text else {
            let reason = "is text, and the model declares no tokenizer";
            return Err(InputError::Text { name: name(), reason });
        };
        let filled = declared.inputs();
        let unfilled = (0u32..).zip(&self.graph.inputs).filter(|(index, _)| !filled.contains(index));
        let others: Vec<String> = unfilled.map(|(_, input)| input.name.clone()).collect();
        if !others.is_empty() {
            return Err(InputError::MoreThanText { name: name(), others });
        }
        let (first, second) = sentences(text, example)?;
        let tokens = tokenizer.encode(first, second).map_err(|source| InputError::Tokens { name: name(), source })?;
        let list = |index: u32| match index {
            index if index == declared.ids => &tokens.ids,
            index if Some(index) == declared.segments => &tokens.segments,
            _ => &tokens.mask,
        };
        let inputs = (0u32..).zip(&self.graph.inputs).map(|(index, input)| Tensor {
            shape: input.ty.shape.clone(),
            data: list(index).iter().map(|token| f64::from(*token)).collect(),
        });
        Ok(Given { inputs: inputs.collect(), cut: tokens.cut })
    }
}

/// The sentence of a text, and the second one of a pair.
fn sentences<'t>(text: &'t str, example: &Example) -> Result<(&'t str, Option<&'t str>), InputError> {
    let wrong = |reason| InputError::Text { name: example.to_string(), reason };
    let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        return Err(wrong("holds no text"));
    }
    let (first, second) = match text.split_once('\t') {
        None => (text, None),
        Some((_, second)) if second.contains('\t') => {
            return Err(wrong("has more than one tab: a tab stands between the two sentences of a pair"));
        }
        Some((first, second)) => (first, Some(second)),
    };
    Ok((first, second))
}
