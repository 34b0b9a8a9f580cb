"""The codes of an integer network: those whose neurons add whole numbers only, in units in which they do."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from canonic.codes import CSS, Scaled, in_whole_numbers
from canonic.errors import ConversionError
from canonic.network.carried import takes_maxima
from canonic.network.draft import impossible
from canonic.network.graph import Node, Population
from canonic.network.plan import Plan

LARGEST_PREFIX = 2.0**24
"""What was sent, in units of the last digit: a float holds it exactly."""


def in_whole_units(plan: Plan) -> Plan:
    """Return the plan with its code in units in which its neurons add whole numbers only; that of CSS has them.

    Raises:
        ConversionError: if there are none, or codes differ.
    """
    members = [node.neurons.css for node in plan.graph.populations]
    if all(members):
        _require_whole(code for code in members if code)
        return plan
    _require_one_code(plan)
    code = in_whole_numbers(plan.code)
    if code is None:
        raise ConversionError(
            f"int8 adds whole numbers, and no units make those of the code {plan.code.name} whole: convert with css, "
            "rate, signed-rate, phase, burst, latency or binary, or use bf16"
        )
    return replace(plan, code=code, graph=replace(plan.graph, nodes=tuple(_in_code(n, code) for n in plan.graph.nodes)))


def _require_one_code(plan: Plan) -> None:
    for node in plan.graph.populations:
        for code in (node.neurons.code, plan.sender(node)):
            if code is not None and code != plan.code:
                raise ConversionError(
                    f"int8 has one code for all, and {node.name} is, or reads, in the code {code.name}, not "
                    f"{plan.code.name}: convert with one of them alone, or use bf16"
                )


def _in_code(node: Node, code: Scaled) -> Node:
    """Return a population in a code; a maximum only where its digits are whole, as weights never rise."""
    if takes_maxima(node) and any(later > earlier for earlier, later in pairwise(code.weights)):
        raise impossible(node, f"in the code {code.code.name} of several periods the digits of a maximum are not")
    return replace(node, neurons=replace(node.neurons, code=code)) if isinstance(node, Population) else node


def _require_whole(members: Iterable[CSS]) -> None:
    for code in members:
        if code.beta % 1:
            raise ConversionError(
                f"int8 has whole membranes and needs a whole beta; the code has {code.beta:g}: convert with beta=2, or "
                "use bf16"
            )
        if (sums := code.levels * (code.beta**code.steps - 1) / (code.beta - 1)) > LARGEST_PREFIX:
            raise ConversionError(
                f"{code.steps} digits up to {code.levels} with beta = {code.beta:g} add up to {sums:.3g}, beyond the "
                f"{LARGEST_PREFIX:.3g} that an integer network holds: convert with fewer steps, or use bf16"
            )


def start_of(node: Population) -> Tensor | None:
    """Return what the membrane of a population starts from, in units of theta; that of CSS before it is doubled."""
    code, own = node.neurons.code, node.tensors.get("start")
    if not isinstance(code, Scaled):
        return own
    first = 0.0 if node.neurons.signed else code.code.firing.start
    return code.scale * (first + (torch.zeros(()) if own is None else own))
