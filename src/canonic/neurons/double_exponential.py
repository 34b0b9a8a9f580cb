"""A neuron that answers with the time of its only spike: postsynaptic potentials that rise and fall, no reset."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NamedTuple

from jaxtyping import Float
from torch import Tensor

from canonic.errors import CanonicError
from canonic.neurons.rules import POSITIVE, Fire, Resting, State, StateType
from canonic.neurons.surrogate import Surrogate


class Potentials(NamedTuple):
    """The state of a neuron whose membrane is the difference of two traces."""

    u: Float[Tensor, "batch *shape"]
    falling: Float[Tensor, "batch *shape"]
    rising: Float[Tensor, "batch *shape"]
    fired: Float[Tensor, "batch *shape"]


@dataclass(frozen=True)
class DoubleExponential(Resting):
    """``p = e^(-1/fall) (p + I)``, ``q = e^(-1/rise) (q + I)``, ``u = v0 (p - q)``; one spike, where u reaches theta.

    v0 is such that a current of 1 at one step comes to a membrane of 1 at its highest. A spike takes nothing away
    (the output of Yang et al., TPAMI 2024, arXiv 2305.16594).

    Args:
        theta: the threshold, above 0.
        fall: time constant, in steps, by which a potential falls.
        rise: by which it rises, below ``fall``.
        fire: how v = u - theta becomes a spike, and its gradient.

    Raises:
        CanonicError: if one is out of range.

    >>> import torch
    >>> rule, state, train = DoubleExponential(), DoubleExponential().rest(torch.zeros(1)), []
    >>> for current in (2.0, 2.0, 0.0):
    ...     state, spikes = rule.step(state, torch.tensor([current]))
    ...     train.append((round(state.u.item(), 2), spikes.item()))
    >>> train
    [(2.0, 0.0), (3.48, 1.0), (2.42, 0.0)]
    """

    theta: float | Tensor = field(default=3.0, metadata=POSITIVE)
    fall: float = field(default=2.0, metadata=POSITIVE)
    rise: float = field(default=0.5, metadata=POSITIVE)
    fire: Fire = field(default_factory=Surrogate)

    rests: ClassVar[StateType] = Potentials

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rise >= self.fall:
            raise CanonicError(
                f"rise of DoubleExponential must be below fall, got {self.rise:g} and {self.fall:g}: potentials rise "
                "faster than they fall"
            )

    @cached_property
    def scale(self) -> float:
        """v0: one over the highest of ``e^(-k / fall) - e^(-k / rise)`` over the steps k = 1, 2, ..."""
        top = self.fall * self.rise / (self.fall - self.rise) * math.log(self.fall / self.rise)
        near = (max(math.floor(top), 1), math.ceil(top))
        return 1 / max(math.exp(-k / self.fall) - math.exp(-k / self.rise) for k in near)

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], _draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Potentials, Float[Tensor, "batch *shape"]]:
        """Advance by one step."""
        _, falling, rising, fired = state
        falling, rising = math.exp(-1 / self.fall) * (falling + current), math.exp(-1 / self.rise) * (rising + current)
        u = self.scale * (falling - rising)
        s = self.fire(u - self.theta) * (1 - fired)
        return Potentials(u, falling, rising, fired + s.detach()), s
