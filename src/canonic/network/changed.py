"""A plan with another code or other thresholds, near to what a conversion with them would give."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.codes import CSS
from canonic.network.correction import correct_mean
from canonic.network.graph import Node
from canonic.network.health import noise_ratio
from canonic.network.lockstep import lockstep, with_nodes
from canonic.network.plan import Plan
from canonic.network.reference import reference
from canonic.network.traits import SCALE
from canonic.network.weights import padded, scale_arguments


def with_code(plan: Plan, change: Callable[[CSS], CSS], layer: str | None = None) -> Plan:
    """Return the plan with the CSS of one population changed, or that of all; those that code an input keep k = 0."""

    def changed(node: Node) -> Node:
        neurons = node.neurons
        if neurons is None or neurons.css is None or layer not in (None, node.name):
            return node
        code = change(neurons.css)
        return replace(node, neurons=replace(neurons, code=replace(code, silent=0) if neurons.encodes else code))

    graph = replace(plan.graph, nodes=tuple(map(changed, plan.graph.nodes)))
    whole = layer is None and isinstance(plan.code, CSS)
    return replace(plan, graph=graph, code=change(cast(CSS, plan.code)) if whole else plan.code)


def with_range(plan: Plan, name: str, factor: Float[Tensor, "..."]) -> Plan:
    """Return the plan with the thresholds of a population multiplied, between two scales that keep its meaning."""
    node = plan.graph[name]
    factor = padded(factor, len(node.shape))
    scale = Node("", "synapse", SCALE, (), node.shape, scale_arguments(), scaling="weighs", origin=node.origin)
    given = replace(scale, name=f"{name}.given", inputs=node.inputs).with_tensors(weight=1 / factor)
    sent = replace(scale, name=f"{name}.sent", inputs=(name,)).with_tensors(weight=factor)
    own = {key: t / factor for key, t in node.tensors.items() if key in ("start", "mean")}
    wide = replace(node, inputs=(given.name,)).with_tensors(theta=node.tensors["theta"] * factor, **own)

    def renamed(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sent.name if other == name else other for other in names)

    nodes: list[Node] = []
    for other in plan.graph.nodes:
        nodes += [given, wide, sent] if other.name == name else [replace(other, inputs=renamed(other.inputs))]
    return replace(plan, graph=replace(plan.graph, nodes=tuple(nodes), outputs=renamed(plan.graph.outputs)))


def beyond(plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> dict[str, Float[Tensor, "..."]]:
    """Return how many times too large the channels of each population get for its code, at least 1; as theta."""
    found: dict[str, Tensor] = {}

    def keep(node: Node, _: Sequence[Tensor], value: Tensor) -> None:
        if node.neurons is not None:
            axes = [0, *(axis + 1 for axis, size in enumerate(node.tensors["theta"].shape) if size == 1)]
            largest = (node.neurons.code or plan.code).largest
            found[node.name] = (value.abs().amax(axes, keepdim=True)[0] / largest).clamp(min=1)

    reference(plan.graph, inputs, keep)
    return found


def corrected(plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> tuple[Plan, float]:
    """Return the plan with mean errors corrected on these inputs, if it has corrected ones, and its ratio in floats.

    That is the signal-to-noise ratio of the worst output, in dB.
    """

    def settled(node: Node, wanted: Tensor, currents: Tensor) -> Node:
        return correct_mean(plan, node, wanted, currents) if "start" in node.tensors else node

    nodes, ratio = dict[str, Node](), math.inf
    for visit in lockstep(plan, inputs, settled):
        nodes[visit.node.name] = visit.node
        if visit.node.name in plan.graph.outputs:
            ratio = min(ratio, noise_ratio(visit.value, plan.value(visit.node.name, visit.stream)))
    return replace(plan, graph=with_nodes(plan.graph, nodes)), ratio
