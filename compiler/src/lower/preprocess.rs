//! The preprocess declaration: how pictures of other sizes become an input.

use mpcc_grammar::ast::{Expr, ExprKind, Field, ListElem, Name, Span};

use super::Lowerer;
use super::report::error;
use super::types::type_text;
use crate::graph::{Element, Filter, LONGEST_SIDE, Picture, Resize};

/// What may be declared.
const FIELDS: [&str; 4] = ["resize", "shortest", "filter", "crop"];
/// The longest side that a picture is resized to, in pixels.
const MOST: i64 = LONGEST_SIDE as i64;

impl<'a> Lowerer<'a> {
    /// Reads the declaration. The model's inputs must be known.
    pub(super) fn preprocess(&mut self, input: &'a Name, fields: &'a [Field], span: Span) {
        if let Some(first) = self.preprocessed.insert(input.node.as_str(), span) {
            let message = format!("`{}` is preprocessed twice", input.node);
            self.fail(error("E0907", message).at(span, "second time").at(first, "first time"));
            return;
        }
        let Some(index) = self.graph.inputs.iter().position(|known| known.name == input.node) else {
            let names: Vec<String> = self.graph.inputs.iter().map(|input| input.name.clone()).collect();
            self.fail(
                error("E0907", format!("the model has no input `{}`", input.node))
                    .at(input.span, "nothing to preprocess")
                    .suggest(&input.node, names.iter().map(String::as_str))
                    .help("declare it: `input NAME: secret client Tensor<u8, 3, height, width>;`"),
            );
            return;
        };
        let ty = self.graph.inputs[index].ty.clone();
        let (Element::U8, &[channels @ (1 | 3), height, width]) = (ty.element, ty.shape.as_slice()) else {
            self.fail(
                error("E0907", "a picture becomes `Tensor<u8, 3, height, width>`, or one with a single channel")
                    .at(input.span, format!("this is {}", type_text(Some(ty.element), &ty.shape))),
            );
            return;
        };
        let mut picture = Picture { input: index as u32, resize: None, filter: Filter::default(), crop: false };
        for field in fields {
            if self.picture_field(field, &mut picture).is_none() {
                return;
            }
        }
        if let (Some(Resize::To(h, w)), false) = (picture.resize, picture.crop)
            && (h as usize, w as usize) != (height, width)
        {
            self.fail(
                error("E0907", format!("pictures are resized to {h} by {w}, and the input is {height} by {width}"))
                    .at(span, "they would not fit")
                    .help(format!("add `crop: centre`, or declare `Tensor<u8, {channels}, {h}, {w}>`")),
            );
            return;
        }
        if let (Some(Resize::Shortest(_)), false) = (picture.resize, picture.crop) {
            self.fail(
                error("E0907", "with `shortest` alone, what a picture becomes depends on its proportions")
                    .at(span, "the other side varies")
                    .help("add `crop: centre`"),
            );
            return;
        }
        self.graph.pictures.push(picture);
    }

    fn picture_field(&mut self, field: &'a Field, picture: &mut Picture) -> Option<()> {
        let (name, value) = (field.name.node.as_str(), &field.value);
        match (name, &value.kind) {
            ("resize", ExprKind::List(sides)) => {
                let sides = self.height_and_width(sides, value.span)?;
                picture.resize = Some(Resize::To(sides.0, sides.1));
            }
            ("shortest", _) => picture.resize = Some(Resize::Shortest(self.pixels(value)?)),
            ("filter", ExprKind::Name(word)) => {
                let Some(filter) = Filter::ALL.into_iter().find(|filter| filter.name() == word) else {
                    self.fail(
                        error("E0907", format!("there is no filter `{word}`"))
                            .at(value.span, "unknown filter")
                            .suggest(word, Filter::ALL.map(Filter::name))
                            .help("filters are `nearest`, `box`, `bilinear`, `hamming`, `bicubic` and `lanczos`"),
                    );
                    return None;
                };
                picture.filter = filter;
            }
            ("crop", ExprKind::Name(word)) if word == "centre" => picture.crop = true,
            _ if FIELDS.contains(&name) => {
                let form = match name {
                    "resize" => "`resize: [HEIGHT, WIDTH]`",
                    "filter" => "`filter: bicubic`",
                    _ => "`crop: centre`",
                };
                self.fail(
                    error("E0907", format!("`{name}` of `preprocess` is something else"))
                        .at(value.span, "not understood")
                        .help(format!("write {form}")),
                );
                return None;
            }
            _ => {
                self.fail(
                    error("E0907", format!("`preprocess` has no field `{name}`"))
                        .at(field.name.span, "unknown field")
                        .suggest(name, FIELDS)
                        .help("the fields are `resize`, `shortest`, `filter` and `crop`"),
                );
                return None;
            }
        }
        Some(())
    }

    fn height_and_width(&mut self, sides: &'a [ListElem], span: Span) -> Option<(u32, u32)> {
        match sides {
            [ListElem::Plain(height), ListElem::Plain(width)] => Some((self.pixels(height)?, self.pixels(width)?)),
            _ => {
                self.fail(error("E0907", "`resize` takes a height and a width").at(span, "not two numbers"));
                None
            }
        }
    }

    fn pixels(&mut self, value: &'a Expr) -> Option<u32> {
        let pixels = self.whole(value)?;
        match u32::try_from(pixels) {
            Ok(side @ 1..) if pixels <= MOST => Some(side),
            _ => {
                let message = format!("a picture is resized to 1 to {MOST} pixels");
                self.fail(error("E0907", message).at(value.span, format!("this is {pixels}")));
                None
            }
        }
    }
}
