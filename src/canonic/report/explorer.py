"""What the explorer of a report shows: for a few samples the spikes of every layer and the readout at every step."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from canonic.errors import DataError
from canonic.network import SpikingNetwork
from canonic.network.batch import parted
from canonic.network.graph import Node
from canonic.network.inputs import checked
from canonic.network.outputs import Output, output_called
from canonic.network.readout import by_step
from canonic.network.reference import reference
from canonic.neurons import Scan
from canonic.report.inputs import Picture, picture_of
from canonic.report.sheets import Sheet, pack, part, sheet
from canonic.words import counted

NEURONS = 4096
"""Neurons of a layer that are shown at most."""

DIGITS = 10_000_000
"""Bytes of all shown digits, times five, as so many ternary ones fit into one: a report stays below 5 MB."""

OUTPUTS = 12
"""Elements of the output that are shown at most."""


@dataclass(frozen=True)
class Layer:
    """One population.

    Attributes:
        name: of the population.
        first: steps before its first digit: digit m leaves at step ``first + m``.
        silent: its silent steps k.
        neurons: of one sample.
        sheet: which of them are shown.
    """

    name: str
    first: int
    silent: int
    neurons: int
    sheet: Sheet


@dataclass(frozen=True)
class Shown:
    """One sample as the network sees and answers it.

    Attributes:
        label: its class; None where it has none.
        picture: of the input, as far as it can be shown.
        spikes: of all layers, packed; the digits of a layer are ``[T, shown]``.
        positive: spikes +1 of each layer (all neurons) at each digit.
        negative: spikes -1 likewise.
        outputs: which elements of the output are shown.
        readout: those after each step from the first answer on: ``[steps, outputs]``.
        source: those of the source network.
        answers: index of the largest of all outputs after each step, likewise ``[steps]``.
        source_answer: that of the source network.
    """

    label: int | None
    picture: Picture
    spikes: str
    positive: tuple[tuple[int, ...], ...]
    negative: tuple[tuple[int, ...], ...]
    outputs: tuple[int, ...]
    readout: tuple[tuple[float, ...], ...]
    source: tuple[float, ...]
    answers: tuple[int, ...]
    source_answer: int


@dataclass(frozen=True)
class ExplorerData:
    """The layers, and what a few samples do in each.

    Attributes:
        weights: of the T digits.
        levels: the largest digit.
        total_steps: until the last digit of the answer.
        first_answer: the step of its first digit.
        layers: in order of computation.
        samples: in the order in which they were given.
        outputs: elements of the output.
        classes: their names; empty if they have none.
        classifies: the largest output is the answer.
    """

    weights: tuple[float, ...]
    levels: int
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


def explore(
    snn: SpikingNetwork,
    samples: Iterable[object],
    classes: Sequence[str] = (),
    *,
    output: Output | None = None,
    classifies: bool = True,
) -> ExplorerData:
    """Run a few samples and keep what an explorer shows of them.

    Args:
        snn: the network.
        samples: as batches, but without a batch axis: (x, y), x ``[*shape]``, y a class where it is a whole number.
        classes: a name for each element of the output; numbers are shown if there are none.
        output: the one that is shown, as for ``evaluate``; the first if none is meant.
        classifies: its largest element is the answer, if it is a vector; else its elements are values.

    Raises:
        DataError: if a sample does not fit the network, the names are not as many as the elements, or the network is
            not in CSS from end to end.
    """
    if snn.plan.css is None:
        raise DataError("the explorer shows digits of CSS, and this network is in another code: show its trace instead")
    outputs, place = outputs_named(snn, classes, output), output_called(snn.graph, output) or 0
    given = list(samples)
    levels = snn.graph.levels[1]
    room = DIGITS if levels == 1 else DIGITS // 5
    limit = max(16, min(NEURONS, room // max(1, len(given) * len(snn.graph.populations) * snn.code.steps)))
    layers = tuple(_layer(snn, node, limit) for node in snn.graph.populations)
    shown = tuple(_shown(snn, layers, place, sample) for sample in given)
    first, node = _first_answer(snn, place), snn.graph[snn.graph.outputs[place]]
    answers = classifies and len(node.shape) == 1
    return ExplorerData(
        snn.code.weights, levels, snn.total_steps, first, layers, shown, outputs, tuple(classes), answers
    )


def outputs_named(snn: SpikingNetwork, classes: Sequence[str], output: Output | None = None) -> int:
    """Return the elements of the output that is shown.

    Raises:
        DataError: if there are names, but not as many.
    """
    outputs = snn.graph[snn.graph.outputs[output_called(snn.graph, output) or 0]].size
    if classes and len(classes) != outputs:
        raise DataError(
            f"the network has {counted(outputs, 'output')}, but got {counted(len(classes), 'class name')}: give one "
            "for each"
        )
    return outputs


def _layer(snn: SpikingNetwork, node: Node, limit: int) -> Layer:
    silent = node.neurons.silent if node.neurons else 0
    return Layer(node.name, snn.graph.first_steps[node.name], silent, node.size, sheet(node.shape, limit))


def _shown(snn: SpikingNetwork, layers: Sequence[Layer], place: int, sample: object) -> Shown:
    streams: dict[str, Tensor] = {}

    def keep(node: Node, _: Sequence[Tensor], result: Scan | Tensor) -> None:
        if isinstance(result, Scan):
            streams[node.name] = result.spikes[:, 0].cpu()

    given = parted(sample, snn.graph.inputs, "a sample")
    alone = [x[None] if isinstance(x, Tensor) else x for x in given.inputs]
    inputs = checked(snn.graph, alone, "a sample")
    with torch.no_grad():
        readout = by_step(snn.clocked_plan, snn.layerwise_plan, inputs, keep)[place].cpu()
        source = reference(snn.graph, inputs)[place].cpu().flatten()
    steps = readout.reshape(len(readout), -1)[_first_answer(snn, place) - 1 :]
    label = _label(given.labels)
    answers = tuple(int(step.argmax()) for step in steps)
    outputs = _most_telling(steps[-1], [*([] if label is None else [label]), int(source.argmax()), *reversed(answers)])
    return Shown(
        label=label,
        picture=_picture(snn, inputs),
        spikes=pack([part(layer.sheet, streams[layer.name]) for layer in layers], snn.graph.levels[1]),
        positive=tuple(_counted(streams[layer.name] > 0) for layer in layers),
        negative=tuple(_counted(streams[layer.name] < 0) for layer in layers),
        outputs=outputs,
        readout=tuple(_rounded(step[list(outputs)]) for step in steps),
        source=_rounded(source[list(outputs)]),
        answers=answers,
        source_answer=int(source.argmax()),
    )


def _label(y: object) -> int | None:
    """Return a class; None where there is another label, or none."""
    alone = isinstance(y, Tensor) and not y.is_floating_point() and y.numel() == 1
    return int(y) if isinstance(y, int) or alone else None  # type: ignore[call-overload]


def _picture(snn: SpikingNetwork, inputs: Sequence[Tensor]) -> Picture:
    """Return the input as it can be shown; of several the first, with its name."""
    picture = picture_of(inputs[0][0], snn.record.get("preprocessing", {}))
    if len(inputs) == 1:
        return picture
    name = f"{snn.graph.inputs[0]}, one of {len(inputs)} inputs"
    return replace(picture, note=f"{name}; {picture.note}" if picture.note else name)


def _first_answer(snn: SpikingNetwork, place: int) -> int:
    """Return the step of the first digit of an output."""
    return snn.graph.first_steps[snn.graph.outputs[place]] + 1


def _most_telling(final: Tensor, wanted: Sequence[int]) -> tuple[int, ...]:
    """Return the elements of the output to show, in order: all, or those that are wanted and then the largest."""
    if len(final) <= OUTPUTS:
        return tuple(range(len(final)))
    known = [index for index in wanted if index < len(final)]
    chosen = dict.fromkeys([*known, *final.argsort(descending=True).tolist()])
    return tuple(sorted(list(chosen)[:OUTPUTS]))


def _counted(spikes: Tensor) -> tuple[int, ...]:
    return tuple(spikes.flatten(1).sum(1).tolist())


def _rounded(values: Tensor) -> tuple[float, ...]:
    """Return numbers with five digits, which is what a chart can show."""
    return tuple(float(f"{value:.5g}") for value in values.tolist())
