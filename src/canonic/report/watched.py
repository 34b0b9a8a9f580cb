"""A few neurons of a layer, step by step: what they send, and what they hold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.network.graph import Population
from canonic.network.layerwise import current_of
from canonic.network.plan import Plan
from canonic.network.trace import inside

WATCHED = 6
"""Neurons of a layer whose steps are all shown."""


@dataclass(frozen=True)
class Neuron:
    """One neuron of a layer.

    Attributes:
        place: in the layer.
        events: its T digits.
        membranes: after each of its T + k steps, in units of theta.
        source: its activation in the source network, in units of theta; None where there is none.
    """

    place: tuple[int, ...]
    events: tuple[float, ...]
    membranes: tuple[float, ...]
    source: float | None


def watched(
    plan: Plan,
    node: Population,
    given: Sequence[Tensor],
    spikes: Shaped[Tensor, "time 1 *shape"],
    source: Float[Tensor, "1 *shape"] | None,
) -> tuple[Neuron, ...]:
    """Return a few neurons of a population, from the one that sends the largest number to the least that sends one.

    Args:
        plan: that was run with one sample.
        node: the population.
        given: the streams that it reads.
        spikes: its digits.
        source: its activation in the source network, in units of theta; None where there is none.
    """
    values = plan.codes[node.name].decode(spikes).flatten()
    order = values.abs().argsort(descending=True, stable=True)
    sending = max(1, int(values.count_nonzero()))
    chosen = order[torch.linspace(0, sending - 1, min(WATCHED, sending)).round().long()]
    found = inside(plan, node, current_of(plan, node, given), spikes)
    trains = zip(
        chosen.tolist(),
        spikes.flatten(1)[:, chosen].float().T.tolist(),
        found.membranes.flatten(1)[:, chosen].float().T.tolist(),
        [None] * len(chosen) if source is None else source.flatten()[chosen].tolist(),
        strict=True,
    )
    return tuple(
        Neuron(_place(index, node.shape), _rounded(events), _rounded(membranes), _five(activation))
        for index, events, membranes, activation in trains
    )


def _place(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(at) for at in np.unravel_index(index, shape)) if shape else ()


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    """Return numbers with five digits, which is what a page shows."""
    return tuple(float(f"{value:.5g}") for value in values)


def _five(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
