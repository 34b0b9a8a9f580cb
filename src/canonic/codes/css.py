"""Canonic Signed Spikes: a number as signed digits, most significant first (arXiv 2408.17245)."""

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.checks import real, whole
from canonic.codes.events import Alphabet, Firing
from canonic.codes.weighted import Weighted
from canonic.errors import CanonicError

MOST_STEPS = 24
"""Digits of the longest number: as many as the mantissa of a float32 has."""

MOST_LEVELS = 127
"""The largest digit: as large as 8 bits hold."""


def fewest_levels(beta: float) -> int:
    """Return the fewest levels with which beta can be the radix: the least L with ``beta < 2 L + 1``; at most 127.

    >>> fewest_levels(2.0), fewest_levels(4.0)
    (1, 2)
    """
    return next((levels for levels in range(1, MOST_LEVELS) if beta < 2 * levels + 1), MOST_LEVELS)


@dataclass(frozen=True)
class CSS(Weighted):
    """The code ``a = theta * sum_m s[m] * w[m]`` with ``s[m] in {-L, .., +L}`` and ``w[m] = beta^-(m-1)``.

    With one level, L = 1, and radix 2 it is the code of the paper. It is online arithmetic, most significant digit
    first, in a redundant signed-digit system (Avizienis 1961; Ercegovac and Lang, Digital Arithmetic): a silent step is
    its online delay. More levels are more redundancy; with some, k = 0 answers after T steps whatever the depth.

    Args:
        steps: digits T of a number, 1 to 24.
        silent: steps k that a neuron listens before it may fire, 0 to T. Each doubles (for beta = 2) the current
            that the neuron can take, and costs one step of latency a layer.
        beta: amplification of the membrane at every step, the radix, between 1 and 2 L + 1.
        phi: fraction of the threshold at which a neuron fires, 1/2 to min(1, 3 / (2 beta)). More than 1/2 saves
            spikes and wants ``silent >= 2``; the last digit always fires at 1/2. 2/3 gives the non-adjacent form.
            1/2 with more than one level.
        levels: L, the largest digit, 1 to 127. An event then carries up to ``log2(2 L + 1)`` bits.
        powers: digits are 0, +-1, +-2, +-4, .., +-L only, L a power of two: weights are shifted, not multiplied, and an
            event carries ``log2(2 log2(L) + 3)`` bits. The nearest leaves up to a third of what there was, so that beta
            is below 3, and the last digit may be off by more than a half.

    Raises:
        CanonicError: if one of them is no such number, or out of its range.

    >>> code = CSS(steps=4)
    >>> code.weights
    (1.0, 0.5, 0.25, 0.125)
    >>> code.encode(torch.tensor([0.9, -1.4])).T.tolist()
    [[1.0, 0.0, 0.0, -1.0], [-1.0, -1.0, 0.0, 1.0]]
    >>> code.decode(code.encode(torch.tensor([0.9, -1.4]))).tolist()
    [0.875, -1.375]
    """

    name: ClassVar[str] = "css"
    equations: ClassVar[tuple[str, str]] = ("beta^-(m-1)", "1")
    source: ClassVar[str] = "arXiv 2408.17245"
    steps: int = 8
    silent: int = 1
    beta: float = 2.0
    phi: float = 0.5
    levels: int = 1
    powers: bool = False

    def __post_init__(self) -> None:
        # Numbers of numpy and torch become those of Python: equal codes look the same, and go to JSON.
        set_to = partial(object.__setattr__, self)
        set_to("steps", whole("steps", self.steps, 1, MOST_STEPS, "take 8 for most networks, 4 to 6 for fewer spikes"))
        set_to("silent", whole("silent", self.silent, 0, self.steps, "1 is enough for most networks; T is exact"))
        set_to("levels", whole("levels", self.levels, 1, MOST_LEVELS, "1 is ternary; 4 to 16 make k = 0 possible"))
        set_to("beta", real("beta", self.beta, "take 2, the binary case"))
        self._require_powers()
        most = 3 if self.powers else 2 * self.levels + 1
        if not 1 < self.beta < most:
            more = "all digits instead of powers" if self.powers else "more levels"
            raise CanonicError(
                f"beta must lie between 1 and {most} (exclusive), got {self.beta}: take 2, the binary case, or {more}, "
                "as digits up to L take back what was too much for beta below 2 L + 1, and powers of two below 3"
            )
        top = self.largest_phi(self.beta) if self.levels == 1 else 0.5
        set_to("phi", real("phi", self.phi, "0.5 rounds to nearest, 2/3 saves spikes"))
        if not 0.5 <= self.phi <= top:
            raise CanonicError(
                f"phi must lie in [0.5, {top:.4g}] for beta = {self.beta:g}, got {self.phi}: beyond it a neuron "
                "cannot take back what it let pass; 0.5 rounds to nearest, 2/3 saves spikes"
            )

    def _require_powers(self) -> None:
        if not isinstance(self.powers, bool):
            raise CanonicError(f"powers must be True or False, got {self.powers!r}: True leaves 0, +-1, +-2, +-4, ...")
        if self.powers and self.levels & (self.levels - 1):
            below = 2 ** (self.levels.bit_length() - 1)
            raise CanonicError(
                f"with powers of two only the largest digit is one of them, got levels = {self.levels}: take {below}"
            )

    @staticmethod
    def largest_phi(beta: float) -> float:
        """Return the largest phi that leaves a residual of at most half a threshold at the last digit."""
        return min(1.0, 1.5 / beta)

    @property
    def weights(self) -> tuple[float, ...]:
        """The step weights w[1..T], most significant first."""
        return tuple(self.beta**-m for m in range(self.steps))

    @property
    def alphabet(self) -> Alphabet:
        """-L .. L, or the powers of two among them."""
        digits = range(self.levels, 0, -1)
        return Alphabet(tuple(float(d) for d in digits if not self.powers or d & (d - 1) == 0), signed=True)

    @property
    def firing(self) -> Firing:
        """The nearest digit; the first +-1 at phi, but for the last digit."""
        sizes = self.alphabet.magnitudes
        halves = tuple((size + smaller) / 2 for size, smaller in pairwise(sizes))
        return Firing(bars=(*halves, self.phi), last=0.5)

    @property
    def gap(self) -> int:
        """What the next digit beyond the largest would add: beyond half of it more a neuron is overloaded."""
        return self.levels if self.powers else 1

    @property
    def lsb(self) -> float:
        """The weight of the last digit, in units of theta."""
        return self.weights[-1]

    @property
    def largest(self) -> float:
        """The largest number that T digits hold, in units of theta."""
        return self.levels * math.fsum(self.weights)

    @property
    def nominal(self) -> float:
        """The largest number that a threshold is chosen for, in units of theta: that of digits up to beta - 1.

        Levels beyond those are for taking back; so the last digit of T is worth the same with any number of levels.
        """
        return min(self.levels, max(1.0, self.beta - 1)) * math.fsum(self.weights)

    def fraction(self, digit: int) -> float:
        """Return the fraction of the threshold at which digit 1..T fires: phi, and 1/2 at the last."""
        return 0.5 if digit == self.steps else self.phi

    def encode(
        self, x: Float[Tensor, "*shape"], theta: Float[Tensor, "..."] | float = 1.0, *, signed: bool = True
    ) -> Float[Tensor, "time *shape"]:
        """Return the digits of x, each -L .. +L; exact to half an LSB where ``|x| <= (largest + lsb/2) * theta``.

        Far beyond that range every digit is +L (or -L): the code saturates.
        """
        residual, digits = (x if signed else x.clamp(min=0)) / theta, []
        for digit in range(1, self.steps + 1):
            digits.append(self.nearest(residual, self.fraction(digit)))
            residual = self.beta * (residual - digits[-1])
        return torch.stack(digits)

    def nearest(self, u: Float[Tensor, "*shape"], bar: float = 0.5) -> Float[Tensor, "*shape"]:
        """Return the digit of a membrane u, in units of the threshold: the nearest, away from 0 where two are.

        Args:
            u: the membrane.
            bar: where +-1 begins; with more than one level 1/2.

        >>> CSS(levels=2).nearest(torch.tensor([0.4, 0.5, -1.5, 9.0])).tolist()
        [0.0, 1.0, -2.0, 2.0]
        """
        if self.levels == 1:
            return (u >= bar).to(u.dtype) - (u <= -bar).to(u.dtype)
        size = u.abs()
        if self.powers:
            sizes, bars = u.new_tensor([0.0, *self.alphabet.magnitudes[::-1]]), u.new_tensor(self.firing.bars[::-1])
            found = sizes[torch.bucketize(size.contiguous(), bars, right=True)]
        else:
            found = (size + 0.5).floor().clamp(max=self.levels)
        return found * u.sign() + 0.0  # no -0.0

    def below(self, u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the largest digit that is not above u; all whole numbers are digits here where not powers only."""
        return self.alphabet.below(u) if self.powers else u.floor()

    def quantise(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return what the code makes of x, in units of theta: ``decode(encode(x))``, quicker where beta is whole.

        >>> CSS(steps=4).quantise(torch.tensor([0.9, -9.0])).tolist()
        [0.875, -1.875]
        """
        if self.beta % 1 or self.powers:
            return self.decode(self.encode(x))
        return (x / self.lsb).round().mul_(self.lsb).clamp_(-self.largest, self.largest)

    def to_json(self) -> dict[str, Any]:
        """Return the code as plain data, with its name; ``powers`` where it is so only, as before there were any."""
        data = super().to_json()
        return data if self.powers else {name: value for name, value in data.items() if name != "powers"}
