"""Silent steps by measurement: the smallest k at which a population is hardly ever overloaded."""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from canonic.codes import CSS
from canonic.network.fusion import population_scan
from canonic.network.graph import Node


def choose_silent(node: Node, currents: Float[Tensor, "time batch ..."], limit: float) -> Node:
    """Return a population with the smallest k whose overload rate on these currents is under the limit.

    Numbers that are clipped on purpose overload a neuron at every digit, whatever k; so the rate is counted above
    that of k = T, where a neuron sees all of its input before it fires.
    """
    neurons = node.neurons
    if neurons is None or neurons.code is None:
        return node
    code = neurons.code
    allowed = limit + _rate(node, replace(code, silent=code.steps), currents)
    for k in range(code.steps):
        chosen = replace(code, silent=k)
        if _rate(node, chosen, currents) <= allowed:
            break
    else:
        chosen = replace(code, silent=code.steps)
    return replace(node, neurons=replace(neurons, code=chosen))


def _rate(node: Node, code: CSS, currents: Float[Tensor, "time batch ..."]) -> float:
    """Return the share of firing steps at which a neuron was overloaded."""
    overloads = population_scan(node, [currents], code).overloads
    return float(overloads.sum()) / (code.steps * currents[0].numel())
