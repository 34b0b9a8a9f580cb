"""What an explorer shows, as data: the layers, and what a few samples do in each."""

from dataclasses import asdict, dataclass
from typing import Any

from canonic.report.inputs import Picture
from canonic.report.sheets import Sheet
from canonic.report.watched import Neuron


@dataclass(frozen=True)
class Layer:
    """One population.

    Attributes:
        name: of the population.
        code: its own, with its parameters.
        first: steps before its first digit: digit m leaves at step ``first + m``.
        silent: steps that it listens before.
        weights: of its T digits.
        norms: by which what has arrived is divided.
        magnitudes: of its events, the smallest first.
        largest: the number that its threshold was chosen for, in units of theta.
        neurons: of one sample.
        sheet: which of them are shown.
    """

    name: str
    code: str
    first: int
    silent: int
    weights: tuple[float, ...]
    norms: tuple[float, ...]
    magnitudes: tuple[float, ...]
    largest: float
    neurons: int
    sheet: Sheet


@dataclass(frozen=True)
class Shown:
    """One sample as the network sees and answers it.

    Attributes:
        label: its class; None where it has none.
        picture: of the input, as far as it can be shown.
        events: of all layers, packed; those of a layer are ``[T, shown]``, as ranks among its magnitudes.
        watched: a few neurons of each layer.
        positive: events above zero of each layer (all neurons) at each digit.
        negative: those below zero likewise.
        outputs: which elements of the output are shown.
        readout: those after each step from the first answer on: ``[steps, outputs]``; None where they are not finite,
            as of classes that did not fire when another one answered.
        source: those of the source network; None where there is none.
        answers: index of the largest of all outputs after each step, likewise ``[steps]``.
        source_answer: that of the source network.
    """

    label: int | None
    picture: Picture
    events: str
    watched: tuple[tuple[Neuron, ...], ...]
    positive: tuple[tuple[int, ...], ...]
    negative: tuple[tuple[int, ...], ...]
    outputs: tuple[int, ...]
    readout: tuple[tuple[float | None, ...], ...]
    source: tuple[float | None, ...] | None
    answers: tuple[int, ...]
    source_answer: int | None


@dataclass(frozen=True)
class ExplorerData:
    """The layers, and what a few samples do in each.

    Attributes:
        total_steps: until the last digit of the answer.
        first_answer: the step of its first digit.
        layers: in order of computation.
        samples: in the order in which they were given.
        outputs: elements of the output.
        classes: their names; empty if they have none.
        classifies: the largest output is the answer.
    """

    total_steps: int
    first_answer: int
    layers: tuple[Layer, ...]
    samples: tuple[Shown, ...]
    outputs: int
    classes: tuple[str, ...]
    classifies: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)
