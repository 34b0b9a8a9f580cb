"""The decoded outputs of a network, after all steps or after each, by either scheduler."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.codes.readouts import scores
from canonic.network.clocked import clocked, final_readout
from canonic.network.graph import Node, Population
from canonic.network.layerwise import Observer, layerwise
from canonic.network.plan import Plan, entered, total_steps
from canonic.network.ruled import ruled_membranes
from canonic.neurons import Scan, lengthen


def final(plan: Plan, fused: Plan | None, inputs: Sequence[Tensor]) -> list[Float[Tensor, "batch ..."]]:
    """Return each output as decoded after all steps.

    Args:
        plan: what the clocked scheduler runs.
        fused: the same for the layerwise scheduler, which then runs it; None for the clocked one.
        inputs: one batch for each input.
    """
    if fused is None:
        return list(final_readout(plan, inputs))
    if fused.readout != "mean":
        return [steps[-1] for steps in by_step(plan, fused, inputs)]
    pairs = zip(fused.graph.outputs, layerwise(fused, inputs), strict=True)
    return [fused.value(name, stream) for name, stream in pairs]


def by_step(
    plan: Plan, fused: Plan | None, inputs: Sequence[Tensor], observe: Observer | None = None
) -> list[Float[Tensor, "steps batch ..."]]:
    """Return each output as decoded after every step; 0 until its first digit, and held after its last.

    Args:
        plan: as for ``final``.
        fused: as for ``final``.
        inputs: one batch for each input.
        observe: called by the layerwise scheduler for each node.
    """
    outputs = plan.graph.outputs
    if fused is not None and fused.readout == "first":
        return _at_the_first(fused, inputs, observe)
    if fused is not None:
        streams = layerwise(fused, inputs, observe)
        return [_settling(plan, name, stream) for name, stream in zip(outputs, streams, strict=True)]
    states = [state.readout for _, state in clocked(plan, inputs)]
    silent = {name: torch.zeros_like(states[-1][name]) for name in outputs}
    return [torch.stack([state.get(name, silent[name]) for state in states]) for name in outputs]


def _at_the_first(
    plan: Plan, inputs: Sequence[Tensor], observe: Observer | None
) -> list[Float[Tensor, "steps batch classes"]]:
    """Return the scores of outputs in which the first event answers."""
    membranes: dict[str, list[Tensor]] = {name: [] for name in plan.graph.outputs}

    def keep(node: Node, given: Sequence[Tensor], result: Scan | Tensor) -> None:
        if observe:
            observe(node, given, result)
        if node.name in membranes and isinstance(node, Population):
            membranes[node.name].append(ruled_membranes(plan, node, given[0]))

    streams = zip(plan.graph.outputs, layerwise(plan, inputs, keep), strict=True)
    return [scores(stream, torch.cat(membranes[name], 1)) for name, stream in streams]


def _settling(plan: Plan, name: str, stream: Shaped[Tensor, "time batch ..."]) -> Float[Tensor, "steps batch ..."]:
    code, start = plan.codes[name], plan.graph.first_steps[name]
    steps = lengthen(entered(plan, name, stream, code), code.steps)
    settled = code.prefixes(steps) if plan.readout == "mean" else steps
    before = settled.new_zeros(start, *settled.shape[1:])
    held = settled[-1:].expand(total_steps(plan) - start - len(settled), *settled.shape[1:])
    return torch.cat([before, settled, held])
