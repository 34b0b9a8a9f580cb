"""Precisions: the same network in floats, in bfloat16 products, or in whole numbers."""

from dataclasses import replace
from typing import get_args

import torch

from canonic.errors import DataError
from canonic.network.graph import Graph, Node, Plan, Precision
from canonic.network.integer import to_integers


def lowered(plan: Plan, precision: Precision) -> Plan:
    """Return what a scheduler runs at a precision.

    Raises:
        ConversionError: if the network cannot be had at this precision; the message names the layer.
    """
    if precision == "int8":
        return to_integers(plan)
    return to_bfloat16(plan) if precision == "bf16" else plan


def require_precision(precision: str) -> None:
    """Raise a DataError unless there is such a precision."""
    if precision not in get_args(Precision):
        raise DataError(f"precision must be one of {', '.join(get_args(Precision))}, got {precision!r}")


def to_bfloat16(plan: Plan) -> Plan:
    """Return the plan with the weights between two populations rounded to bfloat16, where spikes are exact.

    Currents are bfloat16 too, membranes float32. Layers that read the input or give the output stay as they are:
    they cost little, and their rounding would go straight into the answer.
    """
    inner = _between_populations(plan.graph)
    nodes = tuple(_rounded(node) if node.name in inner else node for node in plan.graph.nodes)
    return replace(plan, graph=replace(plan.graph, nodes=nodes), spikes=torch.bfloat16)


def _rounded(node: Node) -> Node:
    return node.with_tensors(weight=node.tensors["weight"].to(torch.bfloat16))


def _between_populations(graph: Graph) -> set[str]:
    """Return the names of the matrices that read spikes and feed populations."""
    spikes: set[str] = set()
    for node in graph.nodes:
        ternary = node.scaling == "moves" or (node.scaling == "pools" and node.kind == "function unit")
        if node.neurons is not None or (ternary and all(name in spikes for name in node.inputs)):
            spikes.add(node.name)
    answers = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node.name in answers and node.neurons is None:
            answers.update(node.inputs)
    return {n.name for n in graph.nodes if n.weighted and n.inputs[0] in spikes and n.name not in answers}
