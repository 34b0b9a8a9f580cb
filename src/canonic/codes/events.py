"""What one event of a code may be, and when it is sent."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Alphabet:
    """What one event may be, beside silence.

    Args:
        magnitudes: largest first.
        signed: each of them with either sign.

    >>> Alphabet((1.0,), signed=True).bits == math.log2(3)
    True
    """

    magnitudes: tuple[float, ...] = (1.0,)
    signed: bool = False

    @property
    def graded(self) -> bool:
        """Whether its events differ in size, and so have to say theirs."""
        return len(self.magnitudes) > 1

    @property
    def bits(self) -> float:
        """Information that a digit carries at most: log2 of the number of symbols, silence included."""
        return math.log2(1 + len(self.magnitudes) * (1 + self.signed))

    def below(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the largest event that is not above x, silence being one of 0; the least where all are above.

        >>> Alphabet((4.0, 2.0, 1.0), signed=True).below(torch.tensor([torch.inf, 3.9, 0.5, -0.5, -2.5])).tolist()
        [4.0, 2.0, 0.0, -1.0, -4.0]
        """
        negative = [-magnitude for magnitude in self.magnitudes] if self.signed else []
        events = x.new_tensor([*negative, 0.0, *reversed(self.magnitudes)])
        return events[torch.bucketize(x.contiguous(), events, right=True).sub_(1).clamp_(min=0)]


@dataclass(frozen=True)
class Firing:
    """When a neuron sends what.

    Args:
        bars: for each magnitude of the alphabet the least ``|u| / w`` at which it is sent.
        last: the least of them at the last digit, where that is another.
        start: the membrane before the first step, in units of theta.
        strict: a bar has to be passed, not reached.
        once: a neuron sends at most one event.
    """

    bars: tuple[float, ...] = (1.0,)
    last: float | None = None
    start: float = 0.0
    strict: bool = False
    once: bool = False
