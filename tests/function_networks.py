"""Small networks with function units: activations, norms, products, attention; and batches that are not in front."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.lambdas import Lambda, conv

Case = tuple[Callable[[], nn.Module], tuple[int, ...]]
"""What builds a network, and the shape of one sample."""

IMAGE, TOKENS = (3, 8, 8), (5, 8)


def between(function: Callable[[Tensor], Tensor], shape: tuple[int, ...] = (5,)) -> Case:
    """A function between two linear layers."""
    return lambda: Lambda(lambda m, x: m.b(function(m.a(x))), a=nn.Linear(shape[-1], 6), b=nn.Linear(6, 3)), shape


def elementwise(module: Callable[[Tensor], Tensor]) -> Case:
    return between(module)


class Swapped(nn.Module):
    """Sequence first: [length, batch, width] inside."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.out = layer, nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.out(self.layer(x.transpose(0, 1)))
        return y.transpose(0, 1)


class Windows(nn.Module):
    """Attention within windows of a picture, which are merged with the batch; shifted, as in Swin."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.qkv, self.out = conv(3, 8), nn.Linear(8, 24), nn.Linear(8, 4)
        self.register_buffer("mask", torch.where(torch.rand(4, 1, 16, 16) > 0.8, -torch.inf, 0.0))

    def forward(self, x: Tensor) -> Any:
        x = torch.roll(self.stem(x).permute(0, 2, 3, 1), (2, 2), (1, 2))
        n, h, w, c = x.shape
        x = x.reshape(n, h // 4, 4, w // 4, 4, c).transpose(2, 3).reshape(-1, 16, c)
        q, k, v = self.qkv(x).reshape(-1, 16, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-2, -1)).view(-1, 4, 2, 16, 16) + self.mask.clamp(min=-1e4)
        y = (scores.softmax(-1).view(-1, 2, 16, 16) @ v).transpose(1, 2).reshape(-1, 4, 4, c)
        y = y.view(-1, h // 4, w // 4, 4, 4, c).transpose(2, 3).reshape(n, h, w, c)
        return self.out(y)


ONE_OF_THREE = torch.arange(25).view(5, 5) % 3 == 0
"""Places of queries and keys: some in each row and each column, and not all."""


def attention(mask: Tensor | None = None, **options: Any) -> Case:
    def run(m: Any, x: Tensor) -> Any:
        q, k, v = (part.unflatten(2, (2, 4)).transpose(1, 2) for part in m.qkv(x).chunk(3, 2))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, **options)
        return m.out(y.transpose(1, 2).flatten(2))

    return lambda: Lambda(run, qkv=nn.Linear(8, 24), out=nn.Linear(8, 4)), TOKENS


def shifted(y: Tensor) -> Tensor:
    """Channels moved along the tokens, as in temporal shift modules."""
    out = torch.zeros_like(y)
    out[:, :-1, :2], out[:, 1:, 2:4], out[:, :, 4:] = y[:, 1:, :2], y[:, :-1, 2:4], y[:, :, 4:]
    return out


def decoded(y: Tensor) -> Tensor:
    """Parts that are changed where they stand, as in detection heads and ghost modules."""
    y[..., 0:2] = y[..., 0:2] * 2 - 0.5
    y[:, 1:3] += y[:, 2:4]
    y[:, 4].fill_(0.25)
    y[..., -1] *= 3
    return y


def placed(y: Tensor) -> Tensor:
    """Lists of places and masks."""
    y[:, [0, 2]] = y[:, [1, 3]]
    y[:, torch.arange(5) > 3] = 0.5
    y[:, range(5), range(5)] = -1.0
    return y


def poured(y: Tensor) -> Tensor:
    """A stream into memory and into constants."""
    whole, steps = y.new_empty(len(y), 5, 6), torch.ones(1, 5, 6, dtype=y.dtype).repeat(len(y), 1, 1)
    whole[:, 1:].copy_(y[:, :-1])
    whole[:, 0].zero_()
    steps[..., ::2] = y[..., 1::2]
    return whole + steps


def gathered(y: Tensor) -> Tensor:
    """Elements that are added at their places, or taken from them, by constant tensors of places."""
    places = torch.tensor([0, 3, 3])[None, :, None].expand(len(y), 3, 6)
    added = y.index_add(1, torch.tensor([0, 0, 1]), y[:, :3]) + y.scatter_add(1, places, y[:, 2:])
    return (
        added
        - torch.zeros_like(y).scatter(1, places, 2.0).scatter(1, places[:, :2], y[:, :2])
        + y.gather(1, places).sum(1, True)
    )


def assigned(function: Callable[[Tensor], Tensor]) -> Case:
    """A function that assigns to a part of its argument, between two linear layers."""
    return lambda: Lambda(lambda m, x: m.b(function(F.relu(m.a(x)))), a=nn.Linear(8, 6), b=nn.Linear(6, 3)), TOKENS


ASSIGNMENTS = {
    f"assignment, {function.__name__}": assigned(function) for function in (shifted, decoded, placed, poured, gathered)
}

FUNCTION_CASES: dict[str, Case] = {
    **ASSIGNMENTS,
    # activations
    **{
        name: elementwise(function)
        for name, function in {
            "leaky relu": lambda y: F.leaky_relu(y, 0.1),
            "elu": F.elu,
            "selu": F.selu,
            "celu": F.celu,
            "gelu": F.gelu,
            "gelu tanh": lambda y: F.gelu(y, approximate="tanh"),
            "silu": F.silu,
            "silu by hand": lambda y: y * torch.sigmoid(y),
            "hardswish": F.hardswish,
            "hardsigmoid": F.hardsigmoid,
            "sigmoid": torch.sigmoid,
            "tanh": torch.tanh,
            "softplus": F.softplus,
            "mish": F.mish,
            "log sigmoid": F.logsigmoid,
            "softsign": F.softsign,
            "clamp both": lambda y: y.clamp(-0.5, 0.7),
            "clamp max": lambda y: y.clamp(max=0.2),
            "clamp by tensors": lambda y: y.clamp(
                torch.full((6,), -0.3, dtype=y.dtype), torch.full((6,), 0.4, dtype=y.dtype)
            ),
            "threshold elsewhere": lambda y: F.threshold(y, 0.2, 0.2),
            "abs": torch.abs,
            "square": lambda y: y**2,
            "exp": torch.exp,
            "root": lambda y: torch.sqrt(y * y + 0.5),
            "logarithm": lambda y: torch.log(y * y + 0.5),
            "reciprocal": lambda y: 1 / (y * y + 0.5),
            "maximum": lambda y: torch.maximum(y, y.flip(1)),
            "minimum with a constant": lambda y: torch.minimum(y, torch.full((6,), 0.1, dtype=y.dtype)),
        }.items()
    },
    "prelu": (lambda: nn.Sequential(conv(3, 6), nn.PReLU(6), conv(6, 2)), IMAGE),
    "activation on spikes": (lambda: nn.Sequential(conv(3, 6), nn.ReLU(), nn.Tanh(), conv(6, 2)), IMAGE),
    "activation at the end": (lambda: nn.Sequential(conv(3, 6), nn.ReLU(), conv(6, 2), nn.Sigmoid()), IMAGE),
    "two linear layers": (lambda: nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 6), nn.Linear(6, 3)), (5,)),
    # rows
    "softmax": between(lambda y: y.softmax(1)),
    "log softmax": between(lambda y: F.log_softmax(y, -1)),
    "logsumexp": between(lambda y: y - torch.logsumexp(y, 1, keepdim=True)),
    "unit vectors": between(lambda y: F.normalize(y, dim=1)),
    "smallest": between(lambda y: y - y.amin(1, keepdim=True)),
    "cumulative sum": between(lambda y: torch.cumsum(y, 1)),
    "layer norm": (lambda: nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6), nn.Linear(6, 3)), TOKENS),
    "layer norm of pictures": (
        lambda: nn.Sequential(conv(3, 4), nn.LayerNorm((4, 8, 8)), nn.ReLU(), conv(4, 2)),
        IMAGE,
    ),
    "rms norm": (lambda: nn.Sequential(nn.Linear(8, 6), nn.RMSNorm(6), nn.Linear(6, 3)), TOKENS),
    "group norm": (lambda: nn.Sequential(conv(3, 6), nn.GroupNorm(2, 6), nn.ReLU(), conv(6, 2)), IMAGE),
    "instance norm": (
        lambda: nn.Sequential(conv(3, 6), nn.InstanceNorm2d(6, affine=True), nn.ReLU(), conv(6, 2)),
        IMAGE,
    ),
    # products
    "product": (
        lambda: Lambda(lambda m, x: m.c(F.relu(m.a(x)) * m.b(x)), a=conv(3, 4), b=conv(3, 4), c=conv(4, 2)),
        IMAGE,
    ),
    "squeeze and excite": (
        lambda: Lambda(
            lambda m, x: m.c((y := F.relu(m.a(x))) * torch.sigmoid(m.b(y.mean((2, 3), keepdim=True)))),
            a=conv(3, 4),
            b=nn.Conv2d(4, 4, 1),
            c=conv(4, 2),
        ),
        IMAGE,
    ),
    "largest two": between(lambda y: y.sum(1, keepdim=True) + torch.cat([y.topk(2, 1)[0]] * 3, 1)),
    "sorted": between(lambda y: y.sort(1)[0]),
    "spread": between(lambda y: (y - y.mean(1, keepdim=True)) / (y.var(1, keepdim=True) + 0.1).sqrt()),
    "quotient": between(lambda y: y / (y.abs().sum(1, keepdim=True) + 1)),
    "matrix product": (
        lambda: Lambda(lambda m, x: m.b((y := m.a(x)) @ y.transpose(1, 2)), a=nn.Linear(8, 6), b=nn.Linear(5, 3)),
        TOKENS,
    ),
    "einsum": (
        lambda: Lambda(
            lambda m, x: m.b(torch.einsum("bld,bme->ble", (y := m.a(x)), y)), a=nn.Linear(8, 6), b=nn.Linear(6, 3)
        ),
        TOKENS,
    ),
    "matrix from the left": (
        lambda: Lambda(
            lambda m, x: m.b(torch.relu(m.w @ m.a(x))), a=nn.Linear(8, 6), b=nn.Linear(6, 3), w=torch.randn(4, 5)
        ),
        TOKENS,
    ),
    "scaled product with a bias": (
        lambda: Lambda(
            lambda m, x: torch.addmm(m.t, F.relu(m.a(x)), m.w, beta=0.5, alpha=2),
            a=nn.Linear(5, 6),
            t=torch.randn(3),
            w=torch.randn(6, 3),
        ),
        (5,),
    ),
    "distances": (
        lambda: Lambda(
            lambda m, x: m.b(torch.cdist((y := F.relu(m.a(x))), m.t) + torch.cdist(y, y + 1, p=1)),
            a=nn.Linear(8, 6),
            b=nn.Linear(5, 3),
            t=torch.randn(5, 6),
        ),
        TOKENS,
    ),
    "several matrices": (
        lambda: Lambda(lambda m, x: m.b(F.relu(x.unsqueeze(1)) @ m.w), b=nn.Linear(6, 3), w=torch.randn(2, 8, 6)),
        TOKENS,
    ),
    # attention
    "attention": attention(),
    "causal attention": attention(is_causal=True),
    "attention with a mask": attention(ONE_OF_THREE),
    "attention with a float mask": attention(torch.where(ONE_OF_THREE, -torch.inf, 0.0)[None, None].double()),
    "multi-head attention": (
        lambda: Lambda(
            lambda m, x: m.b(m.a(x, x, x)[0]), a=nn.MultiheadAttention(8, 2, batch_first=True), b=nn.Linear(8, 3)
        ),
        TOKENS,
    ),
    "multi-head attention without weights": (
        lambda: Lambda(
            lambda m, x: m.b(m.a(x, x, x, need_weights=False)[0]),
            a=nn.MultiheadAttention(8, 2, batch_first=True),
            b=nn.Linear(8, 3),
        ),
        TOKENS,
    ),
    "sequence first": (lambda: Swapped(nn.TransformerEncoderLayer(8, 2, 16)), TOKENS),
    "transformer layer": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=True),
        TOKENS,
    ),
    "windows": (Windows, IMAGE),
    # constants and choices
    "class token": (
        lambda: Lambda(
            lambda m, x: m.b(torch.cat([m.t.expand(len(x), -1, -1), F.relu(m.a(x))], 1) + m.p),
            a=nn.Linear(8, 6),
            b=nn.Linear(6, 3),
            t=torch.randn(1, 1, 6),
            p=torch.randn(1, 6, 6),
        ),
        TOKENS,
    ),
    "stacked with a constant": (
        lambda: Lambda(
            lambda m, x: torch.stack([F.relu(m.a(x)), m.t.expand(len(x), -1)], 1),
            a=nn.Linear(5, 6),
            t=torch.randn(1, 6),
        ),
        (5,),
    ),
    "zeros of the batch": between(lambda y: y + torch.zeros(y.shape[0], 1, dtype=y.dtype)),
    "masked fill": between(lambda y: y.masked_fill(torch.arange(6) > 3, -0.5)),
    "where": between(lambda y: torch.where(torch.arange(6) > 3, y, 0.25)),
    "where the other way": between(lambda y: torch.where(torch.arange(6) > 3, 0.25, y)),
    "choice between streams": between(lambda y: torch.where(torch.arange(6) > 3, y, -2 * y)),
    "masked softmax": between(lambda y: y.masked_fill(torch.arange(6) > 3, -torch.inf).softmax(1)),
    "gathered": between(lambda y: y[:, [3, 1, 1, 0, 5, 4]]),
    "index select": between(lambda y: y.index_select(1, torch.tensor([3, 1, 1, 0, 5, 4]))),
    "repeat": between(lambda y: y.repeat(1, 2)[:, 3:9]),
    "unbind": (
        lambda: Lambda(lambda m, x: m.b(F.relu(m.a(x)).unbind(1)[2]), a=nn.Linear(8, 6), b=nn.Linear(6, 3)),
        TOKENS,
    ),
    "repeat interleave": between(lambda y: y.repeat_interleave(2, 1)[:, 3:9]),
    "patches": (
        lambda: Lambda(
            lambda m, x: m.b(F.fold(F.unfold(F.relu(m.a(x)), 3, padding=1), (8, 8), 3, padding=1)),
            a=conv(3, 4),
            b=conv(4, 2),
        ),
        IMAGE,
    ),
    "sliding windows": between(lambda y: y.unfold(1, 3, 1).sum(2).repeat(1, 2)[:, :6]),
    "triangle": (
        lambda: Lambda(lambda m, x: m.b(torch.tril(F.relu(m.a(x)))), a=nn.Linear(8, 6), b=nn.Linear(6, 3)),
        TOKENS,
    ),
    "changed in place first": (
        lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Linear(5, 6), nn.SiLU(inplace=True), nn.Linear(6, 3)),
        (5,),
    ),
    "roll": (lambda: Lambda(lambda m, x: m.b(F.relu(m.a(x)).roll((1, 2), (2, 3))), a=conv(3, 6), b=conv(6, 2)), IMAGE),
    "channel shuffle": (lambda: nn.Sequential(conv(3, 6), nn.ReLU(), nn.ChannelShuffle(2), conv(6, 2)), IMAGE),
    # the batch elsewhere than in front
    "frames in the batch": (
        lambda: Lambda(
            lambda m, x: m.b(F.relu(m.n(m.a(x.reshape(-1, 1, 5, 8)))).reshape(len(x), 3, -1)).mean(1),
            a=conv(1, 4),
            n=nn.BatchNorm2d(4),
            b=nn.Linear(160, 3),
        ),
        (3, 5, 8),
    ),
}
