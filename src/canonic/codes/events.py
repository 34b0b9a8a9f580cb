"""What one event of a code may be, and when it is sent."""

import math
from dataclasses import dataclass


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
