"""Silent steps by measurement: the smallest k at which a population is hardly ever, and never badly, overloaded."""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from canonic.codes import CSS
from canonic.network.graph import Node
from canonic.network.population import population_scan
from canonic.network.reference import activate

LARGEST_LOSS = 2.0
"""How many times the squared error of k = T a population may make: 3 dB."""


def choose_silent(node: Node, currents: Float[Tensor, "time batch ..."], limit: float) -> Node:
    """Return a population with the smallest k whose overload rate on these currents is under the limit.

    Numbers that are clipped on purpose overload a neuron at every digit, whatever k; so the rate is counted above
    that of k = T, where a neuron sees all of its input before it fires. A few overloads can be large, each residual
    doubles with every digit that follows; so the squared error is limited as well, again by that of k = T.
    """
    neurons = node.neurons
    if neurons is None or neurons.code is None:
        return node
    code = neurons.code
    wanted = activate(node, code.decode(currents))
    allowed, error = _losses(node, replace(code, silent=code.steps), currents, wanted)
    for k in range(code.steps):
        chosen = replace(code, silent=k)
        rate, squares = _losses(node, chosen, currents, wanted)
        if rate <= allowed + limit and squares <= LARGEST_LOSS * error:
            break
    else:
        chosen = replace(code, silent=code.steps)
    return replace(node, neurons=replace(neurons, code=chosen))


def _losses(
    node: Node, code: CSS, currents: Float[Tensor, "time batch ..."], wanted: Float[Tensor, "batch ..."]
) -> tuple[float, float]:
    """Return the share of firing steps at which a neuron was overloaded, and the squared error, summed."""
    did = population_scan(node, [currents], code)
    error = (code.decode(did.spikes) - wanted).double().square().sum()
    return float(did.overloads.sum()) / (code.steps * wanted.numel()), float(error)
