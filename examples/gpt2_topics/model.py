"""GPT-2 at a small size: pre-LN blocks, fused QKV, tanh GELU, learned positions, tied head."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Shape:
    vocabulary: int
    context: int = 256
    width: int = 128
    layers: int = 4
    heads: int = 4
    hidden: int = 512


class Attention(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.heads = shape.heads
        self.head_width = shape.width // shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.project = nn.Linear(shape.width, shape.width)

    def forward(self, x: Tensor) -> Tensor:  # [batch, seq, width] -> the same
        batch, seq, width = x.shape
        q, k, v = (
            part.view(batch, seq, self.heads, self.head_width).transpose(1, 2)
            for part in self.qkv(x).split(width, dim=2)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.project(mixed.transpose(1, 2).reshape(batch, seq, width))


class Block(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width)
        self.attention = Attention(shape)
        self.norm2 = nn.LayerNorm(shape.width)
        self.expand = nn.Linear(shape.width, shape.hidden)
        self.contract = nn.Linear(shape.hidden, shape.width)

    def forward(self, x: Tensor) -> Tensor:  # [batch, seq, width] -> the same
        x = x + self.attention(self.norm1(x))
        hidden = F.gelu(self.expand(self.norm2(x)), approximate="tanh")
        return x + self.contract(hidden)


class GPT2(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Embedding(shape.context, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        initialise(self)

    def forward(self, input_ids: Tensor) -> Tensor:  # int64 [batch, seq] -> logits [batch, seq, vocabulary]
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.tokens(input_ids) + self.positions(positions)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.tokens.weight)


@torch.no_grad()
def initialise(model: GPT2) -> None:
    """As in GPT-2, but wider for the smaller width, and with positions that start as sinusoids.

    From random positions the model spends hundreds of steps on character pairs before it finds "the one before".
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.06)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    for block in model.blocks:  # the residual stream starts with a variance that does not depend on the depth
        for linear in (block.attention.project, block.contract):
            linear.weight /= (2 * model.shape.layers) ** 0.5
    half = model.shape.width // 2
    frequencies = model.shape.context ** -(torch.arange(half) / half)
    angles = torch.arange(model.shape.context)[:, None] * frequencies
    model.positions.weight.copy_(0.1 * torch.cat([angles.sin(), angles.cos()], dim=1))


def prunable(model: GPT2) -> dict[str, nn.Parameter]:
    """The matrices that pruning may thin out: every linear layer. Embeddings, norms, biases and the head stay dense."""
    return {f"{name}.weight": module.weight for name, module in model.named_modules() if isinstance(module, nn.Linear)}
