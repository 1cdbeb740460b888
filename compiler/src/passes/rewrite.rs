//! The driver under the passes: rules propose a replacement for one node, the driver applies it everywhere.
//!
//! A rule may append nodes; equal nodes are appended once. A replacement has the same value as the node it
//! replaces and never depends on it; more people may know it, then its users' types follow.
//! Sweeps repeat until no rule fires; between sweeps dead and repeated nodes are dropped and the rest is put in
//! topological order.

use hashbrown::HashMap;

use crate::graph::{Graph, Node, NodeId, Op, Shape, Type, Visibility};
use crate::verify::{build_shaped, derived_type, infer};

/// Proposes a node of the same value as the one given, or nothing.
pub(super) type Rule = fn(&mut Rewriter, NodeId) -> Result<Option<NodeId>, String>;

/// Replacements per node after which a set of rules counts as not settling.
const PATIENCE: usize = 200;

/// A graph being rewritten, with the users of every node.
pub(super) struct Rewriter {
    graph: Graph,
    known: HashMap<String, NodeId>,
    /// Live users of a node, once per operand slot.
    users: Vec<Vec<NodeId>>,
    live: Vec<bool>,
    order: Vec<NodeId>,
}

/// Applies `rules` to every node until none fires, then tidies up.
pub(super) fn rewrite(graph: &Graph, rules: &[Rule]) -> Result<Graph, String> {
    let mut rewriter = Rewriter::new(graph.clone())?;
    let mut patience = PATIENCE * (graph.nodes.len() + 1);
    loop {
        let mut changed = false;
        for id in rewriter.order.clone() {
            for rule in rules {
                if !rewriter.live[id.0 as usize] {
                    break;
                }
                if let Some(new) = rule(&mut rewriter, id)?
                    && new != id
                {
                    rewriter.replace(id, new)?;
                    changed = true;
                    patience = patience.checked_sub(1).ok_or("the rules do not settle")?;
                }
            }
        }
        if !changed {
            return tidy(&rewriter.graph);
        }
        rewriter = Rewriter::new(tidy(&rewriter.graph)?)?;
    }
}

/// The same graph without dead or repeated nodes, in the order in which outputs need them, its types derived anew.
pub(super) fn tidy(graph: &Graph) -> Result<Graph, String> {
    let mut kept: Graph = Graph { nodes: Vec::new(), ..graph.clone() };
    let mut known: HashMap<String, NodeId> = HashMap::new();
    let mut renamed: HashMap<NodeId, NodeId> = HashMap::new();
    for id in needed(graph)? {
        let node = graph.node(id);
        let op = node.op.map_operands(|o| renamed[&o]);
        let key = key(&op, &node.ty.shape);
        let new = match known.get(&key) {
            Some(same) => {
                let kept = &mut kept.nodes[same.0 as usize];
                kept.assumed = narrower(kept.assumed, node.assumed);
                *same
            }
            None => {
                let ty = derived_type(&kept, &op, Some(&node.ty.shape))?;
                let new = kept.push(Node { op, ty, ..node.clone() });
                known.insert(key, new);
                new
            }
        };
        renamed.insert(id, new);
    }
    for output in &mut kept.outputs {
        output.node = renamed[&output.node];
    }
    Ok(kept)
}

/// Nodes that an output needs, operands first.
fn needed(graph: &Graph) -> Result<Vec<NodeId>, String> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; graph.nodes.len()];
    let mut order = Vec::new();
    for output in &graph.outputs {
        let mut stack = vec![output.node];
        while let Some(id) = stack.last().copied() {
            match marks[id.0 as usize] {
                Mark::Done => {
                    stack.pop();
                }
                Mark::Open => {
                    marks[id.0 as usize] = Mark::Done;
                    order.push(id);
                    stack.pop();
                }
                Mark::New => {
                    marks[id.0 as usize] = Mark::Open;
                    for operand in graph.node(id).op.operands().into_iter().rev() {
                        match marks[operand.0 as usize] {
                            Mark::New => stack.push(operand),
                            Mark::Open => {
                                return Err(format!("{id:?} ({}) depends on itself", graph.node(id).path));
                            }
                            Mark::Done => {}
                        }
                    }
                }
            }
        }
    }
    Ok(order)
}

fn key(op: &Op, shape: &Shape) -> String {
    format!("{op:?} {shape:?}")
}

/// Both ranges hold, so their intersection does.
fn narrower(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (a, b) {
        (Some(a), Some(b)) => {
            let both = (a.0.max(b.0), a.1.min(b.1));
            Some(if both.0 <= both.1 { both } else { a })
        }
        (a, b) => a.or(b),
    }
}

impl Rewriter {
    fn new(graph: Graph) -> Result<Self, String> {
        let mut known = HashMap::with_capacity(graph.nodes.len());
        for (index, node) in graph.nodes.iter().enumerate() {
            known.entry(key(&node.op, &node.ty.shape)).or_insert(NodeId(index as u32));
        }
        let order = needed(&graph)?;
        let mut rewriter = Self { graph, known, users: Vec::new(), live: Vec::new(), order };
        rewriter.refresh();
        Ok(rewriter)
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        self.graph.node(id)
    }

    pub(super) fn op(&self, id: NodeId) -> &Op {
        &self.graph.node(id).op
    }

    pub(super) fn shape(&self, id: NodeId) -> &[usize] {
        &self.graph.node(id).ty.shape
    }

    /// Extent of the last axis.
    pub(super) fn width(&self, id: NodeId) -> usize {
        self.shape(id).last().copied().unwrap_or(1)
    }

    /// Whether the model owner or everyone can compute the node alone.
    pub(super) fn at_server(&self, id: NodeId) -> bool {
        matches!(self.node(id).ty.visibility, Visibility::Public | Visibility::SecretServer)
    }

    /// Live users, once per operand slot.
    pub(super) fn users(&self, id: NodeId) -> &[NodeId] {
        self.users.get(id.0 as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_output(&self, id: NodeId) -> bool {
        self.graph.outputs.iter().any(|o| o.node == id)
    }

    /// Whether one operand slot is all the node is for.
    pub(super) fn used_once(&self, id: NodeId) -> bool {
        self.users(id).len() == 1 && !self.is_output(id)
    }

    /// Appends `op` under the path of `from`; an equal node is returned if there is one.
    pub(super) fn add(&mut self, op: Op, from: NodeId) -> Result<NodeId, String> {
        let types: Vec<&Type> = op.operands().iter().map(|o| &self.graph.node(*o).ty).collect();
        let ty = infer(&op, &types)?;
        self.append(op, &ty.shape, from)
    }

    /// As [`Self::add`], for `Const` and `Reshape`.
    pub(super) fn add_shaped(&mut self, op: Op, shape: &[usize], from: NodeId) -> Result<NodeId, String> {
        self.append(op, &Shape::from_slice(shape), from)
    }

    /// As [`Self::add`]; all entries of the new node are entries of `whole`, so the declared range of that holds.
    pub(super) fn add_within(&mut self, op: Op, whole: NodeId, from: NodeId) -> Result<NodeId, String> {
        let new = self.add(op, from)?;
        let range = self.node(whole).assumed;
        let node = &mut self.graph.nodes[new.0 as usize];
        node.assumed = narrower(node.assumed, range);
        Ok(new)
    }

    /// As [`Self::add`]; the new node is `x` times `factor`, and so is its declared range.
    pub(super) fn add_scaled(&mut self, op: Op, x: NodeId, factor: f64) -> Result<NodeId, String> {
        let new = self.add(op, x)?;
        let ends = self.node(x).assumed.map(|(low, high)| (low * factor, high * factor));
        let range = ends.map(|(a, b)| (a.min(b), a.max(b)));
        let node = &mut self.graph.nodes[new.0 as usize];
        node.assumed = narrower(node.assumed, range);
        Ok(new)
    }

    fn append(&mut self, op: Op, shape: &Shape, from: NodeId) -> Result<NodeId, String> {
        let key = key(&op, shape);
        if let Some(same) = self.known.get(&key) {
            return Ok(*same);
        }
        let path = self.node(from).path.clone();
        let span = self.node(from).span;
        let new = build_shaped(&mut self.graph, op, shape, &path)?;
        self.graph.nodes[new.0 as usize].span = span;
        self.known.insert(key, new);
        Ok(new)
    }

    /// Makes every user of `old` use `new`.
    fn replace(&mut self, old: NodeId, new: NodeId) -> Result<(), String> {
        let (was, is) = (&self.graph.node(old).ty, &self.graph.node(new).ty);
        if (&was.shape, was.element) != (&is.shape, is.element) {
            return Err(format!("{old:?} ({}) of type {was:?} was replaced by {is:?}", self.node(old).path));
        }
        let range = self.node(old).assumed;
        let target = &mut self.graph.nodes[new.0 as usize];
        target.assumed = narrower(target.assumed, range);
        for user in self.users(old).to_vec() {
            let node = self.graph.node(user);
            let op = node.op.map_operands(|o| if o == old { new } else { o });
            let shape = node.ty.shape.clone();
            let stale = key(&node.op, &shape);
            if self.known.get(&stale) == Some(&user) {
                self.known.remove(&stale);
            }
            self.known.entry(key(&op, &shape)).or_insert(user);
            self.graph.nodes[user.0 as usize].op = op;
        }
        for output in &mut self.graph.outputs {
            if output.node == old {
                output.node = new;
            }
        }
        self.refresh();
        Ok(())
    }

    fn refresh(&mut self) {
        let count = self.graph.nodes.len();
        self.users = vec![Vec::new(); count];
        self.live = vec![false; count];
        let mut stack: Vec<NodeId> = self.graph.outputs.iter().map(|o| o.node).collect();
        while let Some(id) = stack.pop() {
            if std::mem::replace(&mut self.live[id.0 as usize], true) {
                continue;
            }
            for operand in self.graph.node(id).op.operands() {
                self.users[operand.0 as usize].push(id);
                stack.push(operand);
            }
        }
    }
}
