"""Precisions: the same network in floats, in bfloat16 products, or in whole numbers."""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.errors import ConversionError, DataError
from canonic.network.graph import Graph, Node, Population, Precision
from canonic.network.inputs import analog
from canonic.network.integer import to_integers
from canonic.network.plan import Plan

COARSE = 12
"""Digits that are well above the rounding of sums in float32: 2^-12 of a threshold, and 2^-23 of a sum."""


def lowered(plan: Plan, precision: Precision) -> Plan:
    """Return what a scheduler runs at a precision.

    Raises:
        ConversionError: if the network cannot be had at this precision; the message names the layer.
    """
    if precision == "int8" and plan.stepwise:
        node = next(node for node in plan.graph.populations if node.neurons.rule)
        kind = node.neurons.rule.name if node.neurons.rule else ""
        raise ConversionError(
            f"{node.name} cannot be computed in whole numbers: its rule {kind} was trained in floats; use bf16 or fp32"
        )
    if precision == "int8":
        return to_integers(plan)
    if precision == "bf16":
        return with_wide_ends(to_bfloat16(plan))
    return with_wide_ends(to_two_bfloat16(plan) if precision == "bf16x2" else plan)


def require_precision(precision: str) -> None:
    """Raise a DataError unless there is such a precision."""
    if precision not in get_args(Precision):
        raise DataError(f"precision must be one of {', '.join(get_args(Precision))}, got {precision!r}")


def to_bfloat16(plan: Plan) -> Plan:
    """Return the plan with the weights between two populations rounded to bfloat16, where spikes are exact.

    Currents and membranes are float32; on a GPU, where torch's products come out in bfloat16, currents are rounded too.
    Layers that read the input or give the output stay as they are: they cost little, and their rounding would go
    straight into the answer.
    """
    return replace(_rounded(plan, lambda weight: weight.to(torch.bfloat16)), spikes=torch.bfloat16)


def to_two_bfloat16(plan: Plan) -> Plan:
    """Return the plan with the same weights rounded to a sum of two bfloat16 numbers, and currents in float32.

    The name is that of Intel's oneMKL for such products: each term is what bfloat16 units multiply, and spikes are
    exact. hi + lo fits in a float32, so that one product in float32 stands for the two: torch returns those of
    bfloat16 in bfloat16, and so rounds every current to 8 bits again.
    """
    return _rounded(plan, two_bfloat16)


def two_bfloat16(weight: Tensor) -> Tensor:
    """Return hi + lo, with hi = bf16(W) and lo = bf16(W - hi): within 2^-17 |W| of W, where hi is within 2^-8 |W|.

    >>> two_bfloat16(torch.tensor([1 + 2**-9, 1 + 2**-9 + 2**-18])).sub(1).mul(2**9).tolist()
    [1.0, 1.0]
    """
    high = weight.to(torch.bfloat16).to(weight)
    return high + (weight - high).to(torch.bfloat16).to(weight)


def with_wide_ends(plan: Plan) -> Plan:
    """Return the plan with its first and its last matrices also in float64, for a processor to add up in.

    In float32 sums are added up in another order for other batches and numbers of threads, and the answer shows it; in
    float64 that vanishes when the sum is rounded. Last are linear layers behind all populations, first those that read
    the input, if there are digits near that rounding.
    """
    ends = {node.name for node in plan.graph.nodes if "maps rows" in node.traits} & _answers(plan.graph)
    if isinstance(plan.code, CSS) and plan.code.steps > COARSE:
        ends |= {node.name for node in plan.graph.nodes if node.weighted} & analog(plan.graph)

    def changed(node: Node) -> Node:
        weight = node.tensors.get("weight")
        if node.name not in ends or weight is None:
            return node
        wide = weight.dtype == torch.float32 and weight.device.type == "cpu" and not node.alone
        return node.with_tensors(wide=weight.double()) if wide else node

    return replace(plan, graph=replace(plan.graph, nodes=tuple(map(changed, plan.graph.nodes))))


def _rounded(plan: Plan, rounding: Callable[[Tensor], Tensor]) -> Plan:
    inner = _between_populations(plan.graph)
    nodes = tuple(
        node.with_tensors(weight=rounding(node.tensors["weight"])) if node.name in inner else node
        for node in plan.graph.nodes
    )
    return replace(plan, graph=replace(plan.graph, nodes=nodes))


def _between_populations(graph: Graph) -> set[str]:
    """Return the names of the matrices that read spikes and feed populations."""
    spikes: set[str] = set()
    for node in graph.nodes:
        ternary = node.scaling == "moves" or (node.scaling == "pools" and node.kind == "function unit")
        if isinstance(node, Population) or (ternary and all(name in spikes for name in node.inputs)):
            spikes.add(node.name)
    answers = _answers(graph)
    return {n.name for n in graph.nodes if n.weighted and n.inputs[0] in spikes and n.name not in answers}


def _answers(graph: Graph) -> set[str]:
    """Return the names of the outputs and of what leads to them from the last populations."""
    answers = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node.name in answers and not isinstance(node, Population):
            answers.update(node.inputs)
    return answers
