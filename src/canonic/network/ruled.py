"""Populations that move by a rule, as they were trained: what they send at all steps, or at one."""

from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

from canonic.codes.readouts import Score, scored
from canonic.errors import CanonicError, DataError
from canonic.native import rule_scan
from canonic.network.graph import Population
from canonic.network.plan import Plan, Stream, entered
from canonic.neurons import Scan
from canonic.neurons.described import Form
from canonic.neurons.rules import Rule, State
from canonic.neurons.running import Recurrence, drawn, seeded

FIELD = "rule "
"""What the names of tensors begin with that are fields of a rule."""


class Ruled(NamedTuple):
    """The memory of a population that moves by a rule.

    Attributes:
        state: of its neurons.
        sent: its spikes of the step before, where they come back to it.
        noise: the state of its generator, where it is random.
    """

    state: State
    sent: Tensor | None = None
    noise: Tensor | None = None


def rule_of(node: Population) -> Rule:
    """Return the rule of a population, with those of its fields that are tensors."""
    own = {name.removeprefix(FIELD): t for name, t in node.tensors.items() if name.startswith(FIELD)}
    return cast("Form", node.neurons.rule).rule(own)


def ruled_scan(plan: Plan, node: Population, stream: Stream) -> Scan:
    """Return what a population does with the stream of its currents."""
    currents, rule = entered(plan, node.inputs[0], stream, plan.sender(node)), rule_of(node)
    draws, _ = _draws(plan, node, rule, currents, None)
    recurrence = recurrence_of(node)
    if recurrence is None and hasattr(rule, "run"):
        spikes = rule.run(currents, draws)
    else:
        spikes = rule_scan(rule, rule.rest(currents[0]), currents, draws, recurrence).spikes
    return Scan(spikes, torch.zeros(len(spikes), dtype=torch.int64, device=spikes.device))


def ruled_step(
    plan: Plan, node: Population, current: Float[Tensor, "batch *shape"], memory: Ruled | None
) -> tuple[Float[Tensor, "batch *shape"], Ruled]:
    """Return what a population sends at its next step, and its memory.

    Raises:
        DataError: if its rule has no steps.
    """
    rule = rule_of(node)
    before = memory or Ruled(_rest(node, rule, current))
    draws, noise = _draws(plan, node, rule, current.unsqueeze(0), before.noise)
    did = rule_scan(rule, before.state, current.unsqueeze(0), draws, recurrence_of(node), before.sent)
    return did.spikes[0], Ruled(did.state, did.sent, noise)


def _rest(node: Population, rule: Rule, current: Tensor) -> State:
    """Return the state that a population starts from."""
    try:
        return rule.rest(current)
    except CanonicError as error:
        raise DataError(f"population {node.name} cannot run step by step, scheduler='layerwise' can: {error}") from None


def recurrence_of(node: Population) -> Recurrence | None:
    """Return what brings the spikes of a population back to it, if anything does."""
    weight, bias = node.tensors.get("recurrent"), node.tensors.get("recurrent bias")
    return None if weight is None else lambda sent: linear(sent, weight, bias)


def ruled_membranes(plan: Plan, node: Population, stream: Stream) -> Float[Tensor, "_ batch ..."]:
    """Return the potentials of a population after each of its steps; 0 where its rule has none."""
    currents, rule = entered(plan, node.inputs[0], stream, plan.sender(node)), rule_of(node)
    try:
        state = rule.rest(currents[0])
    except CanonicError:
        return torch.zeros_like(currents)
    draws, _ = _draws(plan, node, rule, currents, None)
    return cast("Tensor", rule_scan(rule, state, currents, draws, recurrence_of(node), membrane=True).membranes)


def answered(plan: Plan, pulse: Tensor, memory: object, before: Tensor | None, sent: Tensor | None) -> Tensor:
    """Return what is read of an output at a step, from what was read before, and all that it had sent."""
    if plan.readout == "last" or not isinstance(memory, Ruled):
        return pulse
    known = None if before is None or sent is None else Score(before, (sent != 0).any(1, keepdim=True))
    return scored(pulse, memory.state[0], known).score


def _draws(
    plan: Plan, node: Population, rule: Rule, currents: Tensor, noise: Tensor | None
) -> tuple[Float[Tensor, "time batch *shape"] | None, Tensor | None]:
    """Return the numbers that a random rule decides by, and the state of its generator after them."""
    if not rule.random or plan.seed is None:
        return None, None
    generator = seeded(plan.seed, node.arguments["module"], currents.device, noise)
    return drawn(currents, generator), generator.get_state()
