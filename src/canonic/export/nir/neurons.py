"""Populations as nodes of NIR, with metadata that say exactly what their neurons do.

A rule that NIR knows is its node: LIF, IF, LI and I, in forward Euler of one step, which is what leak and theta say:
``tau dv/dt = -v + R I`` with ``tau = dt / (1 - leak)`` and ``R = tau / dt`` is ``v = leak v + I``. A neuron of NIR is
reset to a number; that of a soft reset says so in its metadata. Any other population is a Threshold, the one thing that
it has in common with a node of NIR, and its metadata say the rest.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from canonic.codes import CSS, Rate, Weighted
from canonic.export.nir.key import DT, KEY, full, noted, require_package
from canonic.network.graph import Population
from canonic.network.plan import Plan
from canonic.network.population import ceiling_of
from canonic.network.ruled import FIELD, rule_of
from canonic.neurons.described import Form

RULES = ("LIF", "IF", "Leaky", "Integrator")
"""Rules that are nodes of NIR."""

RECURRENT = "recurrent"
"""What the names of tensors begin with that lead spikes back."""


def obstacle(plan: Plan, node: Population) -> str | None:
    """Return why a population cannot be written; None if it can."""
    rule, code = node.neurons.rule, node.neurons.code or plan.code
    if rule is None:
        return None if isinstance(code, CSS) or _plain_step(code) else f"neurons of the code {code.name}"
    if not rule.known or rule.name not in RULES:
        return f"neurons of the rule {rule.name}"
    if "recurrent" in node.tensors and len(node.shape) != 1:
        return "recurrent neurons in a picture"
    leak = getattr(rule_of(node), "leak", 0.0)
    mixed = isinstance(leak, Tensor) and bool((leak == 1).any()) and not bool((leak == 1).all())
    return "neurons of which some leak and others do not" if mixed else None


def _plain_step(code: Weighted) -> bool:
    """Tell whether the neuron of a code follows from its weights, norms, alphabet and firing."""
    return all(getattr(type(code), name) is getattr(Weighted, name) for name in ("step", "emit", "rest"))


def population(plan: Plan, node: Population) -> list[Any]:
    """Return the chain of nodes of a population."""
    if form := node.neurons.rule:
        return _ruled(node, form)
    code = node.neurons.code or plan.code
    if _integrates(plan, node):
        return [_integrating(node, code)]
    bar = full(code.firing.bars[-1], node.shape, node.tensors["theta"])
    return [require_package().Threshold(bar, metadata=noted(_coded(plan, node, code), held(node)))]


def held(node: Population) -> Mapping[str, Tensor]:
    """Return the tensors that the metadata of a population hold: its own, under the names that they have there."""
    return {array_of(name): t for name, t in node.tensors.items() if not name.startswith(RECURRENT)}


def array_of(name: str) -> str:
    """Return under which name a tensor of a population stands: theta, the unit of its spikes, is no field of a rule.

    >>> array_of("theta"), array_of("rule theta")
    ('unit', 'theta')
    """
    return "unit" if name == "theta" else name.removeprefix(FIELD)


def _coded(plan: Plan, node: Population, code: Weighted) -> dict[str, Any]:
    """Return what the neurons of a code do, as plain data."""
    begin = max(plan.graph.first_steps[name] for name in node.inputs)
    ceiling = node.neurons.ceiling if ceiling_of(node, code) is not None else None
    return {
        "is": "population",
        "begin": begin,
        "silent": node.silent,
        "signed": node.neurons.signed,
        "ceiling": ceiling,
        "code": code.to_json(),
        "weights": code.weights,
        "norms": code.norms,
        "alphabet": asdict(code.alphabet),
        "firing": asdict(code.firing),
        "arriving": plan.sender(node).weights,
        "amplifies": node.neurons.css is not None,
    }


def _integrates(plan: Plan, node: Population) -> bool:
    """Tell whether a population is one of plain integrate-and-fire neurons, from the first step on."""
    code, neurons = node.neurons.code or plan.code, node.neurons
    plain = type(code) is Rate and not neurons.signed and neurons.waits is None
    return plain and plan.sender(node) == code and plan.graph.first_steps[node.name] == 0


def _integrating(node: Population, code: Weighted) -> Any:
    """Return integrate-and-fire neurons that start at half their threshold, and what else they start at."""
    theta = node.tensors["theta"]
    start = full(code.firing.start * code.steps, node.shape, theta)
    if "start" in node.tensors:
        start = start + full(node.tensors["start"] * code.steps, node.shape, theta)
    ones, data = full(1.0, node.shape, theta), {"is": "neuron", "kind": "IF", "theta": 1.0, "reset": "soft"}
    metadata = {**noted(data, held(node)), f"{KEY}.potential": start}
    return require_package().IF(ones, ones, 0 * ones, metadata=metadata)


def _ruled(node: Population, form: Form) -> list[Any]:
    """Return the neurons of a rule; those of IF send their threshold."""
    nir, rule = require_package(), rule_of(node)
    like = node.tensors["theta"]
    metadata = noted({"is": "neuron", **form.to_json()}, held(node))
    leak, theta = getattr(rule, "leak", 1.0), getattr(rule, "theta", 1.0)
    ones, bar = full(1.0, node.shape, like), full(theta, node.shape, like)
    leaks = full(leak, node.shape, like)
    if form.name == "Integrator":
        return [
            nir.I(ones, metadata=metadata) if _whole(leaks) else nir.LI(*_leaking(leaks), 0 * ones, metadata=metadata)
        ]
    if form.name == "IF":
        return [nir.IF(ones, bar, 0 * ones, metadata=metadata), nir.Scale(bar)]
    if _whole(leaks):
        return [nir.IF(ones, bar, 0 * ones, metadata=metadata)]
    return [nir.LIF(*_leaking(leaks), 0 * ones, bar, 0 * ones, metadata=metadata)]


def _whole(leaks: Any) -> bool:
    return bool((leaks == 1).all())


def _leaking(leaks: Any) -> tuple[Any, Any]:
    """Return the time constant and the resistance of a leak."""
    tau = DT / (1 - leaks)
    return tau, tau / DT
