"""What an evaluation counts: sums over samples only, so that those of several batches or processes add up exactly."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from typing import Any, TypeVar

from jaxtyping import Shaped
from torch import Tensor

from canonic.words import counted

T = TypeVar("T")

Activity = Mapping[str, Shaped[Tensor, "..."]]
"""For some streams, how often each element was not zero, over all digits and samples: the shape of one sample."""


@dataclass(frozen=True)
class Firing:
    """What the neurons of one population did.

    Attributes:
        positive: spikes above zero of each digit.
        negative: spikes below zero of each digit.
        silent: neurons that did not fire for a sample.
        units: the sizes of all spikes added up, in the smallest of their code: their number, where all are alike.
        overloads: neurons that were overloaded, at each digit.
    """

    positive: tuple[int, ...]
    negative: tuple[int, ...]
    silent: int
    units: int
    overloads: tuple[int, ...]

    @property
    def spikes(self) -> int:
        """Spikes of either sign."""
        return sum(self.positive) + sum(self.negative)


@dataclass(frozen=True)
class SourceAnswers:
    """The answers of the source network to the same samples.

    Attributes:
        correct: those that were right.
        top5: labels that were among its five best.
        lost: right there, and wrong in the spiking network after the last step.
        won: wrong there, and right in the spiking network after the last step.
    """

    correct: int
    top5: int
    lost: int
    won: int


@dataclass(frozen=True)
class Answers:
    """The answers of a classifier.

    Attributes:
        labels: answers that a label was given for: one for each sample, or for each place of it.
        correct: answers that were right after each step.
        top5: labels that were among the five best after the last step.
        source: those of the source network; None if there is none.
    """

    labels: int
    correct: tuple[int, ...]
    top5: int
    source: SourceAnswers | None


@dataclass(frozen=True)
class SourceErrors:
    """Sums of squares of an output of the source network, and against it.

    Attributes:
        signal: of the output of the source network.
        noise: of the decoded output less that of the source network, after each step.
        missed: of the output of the source network less the target; 0 for a classifier.
    """

    signal: Fraction
    noise: tuple[Fraction, ...]
    missed: Fraction


@dataclass(frozen=True)
class Errors:
    """Sums of squares of an output; fractions, whose sums do not depend on the order of the batches.

    Attributes:
        elements: numbers in it, of all samples.
        missed: of the decoded output less the target, after the last step; 0 for a classifier.
        source: those of the source network; None if there is none.
    """

    elements: int
    missed: Fraction
    source: SourceErrors | None

    def __repr__(self) -> str:  # a fraction has a thousand digits
        found = self.source
        noise = f", signal {float(found.signal):.4g}, noise {float(found.noise[-1]):.4g}" if found else ""
        return f"Errors({counted(self.elements, 'element')}{noise})"


@dataclass(frozen=True)
class Compared:
    """An output, beside that of the source network if there is one.

    Attributes:
        errors: of its numbers.
        answers: that were compared, of the classes in it; 0 if it is known to hold none, or with nothing.
        agreeing: those that were the same in the source network, after each step; empty likewise.
    """

    errors: Errors
    answers: int
    agreeing: tuple[int, ...]


@dataclass(frozen=True)
class Operations:
    """Operations of one node.

    Attributes:
        additions: ACs that were made, an event of several units being as many unary ones.
        multiplications: MACs that were made.
        dense_additions: ACs, were no number and no weight zero, one an event.
        dense_multiplications: MACs, likewise.
        event_additions: ACs that were made, one an event whatever it carries; less where events differ in size.
        framed: of the ACs those of frames, as long as all that were seen hold nothing but -1, 0 and 1.
        dense_framed: likewise, were no number and no weight zero.
    """

    additions: int = 0
    multiplications: int = 0
    dense_additions: int = 0
    dense_multiplications: int = 0
    event_additions: int = 0
    framed: int = 0
    dense_framed: int = 0

    @property
    def of_numbers(self) -> "Operations":
        """The operations where frames hold other numbers than -1, 0 and 1, which multiply."""
        return Operations(
            self.additions - self.framed,
            self.multiplications + self.framed,
            self.dense_additions - self.dense_framed,
            self.dense_multiplications + self.dense_framed,
            self.event_additions - self.framed,
        )


def settled(operations: Mapping[str, Operations], numbers: int) -> Mapping[str, Operations]:
    """Return operations as they are once so many samples had frames of other numbers than -1, 0 and 1."""
    return {name: made.of_numbers for name, made in operations.items()} if numbers else operations


@dataclass(frozen=True)
class Counts:
    """All sums of an evaluation.

    Attributes:
        samples: how many were seen.
        digest: sum of the hashes of all samples and labels.
        answers: where labels were given that are classes; else None.
        outputs: each output by its identifier, beside that of the source network if there is one.
        firing: of each population.
        calibrated: samples that are known to have calibrated the network, or trained it.
        decided: the steps at which samples were answered, added up; None if all are answered at the last.
        numbers: samples whose frames hold other numbers than -1, 0 and 1.
    """

    samples: int
    digest: int
    answers: Answers | None
    outputs: Mapping[str, Compared]
    firing: Mapping[str, Firing]
    calibrated: int = 0
    decided: int | None = None
    numbers: int = 0


def merged(a: T, b: T) -> T:
    """Return the sum of two counts of any kind: number by number, name by name, field by field; None counts nothing.

    >>> merged({"a": (1, 2)}, {"a": (10, 20)})
    {'a': (11, 22)}
    """
    return _merged(a, b)  # type: ignore[no-any-return]


def _merged(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    if is_dataclass(a):
        return type(a)(**{f.name: _merged(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)})  # type: ignore[misc]
    if isinstance(a, Mapping):
        return {name: _merged(value, b[name]) for name, value in a.items()}
    if isinstance(a, tuple):
        return tuple(_merged(one, other) for one, other in zip(a, b, strict=True))
    return a + b
