"""Local threshold balancing: thresholds grow by what they clip, layer behind layer (arXiv 2409.03368).

    theta <- theta + 2 mean(relu(x - theta)),        passed on: min(relu(x), theta)

for every channel and batch, from theta = 0. Thresholds grow until next to nothing is clipped, so the number of batches
belongs to the rule. Batches are of the samples that calibration keeps, as often as it takes: how the data came in
batches, and to which process, changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import cycle, islice

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.conversion.channels import by_channel, population_axis
from canonic.network.graph import Graph, Population
from canonic.network.reference import activate, reference

ROUNDS = 400
"""Times that each threshold grows; 390 in the authors' example for ImageNet, as SpikingJelly has it."""

BATCH = 8
"""Samples at once; a mean over more hardly differs."""


def balanced(
    graph: Graph, inputs: Sequence[Shaped[Tensor, "batch ..."]], names: Collection[str]
) -> Mapping[str, Float[Tensor, " channels"]]:
    """Return the largest number that these populations are made for, by channel; 0 where none was positive.

    What the other populations pass on is not clipped. Of a population that sends numbers of either sign, absolute
    values count.
    """
    axes = {name: population_axis(graph, graph[name]) for name in names}
    found: dict[str, Tensor] = {}

    def clipped(node: Population, x: Tensor) -> Tensor:
        value = activate(node, x)
        if node.name not in axes:
            return value
        axis = axes[node.name]
        seen = by_channel(value.abs(), axis)
        theta = found.get(node.name, seen.new_zeros(len(seen)))
        found[node.name] = theta = theta + 2 * (seen - theta[:, None]).clamp(min=0).mean(1)
        most = theta if axis is None else theta.reshape(-1, *[1] * (value.dim() - axis - 2))
        return value.clamp(-most, most)

    batches = list(zip(*(torch.split(x, BATCH) for x in inputs), strict=True))
    with torch.no_grad():
        for batch in islice(cycle(batches), ROUNDS if names else 0):
            reference(graph, batch, population=clipped)
    return found
