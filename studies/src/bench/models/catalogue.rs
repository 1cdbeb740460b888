//! The networks that are measured, by name: a source, and what is set in it.

use std::collections::BTreeMap;

use mpcc_compiler::lower::{LowerOptions, PlanValue, SetValue};

/// ViT-Lite on CIFAR-10 with one attention function in all heads.
const SOFTMAX_VIT: &str = include_str!("../../../../examples/softmax-vit/model.mpv");
/// The same with a function for each head.
const PAPER_VIT: &str = include_str!("../../../../examples/mpcvit-cifar10-paper/model.mpv");
/// ViT-Lite on Tiny-ImageNet.
const TINY_VIT: &str = include_str!("../../../../examples/mpcvit-tiny-imagenet/model.mpv");
/// BERT-base with embedding tables, pooler and classifier.
const BERT: &str = include_str!("../../../../examples/mpcformer-bert/model.mpv");
/// One of its layers.
const BERT_LAYER: &str = include_str!("bert_layer.mpv");

/// A network.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Model {
    /// As options and reports call it.
    pub(in super::super) name: &'static str,
    /// What it is.
    pub(in super::super) what: &'static str,
    /// Its source.
    pub(in super::super) source: &'static str,
    /// Functions in place of those of the source.
    functions: &'static [(&'static str, &'static str)],
    /// A plan in place of that of the source.
    plan: Option<(&'static str, &'static str)>,
}

impl Model {
    /// What its source is lowered with.
    pub(in super::super) fn options(&self) -> LowerOptions {
        let set = |(name, value): &(&str, &str)| ((*name).to_owned(), SetValue::Name((*value).to_owned()));
        let plan = |(name, value): (&str, &str)| (name.to_owned(), PlanValue::Name(value.to_owned()));
        LowerOptions {
            plans: self.plan.map(plan).into_iter().collect(),
            sets: self.functions.iter().map(set).collect::<BTreeMap<_, _>>(),
            ..LowerOptions::default()
        }
    }
}

const fn cifar(name: &'static str, what: &'static str, functions: &'static [(&'static str, &'static str)]) -> Model {
    Model { name, what, source: SOFTMAX_VIT, functions, plan: None }
}

const fn tiny(name: &'static str, what: &'static str, plan: &'static str) -> Model {
    Model { name, what, source: TINY_VIT, functions: &[], plan: Some(("attn", plan)) }
}

/// Every network, the ViTs as in MPCViT and BERT-base as in MPCFormer.
pub(in super::super) const MODELS: [Model; 11] = [
    cifar("cifar-softmax", "CIFAR ViT, softmax + GeLU", &[]),
    cifar("cifar-relu-softmax", "CIFAR ViT, ReLU-softmax + GeLU", &[("attn", "relu_softmax")]),
    Model {
        source: PAPER_VIT,
        ..cifar("cifar-half", "CIFAR ViT, half the heads ReLU-softmax, half scaling + GeLU", &[])
    },
    cifar("cifar-scaling", "CIFAR ViT, scaling + GeLU", &[("attn", "scaling")]),
    cifar("cifar-2quad", "CIFAR ViT, 2Quad + Quad", &[("attn", "two_quad"), ("act", "quad")]),
    tiny("tiny-softmax", "Tiny-ImageNet ViT, softmax + GeLU", "ATTN_SOFTMAX"),
    tiny("tiny-relu-softmax", "Tiny-ImageNet ViT, ReLU-softmax + GeLU", "ATTN"),
    tiny("tiny-scaling", "Tiny-ImageNet ViT, scaling + GeLU", "ATTN_SCALE"),
    Model { source: BERT_LAYER, ..cifar("bert-layer", "BERT-base layer, 128 tokens, softmax + GeLU", &[]) },
    Model {
        source: BERT_LAYER,
        ..cifar(
            "bert-layer-2quad",
            "BERT-base layer, 128 tokens, 2Quad + Quad",
            &[("probs", "two_quad"), ("act", "quad")],
        )
    },
    Model {
        source: BERT,
        ..cifar(
            "bert-base",
            "BERT-base, 12 layers, 128 tokens, softmax + GeLU",
            &[("probs", "softmax_masked"), ("act", "gelu")],
        )
    },
];
