"""The networks of the comparison, written for jax with random weights.

Every network is a function of its weights and one input. Shapes are those of the papers; weights only have to keep
activations in the range of a trained network, since cost and speed depend on nothing else.
"""

from dataclasses import dataclass
from typing import Callable

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Vit:
    """ViT-Lite as in MPCViT: patches of 4, a class token, the second norm on the residual stream."""

    layers: int
    heads: int
    width: int
    image: int
    classes: int
    attention: tuple  # a function of the scores for each head
    activation: Callable

    @property
    def tokens(self) -> int:
        return (self.image // 4) ** 2 + 1


@dataclass(frozen=True)
class Bert:
    """BERT-base for sequence classification on embedded tokens, or so many of its layers alone."""

    layers: int
    heads: int
    width: int
    tokens: int
    attention: tuple
    activation: Callable
    whole: bool  # with embedding norm, pooler and classifier


def softmax(s):
    return jax.nn.softmax(s, axis=-1)


def relu_softmax(s):
    r = jax.nn.relu(s)
    return r / (jnp.sum(r, axis=-1, keepdims=True) + 1e-5)


def scaling(s):
    return s / s.shape[-1]


def two_quad(s):
    # Scaled down beforehand, or the row sum leaves the range of the fixed-point quotient.
    q = jnp.square((s + 5) / (5 * s.shape[-1] ** 0.5))
    return q / jnp.sum(q, axis=-1, keepdims=True)


def gelu(x):
    return jax.nn.gelu(x, approximate=True)


def quad(x):
    return 0.125 * jnp.square(x) + 0.25 * x + 0.5


def _cifar(attention, activation=gelu):
    return Vit(7, 4, 256, 32, 10, attention, activation)


def _tiny(attention):
    return Vit(9, 12, 192, 64, 200, attention, gelu)


def _bert(layers, attention, activation, whole):
    return Bert(layers, 12, 768, 128, (attention,) * 12, activation, whole)


NETWORKS = {
    "cifar-softmax": _cifar((softmax,) * 4),
    "cifar-relu-softmax": _cifar((relu_softmax,) * 4),
    "cifar-half": _cifar((relu_softmax, relu_softmax, scaling, scaling)),
    "cifar-scaling": _cifar((scaling,) * 4),
    "cifar-2quad": _cifar((two_quad,) * 4, quad),
    "tiny-softmax": _tiny((softmax,) * 12),
    "tiny-relu-softmax": _tiny((relu_softmax,) * 12),
    "tiny-scaling": _tiny((scaling,) * 12),
    "bert-layer": _bert(1, softmax, gelu, False),
    "bert-layer-2quad": _bert(1, two_quad, quad, False),
    "bert-base": _bert(12, softmax, gelu, True),
}


def weights(network, seed=1):
    """Random weights by name; norms are trained ones' usual 1 and 0."""
    random = np.random.default_rng(seed)
    found = {}

    def linear(name, inputs, outputs, bias=True):
        found[f"{name}.w"] = (random.standard_normal((inputs, outputs)) / inputs**0.5).astype(np.float32)
        if bias:
            found[f"{name}.b"] = np.zeros(outputs, np.float32)

    def norm(name):
        found[f"{name}.g"], found[f"{name}.b"] = np.ones(network.width, np.float32), np.zeros(network.width, np.float32)

    vit = isinstance(network, Vit)
    width, hidden = network.width, network.width * (2 if vit else 4)
    if vit:
        linear("patch", 48, width)
        found["class"] = np.zeros((1, width), np.float32)
        found["position"] = (0.2 * random.standard_normal((network.tokens, width))).astype(np.float32)
    for i in range(network.layers):
        if vit:
            norm(f"{i}.n0")
        linear(f"{i}.qkv", width, 3 * width, bias=not vit)
        linear(f"{i}.o", width, width)
        norm(f"{i}.n1")
        linear(f"{i}.up", width, hidden)
        linear(f"{i}.down", hidden, width)
        if not vit:
            norm(f"{i}.n2")
    if vit:
        norm("n")
        linear("head", width, network.classes)
    elif network.whole:
        norm("n")
        linear("pool", width, width)
        linear("head", width, 2)
    return found


def example(network, seed=2):
    """An input: an image that its owner has normalised and cut into patches, or embedded tokens."""
    random = np.random.default_rng(seed)
    if isinstance(network, Vit):
        return random.standard_normal((network.tokens - 1, 48)).astype(np.float32)
    return random.standard_normal((network.tokens, network.width)).astype(np.float32)


def _norm(w, name, x):
    mean = jnp.mean(x, axis=-1, keepdims=True)
    d = x - mean
    return d * jax.lax.rsqrt(jnp.mean(jnp.square(d), axis=-1, keepdims=True) + 1e-5) * w[f"{name}.g"] + w[f"{name}.b"]


def _linear(w, name, x):
    y = x @ w[f"{name}.w"]
    return y + w[f"{name}.b"] if f"{name}.b" in w else y


def _attend(network, w, name, x):
    tokens, heads = network.tokens, network.heads
    p = _linear(w, f"{name}.qkv", x).reshape(tokens, 3, heads, network.width // heads).transpose(1, 2, 0, 3)
    q, k, v = p[0], p[1], p[2]
    s = q @ k.transpose(0, 2, 1) * (network.width // heads) ** -0.5
    # Heads of one function are next to each other and computed at once.
    parts, begin = [], 0
    while begin < heads:
        end = begin
        while end < heads and network.attention[end] is network.attention[begin]:
            end += 1
        parts.append(network.attention[begin](s[begin:end]))
        begin = end
    a = (parts[0] if len(parts) == 1 else jnp.concatenate(parts)) @ v
    return _linear(w, f"{name}.o", a.transpose(1, 0, 2).reshape(tokens, network.width))


def _mlp(network, w, name, x):
    return _linear(w, f"{name}.down", network.activation(_linear(w, f"{name}.up", x)))


def forward(network):
    """The function that SPU compiles: weights and input to logits, or to the last layer's output."""

    def vit(w, x):
        x = jnp.concatenate([w["class"], _linear(w, "patch", x)]) + w["position"]
        for i in range(network.layers):
            y = _norm(w, f"{i}.n1", x + _attend(network, w, f"{i}", _norm(w, f"{i}.n0", x)))
            x = y + _mlp(network, w, f"{i}", y)
        # Only the class token's row counts from here on.
        return _linear(w, "head", _norm(w, "n", x[:1]))

    def bert(w, x):
        x = _norm(w, "n", x) if network.whole else x
        for i in range(network.layers):
            y = _norm(w, f"{i}.n1", x + _attend(network, w, f"{i}", x))
            x = _norm(w, f"{i}.n2", y + _mlp(network, w, f"{i}", y))
        return _linear(w, "head", jnp.tanh(_linear(w, "pool", x[:1]))) if network.whole else x

    return vit if isinstance(network, Vit) else bert
