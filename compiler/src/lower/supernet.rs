//! Entries that are still to be searched: all candidates at once, weighed by coefficients that a search trains.
//!
//! The coefficients of equal entries of a layer are one parameter, whatever applies the layer and how often.

use std::rc::Rc;

use mpcc_grammar::ast::{Expr, PlanDef, PlanKind, Span};

use super::Lowerer;
use super::report::error;
use super::types::shape_text;
use super::value::{Candidates, Entry, Function, Table, Tensor, Value};
use crate::graph::{Element, Granularity, NodeId, Op, OpenPlan, Searched, Shape, Type, Visibility};

/// Which entries of a plan are applied.
pub(super) struct Place<'p> {
    pub(super) layer: usize,
    /// Heads or rows; `[0]` of a plan per layer.
    pub(super) positions: &'p [usize],
    /// The axis that they lie along, mapped ones included; none of a plan per layer.
    pub(super) axis: Option<usize>,
}

impl<'a> Lowerer<'a> {
    /// `search[f, g]` in a plan.
    pub(super) fn candidates(&mut self, def: &'a PlanDef, written: &'a [Expr], span: Span) -> Option<Entry<'a>> {
        let mut functions: Vec<Function<'a>> = Vec::new();
        for expr in written {
            let function = self.entry_function(def, expr)?;
            if let Some(at) = functions.iter().position(|other| other.name() == function.name()) {
                let draft = error("E0211", format!("`search` names `{}` twice", function.name()));
                self.fail(draft.at(expr.span, "second time").at(written[at].span, "first time"));
                return None;
            }
            functions.push(function);
        }
        if functions.len() < 2 {
            let text = format!("{} candidate{}", functions.len(), if functions.len() == 1 { "" } else { "s" });
            let draft = error("E0211", "`search` chooses between two or more functions").at(span, text);
            self.fail(draft.help("name a function alone where there is nothing to choose"));
            return None;
        }
        let names = functions.iter().map(|function| function.name().to_owned()).collect();
        Some(Entry::Searched(Rc::new(Candidates { plan: def.name.node.clone(), names, functions, span })))
    }

    /// Keeps what a plan leaves to a search; a plan that follows another leaves nothing of its own.
    pub(super) fn note_open(&mut self, table: &Table<'a>) {
        let own = |entry: &Entry<'a>| matches!(entry, Entry::Searched(of) if of.plan == table.name);
        if !table.rows.iter().flatten().any(own) || self.open.iter().any(|open| open.plan == table.name) {
            return;
        }
        let names = |entry: &Entry<'a>| match entry {
            Entry::Fixed(function) => vec![function.name().to_owned()],
            Entry::Searched(candidates) => candidates.names.clone(),
        };
        let entries = table.rows.iter().map(|row| row.iter().map(names).collect()).collect();
        self.open.push(OpenPlan { plan: table.name.clone(), granularity: granularity(table.kind), entries });
    }

    /// Hands out the open plans that something applied, in the order of their first coefficients.
    pub(super) fn record_open(&mut self) {
        for searched in &self.graph.searched {
            let of = |open: &OpenPlan| open.plan == searched.plan;
            if !self.graph.open.iter().any(of) {
                self.graph.open.extend(self.open.iter().find(|open| of(open)).cloned());
            }
        }
    }

    /// Reports entries that are still to be searched, unless they are to be mixed.
    pub(super) fn refuse_unsearched(&mut self, table: &Table<'a>) {
        let open = table.rows.iter().flatten().find_map(|entry| match entry {
            Entry::Searched(candidates) => Some(candidates.clone()),
            Entry::Fixed(_) => None,
        });
        let Some(candidates) = open.filter(|_| !self.options.supernet) else { return };
        let name = &candidates.plan;
        self.fail(
            error("E0210", format!("plan `{name}` is still to be searched"))
                .at(candidates.span, "not decided yet")
                .help(format!("run `mpcc search`, or give a plan with `--plan {name}=FILE.json`")),
        );
    }

    /// One entry of a plan where a single function is needed.
    pub(super) fn single(&mut self, table: &Table<'a>, layer: usize, column: usize, span: Span) -> Value<'a> {
        match &table.rows[layer][column] {
            Entry::Fixed(function) => Value::Function(*function),
            Entry::Searched(_) if !self.options.supernet => Value::Poison,
            Entry::Searched(candidates) => self.fail(
                error("E0211", "an entry that is searched cannot be used as a function")
                    .at(span, format!("entry {column} of layer {layer} of plan `{}`", table.name))
                    .at(candidates.span, "searched")
                    .help("apply the layer: `choose(plan[i], x)`"),
            ),
        }
    }

    /// Σ cᵢ fᵢ(x) over the candidates.
    pub(super) fn mixed(
        &mut self,
        candidates: &Candidates<'a>,
        place: &Place<'_>,
        tensor: Tensor,
        x_span: Span,
        span: Span,
    ) -> Value<'a> {
        let mut parts = Vec::with_capacity(candidates.functions.len());
        for function in &candidates.functions {
            match self.apply(*function, tensor, x_span, span) {
                Value::Tensor(part) => parts.push(part),
                other => return other,
            }
        }
        let (shape, lead) = (self.shape(parts[0].node), parts[0].lead);
        let keeps = place.axis.is_none_or(|axis| shape.get(axis) == Some(&place.positions.len()));
        for (part, function) in parts.iter().zip(&candidates.functions) {
            if !keeps || self.shape(part.node) != shape || part.lead != lead {
                let (found, first) = (shape_text(&self.seen(*part)), candidates.functions[0].name());
                let message = format!("the candidates of plan `{}` give different shapes", candidates.plan);
                let text = format!("`{}` gives {found}, unlike `{first}`", function.name());
                return self.fail(error("E0206", message).at(span, text).at(candidates.span, "searched"));
            }
        }
        let along = match place.axis {
            Some(axis) => {
                let mut along: Shape = Shape::from_elem(1, shape.len() - axis);
                along[0] = place.positions.len();
                along
            }
            None => Shape::from_elem(1, 1),
        };
        let Some(weights) = self.weights_of(candidates, place, &along, span) else { return Value::Poison };
        let mut sum = None;
        for (part, weight) in parts.into_iter().zip(weights) {
            let product = self.node(Op::Mul(weight, part.node), Element::Real, shape.clone(), span);
            sum = Some(match sum {
                Some(sum) => self.node(Op::Add(sum, product), Element::Real, shape.clone(), span),
                None => product,
            });
        }
        sum.map_or(Value::Poison, |node| Value::Tensor(Tensor { node, lead }))
    }

    /// The coefficients of every candidate, of shape `along`; the last is what the others leave of 1.
    fn weights_of(
        &mut self,
        candidates: &Candidates<'a>,
        place: &Place<'_>,
        along: &Shape,
        span: Span,
    ) -> Option<Vec<NodeId>> {
        let naming = self.frame().and_then(|frame| frame.naming.replace("alpha".to_owned()));
        let table = self.coefficients(candidates, place, span);
        let weights = table.map(|table| {
            let rest = candidates.functions.len() - 1;
            let mut weights = Vec::with_capacity(rest + 1);
            for at in 0..rest {
                let mut row = table;
                if rest > 1 {
                    let slice = Op::Slice { x: table, axis: 0, start: at, end: at + 1 };
                    row = self.node(slice, Element::Real, Shape::from_slice(&[1, place.positions.len()]), span);
                }
                if self.shape(row) != *along {
                    row = self.reshaped_node(row, along.clone(), span);
                }
                weights.push(row);
            }
            let mut given = weights[0];
            for weight in weights.clone().into_iter().skip(1) {
                given = self.node(Op::Add(given, weight), Element::Real, along.clone(), span);
            }
            let negated = self.node(Op::Scale(given, -1.0), Element::Real, along.clone(), span);
            weights.push(self.node(Op::Offset(negated, 1.0), Element::Real, along.clone(), span));
            weights
        });
        if let Some(frame) = self.frame() {
            frame.naming = naming;
        }
        weights
    }

    /// The parameter of these entries; made when they are applied first.
    fn coefficients(&mut self, candidates: &Candidates<'a>, place: &Place<'_>, span: Span) -> Option<NodeId> {
        let (plan, layer) = (&candidates.plan, place.layer);
        let known = self.graph.searched.iter().position(|searched| {
            searched.plan == *plan && searched.layer == layer && searched.candidates == candidates.names
        });
        if let Some(known) = known {
            return self.coefficients.get(known).copied();
        }
        let before = self.graph.searched.iter().filter(|other| other.plan == *plan && other.layer == layer).count();
        let name = match before {
            0 => format!("{plan}.{layer}.alpha"),
            group => format!("{plan}.{layer}.alpha.{group}"),
        };
        let shape: Shape = match (candidates.names.len() - 1, place.positions.len()) {
            (1, positions) => Shape::from_slice(&[positions]),
            (rows, positions) => Shape::from_slice(&[rows, positions]),
        };
        let param = self.coefficient(name, &shape, candidates.span)?;
        self.graph.searched.push(Searched {
            plan: plan.clone(),
            layer,
            positions: place.positions.to_vec(),
            candidates: candidates.names.clone(),
            param,
        });
        let ty = Type { element: Element::Real, shape, visibility: Visibility::SecretServer };
        let node = self.push(Op::Param(param), ty, span);
        self.coefficients.push(node);
        Some(node)
    }
}

fn granularity(kind: PlanKind) -> Granularity {
    match kind {
        PlanKind::PerHead => Granularity::Head,
        PlanKind::PerRow => Granularity::Row,
        PlanKind::PerLayer => Granularity::Layer,
    }
}

/// A table under another name, which its searched entries take as well.
pub(super) fn renamed<'a>(table: &Table<'a>, name: &str) -> Table<'a> {
    let entry = |entry: &Entry<'a>| match entry {
        Entry::Searched(own) if own.plan == table.name => {
            Entry::Searched(Rc::new(Candidates { plan: name.to_owned(), ..Candidates::clone(own) }))
        }
        other => other.clone(),
    };
    let rows = table.rows.iter().map(|row| row.iter().map(entry).collect()).collect();
    Table { name: name.to_owned(), kind: table.kind, rows }
}
