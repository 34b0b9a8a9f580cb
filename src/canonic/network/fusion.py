"""What a population can do while it integrates: add up its terms, scale those that are spikes, compute a convolution.

    I = W * x_1 + w_2 x_2    a residual block: its convolution, and the spikes of its shortcut

Written by themselves, the convolution, the scale and the sum each read and write the currents of all steps; fused, only
the spikes are read.
"""

from dataclasses import replace

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.network.convolution import takes
from canonic.network.graph import Graph, Node, Population
from canonic.network.grids import largest_sum
from canonic.network.inputs import prototype
from canonic.network.padding import with_margins, without_idle
from canonic.network.plan import Plan
from canonic.network.pooling import poolable
from canonic.network.population import ceiling_of, per_channel
from canonic.network.products import DENSE, DEPTHWISE, depthwise, kind_of, prepared
from canonic.neurons import saturation

Source = tuple[str, Node | None]
"""A stream, and the scale that it goes through."""


def fuse(plan: Plan) -> Plan:
    """Return the plan with sums, scales and convolutions taken into the populations that alone read them."""
    plan = replace(plan, graph=without_idle(plan.graph))
    graph = plan.graph
    terms = {n.name: _terms(graph, n.inputs[0]) for n in graph.populations if n.neurons.css}
    read = (_reading(node, terms[node.name]) if node.name in terms else node for node in graph.nodes)
    nodes = tuple(_behind(plan, node) if isinstance(node, Population) else node for node in read)
    needed, kept = set(graph.outputs) | set(graph.inputs), []
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(node.inputs)
            kept.append(node)
    return replace(plan, graph=_with_small_spikes(replace(graph, nodes=tuple(reversed(kept)))))


def _with_small_spikes(graph: Graph) -> Graph:
    """Return the graph with spikes of 8 bits, which hold them exactly, where readers make floats of them."""
    if prototype(graph).dtype != torch.float32:
        return graph
    return graph.map_populations(lambda node: replace(node, small=_leaves_small(graph, node)))


def _leaves_small(graph: Graph, node: Population) -> bool:
    css = node.neurons.css
    return css is not None and _reads_small(graph, node.name, css)


def _reads_small(graph: Graph, name: str, code: CSS) -> bool:
    """Whether all that read a stream take spikes of 8 bits: populations, matrices, and what passes them on to these.

    The digits of a maximum are whole where beta is, and no larger than those of what it is taken of.
    """
    readers = graph.consumers[name]
    return name not in graph.outputs and all(
        isinstance(reader, Population)
        or (reader.weighted and not reader.alone)
        or (_passes_on(reader, code) and _reads_small(graph, reader.name, code))
        for reader in readers
    )


def _passes_on(node: Node, code: CSS) -> bool:
    """Whether digits that are whole come out of a node as whole ones, and in the type in which they came."""
    moves = node.scaling == "moves" and len(node.inputs) == 1 and not node.tensors
    return moves or (poolable(node) and code.beta % 1 == 0)


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
    if node.rounds:  # spikes times whole numbers need no rounding
        weight = node.tensors["weight"]
        plain = plain and isinstance(graph[node.inputs[0]], Population) and bool((weight == weight.round()).all())
    return (node.inputs[0], node) if plain and _read_once(graph, name) else (name, None)


def _read_once(graph: Graph, name: str) -> bool:
    return name not in graph.outputs and len(graph.consumers[name]) == 1


def _is_sum(graph: Graph, node: Node) -> bool:
    same = all(graph[name].shape == node.shape for name in node.inputs)
    return "adds" in node.traits and len(node.inputs) == 2 and same and node.arguments.get("alpha", 1) == 1


def _reading(node: Node, terms: tuple[Source, ...]) -> Node:
    scales = {f"scale {i}": scale.tensors["weight"] for i, (_, scale) in enumerate(terms) if scale is not None}
    return replace(node, inputs=tuple(name for name, _ in terms)).with_tensors(**scales)


def _behind(plan: Plan, node: Population) -> Population:
    """Return a population with the largest convolution among its terms taken in, where a program can compute it.

    Streams that come whole, in one step, are multiplied once anyway.
    """
    if (code := node.neurons.css) is None:
        return node
    ready = [
        (index, source)
        for index, source in enumerate(map(plan.graph.__getitem__, node.inputs))
        if f"scale {index}" not in node.tensors
        and source.inputs
        and source.inputs[0] not in plan.whole
        and takes(source, code)
        and _worth_it(source, code, plan.graph.levels[1])
        and _read_once(plan.graph, source.name)
    ]
    own = per_channel(node, ceiling_of(node, code))
    if plan.bias != "first" or not ready or not own or not _holds(plan.graph, node, code):
        return node
    index, largest = max(ready, key=lambda found: found[1].tensors["weight"].numel())
    largest = with_margins(plan.graph, largest)
    inputs = (largest.inputs[0], *node.inputs[:index], *node.inputs[index + 1 :])
    scales = [node.tensors.get(f"scale {old}") for old in range(len(node.inputs)) if old != index]
    moved = {f"scale {new}": scale for new, scale in enumerate(scales, 1) if scale is not None}
    others = {name: tensor for name, tensor in node.tensors.items() if not name.startswith("scale ")}
    return replace(
        node, inputs=inputs, tensors=others | moved, convolution=prepared(largest, code, plan.graph.levels[1])
    )


def _worth_it(convolution: Node, code: CSS, levels: int) -> bool:
    """Whether one program is faster than products of torch's and a population's (measured: docs/performance.md).

    Digits of many levels are often events: lists gain little then, and lose for one digit alone.
    """
    if depthwise(convolution):
        return kind_of(convolution, code, levels) == DEPTHWISE
    if levels == 1 or kind_of(convolution, code, levels) >= DENSE:
        return True
    return "unit" not in convolution.tensors and code.steps > 1


def _holds(graph: Graph, node: Population, code: CSS) -> bool:
    """Whether no membrane of an integer network can saturate in the silent steps, which a program takes at once."""
    if "threshold" not in node.tensors or code.silent == 0:
        return True
    start = float(node.tensors["start"].abs().max()) if "start" in node.tensors else 0.0
    scales = [node.tensors.get(f"scale {index}") for index in range(len(node.inputs))]
    reach = sum(_reach(graph, graph[name], scale) for name, scale in zip(node.inputs, scales, strict=True))
    grown = sum(code.beta**step for step in range(code.silent))
    return bool(grown * reach + code.beta**code.silent * start <= saturation(code))


def _reach(graph: Graph, source: Node, scale: Tensor | None) -> float:
    """Return the largest number that a stream of an integer network can hold, where that is easily known."""
    if source.scaling == "moves":
        return max(_reach(graph, graph[name], scale) for name in source.inputs)
    factor = 1.0 if scale is None else float(scale.abs().max())
    levels = float(graph.levels[1])
    if isinstance(source, Population):
        return levels * factor
    if "unit" not in source.tensors:  # it reads no spikes
        return float("inf")
    return largest_sum(source, levels) * factor
