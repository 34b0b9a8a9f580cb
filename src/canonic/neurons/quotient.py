"""Neurons whose spikes have times in closed form: the k-th spike of an output is a quotient of sums over its inputs::

    e[k] = (C + a[k]) / (A - b[k]),   A = sum of w[i],  C = sum of w[i] e[i]   over the inputs with e[i] <= e[k]
    de[k]/dw[i] = (e[i] - e[k]) / D,  de[k]/de[i] = w[i] / D,  D = A - b[k]

e is what a neuron makes of time t: t itself where an input starts a ramp (Zhang et al., arXiv 2003.11837), ``exp(t /
tau)`` where its current falls with tau. An input that never comes has the time infinity, and so has a spike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.errors import CanonicError


@dataclass(frozen=True)
class Quotient:
    """A neuron of this form, by its a and b for each of the spikes that it may send.

    Args:
        a: of the spikes 1, 2, ...
        b: likewise; it does not fall, so that spikes come in their order.
        horizon: no spike is later than this e.
        unit: of time, where ``e = exp(t / unit)``; None where e = t.

    Raises:
        CanonicError: if there are not as many of each, or none.

    >>> Quotient.ramp(theta=2.0)
    Quotient(a=(2.0,), b=(0.0,), horizon=inf, unit=None)
    """

    a: tuple[float, ...]
    b: tuple[float, ...]
    horizon: float = float("inf")
    unit: float | None = None

    def __post_init__(self) -> None:
        if not self.a or len(self.a) != len(self.b):
            raise CanonicError(
                f"a neuron needs an a and a b for each of its spikes, got {len(self.a)} and {len(self.b)}"
            )

    @property
    def spikes(self) -> int:
        """How many it may send."""
        return len(self.a)

    @classmethod
    def ramp(cls, theta: float = 1.0, horizon: float = float("inf")) -> "Quotient":
        """Return the neuron whose inputs start ramps, ``V(t) = sum w (t - t[i])``; it fires once, at theta; e = t."""
        return cls((theta,), (0.0,), horizon)

    @classmethod
    def integrator(cls, theta: float, tau: float, spikes: int, horizon: float = float("inf")) -> "Quotient":
        """Return the neuron without leak whose currents fall with tau; a spike takes theta away; e = exp(t / tau)."""
        return cls((0.0,) * spikes, tuple((k + 1) * theta / tau for k in range(spikes)), horizon, tau)

    @classmethod
    def falling(cls, theta: float, slope: float, horizon: float = float("inf")) -> "Quotient":
        """Return the ramp neuron whose threshold falls, ``theta - slope t``; it fires once; e = t."""
        return cls((theta,), (-slope,), horizon)


def spike_times(
    neuron: Quotient, e: Float[Tensor, "batch inputs"], weight: Float[Tensor, "outputs inputs"]
) -> Float[Tensor, "batch spikes outputs"]:
    """Return when outputs fire; differentiable. It is the reference of the program, and stands where there is none.

    >>> spike_times(Quotient.ramp(), torch.tensor([[0.0, 0.25]]), torch.tensor([[1.0, 1.0]])).item()
    0.625
    """
    return torch.stack([_of_sample(neuron, times, weight) for times in e])


def _of_sample(neuron: Quotient, e: Tensor, weight: Tensor) -> Float[Tensor, "spikes outputs"]:
    """Return the times of one sample, all causal sets by running sums."""
    times, w, later = ordered(e, weight, neuron.horizon)
    sums, weighted = w.cumsum(1), (w * times).cumsum(1)
    pairs = zip(neuron.a, neuron.b, strict=True)
    return torch.stack([_spike(sums - b, weighted + a, times, later) for a, b in pairs])


def _spike(slope: Tensor, level: Tensor, times: Tensor, later: Tensor) -> Float[Tensor, "outputs"]:
    """Return the times of one of the spikes: the first causal set that holds them before its next input."""
    if not len(times):
        return slope.new_full((len(slope),), torch.inf)
    fits = (slope > 0) & (level <= later * slope) & (later > times)
    fires, place = fits.any(1), fits.to(torch.uint8).argmax(1, keepdim=True)
    quotient = level.gather(1, place)[:, 0] / torch.where(fires, slope.gather(1, place)[:, 0], 1.0)
    return torch.where(fires, quotient, torch.inf)


def ordered(e: Float[Tensor, "inputs"], weight: Float[Tensor, "outputs inputs"], horizon: float) -> Sequence[Tensor]:
    """Return the times of the inputs that come, in their order; their weights; until when no other comes.

    The last is the next time of each, but the horizon where that is earlier or there is none.
    """
    came = e[e.isfinite()]
    order = came.argsort(stable=True)
    times, w = came[order], weight[:, e.isfinite()][:, order]
    return times, w, torch.cat([times[1:], times.new_full((1,), horizon)])[: len(times)].clamp(max=horizon)


def in_order(e: Float[Tensor, "batch inputs"]) -> Sequence[Tensor]:
    """Return the times of each sample in their order, where each stood, and how many come at all."""
    times, order = e.sort(dim=1, stable=True)
    return times, order.int(), e.isfinite().sum(1).int()
