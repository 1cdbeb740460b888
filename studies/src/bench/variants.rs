//! Whole attention layers, one for every attention function of the papers.

use mpcc_compiler::plan::Softmax;

/// Tokens, width and heads of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Rows of the input.
    pub(super) tokens: usize,
    /// Entries of a row.
    pub(super) width: usize,
    /// Heads.
    pub(super) heads: usize,
}

impl Size {
    /// `65×256×4`
    pub(super) fn name(self) -> String {
        format!("{}×{}×{}", self.tokens, self.width, self.heads)
    }
}

/// The layers of MPCViT: CIFAR-10 and Tiny-ImageNet.
pub(super) const SIZES: [Size; 2] =
    [Size { tokens: 65, width: 256, heads: 4 }, Size { tokens: 257, width: 192, heads: 12 }];

/// What is known of SPU 0.9.5 (SEMI2K, two parties and a dealer) for one layer of each size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spu {
    /// Rounds.
    pub(super) rounds: [u32; 2],
    /// MB that each party sends at least, beyond scaling attention.
    megabytes: [f64; 2],
}

impl Spu {
    /// Least seconds at 40 ms a round trip, half of it a round, and 44 MB/s.
    pub(super) fn least_seconds(self, index: usize) -> f64 {
        let Size { tokens, width, heads } = SIZES[index];
        // Products open their operands in 64 bits: the layer's input, queries and keys, weights and values, and what the
        // heads give. Opened weights of linear layers are not counted.
        let opened = 5 * tokens * width + heads * tokens * tokens;
        let megabytes = (8 * opened) as f64 / 1e6 + self.megabytes[index];
        f64::from(self.rounds[index]) * 0.02 + megabytes / 44.0
    }
}

/// An attention function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variant {
    /// As options and tables call it.
    pub(super) name: &'static str,
    /// Its declarations of weights.
    params: &'static str,
    /// From `q`, `k` and `v`, all [heads, tokens, head width], and `s`, the scores.
    attention: &'static str,
    /// What softmax subtracts.
    pub(super) softmax: Softmax,
    /// The most hops that it is to take.
    pub(super) most_hops: Option<u16>,
    /// The competitor.
    pub(super) spu: Option<Spu>,
}

const fn of_scores(name: &'static str, attention: &'static str) -> Variant {
    Variant { name, params: "", attention, softmax: Softmax::Maximum, most_hops: None, spu: None }
}

/// Whole networks with softmax, with ReLU-softmax and with scaling attention differ by so much for each layer.
const SOFTMAX: Spu = Spu { rounds: [140, 156], megabytes: [3.4, 166.0] };
const RELU_SOFTMAX: Spu = Spu { rounds: [67, 67], megabytes: [1.7, 87.0] };
/// A square and a quotient of every score open an operand each.
const TWO_QUAD: Spu = Spu { rounds: [61, 61], megabytes: [0.27, 12.7] };
const SCALING: Spu = Spu { rounds: [21, 21], megabytes: [0.0, 0.0] };

/// Every variant.
pub(super) const VARIANTS: [Variant; 12] = [
    Variant {
        softmax: Softmax::Static,
        most_hops: Some(14),
        spu: Some(SOFTMAX),
        ..of_scores("softmax, static shift", "softmax(s) @ v")
    },
    Variant { spu: Some(SOFTMAX), ..of_scores("softmax, row maximum", "softmax(s) @ v") },
    Variant { most_hops: Some(8), spu: Some(RELU_SOFTMAX), ..of_scores("ReLU-softmax", "relu_softmax(s) @ v") },
    Variant { most_hops: Some(5), spu: Some(SCALING), ..of_scores("scaling", "scaling(s) @ v") },
    of_scores("square", "square_attention(s) @ v"),
    Variant { most_hops: Some(8), spu: Some(TWO_QUAD), ..of_scores("2Quad", "two_quad(s) @ v") },
    of_scores("2ReLU", "two_relu(s) @ v"),
    of_scores("ReLU6", "relu6(s) @ v"),
    of_scores("sparsemax", "sparsemax(s) @ v"),
    Variant {
        params: "param gamma: Tensor<HEADS> = \"gamma\";",
        ..of_scores("XNorm", "xnorm_attention(q, k, v, gamma)")
    },
    Variant {
        softmax: Softmax::Static,
        params: "param e: Tensor<ceil(0.3 * N), N> = \"e\";",
        ..of_scores("Linformer", "linformer(q, k, v, e)")
    },
    Variant {
        params: "param w1: Tensor<64, 1> = \"t1.weight\";\n  param b1: Tensor<64> = \"t1.bias\";\n  \
                 param w2: Tensor<128, 64> = \"t2.weight\";\n  param b2: Tensor<128> = \"t2.bias\";\n  \
                 param w3: Tensor<N, 128> = \"t3.weight\";\n  param b3: Tensor<N> = \"t3.bias\";",
        ..of_scores("THE-X", "the_x(s, w1, b1, w2, b2, w3, b3) @ v")
    },
];

impl Variant {
    /// The layer's model: its input is a share from the start, so that the first hop opens it.
    pub(super) fn source(&self, size: Size) -> String {
        include_str!("layer.mpv")
            .replace("N = 65", &format!("N = {}", size.tokens))
            .replace("DIM = 256", &format!("DIM = {}", size.width))
            .replace("HEADS = 4", &format!("HEADS = {}", size.heads))
            .replace("// weights of the function", self.params)
            .replace("s @ v", self.attention)
    }
}
