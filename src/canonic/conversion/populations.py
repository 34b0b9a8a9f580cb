"""Populations get what makes them spike, a code and thresholds; inputs get populations that code them."""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from canonic.codes import CSS
from canonic.conversion.calibrate import population_axis
from canonic.conversion.histogram import Histogram
from canonic.conversion.settings import Override
from canonic.conversion.thresholds import threshold
from canonic.network.graph import Graph, Neurons, Node


def set_thresholds(
    graph: Graph, code: CSS, rules: Mapping[str, Override], histograms: Mapping[str, Histogram]
) -> tuple[Graph, dict[str, int]]:
    """Return the graph with codes and thresholds in its populations, and the number of dead channels of each."""
    populations: dict[str, Node] = {}
    dead: dict[str, int] = {}
    for node in graph.populations:
        own, rule = population_code(code, rules[node.name]), rules[node.name]
        theta, dead[node.name] = threshold(histograms[node.name], own, rule, _neurons(node).ceiling)
        populations[node.name] = spiking_population(node, own, theta, population_axis(graph, node))
    return replace(graph, nodes=tuple(populations.get(node.name, node) for node in graph.nodes)), dead


def population_code(code: CSS, rule: Override) -> CSS:
    """Return the code of one population: that of the network, but for what its override says."""
    silent = code.silent if rule.silent is None else rule.silent
    return replace(code, silent=silent, phi=code.phi if rule.phi is None else rule.phi)


def spiking_population(node: Node, code: CSS, theta: Tensor, axis: int) -> Node:
    """Return a population with its code and its thresholds, one for each channel along this axis of a sample."""
    shape = [1] * len(node.shape)
    shape[axis] = -1
    return replace(node, neurons=replace(_neurons(node), code=code), tensors={"theta": theta.reshape(shape)})


def code_inputs(graph: Graph, rules: Mapping[str, Override]) -> tuple[Graph, dict[str, Override]]:
    """Return the graph with a signed population behind each input, and the rules with one for each.

    Its code needs no silent steps: it sees its whole input at the first.
    """
    nodes: list[Node] = []
    coded = {name: f"{name}.spikes" for name in graph.inputs}
    for node in graph.nodes:
        nodes.append(replace(node, inputs=tuple(coded.get(name, name) for name in node.inputs)))
        if node.name in coded:
            neurons = Neurons(signed=True, encodes=True)
            nodes.append(
                Node(
                    coded[node.name],
                    "population",
                    "",
                    (node.name,),
                    node.shape,
                    neurons=neurons,
                    origin=node.origin,
                )
            )
    outputs = tuple(coded.get(name, name) for name in graph.outputs)
    rule = Override("mse", silent=0, phi=0.5)
    return replace(graph, nodes=tuple(nodes), outputs=outputs), {
        **rules,
        **dict.fromkeys(coded.values(), rule),
    }


def _neurons(node: Node) -> Neurons:
    assert node.neurons is not None  # true of every population
    return node.neurons
