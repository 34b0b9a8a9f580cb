"""What is settled population by population, in order of depth, each on spikes of those already settled.

Silent steps and mean errors of a population depend on the populations before it: corrected all at once from one
pass, every layer would make up for errors that the others have already removed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.conversion.settings import Override, Settings
from canonic.network.correction import channel_mean, correct_mean
from canonic.network.graph import Population
from canonic.network.health import Sums, decibels, noise
from canonic.network.lockstep import Visit, lockstep, settled_plan
from canonic.network.parts import samples_at_once
from canonic.network.plan import Plan
from canonic.network.redundancy import choose_levels, choose_silent
from canonic.network.reference import activate


def settle(
    plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]], settings: Settings, rules: Mapping[str, Override]
) -> Plan:
    """Return the plan with the silent steps chosen and the means corrected, as the settings say."""

    def settled(node: Population, wanted: Tensor, currents: Tensor) -> Population:
        if rules[node.name].silent == "auto":
            node = choose_silent(node, currents, settings.overload_limit)
        if rules[node.name].levels == "auto":
            node = choose_levels(node, currents, settings.overload_limit)
        node = node.with_tensors(mean=channel_mean(activate(node, wanted), node.tensors["theta"]))
        return correct_mean(plan, node, wanted, currents) if settings.correct else node

    return settled_plan(plan, inputs, settled)


def repair_report(
    plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]], after: Mapping[str, Sums]
) -> dict[str, dict[Literal["before", "after"], float]]:
    """Return the signal-to-noise ratio of each population in dB, before and after the correction of its mean.

    Args:
        plan: that was corrected.
        inputs: some samples.
        after: signal and error of its populations on them.
    """
    with torch.no_grad():
        visits = lockstep(uncorrected(plan), inputs)
        before = {visit.node.name: reduce(add, _noises(plan, visit)) for visit in visits}
    return {name: {"before": _ratio(before[name]), "after": _ratio(sums)} for name, sums in after.items()}


def _ratio(sums: Sums) -> float:
    """Return a signal-to-noise ratio in dB; 999 where there is no error."""
    return round(min(999.0, decibels(sums.signal, sums.error)), 2)


def _noises(plan: Plan, visit: Visit) -> Iterator[Sums]:
    """Yield signal and error of a population, few samples at a time."""
    samples = samples_at_once(visit.value[:1].nbytes * len(visit.stream), visit.value.device)
    for value, stream in zip(torch.split(visit.value, samples), torch.split(visit.stream, samples, 1), strict=True):
        yield noise(visit.node.tensors["theta"], value, plan.value(visit.node.name, stream.to(value.dtype)))


def uncorrected(plan: Plan) -> Plan:
    """Return the plan with populations that start at rest."""
    nodes = tuple(
        replace(node, tensors={name: t for name, t in node.tensors.items() if name != "start"})
        for node in plan.graph.nodes
    )
    return replace(plan, graph=replace(plan.graph, nodes=nodes))
