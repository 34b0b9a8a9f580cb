"""A network as a table that a person can read."""

from collections.abc import Mapping
from typing import Any

from canonic.codes import CSS, Weighted
from canonic.network.depth import depth
from canonic.network.graph import Node, Population, Precision
from canonic.network.plan import Plan, total_steps
from canonic.tables import text_table
from canonic.words import counted, spread

HEADINGS = ("layer", "operator", "neurons", "theta", "silent", "first step")


def table(plan: Plan) -> str:
    """Return a row for each node: its operator, neurons, thresholds, silent steps, and when its first digit leaves."""
    return "\n".join((text_table(HEADINGS, rows(plan)), "", summary(plan)))


def rows(plan: Plan) -> list[tuple[str, ...]]:
    """Return the cells of the table."""
    return [_row(node, plan.graph.first_steps[node.name]) for node in plan.graph.nodes]


def why_chosen(goal: Mapping[str, Any], precision: Precision) -> str:
    """Return why a search took a network, which it judged in floats.

    >>> why_chosen({"why": "css:8: agreement 99.20 %"}, "int8")
    'css:8: agreement 99.20 % (in fp32; canonic evaluate tells that of int8)'
    """
    said: str = goal["why"]
    return said if precision == "fp32" else f"{said} (in fp32; canonic evaluate tells that of {precision})"


def summary(plan: Plan) -> str:
    """Return one sentence on the size and the latency of a network."""
    code = " and ".join(dict.fromkeys(map(_named, (plan.codes[node.name] for node in plan.graph.populations))))
    code = _family(plan, plan.css) if plan.css else code
    neurons = plan.graph.neurons
    size = f"{counted(len(neurons), 'population')}, {counted(sum(neurons.values()), 'neuron')}"
    return f"{size}, depth {depth(plan.graph)}; {code}: {counted(total_steps(plan), 'total step')}"


def _family(plan: Plan, code: CSS) -> str:
    silent, shape = spread(*plan.graph.silent), f"beta = {code.beta:g}, phi = {code.phi:g}"
    levels = "" if plan.graph.levels == (1, 1) else f", L = {spread(*plan.graph.levels)}"
    powers = ", powers of two" if code.powers else ""
    return f"CSS T = {code.steps}, k = {silent}, {shape}{levels}{powers}"


def _named(code: Weighted) -> str:
    return f"{code.name} T = {code.steps}"


def _row(node: Node, first: int) -> tuple[str, ...]:
    if not isinstance(node, Population):
        operator = node.operator.split(".")[1] if node.operator else "input"
        operator = "scale" if node.is_scale else operator
        return node.name, operator, "", "", "", str(first + 1)
    theta = node.tensors["theta"]
    gate = "signed" if node.neurons.signed else "relu"
    gate = node.neurons.rule.name if node.neurons.rule else gate
    spread = f"{float(theta.min()):.4g} .. {float(theta.max()):.4g}"
    return (
        node.name,
        f"population ({gate})",
        str(node.size),
        spread,
        str(node.silent),
        str(first + 1),
    )
