"""Where spikes are coded anew: a signed population before every matrix or kernel that would read an analog stream.

The first layer may read the analog input itself (``input="direct"``). Behind it a linear layer without a relu and a
function unit give currents, and a matrix that read them would multiply; after a signed population it only adds.
"""

from dataclasses import replace
from typing import Literal

from canonic.network.graph import Graph, Neurons, Node

Content = Literal["input", "spikes", "analog"]
"""What a stream carries: the input or a part of it, spikes or sums of spikes, or currents."""


def recode(graph: Graph) -> Graph:
    """Return the graph with a signed population on each analog stream that weights are multiplied with."""
    content: dict[str, Content] = {}
    coded: dict[str, str] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        for name in node.inputs if node.weighted else ():
            if content[name] == "analog" and name not in coded:
                population = signed_population(graph[name])
                nodes.append(population)
                coded[name] = population.name
        content[node.name] = _content(node, [content[name] for name in node.inputs])
        renamed = tuple(coded.get(name, name) for name in node.inputs) if node.weighted else node.inputs
        nodes.append(replace(node, inputs=renamed))
    return replace(graph, nodes=tuple(nodes))


def signed_population(source: Node, *, encodes: bool = False) -> Node:
    """Return a population that codes the stream of a node."""
    neurons = Neurons(signed=True, encodes=encodes)
    return Node(
        f"{source.name}.spikes", "population", "", (source.name,), source.shape, neurons=neurons, origin=source.origin
    )


def _content(node: Node, given: list[Content]) -> Content:
    if node.neurons is not None:
        return "spikes"
    if not given or node.operator == "aten.embedding.default":
        return "input"
    if node.weighted or (node.kind == "function unit" and node.scaling != "pools") or "analog" in given:
        return "analog"
    return "spikes" if "spikes" in given else "input"
