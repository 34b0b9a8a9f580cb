"""Populations get what makes them spike, a code and thresholds; inputs get populations that code them."""

from collections.abc import Mapping
from dataclasses import replace

from canonic.codes import CSS, EITHER_SIGN, Weighted, code_of
from canonic.conversion.balance import balanced
from canonic.conversion.boundaries import joined
from canonic.conversion.calibrate import Calibration
from canonic.conversion.channels import population_axis
from canonic.conversion.recode import signed_population
from canonic.conversion.settings import Override
from canonic.conversion.thresholds import threshold
from canonic.errors import ConversionError
from canonic.network.graph import Graph, Neurons, Node, Population


def code_inputs(graph: Graph, code: Weighted | None = None) -> Graph:
    """Return the graph with a population behind each input, which codes it in spikes; in that of all others if None.

    It is signed, if its code can carry negative numbers.
    """
    nodes: list[Node] = []
    neurons = Neurons(code is None or code.alphabet.signed, code=code, encodes=True)
    coded = {name: f"{name}.spikes" for name in graph.inputs if "dtype" not in graph[name].arguments}
    for node in graph.nodes:
        nodes.append(replace(node, inputs=tuple(coded.get(name, name) for name in node.inputs)))
        if node.name in coded:
            nodes.append(replace(signed_population(node), neurons=neurons))
    return replace(graph, nodes=tuple(nodes), outputs=tuple(coded.get(name, name) for name in graph.outputs))


def set_codes(graph: Graph, code: Weighted, rules: Mapping[str, Override]) -> Graph:
    """Return the graph with a code in each population: that of the network, but for what its override says.

    Raises:
        ConversionError: if an override is out of the range of the code, or a code cannot carry what a layer sends.
    """
    nodes = (_coded(n, code, rules[n.name]) if isinstance(n, Population) else n for n in graph.nodes)
    return joined(replace(graph, nodes=tuple(nodes)))


def _coded(node: Population, common: Weighted, rule: Override) -> Population:
    neurons = node.neurons
    code = neurons.code or (common if rule.code is None else code_of(rule.code))
    own = _member(node, neurons, code, rule) if isinstance(code, CSS) else _other(node, neurons, code, rule)
    # A population that codes an input sees all of it at once: silent steps would be wasted on it.
    waits = 0 if neurons.encodes and not isinstance(own, CSS) else None
    return replace(node, neurons=replace(neurons, code=own, waits=waits))


def _member(node: Node, neurons: Neurons, code: CSS, rule: Override) -> CSS:
    """Return the member of the family of CSS that a population has."""
    silent, phi = (0, 0.5) if neurons.encodes else (code.silent, code.phi)
    silent = rule.silent if isinstance(rule.silent, int) else silent
    levels = rule.levels if isinstance(rule.levels, int) else code.levels
    try:
        return replace(code, silent=silent, phi=phi if rule.phi is None else rule.phi, levels=levels)
    except ValueError as error:
        raise ConversionError(f"the override of {node.name}: {error}") from None


def _other(node: Node, neurons: Neurons, code: Weighted, rule: Override) -> Weighted:
    if neurons.signed and not code.alphabet.signed:
        raise ConversionError(
            f"{node.name} sends numbers of either sign, and the code {code.name} has no negative event: take "
            f"{EITHER_SIGN}, for it alone by overrides={{{node.name!r}: Override(code='css')}}"
        )
    for name in ("silent", "phi", "levels"):
        if getattr(rule, name) is not None:
            raise ConversionError(
                f"{name} is a setting of css, and {node.name} is in the code {code.name}: give its own parameters with "
                f"the code, canonic.{type(code).__name__}(...)"
            )
    return code


def set_thresholds(graph: Graph, rules: Mapping[str, Override], seen: Calibration) -> tuple[Graph, dict[str, int]]:
    """Return the graph with a theta for each channel of each population, and the number of dead channels of each."""
    tops = balanced(graph, seen.kept, [name for name, rule in rules.items() if rule.threshold == "balance"])
    nodes: list[Node] = []
    dead: dict[str, int] = {}
    for node in graph.nodes:
        if isinstance(node, Population) and node.neurons.code is not None:
            histogram, code, rule = seen.histograms[node.name], node.neurons.code, rules[node.name]
            found = threshold(histogram, code, rule, node.neurons.ceiling, tops.get(node.name))
            shape = [1] * len(node.shape)
            axis = population_axis(graph, node)
            if axis is not None:
                shape[axis] = -1
            dead[node.name] = found[1]
            node = node.with_tensors(theta=found[0].reshape(shape))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes)), dead
