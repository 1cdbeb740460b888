//! Operators on tensors: numpy broadcasting, public numbers, matrix products.

use mpcc_grammar::ast::{BinaryOp, Span};

use super::Lowerer;
use super::report::error;
use super::types::shape_text;
use super::value::{Tensor, Value};
use crate::graph::{Element, NodeId, Op, Shape, Type, Visibility};

/// Entries a repeated weight may have.
const MAX_COPIES: usize = 1 << 20;

/// The shape two operands broadcast to.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Shape> {
    let rank = a.len().max(b.len());
    let extent = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank)
        .map(|axis| match (extent(a, axis), extent(b, axis)) {
            (a, b) if a == b => Some(a),
            (1, extent) | (extent, 1) => Some(extent),
            _ => None,
        })
        .collect()
}

impl<'a> Lowerer<'a> {
    pub(super) fn negated(&mut self, value: Value<'a>, span: Span) -> Value<'a> {
        match value {
            Value::Poison => Value::Poison,
            Value::Int(n) => match n.checked_neg() {
                Some(n) => Value::Int(n),
                None => self.fail(error("E0602", "the result is too large").at(span, "does not fit 64 bits")),
            },
            Value::Real(x) => Value::Real(-x),
            Value::Tensor(tensor) => self.scaled(tensor, -1.0, span),
            other => {
                let text = format!("this is {}", other.describe());
                self.fail(error("E0606", "`-` has no meaning for this value").at(span, text))
            }
        }
    }

    /// `x * factor`
    pub(super) fn scaled(&mut self, x: Tensor, factor: f64, span: Span) -> Value<'a> {
        let shape = self.shape(x.node);
        self.real(Op::Scale(x.node, factor), shape, x.lead, span)
    }

    /// `x + term`
    fn offset(&mut self, x: Tensor, term: f64, span: Span) -> Value<'a> {
        let shape = self.shape(x.node);
        self.real(Op::Offset(x.node, term), shape, x.lead, span)
    }

    /// `1 / x`
    pub(super) fn reciprocal(&mut self, x: Tensor, span: Span) -> Tensor {
        self.warn_of_jumps(x.node, span);
        let shape = self.shape(x.node);
        Tensor { node: self.node(Op::Recip(x.node), Element::Real, shape, span), lead: x.lead }
    }

    /// An operator of which one side is a tensor.
    pub(super) fn tensor_binary(
        &mut self,
        op: BinaryOp,
        left: &Value<'a>,
        right: &Value<'a>,
        left_span: Span,
        right_span: Span,
        span: Span,
    ) -> Value<'a> {
        match op {
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::MatMul => {}
            BinaryOp::Rem => {
                return self.fail(
                    error("E0606", "`%` has no meaning for tensors").at(span, "only for numbers known at compile time"),
                );
            }
            BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Le | BinaryOp::Ge | BinaryOp::Lt | BinaryOp::Gt => {
                return self.fail(
                    error("E0604", "a comparison must be known at compile time")
                        .at(span, "compares values known only when the model runs")
                        .help("the language has no branch on values; `relu` and `gelu` are the functions that compare"),
                );
            }
        }
        match (left, left.as_number(), right, right.as_number()) {
            (Value::Tensor(x), _, _, Some(number)) => self.with_number(op, *x, number, right_span, span),
            (_, Some(number), Value::Tensor(x), _) => self.number_with(op, number, *x, left_span, span),
            _ => {
                let (Some(a), Some(b)) = (self.as_tensor(left, left_span), self.as_tensor(right, right_span)) else {
                    return Value::Poison;
                };
                match op {
                    BinaryOp::MatMul => self.product(a, b, left_span, right_span, span),
                    BinaryOp::Div => {
                        let b = self.reciprocal(b, right_span);
                        self.elementwise(BinaryOp::Mul, a, b, left_span, right_span, span)
                    }
                    _ => self.elementwise(op, a, b, left_span, right_span, span),
                }
            }
        }
    }

    /// A tensor, or a list of numbers as a public one.
    pub(super) fn as_tensor(&mut self, value: &Value<'a>, span: Span) -> Option<Tensor> {
        let Value::List(list) = value else { return self.want_tensor(value, span) };
        let mut entries = Vec::with_capacity(list.len());
        for (entry, span) in list.iter() {
            entries.push(self.want_number(entry, *span)?);
        }
        if entries.is_empty() {
            self.fail(error("E0518", "a tensor has entries").at(span, "this list is empty"));
            return None;
        }
        let shape = Shape::from_slice(&[entries.len()]);
        Some(Tensor { node: self.node(Op::Const(entries), Element::Real, shape, span), lead: 0 })
    }

    fn with_number(&mut self, op: BinaryOp, x: Tensor, number: f64, number_span: Span, span: Span) -> Value<'a> {
        match op {
            BinaryOp::Add => self.offset(x, number, span),
            BinaryOp::Sub => self.offset(x, -number, span),
            BinaryOp::Mul => self.scaled(x, number, span),
            BinaryOp::Div if number == 0.0 => {
                self.fail(error("E0603", "division by zero").at(number_span, "this is 0"))
            }
            BinaryOp::Div => self.scaled(x, 1.0 / number, span),
            _ => self.no_product(number_span),
        }
    }

    fn number_with(&mut self, op: BinaryOp, number: f64, x: Tensor, number_span: Span, span: Span) -> Value<'a> {
        match op {
            BinaryOp::Add => self.offset(x, number, span),
            BinaryOp::Sub => match self.scaled(x, -1.0, span) {
                Value::Tensor(negated) => self.offset(negated, number, span),
                other => other,
            },
            BinaryOp::Mul => self.scaled(x, number, span),
            BinaryOp::Div => {
                let inverse = self.reciprocal(x, span);
                if number == 1.0 { Value::Tensor(inverse) } else { self.scaled(inverse, number, span) }
            }
            _ => self.no_product(number_span),
        }
    }

    fn no_product(&mut self, span: Span) -> Value<'a> {
        self.fail(error("E0503", "`@` multiplies matrices").at(span, "this is a number").help("use `*`"))
    }

    pub(super) fn elementwise(
        &mut self,
        op: BinaryOp,
        a: Tensor,
        b: Tensor,
        left: Span,
        right: Span,
        span: Span,
    ) -> Value<'a> {
        if broadcast(&self.seen(a), &self.seen(b)).is_none() {
            let (a, b) = (self.seen(a), self.seen(b));
            return self.fail(
                error("E0502", format!("shapes {} and {} do not go together", shape_text(&a), shape_text(&b)))
                    .at(left, shape_text(&a))
                    .at(right, shape_text(&b))
                    .help("extents must be equal or 1, counted from the last axis"),
            );
        }
        let rank = self.seen(a).len().max(self.seen(b).len());
        let (a, b) = (self.padded(a, rank, span), self.padded(b, rank, span));
        let lead = a.lead.max(b.lead);
        let Some(shape) = broadcast(&self.shape(a.node), &self.shape(b.node)) else {
            return self.unmappable("this operator", span);
        };
        let (a, b) = (self.filled(a, b, &shape, span), self.filled(b, a, &shape, span));
        let (a, b) = (self.lined_up(a, &shape, span), self.lined_up(b, &shape, span));
        let op = match op {
            BinaryOp::Add => Op::Add(a.node, b.node),
            BinaryOp::Sub => Op::Sub(a.node, b.node),
            _ => Op::Mul(a.node, b.node),
        };
        self.real(op, shape, lead, span)
    }

    /// A weight that is to meet a secret input, repeated so that it ends the result's shape: a weight of one entry, or one
    /// per row. That takes nothing but its copies at the server.
    fn filled(&mut self, weight: Tensor, other: Tensor, full: &[usize], span: Span) -> Tensor {
        let own = self.shape(weight.node);
        let first = own.iter().position(|extent| *extent != 1).unwrap_or(own.len().saturating_sub(1));
        let suffix = &full[full.len() - (own.len() - first).min(full.len())..];
        let of = |tensor: Tensor| self.ty(tensor.node).visibility;
        let meet = of(weight) == Visibility::SecretServer
            && matches!(of(other), Visibility::SecretClient | Visibility::Shared);
        if !meet || weight.lead > 0 || full.ends_with(&own) || suffix.iter().product::<usize>() > MAX_COPIES {
            return weight;
        }
        let mut node = weight.node;
        if first > 0 {
            node = self.reshaped_node(node, Shape::from_slice(&own[first..]), span);
        }
        if own[first..] != *suffix {
            let zeros = Op::Const(vec![0.0; suffix.iter().product()]);
            let zeros = self.node(zeros, Element::Real, Shape::from_slice(suffix), span);
            node = self.node(Op::Add(node, zeros), Element::Real, Shape::from_slice(suffix), span);
        }
        Tensor { node, lead: 0 }
    }

    /// A private tensor with all entries of a result that has more axes, in the result's shape: the weight that it meets
    /// has those axes.
    fn lined_up(&mut self, x: Tensor, full: &[usize], span: Span) -> Tensor {
        let Type { shape, visibility, .. } = self.ty(x.node);
        let private = matches!(visibility, Visibility::SecretClient | Visibility::Shared);
        let entries = |shape: &[usize]| shape.iter().product::<usize>();
        if !private || x.lead > 0 || shape.len() >= full.len() || entries(shape) != entries(full) {
            return x;
        }
        Tensor { node: self.reshaped_node(x.node, Shape::from_slice(full), span), lead: 0 }
    }

    /// Gives a tensor with mapped axes `rank` further ones, so that broadcasting lines its mapped axes up.
    fn padded(&mut self, x: Tensor, rank: usize, span: Span) -> Tensor {
        let shape = self.shape(x.node);
        let (mapped, seen) = shape.split_at(x.lead);
        if x.lead == 0 || seen.len() == rank {
            return x;
        }
        let ones = std::iter::repeat_n(1, rank - seen.len());
        let shape: Shape = mapped.iter().copied().chain(ones).chain(seen.iter().copied()).collect();
        Tensor { node: self.reshaped_node(x.node, shape, span), lead: x.lead }
    }

    pub(super) fn reshaped_node(&mut self, x: NodeId, shape: Shape, span: Span) -> NodeId {
        let element = self.ty(x).element;
        self.node(Op::Reshape(x), element, shape, span)
    }

    /// `a @ b`. A vector on the left is a row, one on the right a column, and the result lacks that axis.
    pub(super) fn product(&mut self, a: Tensor, b: Tensor, left: Span, right: Span, span: Span) -> Value<'a> {
        let (seen_a, seen_b) = (self.seen(a), self.seen(b));
        let inner = |shape: &Shape, back: usize| shape.len().checked_sub(back).map(|axis| shape[axis]);
        let (row, column) = (seen_a.len() == 1, seen_b.len() == 1);
        let meets = inner(&seen_b, if column { 1 } else { 2 });
        let help = match (seen_a.len(), seen_b.len()) {
            (0, _) | (_, 0) => "`@` needs matrices or vectors",
            _ if inner(&seen_a, 1) == meets => "axes before the last two must be equal",
            _ if inner(&seen_a, 1) == inner(&seen_b, 1) => "`transpose` the right operand",
            _ if column => "the last extent on the left must equal that of the vector",
            _ => "the last extent on the left must equal the one before the last on the right",
        };
        let mismatch = error("E0503", format!("{} @ {} has no meaning", shape_text(&seen_a), shape_text(&seen_b)))
            .at(left, shape_text(&seen_a))
            .at(right, shape_text(&seen_b))
            .help(help);
        if seen_a.is_empty() || seen_b.is_empty() || inner(&seen_a, 1) != meets || (row && seen_b.len() > 2) {
            return self.fail(mismatch);
        }
        if row || column {
            return self.vector_product((a, row, left), (b, column, right), span);
        }
        let (full_a, full_b) = (self.shape(a.node), self.shape(b.node));
        let (last, columns) = (full_a.len() - 1, full_b[full_b.len() - 1]);
        let mut shape = full_a.clone();
        shape[last] = columns;
        if a.lead == b.lead && full_a[..full_a.len() - 2] == full_b[..full_b.len() - 2] {
            return self.real(Op::MatMul(a.node, b.node), shape, a.lead, span);
        }
        if full_b.len() == 2 {
            let rows = full_a[..last].iter().product();
            let flat = self.reshaped_node(a.node, Shape::from_slice(&[rows, full_a[last]]), span);
            let product = self.node(Op::MatMul(flat, b.node), Element::Real, Shape::from_slice(&[rows, columns]), span);
            let node = self.reshaped_node(product, shape, span);
            return Value::Tensor(Tensor { node, lead: a.lead });
        }
        if seen_a[..seen_a.len() - 2] == seen_b[..seen_b.len() - 2] || a.lead != b.lead {
            return self.unmappable("`@`", span);
        }
        self.fail(mismatch)
    }

    /// `a @ b` where one or both are vectors: of one row, or of one column. The product of two vectors has one entry.
    fn vector_product(
        &mut self,
        (a, row, left): (Tensor, bool, Span),
        (b, column, right): (Tensor, bool, Span),
        span: Span,
    ) -> Value<'a> {
        let (mut a, mut b) = (a, b);
        if row {
            let mut shape = self.shape(a.node);
            shape.insert(a.lead, 1);
            a.node = self.reshaped_node(a.node, shape, span);
        }
        if column {
            let mut shape = self.shape(b.node);
            shape.push(1);
            b.node = self.reshaped_node(b.node, shape, span);
        }
        let Value::Tensor(product) = self.product(a, b, left, right, span) else { return Value::Poison };
        let mut shape = self.shape(product.node);
        let last = shape.len() - 1;
        if row {
            shape.remove(last - 1);
        }
        if column && !row {
            shape.pop();
        }
        Value::Tensor(Tensor { node: self.reshaped_node(product.node, shape, span), lead: product.lead })
    }

    /// Reports an operation that cannot run over the leading axes of a mapped call.
    pub(super) fn unmappable(&mut self, what: &str, span: Span) -> Value<'a> {
        self.fail(
            error("E0522", format!("{what} cannot be mapped over leading axes"))
                .at(span, "the function is called on a tensor with more axes than it declares")
                .help("declare the function for the full shape"),
        )
    }
}
