"""One tick of the clocked scheduler in which time is a tensor too: what a graph of one step needs.

The clocked scheduler counts its ticks in Python, and so knows which populations listen, what a digit is worth, and what
has not begun. Here all of that is looked up in tables by the tick, and what does not apply is masked. The neurons are
those of ``canonic.neurons``, and each tick gives what the clocked scheduler gives, which the tests compare.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from canonic.export.populations import Own, advanced, at, rest_of_population, within
from canonic.network.apply import apply_whole
from canonic.network.graph import Node, Population
from canonic.network.inputs import prototype
from canonic.network.kernels import multiply
from canonic.network.plan import Plan, entry

Place = tuple[str, str]

State = Mapping[Place, Tensor]
"""What a network remembers, ``[batch, ...]``, by whom and by the name of the part."""

LATE, ANSWER = "late", "answer"
"""By whom else something is remembered, behind the name of a node: what arrives too early, and what is read of it."""


def rest_of(plan: Plan, batch: int) -> State:
    """Return the state before the first tick."""
    like, state = prototype(plan.graph), dict[Place, Tensor]()
    for node in _computed(plan):
        for name, steps in _late(plan, node).items():
            state[f"{node.name} {LATE}", name] = like.new_zeros(batch, steps, *plan.graph[name].shape)
        for part, value in _rest(plan, node, like.new_zeros(batch, *node.shape)).items():
            state[node.name, part] = value
    for name in dict.fromkeys(plan.graph.outputs):
        state[f"{name} {ANSWER}", "sum"] = like.new_zeros(batch, *plan.graph[name].shape)
        state[f"{name} {ANSWER}", "read"] = like.new_zeros(batch, *plan.graph[name].shape)
    return state


def _computed(plan: Plan) -> list[Node]:
    return [node for node in plan.graph.nodes if node.name not in plan.whole and node.kind != "input"]


def _late(plan: Plan, node: Node) -> dict[str, int]:
    """Return the inputs of a node that come before its others, and by how many steps."""
    first = plan.graph.first_steps
    last = max(first[name] for name in node.inputs)
    return {name: last - first[name] for name in node.inputs if last > first[name] and name not in plan.whole}


def _rest(plan: Plan, node: Node, zeros: Tensor) -> dict[str, Tensor]:
    """Return what a node remembers before its first step, part by part."""
    if isinstance(node, Population):
        return rest_of_population(plan, node, zeros)
    if node.kind != "function unit" or plan.stepwise:
        return {}
    shapes = {name: plan.graph[name].shape for name in node.inputs if name not in plan.whole}
    sums = {f"sum {name}": _wide(plan, node, zeros).new_zeros(len(zeros), *shape) for name, shape in shapes.items()}
    return {**sums, "output": _wide(plan, node, zeros)}


def _wide(plan: Plan, node: Node, x: Tensor) -> Tensor:
    """Return whole digits in float64, in which maxima of their prefixes are far from any half."""
    return x.double() if plan.spikes == torch.int8 and node.scaling == "pools" else x


def advance(plan: Plan, t: Tensor, inputs: Sequence[Tensor], state: State) -> tuple[dict[str, Tensor], State]:
    """Return what each output stands for after tick t, and the state; t = 1, 2, ... is one whole number.

    The inputs are the same at every tick, or what changes from frame to frame.
    """
    first, after = plan.graph.first_steps, dict(state)
    sent = dict(zip(plan.graph.inputs, inputs, strict=True))
    for node in plan.graph.nodes:
        if node.kind == "input":
            continue
        if node.name in plan.whole:
            sent[node.name] = _whole(node, [sent[name] for name in node.inputs])
            continue
        m = t - max(first[name] for name in node.inputs)
        given = [_arriving(plan, node, name, m, sent[name], after) for name in node.inputs]
        own = {part: value for (name, part), value in after.items() if name == node.name}
        sent[node.name], moved_on = _advance(plan, node, m, given, own)
        after.update({(node.name, part): value for part, value in moved_on.items()})
    return _answers(plan, t, sent, after), after


def _whole(node: Node, given: Sequence[Tensor]) -> Tensor:
    """Return what follows from the inputs alone."""
    if node.kind == "function unit":
        return apply_whole(node, given, given[0].shape[0])
    value = multiply(node, given)
    return value + node.tensors["bias"] if "bias" in node.tensors else value


def _arriving(plan: Plan, node: Node, name: str, m: Tensor, sent: Tensor, after: dict[Place, Tensor]) -> Tensor:
    """Return what comes from an input at step m of a node's own time: late, or with the gains of its code."""
    if name in plan.whole:
        if node.kind == "function unit":
            return sent
        sender = plan.sender(node) if isinstance(node, Population) else plan.codes[node.name]
        return sent * at(entry(sender), m, sent)
    if name not in _late(plan, node):
        return sent
    waiting = after[f"{node.name} {LATE}", name]
    after[f"{node.name} {LATE}", name] = torch.cat([waiting[:, 1:], sent.unsqueeze(1)], 1)
    return waiting[:, 0]


def _advance(plan: Plan, node: Node, m: Tensor, given: list[Tensor], own: Own) -> tuple[Tensor, Own]:
    """Return what a node sends at step m of its own time, and what it remembers."""
    if isinstance(node, Population):
        return advanced(plan, node, m, given[0], own)
    if node.kind != "function unit":
        pulse = multiply(node, given)
        gains = plan.gains.get(node.name)
        return (pulse if gains is None else pulse + at(gains, m, pulse) * node.tensors["bias"]), {}
    if plan.stepwise:
        return apply_whole(node, given, given[0].shape[0]), {}
    return _telescoping(plan, node, m, given, own)


def _telescoping(plan: Plan, node: Node, m: Tensor, given: list[Tensor], own: Own) -> tuple[Tensor, Own]:
    """Return the digit of a function unit, ``(n[m] f(A[m]) - n[m-1] f(A[m-1])) / w[m]``."""
    code, here, memory, values = plan.codes[node.name], within(m, plan.codes[node.name].steps), {}, []
    for name, pulse in zip(node.inputs, given, strict=True):
        x = _wide(plan, node, pulse)
        if name not in plan.whole:
            total = own[f"sum {name}"] + at(code.weights, m, own["output"]).to(x) * x
            memory[f"sum {name}"] = torch.where(here, total, own[f"sum {name}"])
            x = total / at(code.norms, m, x, outside=1.0)
        values.append(x)
    found = apply_whole(node, values, values[0].shape[0])
    output = torch.where(found.isfinite(), found, own["output"])
    before = own["output"] * at((0.0, *code.norms), m, output)
    digit = (at(code.norms, m, output) * output - before) / at(code.weights, m, output, outside=1.0)
    digit = (digit.round() if node.scaling == "pools" and plan.spikes == torch.int8 else digit).to(given[0])
    memory["output"] = torch.where(here, output, own["output"])
    return torch.where(here, digit, torch.zeros_like(digit)), memory


def _answers(plan: Plan, t: Tensor, sent: Mapping[str, Tensor], after: dict[Place, Tensor]) -> dict[str, Tensor]:
    """Return what each output stands for, and keep it."""
    for name in dict.fromkeys(plan.graph.outputs):
        code, m = plan.codes[name], t - plan.graph.first_steps[name]
        if name in plan.whole:
            after[f"{name} {ANSWER}", "read"] = sent[name]
            continue
        here, pulse, total = within(m, code.steps), sent[name], after[f"{name} {ANSWER}", "sum"]
        total = torch.where(here, total + at(code.weights, m, pulse) * pulse, total)
        value = pulse if plan.readout == "last" else total / at(code.norms, m, pulse, outside=1.0)
        after[f"{name} {ANSWER}", "sum"] = total
        after[f"{name} {ANSWER}", "read"] = torch.where(here, value, after[f"{name} {ANSWER}", "read"])
    return {name: after[f"{name} {ANSWER}", "read"] for name in plan.graph.outputs}
