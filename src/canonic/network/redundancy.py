"""Redundancy by measurement: the least with which a population is hardly ever, and never badly, overloaded.

A neuron can take back what it sent too early if it waited before, k silent steps, or if it has large digits to do it
with, L levels. Either costs something, steps or bits of an event; so each population gets as little as it needs.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.codes import CSS
from canonic.network.graph import Population
from canonic.network.parts import samples_at_once
from canonic.network.population import population_scan
from canonic.network.reference import activate

OVERLOAD_LIMIT = 1e-3
"""The share of firing steps, above that of k = T, at which a population may be overloaded if nothing else is said."""

LARGEST_LOSS = 2.0
"""How many times the squared error of k = T a population may make: 3 dB."""

LEVELS = (1, 2, 4, 8, 16, 32, 64)
"""The largest digits that are tried."""


def choose_silent(node: Population, currents: Float[Tensor, "time batch ..."], limit: float) -> Population:
    """Return a population with the smallest k whose overload rate on these currents is under the limit."""
    return _with_least(node, lambda code: [replace(code, silent=k) for k in range(code.steps + 1)], currents, limit)


def choose_levels(node: Population, currents: Float[Tensor, "time batch ..."], limit: float) -> Population:
    """Return a population with the smallest L, a power of two, whose overload rate is under the limit."""
    return _with_least(node, _graded, currents, limit)


def _graded(code: CSS) -> list[CSS]:
    enough = [levels for levels in LEVELS if code.beta < 2 * levels + 1 and (levels == 1 or code.phi == 0.5)]
    return [replace(code, levels=levels) for levels in enough]


def _with_least(
    node: Population, members_of: Callable[[CSS], list[CSS]], currents: Float[Tensor, "time batch ..."], limit: float
) -> Population:
    """Return a population with the first member of its code's family in which it is not overloaded."""
    neurons = node.neurons
    if neurons.css is None:
        return node
    code = _least(node, members_of(neurons.css), currents, limit)
    return replace(node, neurons=replace(neurons, code=code))


def _least(node: Population, members: Sequence[CSS], currents: Float[Tensor, "time batch ..."], limit: float) -> CSS:
    """Return the first of some codes in which a population is not overloaded, else the last.

    Numbers that are clipped on purpose overload a neuron at every digit, whatever its code; so the rate is counted
    above that of k = T, where a neuron sees all of its input before it fires. A few overloads can be large, each
    residual grows with every digit that follows; so the squared error is limited as well, again by that of k = T.
    """
    wanted = activate(node, members[0].decode(currents))
    allowed, error = _losses(node, replace(members[-1], silent=members[-1].steps), currents, wanted)
    for code in members[:-1]:
        rate, squares = _losses(node, code, currents, wanted)
        if rate <= allowed + limit and squares <= LARGEST_LOSS * error:
            return code
    return members[-1]


def _losses(
    node: Population, code: CSS, currents: Float[Tensor, "time batch ..."], wanted: Float[Tensor, "batch ..."]
) -> tuple[float, float]:
    """Return the share of firing steps at which a neuron was overloaded, and the squared error, summed."""
    samples, overloads, error = samples_at_once(currents[:, 0].nbytes, currents.device), 0, 0.0
    for part, target in zip(torch.split(currents, samples, 1), torch.split(wanted, samples), strict=True):
        did = population_scan(node, [part], code, counted=True)
        overloads += int(did.overloads.sum())
        error += float((code.decode(did.spikes) - target).double().square().sum())
    return overloads / (code.steps * wanted.numel()), error
