"""A plan with another code or other thresholds, near to what a conversion with them would give."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.codes import CSS, FittedFewSpike, Weighted
from canonic.network.correction import correct_mean
from canonic.network.graph import Node, Population
from canonic.network.lockstep import settled_plan
from canonic.network.plan import Plan
from canonic.network.reference import reference
from canonic.network.traits import SCALE
from canonic.network.weights import padded, scale_arguments


def with_code(plan: Plan, change: Callable[[CSS], CSS], layer: str | None = None) -> Plan:
    """Return the plan with the CSS of one population changed, or that of all; those that code an input keep k = 0."""

    def changed(node: Population) -> Population:
        if layer not in (None, node.name) or node.neurons.css is None:
            return node
        neurons, code = node.neurons, change(node.neurons.css)
        return replace(node, neurons=replace(neurons, code=replace(code, silent=0) if neurons.encodes else code))

    graph = plan.graph.map_populations(changed)
    if not isinstance(plan.code, CSS):
        return replace(plan, graph=graph)
    code = change(plan.code) if layer is None else plan.code
    return replace(plan, graph=graph, code=replace(code, levels=graph.levels[1]))


def with_steps(plan: Plan, steps: int) -> Plan:
    """Return a plan whose populations all have the same kind of code with so many digits.

    Raises:
        CanonicError: if a code cannot have as many.
    """

    def changed(node: Population) -> Population:
        code = node.neurons.code
        return node if code is None else replace(node, neurons=replace(node.neurons, code=_lengthened(code, steps)))

    return replace(plan, graph=plan.graph.map_populations(changed), code=_lengthened(plan.code, steps))


def _lengthened(code: Weighted, steps: int) -> Weighted:
    return replace(code, steps=steps)  # type: ignore[type-var]


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
        if isinstance(node, Population):
            axes = [0, *(axis + 1 for axis, size in enumerate(node.tensors["theta"].shape) if size == 1)]
            code = node.neurons.code or plan.code
            largest = math.inf if isinstance(code, FittedFewSpike) else code.largest  # its numbers have a unit of one
            found[node.name] = (value.abs().amax(axes, keepdim=True)[0] / largest).clamp(min=1)

    reference(plan.graph, inputs, keep)
    return found


Choose = Callable[[Population, Float[Tensor, "time batch ..."]], Population]
"""Returns a population with the code that it needs for its currents."""


def settled(plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]], choose: Choose | None = None) -> Plan:
    """Return the plan with codes chosen on these inputs, and mean errors corrected, if it has corrected ones."""

    def settle(node: Population, wanted: Tensor, currents: Tensor) -> Population:
        if choose:
            at_rest = {name: tensor for name, tensor in node.tensors.items() if name != "start"}
            node = replace(node, neurons=choose(replace(node, tensors=at_rest), currents).neurons)
        return correct_mean(plan, node, wanted, currents) if "start" in node.tensors else node

    return settled_plan(plan, inputs, settle)
