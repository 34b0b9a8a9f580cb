"""Calibration: run the source network over the data and keep a histogram for each population."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from canonic.conversion.histogram import Histogram, empty, update
from canonic.errors import ConversionError
from canonic.network.graph import Graph, Node
from canonic.network.inputs import batches
from canonic.network.reference import reference
from canonic.network.weights import channel_axis
from canonic.progress import track


@dataclass(frozen=True)
class Calibration:
    """What a pass over the calibration data leaves: its size does not depend on the amount of data.

    Attributes:
        histograms: of the activations of each population.
        samples: how many were seen.
        kept: the inputs of some of them, evenly spaced.
    """

    histograms: Mapping[str, Histogram]
    samples: int
    kept: tuple[Tensor, ...]


def calibrate(graph: Graph, data: Iterable[Any], *, progress: bool) -> Calibration:
    """Run the source network over the data.

    Raises:
        DataError: if a batch does not fit the model or is not finite.
    """
    seen: dict[str, Histogram] = {}
    axes = {node.name: population_axis(graph, node) for node in graph.populations}

    def observe(node: Node, given: Sequence[Tensor], _: Tensor) -> None:
        if node.neurons is None:
            return
        x = given[0]
        if not bool(x.isfinite().all()):
            raise ConversionError(
                f"the activations of {node.name} are not finite: the weights hold NaN or infinity, or overflow on the "
                "calibration data; look for a diverged training"
            )
        values = x.abs() if node.neurons.signed else x
        by_channel = values.movedim(axes[node.name] + 1, 0).flatten(1)
        seen[node.name] = update(seen.get(node.name) or empty(len(by_channel), by_channel), by_channel)

    kept: list[Tensor] = []
    samples, stride, capacity = 0, 1, sample_capacity(graph)
    with torch.no_grad():
        for batch in track(batches(graph, data, "calibration"), "calibrate", shown=progress, total=_length(data)):
            reference(graph, batch, observe)
            fresh = [x[-samples % stride :: stride] for x in batch]
            kept = [torch.cat(pair) for pair in zip(kept, fresh, strict=True)] if kept else fresh
            while len(kept[0]) > capacity:
                kept, stride = [x[::2] for x in kept], 2 * stride
            samples += len(batch[0])
    return Calibration(seen, samples, tuple(kept))


def with_ranges(graph: Graph, inputs: Sequence[Tensor]) -> Graph:
    """Return the graph with the largest absolute value of each real input: the range of an integer network's."""
    ranges = {
        name: {"largest": float(x.abs().max())}
        for name, x in zip(graph.inputs, inputs, strict=True)
        if x.is_floating_point()
    }
    nodes = (replace(node, arguments={**node.arguments, **ranges.get(node.name, {})}) for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def sample_capacity(graph: Graph) -> int:
    """Return how many samples to keep: at most 256, and so few that a layer of them takes at most 64 MiB a step."""
    return max(1, min(256, 2**26 // (4 * max(node.size for node in graph.nodes))))


def population_axis(graph: Graph, node: Node) -> int:
    """Return the axis of a sample that holds the channels of a population.

    That of the matrix or kernel which reads it, as its weights take up the thresholds; else of the one that feeds it.
    """
    for reader in graph.consumers[node.name]:
        if reader.weighted and reader.scaling == "weighs" and len(reader.shape) == len(node.shape):
            return channel_axis(reader)
    source = graph[node.inputs[0]]
    while source.inputs and source.shape == node.shape and not (source.weighted and source.scaling == "weighs"):
        source = graph[source.inputs[0]]
    return channel_axis(source) if source.shape == node.shape else 0


def _length(calibration: object) -> int | None:
    try:
        return len(calibration)  # type: ignore[arg-type]
    except TypeError:
        return None
