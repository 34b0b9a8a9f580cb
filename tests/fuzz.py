"""Random networks from the operator table: small typed programs of pictures, sequences and vectors.

A network is a list of steps, each an operation on earlier streams. An operation is one function: it picks its
parameters and returns a module. While hypothesis draws, ``Pick`` chooses and records; afterwards the record builds the
same network again, so that ``repr`` of a network is all that is needed to see a failure once more:

    Net(seed=3, shape=(3, 7, 5), steps=[Step("conv", [0], {"out": 4, ...}), ...], outputs=[2], form="one")

Stages, and the tensors that go with them:

    picture [B, C, H, W]    sequence [B, L, D]    vector [B, F]
    timed   [L, B, D]: sequence first             windows [B * n, N, D]: windows merged with the batch
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.lambdas import Lambda

SMALL = 700
"""Elements of a stream at most."""

STAGES = ("picture", "sequence", "vector", "timed", "windows")


class Pick:
    """Picks parameters: by drawing and recording them, or from the record."""

    def __init__(self, draw: Callable[..., Any] | None = None, record: dict[str, Any] | None = None) -> None:
        self.draw, self.record = draw, {} if record is None else record

    def __call__(self, name: str, options: Sequence[Any]) -> Any:
        if self.draw is not None:
            self.record[name] = self.draw(st.sampled_from(list(options)))
        return self.record[name]


@dataclass(frozen=True)
class Operation:
    """What a step may do: the function that makes its module, where it goes from and to, and when it may be taken."""

    make: Callable[..., nn.Module]
    before: str
    after: str
    arity: int = 1
    when: Callable[..., bool] = lambda *shapes: True
    refused: bool = False


OPERATIONS: dict[str, Operation] = {}


def on(stages: str, to: str = "", **given: Any) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Register an operation on some stages (all of them if it is "any"); it stays there unless it goes elsewhere."""

    def register(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        for stage in STAGES if stages == "any" else stages.split():
            name = make.__name__ if " " not in stages and stages != "any" else f"{make.__name__} of {stage}"
            OPERATIONS[name] = Operation(make, stage, to or stage, **given)
        return make

    return register


# --- elementwise ---------------------------------------------------------------------------------------------------

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu in place": lambda: nn.ReLU(inplace=True),
    "silu in place": lambda: nn.SiLU(inplace=True),
    "relu6": nn.ReLU6,
    "hardtanh 0 to 1": lambda: nn.Hardtanh(0, 1),
    "hardtanh": nn.Hardtanh,
    "clamp": lambda: Lambda(lambda m, x: x.clamp(-0.5, 1.5)),
    "clamp min": lambda: Lambda(lambda m, x: x.clamp(min=0)),
    "clamp max": lambda: Lambda(lambda m, x: x.clamp(max=1)),
    "threshold": lambda: nn.Threshold(0, 0),
    "threshold of 0.3": lambda: nn.Threshold(0.3, 0.3),
    "gelu": nn.GELU,
    "gelu tanh": lambda: nn.GELU("tanh"),
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky relu": lambda: nn.LeakyReLU(0.1),
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "celu": nn.CELU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "logsigmoid": nn.LogSigmoid,
    "softshrink": lambda: nn.Softshrink(0.2),
    "tanhshrink": nn.Tanhshrink,
    "rrelu": nn.RReLU,
    "abs": lambda: Lambda(lambda m, x: x.abs()),
    "square": lambda: Lambda(lambda m, x: 0.5 * x**2),
    "root": lambda: Lambda(lambda m, x: (x.square() + 0.1).sqrt()),
    "exp": lambda: Lambda(lambda m, x: torch.exp(-x.abs())),
    "sine": lambda: Lambda(lambda m, x: x.sin()),
    "reciprocal": lambda: Lambda(lambda m, x: 1 / (1 + x * x)),
    "dropout": nn.Dropout,
    "identity": nn.Identity,
}


@on("any")
def activation(pick: Pick, *shape: int) -> nn.Module:
    return ACTIVATIONS[pick("function", [*ACTIVATIONS, *["relu"] * 12, *["gelu"] * 4])]()


@on("any")
def scalar(pick: Pick, *shape: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "x * 0.7": lambda m, x: x * 0.7,
        "0.3 - x": lambda m, x: 0.3 - x,
        "x / 2 + 0.1": lambda m, x: x / 2 + 0.1,
        "-x": lambda m, x: -x,
        "1 - relu(x)": lambda m, x: 1 - F.relu(x),
        "add alpha": lambda m, x: torch.add(x, 0.5, alpha=-2),
        "rsub": lambda m, x: torch.rsub(x, 1, alpha=0.5),
        "double type": lambda m, x: x.contiguous().clone().to(x.dtype),
    }
    return Lambda(kinds[pick("kind", list(kinds))])


@on("picture sequence vector windows")
def constant(pick: Pick, *shape: int) -> nn.Module:
    """A sum or product with a constant of the sample's shape, or one that broadcasts."""
    axes = pick("axes", ["all", "first", "last", "batch of one"])
    size = list(shape[-2:] if len(shape) == 4 else shape)
    size = size if axes != "first" else [size[0], *[1] * (len(size) - 1)]
    size = size[-1:] if axes == "last" else [1, *size] if axes == "batch of one" else size
    kinds: dict[str, Callable[..., Tensor]] = {
        "x + c": lambda m, x: x + m.c,
        "c - x": lambda m, x: m.c - x,
        "x * c": lambda m, x: x * m.c,
        "x / (1 + c * c)": lambda m, x: x / (1 + m.c * m.c),
        "masked fill": lambda m, x: x.masked_fill(m.c > 0.5, 0.25),
        "where": lambda m, x: torch.where(m.c > 0, x, m.c),
        "where else": lambda m, x: torch.where(m.c > 0, 0.5, x),
        "maximum": lambda m, x: torch.maximum(x, m.c),
        "in place": lambda m, x: x.clone().mul_(m.c).add_(0.1),
    }
    return Lambda(kinds[pick("kind", list(kinds))], c=torch.randn(size))


@on("any")
def prelu(pick: Pick, *shape: int) -> nn.Module:
    channels = shape[0] if pick("channels", [False, True]) and len(shape) == 3 else 1
    return nn.PReLU(channels)


# --- two streams ---------------------------------------------------------------------------------------------------


def alike(one: tuple[int, ...], two: tuple[int, ...]) -> bool:
    return one == two


@on("any", arity=2, when=alike)
def join(pick: Pick, *shapes: Any) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "x + y": lambda m, x, y: x + y,
        "x - y": lambda m, x, y: x - y,
        "x - 0.5 y": lambda m, x, y: torch.sub(x, y, alpha=0.5),
        "relu(x + y)": lambda m, x, y: F.relu(x + y),
        "x * y": lambda m, x, y: x * y,
        "x * sigmoid(y)": lambda m, x, y: x * y.sigmoid(),
        "x / (1 + |y|)": lambda m, x, y: x / (1 + y.abs()),
        "maximum": lambda m, x, y: torch.maximum(x, y),
        "minimum": lambda m, x, y: torch.minimum(x, y),
        "lerp": lambda m, x, y: x + 0.25 * (y - x),
        "addcmul": lambda m, x, y: x.clone().add_(y, alpha=0.5),
        "stack and mean": lambda m, x, y: torch.stack([x, y], -1).mean(-1),
        "stack and max": lambda m, x, y: torch.stack([x, y], -1).amax(-1),
    }
    return Lambda(kinds[pick("kind", [*kinds, *["x + y", "relu(x + y)"] * 3])])


@on("picture sequence vector timed windows", arity=2, when=lambda a, b: a[:-1] == b[:-1])
def concat_last(pick: Pick, *shapes: Any) -> nn.Module:
    return Lambda(lambda m, x, y: torch.cat([x, y], -1))


@on("picture", arity=2, when=lambda a, b: a[1:] == b[1:])
def concat_channels(pick: Pick, *shapes: Any) -> nn.Module:
    if pick("constant", [False, False, True]):
        c = torch.randn(1, 1, *shapes[0][1:])
        return Lambda(lambda m, x, y: torch.cat([x, m.c.expand(len(x), -1, -1, -1), y], 1), c=c)
    return Lambda(lambda m, x, y: torch.cat([x, y], 1))


@on("picture", arity=2, when=lambda a, b: a[0] == b[0])
def gate(pick: Pick, *shapes: Any) -> nn.Module:
    """Squeeze and excite: one stream scaled by the means of another, or moved by them."""
    kinds: dict[str, Callable[..., Tensor]] = {
        "product": lambda m, x, y: x * y.mean((2, 3), keepdim=True).sigmoid(),
        "difference": lambda m, x, y: x - y.mean((2, 3), keepdim=True),
        "sum": lambda m, x, y: x + y.amax((-1, -2), keepdim=True),
        "vector": lambda m, x, y: x * y.mean((2, 3))[:, :, None, None],
    }
    return Lambda(kinds[pick("kind", list(kinds))])


@on("sequence", arity=2, when=lambda a, b: a[1] == b[1])
def products(pick: Pick, *shapes: Any) -> nn.Module:
    """Products of matrices of two streams: x [L, D], y [M, D]."""
    d = shapes[0][1]
    kinds: dict[str, Callable[..., Tensor]] = {
        "matmul": lambda m, x, y: x @ y.transpose(1, 2) / d,
        "bmm": lambda m, x, y: torch.bmm(x, y.mT) / d,
        "einsum": lambda m, x, y: torch.einsum("bld,bmd->blm", x, y) / d,
        "outer": lambda m, x, y: torch.einsum("bld,bme->blm", x, y) / d**2,
        "attend": lambda m, x, y: (x @ y.mT).mul(d**-0.5).softmax(-1) @ y,
        "sdpa": lambda m, x, y: F.scaled_dot_product_attention(x, y, y),
    }
    return Lambda(kinds[pick("kind", list(kinds))])


# --- pictures ------------------------------------------------------------------------------------------------------


@on("picture", when=lambda s: s[0] <= 16)
def conv(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    kernel = pick("kernel", [1, 3, 3, (1, 3), 2])
    groups = pick("groups", [g for g in (1, 1, 2, 3, c) if c % g == 0])
    mode = pick("mode", ["zeros", "zeros", "zeros", "reflect", "circular", "replicate"] if min(h, w) > 2 else ["zeros"])
    dilation = pick("dilation", [1, 1, 2] if kernel == 3 and min(h, w) > 2 else [1])
    padding = {1: 0, 3: dilation, (1, 3): (0, 1), 2: 1}[kernel]
    return nn.Conv2d(
        c,
        groups * pick("out", [o for o in (1, 2, 3, 4, 5) if o * groups <= 12] or [1]),
        kernel,
        stride=pick("stride", [1, 1, 2]),
        padding=padding,
        dilation=dilation,
        groups=groups,
        padding_mode=mode,
        bias=pick("bias", [True, False]),
    )


@on("picture", when=lambda s: s[1] * s[2] <= 25 and s[0] <= 12)
def transposed_conv(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    groups = pick("groups", [g for g in (1, 2) if c % g == 0])
    stride = pick("stride", [1, 2])
    more = int(stride == 2 and pick("output padding", [False, True]))
    return nn.ConvTranspose2d(c, 4, pick("kernel", [2, 3]), stride, 1, more, groups)


@on("picture")
def conv_norm_relu(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    out = pick("out", [4, 6, 8])
    act = ACTIVATIONS[pick("function", ["relu", "relu6", "relu in place", "gelu", "hardswish", "leaky relu"])]()
    return nn.Sequential(nn.Conv2d(c, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), act)


@on("picture")
def bottleneck(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    act = ACTIVATIONS[pick("function", ["relu", "relu6", "silu"])]()
    body = nn.Sequential(nn.Conv2d(c, 4, 1), act, nn.Conv2d(4, c, 3, padding=1))
    return Lambda(lambda m, x: m.act(x + m.body(x)), act=act, body=body)  # one activation at two places


@on("picture")
def norm(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    kinds: dict[str, Callable[[], nn.Module]] = {
        "batch": lambda: nn.BatchNorm2d(c),
        "batch without affine": lambda: nn.BatchNorm2d(c, affine=False),
        "group": lambda: nn.GroupNorm(2 if c % 2 == 0 else 1, c),
        "instance": lambda: nn.InstanceNorm2d(c, affine=True),
        "layer": lambda: nn.LayerNorm([c, h, w]),
        "channels last": lambda: Lambda(lambda m, x: m.n(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), n=nn.LayerNorm(c)),
    }
    wide = h * w > 1
    return kinds[pick("kind", [k for k in kinds if wide or k not in ("instance",)])]()


@on("picture", when=lambda s: min(s[1:]) >= 2)
def pool(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    kinds: dict[str, Callable[[], nn.Module]] = {
        "max 2": lambda: nn.MaxPool2d(2),
        "max 3": lambda: nn.MaxPool2d(3, 2, 1),
        "max ceil": lambda: nn.MaxPool2d(2, 2, ceil_mode=True),
        "average 2": lambda: nn.AvgPool2d(2),
        "average 3": lambda: nn.AvgPool2d(3, 2, 1),
        "average 3 ceil": lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        "average divisor": lambda: nn.AvgPool2d(2, divisor_override=3),
        "adaptive average": lambda: nn.AdaptiveAvgPool2d((2, 1)),
        "adaptive max": lambda: nn.AdaptiveMaxPool2d((1, 2)),
        "global": lambda: nn.AdaptiveAvgPool2d(1),
        "lp": lambda: nn.LPPool2d(2, 2),
        "unfold": lambda: Lambda(lambda m, x: x.unfold(2, 2, 1).amax(-1)),
    }
    return kinds[pick("kind", list(kinds))]()


@on("picture", when=lambda s: s[0] * s[1] * s[2] <= 100)
def upsample(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "nearest": lambda m, x: F.interpolate(x, scale_factor=2),
        "nearest exact": lambda m, x: F.interpolate(x, size=(h + 1, w + 2), mode="nearest-exact"),
        "bilinear": lambda m, x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        "bilinear to": lambda m, x: F.interpolate(x, size=(5, 3), mode="bilinear", align_corners=True),
        "bicubic": lambda m, x: F.interpolate(x, scale_factor=1.5, mode="bicubic"),
        "repeat": lambda m, x: x.repeat_interleave(2, -1),
        "tile": lambda m, x: x.repeat(1, 1, 2, 1),
        "area": lambda m, x: F.interpolate(x, size=(3, 3), mode="area"),
    }
    return Lambda(kinds[pick("kind", list(kinds))])


@on("picture", when=lambda s: min(s[1:]) >= 2)
def pad(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "zeros": lambda m, x: F.pad(x, (1, 0, 0, 2)),
        "constant": lambda m, x: F.pad(x, (1, 1), value=0.3),
        "channels": lambda m, x: F.pad(x, (0, 0, 0, 0, 1, 0), value=-0.2),
        "reflect": lambda m, x: F.pad(x, (1, 1, 1, 0), mode="reflect"),
        "circular": lambda m, x: F.pad(x, (1, 1, 1, 0), mode="circular"),
        "replicate": lambda m, x: F.pad(x, (0, 2, 1, 0), mode="replicate"),
        "crop": lambda m, x: F.pad(x, (-1, 0, 0, 0)),
    }
    return Lambda(kinds[pick("kind", list(kinds))])


@on("picture")
def move(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "flip": lambda m, x: x.flip(-1),
        "roll": lambda m, x: torch.roll(x, (1, -1), (2, 3)),
        "transpose": lambda m, x: x.transpose(2, 3),
        "permute": lambda m, x: x.permute(0, 3, 1, 2).contiguous(),
        "first rows": lambda m, x: x[:, :, : (h + 1) // 2],
        "every other": lambda m, x: x[..., ::2],
        "last column": lambda m, x: x[:, :, :, -1:],
        "select": lambda m, x: x[:, :, 0].unsqueeze(2),
        "select channels": lambda m, x: x[:, m.places],
        "index select": lambda m, x: x.index_select(1, m.places),
        "view": lambda m, x: x.view(x.size(0), c, w, h),
        "reshape": lambda m, x: x.reshape(-1, c, h * w, 1),
        "flatten": lambda m, x: x.flatten(2).unflatten(2, (h, w)),
        "narrow": lambda m, x: x.narrow(1, 0, (c + 1) // 2),
        "expand": lambda m, x: x[:, :1].expand(-1, 3, -1, -1),
        "mean of channels": lambda m, x: x.mean(1, keepdim=True),
        "max of channels": lambda m, x: x.amax(1, keepdim=True),
        "sum of rows": lambda m, x: x.sum(2, keepdim=True) / h,
        "squeeze": lambda m, x: x.mean(3, keepdim=True).squeeze(3).unsqueeze(-1),
        "softmax of channels": lambda m, x: x.softmax(1),
        "cumulative": lambda m, x: x.cumsum(2) / h,
        "max with indices": lambda m, x: x.max(1, keepdim=True).values,
        "minimum": lambda m, x: x.min(3, keepdim=True)[0],
        "t of views": lambda m, x: x.mT.flatten(2).view(len(x), c, -1, h),
    }
    return Lambda(kinds[pick("kind", list(kinds))], places=torch.arange(c).flip(0)[: max(1, c - 1)])


@on("picture", when=lambda s: s[0] % 2 == 0)
def halves(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "chunk": lambda m, x: (lambda a, b: a - b)(*x.chunk(2, 1)),
        "split": lambda m, x: (lambda a, b: a * b.sigmoid())(*x.split([c // 2, c // 2], 1)),
        "glu": lambda m, x: F.glu(x, 1),
        "unbind": lambda m, x: sum(x.unflatten(1, (2, c // 2)).unbind(1)),
        "shuffle": lambda m, x: nn.functional.channel_shuffle(x, 2),
        "views": lambda m, x: x.view(len(x), 2, c // 2, h, w).transpose(1, 2).flatten(1, 2),
        "half kept": lambda m, x: torch.cat([x[:, : c // 2], x[:, c // 2 :].relu()], 1),
    }
    return Lambda(kinds[pick("kind", list(kinds))])


@on("picture", when=lambda s: s[0] % 4 == 0)
def pixel_shuffle(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    return nn.PixelShuffle(2)


@on("picture", when=lambda s: s[1] % 2 == 0 and s[2] % 2 == 0 and s[0] <= 4)
def pixel_unshuffle(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    return nn.PixelUnshuffle(2)


@on("picture", to="sequence")
def tokens(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "pixels": lambda m, x: x.flatten(2).transpose(1, 2),
        "channels": lambda m, x: x.flatten(2),
        "rows": lambda m, x: x.mean(1),
        "einops": lambda m, x: x.permute(0, 2, 3, 1).reshape(x.shape[0], h * w, c),
    }
    return Lambda(kinds[pick("kind", list(kinds))])


@on("picture", to="vector")
def head(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "mean": lambda m, x: x.mean((2, 3)),
        "mean -1 -2": lambda m, x: x.mean([-1, -2]),
        "sum": lambda m, x: x.sum((2, 3)) / (h * w),
        "max": lambda m, x: x.amax((2, 3)),
        "flatten": lambda m, x: x.flatten(1),
        "view": lambda m, x: x.view(x.size(0), -1),
        "corner": lambda m, x: x[:, :, 0, -1],
        "norm": lambda m, x: x.flatten(2).norm(dim=2),
        "logsumexp": lambda m, x: x.flatten(2).logsumexp(-1),
    }
    return Lambda(kinds[pick("kind", list(kinds))])


def windowed(shape: tuple[int, ...]) -> bool:
    return shape[1] % 2 == 0 and shape[2] % 2 == 0


@on("picture", to="windows", when=windowed)
def cut(pick: Pick, c: int, h: int, w: int) -> nn.Module:
    """Windows of 2 x 2 merged with the batch, as in Swin."""
    shift = pick("shift", [0, 1])

    def function(m: Any, x: Tensor) -> Any:
        x = torch.roll(x.permute(0, 2, 3, 1), (-shift, -shift), (1, 2)) if shift else x.permute(0, 2, 3, 1)
        x = x.reshape(x.shape[0], h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5)
        return x.reshape(-1, 4, c)

    return Lambda(function)


# --- windows: sample shape (h, w, N, D) ----------------------------------------------------------------------------


@on("windows", to="picture")
def uncut(pick: Pick, h: int, w: int, n: int, d: int) -> nn.Module:
    def function(m: Any, x: Tensor) -> Any:
        x = x.view(-1, h // 2, w // 2, 2, 2, d).permute(0, 1, 3, 2, 4, 5).reshape(-1, h, w, d)
        return x.permute(0, 3, 1, 2)

    return Lambda(function)


@on("windows", to="sequence")
def window_means(pick: Pick, h: int, w: int, n: int, d: int) -> nn.Module:
    return Lambda(lambda m, x: x.mean(1).view(-1, h * w // 4, d))


@on("windows", when=lambda s: s[-1] % 2 == 0)
def window_attention(pick: Pick, h: int, w: int, n: int, d: int) -> nn.Module:
    windows, masked = h * w // 4, pick("masked", [False, True])
    mask = torch.where(torch.rand(windows, n, n) > 0.7, -100.0, 0.0)

    def function(m: Any, x: Tensor) -> Any:
        q, k, v = m.qkv(x).reshape(x.shape[0], n, 3, 2, d // 2).permute(2, 0, 3, 1, 4)
        scores = q * (d // 2) ** -0.5 @ k.transpose(-2, -1) + m.table.unsqueeze(0)
        if masked:
            scores = scores.view(-1, windows, 2, n, n) + m.mask.unsqueeze(1).unsqueeze(0)
            scores = scores.view(-1, 2, n, n)
        return m.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(x.shape[0], n, d))

    return Lambda(function, qkv=nn.Linear(d, 3 * d), out=nn.Linear(d, d), table=torch.randn(2, n, n), mask=mask)


# --- layers of sequences, sequence-first regions, windows and vectors ----------------------------------------------


@on("sequence timed windows vector picture")
def linear(pick: Pick, *shape: int) -> nn.Module:
    d = shape[-1]
    kinds: dict[str, Callable[[], nn.Module]] = {
        "linear": lambda: nn.Linear(d, pick("out", [2, 3, 4, 6, 8])),
        "no bias": lambda: nn.Linear(d, 4, bias=False),
        "matrix": lambda: Lambda(lambda m, x: x @ m.w, w=torch.randn(d, 4) * d**-0.5),
        "mlp": lambda: nn.Sequential(nn.Linear(d, 8), nn.ReLU(), nn.Linear(8, d)),
        "residual": lambda: Lambda(lambda m, x: x + m.b(F.gelu(m.a(x))), a=nn.Linear(d, 6), b=nn.Linear(6, d)),
        "swiglu": lambda: Lambda(
            lambda m, x: m.c(F.silu(m.a(x)) * m.b(x)), a=nn.Linear(d, 6), b=nn.Linear(d, 6), c=nn.Linear(6, d)
        ),
    }
    return kinds[pick("kind", list(kinds))]()


@on("sequence timed windows vector", when=lambda s: s[-1] > 1)
def norm_last(pick: Pick, *shape: int) -> nn.Module:
    d = shape[-1]
    kinds: dict[str, Callable[[], nn.Module]] = {
        "layer": lambda: nn.LayerNorm(d),
        "layer without affine": lambda: nn.LayerNorm(d, elementwise_affine=False),
        "rms": lambda: nn.RMSNorm(d),
        "softmax": lambda: nn.Softmax(-1),
        "log softmax": lambda: nn.LogSoftmax(-1),
        "normalise": lambda: Lambda(lambda m, x: F.normalize(x, dim=-1)),
        "by hand": lambda: Lambda(lambda m, x: (x - x.mean(-1, True)) / (x.var(-1, keepdim=True) + 0.1).sqrt()),
    }
    return kinds[pick("kind", list(kinds))]()


@on("vector", when=lambda s: s[0] > 1)
def batch_norm(pick: Pick, f: int) -> nn.Module:
    return nn.BatchNorm1d(f)


@on("vector", to="picture", when=lambda s: s[0] in (4, 6, 8, 12, 16))
def map_of(pick: Pick, f: int) -> nn.Module:
    return nn.Unflatten(1, pick("size", [(f // 2, 2, 1), (2, 1, f // 2), (f, 1, 1)]))


@on("vector", to="sequence", when=lambda s: s[0] % 2 == 0)
def rows_of(pick: Pick, f: int) -> nn.Module:
    kind = pick("kind", ["view", "outer", "one"])
    if kind == "outer":
        return Lambda(lambda m, x: x[:, :3, None] * x[:, None])
    return Lambda(lambda m, x: x.view(-1, 2, f // 2) if kind == "view" else x.unsqueeze(1))


@on("vector")
def vectors(pick: Pick, f: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "constant beside it": lambda m, x: torch.cat([x, m.c.expand(x.shape[0], -1)], 1),
        "zeros beside it": lambda m, x: torch.cat([x, x.new_zeros(len(x), 2)], 1),
        "first": lambda m, x: x[:, : (f + 1) // 2],
        "pool": lambda m, x: F.avg_pool1d(x[:, None], 1)[:, 0],
        "max of it": lambda m, x: x - x.amax(1, keepdim=True),
        "mean of it": lambda m, x: x - x.mean(-1, keepdim=True),
        "flip": lambda m, x: x.flip(1),
        "norm of it": lambda m, x: x / (1 + x.norm(dim=1, keepdim=True)),
        "addmm": lambda m, x: torch.addmm(m.b, x, m.w),
    }
    given = {"c": torch.randn(1, 2), "b": torch.randn(4), "w": torch.randn(f, 4) * f**-0.5}
    return Lambda(kinds[pick("kind", list(kinds))], **given)


@on("sequence")
def sequences(pick: Pick, length: int, d: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "transpose": lambda m, x: x.transpose(1, 2),
        "class token": lambda m, x: torch.cat([m.token.expand(x.shape[0], -1, -1), x], 1),
        "class token, repeated": lambda m, x: torch.cat([x, m.token.repeat(len(x), 1, 1)], dim=1),
        "positions": lambda m, x: x + m.places[:, : x.shape[1]],
        "without the first": lambda m, x: x[:, 1:] if length > 1 else x,
        "reversed": lambda m, x: x.flip(1),
        "shifted": lambda m, x: F.pad(x, (0, 0, 1, 0))[:, :-1],
        "running sum": lambda m, x: x.cumsum(1) / length,
        "left of the mean": lambda m, x: x - x.mean(1, keepdim=True),
        "max": lambda m, x: x.amax(1, keepdim=True).expand(-1, length, -1),
        "merged": lambda m, x: x.reshape(len(x), 1, -1),
        "max pool": lambda m, x: F.max_pool1d(x, 2, 1, 1),
        "average": lambda m, x: F.adaptive_avg_pool1d(x, 3),
        "upsample": lambda m, x: F.interpolate(x, scale_factor=2, mode="linear"),
    }
    given = {"token": torch.randn(1, 1, d), "places": torch.randn(1, length, d)}
    return Lambda(kinds[pick("kind", list(kinds))], **given)


@on("sequence", when=lambda s: s[0] <= 12)
def conv1d(pick: Pick, c: int, length: int) -> nn.Module:
    kinds: dict[str, Callable[[], nn.Module]] = {
        "same": lambda: nn.Conv1d(c, 4, 3, padding="same"),
        "stride": lambda: nn.Conv1d(c, 6, 2, stride=2, padding=1, groups=2 if c % 2 == 0 else 1),
        "transposed": lambda: nn.ConvTranspose1d(c, 4, 2, groups=2 if c % 2 == 0 else 1),
        "causal": lambda: nn.Sequential(nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(c, c, 3, groups=c)),
        "circular": lambda: nn.Conv1d(c, 3, 3, padding=1, padding_mode="circular"),
        "norm": lambda: nn.Sequential(nn.Conv1d(c, 4, 1), nn.BatchNorm1d(4), nn.ReLU()),
        "instance": lambda: nn.Sequential(nn.Conv1d(c, 4, 1), nn.GroupNorm(2, 4), nn.GELU()),
    }
    return kinds[pick("kind", list(kinds))]()


@on("sequence", when=lambda s: s[1] % 2 == 0)
def attention(pick: Pick, length: int, d: int) -> nn.Module:
    kind = pick("kind", ["module", "module with weights", "sdpa", "by hand", "einsum", "layer"])
    mask = pick("mask", ["none", "causal", "bool", "float"])
    if kind == "layer":
        return nn.TransformerEncoderLayer(d, 2, 8, batch_first=True, norm_first=pick("norm first", [False, True]))
    if kind.startswith("module"):
        return _module_attention(kind, mask, length, d, batch_first=True)
    return _own_attention(kind, mask, length, d)


def _mask(mask: str, length: int) -> Tensor:
    causal = torch.ones(length, length).tril().bool()
    return torch.randn(length, length) if mask == "float" else causal


def _module_attention(kind: str, mask: str, length: int, d: int, *, batch_first: bool) -> nn.Module:
    allowed = _mask(mask, length)
    forbidden = allowed if mask == "float" else ~allowed

    def function(m: Any, x: Tensor) -> Any:
        given = {} if mask == "none" else {"attn_mask": m.mask}
        return x + m.attend(x, x, x, need_weights="weights" in kind, **given)[0]

    return Lambda(function, attend=nn.MultiheadAttention(d, 2, batch_first=batch_first), mask=forbidden)


def _own_attention(kind: str, mask: str, length: int, d: int) -> nn.Module:
    def function(m: Any, x: Tensor) -> Any:
        q, k, v = (y.unflatten(-1, (2, d // 2)).transpose(1, 2) for y in m.qkv(x).chunk(3, -1))
        if kind == "sdpa":
            given = {"none": {}, "causal": {"is_causal": True}}.get(mask, {"attn_mask": m.mask})
            y = F.scaled_dot_product_attention(q, k, v, **given)
        else:
            scores = torch.einsum("bhld,bhmd->bhlm", q, k) if kind == "einsum" else q @ k.transpose(-1, -2)
            scores = scores * (d // 2) ** -0.5
            if mask == "float":
                scores = scores + m.mask
            elif mask != "none":
                scores = scores.masked_fill(~m.mask[None, None], float("-inf"))
            y = scores.softmax(-1) @ v
        return m.out(y.transpose(1, 2).reshape(x.shape[0], -1, d))

    return Lambda(function, qkv=nn.Linear(d, 3 * d), out=nn.Linear(d, d), mask=_mask(mask, length))


@on("sequence", to="picture")
def picture_of(pick: Pick, length: int, d: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "one channel": lambda m, x: x.unsqueeze(1),
        "channels last": lambda m, x: x.transpose(1, 2).unsqueeze(-1),
        "reshape": lambda m, x: x.reshape(-1, length, 1, d),
    }
    return Lambda(kinds[pick("kind", list(kinds))])


@on("sequence", to="vector")
def summary(pick: Pick, length: int, d: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "mean": lambda m, x: x.mean(1),
        "first": lambda m, x: x[:, 0],
        "last": lambda m, x: x[:, -1, :],
        "max": lambda m, x: x.amax(1),
        "flatten": lambda m, x: x.flatten(1),
        "unbind": lambda m, x: x.unbind(1)[-1],
        "weighted": lambda m, x: torch.einsum("bld,l->bd", x, m.w),
        "self-weighted": lambda m, x: (x.mean(2).softmax(1).unsqueeze(1) @ x).squeeze(1),
    }
    return Lambda(kinds[pick("kind", list(kinds))], w=torch.randn(length) / length)


@on("sequence", to="timed")
def time_first(pick: Pick, length: int, d: int) -> nn.Module:
    kind = pick("kind", ["transpose", "permute", "stack"])
    if kind == "stack":
        return Lambda(lambda m, x: torch.stack(x.unbind(1)))
    return Lambda(lambda m, x: x.transpose(0, 1) if kind == "transpose" else x.permute(1, 0, 2).contiguous())


# --- sequence-first regions: sample shape (L, D) -------------------------------------------------------------------


@on("timed", to="sequence")
def batch_first(pick: Pick, length: int, d: int) -> nn.Module:
    return Lambda(lambda m, x: x.transpose(0, 1))


@on("timed", to="vector")
def timed_summary(pick: Pick, length: int, d: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "mean": lambda m, x: x.mean(0),
        "last": lambda m, x: x[-1],
        "max": lambda m, x: x.amax(0),
        "select": lambda m, x: x.select(0, 0),
        "concatenated": lambda m, x: x.permute(1, 0, 2).flatten(1),
    }
    return Lambda(kinds[pick("kind", list(kinds))])


@on("timed", when=lambda s: s[1] % 2 == 0)
def timed_attention(pick: Pick, length: int, d: int) -> nn.Module:
    kind = pick("kind", ["module", "module with weights", "layer"])
    if kind == "layer":
        return nn.TransformerEncoderLayer(d, 2, 8, norm_first=pick("norm first", [False, True]))
    return _module_attention(kind, pick("mask", ["none", "causal", "float"]), length, d, batch_first=False)


@on("timed")
def timed_moves(pick: Pick, length: int, d: int) -> nn.Module:
    kinds: dict[str, Callable[..., Tensor]] = {
        "positions": lambda m, x: x + m.places,
        "token": lambda m, x: torch.cat([m.places[:1].expand(-1, x.shape[1], -1), x], 0),
        "token, repeated": lambda m, x: torch.cat([m.places[:1].repeat(1, x.shape[1], 1), x]),
        "slice": lambda m, x: x[: (length + 1) // 2],
        "flip": lambda m, x: x.flip(0),
        "running sum": lambda m, x: x.cumsum(0) / length,
        "left of the mean": lambda m, x: x - x.mean(0, keepdim=True),
        "softmax over time": lambda m, x: x.softmax(0),
        "pad": lambda m, x: F.pad(x, (0, 0, 0, 0, 1, 0), value=0.5),
        "scores": lambda m, x: torch.einsum("lbd,mbd->blm", x, x).softmax(-1).transpose(0, 1),
        "loop": lambda m, x: torch.stack([F.relu(x[i] - x[i - 1]) for i in range(length)]),
    }
    return Lambda(kinds[pick("kind", list(kinds))], places=torch.randn(length, 1, d))


# --- what must be refused ------------------------------------------------------------------------------------------


class Counting(nn.Module):
    """A module with a state that it changes."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return x + self.seen


class Deciding(nn.Module):
    """A module that decides by its data."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x - 1


@on("picture sequence vector timed windows", refused=True)
def mixing(pick: Pick, *shape: int) -> nn.Module:
    """Samples mixed with each other, jumps, randomness, states and decisions."""
    kinds: dict[str, Callable[[], nn.Module]] = {
        "sum over the batch": lambda: Lambda(lambda m, x: x + x.sum(0 if len(shape) != 2 else 1, keepdim=True)),
        "centred over everything": lambda: Lambda(lambda m, x: x - x.mean()),
        "flip of axis 0": lambda: Lambda(lambda m, x: x + x.flip(0)),
        "roll of axis 0": lambda: Lambda(lambda m, x: x + x.roll(1, 0)),
        "cumulative over axis 0": lambda: Lambda(lambda m, x: x.cumsum(0)),
        "softmax over axis 0": lambda: Lambda(lambda m, x: x.softmax(0)),
        "batch statistics": lambda: Lambda(lambda m, x: (x - x.mean(0)) / (x.std(0) + 1)),
        "flattened": lambda: Lambda(lambda m, x: x.flatten().cumsum(0).view(x.shape)),
        "transposed view": lambda: Lambda(lambda m, x: x.reshape(x.shape[-1], -1).T.reshape(x.shape)),
        "attends to the batch": lambda: Lambda(lambda m, x: (y := x.flatten(1)) @ y.T @ y / 9 + 0 * y),
        "first sample": lambda: Lambda(lambda m, x: x - x[:1]),
        "batch size": lambda: Lambda(lambda m, x: x * x.shape[0]),
        "argmax": lambda: Lambda(lambda m, x: x + x.argmax(-1, keepdim=True)),
        "round": lambda: Lambda(lambda m, x: x.round()),
        "sort": lambda: Lambda(lambda m, x: x.sort(-1)[0]),
        "random": lambda: Lambda(lambda m, x: x + torch.rand_like(x)),
        "dropout always": lambda: Lambda(lambda m, x: F.dropout(x, 0.5, True)),
        "counter": Counting,
        "decision": Deciding,
        "item": lambda: Lambda(lambda m, x: x * x.max().item()),
        "whole numbers": lambda: Lambda(lambda m, x: x.long().to(x.dtype)),
        "recurrent": lambda: Lambda(lambda m, x: m.r(x if x.dim() == 3 else x.flatten(1)[:, None])[0], r=_lstm(shape)),
    }
    return kinds[pick("kind", list(kinds))]()


def _lstm(shape: tuple[int, ...]) -> nn.Module:
    sized = {1: shape[-1], 2: shape[-1], 3: shape[0] * shape[-1] * shape[-2], 4: shape[-1]}
    return nn.LSTM(sized[len(shape)], 3, batch_first=True)


# --- networks ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """An operation on earlier streams (0 is the input), with its parameters; or the module of an earlier step again."""

    name: str
    of: list[int]
    given: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Step({self.name!r}, {self.of}, {self.given})"


@dataclass(frozen=True)
class Net:
    """A network as plain data: what its steps do, what it returns, and how it is converted."""

    seed: int
    shape: tuple[int, ...]
    steps: list[Step]
    outputs: list[int]
    form: str = "one"
    digits: int = 8
    silent: Any = "auto"
    settings: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        lines = ",\n".join(f"    {step}" for step in self.steps)
        tail = f"outputs={self.outputs}, form={self.form!r}, digits={self.digits}, silent={self.silent!r}"
        return f"Net(seed={self.seed}, shape={self.shape}, steps=[\n{lines}\n], {tail}, settings={self.settings})"

    def build(self) -> nn.Module:
        """Return the network in evaluation mode, the same at every call."""
        model = Built(self)
        for module in model.modules():
            enliven(module)
        return model.eval()

    def inputs(self, samples: int, seed: int = 0) -> Tensor:
        """Return some inputs."""
        generator = torch.Generator().manual_seed(1000 * self.seed + seed)
        return torch.randn(samples, *self.shape, generator=generator)

    @property
    def has_refused(self) -> bool:
        """Whether it holds an operation that must be refused, be it used or not."""
        return any(step.name in OPERATIONS and OPERATIONS[step.name].refused for step in self.steps)


class Built(nn.Module):
    """The module that runs a network's steps."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net
        self.parts = nn.ModuleDict()
        shapes = [net.shape]
        stages = [stage_of(net.shape)]
        for index, step in enumerate(net.steps, 1):
            torch.manual_seed(net.seed + index)
            self.add(index, step, shapes, stages, Pick(record=step.given))

    def add(self, index: int, step: Step, shapes: list[Any], stages: list[str], pick: Pick) -> None:
        """Add the module of a step, and the shape and the stage of what it returns."""
        given = [shapes[i] for i in step.of]
        if step.name == "again":
            module = self.parts[str(pick("step", []))]
            stages.append(stages[step.given["step"]])
        else:
            operation = OPERATIONS[step.name]
            module = operation.make(pick, *(given[0] if operation.arity == 1 else given))
            stages.append(operation.after)
        self.parts[str(index)] = module
        shapes.append(None)
        with torch.no_grad():
            streams = [example(stages[i], shapes[i]) for i in step.of]
            found = module.eval()(*streams)
        shapes[-1] = sample_shape(stages[-1], found, [shapes[i] for i in step.of], stages[step.of[0]])

    def forward(self, x: Tensor) -> Any:
        streams = [x]
        for index, step in enumerate(self.net.steps, 1):
            streams.append(self.parts[str(index)](*(streams[i] for i in step.of)))
        outputs = [streams[i] for i in self.net.outputs]
        if self.net.form == "dict":
            return {f"out{i}": y for i, y in enumerate(outputs)}
        if self.net.form == "nested":
            return outputs[0], {"rest": outputs[1:]}
        return outputs[0] if self.net.form == "one" else tuple(outputs)


def stage_of(shape: tuple[int, ...]) -> str:
    """Return the stage of an input."""
    return {3: "picture", 2: "sequence", 1: "vector"}[len(shape)]


def example(stage: str, shape: tuple[int, ...]) -> Tensor:
    """Return a batch of two of a stage."""
    if stage == "timed":
        return torch.ones(shape[0], 2, shape[1])
    return torch.ones(2 * shape[0] * shape[1] // 4, *shape[2:]) if stage == "windows" else torch.ones(2, *shape)


def sample_shape(stage: str, value: Tensor, given: list[Any], before: str) -> tuple[int, ...]:
    """Return the shape of a sample of a stage; that of windows begins with the size of the picture."""
    if stage == "timed":
        return (value.shape[0], *value.shape[2:])
    if stage == "windows":
        picture = given[0][1:] if before == "picture" else given[0][:2]
        return (*picture, *value.shape[1:])
    return tuple(value.shape[1:])


def enliven(module: nn.Module) -> None:
    """Draw the weights of a layer, and what a normalisation layer would have learnt and counted."""
    with torch.no_grad():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                module.bias.normal_(0.0, 0.2)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0.0, 0.3)
            module.running_var.uniform_(0.3, 1.5)
        norms = nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm | nn.InstanceNorm2d
        if isinstance(module, norms) and module.weight is not None:
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0.0, 0.3)


def kept(stage: str, shape: tuple[int, ...]) -> bool:
    """Tell whether a stream has the form of its stage and is neither empty nor large."""
    rank = {"picture": 3, "sequence": 2, "vector": 1, "timed": 2, "windows": 4}[stage]
    return len(shape) == rank and 0 < torch.Size(shape).numel() <= SMALL


def choices(shapes: list[Any], stages: list[str], first: int, *, refused: bool) -> dict[str, list[list[int]]]:
    """Return the operations that a stream may go into, each with all the streams that it would take."""
    found: dict[str, list[list[int]]] = {}
    for name, operation in OPERATIONS.items():
        if operation.before != stages[first] or operation.refused != refused:
            continue
        if operation.arity == 1 and operation.when(shapes[first]):
            found[name] = [[first]]
        if operation.arity == 2:
            others = [i for i, stage in enumerate(stages) if stage == operation.before]
            pairs = [[first, i] for i in others if operation.when(shapes[first], shapes[i])]
            found |= {name: pairs[::-1]} if pairs else {}
    return found


COMMON = ("activation", "linear", "conv", "attention", "join", "pool", "timed_moves", "window_attention", "sequences")
"""Operations that are taken more often."""


SETTINGS: list[dict[str, Any]] = [
    *[{}] * 4,
    {"input": "css"},
    {"bias": "spread"},
    {"threshold": "max"},
    {"input": "css", "bias": "spread", "correct": False},
]


@st.composite
def networks(draw: Any, most: int = 9) -> Net:
    """Return random networks."""
    inputs = [(3, 7, 5), (3, 8, 8), (2, 4, 6), (1, 9, 9), (4, 1, 1), (5, 6), (7, 4), (3, 8), (8,), (5,)]
    shapes: list[Any] = [draw(st.sampled_from(inputs))]
    net = Net(draw(st.integers(0, 10**4)), shapes[0], [], [])
    stages, model = [stage_of(shapes[0])], Built(net)
    for index in range(1, draw(st.integers(4, most)) + 1):
        step = drawn_step(draw, net, model, shapes, stages)
        if step is not None:
            net.steps.append(step)
        assert len(shapes) == len(stages) == len(net.steps) + 1, index
    return drawn_outputs(draw, net, shapes, stages, model)


def drawn_step(draw: Any, net: Net, model: Built, shapes: list[Any], stages: list[str]) -> Step | None:
    """Return a further step, mostly on the last stream; None if what it gives is too large or has another form."""
    last = len(shapes) - 1
    first = draw(st.sampled_from([last] * 4 + list(range(len(shapes)))))
    refused = draw(st.integers(0, 79)) == 37
    possible = choices(shapes, stages, first, refused=refused)
    name = draw(st.sampled_from([*possible, *(name for name in possible if name.split()[0] in COMMON)]))
    of = draw(st.sampled_from(possible[name]))
    again = [i for i, s in enumerate(net.steps, 1) if len(s.of) == 1 and same(s, first, shapes, stages)]
    pick = Pick(draw)
    if again and draw(st.integers(0, 7)) == 5:
        name, of, pick = "again", [first], Pick(record={"step": draw(st.sampled_from(again))})
    torch.manual_seed(net.seed + last + 1)
    step = Step(name, of, pick.record)
    try:
        model.add(last + 1, step, shapes, stages, pick)
    except (RuntimeError, ValueError, IndexError, TypeError):  # torch cannot do this on such a shape
        shapes[last + 1 :], stages[last + 1 :] = [None], [stages[-1]]
    if shapes[-1] is None or not kept(stages[-1], shapes[-1]):
        del shapes[last + 1 :], stages[last + 1 :]
        return None
    return step


def same(step: Step, first: int, shapes: list[Any], stages: list[str]) -> bool:
    """Tell whether a step's module could act on another stream."""
    return stages[step.of[0]] == stages[first] and shapes[step.of[0]] == shapes[first]


def drawn_outputs(draw: Any, net: Net, shapes: list[Any], stages: list[str], model: Built) -> Net:
    """Return the network with its outputs; what is not batch first is brought back, and a classifier may follow."""
    last = len(shapes) - 1
    back = {"timed": "batch_first", "windows": "uncut"}
    if stages[last] in back and back_is_possible(stages[last], shapes[last]):
        step = Step(back[stages[last]], [last], {})
        net.steps.append(step)
        model.add(last + 1, step, shapes, stages, Pick(record={}))
    if draw(st.integers(0, 3)):
        given = draw(st.sampled_from([{"kind": "linear", "out": 3}, {"kind": "mlp"}]))
        step = Step(f"linear of {stages[-1]}", [len(shapes) - 1], given)
        net.steps.append(step)
        model.add(len(shapes), step, shapes, stages, Pick(record=step.given))
    last = len(shapes) - 1
    form = draw(st.sampled_from(["one"] * 6 + ["tuple", "dict", "nested"]))
    candidates = [i for i in range(1, last + 1) if stages[i] not in back] or [last]
    more = [] if form == "one" else [draw(st.sampled_from(candidates))]
    digits, silent = draw(st.sampled_from([6, 8, 10, 12])), draw(st.sampled_from(["auto"] * 4 + [1, 2]))
    return Net(net.seed, net.shape, net.steps, [last, *more], form, digits, silent, draw(st.sampled_from(SETTINGS)))


def back_is_possible(stage: str, shape: tuple[int, ...]) -> bool:
    """Tell whether a stream can be brought back to a batch-first one: windows must still have four places."""
    return stage == "timed" or shape[2] == 4
