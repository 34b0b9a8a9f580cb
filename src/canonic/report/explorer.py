"""What the explorer of a report shows: for a few samples the spikes of every layer and the readout at every step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite

import torch
from torch import Tensor

from canonic.codes import text_of
from canonic.errors import DataError
from canonic.network import SpikingNetwork
from canonic.network.batch import parted
from canonic.network.graph import Node, Population
from canonic.network.inputs import checked
from canonic.network.outputs import Output, output_called
from canonic.network.readout import by_step
from canonic.network.reference import reference
from canonic.neurons import Scan
from canonic.report.inputs import Picture, picture_of
from canonic.report.sheets import pack, part, ranks, sheet
from canonic.report.shown import ExplorerData, Layer, Shown
from canonic.report.watched import Neuron, watched
from canonic.words import counted

NEURONS = 4096
"""Neurons of a layer that are shown at most."""

ROOM = 2_000_000
"""Bytes of all shown events: a report stays below 5 MB."""

OUTPUTS = 12
"""Elements of the output that are shown at most."""


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
        DataError: if a sample does not fit the network, or the names are not as many as the elements.
    """
    outputs, place = outputs_named(snn, classes, output), output_called(snn.graph, output) or 0
    given = list(samples)
    limit = _limit(snn, len(given))
    layers = tuple(_layer(snn, node, limit) for node in snn.graph.populations)
    shown = tuple(_shown(snn, layers, place, sample) for sample in given)
    first, node = _first_answer(snn, place), snn.graph[snn.graph.outputs[place]]
    answers = classifies and len(node.shape) == 1
    return ExplorerData(snn.total_steps, first, layers, shown, outputs, tuple(classes), answers)


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


def _limit(snn: SpikingNetwork, samples: int) -> int:
    """Return how many neurons of a layer are shown at most: a byte holds five events of one size, or one."""
    codes = [snn.plan.codes[node.name] for node in snn.graph.populations]
    cost = sum(code.steps / 5 if len(code.alphabet.magnitudes) == 1 else code.steps for code in codes)
    return max(16, min(NEURONS, int(ROOM / max(1, samples * cost))))


def _layer(snn: SpikingNetwork, node: Population, limit: int) -> Layer:
    code = snn.plan.codes[node.name]
    return Layer(
        name=node.name,
        code=node.neurons.rule.name if node.neurons.rule else text_of(code),
        first=snn.graph.first_steps[node.name],
        silent=node.silent,
        weights=code.weights,
        norms=code.norms,
        magnitudes=tuple(sorted(code.alphabet.magnitudes)),
        largest=code.nominal,
        neurons=node.size,
        sheet=sheet(node.shape, limit),
    )


def _shown(snn: SpikingNetwork, layers: Sequence[Layer], place: int, sample: object) -> Shown:
    activations: dict[str, Tensor] = {}
    events: dict[str, Tensor] = {}
    few: dict[str, tuple[Neuron, ...]] = {}

    def keep_source(node: Node, _: Sequence[Tensor], activation: Tensor) -> None:
        if isinstance(node, Population):
            activations[node.name] = activation

    def keep(node: Node, given: Sequence[Tensor], result: Scan | Tensor) -> None:
        if isinstance(node, Population) and isinstance(result, Scan):
            events[node.name] = _events(node, result.spikes[:, 0].cpu())
            few[node.name] = watched(snn.layerwise_plan, node, given, result.spikes, activations.get(node.name))

    given = parted(sample, snn.graph.inputs, "a sample")
    alone = [x[None] if isinstance(x, Tensor) else x for x in given.inputs]
    inputs = checked(snn.graph, alone, "a sample")
    with torch.no_grad():
        source = None if snn.plan.stepwise else reference(snn.graph, inputs, keep_source)[place].cpu().flatten()
        readout = by_step(snn.clocked_plan, snn.layerwise_plan, inputs, keep)[place].cpu()
    steps = readout.reshape(len(readout), -1)[_first_answer(snn, place) - 1 :]
    label = _label(given.labels)
    answers = tuple(int(step.argmax()) for step in steps)
    told = None if source is None else int(source.argmax())
    outputs = _most_telling(steps[-1], [*(one for one in (label, told) if one is not None), *reversed(answers)])
    return Shown(
        label=label,
        picture=_picture(snn, inputs),
        events=_packed(layers, events),
        watched=tuple(few[layer.name] for layer in layers),
        positive=tuple(_counted(events[layer.name] > 0) for layer in layers),
        negative=tuple(_counted(events[layer.name] < 0) for layer in layers),
        outputs=outputs,
        readout=tuple(_rounded(step[list(outputs)]) for step in steps),
        source=None if source is None else _rounded(source[list(outputs)]),
        answers=answers,
        source_answer=told,
    )


def _events(node: Population, spikes: Tensor) -> Tensor:
    """Return the digits of a population as events of its alphabet; by a rule all are alike, and membranes none."""
    rule = node.neurons.rule
    return spikes if rule is None else spikes.sign() if rule.fires else torch.zeros_like(spikes)


def _packed(layers: Sequence[Layer], events: Mapping[str, Tensor]) -> str:
    parts = [part(layer.sheet, ranks(events[layer.name], layer.magnitudes)) for layer in layers]
    return pack(parts, [len(layer.magnitudes) for layer in layers])


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


def _rounded(values: Tensor) -> tuple[float | None, ...]:
    """Return numbers with five digits, which is what a chart can show; None is none that is finite."""
    return tuple(float(f"{value:.5g}") if isfinite(value) else None for value in values.tolist())
