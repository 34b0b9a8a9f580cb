"""What must hold of a network on held-out samples: how it is measured, and how far a network is from it.

How far is told in decibels for every demand alike: by so much its errors could grow, or must shrink, for the demand to
be just met. Errors are scaled for that, and those of class scores are laid on other samples, rank by rank: they hardly
depend on the sample, whereas the few samples that happen to be nearly tied decide a share of right answers.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor

from canonic.goals.goal import Loss
from canonic.network.health import decibels, noise
from canonic.words import percent

ROLLS = 16
"""Errors that are laid on each sample."""

SPREAD = 0.6
"""The standard error of a share of answers with errors laid on, over that of counting: seen on parts of 250 samples."""

SURE = 1.6
"""Standard errors that are left off: chance adds more to one share in twenty."""

WIDEST = 40.0
"""Decibels within which a distance is looked for."""

HALVINGS = 10
"""Times that the interval is halved in which it lies."""

MISSED = 0.5
"""Decibels that a network lacks at least whose value is short of the demand, whatever its errors promise."""

Outputs = Sequence[Float[Tensor, "batch ..."]]
"""All outputs of a network on the held-out samples."""


@dataclass(frozen=True)
class Demand(ABC):
    """One thing that must hold.

    Attributes:
        what: is measured, in a word.
        least: value that must be reached.
        needed: samples with which a miss can be told from one of twice as much.
    """

    what: str
    least: float
    needed: int

    @abstractmethod
    def value(self, outputs: Outputs) -> float:
        """Return what is measured of the outputs of a network."""

    @abstractmethod
    def expected(self, outputs: Outputs, scale: float) -> float:
        """Return what is to be expected of a network whose errors are so many times those of these outputs."""

    @abstractmethod
    def thinned(self, held: int, stride: int) -> "Demand":
        """Return what must hold on every so manieth of the samples that are held out."""

    def met(self, value: float) -> bool:
        """Tell whether a value is as it must be."""
        return value >= self.least

    def said(self, value: float) -> str:
        """Return a value as people write it."""
        return percent(value)

    def __str__(self) -> str:
        return f"{self.what} {self.said(self.least)}"

    def room(self, outputs: Outputs) -> float:
        """Return by how many decibels the errors of a network could grow; less than 0 if they must shrink."""
        low, high = -WIDEST, WIDEST
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            met = self.met(self.expected(outputs, 10 ** (middle / 20)))
            low, high = (middle, high) if met else (low, middle)
        return low if self.met(self.value(outputs)) else min(low, -MISSED)


@dataclass(frozen=True)
class Right(Demand):
    """A share of answers that must be right: those of labels, or of the source network.

    Attributes:
        place: of the output.
        scores: of the source network there, on the held-out samples and behind them on others.
        right: the class of each sample that is right.
        allowed: the share of them that may be lost.
    """

    place: int
    scores: Float[Tensor, "samples classes"]
    right: Int[Tensor, " samples"]
    allowed: float

    def value(self, outputs: Outputs) -> float:
        """Return what is measured of the outputs of a network."""
        answers = outputs[self.place].argmax(1)
        return _mean(answers == self.right[: len(answers)])

    def expected(self, outputs: Outputs, scale: float) -> float:
        """Return what is to be expected of errors so many times as large, less what chance may have added."""
        (order, rank), own = self._ranks, outputs[self.place]
        ranked = self.scores.gather(1, order)
        errors = scale * (own.gather(1, order[: len(own)]) - ranked[: len(own)])
        places = torch.arange(len(ranked)).to(own.device)
        shifts = range(min(ROLLS, len(own)))
        shares = [_mean((ranked + errors[(places + shift) % len(own)]).argmax(1) == rank) for shift in shifts]
        lost = _mean(rank == 0) - sum(shares) / len(shares)
        return _mean(rank[: len(own)] == 0) - lost - self.chance

    def thinned(self, held: int, stride: int) -> "Right":
        """Return what must hold on every so manieth of the samples that are held out; the others stay."""
        scores, right = (torch.cat([x[:held:stride], x[held:]]) for x in (self.scores, self.right))
        return replace(self, scores=scores, right=right)

    @property
    def chance(self) -> float:
        """What the choice of the samples may add to a share, if what is allowed is missed."""
        return SURE * SPREAD * min(self.allowed / 2, sqrt(self.allowed / len(self.scores)))

    @cached_property
    def _ranks(self) -> tuple[Int[Tensor, "samples classes"], Int[Tensor, " samples"]]:
        """The classes of each sample in the order of the source network, and the place of the right one among them."""
        order = self.scores.argsort(dim=1, descending=True, stable=True)
        return order, (order == self.right[:, None]).int().argmax(1)


@dataclass(frozen=True)
class Likeness(Demand):
    """The signal-to-noise ratio of every output against the source network, in dB.

    Attributes:
        sources: the outputs of the source network.
    """

    sources: Outputs

    def value(self, outputs: Outputs) -> float:
        """Return what is measured of the outputs of a network."""
        return min(_ratio(*pair) for pair in zip(self.sources, outputs, strict=True))

    def expected(self, outputs: Outputs, scale: float) -> float:
        """Return what is to be expected of errors so many times as large."""
        return self.value(_scaled(self.sources, outputs, scale))

    def thinned(self, held: int, stride: int) -> "Likeness":  # noqa: ARG002
        """Return what must hold on every so manieth of the samples that are held out."""
        return replace(self, sources=[x[::stride] for x in self.sources])

    def said(self, value: float) -> str:
        """Return a value as people write it."""
        return f"{value:.1f} dB"


@dataclass(frozen=True)
class Losing(Demand):
    """A loss of the user's own, which must not be larger.

    Attributes:
        place: of the output.
        source: the output of the source network.
        target: what the loss compares with.
        loss: the function.
    """

    place: int
    source: Float[Tensor, "batch ..."]
    target: Tensor
    loss: Loss

    def value(self, outputs: Outputs) -> float:
        """Return what is measured of the outputs of a network."""
        return float(self.loss(outputs[self.place], self.target))

    def expected(self, outputs: Outputs, scale: float) -> float:
        """Return what is to be expected of errors so many times as large."""
        (scaled,) = _scaled([self.source], [outputs[self.place]], scale)
        return float(self.loss(scaled, self.target))

    def thinned(self, held: int, stride: int) -> "Losing":  # noqa: ARG002
        """Return what must hold on every so manieth of the samples that are held out."""
        return replace(self, source=self.source[::stride], target=self.target[::stride])

    def met(self, value: float) -> bool:
        """Tell whether a value is as it must be: no larger."""
        return value <= self.least

    def said(self, value: float) -> str:
        """Return a value as people write it."""
        return f"{value:.4g}"


def _scaled(sources: Outputs, outputs: Outputs, scale: float) -> list[Tensor]:
    return [source + scale * (own - source) for source, own in zip(sources, outputs, strict=True)]


def _mean(right: Tensor) -> float:
    return float(right.double().mean())


def _ratio(source: Tensor, own: Tensor) -> float:
    sums = noise(torch.ones(()), source, own)
    return decibels(sums.signal, sums.error)
