//! Errors and headroom of a fixed-point evaluation, by layer.

use std::collections::{HashMap, HashSet};

use mpcc_cli::estimate::layer;
use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::evaluate::Values;
use mpcc_compiler::graph::{Graph, NodeId, Op};
use mpcc_compiler::smooth::Smooth;
use mpcc_program::program::{Gate, Kind, Program, ValueId};
use mpcc_protocols::ideal::{Ideal, headroom};
use serde::Serialize;

/// One layer over all inputs.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct LayerRow {
    /// The layer.
    pub(super) path: String,
    /// Between opened values and the float network; none where nothing comparable is opened.
    pub(super) largest_error: Option<f64>,
    /// The same over the largest entry of the value.
    pub(super) relative_error: Option<f64>,
    /// Bits between the largest value and its bound.
    pub(super) least_headroom_bits: Option<f64>,
    /// The value with the least headroom.
    pub(super) tightest: String,
}

impl LayerRow {
    pub(super) fn cells(&self) -> Vec<String> {
        let number = |value: Option<f64>, digits: usize| value.map_or(String::new(), |v| format!("{v:.digits$}"));
        let headroom = self.least_headroom_bits.map_or(String::new(), |b| format!("{b:.1} bits"));
        vec![
            self.path.clone(),
            number(self.largest_error, 5),
            number(self.relative_error, 5),
            headroom,
            self.tightest.clone(),
        ]
    }
}

/// Collects over inputs.
pub(super) struct LayerErrors<'a> {
    program: &'a Program,
    /// Nodes that an opened value may stand for: of the same path and number of entries.
    candidates: Vec<Vec<NodeId>>,
    rows: Vec<LayerRow>,
    index: Vec<usize>,
}

impl<'a> LayerErrors<'a> {
    pub(super) fn new(artefact: &'a Artefact) -> Self {
        let program = &artefact.program;
        let mut by_path: HashMap<(&str, usize), Vec<NodeId>> = HashMap::new();
        for (index, node) in (0u32..).zip(&artefact.graph.nodes) {
            let entries = node.ty.shape.iter().product();
            by_path.entry((&node.path, entries)).or_default().push(NodeId(index));
        }
        let undivided = undivided(&artefact.graph);
        let comparable = |nodes: &Vec<NodeId>| {
            let all = nodes.iter().all(|node| !undivided[node.0 as usize]);
            if all { nodes.clone() } else { Vec::new() }
        };
        let compared = compared(program);
        let candidates = program.values.iter().zip(compared).map(|(value, compared)| {
            let key = (value.path.as_str(), value.shape.iter().product());
            if compared { by_path.get(&key).map(comparable).unwrap_or_default() } else { Vec::new() }
        });
        let candidates = candidates.collect();
        let mut rows: Vec<LayerRow> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        let index = program.values.iter().map(|value| {
            let name = layer(&value.path);
            *known.entry(name).or_insert_with(|| {
                rows.push(LayerRow { path: name.to_owned(), ..LayerRow::default() });
                rows.len() - 1
            })
        });
        let index = index.collect();
        Self { program, candidates, rows, index }
    }

    /// One input.
    pub(super) fn add(&mut self, fixed: &Ideal, float: &Values) {
        for (value, nodes) in self.candidates.iter().enumerate() {
            let unit = (-f64::from(self.program.values[value].fraction)).exp2();
            let difference = |node: &NodeId| {
                let float = &float.value(*node)?.data;
                let integers = &fixed.values[value];
                let error = integers.iter().zip(float).map(|(x, y)| (*x as f64 * unit - y).abs()).fold(0.0, f64::max);
                Some((error, float.iter().fold(f64::MIN_POSITIVE, |m, y| m.max(y.abs()))))
            };
            // Several nodes can share a path; an opened value stands for the one it is closest to.
            let closest = nodes.iter().filter_map(difference).min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((error, magnitude)) = closest else { continue };
            let row = &mut self.rows[self.index[value]];
            row.largest_error = Some(row.largest_error.map_or(error, |e| e.max(error)));
            let relative = error / magnitude;
            row.relative_error = Some(row.relative_error.map_or(relative, |e| e.max(relative)));
        }
        for tight in headroom(self.program, &fixed.magnitudes) {
            let row = &mut self.rows[self.index[tight.value.0 as usize]];
            if tight.bits.is_finite() && row.least_headroom_bits.is_none_or(|b| tight.bits < b) {
                row.least_headroom_bits = Some(tight.bits);
                row.tightest = self.program.value(tight.value).path.clone();
            }
        }
    }

    pub(super) fn rows(self) -> Vec<LayerRow> {
        self.rows
    }
}

/// Nodes of a softmax before its division. What is subtracted from a row may be another number than its maximum, which
/// only their quotient does not depend on.
fn undivided(graph: &Graph) -> Vec<bool> {
    let mut marks = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        let marked = |x: NodeId| marks[x.0 as usize];
        marks[index] = match &node.op {
            Op::MaxRow(_) => true,
            Op::Mul(a, b) => marked(*a) != marked(*b),
            Op::Sub(..) | Op::Smooth(Smooth::Exp, _) | Op::SumRow(_) | Op::Recip(_) | Op::Offset(..) => {
                node.op.operands().into_iter().any(marked)
            }
            Op::MatMul(a, _) => marked(*a),
            Op::Slice { .. } | Op::Gather { .. } | Op::Reshape(_) => node.op.operands().into_iter().any(marked),
            _ => false,
        };
    }
    marks
}

/// Which values are comparable with a node: inputs, reveals, and of the openings of one path and size the last, unless
/// it belongs to a row function, which saturates. Earlier ones may be parts of what the node computes.
fn compared(program: &Program) -> Vec<bool> {
    let is_table = |id: ValueId| {
        matches!(program.value(id).gate, Gate::RowFunction { .. } | Gate::RowOffer { .. } | Gate::RowSquares { .. })
    };
    let mut compared: Vec<bool> = program
        .values
        .iter()
        .map(|value| match value.gate {
            Gate::Open { source, .. } => value.kind == Kind::Wire && !is_table(source),
            Gate::Input { .. } | Gate::Reveal { .. } => true,
            _ => false,
        })
        .collect();
    for value in &program.values {
        let parts: &[ValueId] = match &value.gate {
            Gate::RowFunction { source, .. } | Gate::RowOffer { source, .. } => &[*source],
            // A series is opened before it is switched off outside its interval.
            Gate::Select { source, .. } if program.value(*source).path == value.path => &[*source],
            Gate::Hadamard { left, right } if program.value(*right).path == value.path => &[*left, *right],
            _ => &[],
        };
        for part in parts {
            let mut part = *part;
            compared[part.0 as usize] = false;
            // What is checked against its range is opened once, and reduced to the width that its table takes.
            while let Gate::Reduce { source, .. } = program.value(part).gate {
                part = source;
                compared[part.0 as usize] = false;
            }
        }
    }
    let mut seen = HashSet::new();
    for (value, compared) in program.values.iter().zip(&mut compared).rev() {
        let entries: usize = value.shape.iter().product();
        *compared = *compared && seen.insert((value.path.as_str(), entries));
    }
    compared
}
