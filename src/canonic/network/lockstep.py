"""The source network and the spiking one in lockstep, population by population, on the same inputs.

All samples pass a population before the next one is settled. What lies between two of them is computed for a few
samples at a time, and only what is read later is kept: numbers of the source network, spikes as whole numbers of 8
bits, and the currents of one population.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.codes import CSS
from canonic.network.apply import apply_whole
from canonic.network.graph import Graph, Node, Population
from canonic.network.inputs import prototype
from canonic.network.layerwise import stream_of
from canonic.network.parts import in_parts
from canonic.network.plan import Plan
from canonic.network.reference import activate


class Visit(NamedTuple):
    """What both networks made of one population.

    Attributes:
        node: the population, as it was settled.
        value: its output in the source network, ``[batch, *shape]``.
        stream: its output stream in the spiking network, ``[time, batch, *shape]``.
    """

    node: Population
    value: Float[Tensor, "batch ..."]
    stream: Float[Tensor, "_ batch ..."]


Settle = Callable[[Population, Float[Tensor, "batch ..."], Float[Tensor, "_ batch ..."]], Population]
"""Returns a population as it shall be, from itself, its input in the source network, and its currents."""


class _Both(NamedTuple):
    """A tensor of the source network, ``[batch, ...]``, and one of the spiking network, ``[batch, time, ...]``."""

    value: Tensor
    stream: Tensor


def lockstep(plan: Plan, inputs: Sequence[Tensor], settle: Settle | None = None) -> Iterator[Visit]:
    """Visit all populations in order; each is settled on the streams of those before it."""
    graph, start = plan.graph, 0
    last = {name: place for place, node in enumerate(graph.nodes) for name in node.inputs}
    seen = {name: _Both(x, x.unsqueeze(1)) for name, x in zip(graph.inputs, inputs, strict=True)}
    for place, node in enumerate(graph.nodes):
        if not isinstance(node, Population):
            continue
        between = [other for other in graph.nodes[start:place] if other.kind != "input"]
        seen |= _between(plan, between, seen, [n.name for n in between if last.get(n.name, 0) >= place])
        given, start = seen[node.inputs[0]], place + 1
        seen = {name: both for name, both in seen.items() if last.get(name, 0) > place}
        node = settle(node, given.value, given.stream.movedim(1, 0)) if settle else node
        seen[node.name] = found = _sent(plan, node, given)
        del given  # the largest of all, while the next are computed
        yield Visit(node, found.value, found.stream.movedim(1, 0))


def _between(plan: Plan, nodes: Sequence[Node], seen: Mapping[str, _Both], kept: Sequence[str]) -> dict[str, _Both]:
    """Return what nodes between populations make of what they read, as far as it is kept."""
    read = sorted({name for node in nodes for name in node.inputs} & seen.keys())
    kind = prototype(plan.graph).dtype

    def run(given: Sequence[Tensor]) -> list[Tensor]:
        values, streams = _named(read, given)
        for node in nodes:
            sources = [values[name] for name in node.inputs]
            values[node.name] = apply_whole(node, sources, len(sources[0]))
            streams[node.name] = stream_of(plan, node, [_number(plan, n, streams[n], kind) for n in node.inputs])
        return [*(values[name] for name in kept), *(streams[name].movedim(1, 0) for name in kept)]

    given = [*(seen[name].value for name in read), *(seen[name].stream for name in read)]
    found = in_parts(run, given, _bytes(plan, nodes)) if kept else []
    return {name: _Both(*both) for name, *both in zip(kept, found, found[len(kept) :], strict=False)}


def _named(names: Sequence[str], given: Sequence[Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return values and streams by name; a stream as ``[time, batch, ...]``."""
    values = dict(zip(names, given, strict=False))
    return values, {n: x.movedim(1, 0) for n, x in zip(names, given[len(names) :], strict=True)}


def _number(plan: Plan, name: str, stream: Tensor, kind: torch.dtype) -> Tensor:
    """Return a stream as it is computed with: spikes were kept as whole numbers."""
    return stream.to(kind) if isinstance(plan.graph[name], Population) else stream


def _sent(plan: Plan, node: Population, given: _Both) -> _Both:
    """Return what a population stands for in both networks."""
    kind = torch.int8 if node.neurons.css else None

    def run(parts: Sequence[Tensor]) -> list[Tensor]:
        spikes = stream_of(plan, node, [parts[1].movedim(1, 0)])
        return [activate(node, parts[0]), spikes.to(kind or spikes.dtype).movedim(1, 0)]

    return _Both(*in_parts(run, given, _bytes(plan, [node])))


def _bytes(plan: Plan, nodes: Sequence[Node]) -> int:
    """Return the bytes of the largest stream of some nodes, for one sample."""
    largest = max((node.size for node in nodes), default=1)
    return largest * plan.longest * prototype(plan.graph).dtype.itemsize


def settled_plan(plan: Plan, inputs: Sequence[Tensor], settle: Settle) -> Plan:
    """Return the plan with every population settled on the streams of those before it."""
    nodes = {visit.node.name: visit.node for visit in lockstep(plan, inputs, settle)}
    graph = with_nodes(plan.graph, nodes)
    code = replace(plan.code, levels=graph.levels[1]) if isinstance(plan.code, CSS) else plan.code
    return replace(plan, graph=graph, code=code)


def with_nodes(graph: Graph, nodes: Mapping[str, Node]) -> Graph:
    """Return the graph with these nodes in place of those of their names."""
    return replace(graph, nodes=tuple(nodes.get(node.name, node) for node in graph.nodes))
