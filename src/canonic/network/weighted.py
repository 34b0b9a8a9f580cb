"""Populations in any code: what arrives at them, and what they send."""

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.native import weighted_scan
from canonic.network.graph import Population
from canonic.network.plan import Plan, Stream, entered
from canonic.network.population import ceiling_of, in_rows, in_shape
from canonic.neurons import Scan, weighted_run, worth_of


def arriving(plan: Plan, node: Population, stream: Stream) -> Float[Tensor, "_ batch ..."]:
    """Return ``w_in[t] I[t]``: what each step adds to the membranes of a population, with the weights of the sender."""
    sender = plan.sender(node)
    return worth_of(sender, entered(plan, node.inputs[0], stream, sender))


def population_of(
    plan: Plan, node: Population, stream: Stream, dtype: torch.dtype | None = None, *, counted: bool = False
) -> Scan:
    """Return what a population of any code does with the stream that it reads.

    Args:
        plan: that it is of.
        node: the population.
        stream: its current.
        dtype: of its spikes; that of its current if None.
        counted: count the spikes of each neuron, where that costs little.
    """
    neurons, sender = node.neurons, plan.sender(node)
    digits = entered(plan, node.inputs[0], stream, sender)
    code = neurons.code or plan.code
    given = in_rows(node, [digits], code, dtype or stream.dtype, counted=counted)
    return in_shape(weighted_scan(code, sender, given, silent=neurons.silent), node, digits)


def membranes_of(plan: Plan, node: Population, stream: Stream) -> Float[Tensor, "_ batch ..."]:
    """Return the potentials of a population after each of its steps, in units of theta."""
    code, theta = node.neurons.code or plan.code, node.tensors.get("threshold")
    steps = weighted_run(
        code,
        arriving(plan, node, stream if theta is None else stream.double()),
        silent=node.silent,
        signed=node.neurons.signed,
        start=node.tensors.get("start"),
        ceiling=ceiling_of(node, code),
        theta=theta,
    )
    unit = 1 if theta is None else theta * code.norms[-1]
    return torch.stack([state.potential / unit for state, _ in steps])
