"""What must hold of a network on held-out samples: how it is measured, and how far a network is from it.

How far is told in decibels for every demand alike: by so much its errors could grow, or must shrink, for the demand to
be just met. Errors are scaled for that, and those of class scores are laid on other samples, rank by rank: they hardly
depend on the sample, whereas the few samples that happen to be nearly tied decide a share of right answers.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor

from canonic.errors import ConversionError
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

    @property
    @abstractmethod
    def places(self) -> Collection[int]:
        """The places of the outputs that it is about."""

    @abstractmethod
    def value(self, outputs: Outputs) -> float:
        """Return what is measured of the outputs of a network."""

    @abstractmethod
    def room(self, outputs: Outputs) -> float:
        """Return by how many decibels the errors of a network could grow; less than 0 if they must shrink."""

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


@dataclass(frozen=True)
class Scaled(Demand):
    """One whose distance is found by scaling errors.

    Attributes:
        place: of the output.
    """

    place: int

    @property
    def places(self) -> Collection[int]:
        """The place of its output."""
        return (self.place,)

    @abstractmethod
    def expected(self, outputs: Outputs, scale: float) -> float:
        """Return what is to be expected of a network whose errors are so many times those of these outputs."""

    def room(self, outputs: Outputs) -> float:
        """Return by how many decibels the errors of a network could grow, within those that are looked for."""
        low, high = -WIDEST, WIDEST
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            met = self.met(self.expected(outputs, 10 ** (middle / 20)))
            low, high = (middle, high) if met else (low, middle)
        return low if self.met(self.value(outputs)) else min(low, -MISSED)


@dataclass(frozen=True)
class Right(Scaled):
    """A share of answers that must be right: those of labels, or of the source network.

    Attributes:
        scores: of the source network there, on the held-out samples and behind them on others.
        right: the class of each sample that is right.
        allowed: the share of them that may be lost.
    """

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
        """Return what must hold on every so manieth of the samples that are held out; the others stay.

        The source network may be right on more of these, or fewer: it is what may be lost that stays.
        """
        scores, right = (torch.cat([x[:held:stride], x[held:]]) for x in (self.scores, self.right))
        found = self.scores.argmax(1) == self.right
        least = self.least - _mean(found[:held]) + _mean(found[:held:stride])
        return replace(self, scores=scores, right=right, least=least)

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
        sources: the outputs of the source network, by their places.
    """

    sources: Mapping[int, Float[Tensor, "batch ..."]]

    @property
    def places(self) -> Collection[int]:
        """The places of its outputs."""
        return self.sources.keys()

    def value(self, outputs: Outputs) -> float:
        """Return what is measured of the outputs of a network."""
        return min(_ratio(source, outputs[place]) for place, source in self.sources.items())

    def room(self, outputs: Outputs) -> float:
        """Return by how many decibels the errors of a network could grow: by those that it has more than enough."""
        return self.value(outputs) - self.least

    def thinned(self, held: int, stride: int) -> "Likeness":  # noqa: ARG002
        """Return what must hold on every so manieth of the samples that are held out."""
        return replace(self, sources={place: x[::stride] for place, x in self.sources.items()})

    def said(self, value: float) -> str:
        """Return a value as people write it."""
        return f"{value:.1f} dB"


@dataclass(frozen=True)
class Losing(Scaled):
    """A loss of the user's own, which must not be larger.

    Attributes:
        source: the output of the source network.
        target: what the loss compares with.
        loss: the function.
    """

    source: Float[Tensor, "batch ..."]
    target: Tensor
    loss: Loss

    def value(self, outputs: Outputs) -> float:
        """Return what is measured of the outputs of a network."""
        return self.lost(outputs[self.place])

    def expected(self, outputs: Outputs, scale: float) -> float:
        """Return what is to be expected of errors so many times as large."""
        return self.lost(self.source + scale * (outputs[self.place] - self.source))

    def lost(self, output: Float[Tensor, "batch ..."]) -> float:
        """Return the loss of an output.

        Raises:
            ConversionError: if the function returns no single number.
        """
        found = self.loss(output, self.target)
        if isinstance(found, Tensor) and found.numel() != 1:
            raise ConversionError(
                f"the loss of a goal must be one number, the mean over all samples, got {list(found.shape)}: "
                "reduction='mean'"
            )
        return float(found)

    def thinned(self, held: int, stride: int) -> "Losing":  # noqa: ARG002
        """Return what must hold on every so manieth of the samples that are held out: it may rise by as much."""
        few = replace(self, source=self.source[::stride], target=self.target[::stride])
        return replace(few, least=self.least - self.lost(self.source) + few.lost(few.source))

    def met(self, value: float) -> bool:
        """Tell whether a value is as it must be: no larger."""
        return value <= self.least

    def said(self, value: float) -> str:
        """Return a value as people write it."""
        return f"{value:.4g}"


def _mean(right: Tensor) -> float:
    return float(right.double().mean())


def _ratio(source: Tensor, own: Tensor) -> float:
    sums = noise(torch.ones(()), source, own)
    return decibels(sums.signal, sums.error)
