"""What a population can do while it integrates: add up its terms, and scale those that are spikes.

    I = x_1 + w_2 x_2        a residual block: the current of its convolution, and the spikes of its shortcut

Written by themselves, the scale and the sum each read and write the currents of all steps; fused, only x_2 is read.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.network.graph import Graph, Node, Plan
from canonic.neurons import Scan, fused_scan, total

Source = tuple[str, Node | None]
"""A stream, and the scale that it goes through."""


def fuse(plan: Plan) -> Plan:
    """Return the plan with sums and scales taken into the populations that alone read them."""
    graph = plan.graph
    terms = {node.name: _terms(graph, node.inputs[0]) for node in graph.populations}
    nodes = tuple(_reading(node, terms[node.name]) if node.name in terms else node for node in graph.nodes)
    needed, kept = set(graph.outputs) | set(graph.inputs), []
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(node.inputs)
            kept.append(node)
    return replace(plan, graph=replace(graph, nodes=tuple(reversed(kept))))


def _terms(graph: Graph, name: str) -> tuple[Source, ...]:
    """Return the terms of a stream; the stream itself where others need it too."""
    node = graph[name]
    if _is_sum(graph, node) and _read_once(graph, name):
        return (*_terms(graph, node.inputs[0]), _term(graph, node.inputs[1]))
    return (_term(graph, name),)


def _term(graph: Graph, name: str) -> Source:
    """Return a stream as the one that its scale reads, and that scale, where nothing else needs the product."""
    node = graph[name]
    plain = node.is_scale and "bias" not in node.tensors and graph[node.inputs[0]].shape == node.shape
    return (node.inputs[0], node) if plain and _read_once(graph, name) else (name, None)


def _read_once(graph: Graph, name: str) -> bool:
    return name not in graph.outputs and len(graph.consumers[name]) == 1


def _is_sum(graph: Graph, node: Node) -> bool:
    same = all(graph[name].shape == node.shape for name in node.inputs)
    return node.operator == "aten.add.Tensor" and len(node.inputs) == 2 and same and node.arguments.get("alpha", 1) == 1


def _reading(node: Node, terms: tuple[Source, ...]) -> Node:
    scales = {f"scale {i}": scale.tensors["weight"] for i, (_, scale) in enumerate(terms) if scale is not None}
    return replace(node, inputs=tuple(name for name, _ in terms)).with_tensors(**scales)


def population_scan(
    node: Node,
    streams: Sequence[Tensor],
    code: CSS,
    dtype: torch.dtype | None = None,
    *,
    compiled: bool = False,
    counted: bool = False,
) -> Scan:
    """Return what a population does with the streams of its terms: ``[time, batch, *shape]``.

    Args:
        node: the population.
        streams: the terms of its current.
        code: to run it with.
        dtype: of the spikes; that of the first term if None.
        compiled: as for ``fused_scan``.
        counted: count the spikes of each neuron, where that costs little.
    """
    signed = node.neurons is not None and node.neurons.signed
    names = [f"scale {index}" for index in range(len(streams))]
    vectors = {name: node.tensors.get(name) for name in (*names, "start", "threshold")}
    pictures = streams[0].dim() == 5
    shared = all(v is None or v.numel() == 1 or v.shape[-2:] == (1, 1) for v in vectors.values())
    size = node.shape[0] if pictures and shared else node.size
    laid = {name: _vector(v, node.shape, pictures, size) for name, v in vectors.items()}
    terms = [(_rows(stream, pictures, size), laid[name]) for name, stream in zip(names, streams, strict=True)]
    spikes, overloads, fired = fused_scan(
        code,
        terms,
        dtype or streams[0].dtype,
        signed=signed,
        start=laid["start"],
        theta=laid["threshold"],
        compiled=compiled,
        neurons=node.size if counted else None,
    )
    inner = (*node.shape[1:], node.shape[0]) if pictures else node.shape
    whole = spikes.view(code.steps, streams[0].shape[1], *inner)
    if fired is not None:
        events = fired.events.view(inner)
        fired = fired._replace(events=events.movedim(-1, 0) if pictures else events)
    return Scan(whole.movedim(-1, 2) if pictures else whole, overloads, fired)


def current(node: Node, streams: Sequence[Tensor]) -> Tensor:
    """Return the current of a population, the sum of its terms."""
    return total([(stream, node.tensors.get(f"scale {index}")) for index, stream in enumerate(streams)])


def _rows(stream: Tensor, last: bool, size: int) -> Tensor:
    """Return a stream as rows of memory; pictures with their channels last, as the convolutions leave them."""
    return (stream.movedim(2, -1) if last else stream).reshape(len(stream), -1, size)


def _vector(vector: Tensor | None, shape: tuple[int, ...], last: bool, size: int) -> Tensor | None:
    """Return what belongs to each neuron, or to each channel if a row holds no more, in the same layout."""
    if vector is None or size < prod(shape):
        return vector if vector is None else vector.reshape(-1).expand(size)
    whole = vector.expand(shape)
    return (whole.movedim(0, -1) if last else whole).reshape(-1)
