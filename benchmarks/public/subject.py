"""What is measured of a trained network: its data, and the measure of its task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Answers = Callable[..., Any]
"""A network, source or spiking, as a function of its inputs."""

Measured = dict[str, float]
"""Figures by identifier, which ends in the unit where there is one; page.py has the words for them."""


@dataclass(frozen=True)
class Samples:
    """Data of a network: batches to calibrate with, and other inputs ``[batch, *shape]`` to measure with.

    Attributes:
        calibration: batches of inputs.
        inputs: to measure with.
        truth: what a right answer would be; None where nothing says it.
    """

    calibration: Sequence[tuple[Tensor, ...]]
    inputs: tuple[Tensor, ...]
    truth: Tensor | None = None


def share(right: Tensor) -> float:
    """Return how many of some conditions hold, in per cent."""
    return 100 * float(right.double().mean())


def asked_once(network: Answers, data: Samples) -> tuple[Tensor, ...]:
    """Return the answers of a network to all inputs."""
    given = network(*data.inputs)
    return (given,) if isinstance(given, Tensor) else tuple(given)


@dataclass(frozen=True)
class Subject:
    """A trained network of others.

    Attributes:
        name: an identifier, under which its figures are kept.
        title: what people call it.
        origin: the package or file that its weights are from.
        task: what it does, and what it is measured on.
        build: makes it, with its weights.
        samples: makes its data.
        measure: of the answers of one network.
        compare: of the answers of both, the source's first.
        answer: asks a network, if not once for all inputs.
    """

    name: str
    title: str
    origin: str
    task: str
    build: Callable[[], nn.Module]
    samples: Callable[[], Samples]
    measure: Callable[[Sequence[Tensor], Samples], Measured]
    compare: Callable[[Sequence[Tensor], Sequence[Tensor]], Measured]
    answer: Callable[[Answers, Samples], tuple[Tensor, ...]] = asked_once
