"""Populations that compute a function themselves, as fitted few-spike neurons do: they read what its unit reads."""

from dataclasses import replace

from canonic.codes import FittedFewSpike, Weighted
from canonic.network.graph import Graph, Node, Population, Slot
from canonic.network.traits import OPERATOR_OF, function_of


def computed(code: Weighted | None) -> str | None:
    """Return the function that populations of a code compute; None if they pass on what they read."""
    return code.function if isinstance(code, FittedFewSpike) else None


def reader_of(graph: Graph, node: Node, function: str) -> Node | None:
    """Return what reads a unit of this function for a population alone: itself, or what moves all elements for it.

    None if there is no such unit: then the population cannot compute the function in its place.
    """
    before = graph[node.inputs[0]]
    if function_of(before.operator) == function:
        return node
    moves = before.kind == "structure" and not before.tensors and len(before.inputs) == 1
    one_to_one = moves and before.size == graph[before.inputs[0]].size
    return reader_of(graph, before, function) if one_to_one and graph.consumers[before.name] == (node,) else None


def without_units(graph: Graph) -> Graph:
    """Return the graph with the units left out whose functions the populations behind them compute."""
    functions = [(node, computed(node.neurons.code)) for node in graph.populations]
    readers = [reader_of(graph, node, function) for node, function in functions if function]
    past = {node.name: replace(node, inputs=graph[node.inputs[0]].inputs) for node in readers if node}
    nodes = [past.get(node.name, node) for node in graph.nodes]
    read = {name for node in nodes for name in node.inputs}.union(graph.outputs)
    gone = {graph[name].inputs[0] for name in past} - read
    return replace(graph, nodes=tuple(node for node in nodes if node.name not in gone))


def with_units(graph: Graph) -> Graph:
    """Return the graph with a unit again before each population that computes a function."""
    nodes: list[Node] = []
    for node in graph.nodes:
        function = computed(node.neurons.code) if isinstance(node, Population) else None
        if function:
            name, given = f"{node.name}.{function}", {"self": Slot(0)}
            nodes.append(Node(name, "function unit", OPERATOR_OF[function], node.inputs, node.shape, given))
            node = replace(node, inputs=(name,))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))
