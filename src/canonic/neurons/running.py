"""A rule run over steps: what the schedules of learning and of networks share."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.neurons.rules import Rule, State

Recurrence = Callable[[Tensor], Tensor]
"""From the spikes of a population at the step before to currents that are added, both ``[batch, *shape]``."""


class Moved(NamedTuple):
    """What a population did in some steps.

    Attributes:
        spikes: that it sent.
        state: after the last step.
        sent: its spikes of the last step, where they come back to it.
        membranes: after each step, the first part of the state, where they are asked for.
    """

    spikes: Float[Tensor, "time batch *shape"]
    state: State
    sent: Float[Tensor, "batch *shape"] | None
    membranes: Float[Tensor, "time batch *shape"] | None


def moved(
    rule: Rule,
    state: State,
    currents: Float[Tensor, "time batch *shape"],
    draws: Float[Tensor, "time batch *shape"] | None = None,
    recurrence: Recurrence | None = None,
    sent: Float[Tensor, "batch *shape"] | None = None,
    *,
    membrane: bool = False,
) -> Moved:
    """Run the step of a rule over some steps.

    Args:
        rule: of the neurons.
        state: before the first of the steps.
        currents: of all of them.
        draws: uniform numbers in [0, 1), where the rule is random.
        recurrence: of a population whose spikes come back to it.
        sent: its spikes of the step before; None is silence.
        membrane: keep the membranes.
    """
    before, spikes, membranes = torch.zeros_like(currents[0]) if sent is None else sent, [], []
    for t, current in enumerate(currents):
        given = current if recurrence is None else current + recurrence(before)
        state, before = rule.step(state, given, None if draws is None else draws[t])
        spikes.append(before)
        membranes.append(state[0])
    kept = torch.stack(membranes) if membrane else None
    return Moved(torch.stack(spikes), state, None if recurrence is None else before, kept)


def seeded(seed: int, name: str, device: torch.device, noise: Tensor | None = None) -> torch.Generator:
    """Return the generator of a module: its own for each seed, where it was left if its state is given."""
    generator = torch.Generator(device)
    if noise is not None:
        return generator.set_state(noise)
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return generator.manual_seed(int.from_bytes(digest[:7]))


def drawn(
    currents: Float[Tensor, "time batch *shape"], generator: torch.Generator | None
) -> Float[Tensor, "time batch *shape"]:
    """Return uniform numbers in [0, 1), drawn step by step, so that all schedules draw the same."""
    steps = (torch.rand(c.shape, generator=generator, dtype=c.dtype, device=c.device) for c in currents)
    return torch.stack(list(steps))
