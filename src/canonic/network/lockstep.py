"""The source network and the spiking one in lockstep: node by node, on the same inputs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from canonic.codes import CSS
from canonic.network.apply import apply_whole
from canonic.network.graph import Graph, Node, Population
from canonic.network.layerwise import last_readers, stream_of
from canonic.network.plan import Plan
from canonic.network.reference import activate


class Visit(NamedTuple):
    """What both networks made of one node.

    Attributes:
        node: the node, as it was settled.
        wanted: its first input in the source network, ``[batch, *shape]``.
        given: its first input stream in the spiking network, ``[time, batch, *shape]``.
        value: its output in the source network.
        stream: its output stream in the spiking network.
    """

    node: Node
    wanted: Float[Tensor, "batch ..."]
    given: Float[Tensor, "_ batch ..."]
    value: Float[Tensor, "..."]
    stream: Float[Tensor, "..."]


Settle = Callable[[Population, Float[Tensor, "batch ..."], Float[Tensor, "_ batch ..."]], Population]
"""Returns a population as it shall be, from itself, its input in the source network, and its currents."""


def lockstep(plan: Plan, inputs: Sequence[Tensor], settle: Settle | None = None) -> Iterator[Visit]:
    """Visit all nodes but the inputs in order; each population is settled on the streams of those before it."""
    graph, last = plan.graph, last_readers(plan.graph)
    values = dict(zip(graph.inputs, inputs, strict=True))
    streams = {name: x.unsqueeze(0) for name, x in values.items()}
    for node in graph.nodes:
        if node.kind == "input":
            continue
        wanted, given = [values[name] for name in node.inputs], [streams[name] for name in node.inputs]
        if isinstance(node, Population):
            node = settle(node, wanted[0], given[0]) if settle else node
            values[node.name] = activate(node, wanted[0])
        else:
            values[node.name] = apply_whole(node, wanted, len(wanted[0]))
        streams[node.name] = stream_of(plan, node, given)
        yield Visit(node, wanted[0], given[0], values[node.name], streams[node.name])
        for name in last.get(node.name, ()):
            del values[name], streams[name]


def settled_plan(plan: Plan, inputs: Sequence[Tensor], settle: Settle) -> Plan:
    """Return the plan with every population settled on the streams of those before it."""
    nodes = {visit.node.name: visit.node for visit in lockstep(plan, inputs, settle)}
    graph = with_nodes(plan.graph, nodes)
    code = replace(plan.code, levels=graph.levels[1]) if isinstance(plan.code, CSS) else plan.code
    return replace(plan, graph=graph, code=code)


def with_nodes(graph: Graph, nodes: Mapping[str, Node]) -> Graph:
    """Return the graph with these nodes in place of those of their names."""
    return replace(graph, nodes=tuple(nodes.get(node.name, node) for node in graph.nodes))
