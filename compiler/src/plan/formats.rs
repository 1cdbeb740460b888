//! Fixed-point formats: for every node on secret values, the fraction bits of its share and of its opened wire,
//! a bound on its magnitude, and the widest ring its share can have.

use mpcc_program::code::RowFunction;

use super::bits::{COMPARED, log2_bound};
use super::format::{Form, Format, Formats, Limits};
use super::levels::Levels;
use super::{Comparison, POSITION_BITS, PlanError, PlanOptions, WIDEST, WORD};
use crate::evaluate::centre_factor;
use crate::graph::{Element, Graph, Node, NodeId, Op, Visibility};
use crate::ranges::{Basis, Origin, Ranges};
use crate::smooth::Smooth;

/// How a product of two secret operands is made.
pub(crate) enum Product {
    /// `(matrix, row)`: the second has one entry per row.
    RowScale(NodeId, NodeId),
    /// `(matrix, weight vector)`.
    Server(NodeId, NodeId),
    /// A value times itself.
    Square(NodeId),
    /// `(full, factor)`: entry by entry; the factor has the shape of the product, or of its last axes.
    Entries(NodeId, NodeId),
}

/// The protocol for `Mul(a, b)`, if there is one.
pub(crate) fn product(graph: &Graph, a: NodeId, b: NodeId) -> Option<Product> {
    let is_server = |id: NodeId| matches!(graph.node(id).ty.visibility, Visibility::SecretServer | Visibility::Public);
    let row = |m: NodeId, r: NodeId| {
        let (m, r) = (&graph.node(m).ty.shape, &graph.node(r).ty.shape);
        m.len() == r.len() && r.last() == Some(&1) && m[..m.len() - 1] == r[..r.len() - 1]
    };
    let vector = |m: NodeId, v: NodeId| {
        let (m, v) = (&graph.node(m).ty.shape, &graph.node(v).ty.shape);
        let ones = v.iter().take_while(|extent| **extent == 1).count().min(v.len().saturating_sub(1));
        v.len() <= m.len() && m.ends_with(&v[ones..])
    };
    let is_client = |id: NodeId| graph.node(id).ty.visibility == Visibility::SecretClient;
    let repeated = |full: NodeId, part: NodeId| {
        let (full, part) = (&graph.node(full).ty.shape, &graph.node(part).ty.shape);
        let kept = part.iter().position(|d| *d != 1).unwrap_or(part.len() - 1);
        part.len() <= full.len() && full.ends_with(&part[kept..])
    };
    match (is_server(a), is_server(b)) {
        (true, true) => None,
        (false, true) if vector(a, b) => Some(Product::Server(a, b)),
        (true, false) if vector(b, a) => Some(Product::Server(b, a)),
        _ if a == b => Some(Product::Square(a)),
        _ if row(a, b) && !is_client(a) => Some(Product::RowScale(a, b)),
        _ if row(b, a) && !is_client(b) => Some(Product::RowScale(b, a)),
        _ if repeated(a, b) => Some(Product::Entries(a, b)),
        _ if repeated(b, a) => Some(Product::Entries(b, a)),
        _ => None,
    }
}

/// Whether a product takes an operand of the model owner as a weight.
fn takes_weight(graph: &Graph, op: &Op, operand: NodeId) -> bool {
    match *op {
        Op::MatMul(a, b) => b == operand && a != operand && graph.node(operand).ty.shape.len() == 2,
        Op::Mul(a, b) => matches!(product(graph, a, b), None | Some(Product::Server(..))),
        _ => true,
    }
}

/// Least part of a value's range by which an offset lifts it.
const LIFT: f64 = 1.0 / 512.0;
/// Most bits that a small factor gets more.
const SMALLER: f64 = 10.0;
/// log2 of what a series may give where the function is close to zero.
const SERIES_ERROR_LOG2: i32 = -13;

pub(super) struct Assign<'a> {
    pub(super) graph: &'a Graph,
    pub(super) ranges: &'a Ranges,
    pub(super) options: &'a PlanOptions,
    nodes: Vec<Format>,
    pub(super) errors: Vec<PlanError>,
    pub(super) consumers: Vec<Vec<NodeId>>,
}

/// Assigns formats, forward.
pub(crate) fn assign(graph: &Graph, ranges: &Ranges, options: &PlanOptions) -> Result<Formats, Vec<PlanError>> {
    let mut consumers = vec![vec![]; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        for operand in node.op.operands() {
            consumers[operand.0 as usize].push(NodeId(i as u32));
        }
    }
    let mut a = Assign { graph, ranges, options, nodes: vec![], errors: vec![], consumers };
    for (i, node) in graph.nodes.iter().enumerate() {
        let format = a.format(NodeId(i as u32), node);
        a.nodes.push(format);
    }
    let all = (0..graph.nodes.len()).map(|i| NodeId(i as u32));
    let softmax = all.filter(|id| a.softmax_of(*id).is_some()).collect();
    for output in &graph.outputs {
        if !matches!(graph.node(output.node).ty.visibility, Visibility::Shared) {
            a.unsupported(output.node, "an output that one party can compute alone");
        }
    }
    let checks = a.entry_checks();
    if a.errors.is_empty() { Ok(Formats { nodes: a.nodes, checks, softmax }) } else { Err(a.errors) }
}

impl Assign<'_> {
    pub(super) fn of(&self, id: NodeId) -> &Format {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn unsupported(&mut self, id: NodeId, what: &str) {
        let path = self.graph.node(id).path.clone();
        self.errors.push(PlanError::Unsupported { node: id, path, what: what.into() });
    }

    pub(super) fn magnitude(&mut self, id: NodeId) -> i32 {
        let grown = self.shifted(id);
        self.known_magnitude(id) + grown
    }

    fn known_magnitude(&mut self, id: NodeId) -> i32 {
        let largest = |(low, high): (f64, f64)| log2_bound(low.abs().max(high.abs()));
        let observed = self.options.basis == Basis::Observed;
        let assumed = self.assumed_with_offset(id).filter(|_| observed);
        match (self.ranges.range(self.graph, id, self.options.basis), assumed) {
            (Some((range, _)), Some(assumed)) => largest(range).min(largest(assumed)),
            (Some((range, _)), None) => largest(range),
            (None, Some(assumed)) => largest(assumed),
            (None, None) => {
                let path = self.graph.node(id).path.clone();
                self.errors.push(PlanError::NoRange { node: id, path });
                0
            }
        }
    }

    /// log2 of a bound of what was seen: precision follows what is usual, widths what is possible.
    fn typical(&self, id: NodeId) -> Option<i32> {
        if self.options.basis == Basis::Observed {
            return None;
        }
        let (low, high) = self.ranges.of(id).widened()?;
        Some(log2_bound(low.abs().max(high.abs())) + self.shifted(id))
    }

    /// What is declared of the value with a public number added to it.
    fn assumed_with_offset(&self, id: NodeId) -> Option<(f64, f64)> {
        self.consumers[id.0 as usize].iter().map(|c| self.graph.node(*c)).find_map(|node| match node.op {
            Op::Offset(_, offset) => node.assumed.map(|(low, high)| (low - offset, high - offset)),
            _ => None,
        })
    }

    /// What a declared range of the operand says about a value that is at most the operand: it is not to be undercut
    /// by what was observed. The least magnitude if nothing was declared.
    fn passed_on(&self, node: &Node, id: NodeId) -> i32 {
        let grown = match node.op {
            Op::Relu(_) => 0,
            Op::Smooth(function, _) if function.linear() != 0.0 => 0,
            Op::Scale(_, factor) if is_alias(&node.op) => libm::log2(factor) as i32,
            _ if is_alias(&node.op) => 0,
            _ => return i32::MIN,
        };
        let source = node.op.operands()[0];
        let observed = matches!(self.ranges.range(self.graph, id, self.options.basis), Some((_, Origin::Observed)));
        let mut declared = source;
        // Views in between have only been observed themselves.
        while is_alias(&self.graph.node(declared).op) && self.graph.node(declared).assumed.is_none() {
            declared = self.graph.node(declared).op.operands()[0];
        }
        let assumed = self.graph.node(declared).assumed.is_some();
        if observed && assumed { self.of(source).magnitude + grown } else { i32::MIN }
    }

    /// Weights are known when ranges are made, so no margin is added: other weights need other ranges.
    fn weight_magnitude(&mut self, id: NodeId) -> i32 {
        match self.ranges.nodes.get(&id.0).and_then(|r| r.observed) {
            Some((low, high)) => log2_bound(low.abs().max(high.abs())),
            None => self.magnitude(id),
        }
    }

    fn format(&mut self, id: NodeId, node: &Node) -> Format {
        let numeric = &self.graph.numeric;
        let frac = i32::from(numeric.frac);
        let blank = |form| Format { form, share: 0, wire: 0, magnitude: 0, available: WIDEST };
        match node.ty.visibility {
            Visibility::SecretServer | Visibility::Public => {
                let nodes = self.consumers[id.0 as usize].iter().map(|c| self.graph.node(*c));
                let mut users = nodes.filter(|user| user.ty.visibility == Visibility::Shared).peekable();
                if users.peek().is_none() {
                    return blank(Form::Server);
                }
                let lifted = users.any(|user| !takes_weight(self.graph, &user.op, id));
                let magnitude = self.weight_magnitude(id);
                if lifted {
                    let wire = frac.max(super::SIGNIFICANT - magnitude);
                    return Format { share: wire, wire, magnitude, ..blank(Form::Lifted) };
                }
                return Format { magnitude, ..blank(Form::Server) };
            }
            Visibility::SecretClient => {
                let boundary = self.consumers[id.0 as usize]
                    .iter()
                    .any(|c| self.graph.node(*c).ty.visibility == Visibility::Shared);
                if !boundary {
                    return blank(Form::Client { boundary });
                }
                let magnitude = self.magnitude(id);
                let frac = if node.ty.element == Element::Real { frac } else { 0 };
                return Format { share: frac, wire: frac, magnitude, ..blank(Form::Client { boundary }) };
            }
            Visibility::Shared => {}
        }
        let (form, share, available) = self.share(id, node);
        let magnitude = match &form {
            Form::RowFunction { levels, function, .. } => log2_bound(1.1 * levels.greatest(*function)),
            Form::Smooth(_) => self.magnitude(id).max(self.passed_on(node, id)).max(SERIES_ERROR_LOG2),
            // 1, and what rounding adds.
            Form::Power { .. } => 1,
            Form::Argmax => i32::from(argmax_bits(self.graph, id)),
            _ => {
                let magnitude = self.magnitude(id).max(self.passed_on(node, id));
                self.summed(&node.op).map_or(magnitude, |most| most.min(magnitude))
            }
        };
        if form == Form::Alias {
            let source = self.of(node.op.operands()[0]);
            let shift = match node.op {
                Op::Scale(_, factor) => -(libm::log2(factor) as i32),
                _ => 0,
            };
            let magnitude = magnitude.min(source.magnitude - shift);
            return Format { form, share: share + shift, wire: source.wire + shift, magnitude, available };
        }
        let wire = match &form {
            Form::Derived => self.of(node.op.operands()[0]).wire,
            Form::RowFunction { .. } => share - POSITION_BITS,
            Form::Smooth(curve) if curve.series.function == Smooth::Exp => curve.fraction,
            Form::Power { power, .. } => power.opened(0),
            _ if self.consumed_through_views(id, |op| matches!(op, Op::Smooth(..))) => {
                // What is compared with thresholds has a widest ring; what the range needs of it, precision cannot have.
                16.max(frac).min((COMPARED - magnitude - 2).max(frac.min(8)))
            }
            _ if self.consumed_through_views(id, |op| matches!(op, Op::Argmax(_))) => {
                frac.min(COMPARED - magnitude - 14)
            }
            _ => (frac + self.lowered(id) - self.scaled_down(id))
                .max(super::SIGNIFICANT - self.typical(id).unwrap_or(magnitude).min(magnitude)),
        };
        Format { form, share, wire: wire.min(share), magnitude, available }
    }

    /// Bits by which every consumer scales the value down first: its wire needs that many fraction bits less.
    fn scaled_down(&self, id: NodeId) -> i32 {
        let bits = self.consumers[id.0 as usize].iter().map(|c| match self.graph.node(*c).op {
            Op::Scale(_, factor) if is_alias(&self.graph.node(*c).op) => -(libm::log2(factor) as i32),
            _ => 0,
        });
        bits.min().unwrap_or(0).max(0)
    }

    /// Whether a consumer passes the test, looking through views and power-of-two scales.
    fn consumed_through_views(&self, id: NodeId, test: impl Fn(&Op) -> bool + Copy) -> bool {
        self.consumers[id.0 as usize].iter().any(|c| {
            let op = &self.graph.node(*c).op;
            test(op) || (is_alias(op) && self.consumed_through_views(*c, test))
        })
    }

    /// Form, share fraction and widest ring.
    fn share(&mut self, id: NodeId, node: &Node) -> (Form, i32, i32) {
        let weight_frac = i32::from(self.graph.numeric.weight_frac);
        let is_server = |a: &Self, o: NodeId| a.of(o).form == Form::Server;
        match &node.op {
            op if is_alias(op) => {
                let source = self.of(op.operands()[0]);
                (Form::Alias, source.share, source.available)
            }
            Op::Linear { x, .. } => (Form::Share, self.of(*x).wire + weight_frac, WIDEST),
            Op::MatMul(a, b) => match (is_server(self, *a), is_server(self, *b)) {
                (false, true) => (Form::Share, self.of(*a).wire + weight_frac, WIDEST),
                _ => (Form::Share, self.of(*a).wire + self.of(*b).wire, WIDEST),
            },
            Op::Mul(a, b) => match product(self.graph, *a, *b) {
                Some(Product::RowScale(m, r)) => {
                    (Form::Share, self.of(m).wire + self.of(r).wire, WIDEST - POSITION_BITS)
                }
                Some(Product::Server(m, _)) => (Form::Share, self.of(m).wire + weight_frac, WIDEST),
                Some(Product::Square(x)) => (Form::Share, 2 * self.of(x).wire, WIDEST),
                Some(Product::Entries(x, y)) => (Form::Share, self.of(x).wire + self.of(y).wire, WIDEST),
                None => {
                    self.unsupported(id, "an entry-by-entry product of these shapes");
                    (Form::Share, 0, WIDEST)
                }
            },
            Op::Add(a, b) | Op::Sub(a, b) => self.combination(&[*a, *b]),
            Op::Concat { parts, .. } => self.combination(parts),
            Op::Offset(x, _) | Op::SumRow(x) => (Form::Share, self.of(*x).share, self.of(*x).available),
            Op::Scale(x, factor) => {
                let (from, bits) = (self.of(*x), factor_bits(self.graph, *factor));
                match scales_wire(self.graph, from, *factor) {
                    true => (Form::Share, from.wire + bits, WIDEST),
                    false => (Form::Share, from.share + bits, from.available),
                }
            }
            Op::Relu(x) => (Form::Share, self.of(*x).wire, WIDEST),
            Op::Centre(x) => (Form::Derived, self.of(*x).wire, WIDEST),
            Op::InvStd { x, eps } => {
                (self.rsqrt(id, *x, *eps), i32::from(self.graph.numeric.rsqrt_frac) + POSITION_BITS, WIDEST)
            }
            Op::Recip(x) | Op::Rsqrt(x) | Op::Sqrt(x) => {
                let numeric = &self.graph.numeric;
                let fraction = match node.op {
                    Op::Recip(_) => numeric.recip_frac,
                    Op::Rsqrt(_) => numeric.rsqrt_frac,
                    _ => numeric.frac.max(16),
                };
                (self.entries_function(id, *x), i32::from(fraction) + POSITION_BITS, WIDEST)
            }
            Op::Smooth(function, x) => {
                if self.options.alone() && *function == Smooth::Exp && self.power(*x).is_none() {
                    let path = self.graph.node(id).path.clone();
                    let what =
                        format!("{} but under a softmax of rows that spread over about 500 at most", function.name());
                    self.errors.push(PlanError::Alone { node: id, path, what });
                }
                self.smooth(id, *function, *x)
            }
            Op::Step(_) => (Form::Share, 0, if self.shares_functions(id) { WORD } else { WIDEST }),
            Op::MaxRow(x) => match self.shift(id) {
                Some(shift) => (Form::Shift(shift), self.of(*x).share, WIDEST),
                None => (Form::MaxRow, self.of(*x).wire, if self.shares_functions(id) { WORD } else { WIDEST }),
            },
            Op::Argmax(_) => (Form::Argmax, 0, WIDEST),
            other => {
                let name = crate::text::op_name(other);
                self.unsupported(id, name);
                (Form::Share, 0, WIDEST)
            }
        }
    }

    /// What one party knows becomes a share at the others' scale.
    fn combination(&self, parts: &[NodeId]) -> (Form, i32, i32) {
        let one_sided = |f: &&Format| matches!(f.form, Form::Server | Form::Client { .. } | Form::Shift(_));
        let shared: Vec<&Format> = parts.iter().map(|p| self.of(*p)).filter(|f| !one_sided(f)).collect();
        if shared.is_empty() {
            let frac = i32::from(self.graph.numeric.frac) + i32::from(self.graph.numeric.weight_frac);
            return (Form::Share, frac, WIDEST);
        }
        let share = shared.iter().map(|f| f.share).max().unwrap_or(0);
        let available = shared.iter().map(|f| f.available).min().unwrap_or(WIDEST);
        (Form::Share, share, available)
    }

    /// The table of 1/sqrt(var + eps) over v = κ²·d·var·2^(2f).
    fn rsqrt(&mut self, id: NodeId, x: NodeId, eps: f64) -> Form {
        let d = *self.graph.node(x).ty.shape.last().unwrap_or(&1);
        let kappa = centre_factor(d);
        let unit = kappa * kappa * d as f64 * libm::exp2(2.0 * f64::from(self.of(x).wire));
        let function = RowFunction::Rsqrt { scale: 1.0 / unit, eps };
        if self.options.basis != Basis::Observed {
            let covered = self.covered(id).map(|checked| checked.scaled(unit));
            return self.checked_function(id, x, covered, function);
        }
        let seen = self.ranges.nodes.get(&id.0).and_then(|r| r.observed);
        let variance = |y: f64| (1.0 / (y * y) - eps).max(eps * 1e-3);
        let (low, high) = match (self.graph.node(id).assumed, seen) {
            (Some((a, b)), _) => (variance(b), variance(a)),
            (None, Some((a, b))) => (variance(b), variance(a)),
            (None, None) => (1.0, 1.0),
        };
        self.row_function(id, x, (low * unit, high * unit), function, Limits::default())
    }

    /// The table of a function of one positive number: small public offsets and factors in front of it go into the table.
    fn entries_function(&mut self, id: NodeId, x: NodeId) -> Form {
        let (argument, eps) = match self.graph.node(x).op {
            Op::Offset(inner, eps) if !self.is_lifted(id, inner, eps) => (inner, eps),
            _ => (x, 0.0),
        };
        let (argument, factor) = match self.graph.node(argument).op {
            Op::Scale(inner, factor) if factor > 0.0 && !is_alias(&self.graph.node(argument).op) => (inner, factor),
            _ => (argument, 1.0),
        };
        let unit = libm::exp2(f64::from(self.taken_fraction(argument)));
        let scale = factor / unit;
        let function = match self.graph.node(id).op {
            Op::Rsqrt(_) => RowFunction::Rsqrt { scale, eps },
            Op::Sqrt(_) => RowFunction::Sqrt { scale, eps },
            _ => RowFunction::Recip { scale, eps },
        };
        if self.options.basis != Basis::Observed {
            let covered =
                self.covered(id).map(|checked| self.with_shift(argument, checked.offset(-eps)).scaled(unit / factor));
            return self.checked_function(id, argument, covered, function);
        }
        let known = self.ranges.nodes.get(&argument.0).copied().unwrap_or_default();
        let above = |(low, high): (f64, f64)| (low / factor, high / factor);
        let assumed = self.graph.node(argument).assumed.or_else(|| {
            let scaled = (factor != 1.0).then(|| self.consumers[argument.0 as usize].iter().copied());
            let known = |id: NodeId| self.graph.node(id).assumed.or_else(|| self.assumed_with_offset(id)).map(above);
            scaled.into_iter().flatten().find_map(known).or_else(|| self.assumed_with_offset(argument))
        });
        // What is assumed must be covered, whatever was observed.
        let (low, high) = match (assumed, known.observed, known.smallest_positive) {
            (Some((low, high)), _, _) if low > 0.0 => (low, high),
            (Some((_, high)), _, Some(low)) => (low, high),
            (Some((_, high)), _, None) => (1.0 / unit, high),
            (None, Some((_, high)), Some(low)) => (low, high),
            _ => (1.0, 1.0),
        };
        let (low, high) = match self.graph.node(argument).op {
            // The sum is the argument: it may be as low as its offset, whatever was observed.
            Op::Offset(inner, offset) if argument == x && assumed.is_none() => match self.graph.node(inner).assumed {
                Some((least, most)) => (least + offset, most + offset),
                None => (low.min(offset), high),
            },
            _ => (low, high),
        };
        let (low, high) = self.shifted_sum(argument, (low, high));
        // A sum of fewer units than that has no significant bit left; its row is damped towards 0.
        let low = (low * unit).max(8.0);
        self.row_function(id, argument, (low, (high * unit).max(low)), function, Limits::default())
    }

    /// Whether an offset lifts a value that is not negative so far above 0 that a table of their sum is the smaller one.
    fn is_lifted(&self, id: NodeId, x: NodeId, offset: f64) -> bool {
        match (self.options.basis, self.ranges.of(id).argument) {
            (Basis::Proved, _) => return offset > 0.0,
            (Basis::Guarded, Some(checked)) => return !checked.below || offset >= 0.5 * checked.low,
            _ => {}
        }
        let known = self.ranges.nodes.get(&x.0).copied().unwrap_or_default();
        let range = self.graph.node(x).assumed.or(known.observed);
        range.is_some_and(|(low, high)| offset > 0.0 && low >= 0.0 && offset >= high * LIFT)
    }

    pub(super) fn row_function(
        &mut self,
        id: NodeId,
        argument: NodeId,
        (low, high): (f64, f64),
        function: RowFunction,
        limits: Limits,
    ) -> Form {
        self.levelled(id, argument, (Levels::for_range(low, high), (low, high)), function, limits)
    }

    /// A row function over a range that the levels cover; without any, an error.
    pub(super) fn levelled(
        &mut self,
        id: NodeId,
        argument: NodeId,
        (levels, (low, high)): (Option<Levels>, (f64, f64)),
        function: RowFunction,
        limits: Limits,
    ) -> Form {
        let levels = levels.unwrap_or_else(|| {
            let path = self.graph.node(id).path.clone();
            let (RowFunction::Rsqrt { scale, eps }
            | RowFunction::Recip { scale, eps }
            | RowFunction::Sqrt { scale, eps }) = function;
            let argument = |v: f64| v * scale + eps;
            self.errors.push(PlanError::RowDomain { node: id, path, low: argument(low), high: argument(high) });
            Levels { ring_bits: 16, finest: 8 }
        });
        Form::RowFunction { argument, levels, function, limits }
    }

    /// Whether the node compares by function secret sharing.
    pub(super) fn shares_functions(&self, id: NodeId) -> bool {
        self.options.comparison_at(id) == Comparison::FunctionSharing
    }
}

/// Fraction bits of a public factor: none more than it has, and enough for values with many fraction bits and for 2^-12
/// of the factor.
pub(crate) fn factor_bits(graph: &Graph, factor: f64) -> i32 {
    let small = (-libm::ceil(libm::log2(factor.abs())) - 4.0).clamp(0.0, SMALLER) as i32;
    let most = (i32::from(graph.numeric.frac) + 4).max(16) + small;
    let whole = |bits: i32| libm::trunc(libm::ldexp(factor, bits)) == libm::ldexp(factor, bits);
    (0..most).find(|bits| whole(*bits)).unwrap_or(most)
}

/// Whether a value has so many fraction bits that its opened wire is multiplied by a factor, and not its share.
pub(crate) fn scales_wire(graph: &Graph, x: &Format, factor: f64) -> bool {
    x.share + factor_bits(graph, factor) + x.magnitude > WORD - 4
}

/// Bits of a position in a row, and one for the sign.
pub(crate) fn argmax_bits(graph: &Graph, id: NodeId) -> u8 {
    let x = graph.node(id).op.operands()[0];
    let n = *graph.node(x).ty.shape.last().unwrap_or(&1);
    n.next_power_of_two().trailing_zeros() as u8
}

/// Ops that rearrange, or scale by a power of two: share and wire are those of the operand.
pub(crate) fn is_alias(op: &Op) -> bool {
    match op {
        Op::Transpose(_)
        | Op::SplitHeads { .. }
        | Op::MergeHeads(_)
        | Op::Slice { .. }
        | Op::Gather { .. }
        | Op::Reshape(_) => true,
        Op::Scale(_, factor) => {
            let e = libm::log2(*factor);
            *factor > 0.0 && e == libm::trunc(e)
        }
        _ => false,
    }
}
