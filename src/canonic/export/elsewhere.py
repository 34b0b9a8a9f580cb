"""What a graph of others cannot hold, and which other format holds what one cannot: what messages advise."""

from collections.abc import Sequence

from canonic.errors import CanonicError
from canonic.network.graph import Population
from canonic.network.plan import Plan
from canonic.network.ruled import rule_of

SOME = 4
"""Populations that are named even where all are alike."""


def drawing(plan: Plan) -> list[Population]:
    """Return the populations that decide by chance; without a seed they run by their expectation."""
    known = [node for node in plan.graph.populations if node.neurons.rule and node.neurons.rule.random]
    return known if plan.seed is not None else []


def stepless(plan: Plan) -> list[Population]:
    """Return the populations whose neurons read the currents of all steps at once."""
    return [node for node in plan.graph.populations if node.neurons.rule and not _rests(node)]


def _rests(node: Population) -> bool:
    try:
        rule_of(node).rest(node.tensors["theta"])
    except CanonicError:
        return False
    return True


def elsewhere(plan: Plan) -> str:
    """Return what holds a network that a format does not: ONNX, or, where it cannot either, the spikes of a run."""
    return "--to events, the spikes of a run" if drawing(plan) else "--to onnx, which holds all operators"


def listed(nodes: Sequence[Population], plan: Plan) -> str:
    """Return the rules or codes of populations, each with the names of those that have it, where not all have."""
    names: dict[str, list[str]] = {}
    for node in nodes:
        names.setdefault(_kind(node), []).append(node.name)
    if len(names) == 1 and len(nodes) == len(plan.graph.populations) > SOME:
        return f"{next(iter(names))} (all {len(nodes)} populations)"
    return ", ".join(f"{kind} ({', '.join(own)})" for kind, own in names.items())


def _kind(node: Population) -> str:
    rule, code = node.neurons.rule, node.neurons.code
    return rule.name if rule else code.name if code else ""
