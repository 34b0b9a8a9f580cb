"""Neurons with a threshold that rises with what they send."""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.errors import CanonicError
from canonic.neurons.rules import POSITIVE, Fire, Resting, State, StateType
from canonic.neurons.surrogate import Surrogate, gaussian


class Adapted(NamedTuple):
    """The state of an adaptive neuron: its membrane, its adaptation b, and its spikes of the step before."""

    u: Float[Tensor, "batch *shape"]
    b: Float[Tensor, "batch *shape"]
    s: Float[Tensor, "batch *shape"]


def decay(tau: Float[Tensor, "..."] | float, like: Tensor) -> Float[Tensor, "..."]:
    """Return what is left after a step of what falls with a time constant of tau steps, ``e^(-1 / tau)``.

    >>> round(decay(20.0, torch.zeros(())).item(), 4)
    0.9512
    """
    return torch.exp(-1 / torch.as_tensor(tau, dtype=like.dtype, device=like.device))


@dataclass(frozen=True)
class ALIF(Resting):
    """The adaptive leaky neuron (Yin, Corradi and Bohte, arXiv 2005.11633)::

        b[t] = rho b[t-1] + (1 - rho) s[t-1]                                rho = e^(-1 / tau_adaptation)
        theta[t] = base + beta b[t]
        u[t] = alpha u[t-1] + (1 - alpha) I[t] - theta[t] s[t-1]            alpha = e^(-1 / tau)
        s[t] = H(u[t] - theta[t])

    Args:
        tau: of the membrane, in steps.
        tau_adaptation: of the threshold, in steps.
        beta: by how much the threshold rises; 0 is a leaky neuron.
        base: the threshold at rest.
        fire: how v = u - theta becomes spikes, and their gradient.
        sends: "spikes", or "membrane" for an output that is read as a number.

    Raises:
        CanonicError: if one is out of range.

    >>> rule = ALIF(tau=1e9, beta=0.0, base=0.5)
    >>> rule.step(rule.rest(torch.zeros(1)), torch.tensor([1.0]))[1].tolist()
    [0.0]
    """

    tau: float | Tensor = field(default=20.0, metadata=POSITIVE)
    tau_adaptation: float | Tensor = field(default=30.0, metadata=POSITIVE)
    beta: float | Tensor = 1.8
    base: float | Tensor = field(default=0.01, metadata=POSITIVE)
    fire: Fire = field(default_factory=lambda: Surrogate(gaussian()))
    sends: str = "spikes"

    rests: ClassVar[StateType] = Adapted

    def __post_init__(self) -> None:
        if self.sends not in ("spikes", "membrane"):
            raise CanonicError(f"ALIF sends spikes or its membrane, got {self.sends!r}: spikes go between layers")
        super().__post_init__()

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], _draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Adapted, Float[Tensor, "batch *shape"]]:
        """Advance by one step."""
        u, b, s = state
        alpha, rho = (decay(tau, u) for tau in (self.tau, self.tau_adaptation))
        b = rho * b + (1 - rho) * s
        theta = self.base + self.beta * b
        u = alpha * u + (1 - alpha) * current - theta * s
        s = self.fire(u - theta)
        return Adapted(u, b, s), s if self.sends == "spikes" else u
