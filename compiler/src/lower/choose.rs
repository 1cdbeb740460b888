//! `choose(row, x)`: one function per head, row or layer.
//!
//! Heads (or rows) of one kind are gathered, so each function runs once on all of its heads; those that are searched
//! among the same functions are one kind.

use mpcc_grammar::ast::{PlanKind, Span};

use super::Lowerer;
use super::report::error;
use super::supernet::Place;
use super::types::shape_text;
use super::value::{Argument, Entry, Function, Table, Tensor, Value, grouped};
use crate::graph::{NodeId, Op};

impl<'a> Lowerer<'a> {
    /// Applies one layer of a plan to `x`.
    pub(super) fn choose(
        &mut self,
        row: &Value<'a>,
        row_span: Span,
        x: &Value<'a>,
        x_span: Span,
        span: Span,
    ) -> Value<'a> {
        let (table, layer) = match row {
            Value::PlanRow(table, layer) => (table.clone(), *layer),
            Value::Plan(table) => {
                return self.fail(
                    error("E0205", format!("`choose` needs one layer of plan `{}`", table.name))
                        .at(row_span, "this is the whole plan")
                        .help("select a layer: `plan[i]`"),
                );
            }
            other => return self.mismatch("one layer of a plan", other, row_span).unwrap_or(Value::Poison),
        };
        let Some(tensor) = self.want_tensor(x, x_span) else { return Value::Poison };
        let entries = &table.rows[layer];
        if table.kind == PlanKind::PerLayer {
            let place = Place { layer, positions: &[0], axis: None };
            return self.chosen(&entries[0], &place, tensor, x_span, span);
        }
        let Some(axis) = self.plan_axis(&table, tensor, x_span) else { return Value::Poison };
        let groups = grouped(entries);
        let axis = tensor.lead + axis;
        if let [(entry, positions)] = groups.as_slice() {
            let place = Place { layer, positions, axis: Some(axis) };
            return self.chosen(entry, &place, tensor, x_span, span);
        }
        let mut parts = Vec::with_capacity(groups.len());
        for (entry, index) in &groups {
            let mut shape = self.shape(tensor.node);
            shape[axis] = index.len();
            let element = self.ty(tensor.node).element;
            let gather = Op::Gather { x: tensor.node, axis, index: index.clone() };
            let node = self.node(gather, element, shape, span);
            let place = Place { layer, positions: index, axis: Some(axis) };
            match self.chosen(entry, &place, Tensor { node, lead: tensor.lead }, x_span, span) {
                Value::Tensor(part) => parts.push(part),
                other => return other,
            }
        }
        self.reassembled(&table, &parts, &groups, axis, span)
    }

    /// The axis of `x` that a plan runs along, as the source sees it.
    fn plan_axis(&mut self, table: &Table<'a>, tensor: Tensor, span: Span) -> Option<usize> {
        let (seen, columns) = (self.seen(tensor), table.rows[0].len());
        let (axis, unit) = match table.kind {
            PlanKind::PerRow => (seen.len().checked_sub(2), "rows on the axis before the last"),
            _ => (if seen.len() == 3 { Some(0) } else { None }, "heads on the first of three axes"),
        };
        let fits = axis.filter(|axis| seen[*axis] == columns);
        if fits.is_none() {
            self.fail(
                error("E0206", format!("plan `{}` does not fit a tensor {}", table.name, shape_text(&seen)))
                    .at(span, format!("needs {columns} {unit}")),
            );
        }
        fits
    }

    fn chosen(&mut self, entry: &Entry<'a>, place: &Place<'_>, tensor: Tensor, x_span: Span, span: Span) -> Value<'a> {
        match entry {
            Entry::Fixed(function) => self.apply(*function, tensor, x_span, span),
            Entry::Searched(candidates) if self.options.supernet => self.mixed(candidates, place, tensor, x_span, span),
            // Refused already; any candidate lets the rest be checked.
            Entry::Searched(candidates) => self.apply(candidates.functions[0], tensor, x_span, span),
        }
    }

    pub(super) fn apply(&mut self, function: Function<'a>, tensor: Tensor, x_span: Span, span: Span) -> Value<'a> {
        let argument = Argument { name: None, value: Value::Tensor(tensor), span: x_span };
        self.call_function(function, vec![argument], span)
    }

    /// Joins the groups' results and puts the heads back in their order.
    fn reassembled(
        &mut self,
        table: &Table<'a>,
        parts: &[Tensor],
        groups: &[(Entry<'a>, Vec<usize>)],
        axis: usize,
        span: Span,
    ) -> Value<'a> {
        let mut shape = self.shape(parts[0].node);
        for (part, (entry, index)) in parts.iter().zip(groups) {
            let mut wanted = shape.clone();
            let along = wanted.get_mut(axis).map(|extent| *extent = index.len()).is_some();
            if !along || self.shape(part.node) != wanted || part.lead != parts[0].lead {
                let (found, first) = (shape_text(&self.seen(*part)), groups[0].0.text());
                let message = format!("the functions of plan `{}` give different shapes", table.name);
                let text =
                    format!("`{}` gives {found} for its {} of them, unlike `{first}`", entry.text(), index.len());
                return self.fail(error("E0206", message).at(span, text));
            }
        }
        let order: Vec<usize> = groups.iter().flat_map(|(_, index)| index.iter().copied()).collect();
        shape[axis] = order.len();
        let element = self.ty(parts[0].node).element;
        let nodes: Vec<NodeId> = parts.iter().map(|part| part.node).collect();
        let mut node = self.node(Op::Concat { parts: nodes, axis }, element, shape.clone(), span);
        if !order.is_sorted() {
            let mut index = vec![0; order.len()];
            for (at, original) in order.iter().enumerate() {
                index[*original] = at;
            }
            node = self.node(Op::Gather { x: node, axis, index }, element, shape, span);
        }
        Value::Tensor(Tensor { node, lead: parts[0].lead })
    }
}
