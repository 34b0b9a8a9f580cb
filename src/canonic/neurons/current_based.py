"""Neurons whose currents and membranes leak, with spikes in closed form (Yang, Zhang and Li, arXiv 2211.16113).

``dI/dt = -I/tau + sum w delta(t - t[i])``, ``dv/dt = -v/(2 tau) + I``; at v = theta a spike takes theta away. In
``e = exp(t / (2 tau))`` a spike is the smaller root of a quadratic equation, of what came before::

    q e^2 - P e + C = 0,   P = sum w[i] e[i] - q (sum of the earlier e[k]),   C = sum w[i] e[i]^2,   q = theta / (2 tau)
    de[k]/dw[i] = e[i] (e[i] - e[k]) / D,  de[k]/de[i] = w[i] (2 e[i] - e[k]) / D,  de[k]/de[j] = q e[k] / D
    with D = sqrt(P^2 - 4 q C)

It is the quotient neuron (quotient.py) whose inputs count w[i] e[i], and whose threshold is ``q e^2``.
"""

from dataclasses import dataclass
from math import exp

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.errors import CanonicError
from canonic.neurons.quotient import ordered


@dataclass(frozen=True)
class CurrentBased:
    """A neuron of this form.

    Args:
        q: its threshold over twice the time constant of its currents.
        spikes: that it may send.
        horizon: no spike is later than this e.
        unit: of time, twice the time constant of its currents: ``e = exp(t / unit)``; None if it is not known.

    Raises:
        CanonicError: if the threshold is not above 0, or it may send none.
    """

    q: float
    spikes: int
    horizon: float = float("inf")
    unit: float | None = None

    def __post_init__(self) -> None:
        if not self.q > 0 or self.spikes < 1:
            raise CanonicError(
                f"a neuron needs a threshold above 0, and a spike to send: got q = {self.q}, {self.spikes} spikes"
            )

    @classmethod
    def of(cls, theta: float, tau: float, spikes: int, last: float = float("inf")) -> "CurrentBased":
        """Return the neuron of this threshold, whose currents fall with tau; it is silent after the time ``last``.

        >>> CurrentBased.of(theta=1.0, tau=0.5, spikes=2)
        CurrentBased(q=1.0, spikes=2, horizon=inf, unit=1.0)
        """
        return cls(theta / (2 * tau), spikes, exp(last / (2 * tau)), 2 * tau)


def current_based_times(
    neuron: CurrentBased, e: Float[Tensor, "batch inputs"], weight: Float[Tensor, "outputs inputs"]
) -> Float[Tensor, "batch spikes outputs"]:
    """Return when outputs fire; differentiable. It is the reference of the program, and stands where there is none.

    >>> current_based_times(CurrentBased(q=2.0, spikes=1), torch.tensor([[1.0]]), torch.tensor([[9.0]])).item()
    1.5
    """
    return torch.stack([_of_sample(neuron, times, weight) for times in e])


def _of_sample(neuron: CurrentBased, e: Tensor, weight: Tensor) -> Float[Tensor, "spikes outputs"]:
    """Return the times of one sample, all causal sets by running sums."""
    times, w, later = ordered(e, weight, neuron.horizon)
    sums, squares = (w * times).cumsum(1), (w * times**2).cumsum(1)
    last, found = weight.new_zeros(len(weight)), list[Tensor]()
    for _ in range(neuron.spikes):
        last = _spike(neuron.q, sums, squares, torch.maximum(times, last.detach()[:, None]), later)
        found.append(last)
        sums = sums - neuron.q * last[:, None]
    return torch.stack(found)


def _spike(q: float, sums: Tensor, squares: Tensor, start: Tensor, later: Tensor) -> Float[Tensor, "outputs"]:
    """Return the times of one of the spikes: the first causal set that holds a root before its next input."""
    if not later.numel():
        return sums.new_full((len(sums),), torch.inf)
    rises = (squares > 0) & (sums > 2 * q * start) & (sums**2 > 4 * q * squares)
    before = (sums <= 2 * q * later) | (later * (sums - q * later) >= squares)
    fits = rises & before & (later > start)
    fires, place = fits.any(1), fits.to(torch.uint8).argmax(1, keepdim=True)
    p, c = (torch.where(fires, x.gather(1, place)[:, 0], y) for x, y in ((sums, 2.0), (squares, 0.5 / q)))
    root = 2 * c / (p + (p**2 - 4 * q * c).sqrt())
    return torch.where(fires, root, torch.inf)
