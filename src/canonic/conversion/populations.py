"""Populations get what makes them spike, a code and thresholds; inputs get populations that code them."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from canonic.codes import CSS, EITHER_SIGN, Weighted, code_of
from canonic.conversion.balance import balanced
from canonic.conversion.boundaries import joined
from canonic.conversion.calibrate import Calibration
from canonic.conversion.channels import population_axis
from canonic.conversion.functions import computed, reader_of, without_units
from canonic.conversion.recode import signed_population
from canonic.conversion.settings import Override
from canonic.conversion.thresholds import threshold
from canonic.errors import ConversionError
from canonic.network.graph import Graph, Neurons, Node, Population


def code_inputs(graph: Graph, code: Weighted | None = None) -> Graph:
    """Return the graph with a population behind each input, which codes it in spikes; in that of all others if None.

    It is signed, if its code can carry negative numbers.

    Raises:
        ConversionError: if neurons of the code compute a function of what they read.
    """
    if function := computed(code):
        raise ConversionError(
            f"an input cannot be in the code {code and code.name}, whose neurons compute the function {function}: take "
            f"{EITHER_SIGN}"
        )
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
    coded = graph.map_populations(lambda node: _coded(graph, node, code, rules[node.name]))
    return joined(without_units(coded))


def unfit(graph: Graph, node: Population, code: Weighted) -> str | None:
    """Return why a population cannot be in a code; None if it can."""
    function = computed(code)
    if function and reader_of(graph, node, function) is None:
        return f"{node.name} is not behind the function {function}, which neurons in the code {code.name} compute"
    if node.neurons.signed and not code.alphabet.signed and not function:
        return f"{node.name} sends numbers of either sign, and the code {code.name} has no negative event"
    return None


def _coded(graph: Graph, node: Population, common: Weighted, rule: Override) -> Population:
    neurons = node.neurons
    code = neurons.code or (common if rule.code is None else code_of(rule.code))
    own = _member(node, neurons, code, rule) if isinstance(code, CSS) else _other(graph, node, code, rule)
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


def _other(graph: Graph, node: Population, code: Weighted, rule: Override) -> Weighted:
    if reason := unfit(graph, node, code):
        raise ConversionError(
            f"{reason}: take {EITHER_SIGN}, for it alone by overrides={{{node.name!r}: Override(code='css')}}"
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
    chosen = {node.name for node in graph.populations if not computed(node.neurons.code)}
    tops = balanced(graph, seen.kept, [name for name in rules if name in chosen and rules[name].threshold == "balance"])
    nodes: list[Node] = []
    dead: dict[str, int] = {}
    for node in graph.nodes:
        if isinstance(node, Population) and node.neurons.code is not None:
            histogram, neurons, rule = seen.histograms[node.name], node.neurons, rules[node.name]
            found, dead[node.name] = (
                (torch.ones_like(histogram.peak), 0)  # no function is one of multiples
                if computed(neurons.code)
                else threshold(histogram, node.neurons.code, rule, neurons.ceiling, tops.get(node.name))
            )
            shape = [1] * len(node.shape)
            axis = population_axis(graph, node)
            if axis is not None:
                shape[axis] = -1
            node = node.with_tensors(theta=found.reshape(shape))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes)), dead
