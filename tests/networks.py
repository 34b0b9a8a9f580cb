"""Small networks that use the operators of the table, each with the shape of one sample."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import ExportedProgram

from canonic.frontend import export
from tests.function_networks import FUNCTION_CASES, Case
from tests.lambdas import Lambda, conv


def lively(model: nn.Module) -> nn.Module:
    """Give batch norms statistics, scales and shifts as training would."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.3, 0.3)
    return model.eval().double()


IMAGE = (3, 8, 8)

CASES: dict[str, Case] = {
    # relu in every spelling
    "relu module": (lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)), (5,)),
    "relu module in place": (
        lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(inplace=True), nn.Linear(6, 3)),
        (5,),
    ),
    "F.relu": (lambda: Lambda(lambda m, x: m.b(F.relu(m.a(x))), a=nn.Linear(5, 6), b=nn.Linear(6, 3)), (5,)),
    "torch.relu": (
        lambda: Lambda(lambda m, x: m.b(torch.relu(m.a(x))), a=nn.Linear(5, 6), b=nn.Linear(6, 3)),
        (5,),
    ),
    "method": (lambda: Lambda(lambda m, x: m.b(m.a(x).relu()), a=nn.Linear(5, 6), b=nn.Linear(6, 3)), (5,)),
    "method in place": (
        lambda: Lambda(lambda m, x: m.b(m.a(x).relu_()), a=nn.Linear(5, 6), b=nn.Linear(6, 3)),
        (5,),
    ),
    "F.relu_": (
        lambda: Lambda(lambda m, x: m.b(F.relu_(m.a(x))), a=nn.Linear(5, 6), b=nn.Linear(6, 3)),
        (5,),
    ),
    "clamp min": (
        lambda: Lambda(lambda m, x: m.b(m.a(x).clamp(min=0)), a=nn.Linear(5, 6), b=nn.Linear(6, 3)),
        (5,),
    ),
    "clamp_min": (
        lambda: Lambda(lambda m, x: m.b(m.a(x).clamp_min(0)), a=nn.Linear(5, 6), b=nn.Linear(6, 3)),
        (5,),
    ),
    "threshold": (
        lambda: Lambda(lambda m, x: m.b(F.threshold(m.a(x), 0, 0)), a=nn.Linear(5, 6), b=nn.Linear(6, 3)),
        (5,),
    ),
    "relu6": (lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU6(), nn.Linear(6, 3)), (5,)),
    "F.relu6": (
        lambda: Lambda(lambda m, x: m.b(F.relu6(m.a(x))), a=nn.Linear(5, 6), b=nn.Linear(6, 3)),
        (5,),
    ),
    "hardtanh": (lambda: nn.Sequential(nn.Linear(5, 6), nn.Hardtanh(0, 0.5), nn.Linear(6, 3)), (5,)),
    "clamp": (
        lambda: Lambda(lambda m, x: m.b(m.a(x).clamp(0, 0.4)), a=nn.Linear(5, 6), b=nn.Linear(6, 3)),
        (5,),
    ),
    "relu of relu": (lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.ReLU(), nn.Linear(6, 3)), (5,)),
    "relu of the input": (lambda: nn.Sequential(nn.ReLU(), nn.Linear(5, 3)), (5,)),
    "relu at the end": (lambda: nn.Sequential(nn.Linear(5, 3), nn.ReLU()), (5,)),
    # convolutions
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(3, 6, 3), nn.ReLU(), nn.Conv1d(6, 2, 1)), (3, 9)),
    "conv2d": (
        lambda: nn.Sequential(conv(3, 6, stride=2), nn.ReLU(), conv(6, 4, dilation=2, padding=2)),
        IMAGE,
    ),
    "conv3d": (lambda: nn.Sequential(nn.Conv3d(2, 4, 3), nn.ReLU(), nn.Conv3d(4, 2, 2)), (2, 5, 5, 5)),
    "grouped": (lambda: nn.Sequential(conv(4, 8, groups=2), nn.ReLU(), conv(8, 6, groups=2)), (4, 6, 6)),
    "depthwise": (
        lambda: nn.Sequential(conv(3, 6), nn.ReLU6(), conv(6, 6, groups=6), nn.ReLU6(), conv(6, 4)),
        IMAGE,
    ),
    "same padding": (
        lambda: nn.Sequential(conv(3, 6, padding="same"), nn.ReLU(), conv(6, 2, padding="same")),
        IMAGE,
    ),
    "transposed 1d": (
        lambda: nn.Sequential(nn.ConvTranspose1d(3, 6, 3), nn.ReLU(), nn.ConvTranspose1d(6, 2, 2)),
        (3, 5),
    ),
    "transposed 2d": (
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 6, 3, 2), nn.ReLU(), nn.ConvTranspose2d(6, 4, 2, groups=2)),
        IMAGE,
    ),
    "transposed 3d": (
        lambda: nn.Sequential(nn.ConvTranspose3d(2, 4, 2), nn.ReLU(), nn.ConvTranspose3d(4, 2, 2)),
        (2, 3, 3, 3),
    ),
    # batch norm
    "conv bn": (
        lambda: nn.Sequential(conv(3, 6, bias=False), nn.BatchNorm2d(6), nn.ReLU(), conv(6, 2)),
        IMAGE,
    ),
    "linear bn": (
        lambda: nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)),
        (5,),
    ),
    "transposed bn": (
        lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 2, groups=2), nn.BatchNorm2d(6), nn.ReLU(), conv(6, 2)),
        (4, 4, 4),
    ),
    "bn first": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), conv(3, 4)), IMAGE),
    "bn without affine": (
        lambda: nn.Sequential(conv(3, 6), nn.BatchNorm2d(6, affine=False), nn.ReLU(), conv(6, 2)),
        IMAGE,
    ),
    "pre-activation": (
        lambda: Lambda(
            lambda m, x: (y := m.stem(x)) + m.c(F.relu(m.bn(y))),
            stem=conv(3, 6),
            bn=nn.BatchNorm2d(6),
            c=conv(6, 6),
        ),
        IMAGE,
    ),
    "bn behind a shared conv": (
        lambda: Lambda(lambda m, x: F.relu(m.bn(y := m.c(x))) + F.relu(y), c=conv(3, 6), bn=nn.BatchNorm2d(6)),
        IMAGE,
    ),
    # pooling
    "average pooling": (lambda: nn.Sequential(conv(3, 6), nn.ReLU(), nn.AvgPool2d(2), conv(6, 2)), IMAGE),
    "average pooling before relu": (
        lambda: nn.Sequential(conv(3, 6), nn.AvgPool2d(3, 2, 1), nn.ReLU(), conv(6, 2)),
        IMAGE,
    ),
    "adaptive": (
        lambda: nn.Sequential(conv(3, 6), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(54, 2)),
        IMAGE,
    ),
    "global mean": (
        lambda: Lambda(lambda m, x: m.b(F.relu(m.a(x)).mean((2, 3))), a=conv(3, 6), b=nn.Linear(6, 3)),
        IMAGE,
    ),
    "mean over channels": (lambda: Lambda(lambda m, x: F.relu(m.a(x)).mean(1), a=conv(3, 6)), IMAGE),
    "sum": (lambda: Lambda(lambda m, x: F.relu(m.a(x)).sum((2, 3)), a=conv(3, 6)), IMAGE),
    "max pooling": (lambda: nn.Sequential(conv(3, 6), nn.ReLU(), nn.MaxPool2d(3, 2, 1), conv(6, 2)), IMAGE),
    "max pooling before relu": (
        lambda: nn.Sequential(conv(3, 6), nn.MaxPool2d(2), nn.ReLU(), conv(6, 2)),
        IMAGE,
    ),
    "max pooling with holes": (
        lambda: nn.Sequential(conv(3, 6), nn.ReLU(), nn.MaxPool2d(2, 1, dilation=2), conv(6, 2)),
        IMAGE,
    ),
    "max pooling 1d": (
        lambda: nn.Sequential(nn.Conv1d(3, 6, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 2, 1)),
        (3, 9),
    ),
    "max pooling 3d": (
        lambda: nn.Sequential(nn.Conv3d(2, 4, 3), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(4, 2, 1)),
        (2, 6, 6, 6),
    ),
    "adaptive max": (
        lambda: nn.Sequential(conv(3, 6), nn.ReLU(), nn.AdaptiveMaxPool2d(2), conv(6, 2)),
        IMAGE,
    ),
    "global max": (
        lambda: Lambda(lambda m, x: m.b(F.relu(m.a(x)).amax((2, 3))), a=conv(3, 6), b=nn.Linear(6, 3)),
        IMAGE,
    ),
    "max over channels": (lambda: Lambda(lambda m, x: F.relu(m.a(x)).amax(1), a=conv(3, 6)), IMAGE),
    # sums, scales, constants
    "residual": (
        lambda: Lambda(
            lambda m, x: m.c(F.relu(m.b(y := F.relu(m.a(x))) + y)), a=conv(3, 6), b=conv(6, 6), c=conv(6, 2)
        ),
        IMAGE,
    ),
    "residual in place": (
        lambda: Lambda(
            lambda m, x: m.c(F.relu(m.b(y := F.relu(m.a(x))).add_(y))),
            a=conv(3, 6),
            b=conv(6, 6),
            c=conv(6, 2),
        ),
        IMAGE,
    ),
    "long and short branch": (
        lambda: Lambda(
            lambda m, x: m.d(F.relu(m.c(F.relu(m.b(F.relu(m.a(x)))))) - F.relu(m.a(x))),
            a=conv(3, 6),
            b=conv(6, 6),
            c=conv(6, 6),
            d=conv(6, 2),
        ),
        IMAGE,
    ),
    "twice the same": (lambda: Lambda(lambda m, x: (y := F.relu(m.a(x))) + y, a=conv(3, 6)), IMAGE),
    "weighted sum": (
        lambda: Lambda(lambda m, x: torch.add(F.relu(m.a(x)), F.relu(m.b(x)), alpha=-0.5), a=conv(3, 6), b=conv(3, 6)),
        IMAGE,
    ),
    "scalars": (lambda: Lambda(lambda m, x: 1 - (F.relu(m.a(x) * 2 + 0.1) / 3 - 0.2), a=conv(3, 6)), IMAGE),
    "constants": (
        lambda: Lambda(
            lambda m, x: m.t - (-F.relu(m.a(x) + m.s)) * m.s,
            a=conv(3, 6),
            s=torch.rand(6, 1, 1),
            t=torch.rand(1, 6, 8, 8),
        ),
        IMAGE,
    ),
    "wide constant": (
        lambda: Lambda(lambda m, x: F.relu(m.a(x)).sum(1, keepdim=True) + m.s, a=conv(3, 6), s=torch.rand(4, 1, 1)),
        IMAGE,
    ),
    "mean of a type": (
        lambda: Lambda(lambda m, x: F.relu(m.a(x)).mean(1, dtype=torch.float64), a=conv(3, 6)),
        IMAGE,
    ),
    "shared by two": (
        lambda: Lambda(
            lambda m, x: F.relu(m.c(F.relu(m.c(x) + m.l(x))) + m.l(x)),
            c=nn.Conv1d(9, 9, 3, padding=1),
            l=nn.Linear(9, 9),
        ),
        (9, 9),
    ),
    "broadcast sum": (
        lambda: Lambda(lambda m, x: F.relu((y := F.relu(m.a(x))) - y.mean((2, 3), keepdim=True)), a=conv(3, 6)),
        IMAGE,
    ),
    "matrix": (
        lambda: Lambda(lambda m, x: F.relu(x @ m.w) @ m.v, w=torch.randn(5, 6), v=torch.randn(6, 3)),
        (5,),
    ),
    # structure
    "concat": (
        lambda: Lambda(
            lambda m, x: m.c(torch.cat([F.relu(m.a(x)), F.relu(m.b(x))], 1)),
            a=conv(3, 4),
            b=conv(3, 5),
            c=conv(9, 2),
        ),
        IMAGE,
    ),
    "split": (lambda: Lambda(lambda m, x: (y := F.relu(m.a(x)).chunk(2, 1))[0] - y[1], a=conv(3, 6)), IMAGE),
    "slices": (
        lambda: Lambda(lambda m, x: m.b(F.relu(m.a(x))[:, 1:5, ::2, -4:]), a=conv(3, 6), b=conv(4, 2)),
        IMAGE,
    ),
    "select": (
        lambda: Lambda(lambda m, x: m.b(F.relu(m.a(x))[:, :, 3, 4]), a=conv(3, 6), b=nn.Linear(6, 2)),
        IMAGE,
    ),
    "zero padding": (
        lambda: Lambda(lambda m, x: m.b(F.pad(F.relu(m.a(x)), (1, 2, 0, 1, 1, 1))), a=conv(3, 6), b=conv(8, 2)),
        IMAGE,
    ),
    "constant padding": (
        lambda: Lambda(lambda m, x: m.b(F.pad(F.relu(m.a(x)), (1, 1), value=0.3)), a=conv(3, 6), b=conv(6, 2)),
        IMAGE,
    ),
    "reflected padding": (
        lambda: nn.Sequential(conv(3, 6, padding_mode="reflect"), nn.ReLU(), conv(6, 2, padding_mode="circular")),
        IMAGE,
    ),
    "view": (
        lambda: Lambda(lambda m, x: m.b(F.relu(m.a(x)).view(x.size(0), -1)), a=conv(3, 6), b=nn.Linear(384, 2)),
        IMAGE,
    ),
    "len and reshape": (
        lambda: Lambda(lambda m, x: m.b(F.relu(m.a(x)).reshape(len(x), 6, 64)), a=conv(3, 6), b=nn.Linear(64, 2)),
        IMAGE,
    ),
    "permute": (
        lambda: Lambda(lambda m, x: m.b(F.relu(m.a(x)).permute(0, 2, 3, 1)), a=conv(3, 6), b=nn.Linear(6, 2)),
        IMAGE,
    ),
    "transpose": (
        lambda: Lambda(lambda m, x: F.relu(m.b(F.relu(m.a(x)).transpose(1, 3))), a=conv(3, 6), b=nn.Linear(6, 2)),
        IMAGE,
    ),
    "squeeze": (
        lambda: Lambda(
            lambda m, x: m.b(F.relu(m.a(x)).mean(3, keepdim=True).squeeze(3).unsqueeze(2).flatten(1)),
            a=conv(3, 6),
            b=nn.Linear(48, 2),
        ),
        IMAGE,
    ),
    "pixel shuffle": (lambda: nn.Sequential(conv(3, 8), nn.ReLU(), nn.PixelShuffle(2), conv(2, 2)), IMAGE),
    "nearest": (lambda: nn.Sequential(conv(3, 6), nn.ReLU(), nn.Upsample(scale_factor=2), conv(6, 2)), IMAGE),
    "bilinear": (
        lambda: nn.Sequential(conv(3, 6), nn.ReLU(), nn.Upsample(scale_factor=2, mode="bilinear"), conv(6, 2)),
        IMAGE,
    ),
    "interpolate": (
        lambda: Lambda(
            lambda m, x: F.interpolate(F.relu(m.a(x)), size=(5, 11), mode="bilinear", align_corners=True),
            a=conv(3, 6),
        ),
        IMAGE,
    ),
    "dropout and identity": (
        lambda: nn.Sequential(nn.Linear(5, 6), nn.Dropout(), nn.ReLU(), nn.Identity(), nn.Linear(6, 3)),
        (5,),
    ),
    "dropout2d": (lambda: nn.Sequential(conv(3, 6), nn.Dropout2d(), nn.ReLU(), conv(6, 3)), IMAGE),
    "linear on the last axis": (lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)), (4, 5)),
    "reused modules": (
        lambda: Lambda(lambda m, x: m.r(m.b(m.r(m.b(m.r(m.a(x)))))), a=conv(3, 6), b=conv(6, 6), r=nn.ReLU()),
        IMAGE,
    ),
    "shared weights": (lambda: Lambda(lambda m, x: m.a(F.relu(m.a(F.relu(m.a(x))))), a=conv(3, 3)), IMAGE),
    "several outputs": (
        lambda: Lambda(
            lambda m, x: {"a": (y := F.relu(m.a(x))), "b": (m.b(y), [y.mean((2, 3))])},
            a=conv(3, 6),
            b=conv(6, 2),
        ),
        IMAGE,
    ),
    "one output twice": (
        lambda: Lambda(lambda m, x: ((y := F.relu(m.a(x))), y), a=conv(3, 6)),
        IMAGE,
    ),
    "pooling without channels": (
        lambda: Lambda(lambda m, x: m.b(F.avg_pool1d(F.relu(m.a(x)), 2)), a=nn.Linear(5, 8), b=nn.Linear(4, 3)),
        (5,),
    ),
    "max pooling without channels": (
        lambda: Lambda(lambda m, x: m.b(F.max_pool1d(F.relu(m.a(x)), 2)), a=nn.Linear(5, 8), b=nn.Linear(4, 3)),
        (5,),
    ),
    "stack": (
        lambda: Lambda(lambda m, x: torch.stack([F.relu(m.a(x)), m.a(x)], 4), a=conv(3, 6)),
        IMAGE,
    ),
    "the input as output": (lambda: Lambda(lambda m, x: (x, F.relu(m.a(x))), a=conv(3, 6)), IMAGE),
    **FUNCTION_CASES,
}


def build(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """Return a network in float64 and the shape of one sample."""
    make, shape = CASES[name]
    return lively(make()), shape


def exported(name: str) -> tuple[nn.Module, ExportedProgram, Tensor]:
    """Return a network in float64, its program, and six samples: exporting takes most of a small conversion."""
    model, program, x = _exported(name)
    return model, program, x.clone()  # there are models that write to their input


@cache
def _exported(name: str) -> tuple[nn.Module, ExportedProgram, Tensor]:
    torch.manual_seed(0)
    model, shape = build(name)
    x = torch.randn(6, *shape, dtype=torch.float64)
    return model, export(model, x.clone()), x
