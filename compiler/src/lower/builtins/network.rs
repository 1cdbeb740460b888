//! Built-in layers: linear, LayerNorm, patch embedding, input normalisation.

use mpcc_grammar::ast::{BinaryOp, Span};

use super::super::Lowerer;
use super::super::report::error;
use super::super::types::shape_text;
use super::super::value::{Tensor, Value};
use super::{Bound, given};
use crate::graph::{LoadOp, NodeId, Op, Shape, Visibility};

impl<'a> Lowerer<'a> {
    pub(super) fn linear(&mut self, x: Tensor, x_span: Span, bound: &Bound<'a>, span: Span) -> Value<'a> {
        let Some((weight, w_shape, w_span)) = self.layer_weight(given(bound, 1)) else { return Value::Poison };
        let bias = match &bound[2] {
            None => None,
            Some(arg) => match self.layer_weight((arg.value.clone(), arg.span)) {
                Some(bias) => Some(bias),
                None => return Value::Poison,
            },
        };
        let seen = self.seen(x);
        let ([out, width], Some(entries)) = (w_shape.as_slice(), seen.last()) else {
            let draft =
                error("E0504", "the weight of `linear` is a matrix `[out, in]`").at(w_span, shape_text(&w_shape));
            return self.fail(draft);
        };
        if entries != width {
            return self.fail(
                error("E0504", format!("`linear` needs {width} entries in the last axis, not {entries}"))
                    .at(x_span, shape_text(&seen))
                    .at(w_span, format!("{}: `[out, in]`", shape_text(&w_shape))),
            );
        }
        if let Some((_, b_shape, b_span)) = &bias
            && b_shape.as_slice() != [*out]
        {
            return self.fail(
                error("E0504", format!("the bias of `linear` must be [{out}]"))
                    .at(*b_span, shape_text(b_shape))
                    .at(w_span, format!("{}: `[out, in]`", shape_text(&w_shape))),
            );
        }
        let bias = bias.map(|(bias, _, b_span)| (bias, b_span));
        self.layer((x, x_span), (weight, w_span), bias, span)
    }

    /// `x Wᵀ + b` of operands that fit. A layer's weight and bias are the server's or public; anything else is multiplied
    /// and added as any two values are.
    fn layer(
        &mut self,
        (x, x_span): (Tensor, Span),
        (weight, w_span): (Tensor, Span),
        bias: Option<(Tensor, Span)>,
        span: Span,
    ) -> Value<'a> {
        let own = |this: &Self, tensor: Tensor| {
            matches!(this.ty(tensor.node).visibility, Visibility::Public | Visibility::SecretServer)
        };
        let kept = bias.filter(|(bias, _)| own(self, *bias) && own(self, weight));
        let product = if own(self, weight) {
            let mut shape = self.shape(x.node);
            if let (Some(last), Some(out)) = (shape.last_mut(), self.shape(weight.node).first()) {
                *last = *out;
            }
            let op = Op::Linear { x: x.node, weight: weight.node, bias: kept.map(|(bias, _)| bias.node) };
            self.real(op, shape, x.lead, span)
        } else {
            let Value::Tensor(turned) = self.transpose(weight, w_span, w_span) else { return Value::Poison };
            self.product(x, turned, x_span, w_span, span)
        };
        match (product, bias.filter(|_| kept.is_none())) {
            (Value::Tensor(product), Some((bias, b_span))) => {
                self.elementwise(BinaryOp::Add, product, bias, span, b_span, span)
            }
            (product, _) => product,
        }
    }

    pub(super) fn layernorm(&mut self, x: Tensor, x_span: Span, bound: &Bound<'a>, span: Span) -> Value<'a> {
        let (gain, bias) = (self.layer_weight(given(bound, 1)), self.layer_weight(given(bound, 2)));
        let eps = self.positive(given(bound, 3), "`eps`");
        let (Some(gain), Some(bias), Some(eps)) = (gain, bias, eps) else { return Value::Poison };
        let seen = self.seen(x);
        let width = seen[seen.len() - 1];
        for (name, (_, shape, at)) in [("gain", &gain), ("bias", &bias)] {
            if shape.as_slice() != [width] {
                return self.fail(
                    error("E0514", format!("the {name} of `layernorm` must be [{width}]"))
                        .at(*at, shape_text(shape))
                        .at(x_span, format!("normalised along the last axis of {}", shape_text(&seen))),
                );
            }
        }
        let shape = self.shape(x.node);
        let op = Op::LayerNorm { x: x.node, gain: gain.0.node, bias: bias.0.node, eps };
        self.real(op, shape, x.lead, span)
    }

    /// A convolution whose kernels do not overlap: patches, then a linear layer.
    pub(super) fn patch_embed(&mut self, image: Tensor, image_span: Span, bound: &Bound<'a>, span: Span) -> Value<'a> {
        let (weight, bias) = (self.layer_weight(given(bound, 1)), self.layer_weight(given(bound, 2)));
        let (stride, stride_span) = given(bound, 3);
        let stride = self.want_whole(&stride, stride_span);
        let (Some((weight, w_shape, w_span)), Some((bias, b_shape, b_span)), Some(stride)) = (weight, bias, stride)
        else {
            return Value::Poison;
        };
        if image.lead > 0 {
            return self.unmappable("`patch_embed`", span);
        }
        let shape = self.shape(image.node);
        let ([c, h, w], [out, channels, p, q]) = (shape.as_slice(), w_shape.as_slice()) else {
            return self.fail(
                error("E0512", "`patch_embed` needs an image `[c, h, w]` and kernels `[out, c, p, p]`")
                    .at(image_span, shape_text(&shape))
                    .at(w_span, shape_text(&w_shape)),
            );
        };
        let problem = if p != q || usize::try_from(stride) != Ok(*p) {
            Some((stride_span, format!("the stride is {stride}, the kernel {p} by {q}: patches must not overlap")))
        } else if c != channels {
            Some((w_span, format!("made for an image with {channels} channels, this one has {c}")))
        } else if h % p != 0 || w % p != 0 {
            Some((image_span, format!("{h} by {w} does not divide into patches of {p} by {p}")))
        } else if b_shape.as_slice() != [*out] {
            Some((b_span, format!("the bias is {}, needed is [{out}]", shape_text(&b_shape))))
        } else {
            None
        };
        if let Some((at, text)) = problem {
            return self.fail(error("E0512", "the patches do not fit").at(at, text));
        }
        let (size, features, patches) = (*p, c * p * p, (h / p) * (w / p));
        let element = self.ty(image.node).element;
        let cut = Op::Patches { x: image.node, size };
        let cut = self.node(cut, element, Shape::from_slice(&[patches, features]), span);
        let flat = self.flat_weight(weight.node, Shape::from_slice(&[*out, features]), span);
        let plain = |node| Tensor { node, lead: 0 };
        self.layer((plain(cut), image_span), (plain(flat), w_span), Some((bias, b_span)), span)
    }

    /// A weight in another shape: reshaped when loaded if nothing else has read it, by an operation otherwise.
    fn flat_weight(&mut self, weight: NodeId, shape: Shape, span: Span) -> NodeId {
        if let Op::Reshape(inner) = self.graph.node(weight).op
            && self.reshaped.contains_key(&inner)
            && self.ty(inner).shape == shape
        {
            return inner;
        }
        let read = self.read[weight.0 as usize];
        match self.graph.node(weight).op {
            Op::Param(id) if !read => {
                let param = &mut self.graph.params[id.0 as usize];
                param.ops.push(LoadOp::Reshape(shape.clone()));
                let declared = std::mem::replace(&mut param.shape, shape.clone());
                self.graph.nodes[weight.0 as usize].ty.shape = shape;
                self.reshaped.insert(weight, declared);
                weight
            }
            _ => self.reshaped_node(weight, shape, span),
        }
    }

    pub(super) fn normalize(&mut self, x: Tensor, x_span: Span, bound: &Bound<'a>, span: Span) -> Value<'a> {
        let (mean, std) = (self.numbers(given(bound, 1)), self.numbers(given(bound, 2)));
        let (Some(mean), Some(std)) = (mean, std) else { return Value::Poison };
        if x.lead > 0 {
            return self.unmappable("`normalize`", span);
        }
        let shape = self.shape(x.node);
        for (at, name, list) in [(1, "mean", &mean), (2, "std", &std)] {
            let list_span = given(bound, at).1;
            if list.len() != shape[0] {
                return self.fail(
                    error("E0515", format!("`{name}` needs {} numbers, one per channel", shape[0]))
                        .at(list_span, format!("found {}", list.len()))
                        .at(x_span, shape_text(&shape)),
                );
            }
            if name == "std" && list.iter().any(|std| *std <= 0.0) {
                return self.fail(
                    error("E0613", "a standard deviation must be positive").at(list_span, "one of these is not"),
                );
            }
        }
        self.real(Op::Normalize { x: x.node, mean, std }, shape, 0, span)
    }

    fn numbers(&mut self, (value, span): (Value<'a>, Span)) -> Option<Vec<f64>> {
        match value {
            Value::List(list) => list.iter().map(|(value, span)| self.want_number(value, *span)).collect(),
            other => self.mismatch("a list of numbers", &other, span),
        }
    }
}
