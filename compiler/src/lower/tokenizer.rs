//! The tokenizer declaration: which inputs text becomes.

use mpcc_grammar::ast::{ExprKind, Field, Span, Spanned};

use super::Lowerer;
use super::report::error;
use super::types::type_text;
use crate::graph::{Element, Tokenizer};

/// What may be declared, and what the input must hold.
const FIELDS: [(&str, Element); 3] = [("ids", Element::I32), ("segments", Element::I32), ("mask", Element::Bit)];

impl<'a> Lowerer<'a> {
    /// Reads the declaration. The model's inputs must be known.
    pub(super) fn tokenizer(&mut self, file: &'a Spanned<String>, fields: &'a [Field], span: Span) {
        if let Some(first) = self.tokenizer.replace(span) {
            self.fail(error("E0901", "`tokenizer` is declared twice").at(span, "second time").at(first, "first time"));
            return;
        }
        if file.node.is_empty() {
            self.fail(
                error("E0902", "the tokenizer has no file")
                    .at(file.span, "empty")
                    .help("name a `tokenizer.json`, `vocab.txt` or `vocab.json`, relative to the model file"),
            );
            return;
        }
        let mut filled: [Option<(u32, Span)>; 3] = [None; 3];
        let mut sound = true;
        for field in fields {
            match self.filled_input(field, &filled) {
                Some((slot, input)) => filled[slot] = Some((input, field.value.span)),
                None => sound = false,
            }
        }
        let [ids, segments, mask] = filled.map(|slot| slot.map(|(input, _)| input));
        match ids {
            Some(ids) if sound && self.one_length(&filled) => {
                self.graph.tokenizer =
                    Some(Tokenizer { file: file.node.clone(), ids, segments, mask, span: Some(file.span) });
            }
            None if sound => {
                self.fail(
                    error("E0902", "`tokenizer` does not say which input takes the token ids")
                        .at(span, "no `ids`")
                        .help("write `ids: NAME`, with the name of an input of the model"),
                );
            }
            _ => {}
        }
    }

    /// The place of a field among the known ones, and the input it names.
    fn filled_input(&mut self, field: &'a Field, filled: &[Option<(u32, Span)>; 3]) -> Option<(usize, u32)> {
        let (name, value) = (field.name.node.as_str(), &field.value);
        let Some(slot) = FIELDS.iter().position(|(known, _)| *known == name) else {
            self.fail(
                error("E0902", format!("`tokenizer` has no field `{name}`"))
                    .at(field.name.span, "unknown field")
                    .suggest(name, FIELDS.map(|(known, _)| known))
                    .help("the fields are `ids`, `segments` and `mask`"),
            );
            return None;
        };
        if let Some((_, first)) = filled[slot] {
            let message = format!("`{name}` of the tokenizer is given twice");
            self.fail(error("E0902", message).at(field.name.span, "second time").at(first, "first time"));
            return None;
        }
        let ExprKind::Name(input_name) = &value.kind else {
            self.fail(
                error("E0902", format!("`{name}` of the tokenizer takes the name of an input"))
                    .at(value.span, "not a name")
                    .help(format!("write `{name}: NAME`, with the name of an input of the model")),
            );
            return None;
        };
        let Some(index) = self.graph.inputs.iter().position(|input| input.name == *input_name) else {
            let names: Vec<String> = self.graph.inputs.iter().map(|input| input.name.clone()).collect();
            self.fail(
                error("E0903", format!("the model has no input `{input_name}`"))
                    .at(value.span, "the tokenizer cannot fill it")
                    .suggest(input_name, names.iter().map(String::as_str))
                    .help("declare it: `input NAME: secret client Tensor<…>;`"),
            );
            return None;
        };
        let ty = self.graph.inputs[index].ty.clone();
        let element = FIELDS[slot].1;
        if ty.element != element || ty.shape.len() != 1 {
            let wanted = if element == Element::Bit { "Tensor<bit, LENGTH>" } else { "Tensor<i32, LENGTH>" };
            self.fail(
                error("E0904", format!("`{name}` of the tokenizer fills `{wanted}`"))
                    .at(value.span, format!("this is {}", type_text(Some(ty.element), &ty.shape)))
                    .help(format!("declare `input {input_name}: secret client {wanted};`")),
            );
            return None;
        }
        let index = u32::try_from(index).ok()?;
        if let Some((_, first)) = filled.iter().flatten().find(|(input, _)| *input == index) {
            let message = format!("the tokenizer fills input `{input_name}` twice");
            self.fail(error("E0905", message).at(value.span, "second time").at(*first, "first time"));
            return None;
        }
        Some((slot, index))
    }

    /// All filled inputs must be as long as the first.
    fn one_length(&mut self, filled: &[Option<(u32, Span)>; 3]) -> bool {
        let extent = |lowerer: &Self, input: u32| lowerer.graph.inputs[input as usize].ty.shape[0];
        let given: Vec<(u32, Span)> = filled.iter().flatten().copied().collect();
        let Some(((first, first_span), others)) = given.split_first() else { return true };
        let length = extent(self, *first);
        let Some((other, span)) = others.iter().find(|(input, _)| extent(self, *input) != length) else { return true };
        let found = extent(self, *other);
        self.fail(
            error("E0904", "the tokenizer fills inputs of one length")
                .at(*span, format!("{found} entries"))
                .at(*first_span, format!("{length} entries")),
        );
        false
    }
}
