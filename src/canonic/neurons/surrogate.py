"""Spikes with a surrogate gradient: ``H(v)`` forward, ``g * slope(v)`` backward, v being u - theta.

A slope is a function of v (Neftci, Mostafa and Zenke, Surrogate gradient learning in spiking neural networks, 2019).
``mass`` is its integral: 1 where it is the derivative of a smoothed step.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx

from canonic.checks import real
from canonic.errors import CanonicError

Slope = Callable[[Tensor], Tensor]
"""The derivative ds/du, elementwise, as a function of v = u - theta."""


def _positive(name: str, value: float) -> float:
    """Return a parameter of a slope."""
    if not 0 < real(name, value, "take 1") < math.inf:
        raise CanonicError(f"{name} must be positive, got {value}: take 1")
    return value


def triangle(gamma: float = 1.0, width: float = 1.0) -> Slope:
    """``gamma max(0, 1 - |v| / width)``, of mass ``gamma width`` (Bellec et al., arXiv 1803.09574).

    >>> triangle(gamma=0.5)(torch.tensor([-2.0, 0.0, 0.5])).tolist()
    [0.0, 0.5, 0.25]
    """
    _positive("gamma of a triangle", gamma), _positive("width of a triangle", width)
    return lambda v: gamma * (1 - v.abs() / width).clamp_min(0)


def sigmoid(alpha: float = 4.0) -> Slope:
    """``alpha q (1 - q)``, ``q = 1 / (1 + e^(-alpha v))``, of mass 1: the derivative of a sigmoid.

    >>> sigmoid(alpha=4.0)(torch.tensor([0.0])).tolist()
    [1.0]
    """
    _positive("alpha of a sigmoid", alpha)

    def slope(v: Tensor) -> Tensor:
        q = torch.sigmoid(alpha * v)
        return alpha * q * (1 - q)

    return slope


def atan(alpha: float = 2.0) -> Slope:
    """``alpha / 2 / (1 + (pi / 2 alpha v)^2)``, of mass 1 (Fang et al., arXiv 2007.05785).

    >>> atan(alpha=2.0)(torch.tensor([0.0])).tolist()
    [1.0]
    """
    _positive("alpha of an arc tangent", alpha)
    return lambda v: alpha / 2 / (1 + (math.pi / 2 * alpha * v).square())


def boxcar(width: float = 1.0) -> Slope:
    """``1 / width`` where ``|v| < width / 2``, else 0, of mass 1.

    >>> boxcar(width=0.5)(torch.tensor([0.0, 0.3])).tolist()
    [2.0, 0.0]
    """
    _positive("width of a boxcar", width)
    return lambda v: (v.abs() < width / 2).to(v.dtype) / width


def _normal(v: Tensor, mean: float, sigma: float) -> Tensor:
    """Return the density of a normal distribution."""
    return torch.exp(-0.5 * ((v - mean) / sigma).square()) / (sigma * math.sqrt(2 * math.pi))


def gaussian(sigma: float = 0.5, gamma: float = 0.5) -> Slope:
    """``gamma N(v; 0, sigma)``, of mass gamma (Yin, Corradi and Bohte, arXiv 2005.11633).

    >>> round(float(gaussian()(torch.tensor(0.0))), 4)
    0.3989
    """
    _positive("sigma of a gaussian", sigma), _positive("gamma of a gaussian", gamma)
    return lambda v: gamma * _normal(v, 0.0, sigma)


def multi_gaussian(sigma: float = 0.5, gamma: float = 0.5, h: float = 0.15, s: float = 6.0) -> Slope:
    """``gamma ((1 + h) N(v; 0, sigma) - h N(v; sigma, s sigma) - h N(v; -sigma, s sigma))``, of mass ``gamma (1 - h)``.

    It is negative away from the threshold, as is the slope of an ELU (Yin, Corradi and Bohte, arXiv 2103.12593).

    >>> bool(multi_gaussian()(torch.tensor(1.5)) < 0)
    True
    """
    for name, value in {"sigma": sigma, "gamma": gamma, "h": h, "s": s}.items():
        _positive(f"{name} of a multi-gaussian", value)

    def slope(v: Tensor) -> Tensor:
        beside = _normal(v, sigma, s * sigma) + _normal(v, -sigma, s * sigma)
        return gamma * ((1 + h) * _normal(v, 0.0, sigma) - h * beside)

    return slope


def since_spike(alpha: float = 0.3, beta: float = 0.01) -> Callable[[Tensor], Slope]:
    """``alpha e^(-beta k)``, whatever v is, k being the steps since the last spike; 0 where k is infinite.

    The slope of a time, for each neuron its own (Rathi et al., arXiv 2005.01807).

    >>> since_spike(alpha=0.5, beta=0.0)(torch.tensor([0.0, math.inf]))(torch.zeros(2)).tolist()
    [0.5, 0.0]
    """
    _positive("alpha of since_spike", alpha)
    return lambda since: lambda v: (alpha * torch.exp(-beta * since)).where(since.isfinite(), 0.0).expand_as(v)


class _Spike(torch.autograd.Function):
    """``H(v)``, with a slope in place of its derivative."""

    @staticmethod
    def forward(ctx: FunctionCtx, v: Tensor, slope: Slope) -> Tensor:
        ctx.save_for_backward(v)
        ctx.slope = slope  # type: ignore[attr-defined]
        return (v >= 0).to(v.dtype)

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        (v,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grads[0] * ctx.slope(v), None  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Surrogate:
    """A spike where v is not negative, ``H(0) = 1``, with a slope for its derivative.

    >>> v = torch.tensor([-0.5, 0.0], requires_grad=True)
    >>> spikes = Surrogate()(v)
    >>> spikes.sum().backward()
    >>> spikes.tolist(), v.grad.tolist()
    ([0.0, 1.0], [0.5, 1.0])
    """

    slope: Slope = field(default_factory=triangle)

    def __call__(self, v: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the spikes 0 and 1, of the type of v."""
        return cast("Tensor", _Spike.apply(v, self.slope))  # type: ignore[no-untyped-call]
