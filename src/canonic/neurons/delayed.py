"""A neuron whose spike follows a step after its membrane, with a slope that falls with the time since its last one."""

import math
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.checks import real
from canonic.errors import CanonicError
from canonic.neurons.rules import POSITIVE, UNIT, Resting, State, StateType
from canonic.neurons.surrogate import Surrogate, since_spike, triangle


class Waited(NamedTuple):
    """The state of a neuron that has a membrane, and knows for how many steps it has not fired."""

    u: Float[Tensor, "batch *shape"]
    since: Float[Tensor, "batch *shape"]


@dataclass(frozen=True)
class Delayed(Resting):
    """The neuron of STDB: ``s = H(u[t-1] / theta - 1); u = leak u[t-1] + I - theta s``, with ``H(0) = 0``.

    What is taken off has no gradient. The slope, of ``u / theta - 1``, is ``alpha e^(-beta k)`` where its last spike is
    k steps before the step before, and 0 before its first; without beta it is a triangle of height alpha (Rathi et al.,
    arXiv 2005.01807).

    Args:
        leak: what is left of the membrane after a step, in (0, 1].
        theta: the threshold, above 0.
        alpha: height of the slope, positive.
        beta: by which it falls with each step since the last spike, at least 0; None is a triangle.

    Raises:
        CanonicError: if one is out of range.

    >>> rule, state, train = Delayed(), Delayed().rest(torch.zeros(1)), []
    >>> for _ in range(4):
    ...     state, spikes = rule.step(state, torch.tensor([0.6]))
    ...     train.append(spikes.item())
    >>> train
    [0.0, 0.0, 1.0, 0.0]
    """

    leak: float | Tensor = field(default=1.0, metadata=UNIT)
    theta: float | Tensor = field(default=1.0, metadata=POSITIVE)
    alpha: float = field(default=0.3, metadata=POSITIVE)
    beta: float | None = 0.01

    rests: ClassVar[StateType] = Waited

    def __post_init__(self) -> None:
        if self.beta is not None and not 0 <= real("beta of Delayed", self.beta, "take 0.01") < math.inf:
            raise CanonicError(
                f"beta of Delayed must be at least 0, got {self.beta}: take 0.01, or None for a triangle"
            )
        super().__post_init__()

    def rest(self, like: Float[Tensor, "batch *shape"], /) -> Waited:
        """Return the state before the first step: no spike is known."""
        return Waited(torch.zeros_like(like), torch.full_like(like, math.inf))

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], _draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Waited, Float[Tensor, "batch *shape"]]:
        """Advance by one step."""
        u, since = state
        slope = triangle(self.alpha) if self.beta is None else since_spike(self.alpha, self.beta)(since)
        s = 1 - Surrogate(slope)(1 - u / self.theta)  # silent on the threshold; slopes are alike on both sides
        waited = torch.where(s > 0, torch.zeros_like(since), since + 1)
        return Waited(self.leak * u + current - self.theta * s.detach(), waited), s
