"""Burst codes: several spikes at once, or stronger ones behind each other."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.checks import real, whole
from canonic.codes.events import Alphabet, Firing
from canonic.codes.rate import Rate
from canonic.codes.weighted import Membrane, Weighted, require_sign
from canonic.errors import CanonicError


@dataclass(frozen=True)
class Burst(Rate):
    """A rate code with up to Gamma spikes a step: ``s = clamp(floor(u / w), 0, Gamma)`` (Li and Zeng, IJCAI 2022).

    A constant x up to ``Gamma theta`` is sent as ``floor(T x / theta)`` spikes, from rest. Gamma = 1 is the rate code.

    Args:
        steps: T.
        most: Gamma, spikes of one step, 1 to 64.
        start: the membrane before the first step, in thresholds; 1/2 rounds to nearest.

    Raises:
        CanonicError: if one is out of range.

    >>> Burst(steps=2, most=4).encode(torch.tensor([1.8])).flatten().tolist()
    [2.0, 2.0]
    """

    name: ClassVar[str] = "burst"
    source: ClassVar[str] = "Li and Zeng, IJCAI 2022"
    steps: int = 8
    most: int = 5
    start: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("most of the code burst", self.most, 1, 64, "spikes of one step; 1 is the rate code")
        if not 0 <= real("start", self.start, "0.5 rounds to nearest") < 1:
            raise CanonicError(f"start of the code burst must lie in [0, 1), got {self.start!r}: 0.5 rounds to nearest")

    @property
    def alphabet(self) -> Alphabet:
        """0 .. Gamma spikes."""
        return Alphabet(tuple(float(count) for count in range(self.most, 0, -1)))

    @property
    def firing(self) -> Firing:
        """As many spikes as whole thresholds."""
        return Firing(bars=self.alphabet.magnitudes, start=self.start / self.steps)

    def quantise(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return ``floor(T x + start) / T``, within 0 and Gamma."""
        return (x * self.steps + self.start).floor().clamp(0, self.most * self.steps) / self.steps


@dataclass(frozen=True)
class GrowingBurst(Rate):
    """Spikes that double in strength while a burst lasts (Park et al., DAC 2019).

    The threshold is ``theta0 2^j`` after j spikes behind each other, up to ``2^(levels-1)``, and theta0 again after a
    silence. What was sent and what is left of the membrane is what arrived.

    Args:
        steps: T.
        levels: strengths, 1 to 8.

    Raises:
        CanonicError: if one is out of range.

    >>> GrowingBurst(steps=4).encode(torch.tensor([2.0])).flatten().tolist()
    [1.0, 2.0, 0.0, 1.0]
    """

    name: ClassVar[str] = "growing-burst"
    source: ClassVar[str] = "Park et al., DAC 2019"
    steps: int = 8
    levels: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(f"levels of the code {self.name}", self.levels, 1, 8, "each doubles the strongest spike")

    @property
    def alphabet(self) -> Alphabet:
        """1, 2, 4, ... thresholds."""
        return Alphabet(tuple(2.0**level for level in reversed(range(self.levels))))

    @property
    def firing(self) -> Firing:
        """From rest."""
        return Firing(bars=self.alphabet.magnitudes)

    quantise = Weighted.quantise

    @property
    def largest(self) -> float:
        """The mean of the strengths of T spikes behind each other, in units of theta."""
        return math.fsum(min(2.0**m, 2.0 ** (self.levels - 1)) for m in range(self.steps)) / self.steps

    def rest(self, like: Float[Tensor, "*shape"], *, signed: bool = False) -> Membrane:
        """Return the state before the first step."""
        require_sign(self, signed)
        return Membrane(torch.zeros_like(like), torch.zeros_like(like), torch.ones_like(like))

    def step(
        self, digit: int, state: Membrane, arrived: Float[Tensor, "*shape"] | None, *, signed: bool = False
    ) -> tuple[Membrane, Float[Tensor, "*shape"] | None]:
        """Advance a population by one step."""
        require_sign(self, signed)
        u = state.potential if arrived is None else state.potential + arrived
        if digit < 1:
            return state._replace(potential=u), None
        w, strength = self.weights[digit - 1], torch.ones_like(u) if state.strength is None else state.strength
        spikes = torch.where(u / w >= strength, strength, 0)
        grown = (2 * strength).clamp(max=2.0 ** (self.levels - 1))
        return Membrane(u - w * spikes, state.sent + w * spikes, torch.where(spikes > 0, grown, 1)), spikes
