"""Populations at one step that is a tensor: what differs between steps is looked up in tables, or chosen."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from canonic.codes import CSS, Weighted
from canonic.errors import ExportError
from canonic.export.elsewhere import drawing, elsewhere, stepless
from canonic.network.graph import Population
from canonic.network.plan import Plan
from canonic.network.population import ceiling_of
from canonic.network.ruled import recurrence_of, rule_of
from canonic.neurons import Membrane, step, weighted_rest
from canonic.neurons import rest as css_rest
from canonic.neurons.encoding import Encoded
from canonic.neurons.running import moved
from canonic.neurons.weighted import shares

Own = Mapping[str, Tensor]
"""What a node remembers, part by part."""


def require_steps(plan: Plan) -> None:
    """Raise an ExportError that names all nodes which cannot be a graph of one step."""
    told = {node.name: why for node in plan.graph.populations if (why := _obstacle(plan, node))}
    if plan.readout == "first":
        told["the answer"] = "the first event answers"
    if told:
        listed = "; ".join(f"{name}: {why}" for name, why in told.items())
        instead = elsewhere(plan) if drawing(plan) else "all steps as one graph, --to onnx"
        raise ExportError(f"a graph of one step cannot hold {listed}: take {instead}")


def _obstacle(plan: Plan, node: Population) -> str | None:
    rule, code = node.neurons.rule, node.neurons.code or plan.code
    if rule is not None:
        why = {"is random": node in drawing(plan), "has no steps": node in stepless(plan)}
        why["makes a train at its first step"] = rule.kind is Encoded
        return next((f"its rule {rule.name} {said}" for said, holds in why.items() if holds), None)
    own = [name for name in ("step", "emit", "rest") if getattr(type(code), name) is not getattr(Weighted, name)]
    return f"neurons of the code {code.name}, which count their steps" if own and node.neurons.css is None else None


def at(values: Sequence[float], m: Tensor, like: Tensor, outside: float = 0.0) -> Tensor:
    """Return the m-th of some values, counted from 1, and what stands for all others.

    >>> at((5.0, 7.0), torch.tensor(2), torch.zeros(1)).item(), at((5.0,), torch.tensor(9), torch.zeros(1)).item()
    (7.0, 0.0)
    """
    table = torch.tensor([outside, *values, outside], dtype=like.dtype, device=like.device)
    return table.index_select(0, m.clamp(0, len(values) + 1).reshape(1)).squeeze(0)


def within(m: Tensor, last: int) -> Tensor:
    """Return whether a step is one of 1 .. last."""
    return (m >= 1) & (m <= last)


def rest_of_population(plan: Plan, node: Population, zeros: Tensor) -> dict[str, Tensor]:
    """Return what a population remembers before its first step."""
    neurons, start = node.neurons, node.tensors.get("start")
    if neurons.rule:
        state = {f"state {place}": part for place, part in enumerate(rule_of(node).rest(zeros))}
        return {**state, "sent": zeros} if "recurrent" in node.tensors else state
    if neurons.css is not None:
        v, gate = css_rest(zeros, signed=neurons.signed, start=start)
        return {"potential": v, "gate": gate}
    zeros = zeros.double() if "threshold" in node.tensors else zeros
    rested = weighted_rest(neurons.code or plan.code, zeros, signed=neurons.signed, start=start)
    return {"potential": rested.potential, "sent": rested.sent, "held": zeros}


def advanced(plan: Plan, node: Population, m: Tensor, current: Tensor, own: Own) -> tuple[Tensor, Own]:
    """Return what a population sends at step m of its own time, and what it remembers."""
    if node.neurons.rule:
        return _ruled(node, current, own)
    if (code := node.neurons.css) is not None:
        return _amplifying(code, node, m, current, own)
    return _weighted(plan, node, m, current, own)


def _ruled(node: Population, current: Tensor, own: Own) -> tuple[Tensor, Own]:
    rule = rule_of(node)
    kind = type(rule.rest(current))
    before = kind(*(own[f"state {place}"] for place in range(len(own) - ("sent" in own))))
    did = moved(rule, before, current.unsqueeze(0), None, recurrence_of(node), own.get("sent"))
    after = {f"state {place}": part for place, part in enumerate(did.state)}
    return did.spikes[0], after if did.sent is None else {**after, "sent": did.sent}


def _amplifying(code: CSS, node: Population, m: Tensor, current: Tensor, own: Own) -> tuple[Tensor, Own]:
    """Advance a population of CSS; what differs between steps is chosen by m."""
    before, k, last = Membrane(own["potential"], own["gate"]), code.silent, code.steps + code.silent
    theta, ceiling = node.tensors.get("threshold"), ceiling_of(node, code)
    if ceiling is not None:
        ceiling = ceiling * at([code.beta**digit for digit in range(code.steps)], m - k, current)
    after, spikes = _firing(code, k + 1, before, current, theta, ceiling)
    if code.phi != 0.5:
        after, spikes = _chosen(m == last, _firing(code, last, before, current, theta), (after, spikes))
    potential = torch.where(within(m, last), after.potential, before.potential)
    if k:
        listening, _ = step(code, 1, before, current, theta)
        potential = torch.where(within(m, k), listening.potential, potential)
    fires = within(m - k, code.steps)
    gate = torch.where(fires, after.gate, before.gate)
    return torch.where(fires, spikes, torch.zeros_like(spikes)), {"potential": potential, "gate": gate}


def _firing(code: CSS, t: int, before: Membrane, *given: Tensor | None) -> tuple[Membrane, Tensor]:
    """Advance a population by a step at which it may send."""
    return cast("tuple[Membrane, Tensor]", step(code, t, before, *given))


def _chosen(condition: Tensor, one: tuple[Membrane, Tensor], other: tuple[Membrane, Tensor]) -> tuple[Membrane, Tensor]:
    parts = (torch.where(condition, a, b) for a, b in zip(one[0], other[0], strict=True))
    return Membrane(*parts), torch.where(condition, one[1], other[1])


def _weighted(plan: Plan, node: Population, m: Tensor, current: Tensor, own: Own) -> tuple[Tensor, Own]:
    """Advance a population of any other code."""
    code, theta, silent = node.neurons.code or plan.code, node.tensors.get("threshold"), node.silent
    potential, sent, held = own["potential"], own["sent"], own["held"]
    arrived = current.to(held) * at(plan.sender(node).weights, m, held)
    digit, hears = m - silent, within(m, silent)
    given = held * at(shares(code), digit, held) if silent else arrived
    w = at(code.weights, digit, held, outside=1.0)
    unit = w if theta is None else w * theta
    u = potential + given
    spikes = _emitted(code, digit, u / unit, sent / w, signed=node.neurons.signed)
    if (ceiling := ceiling_of(node, code)) is not None:
        spikes = torch.minimum(spikes, code.alphabet.below((ceiling - sent) / w))
    fires = within(digit, code.steps)
    memory = {
        "potential": torch.where(fires, u - unit * spikes, potential),
        "sent": torch.where(fires, sent + w * spikes, sent),
        "held": torch.where(hears, held + arrived, held),
    }
    return torch.where(fires, spikes, torch.zeros_like(spikes)).to(current), memory


def _emitted(code: Weighted, digit: Tensor, u: Tensor, sent: Tensor, *, signed: bool) -> Tensor:
    spikes = code.emit(1, u, sent, signed=signed)
    if code.firing.last is None:
        return spikes
    return torch.where(digit == code.steps, code.emit(code.steps, u, sent, signed=signed), spikes)
