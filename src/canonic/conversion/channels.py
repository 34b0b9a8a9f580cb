"""How many thresholds a population has: one for each channel where all weights that read it take them up, else one.

Weights take up a threshold for each of their input channels. Behind a reshape or a pixel shuffle, or on the other side
of a matrix, thresholds may differ in other places; in units of those the weights would read numbers, and multiply.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.conversion.units import passed
from canonic.network.carried import takes_maxima
from canonic.network.graph import Graph, Node
from canonic.network.weights import absorb, channel_axis


def population_axis(graph: Graph, node: Node) -> int | None:
    """Return the axis of a sample along which the thresholds of a population differ; None if there is one for all.

    That of the matrix or kernel which reads it, as its weights take up the thresholds; else of the one that feeds it.
    """
    axis = _axis(graph, node)
    probe = torch.arange(1, node.shape[axis] + 1, dtype=torch.float64)
    shape = [1] * len(node.shape)
    shape[axis] = -1
    return axis if is_taken_up(graph, {node.name: probe.reshape(shape)}) else None


def by_channel(x: Float[Tensor, "batch ..."], axis: int | None) -> Float[Tensor, "channels values"]:
    """Return the values of a population by channel: along this axis of a sample, or all as one."""
    return x.reshape(1, -1) if axis is None else x.movedim(axis + 1, 0).flatten(1)


def is_taken_up(graph: Graph, given: Mapping[str, Tensor]) -> bool:
    """Tell whether weights take up these units of streams, wherever they are moved and pooled to."""
    units = dict(given)
    for node in graph.nodes:
        if node.name in units or not any(name in units for name in node.inputs):
            continue
        if node.weighted and absorb(node, units[node.inputs[0]]) is None:
            return False
        if node.scaling in ("moves", "pools"):
            unit = passed(
                node, [units.get(n, torch.ones(())) for n in node.inputs], [graph[n].shape for n in node.inputs]
            )
            if unit is None and takes_maxima(node):
                return False
            units |= {} if unit is None else {node.name: unit}
    return True


def _axis(graph: Graph, node: Node) -> int:
    for reader in graph.consumers[node.name]:
        if reader.weighted and reader.scaling == "weighs" and len(reader.shape) == len(node.shape):
            return channel_axis(reader)
    source = graph[node.inputs[0]]
    while source.inputs and source.shape == node.shape and not (source.weighted and source.scaling == "weighs"):
        source = graph[source.inputs[0]]
    return channel_axis(source) if source.shape == node.shape else 0
