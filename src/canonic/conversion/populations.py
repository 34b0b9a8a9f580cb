"""Populations get what makes them spike, a code and thresholds; inputs get populations that code them."""

from collections.abc import Mapping
from dataclasses import replace

from canonic.codes import CSS
from canonic.conversion.channels import population_axis
from canonic.conversion.histogram import Histogram
from canonic.conversion.recode import signed_population
from canonic.conversion.settings import Override
from canonic.conversion.thresholds import threshold
from canonic.errors import ConversionError
from canonic.network.graph import Graph, Neurons, Node


def code_inputs(graph: Graph) -> Graph:
    """Return the graph with a signed population behind each input, which codes it in spikes."""
    nodes: list[Node] = []
    coded = {name: f"{name}.spikes" for name in graph.inputs if "dtype" not in graph[name].arguments}
    for node in graph.nodes:
        nodes.append(replace(node, inputs=tuple(coded.get(name, name) for name in node.inputs)))
        if node.name in coded:
            nodes.append(signed_population(node, encodes=True))
    return replace(graph, nodes=tuple(nodes), outputs=tuple(coded.get(name, name) for name in graph.outputs))


def set_codes(graph: Graph, code: CSS, rules: Mapping[str, Override]) -> Graph:
    """Return the graph with a code in each population: that of the network, but for what its override says.

    Raises:
        ConversionError: if an override is out of the range of the code.
    """
    return replace(
        graph,
        nodes=tuple(
            _coded(node, node.neurons, code, rules[node.name]) if node.neurons else node for node in graph.nodes
        ),
    )


def _coded(node: Node, neurons: Neurons, code: CSS, rule: Override) -> Node:
    # A population that codes an input sees all of it at once: silent steps would be wasted on it.
    silent, phi = (0, 0.5) if neurons.encodes else (code.silent, code.phi)
    silent = rule.silent if isinstance(rule.silent, int) else silent
    levels = rule.levels if isinstance(rule.levels, int) else code.levels
    try:
        own = replace(code, silent=silent, phi=phi if rule.phi is None else rule.phi, levels=levels)
    except ValueError as error:
        raise ConversionError(f"the override of {node.name}: {error}") from None
    return replace(node, neurons=replace(neurons, code=own))


def set_thresholds(
    graph: Graph, rules: Mapping[str, Override], histograms: Mapping[str, Histogram]
) -> tuple[Graph, dict[str, int]]:
    """Return the graph with a theta for each channel of each population, and the number of dead channels of each."""
    nodes: list[Node] = []
    dead: dict[str, int] = {}
    for node in graph.nodes:
        if node.neurons is not None and node.neurons.code is not None:
            found = threshold(histograms[node.name], node.neurons.code, rules[node.name], node.neurons.ceiling)
            shape = [1] * len(node.shape)
            axis = population_axis(graph, node)
            if axis is not None:
                shape[axis] = -1
            dead[node.name] = found[1]
            node = node.with_tensors(theta=found[0].reshape(shape))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes)), dead
