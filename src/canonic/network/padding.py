"""Nodes that are taken out before a network is fused: those that change nothing, and padding before a convolution."""

from dataclasses import replace

import torch

from canonic.network.graph import Graph, Node
from canonic.network.inputs import analog


def without_idle(graph: Graph) -> Graph:
    """Return the graph without paddings of nothing and scales of one; an output stays.

    So does a scale of an input, which may be what makes floats of bytes.
    """
    kept, known, first = [], dict[str, str](), analog(graph, lambda node: "weight" not in node.tensors)
    for node in graph.nodes:
        given = replace(node, inputs=tuple(known.get(name, name) for name in node.inputs))
        scales = _keeps(graph, node) and node.inputs[0] not in first
        if node.name not in graph.outputs and (_amounts(node) == (0, 0, 0, 0) or scales):
            known[node.name] = given.inputs[0]
        else:
            kept.append(given)
    return replace(graph, nodes=tuple(kept))


def with_margins(graph: Graph, convolution: Node) -> Node:
    """Return a convolution that reads what the padding before it reads, with "margins": left, right, top and bottom."""
    source = graph[convolution.inputs[0]]
    if (amounts := _amounts(source)) is None:
        return convolution
    return replace(convolution, inputs=source.inputs).with_tensors(margins=torch.tensor(amounts))


def _keeps(graph: Graph, node: Node) -> bool:
    """Whether a node is a scale of one, as in a network of whole numbers where the grid takes a scale up."""
    plain = node.is_scale and "bias" not in node.tensors and not (node.rounds or node.alone)
    same = plain and graph[node.inputs[0]].shape == node.shape
    return same and bool((node.tensors["weight"] == 1).all())


def _amounts(node: Node) -> tuple[int, ...] | None:
    """Return the zeros that a node puts around pictures; None if it does anything else."""
    given = node.arguments
    if "pads" not in node.traits or node.alone or node.tensors or given.get("mode", "constant") != "constant":
        return None
    amounts = tuple(given["pad"])
    plain = len(node.shape) == 3 and len(amounts) <= 4 and min(amounts) >= 0 and not given.get("value")
    return (*amounts, 0, 0, 0, 0)[:4] if plain else None
