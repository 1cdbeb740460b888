//! `x[0]`, `x[.., a..b]`, `plan[i]`.

use mpcc_grammar::ast::{Expr, Index, PlanKind, Span};

use super::Lowerer;
use super::report::error;
use super::types::shape_text;
use super::value::{Tensor, Value};
use crate::graph::{Op, Shape};

impl<'a> Lowerer<'a> {
    pub(super) fn index(&mut self, value: &'a Expr, indices: &'a [Index], span: Span) -> Value<'a> {
        match self.expr(value) {
            Value::Poison => Value::Poison,
            Value::Tensor(tensor) => self.tensor_index(tensor, indices, value.span, span),
            Value::Plan(table) => {
                let layers = table.rows.len();
                match self.positions(indices, span).as_deref() {
                    Some([layer]) => match self.checked(*layer, layers, &format!("plan `{}`", table.name), "layers") {
                        Some(layer) => {
                            self.record_plan(&table);
                            Value::PlanRow(table, layer)
                        }
                        None => Value::Poison,
                    },
                    Some([layer, column]) if table.kind != PlanKind::PerLayer => {
                        let name = format!("plan `{}`", table.name);
                        let layer = self.checked(*layer, layers, &name, "layers");
                        let column = self.checked(*column, table.rows[0].len(), &name, "columns");
                        match (layer, column) {
                            (Some(layer), Some(column)) => {
                                self.record_plan(&table);
                                self.single(&table, layer, column, span)
                            }
                            _ => Value::Poison,
                        }
                    }
                    Some(_) => {
                        self.fail(error("E0508", "too many positions").at(span, "a plan is indexed by its layer"))
                    }
                    None => Value::Poison,
                }
            }
            Value::List(list) => match self.positions(indices, span).as_deref() {
                Some([at]) => match self.checked(*at, list.len(), "the list", "entries") {
                    Some(at) => list[at].0.clone(),
                    None => Value::Poison,
                },
                Some(_) => self.fail(error("E0508", "too many positions").at(span, "a list has one axis")),
                None => Value::Poison,
            },
            other => {
                let text = format!("this is {}", other.describe());
                self.fail(error("E0501", "only tensors, plans and lists are indexed").at(value.span, text))
            }
        }
    }

    /// Plain positions, as plans and lists take them.
    fn positions(&mut self, indices: &'a [Index], span: Span) -> Option<Vec<(i64, Span)>> {
        let mut positions = Vec::new();
        for index in indices {
            match index {
                Index::At(at) => positions.push((self.whole(at)?, at.span)),
                Index::Range(..) | Index::All(_) => {
                    self.fail(
                        error("E0509", "a range selects from tensors only").at(span, "one position is needed here"),
                    );
                    return None;
                }
            }
        }
        Some(positions)
    }

    /// A position within `extent`.
    fn checked(&mut self, (at, span): (i64, Span), extent: usize, what: &str, unit: &str) -> Option<usize> {
        let position = usize::try_from(at).ok().filter(|position| *position < extent);
        if position.is_none() {
            self.fail(
                error("E0508", format!("position {at} is out of range"))
                    .at(span, format!("{what} has {unit} 0..{extent}")),
            );
        }
        position
    }

    fn tensor_index(&mut self, tensor: Tensor, indices: &'a [Index], value: Span, span: Span) -> Value<'a> {
        let seen = self.seen(tensor);
        if indices.len() > seen.len() {
            return self.fail(
                error("E0508", format!("{} positions for {} axes", indices.len(), seen.len()))
                    .at(span, "one entry per axis, fewer keep the last axes whole")
                    .at(value, shape_text(&seen)),
            );
        }
        let mut node = tensor.node;
        let mut dropped = Vec::new();
        for (axis, index) in indices.iter().enumerate() {
            let extent = seen[axis];
            let (start, end) = match index {
                Index::All(_) => continue,
                Index::At(at) => {
                    let Some(position) = self.whole(at) else { return Value::Poison };
                    let what = format!("axis {axis} of {}", shape_text(&seen));
                    let Some(position) = self.checked((position, at.span), extent, &what, "entries") else {
                        return Value::Poison;
                    };
                    dropped.push(tensor.lead + axis);
                    (position, position + 1)
                }
                Index::Range(from, to) => {
                    let (Some(low), Some(high)) = (self.whole(from), self.whole(to)) else { return Value::Poison };
                    let bounds = usize::try_from(low).ok().zip(usize::try_from(high).ok());
                    match bounds.filter(|(low, high)| low < high && *high <= extent) {
                        Some(bounds) => bounds,
                        None => {
                            let whole = Span { start: from.span.start, end: to.span.end };
                            return self.fail(
                                error("E0509", format!("range {low}..{high} does not fit"))
                                    .at(whole, format!("axis {axis} of {} has entries 0..{extent}", shape_text(&seen)))
                                    .help("a range runs from its first entry to one past its last, and is not empty"),
                            );
                        }
                    }
                }
            };
            if (start, end) != (0, extent) {
                let mut shape = self.shape(node);
                shape[tensor.lead + axis] = end - start;
                let element = self.ty(node).element;
                node = self.node(Op::Slice { x: node, axis: tensor.lead + axis, start, end }, element, shape, span);
            }
        }
        if !dropped.is_empty() {
            let full = self.shape(node);
            let kept = full.iter().enumerate().filter(|(axis, _)| !dropped.contains(axis));
            let mut shape: Shape = kept.map(|(_, extent)| *extent).collect();
            if shape.len() == tensor.lead {
                shape.push(1);
            }
            if shape != full {
                node = self.reshaped_node(node, shape, span);
            }
        }
        Value::Tensor(Tensor { node, lead: tensor.lead })
    }
}
