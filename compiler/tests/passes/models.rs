//! Graphs the tests run on: the MPCViT network at any size, as lowering writes it, with seeded weights and inputs.

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{Element, Graph, Input, NodeId, Op, Output, Param, ParamId, Shape, Type, Visibility};
use mpcc_compiler::smooth::Smooth;
use mpcc_compiler::verify::{build, build_shaped};

/// Appends nodes under one path.
pub(crate) struct Builder {
    pub(crate) graph: Graph,
    pub(crate) path: String,
}

impl Builder {
    pub(crate) fn new(name: &str) -> Self {
        Self { graph: Graph { name: name.into(), ..Graph::default() }, path: String::new() }
    }

    pub(crate) fn add(&mut self, op: Op, name: &str) -> NodeId {
        let path = format!("{}{name}", self.path);
        build(&mut self.graph, op, &path).expect("the op is well typed")
    }

    pub(crate) fn input(&mut self, name: &str, element: Element, shape: &[usize], visibility: Visibility) -> NodeId {
        let ty = Type { element, shape: Shape::from_slice(shape), visibility };
        self.graph.inputs.push(Input { name: name.into(), ty });
        let n = self.graph.inputs.len() as u32 - 1;
        self.add(Op::Input(n), name)
    }

    /// A value that exists only as shares.
    pub(crate) fn shared(&mut self, name: &str, shape: &[usize]) -> NodeId {
        self.input(name, Element::Real, shape, Visibility::Shared)
    }

    pub(crate) fn param(&mut self, name: &str, shape: &[usize]) -> NodeId {
        let shape = Shape::from_slice(shape);
        let name = format!("{}{name}", self.path);
        self.graph.params.push(Param { name: name.clone(), file_shape: shape.clone(), ops: vec![], shape });
        let id = ParamId(self.graph.params.len() as u32 - 1);
        build(&mut self.graph, Op::Param(id), &name).expect("the op is well typed")
    }

    pub(crate) fn slice(&mut self, x: NodeId, axis: usize, start: usize, end: usize, name: &str) -> NodeId {
        self.add(Op::Slice { x, axis, start, end }, name)
    }

    /// Entries that stand in `order` along `axis`, put back in their places.
    fn restored(&mut self, x: NodeId, axis: usize, order: &[usize]) -> NodeId {
        if order.is_sorted() {
            return x;
        }
        let place = |h| order.iter().position(|o| *o == h).expect("every place is chosen once");
        self.add(Op::Gather { x, axis, index: (0..order.len()).map(place).collect() }, "chosen")
    }

    pub(crate) fn output(&mut self, name: &str, node: NodeId) {
        self.graph.outputs.push(Output { name: name.into(), node, labels: vec![] });
    }

    pub(crate) fn finish(self) -> Graph {
        self.graph
    }
}

/// Sizes and choices of an MPCViT.
#[derive(Clone)]
pub(crate) struct Vit {
    pub(crate) image: usize,
    pub(crate) patch: usize,
    pub(crate) dim: usize,
    pub(crate) hidden: usize,
    /// For each layer and head, whether it is ReLU-softmax (or else scaling).
    pub(crate) heads: Vec<Vec<bool>>,
    pub(crate) classes: usize,
    /// Whether the first layer's choices are per query row: class token ReLU-softmax, the rest by turns.
    pub(crate) row_plan: bool,
    /// Whether most rows of the MLP have no activation.
    pub(crate) linear_rows: bool,
}

impl Vit {
    /// Two layers, four heads of width 4, 5 tokens... small enough to read.
    pub(crate) fn small() -> Self {
        Self {
            image: 8,
            patch: 4,
            dim: 16,
            hidden: 32,
            heads: vec![vec![true, false, false, true], vec![false; 4], vec![true; 4]],
            classes: 3,
            row_plan: false,
            linear_rows: false,
        }
    }

    /// The trained network of the CIFAR-10 example.
    pub(crate) fn cifar10() -> Self {
        let heads = (0..7).map(|layer| (0..4).map(|head| (layer + head) % 2 == 0).collect()).collect();
        Self { image: 32, patch: 4, dim: 128, hidden: 256, heads, classes: 10, row_plan: false, linear_rows: false }
    }

    pub(crate) fn tokens(&self) -> usize {
        (self.image / self.patch).pow(2) + 1
    }

    pub(crate) fn graph(&self) -> Graph {
        let mut b = Builder::new("mpcvit");
        let pixels = b.input("pixels", Element::U8, &[3, self.image, self.image], Visibility::SecretClient);
        let scaled = b.add(Op::Scale(pixels, 1.0 / 255.0), "image");
        let mean = vec![0.4914, 0.4822, 0.4465];
        let image = b.add(Op::Normalize { x: scaled, mean, std: vec![0.247, 0.2435, 0.2616] }, "image");
        let patches = b.add(Op::Patches { x: image, size: self.patch }, "t");
        let weight = b.param("patch_w", &[self.dim, 3 * self.patch * self.patch]);
        let bias = b.param("patch_b", &[self.dim]);
        let t = b.add(Op::Linear { x: patches, weight, bias: Some(bias) }, "t");
        let class = b.param("cls", &[1, self.dim]);
        let positions = b.param("pos", &[self.tokens(), self.dim]);
        let joined = b.add(Op::Concat { parts: vec![class, t], axis: 0 }, "x");
        let mut x = b.add(Op::Add(joined, positions), "x");
        for (layer, heads) in self.heads.iter().enumerate() {
            b.path = format!("blocks.{layer}/");
            x = self.encoder(&mut b, x, heads);
        }
        b.path.clear();
        let gain = b.param("nf_g", &[self.dim]);
        let bias = b.param("nf_b", &[self.dim]);
        let y = b.add(Op::LayerNorm { x, gain, bias, eps: 1e-5 }, "y");
        let row = b.slice(y, 0, 0, 1, "y");
        let row = build_shaped(&mut b.graph, Op::Reshape(row), &[self.dim], "y").expect("the op is well typed");
        let weight = b.param("fc_w", &[self.classes, self.dim]);
        let bias = b.param("fc_b", &[self.classes]);
        let logits = b.add(Op::Linear { x: row, weight, bias: Some(bias) }, "logits");
        b.output("logits", logits);
        b.finish()
    }

    fn encoder(&self, b: &mut Builder, x: NodeId, heads: &[bool]) -> NodeId {
        let (dim, hidden, count) = (self.dim, self.hidden, heads.len());
        let gain = b.param("n0_g", &[dim]);
        let bias = b.param("n0_b", &[dim]);
        let h = b.add(Op::LayerNorm { x, gain, bias, eps: 1e-5 }, "h");
        let weight = b.param("qkv", &[3 * dim, dim]);
        let p = b.add(Op::Linear { x: h, weight, bias: None }, "p");
        let split = |b: &mut Builder, n: usize, name: &str| {
            let x = b.slice(p, 1, n * dim, (n + 1) * dim, name);
            b.add(Op::SplitHeads { x, heads: count }, name)
        };
        let (q, k, v) = (split(b, 0, "q"), split(b, 1, "k"), split(b, 2, "v"));
        let transposed = b.add(Op::Transpose(k), "s");
        let s = b.add(Op::MatMul(q, transposed), "s");
        let s = b.add(Op::Scale(s, ((dim / count) as f64).powf(-0.5)), "s");
        let chosen = self.choose(b, s, heads);
        let a = b.add(Op::MatMul(chosen, v), "a");
        let a = b.add(Op::MergeHeads(a), "a");
        let (o_w, o_b) = (b.param("o_w", &[dim, dim]), b.param("o_b", &[dim]));
        let o = b.add(Op::Linear { x: a, weight: o_w, bias: Some(o_b) }, "y");
        let sum = b.add(Op::Add(x, o), "y");
        let gain = b.param("n1_g", &[dim]);
        let bias = b.param("n1_b", &[dim]);
        let y = b.add(Op::LayerNorm { x: sum, gain, bias, eps: 1e-5 }, "y");
        let (w1, b1) = (b.param("w1", &[hidden, dim]), b.param("b1", &[hidden]));
        let h = b.add(Op::Linear { x: y, weight: w1, bias: Some(b1) }, "m");
        let m = self.activation(b, h);
        let (w2, b2) = (b.param("w2", &[dim, hidden]), b.param("b2", &[dim]));
        let m = b.add(Op::Linear { x: m, weight: w2, bias: Some(b2) }, "m2");
        b.add(Op::Add(y, m), "out")
    }

    /// GeLU on all rows, or on every third one.
    fn activation(&self, b: &mut Builder, h: NodeId) -> NodeId {
        if !self.linear_rows {
            return b.add(Op::Smooth(Smooth::Gelu, h), "m");
        }
        let (kept, linear): (Vec<usize>, Vec<usize>) = (0..self.tokens()).partition(|row| row % 3 == 1);
        let order: Vec<usize> = kept.iter().chain(&linear).copied().collect();
        let curved = b.add(Op::Gather { x: h, axis: 0, index: kept }, "act");
        let curved = b.add(Op::Smooth(Smooth::Gelu, curved), "act");
        let linear = b.add(Op::Gather { x: h, axis: 0, index: linear }, "act");
        let joined = b.add(Op::Concat { parts: vec![curved, linear], axis: 0 }, "act");
        b.restored(joined, 0, &order)
    }

    /// One kernel per head on axis 0, or per query row on axis 1 in the first layer of a row plan.
    fn choose(&self, b: &mut Builder, s: NodeId, heads: &[bool]) -> NodeId {
        if self.row_plan && b.path.starts_with("blocks.0") {
            let rows: Vec<bool> = (0..self.tokens()).map(|row| row % 2 == 0).collect();
            return self.grouped(b, s, 1, &rows);
        }
        self.grouped(b, s, 0, heads)
    }

    fn grouped(&self, b: &mut Builder, s: NodeId, axis: usize, kinds: &[bool]) -> NodeId {
        let group = |kind: bool| (0..kinds.len()).filter(|h| kinds[*h] == kind).collect::<Vec<_>>();
        let (soft, scaled) = (group(true), group(false));
        if scaled.is_empty() {
            return relu_softmax(b, s);
        }
        if soft.is_empty() {
            return b.add(Op::Scale(s, 1.0 / self.tokens() as f64), "attn");
        }
        let first = b.add(Op::Gather { x: s, axis, index: soft.clone() }, "attn");
        let first = relu_softmax(b, first);
        let second = b.add(Op::Gather { x: s, axis, index: scaled.clone() }, "attn");
        let second = b.add(Op::Scale(second, 1.0 / self.tokens() as f64), "attn");
        let joined = b.add(Op::Concat { parts: vec![first, second], axis }, "attn");
        let order: Vec<usize> = soft.into_iter().chain(scaled).collect();
        b.restored(joined, axis, &order)
    }
}

fn relu_softmax(b: &mut Builder, s: NodeId) -> NodeId {
    let r = b.add(Op::Relu(s), "rs.r");
    let d = b.add(Op::SumRow(r), "rs.d");
    let d = b.add(Op::Offset(d, 1e-5), "rs.d");
    b.graph.nodes[d.0 as usize].assumed = Some((1e-5, 512.0));
    let inverse = b.add(Op::Recip(d), "rs");
    b.add(Op::Mul(r, inverse), "rs")
}

/// A deterministic stream of numbers in (-1, 1).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Weights of the usual sizes: gains near 1, matrices of rows with norm near 1.
pub(crate) fn params(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut noise = Noise(seed);
    let tensor = |param: &Param| {
        let width = *param.shape.last().expect("a tensor has an axis") as f64;
        let size = if param.shape.len() > 1 { (3.0 / width).sqrt() } else { 0.3 };
        let gain = param.name.ends_with("_g") || param.shape.len() == 1 && param.name.ends_with("weight");
        let centre = if gain { 1.0 } else { 0.0 };
        let data = (0..param.shape.iter().product()).map(|_| centre + size * noise.next()).collect();
        Tensor::new(&param.shape, data)
    };
    graph.params.iter().map(tensor).collect()
}

/// One input: pixels are whole numbers in 0..=255, other values within ±2.
pub(crate) fn inputs(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut noise = Noise(seed ^ 0x5eed);
    let tensor = |input: &Input| {
        let mut entry = || match input.ty.element {
            Element::U8 => (127.5 + 127.5 * noise.next()).round(),
            Element::Bit => f64::from(u8::from(noise.next() > 0.0)),
            _ => 2.0 * noise.next(),
        };
        Tensor::new(&input.ty.shape, (0..input.ty.shape.iter().product()).map(|_| entry()).collect())
    };
    graph.inputs.iter().map(tensor).collect()
}

/// Compares `text` with a golden file; `MPCC_BLESS=1` rewrites it.
pub(crate) fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name);
    if std::env::var_os("MPCC_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the folder can be made");
        std::fs::write(&path, text).expect("the golden can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; MPCC_BLESS=1 cargo test writes it", path.display()));
    assert!(text == expected, "{} differs; MPCC_BLESS=1 cargo test rewrites it\n{text}", path.display());
}
