"""Signed spikes of several magnitudes at once: the multi-threshold neuron, and differential coding with it."""

from dataclasses import dataclass
from typing import ClassVar

from canonic.checks import whole
from canonic.codes.events import Alphabet, Firing
from canonic.codes.rate import Rate
from canonic.codes.weighted import Weighted


@dataclass(frozen=True)
class MultiThreshold(Rate):
    """Spikes of ``+-2^-j``, j < levels: the largest whose bar, 3/4 of it, the membrane reaches (Huang et al. 2024).

    A negative spike takes back what was sent, never more.

    Args:
        steps: T.
        levels: magnitudes, 1 to 16.

    Raises:
        CanonicError: if one is out of range.

    >>> import torch
    >>> MultiThreshold(steps=2).encode(torch.tensor([0.7])).flatten().tolist()
    [0.5, 1.0]
    """

    name: ClassVar[str] = "multi-threshold"
    source: ClassVar[str] = "Huang et al. 2024"
    steps: int = 4
    levels: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(f"levels of the code {self.name}", self.levels, 1, 16, "each halves the smallest spike")

    quantise = Weighted.quantise

    @property
    def alphabet(self) -> Alphabet:
        """1, 1/2, 1/4, ... of either sign."""
        return Alphabet(tuple(2.0**-level for level in range(self.levels)), signed=True)

    @property
    def firing(self) -> Firing:
        """At three quarters of a magnitude, from rest."""
        return Firing(bars=tuple(0.75 * magnitude for magnitude in self.alphabet.magnitudes))


@dataclass(frozen=True)
class Differential(MultiThreshold):
    """What changes in the running mean is sent, not the mean: ``w[m] = 1/m``, ``n = 1`` (arXiv 2503.00301).

    ``A[m]`` is the running mean of the multi-threshold train: ``D[m] = m (A[m] - A[m-1])`` telescopes, and the neuron
    is the same in other units.
    """

    name: ClassVar[str] = "differential"
    equations: ClassVar[tuple[str, str]] = ("1/m", "1")
    source: ClassVar[str] = "arXiv 2503.00301"
    steps: int = 4
    levels: int = 8

    @property
    def weights(self) -> tuple[float, ...]:
        """1, 1/2, 1/3, ..."""
        return tuple(1 / m for m in range(1, self.steps + 1))

    @property
    def norms(self) -> tuple[float, ...]:
        """Every digit refines the number."""
        return (1.0,) * self.steps
