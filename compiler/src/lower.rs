//! From a syntax tree to the typed graph.
//!
//! Names, constants, shapes, plans and visibility are resolved here; functions are inlined, blocks instantiated and loops unrolled.
//! Mistakes are collected rather than returned one by one: a construct that cannot be lowered yields a poisoned value that silences what depends on it.
//! Each file under `lower/` is one construct of the language.

mod arithmetic;
mod blocks;
mod builtin;
mod builtins;
mod calls;
mod choose;
mod constants;
mod expressions;
mod following;
mod indexing;
mod items;
mod jumps;
mod model;
mod names;
mod plans;
mod preprocess;
mod report;
mod statements;
mod supernet;
mod tokenizer;
mod types;
mod value;
mod weights;

use std::collections::BTreeMap;

use hashbrown::HashMap;
use mpcc_grammar::Diagnostic;
use mpcc_grammar::ast::{BlockDef, FnDef, ModelDef, Module, PartyWord, PlanDef, Span};
use serde::{Deserialize, Serialize};

use crate::graph::{Element, Graph, Node, NodeId, Op, OpenPlan, Shape, Type, Visibility};
use crate::verify::budget;
pub use builtin::{BuiltinFunction, builtin_functions};
pub use plans::list as plan_entries;
use report::{Draft, Report, error};
use value::{Binding, Tensor, Value};

/// Entries that all constants of a model may have together.
const MOST_CONSTANTS: usize = 1 << 25;

/// A plan given from outside the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PlanValue {
    /// At the top: the name of a plan of the source. Inside a list: the name of a function.
    Name(String),
    /// Entries of the plan, nested like the plan's extents.
    List(Vec<PlanValue>),
}

/// A constant or model parameter given from outside the source.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum SetValue {
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `real`
    Real(f64),
    /// The name of a function, for a parameter of type `fn`.
    Name(String),
}

/// What a caller may replace in a model without editing it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LowerOptions {
    /// Plan, or model parameter of type `plan`, to its replacement.
    pub plans: BTreeMap<String, PlanValue>,
    /// Constant, or model parameter of another type, to its value.
    pub sets: BTreeMap<String, SetValue>,
    /// Mixes the candidates of entries `search[f, g]`, for a search (see [`Searched`]); otherwise such entries are an error.
    ///
    /// [`Searched`]: crate::graph::Searched
    pub supernet: bool,
}

/// Lowers the module's model.
///
/// Returns the graph and the warnings.
///
/// # Errors
/// All mistakes found, in source order; never an empty list.
pub fn lower(module: &Module, options: &LowerOptions) -> Result<(Graph, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut lowerer = Lowerer::new(options);
    lowerer.collect_items(module);
    names::resolve(module, &mut lowerer.report);
    lowerer.module_values(module);
    if let Some(model) = lowerer.model {
        lowerer.model(model);
    }
    lowerer.record_open();
    lowerer.refuse_the_excessive();
    let (graph, report) = (lowerer.graph, lowerer.report);
    report.finish().map(|warnings| (graph, warnings))
}

/// One function, block or model being lowered.
struct Frame<'a> {
    /// Names, innermost scope last.
    scopes: Vec<HashMap<String, Binding<'a>>>,
    /// What node paths start with.
    base: String,
    /// Name of the value being defined, the end of node paths.
    naming: Option<String>,
    /// Weight path of the block instance being lowered, and its short form.
    block: Option<(String, String)>,
    /// The party of the enclosing `local`.
    local: Option<PartyWord>,
    /// The function or block whose statements these are.
    call: Option<Call>,
    /// The function of the standard library that the model called to get here, and where.
    library: Option<(String, Span)>,
}

/// A call being lowered.
struct Call {
    name: String,
    /// Where it is called.
    at: Span,
    /// Where it is defined.
    defined: Span,
}

struct Lowerer<'a> {
    options: &'a LowerOptions,
    report: Report,
    graph: Graph,
    fns: HashMap<&'a str, &'a FnDef>,
    blocks: HashMap<&'a str, &'a BlockDef>,
    plans: HashMap<&'a str, &'a PlanDef>,
    model: Option<&'a ModelDef>,
    /// Constants not yet evaluated.
    later: HashMap<&'a str, Span>,
    globals: HashMap<String, Binding<'a>>,
    frames: Vec<Frame<'a>>,
    /// Where each weight tensor is bound.
    bound: HashMap<String, Vec<weights::Bound>>,
    /// Coefficients of searched entries that were applied already.
    coefficients: Vec<NodeId>,
    /// Plans with searched entries of their own, in force or not.
    open: Vec<OpenPlan>,
    /// Weights whose load-time reshape changed their declared shape, with that shape.
    reshaped: HashMap<NodeId, Shape>,
    /// The `weights` declaration, once met.
    weights: Option<Span>,
    /// The `tokenizer` declaration, once met.
    tokenizer: Option<Span>,
    /// The `preprocess` declarations by input, where they stand.
    preprocessed: HashMap<&'a str, Span>,
    /// Loop rounds and calls so far.
    steps: usize,
    /// Expressions and loops around what is being lowered.
    depth: usize,
    /// Entries of constants so far.
    constants: usize,
    /// By node, whether another reads it.
    read: Vec<bool>,
}

impl<'a> Lowerer<'a> {
    fn new(options: &'a LowerOptions) -> Self {
        Self {
            options,
            report: Report::default(),
            graph: Graph::default(),
            fns: HashMap::new(),
            blocks: HashMap::new(),
            plans: HashMap::new(),
            model: None,
            later: HashMap::new(),
            globals: HashMap::new(),
            frames: Vec::new(),
            bound: HashMap::new(),
            coefficients: Vec::new(),
            open: Vec::new(),
            reshaped: HashMap::new(),
            weights: None,
            tokenizer: None,
            preprocessed: HashMap::new(),
            steps: 0,
            depth: 0,
            constants: 0,
            read: Vec::new(),
        }
    }

    /// Reports where a model asks for more than can be computed with in reasonable time.
    fn refuse_the_excessive(&mut self) {
        let Some(model) = self.model else { return };
        let refused = match budget::declarations(&self.graph) {
            Err((what, why)) => Some((format!("{what}: {why}"), model.name.span, "in this model".to_owned())),
            Ok(()) => budget::before_rewrites(&self.graph).err().map(|(node, why)| {
                let node = self.graph.node(node);
                (why, node.span.unwrap_or(model.name.span), format!("up to `{}`", node.path))
            }),
        };
        if let Some((why, span, text)) = refused {
            self.fail(error("E0524", why).at(span, text));
        }
    }

    /// Reports an error; one about types inside a function also points at the call.
    fn fail(&mut self, draft: Draft) -> Value<'a> {
        let frame = self.frames.last();
        let draft = match frame.and_then(|frame| frame.call.as_ref()) {
            Some(call) if draft.code().starts_with("E05") => {
                draft.at(call.at, format!("in this call of `{}`", call.name))
            }
            _ => draft,
        };
        self.report.emit(draft.outside_library(frame.and_then(|frame| frame.library.as_ref())));
        Value::Poison
    }

    /// The frame being lowered, if any (module-level constants have none).
    fn frame(&mut self) -> Option<&mut Frame<'a>> {
        self.frames.last_mut()
    }

    /// Where a node made now comes from.
    fn path(&self) -> String {
        let Some(frame) = self.frames.last() else { return String::new() };
        match (&frame.naming, frame.base.is_empty()) {
            (Some(name), true) => name.clone(),
            (Some(name), false) => format!("{}/{name}", frame.base),
            (None, _) => frame.base.clone(),
        }
    }

    /// Appends a node with a given visibility.
    fn push(&mut self, op: Op, mut ty: Type, span: Span) -> NodeId {
        if let Some(why) = types::impossible(&ty.shape) {
            let text = types::shape_text(&ty.shape);
            self.fail(error("E0518", why).at(span, format!("this would be {text}")));
            ty.shape.truncate(1);
            ty.shape.fill(1);
        }
        let op = match op {
            Op::Const(values) if self.constants + values.len() > MOST_CONSTANTS => {
                let draft = error("E0524", "the constants of the model are too many");
                self.fail(draft.at(span, format!("all together have more than {MOST_CONSTANTS} entries with these")));
                ty.shape = Shape::from_slice(&[1]);
                Op::Const(vec![0.0])
            }
            Op::Const(values) => {
                self.constants += values.len();
                Op::Const(values)
            }
            op => op,
        };
        self.read.push(false);
        op.operands().iter().for_each(|operand| self.read[operand.0 as usize] = true);
        let path = self.path();
        let span = match self.frames.last().and_then(|frame| frame.library.as_ref()) {
            Some((_, call)) => *call,
            None => span,
        };
        self.graph.push(Node { op, ty, path, assumed: None, span: Some(span) })
    }

    /// Appends a node whose visibility is the join of its operands'.
    fn node(&mut self, op: Op, element: Element, shape: Shape, span: Span) -> NodeId {
        let visibility = op
            .operands()
            .iter()
            .fold(Visibility::Public, |joined, operand| joined.join(self.graph.node(*operand).ty.visibility));
        self.push(op, Type { element, shape, visibility }, span)
    }

    /// Appends a node of real numbers and wraps it as a value.
    fn real(&mut self, op: Op, shape: Shape, lead: usize, span: Span) -> Value<'a> {
        Value::Tensor(Tensor { node: self.node(op, Element::Real, shape, span), lead })
    }

    /// Type of a node.
    fn ty(&self, node: NodeId) -> &Type {
        &self.graph.node(node).ty
    }

    /// Shape of a node, mapped axes included.
    fn shape(&self, node: NodeId) -> Shape {
        self.ty(node).shape.clone()
    }

    /// Shape as the source sees it: without the axes a function call maps over.
    fn seen(&self, tensor: Tensor) -> Shape {
        Shape::from_slice(&self.ty(tensor.node).shape[tensor.lead..])
    }
}
