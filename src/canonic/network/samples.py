"""The samples that a pass over data keeps: some of all, evenly spaced, the same for any number of processes.

Which ones depends on their places alone: place = (number of the batch) * (size of the first batch) + (position in
the batch), the number of the sample where batches are of one size. Those at multiples of a stride are kept, and the
stride doubles as often as there are too many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.cluster import Workers
from canonic.network.graph import Graph

Place = tuple[int, int]
"""The number of a sample's batch, and its place: the order of samples, also where batches of several sizes overlap."""


@dataclass(frozen=True)
class Samples:
    """Some samples of a stream.

    Attributes:
        every: the size of the first batch.
        capacity: how many are kept at most.
        stride: the distance between their places, a power of two.
        places: of each sample, in order.
        inputs: the samples; empty before the first.
    """

    every: int
    capacity: int
    stride: int = 1
    places: tuple[Place, ...] = ()
    inputs: tuple[Shaped[Tensor, "samples ..."], ...] = ()

    def add(self, number: int, batch: Sequence[Shaped[Tensor, "batch ..."]]) -> "Samples":
        """Return these and those of another batch, as far as they are kept."""
        start = number * self.every
        positions = range(-start % self.stride, len(batch[0]), self.stride)
        chosen = [x[positions.start :: self.stride] for x in batch]
        inputs = tuple(torch.cat(pair) for pair in zip(self.inputs, chosen, strict=True)) if self.inputs else chosen
        places = (*self.places, *((number, start + position) for position in positions))
        more = replace(self, places=places, inputs=tuple(inputs))
        return more.thinned(_stride(more.places, self.stride, self.capacity))

    def thinned(self, stride: int) -> "Samples":
        """Return those that are kept with a larger stride."""
        if stride == self.stride:
            return self
        kept = [index for index, (_, place) in enumerate(self.places) if place % stride == 0]
        places = tuple(self.places[index] for index in kept)
        return replace(self, stride=stride, places=places, inputs=tuple(x[kept] for x in self.inputs))


def capacity(graph: Graph, most: int, size: int) -> int:
    """Return how many samples to keep: so few that a layer of them takes at most this many bytes a step."""
    return max(1, min(most, size // (4 * max(node.size for node in graph.nodes))))


def merged(samples: Samples, workers: Workers) -> Samples:
    """Return the samples that one process alone would have kept, in order."""
    if workers.world == 1:
        return samples
    told = workers.gathered((samples.stride, samples.places))
    everywhere = [place for _, places in told for place in places]
    stride = _stride(everywhere, max(stride for stride, _ in told), samples.capacity)
    mine = samples.thinned(stride)  # before the pictures themselves travel
    parts = [part for part in workers.gathered((mine.places, [x.cpu() for x in mine.inputs])) if part[0]]
    places = [place for part, _ in parts for place in part]
    order = sorted(range(len(places)), key=places.__getitem__)
    inputs = tuple(torch.cat(pieces)[order] for pieces in zip(*(inputs for _, inputs in parts), strict=True))
    return replace(mine, places=tuple(places[index] for index in order), inputs=inputs)


def _stride(places: Sequence[Place], stride: int, capacity: int) -> int:
    """Return the stride, doubled until it leaves no more than the capacity."""
    while sum(place % stride == 0 for _, place in places) > capacity:
        stride *= 2
    return stride
