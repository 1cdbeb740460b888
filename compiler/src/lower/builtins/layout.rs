//! Built-in functions that move entries: heads, transposition, concatenation.

use mpcc_grammar::ast::Span;

use super::super::Lowerer;
use super::super::report::error;
use super::super::types::shape_text;
use super::super::value::{Argument, Tensor, Value};
use super::{Bound, given};
use crate::graph::{NodeId, Op, Shape};

impl<'a> Lowerer<'a> {
    fn moved(&mut self, op: Op, from: NodeId, shape: Shape, lead: usize, span: Span) -> Value<'a> {
        let element = self.ty(from).element;
        Value::Tensor(Tensor { node: self.node(op, element, shape, span), lead })
    }

    pub(super) fn transpose(&mut self, x: Tensor, x_span: Span, span: Span) -> Value<'a> {
        let rank = self.seen(x).len();
        let mut shape = self.shape(x.node);
        if rank < 2 {
            let draft = error("E0521", "`transpose` swaps the last two axes")
                .at(x_span, format!("{} has {rank}", shape_text(&shape)));
            return self.fail(draft);
        }
        let last = shape.len() - 1;
        shape.swap(last, last - 1);
        self.moved(Op::Transpose(x.node), x.node, shape, x.lead, span)
    }

    pub(super) fn split_heads(&mut self, x: Tensor, x_span: Span, bound: &Bound<'a>, span: Span) -> Value<'a> {
        let (heads, heads_span) = given(bound, 1);
        let Some(heads) = self.want_whole(&heads, heads_span) else { return Value::Poison };
        if x.lead > 0 {
            return self.unmappable("`split_heads`", span);
        }
        let shape = self.shape(x.node);
        let count = usize::try_from(heads).ok().filter(|heads| *heads > 0);
        match (shape.as_slice(), count) {
            ([rows, width], Some(heads)) if width % heads == 0 => {
                let shape = Shape::from_slice(&[heads, *rows, width / heads]);
                self.moved(Op::SplitHeads { x: x.node, heads }, x.node, shape, 0, span)
            }
            ([_, width], _) => {
                let draft = error("E0511", format!("{width} entries do not divide into {heads} heads"))
                    .at(heads_span, "number of heads");
                self.fail(draft.at(x_span, shape_text(&shape)))
            }
            _ => {
                let draft = error("E0511", "`split_heads` needs a matrix `[rows, heads * width]`");
                self.fail(draft.at(x_span, shape_text(&shape)))
            }
        }
    }

    pub(super) fn merge_heads(&mut self, x: Tensor, x_span: Span, span: Span) -> Value<'a> {
        if x.lead > 0 {
            return self.unmappable("`merge_heads`", span);
        }
        let shape = self.shape(x.node);
        let [heads, rows, width] = shape.as_slice() else {
            let draft =
                error("E0511", "`merge_heads` needs a tensor `[heads, rows, width]`").at(x_span, shape_text(&shape));
            return self.fail(draft);
        };
        let shape = Shape::from_slice(&[*rows, heads * width]);
        self.moved(Op::MergeHeads(x.node), x.node, shape, 0, span)
    }

    pub(super) fn concat(
        &mut self,
        what: &str,
        tensors: Vec<Argument<'a>>,
        named: Vec<Argument<'a>>,
        span: Span,
    ) -> Value<'a> {
        let Some(bound) = self.bind(what, &[("axis", true)], named, span, None) else { return Value::Poison };
        let (axis, axis_span) = given(&bound, 0);
        let mut parts = Vec::with_capacity(tensors.len());
        for arg in &tensors {
            match self.as_tensor(&arg.value, arg.span) {
                Some(tensor) => parts.push((tensor, arg.span)),
                None => return Value::Poison,
            }
        }
        let Some(axis) = self.want_whole(&axis, axis_span) else { return Value::Poison };
        let Some((first, first_span)) = parts.first().copied() else {
            return self.fail(error("E0307", "`concat` is called without tensors").at(span, "argument missing"));
        };
        let seen = self.seen(first);
        let rank = seen.len() as i64;
        let Some(along) =
            usize::try_from(if axis < 0 { axis + rank } else { axis }).ok().filter(|along| *along < seen.len())
        else {
            let text = format!("{} has axes 0..{rank}", shape_text(&seen));
            return self.fail(error("E0510", format!("there is no axis {axis}")).at(axis_span, text));
        };
        let mut total = 0;
        for (part, part_span) in &parts {
            let shape = self.seen(*part);
            let others = |shape: &Shape| {
                shape.iter().enumerate().filter(|(at, _)| *at != along).map(|(_, n)| *n).collect::<Vec<_>>()
            };
            if shape.len() != seen.len() || others(&shape) != others(&seen) {
                return self.fail(
                    error(
                        "E0513",
                        format!("{} and {} cannot be joined along axis {along}", shape_text(&seen), shape_text(&shape)),
                    )
                    .at(*part_span, shape_text(&shape))
                    .at(first_span, shape_text(&seen))
                    .help("all other axes must be equal"),
                );
            }
            let (element, first_element) = (self.ty(part.node).element, self.ty(first.node).element);
            if element != first_element {
                let draft = error("E0517", "tensors of different elements cannot be joined")
                    .at(*part_span, self.type_text(*part));
                return self.fail(draft.at(first_span, self.type_text(first)));
            }
            total += shape[along];
        }
        let mapped = parts.iter().find(|(part, _)| part.lead > 0).map(|(part, _)| (part.lead, self.shape(part.node)));
        let (lead, leading) =
            mapped.map_or((0, Shape::new()), |(lead, shape)| (lead, Shape::from_slice(&shape[..lead])));
        let mut nodes = Vec::with_capacity(parts.len());
        for (part, _) in &parts {
            let node = match part.lead < lead {
                true => self.repeated(part.node, &leading, seen.len(), span),
                false => Some(part.node),
            };
            match node {
                Some(node) => nodes.push(node),
                None => return self.unmappable("`concat`", span),
            }
        }
        if nodes.iter().any(|node| self.ty(*node).shape[..lead] != leading[..]) {
            return self.unmappable("`concat`", span);
        }
        let mut shape = self.shape(nodes[0]);
        shape[lead + along] = total;
        let from = nodes[0];
        self.moved(Op::Concat { parts: nodes, axis: lead + along }, from, shape, lead, span)
    }
}
