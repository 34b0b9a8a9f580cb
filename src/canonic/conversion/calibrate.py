"""Calibration: run the source network over the data and keep a histogram for each population."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import count
from operator import add
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from canonic.cluster import ALONE, Workers
from canonic.codes import EITHER_SIGN
from canonic.conversion.channels import population_axis
from canonic.conversion.histogram import Histogram, empty, update
from canonic.conversion.histogram import merged as merge_histograms
from canonic.datasets.digests import Digest, digest_of
from canonic.errors import ConversionError, DataError
from canonic.network.graph import Graph, Node, Population
from canonic.network.inputs import batches, channels_last, prototype
from canonic.network.reference import reference
from canonic.network.samples import Samples, capacity
from canonic.network.samples import merged as merge_samples
from canonic.progress import track
from canonic.words import counted


@dataclass(frozen=True)
class Calibration:
    """What a pass over the calibration data leaves: its size does not depend on the amount of data.

    Attributes:
        histograms: of the activations of each population.
        digest: of all samples that were seen.
        kept: the inputs of some of them, evenly spaced.
    """

    histograms: Mapping[str, Histogram]
    digest: Digest
    kept: tuple[Tensor, ...]


def calibrate(
    graph: Graph, data: Iterable[Any], *, first: int, group: Workers = ALONE, progress: bool = False
) -> Calibration:
    """Run the source network over the data; each process takes a share, and all get the same result.

    Args:
        graph: of the source network.
        data: batches of inputs, the same in every process.
        first: size of the first batch.
        group: the processes that share the batches.
        progress: show a progress bar, on a terminal.

    Raises:
        DataError: if a batch does not fit the model or is not finite, or the data end before their length.
        ConversionError: if an activation is not finite.
        ClusterError: if a process was lost.
    """
    mine = group.share(data)
    local = _Pass(graph, Samples(first, capacity(graph, 256, 2**26)))
    numbered = zip(
        count(group.rank, group.world),
        track(
            batches(graph, mine, "calibration", group.rank, group.world),
            "calibrate",
            shown=progress and group.first,
            total=_length(mine),
        ),
        strict=False,
    )
    told = group.together(lambda: local.over(numbered))
    require_all(data, sum(part.batches for part in told))
    like = prototype(graph)
    channels = next((part.channels for part in told if part.channels), {})
    histograms = {
        name: merge_histograms(local.histograms.get(name) or empty(size, like), group)
        for name, size in channels.items()
    }
    kept = merge_samples(local.kept, group).inputs
    digest = reduce(add, (part.digest for part in told))
    return Calibration(histograms, digest, tuple(channels_last(x.to(like.device)) for x in kept))


@dataclass(frozen=True)
class _Told:
    """What a process tells the others of its share."""

    batches: int
    digest: Digest
    channels: Mapping[str, int]


@dataclass
class _Pass:
    """What one process sees of the calibration data."""

    graph: Graph
    kept: Samples
    histograms: dict[str, Histogram] = field(default_factory=dict)

    def over(self, numbered: Iterable[tuple[int, Sequence[Tensor]]]) -> _Told:
        axes = {node.name: population_axis(self.graph, node) for node in self.graph.populations}

        def observe(node: Node, given: Sequence[Tensor], _: Tensor) -> None:
            if not isinstance(node, Population):
                return
            values, axis = _finite(node, given[0]), axes[node.name]
            channels = 1 if axis is None else node.shape[axis]
            seen = self.histograms.get(node.name) or empty(channels, values)
            self.histograms[node.name] = update(seen, values, axis)

        seen, digest = 0, Digest()
        with torch.no_grad():
            for number, batch in numbered:
                reference(self.graph, batch, observe)
                self.kept = self.kept.add(number, batch)
                seen, digest = seen + 1, digest + digest_of(batch)
        return _Told(seen, digest, {name: len(h.span) for name, h in self.histograms.items()})


def require_sendable(node: Population, x: Tensor) -> None:
    """Raise a ConversionError if an input is below zero, and the code that is to send it has no negative event."""
    if node.neurons.encodes and not node.neurons.signed and bool((x < 0).any()):
        name = node.neurons.code.name if node.neurons.code else "of the network"
        raise ConversionError(
            f"the input {node.inputs[0]} has numbers below zero, down to {float(x.min()):.3g}, and the code {name} no "
            f"negative event: give numbers from 0 on, or take {EITHER_SIGN} for the input"
        )


def _finite(node: Population, x: Tensor) -> Tensor:
    """Return the values that a population's code has to reach."""
    require_sendable(node, x)
    if not all(bool(end.isfinite()) for end in x.aminmax()):  # one pass, and no number is written
        raise ConversionError(
            f"the activations of {node.name} are not finite: they overflow on the calibration data; look for a "
            "diverged training, and before it for a batch norm whose statistics are infinite or whose variance is 0"
        )
    return x.abs() if node.neurons.signed else x


def require_all(data: Iterable[Any], seen: int) -> None:
    """Raise if there were fewer batches than the length of the data announces."""
    expected = _length(data)
    guessed = isinstance(data, DataLoader) and isinstance(data.dataset, IterableDataset)
    if expected is not None and seen < expected and not guessed:
        raise DataError(
            f"the calibration data ended after {seen} of {counted(expected, 'batch', 'batches')}: its "
            "__len__ is wrong, or it can be read only once"
        )


def with_ranges(graph: Graph, inputs: Sequence[Tensor]) -> Graph:
    """Return the graph with the largest absolute value of each real input: the range of an integer network's."""
    ranges = {
        name: {"largest": float(x.abs().max())}
        for name, x in zip(graph.inputs, inputs, strict=True)
        if x.is_floating_point()
    }
    nodes = (replace(node, arguments={**node.arguments, **ranges.get(node.name, {})}) for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def _length(calibration: object) -> int | None:
    try:
        return len(calibration)  # type: ignore[arg-type]
    except TypeError:
        return None
