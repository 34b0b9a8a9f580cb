"""What is settled population by population, in order of depth, each on spikes of those already settled.

Silent steps and mean errors of a population depend on the populations before it: corrected all at once from one
pass, every layer would make up for errors that the others have already removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from canonic.conversion.correction import correct_mean
from canonic.conversion.settings import Override, Settings
from canonic.conversion.silence import choose_silent
from canonic.network.graph import Node, Plan
from canonic.network.lockstep import lockstep


def settle(
    plan: Plan, inputs: Sequence[Float[Tensor, "batch ..."]], settings: Settings, rules: Mapping[str, Override]
) -> Plan:
    """Return the plan with the silent steps chosen and the means corrected, as the settings say."""

    def settled(node: Node, wanted: Tensor, currents: Tensor) -> Node:
        if rules[node.name].silent == "auto":
            node = choose_silent(node, currents, settings.overload_limit)
        return correct_mean(plan.code, node, wanted, currents) if settings.correct else node

    if not settings.correct and not any(rule.silent == "auto" for rule in rules.values()):
        return plan
    nodes = {visit.node.name: visit.node for visit in lockstep(plan, inputs, settled)}
    graph = replace(plan.graph, nodes=tuple(nodes.get(node.name, node) for node in plan.graph.nodes))
    return replace(plan, graph=graph)
