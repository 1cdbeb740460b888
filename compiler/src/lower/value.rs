//! What an expression of the source evaluates to while lowering.
//!
//! Numbers, functions, plans and blocks exist at compile time only; a tensor is a node of the graph.

use std::rc::Rc;

use hashbrown::HashMap;
use mpcc_grammar::ast::{BlockDef, FnDef, PlanKind, Span};

use super::builtin::Builtin;
use crate::graph::NodeId;

/// A value at compile time.
#[derive(Clone)]
pub(super) enum Value<'a> {
    /// The result of something already reported.
    Poison,
    Int(i64),
    Real(f64),
    Bool(bool),
    /// A string; its text is read where it is written.
    Text,
    List(Rc<[(Value<'a>, Span)]>),
    Tensor(Tensor),
    Function(Function<'a>),
    Plan(Rc<Table<'a>>),
    /// One layer of a plan.
    PlanRow(Rc<Table<'a>>, usize),
    Block(&'a BlockDef),
    /// `Block(args)` before `at`.
    Unplaced(Rc<Unplaced<'a>>),
    Instance(Rc<Instance<'a>>),
}

/// A node, and how many of its leading axes a function call maps over.
///
/// Within one function the mapped axes are the same for every value that has any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tensor {
    pub(super) node: NodeId,
    pub(super) lead: usize,
}

/// Something callable on tensors.
#[derive(Clone, Copy)]
pub(super) enum Function<'a> {
    User(&'a FnDef),
    Builtin(Builtin),
}

impl Function<'_> {
    pub(super) fn name(&self) -> &str {
        match self {
            Function::User(def) => &def.name.node,
            Function::Builtin(builtin) => builtin.name(),
        }
    }
}

/// An evaluated plan: `rows[layer][column]`.
pub(super) struct Table<'a> {
    pub(super) name: String,
    pub(super) kind: PlanKind,
    /// One per layer; one column for `per_layer`.
    pub(super) rows: Vec<Vec<Entry<'a>>>,
}

/// One entry of a plan.
#[derive(Clone)]
pub(super) enum Entry<'a> {
    Fixed(Function<'a>),
    Searched(Rc<Candidates<'a>>),
}

/// `search[f, g]`, or what a plan puts in its place that follows the one with this entry.
#[derive(Clone)]
pub(super) struct Candidates<'a> {
    /// The plan whose coefficients weigh the functions.
    pub(super) plan: String,
    /// Names of that plan's candidates.
    pub(super) names: Vec<String>,
    /// What is mixed.
    pub(super) functions: Vec<Function<'a>>,
    /// Where the entry is written.
    pub(super) span: Span,
}

impl Entry<'_> {
    /// As the language writes it.
    pub(super) fn text(&self) -> String {
        match self {
            Entry::Fixed(function) => function.name().to_owned(),
            Entry::Searched(candidates) => {
                let names: Vec<&str> = candidates.functions.iter().map(Function::name).collect();
                format!("search[{}]", names.join(", "))
            }
        }
    }

    /// Whether both are applied at once.
    fn joins(&self, other: &Self) -> bool {
        match (self, other) {
            (Entry::Fixed(a), Entry::Fixed(b)) => a.name() == b.name(),
            (Entry::Searched(a), Entry::Searched(b)) => a.plan == b.plan && a.names == b.names,
            _ => false,
        }
    }
}

/// Positions by entry, in order of first appearance.
pub(super) fn grouped<'a>(entries: &[Entry<'a>]) -> Vec<(Entry<'a>, Vec<usize>)> {
    let mut groups: Vec<(Entry<'a>, Vec<usize>)> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        match groups.iter_mut().find(|(other, _)| other.joins(entry)) {
            Some((_, index)) => index.push(at),
            None => groups.push((entry.clone(), vec![at])),
        }
    }
    groups
}

/// A block with its arguments but without a place for its weights.
pub(super) struct Unplaced<'a> {
    pub(super) def: &'a BlockDef,
    pub(super) args: HashMap<String, Binding<'a>>,
}

/// A block with its arguments and weights.
pub(super) struct Instance<'a> {
    pub(super) def: &'a BlockDef,
    /// Arguments and weights.
    pub(super) scope: HashMap<String, Binding<'a>>,
    /// Full path of its weights.
    pub(super) path: String,
    /// Short form of the path, the start of node paths.
    pub(super) label: String,
}

/// A name's meaning.
#[derive(Clone)]
pub(super) struct Binding<'a> {
    pub(super) value: Value<'a>,
    /// Where it was declared.
    pub(super) span: Span,
}

/// An evaluated argument.
#[derive(Clone)]
pub(super) struct Argument<'a> {
    pub(super) name: Option<(&'a str, Span)>,
    pub(super) value: Value<'a>,
    pub(super) span: Span,
}

impl Value<'_> {
    /// What it is, for messages.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Value::Poison => "an unknown value",
            Value::Int(_) => "a whole number",
            Value::Real(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Text => "a string",
            Value::List(_) => "a list",
            Value::Tensor(_) => "a tensor",
            Value::Function(_) => "a function",
            Value::Plan(_) => "a plan",
            Value::PlanRow(..) => "one layer of a plan",
            Value::Block(_) => "a block",
            Value::Unplaced(_) => "a block without a place for its weights",
            Value::Instance(_) => "a block instance",
        }
    }

    pub(super) fn is_poison(&self) -> bool {
        matches!(self, Value::Poison)
    }

    /// The number it is, whole or not.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Real(x) => Some(*x),
            _ => None,
        }
    }
}
