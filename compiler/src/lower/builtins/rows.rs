//! Built-in functions of rows: sums, means, maxima, positions of maxima and look-ups.

use mpcc_grammar::ast::{BinaryOp, Span};

use super::super::Lowerer;
use super::super::builtin::Builtin;
use super::super::report::error;
use super::super::types::{element_text, shape_text, visibility_text};
use super::super::value::{Argument, Tensor, Value};
use super::{Bound, given};
use crate::graph::{Element, Op, Shape, Visibility};

impl<'a> Lowerer<'a> {
    /// `sum`, `mean` and `max` along the last axis, which becomes 1; `axis` may say so.
    pub(super) fn row(&mut self, builtin: Builtin, x: Tensor, axis: Option<Argument<'a>>, span: Span) -> Value<'a> {
        let (axis, axis_span) = axis.map_or((Value::Int(-1), span), |axis| (axis.value, axis.span));
        let Some(axis) = self.want_whole(&axis, axis_span) else { return Value::Poison };
        let seen = self.seen(x);
        if axis != -1 && axis != seen.len() as i64 - 1 {
            let name = builtin.name();
            return self.fail(
                error("E0510", format!("`{name}` runs along the last axis"))
                    .at(axis_span, format!("not the last axis of {}", shape_text(&seen)))
                    .help("write `axis: -1`; `transpose` swaps the last two axes"),
            );
        }
        let op = match builtin {
            Builtin::Sum => Op::SumRow(x.node),
            Builtin::Mean => Op::MeanRow(x.node),
            _ => Op::MaxRow(x.node),
        };
        let shape = self.row_shape(x);
        self.real(op, shape, x.lead, span)
    }

    fn row_shape(&self, x: Tensor) -> Shape {
        let mut shape = self.shape(x.node);
        if let Some(last) = shape.last_mut() {
            *last = 1;
        }
        shape
    }

    /// `max(x)`, `max(x, y)` and `min(x, y)`; the last two by one comparison each.
    pub(super) fn extreme(&mut self, builtin: Builtin, x: Tensor, bound: &Bound<'a>, span: Span) -> Value<'a> {
        let x_span = given(bound, 0).1;
        match (&bound[1], bound.get(2).and_then(Option::as_ref)) {
            (None, axis) if builtin == Builtin::Max => self.row(builtin, x, axis.cloned(), span),
            (Some(y), None) => {
                let (y, y_span) = (y.value.clone(), y.span);
                let x = Value::Tensor(x);
                let (first, second) = if builtin == Builtin::Max { (&x, &y) } else { (&y, &x) };
                let above = self.tensor_binary(BinaryOp::Sub, first, second, x_span, y_span, span);
                let Value::Tensor(above) = above else { return Value::Poison };
                let shape = self.shape(above.node);
                let above = self.real(Op::Relu(above.node), shape, above.lead, span);
                match builtin {
                    Builtin::Max => self.tensor_binary(BinaryOp::Add, &y, &above, y_span, span, span),
                    _ => self.tensor_binary(BinaryOp::Sub, &y, &above, y_span, span, span),
                }
            }
            (None, _) => self.fail(error("E0307", "`min` is of two values").at(span, "argument missing")),
            (Some(_), Some(axis)) => {
                self.fail(error("E0307", "`max` takes `axis` or another value").at(axis.span, "one too many"))
            }
        }
    }

    pub(super) fn argmax(&mut self, x: Tensor, span: Span) -> Value<'a> {
        let shape = self.row_shape(x);
        Value::Tensor(Tensor { node: self.node(Op::Argmax(x.node), Element::I32, shape, span), lead: x.lead })
    }

    /// Reports every use of a shared `argmax` but its revealing: no gate gives its result as shares.
    pub(in super::super) fn argmax_is_revealed(&mut self) {
        let label =
            |node: &crate::graph::Node| matches!(node.op, Op::Argmax(_)) && node.ty.visibility == Visibility::Shared;
        let used: Vec<(Option<Span>, Option<Span>)> = self
            .graph
            .nodes
            .iter()
            .flat_map(|user| user.op.operands().into_iter().map(|operand| (user.span, self.graph.node(operand))))
            .filter(|(_, operand)| label(operand))
            .map(|(user, operand)| (user, operand.span))
            .collect();
        for (user, found) in used {
            let (Some(user), Some(found)) = (user, found) else { continue };
            let draft = error("E0403", "`argmax` of a shared value may only be revealed")
                .at(user, "computes with a position that nobody knows");
            let draft = if user == found { draft } else { draft.at(found, "found here") };
            self.fail(draft.help("write `output label: reveal client Tensor<i32, 1> = argmax(…);`"));
        }
    }

    /// `lookup(table, ids)`: the rows of one-hot positions times the table.
    pub(super) fn look_up(&mut self, table: Tensor, table_span: Span, bound: &Bound<'a>, span: Span) -> Value<'a> {
        let (ids, ids_span) = given(bound, 1);
        let Some(ids) = self.want_tensor(&ids, ids_span) else { return Value::Poison };
        let shape = self.shape(table.node);
        let ([rows, _], 0) = (shape.as_slice(), table.lead) else {
            let draft = error("E0523", "`lookup` reads rows of a table `[rows, width]`");
            return self.fail(draft.at(table_span, shape_text(&shape)));
        };
        let found = self.ty(ids.node).clone();
        if matches!(found.visibility, Visibility::Shared | Visibility::SecretServer) {
            let text = format!("this is {}", visibility_text(found.visibility));
            return self.fail(
                error("E0413", "`lookup` takes positions that the client knows")
                    .at(ids_span, text)
                    .help("positions are inputs, or computed from inputs in `local client`"),
            );
        }
        if !matches!(found.element, Element::I32 | Element::U8 | Element::Bit) {
            let text = format!("holds `{}`", element_text(found.element));
            let draft = error("E0517", "`lookup` takes positions, which are whole numbers").at(ids_span, text);
            return self.fail(draft.help("declare the input as `secret client Tensor<i32, …>`"));
        }
        let mut places = found.shape.clone();
        places.push(*rows);
        let hot = Op::OneHot { x: ids.node, extent: *rows };
        let hot = Tensor { node: self.node(hot, Element::Bit, places, span), lead: ids.lead };
        if self.seen(hot).len() == 1 {
            return self.unmappable("`lookup`", span);
        }
        self.product(hot, table, ids_span, table_span, span)
    }
}
