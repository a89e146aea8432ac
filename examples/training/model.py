"""A Llama decoder in plain PyTorch, with the starting weights that make recall learnable in minutes.

The layout is Hugging Face's (`LlamaForCausalLM`, rotation of halves), so `export.py` only renames.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass(frozen=True)
class Shape:
    vocabulary: int = 896
    hidden: int = 256
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head_size: int = 64
    inner: int = 704
    theta: float = 100000.0
    eps: float = 1e-5


class RmsNorm(nn.Module):
    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rotation(shape: Shape, length: int):
    """Cosines and sines of the rotary embedding, [length, head_size / 2]."""
    frequencies = rotation_frequencies(shape)
    angles = torch.outer(torch.arange(length).float(), frequencies)
    return angles.cos(), angles.sin()


def rotation_frequencies(shape: Shape):
    return 1.0 / shape.theta ** (torch.arange(0, shape.head_size, 2).float() / shape.head_size)


def rotate(x, cos, sin):
    a, b = x.float().chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(x.dtype)


class Layer(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        self.shape = s
        self.attention_norm = RmsNorm(s.hidden, s.eps)
        self.q = nn.Linear(s.hidden, s.heads * s.head_size, bias=False)
        self.k = nn.Linear(s.hidden, s.kv_heads * s.head_size, bias=False)
        self.v = nn.Linear(s.hidden, s.kv_heads * s.head_size, bias=False)
        self.o = nn.Linear(s.heads * s.head_size, s.hidden, bias=False)
        self.mlp_norm = RmsNorm(s.hidden, s.eps)
        self.gate = nn.Linear(s.hidden, s.inner, bias=False)
        self.up = nn.Linear(s.hidden, s.inner, bias=False)
        self.down = nn.Linear(s.inner, s.hidden, bias=False)

    def forward(self, h, cos, sin):
        s = self.shape
        batch, length, _ = h.shape
        x = self.attention_norm(h)
        q = rotate(self.q(x).view(batch, length, s.heads, s.head_size).transpose(1, 2), cos, sin)
        k = rotate(self.k(x).view(batch, length, s.kv_heads, s.head_size).transpose(1, 2), cos, sin)
        v = self.v(x).view(batch, length, s.kv_heads, s.head_size).transpose(1, 2)
        group = s.heads // s.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.o(mixed.transpose(1, 2).reshape(batch, length, -1))
        x = self.mlp_norm(h)
        return h + self.down(F.silu(self.gate(x)) * self.up(x))


class Llama(nn.Module):
    """Token ids [batch, length] to logits [batch, length, vocabulary]; embedding and output are tied."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RmsNorm(shape.hidden, shape.eps)

    def forward(self, ids):
        h = self.embedding(ids)
        cos, sin = rotation(self.shape, ids.shape[1])
        for layer in self.layers:
            h = layer(h, cos, sin)
        return F.linear(self.norm(h), self.embedding.weight)


# The first layer's heads start as previous-token heads. They read one channel of the embedding that
# is the same for every token, and only through the fastest rotations, whose phase is all that a score
# then depends on: head h peaks exactly h + 1 tokens back. POINTER_GAIN is the length of q and k per
# rotation, large enough for that peak to take nearly all of the softmax. CONSTANT / SPREAD is about
# what the norm makes of the constant channel.
POINTER_ROTATIONS = 10
POINTER_GAIN = 6.2
CONSTANT, SPREAD = 0.18, 0.06


@torch.no_grad()
def start_weights(model: Llama) -> None:
    """Random weights, and previous-token heads in layer 0. Everything stays trainable."""
    s = model.shape
    for p in model.parameters():
        if p.dim() > 1:
            nn.init.normal_(p, 0.0, 0.7 / math.sqrt(p.shape[1]))
    nn.init.normal_(model.embedding.weight, 0.0, SPREAD)
    model.embedding.weight[:, 0] = CONSTANT
    f = rotation_frequencies(s)
    half = s.head_size // 2
    gain = POINTER_GAIN / (CONSTANT / math.hypot(SPREAD, CONSTANT / math.sqrt(s.hidden)))
    gains = gain * (torch.arange(half) < POINTER_ROTATIONS)
    first = model.layers[0]
    first.q.weight.zero_()
    first.k.weight.zero_()
    for head in range(s.heads):
        back, row = head + 1, head * s.head_size
        first.q.weight[row:row + half, 0] = gains * torch.cos(-back * f)
        first.q.weight[row + half:row + s.head_size, 0] = gains * torch.sin(-back * f)
    for head in range(s.kv_heads):
        row = head * s.head_size
        first.k.weight[row:row + half, 0] = gains
