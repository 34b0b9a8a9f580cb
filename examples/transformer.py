"""A small vision transformer for grey pictures of 28 x 28 pixels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 10


class Attention(nn.Module):
    """Self-attention with several heads.

    Args:
        width: of each token.
        heads: how many; each sees width / heads numbers.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens ``[batch, tokens, width]``, each a mixture of all."""
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        mixed: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return mixed


class Encoder(nn.Module):
    """A layer of a transformer, normalised before attention and before the two linear layers.

    Args:
        width: of each token.
        heads: of the attention.
        hidden: neurons between the two linear layers.
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens ``[batch, tokens, width]``."""
        x = x + self.attention(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class VisionTransformer(nn.Module):
    """Patches of 4 x 4 pixels, a class token, a learned position of each (Dosovitskiy et al., 2021).

    Args:
        width: of each token.
        depth: layers.
        heads: of each attention.
        hidden: neurons between the two linear layers of each layer.
    """

    def __init__(self, width: int, depth: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(0.02 * torch.randn(1, 1 + 7 * 7, width))
        self.layers = nn.Sequential(*[Encoder(width, heads, hidden) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``[batch, classes]``."""
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.position
        logits: Tensor = self.head(self.norm(self.layers(x))[:, 0])
        return logits
