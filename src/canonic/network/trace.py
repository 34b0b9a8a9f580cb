"""What goes on inside: spikes, currents, membranes and the source network's values, side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.errors import DataError, nearest
from canonic.network.graph import Graph, Node, Population
from canonic.network.layerwise import current_of, layerwise
from canonic.network.plan import Plan, entered
from canonic.network.reference import reference
from canonic.network.ruled import ruled_membranes
from canonic.network.weighted import membranes_of
from canonic.neurons import Scan, lengthen, replay
from canonic.words import counted


@dataclass(frozen=True)
class LayerTrace:
    """One population, for each of its own steps 1 .. T + k.

    Attributes:
        spikes: the events, -1, 0 or +1 in ternary codes, ``[time, batch, *shape]``; the k silent steps hold 0.
        currents: in units of theta; the last k steps hold 0.
        membranes: after the step, in units of theta; the threshold of CSS is beta^k, that of other codes w[m]. Where a
            rule was trained, as it has them, 0 if it has none.
        decoded: what the spikes stand for, ``[batch, *shape]``, in the units of the source network.
        source: the activation of the source network, likewise; None where there is none.
        first: global steps before the first step of this population.
    """

    spikes: Float[Tensor, "time batch ..."]
    currents: Float[Tensor, "time batch ..."]
    membranes: Float[Tensor, "time batch ..."]
    decoded: Float[Tensor, "batch ..."]
    source: Float[Tensor, "batch ..."] | None
    first: int

    def __repr__(self) -> str:
        steps = f"steps {self.first + 1} to {self.first + len(self.spikes)}"
        return f"LayerTrace({list(self.spikes.shape)}, {counted(int(self.spikes.count_nonzero()), 'spike')}, {steps})"


def trace(plan: Plan, graph: Graph, inputs: Sequence[Tensor], layers: Iterable[str] | None) -> dict[str, LayerTrace]:
    """Return the traces of the named populations, all if None."""
    known = [node.name for node in plan.graph.populations]
    wanted = {layers} if isinstance(layers, str) else set(known if layers is None else layers)
    for name in wanted - set(known):
        raise DataError(f"there is no population {name!r}: {nearest(name, known)}")
    source: dict[str, Tensor] = {}
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def keep_source(node: Node, _: Sequence[Tensor], activation: Tensor) -> None:
        if node.name in wanted:
            source[node.name] = activation * node.tensors["theta"]

    def keep(node: Node, given: Sequence[Tensor], result: Scan | Tensor) -> None:
        if node.name in wanted and isinstance(node, Population) and not isinstance(result, Tensor):
            parts.setdefault(node.name, []).append((current_of(plan, node, given), result.spikes))

    if not plan.stepwise:
        reference(graph, inputs, keep_source)
    layerwise(plan, inputs, keep)
    traced = [node for node in plan.graph.populations if node.name in parts]
    return {node.name: _traced(plan, node, parts[node.name], source.get(node.name)) for node in traced}


class Inside(NamedTuple):
    """A population at each of its steps 1 .. T + k.

    Attributes:
        spikes: the events; the k silent steps hold 0.
        currents: in units of theta; the last k steps hold 0.
        membranes: after the step, in units of theta.
    """

    spikes: Float[Tensor, "time batch ..."]
    currents: Float[Tensor, "time batch ..."]
    membranes: Float[Tensor, "time batch ..."]


def inside(plan: Plan, node: Population, currents: Tensor, spikes: Tensor) -> Inside:
    """Return what a population did at each of its steps, from its currents and its T digits."""
    quiet = torch.zeros_like(spikes[:1]).expand(node.silent, *spikes.shape[1:])
    fired = torch.cat([quiet, spikes]).to(currents.dtype)
    return Inside(fired, *_inside(plan, node, currents, fired))


def _traced(plan: Plan, node: Population, parts: Sequence[tuple[Tensor, Tensor]], source: Tensor | None) -> LayerTrace:
    """Return the trace of a population from currents and spikes, of some samples each, and its activation."""
    currents, spikes = (torch.cat(part, 1) for part in zip(*parts, strict=True))
    found = inside(plan, node, currents, spikes)
    return LayerTrace(
        *found,
        decoded=plan.codes[node.name].decode(spikes, node.tensors["theta"]),
        source=source,
        first=plan.graph.first_steps[node.name] + len(spikes) - len(found.spikes),
    )


def _inside(
    plan: Plan, node: Population, currents: Tensor, fired: Tensor
) -> tuple[Float[Tensor, "time batch ..."], Float[Tensor, "time batch ..."]]:
    """Return currents and membranes of a population at each of its steps, in units of theta."""
    if (css := node.neurons.css) is None:
        digits = entered(plan, node.inputs[0], currents, plan.sender(node))
        inner = ruled_membranes if node.neurons.rule else membranes_of
        return lengthen(digits, len(fired)), inner(plan, node, currents)
    start, whole = node.tensors.get("start"), node.tensors.get("threshold")
    unit = 1 if whole is None else whole
    ready = lengthen(currents, len(fired))
    return ready / unit, replay(css, ready, fired, start=start, theta=whole) / unit
