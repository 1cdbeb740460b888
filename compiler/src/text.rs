//! The text form of the typed graph: deterministic, made to be read and compared.
//!
//! Declarations come first, then one line per node, then the outputs.
//! Long constants and index lists are abbreviated and carry a hash of the whole.

use std::fmt::Write;

use crate::graph::{Element, Graph, LoadOp, Node, Op, Resize, Type, Visibility};
use crate::smooth::Smooth;

/// `graph` as text, one node per line.
pub fn graph(graph: &Graph) -> String {
    let mut out = String::new();
    declarations(&mut out, graph);
    for (index, node) in graph.nodes.iter().enumerate() {
        line(&mut out, graph, index, node);
    }
    for (at, output) in (0u32..).zip(&graph.outputs) {
        let _ = write!(out, "output {} = {:?}", output.name, output.node);
        if !output.labels.is_empty() {
            let _ = write!(out, " labels {}", output.labels.join(", "));
            out.push_str(if graph.several.contains(&at) { " any" } else { "" });
        }
        out.push('\n');
    }
    out
}

fn declarations(out: &mut String, graph: &Graph) {
    let _ = writeln!(out, "graph {}", if graph.name.is_empty() { "_" } else { &graph.name });
    let n = &graph.numeric;
    let _ = writeln!(
        out,
        "numeric frac {} weight_frac {} rsqrt_frac {} recip_frac {} table_frac {} output_frac {}",
        n.frac, n.weight_frac, n.rsqrt_frac, n.recip_frac, n.table_frac, n.output_frac
    );
    for (name, form) in &graph.plans {
        let _ = writeln!(out, "plan {name} = {form}");
    }
    for (index, input) in graph.inputs.iter().enumerate() {
        let _ = writeln!(out, "input {index} {} : {}", input.name, type_form(&input.ty));
    }
    if let Some(tokenizer) = &graph.tokenizer {
        let _ = write!(out, "tokenizer {:?}", tokenizer.file);
        let fields = [("ids", Some(tokenizer.ids)), ("segments", tokenizer.segments), ("mask", tokenizer.mask)];
        for (field, input) in fields.iter().filter_map(|(field, input)| Some((field, (*input)?))) {
            let _ = write!(out, " {field} {}", graph.inputs.get(input as usize).map_or("?", |i| i.name.as_str()));
        }
        out.push('\n');
    }
    for picture in &graph.pictures {
        let name = graph.inputs.get(picture.input as usize).map_or("?", |i| i.name.as_str());
        let _ = write!(out, "preprocess {name} filter {}", picture.filter.name());
        let _ = match picture.resize {
            None => Ok(()),
            Some(Resize::To(height, width)) => write!(out, " resize [{height}, {width}]"),
            Some(Resize::Shortest(pixels)) => write!(out, " shortest {pixels}"),
        };
        out.push_str(if picture.crop { " crop\n" } else { "\n" });
    }
    for (index, param) in graph.params.iter().enumerate() {
        let _ = write!(out, "param {index} {:?} {:?}", param.name, param.file_shape.as_slice());
        for op in &param.ops {
            let _ = match op {
                LoadOp::Squeeze(axis) => write!(out, ".squeeze({axis})"),
                LoadOp::Transpose(a, b) => write!(out, ".transpose({a}, {b})"),
                LoadOp::Slice(axis, from, to) => write!(out, ".slice({axis}, {from}..{to})"),
                LoadOp::Reshape(shape) => write!(out, ".reshape({:?})", shape.as_slice()),
            };
        }
        let _ = writeln!(out, " : {:?}", param.shape.as_slice());
    }
    for searched in &graph.searched {
        let (candidates, positions) = (searched.candidates.join(", "), positions(&searched.positions));
        let (plan, layer, param) = (&searched.plan, searched.layer, searched.param.0);
        let _ = writeln!(out, "searched {plan} {layer} [{positions}] among {candidates} by param {param}");
    }
    for pattern in &graph.ignore {
        let _ = writeln!(out, "ignore {pattern:?}");
    }
}

/// `%3 = relu(%2) : real[4, 9] shared in [0.0, 5.0]  // blocks.0/r`
fn line(out: &mut String, graph: &Graph, index: usize, node: &Node) {
    let _ = write!(out, "%{index} = {} : {}", op_form(graph, &node.op), type_form(&node.ty));
    if let Some((low, high)) = node.assumed {
        let _ = write!(out, " in [{low:?}, {high:?}]");
    }
    if !node.path.is_empty() {
        let _ = write!(out, "  // {}", node.path);
    }
    out.push('\n');
}

/// The op's lower-case name with operands first, then its attributes by name.
fn op_form(graph: &Graph, op: &Op) -> String {
    let name = op_name(op);
    match op {
        Op::Input(n) => format!("{name}({})", graph.inputs.get(*n as usize).map_or("?", |i| i.name.as_str())),
        Op::Param(p) => {
            format!("{name}({:?})", graph.params.get(p.0 as usize).map_or("?", |p| p.name.as_str()))
        }
        Op::Const(values) => format!("{name}({})", numbers(values)),
        _ => {
            let mut parts: Vec<String> = op.operands().iter().map(|o| format!("{o:?}")).collect();
            match op {
                Op::Scale(_, number) | Op::Offset(_, number) => parts.push(format!("{number:?}")),
                Op::Smooth(Smooth::GeluFourier { cut }, _) => parts.push(format!("cut: {cut:?}")),
                Op::OneHot { extent, .. } => parts.push(format!("extent: {extent}")),
                Op::SplitHeads { heads, .. } => parts.push(format!("heads: {heads}")),
                Op::Slice { axis, start, end, .. } => parts.push(format!("axis: {axis}, {start}..{end}")),
                Op::Gather { axis, index, .. } => parts.push(format!("axis: {axis}, [{}]", positions(index))),
                Op::Concat { axis, .. } => parts.push(format!("axis: {axis}")),
                Op::LayerNorm { eps, .. } | Op::InvStd { eps, .. } => parts.push(format!("eps: {eps:?}")),
                Op::Patches { size, .. } => parts.push(format!("size: {size}")),
                Op::Normalize { mean, std, .. } => {
                    parts.push(format!("mean: [{}], std: [{}]", numbers(mean), numbers(std)));
                }
                _ => {}
            }
            format!("{name}({})", parts.join(", "))
        }
    }
}

/// Name of an op, the same in text forms and reports.
pub fn op_name(op: &Op) -> &'static str {
    match op {
        Op::Input(_) => "input",
        Op::Param(_) => "param",
        Op::Const(_) => "const",
        Op::Add(..) => "add",
        Op::Sub(..) => "sub",
        Op::Mul(..) => "mul",
        Op::Scale(..) => "scale",
        Op::Offset(..) => "offset",
        Op::MatMul(..) => "matmul",
        Op::Linear { .. } => "linear",
        Op::Transpose(_) => "transpose",
        Op::SplitHeads { .. } => "split_heads",
        Op::MergeHeads(_) => "merge_heads",
        Op::Slice { .. } => "slice",
        Op::Gather { .. } => "gather",
        Op::Concat { .. } => "concat",
        Op::Reshape(_) => "reshape",
        Op::SumRow(_) => "sum_row",
        Op::MeanRow(_) => "mean_row",
        Op::Relu(_) => "relu",
        Op::Smooth(function, _) => function.name(),
        Op::Recip(_) => "recip",
        Op::Sqrt(_) => "sqrt",
        Op::Rsqrt(_) => "rsqrt",
        Op::Step(_) => "step",
        Op::MaxRow(_) => "max_row",
        Op::OneHot { .. } => "one_hot",
        Op::LayerNorm { .. } => "layer_norm",
        Op::Centre(_) => "centre",
        Op::InvStd { .. } => "inv_std",
        Op::CentreWeight(_) => "centre_weight",
        Op::Patches { .. } => "patches",
        Op::Normalize { .. } => "normalize",
        Op::Argmax(_) => "argmax",
    }
}

/// `real[65, 128] shared`
pub fn type_form(ty: &Type) -> String {
    let element = match ty.element {
        Element::Real => "real",
        Element::U8 => "u8",
        Element::I32 => "i32",
        Element::Bit => "bit",
    };
    let visibility = match ty.visibility {
        Visibility::Public => "public",
        Visibility::SecretClient => "client",
        Visibility::SecretServer => "server",
        Visibility::Shared => "shared",
    };
    format!("{element}{:?} {visibility}", ty.shape.as_slice())
}

/// Up to eight numbers, each in the shortest form that reads back to the same bits.
fn numbers(values: &[f64]) -> String {
    let shown: Vec<String> = values.iter().take(8).map(|v| format!("{v:?}")).collect();
    let mut out = shown.join(", ");
    if values.len() > 8 {
        let hash = fingerprint(values.iter().map(|v| v.to_bits()));
        let _ = write!(out, ", … {} in all, {hash:016x}", values.len());
    }
    out
}

/// Positions with runs written `a..b`, up to sixteen runs.
fn positions(index: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &i in index {
        match runs.last_mut() {
            Some((_, end)) if *end == i => *end += 1,
            _ => runs.push((i, i + 1)),
        }
    }
    let form = |(start, end): &(usize, usize)| {
        if end - start == 1 { start.to_string() } else { format!("{start}..{end}") }
    };
    let mut out = runs.iter().take(16).map(form).collect::<Vec<_>>().join(", ");
    if runs.len() > 16 {
        let hash = fingerprint(index.iter().map(|i| *i as u64));
        let _ = write!(out, ", … {} in all, {hash:016x}", index.len());
    }
    out
}

/// FNV-1a over 64-bit words: tells two abbreviated lists apart in a golden.
fn fingerprint(words: impl Iterator<Item = u64>) -> u64 {
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3))
}
