#!/usr/bin/env python3
"""One training step of the MPCViT CIFAR network by PyTorch, written from the published description, with the sum of
ReLU-softmax that the example has.

Writes the loss, and for every parameter a digest of its gradient and of its value after one step of AdamW, to the JSON file
that is named as argument. Weights and images come from a counter that the test in Rust repeats, so none are stored.

    python3 training/tests/pytorch/step.py training/tests/fixtures/step.json

Needs torch (1.13 or later) and numpy.
"""
import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F

LAYERS, HEADS, DIM, HIDDEN, PATCH, IMAGE, CLASSES = 7, 4, 256, 512, 4, 32, 10
TOKENS = (IMAGE // PATCH) ** 2 + 1
EXAMPLES = 4
EPS = 1e-5
LEAST_SUM = 0.25
RATE, DECAY = 5.5e-4, 0.06
# Heads with ReLU-softmax attention; the others scale.
PLAN = [(layer * 3 + head * 5) % 7 < 3 for layer in range(LAYERS) for head in range(HEADS)]
ENTRIES = 48


def uniform(stream: int, count: int) -> np.ndarray:
    """Numbers in [-1, 1) by splitmix64 of a counter, exact in single precision."""
    with np.errstate(over="ignore"):
        z = (np.arange(count, dtype=np.uint64) + np.uint64(stream << 32)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0).astype(np.float32)


def shapes():
    yield "tokenizer.conv_layers.0.0.weight", (DIM, 3, PATCH, PATCH)
    yield "tokenizer.conv_layers.0.0.bias", (DIM,)
    yield "classifier.class_emb", (1, 1, DIM)
    yield "classifier.positional_emb", (1, TOKENS, DIM)
    for i in range(LAYERS):
        at = f"classifier.blocks.{i}."
        yield at + "pre_norm.weight", (DIM,)
        yield at + "pre_norm.bias", (DIM,)
        yield at + "self_attn.qkv.weight", (3 * DIM, DIM)
        yield at + "self_attn.proj.weight", (DIM, DIM)
        yield at + "self_attn.proj.bias", (DIM,)
        yield at + "norm1.weight", (DIM,)
        yield at + "norm1.bias", (DIM,)
        yield at + "linear1.weight", (HIDDEN, DIM)
        yield at + "linear1.bias", (HIDDEN,)
        yield at + "linear2.weight", (DIM, HIDDEN)
        yield at + "linear2.bias", (DIM,)
    yield "classifier.norm.weight", (DIM,)
    yield "classifier.norm.bias", (DIM,)
    yield "classifier.fc.weight", (CLASSES, DIM)
    yield "classifier.fc.bias", (CLASSES,)


def first_value(stream: int, name: str, shape) -> torch.Tensor:
    values = torch.from_numpy(uniform(stream, math.prod(shape))).reshape(shape)
    if "norm" in name and name.endswith("weight"):
        return 1.0 + values / 8
    return values / 8 if len(shape) > 1 else values / 16


def forward(w, pixels):
    mean = torch.tensor([0.4914, 0.4822, 0.4465]).reshape(1, 3, 1, 1)
    std = torch.tensor([0.2470, 0.2435, 0.2616]).reshape(1, 3, 1, 1)
    x = (pixels / 255 - mean) / std
    x = F.conv2d(x, w["tokenizer.conv_layers.0.0.weight"], w["tokenizer.conv_layers.0.0.bias"], stride=PATCH)
    x = x.flatten(2, 3).transpose(1, 2)
    x = torch.cat([w["classifier.class_emb"].expand(len(x), -1, -1), x], dim=1) + w["classifier.positional_emb"]
    for i in range(LAYERS):
        p = {name[len(f"classifier.blocks.{i}."):]: t for name, t in w.items() if name.startswith(f"classifier.blocks.{i}.")}
        h = F.layer_norm(x, (DIM,), p["pre_norm.weight"], p["pre_norm.bias"], EPS)
        qkv = F.linear(h, p["self_attn.qkv.weight"]).reshape(len(x), TOKENS, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        a = (q @ k.transpose(-1, -2)) * (DIM // HEADS) ** -0.5
        relu = F.relu(a)
        softmax = relu / (relu.sum(-1, keepdim=True) + LEAST_SUM)
        chosen = torch.tensor(PLAN[i * HEADS:(i + 1) * HEADS]).reshape(1, HEADS, 1, 1)
        a = torch.where(chosen, softmax, a / TOKENS) @ v
        a = a.transpose(1, 2).reshape(len(x), TOKENS, DIM)
        x = x + F.linear(a, p["self_attn.proj.weight"], p["self_attn.proj.bias"])
        x = F.layer_norm(x, (DIM,), p["norm1.weight"], p["norm1.bias"], EPS)
        m = F.gelu(F.linear(x, p["linear1.weight"], p["linear1.bias"]))
        x = x + F.linear(m, p["linear2.weight"], p["linear2.bias"])
    x = F.layer_norm(x, (DIM,), w["classifier.norm.weight"], w["classifier.norm.bias"], EPS)
    return F.linear(x[:, 0], w["classifier.fc.weight"], w["classifier.fc.bias"])


def digest(tensor: torch.Tensor) -> dict:
    """Entries in equal steps, the norm, and the sum with signs that alternate."""
    flat = tensor.detach().double().flatten()
    step = max(1, len(flat) // ENTRIES)
    signs = 1.0 - 2.0 * (torch.arange(len(flat)) % 2).double()
    return {
        "entries": [float(v) for v in flat[::step][:ENTRIES]],
        "norm": float(flat.norm()),
        "alternating": float((flat * signs).sum()),
    }


def main():
    torch.manual_seed(0)
    names = list(shapes())
    w = {name: first_value(at + 1, name, shape).requires_grad_() for at, (name, shape) in enumerate(names)}
    pixels = np.floor((uniform(0, EXAMPLES * 3 * IMAGE * IMAGE) + 1.0) * 128.0)
    pixels = torch.from_numpy(pixels.astype(np.float32)).reshape(EXAMPLES, 3, IMAGE, IMAGE)
    targets = torch.full((EXAMPLES, CLASSES), 0.1 / CLASSES)
    for e in range(EXAMPLES):
        targets[e, (3 * e) % CLASSES] += 0.6
        targets[e, (3 * e + 1) % CLASSES] += 0.3
    scores = forward(w, pixels)
    loss = -(targets * F.log_softmax(scores, dim=-1)).sum(-1).mean()
    loss.backward()
    gradients = {name: digest(t.grad) for name, t in w.items()}
    decayed = [t for t in w.values() if t.ndim > 1]
    spared = [t for t in w.values() if t.ndim == 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": spared, "weight_decay": 0.0}]
    torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8).step()
    fixture = {
        "torch": torch.__version__,
        "plan": [["rs" if chosen else "scale" for chosen in PLAN[i * HEADS:(i + 1) * HEADS]] for i in range(LAYERS)],
        "rate": RATE,
        "weight_decay": DECAY,
        "scores": scores.detach().double().tolist(),
        "loss": float(loss.detach().double()),
        "parameters": {name: {"gradient": gradients[name], "after": digest(t)} for name, t in w.items()},
    }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(fixture, file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main()
