"""Neurons that fire by chance."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.errors import CanonicError
from canonic.neurons.rules import POSITIVE, UNIT, Potential, Resting, State


@dataclass(frozen=True)
class Stochastic(Resting):
    """``V = leak V + gain I; p = 1 / (1 + e^-V); s ~ Bernoulli(p)`` (arXiv 2404.17719); with a soft reset, ``V -= s``.

    Its gradient is straight through the draw: ``ds/dp = 1``, ``dp/dV = p (1 - p)``.

    Args:
        leak: what is left of the membrane after a step, in (0, 1].
        gain: k, by which currents are multiplied, above 0.
        reset: "none" or "soft".

    Raises:
        CanonicError: if one is out of range.

    >>> rule = Stochastic()
    >>> current = torch.full((1,), 0.0)
    >>> [rule.step(rule.rest(current), current, torch.tensor([draw]))[1].item() for draw in (0.49, 0.51)]
    [1.0, 0.0]
    """

    leak: float | Tensor = field(default=0.9, metadata=UNIT)
    gain: float | Tensor = field(default=1.0, metadata=POSITIVE)
    reset: str = "none"

    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.reset not in ("none", "soft"):
            raise CanonicError(f"reset of Stochastic must be none or soft, got {self.reset!r}: as published, none")
        super().__post_init__()

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Potential, Float[Tensor, "batch *shape"]]:
        """Advance by one step.

        Raises:
            CanonicError: without a draw.
        """
        if draw is None:
            raise CanonicError("a step of Stochastic needs draw=, uniform numbers in [0, 1): torch.rand_like(current)")
        v = self.leak * state[0] + self.gain * current
        p = torch.sigmoid(v)
        s = (draw < p).to(p.dtype) + (p - p.detach())
        return Potential(v - s if self.reset == "soft" else v), s
