"""The clocked scheduler: all nodes advance one tick at a time, as on a chip. State is passed and returned."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.codes.weighted import Membrane as WeightedMembrane
from canonic.network.apply import apply_whole, held
from canonic.network.graph import Node, Population
from canonic.network.inputs import prototype
from canonic.network.kernels import multiply
from canonic.network.plan import Plan, entry, total_steps
from canonic.network.population import ceiling_of
from canonic.network.ruled import Ruled, answered, ruled_step
from canonic.neurons import Membrane, released, rest, step, weighted_rest, weighted_step

STATE = 2**26
"""Bytes of the state of all layers, about, that are simulated at once."""

Pulse = Tensor | None
"""One step of a stream, [batch, *shape]; None is silence and costs nothing."""


class Prefix(NamedTuple):
    """The memory of a function unit: the digits of each input added up, and f(A[m]), what they stand for."""

    sums: tuple[Tensor, ...]
    output: Tensor


class Waiting(NamedTuple):
    """The memory of a population that waits for a whole number: what has arrived of it, and the state behind that."""

    held: Tensor
    state: WeightedMembrane


Memory = Membrane | Waiting | Ruled | Prefix | None


@dataclass(frozen=True)
class State:
    """Everything that a network remembers between two ticks. Its size does not depend on T.

    Attributes:
        tick: the number of ticks done.
        whole: the inputs, and what follows from them alone, [batch, *shape].
        memory: of each population and function unit.
        delayed: for each (reader, input) whose other inputs come later, the pulses under way, oldest first.
        sums: of the digits of each output so far.
        readout: what they stand for.
    """

    tick: int = 0
    whole: Mapping[str, Tensor] = field(default_factory=dict)
    memory: Mapping[str, Memory] = field(default_factory=dict)
    delayed: Mapping[tuple[str, str], tuple[Pulse, ...]] = field(default_factory=dict)
    sums: Mapping[str, Tensor] = field(default_factory=dict)
    readout: Mapping[str, Tensor] = field(default_factory=dict)


def clocked(plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> Iterator[tuple[dict[str, Pulse], State]]:
    """Yield the pulses of all nodes and the state after each tick 1 .. total steps."""
    state = State()
    for now in range(total_steps(plan)):
        pulses, state = tick(plan, state, [x[:, now] for x in inputs] if plan.follows else inputs)
        yield pulses, state


def final_readout(plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> list[Tensor]:
    """Return what all digits of each output stand for.

    Each tick is forgotten before the next, and the batch is cut so that the state of all layers stays near STATE bytes.
    """
    size = max(1, STATE // (8 * sum(node.size for node in plan.graph.nodes)))
    size = size if plan.seed is None else len(inputs[0])  # what is drawn belongs to the batch
    chunks = [_final(plan, part) for part in zip(*(torch.split(x, size) for x in inputs), strict=True)]
    return [torch.cat([chunk[name] for chunk in chunks]) for name in plan.graph.outputs]


def _final(plan: Plan, inputs: Sequence[Tensor]) -> Mapping[str, Tensor]:
    readout: Mapping[str, Tensor] = {}
    for _, state in clocked(plan, inputs):
        readout = state.readout
    return readout


def tick(plan: Plan, state: State, inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> tuple[dict[str, Pulse], State]:
    """Advance every node by one tick. The inputs are the same at every call, or what changes from frame to frame."""
    graph, now, first = plan.graph, state.tick + 1, plan.graph.first_steps
    whole = state.whole or _whole(plan, inputs)
    pulses: dict[str, Pulse] = {name: x if now == 1 else None for name, x in whole.items()}
    pulses |= zip(graph.inputs, inputs, strict=True) if plan.follows else ()
    memory, delayed = dict(state.memory), dict(state.delayed)
    nothing = prototype(graph).new_zeros(())
    for node in graph.nodes:
        if node.name in plan.whole or node.kind == "input":
            continue
        begin = max(first[name] for name in node.inputs)
        arriving: list[tuple[Pulse, Tensor]] = []
        for name in node.inputs:
            silence = nothing.expand(inputs[0].shape[0], *graph[name].shape)
            if name in plan.whole:
                arriving.append((_entering(plan, node, whole[name], now - begin), silence))
                continue
            waiting = delayed.get((node.name, name), (None,) * (begin - first[name]))
            pulse, *waiting_now = (*waiting, pulses[name])
            delayed[node.name, name] = tuple(waiting_now)
            arriving.append((pulse, silence))
        pulses[node.name], memory[node.name] = _advance(plan, node, now - begin, arriving, memory.get(node.name))
    sums, readout = _readout(plan, state, pulses, memory)
    return pulses, State(now, whole, memory, delayed, sums, readout)


def _whole(plan: Plan, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return what comes whole: the inputs, and what follows from them alone."""
    known = dict(zip(plan.graph.inputs, inputs, strict=True))
    for node in plan.graph.nodes:
        if node.name not in plan.whole or node.kind == "input":
            continue
        given = [known[name] for name in node.inputs]
        if node.kind == "function unit":
            known[node.name] = held(apply_whole(node, given, given[0].shape[0]), None)
        else:
            value = multiply(node, given)
            known[node.name] = value + node.tensors["bias"] if "bias" in node.tensors else value
    return known


def _entering(plan: Plan, node: Node, value: Tensor, t: int) -> Pulse:
    """Return with what a number that came whole enters at step t of a node's own time; whole in a function unit."""
    if node.kind == "function unit":
        return value
    gains = entry(plan.sender(node) if isinstance(node, Population) else plan.codes[node.name])
    if not 1 <= t <= len(gains) or gains[t - 1] == 0:
        return None
    return value if gains[t - 1] == 1 else value * gains[t - 1]


def _advance(
    plan: Plan, node: Node, t: int, arriving: list[tuple[Pulse, Tensor]], memory: Memory
) -> tuple[Pulse, Memory]:
    """Return the pulse of a node at step t of its own time and its new memory."""
    if isinstance(node, Population) and not node.neurons.rule:
        return _population(plan, node, t, arriving[0], memory)
    if not 1 <= t <= plan.codes[node.name].steps:
        return None, memory
    if isinstance(node, Population):
        current = arriving[0][1] if arriving[0][0] is None else arriving[0][0]
        return ruled_step(plan, node, current, memory if isinstance(memory, Ruled) else None)
    if node.kind == "function unit" and plan.stepwise:
        given = [silence if pulse is None else pulse for pulse, silence in arriving]
        return apply_whole(node, given, given[0].shape[0]), None
    if node.kind == "function unit":
        digit = _whole_maximum if plan.spikes == torch.int8 and node.scaling == "pools" else _telescoping
        return digit(plan, node, t, arriving, memory if isinstance(memory, Prefix) else None)
    return _linear(plan, node, t, arriving), None


def _population(
    plan: Plan, node: Population, t: int, arriving: tuple[Pulse, Tensor], memory: Memory
) -> tuple[Pulse, Memory]:
    (pulse, silence), neurons = arriving, node.neurons
    code, css = neurons.code or plan.code, neurons.css
    if not 1 <= t <= code.steps + neurons.silent:
        return None, memory
    start, ceiling = node.tensors.get("start"), ceiling_of(node, code)
    if css is not None:
        before = memory if isinstance(memory, Membrane) else rest(silence, signed=neurons.signed, start=start)
        after, spikes = step(css, t, before, pulse, node.tensors.get("threshold"), ceiling)
        return spikes, after
    theta = node.tensors.get("threshold")
    nothing = silence if theta is None else silence.double()
    arrived = None if pulse is None else pulse.to(nothing) * plan.sender(node).weights[t - 1]
    if not isinstance(memory, Waiting):
        memory = Waiting(nothing, weighted_rest(code, nothing, signed=neurons.signed, start=start))
    held, state = memory
    if (digit := t - neurons.silent) < 1:
        return None, Waiting(held if arrived is None else held + arrived, state)
    given = released(code, digit, held) if neurons.silent else arrived
    moved, events = weighted_step(code, digit, state, given, signed=neurons.signed, ceiling=ceiling, theta=theta)
    return None if events is None else events.to(silence), Waiting(held, moved)


def _linear(plan: Plan, node: Node, t: int, arriving: list[tuple[Pulse, Tensor]]) -> Pulse:
    gains = plan.gains.get(node.name, ())
    gain = gains[t - 1] if t <= len(gains) else 0.0
    if not gain and all(pulse is None for pulse, _ in arriving):
        return None
    given = [silence if pulse is None else pulse for pulse, silence in arriving]
    pulse = multiply(node, given)
    return pulse + gain * node.tensors["bias"] if gain else pulse


def _telescoping(
    plan: Plan, node: Node, t: int, arriving: list[tuple[Pulse, Tensor]], memory: Prefix | None
) -> tuple[Pulse, Memory]:
    """Return the digit of a function unit, (n[m] f(A[m]) - n[m-1] f(A[m-1])) / w[m], and what it remembers."""
    code = plan.codes[node.name]
    whole = [name in plan.whole for name in node.inputs]
    quiet = all(pulse is None or w for (pulse, _), w in zip(arriving, whole, strict=True))
    if memory is not None and quiet and code.plain:
        return None, memory
    weight, norm = code.weights[t - 1], code.norms[t - 1]
    before = (None,) * len(arriving) if memory is None else memory.sums
    terms = zip(before, arriving, whole, strict=True)
    sums = tuple(pulse if w and pulse is not None else _sum(b, weight, pulse, zero) for b, (pulse, zero), w in terms)
    values = sums if code.plain else tuple(x if w else x / norm for x, w in zip(sums, whole, strict=True))
    last = None if memory is None else memory.output
    output = held(apply_whole(node, values, values[0].shape[0]), last)
    sent = output if code.plain else norm * output
    if last is not None:
        sent = sent - (last if code.plain else code.norms[t - 2] * last)
    return sent / weight, Prefix(sums, output)


def _whole_maximum(
    plan: Plan, node: Node, t: int, arriving: list[tuple[Pulse, Tensor]], memory: Prefix | None
) -> tuple[Pulse, Memory]:
    """Return the digit of a maximum of whole digits, and what is remembered: in float64, far from any half."""
    wide = [(pulse if pulse is None else pulse.double(), silence.double()) for pulse, silence in arriving]
    digit, after = _telescoping(plan, node, t, wide, memory)
    return digit if digit is None else digit.round().to(arriving[0][1]), after


def _sum(before: Tensor | None, weight: float, pulse: Pulse, silence: Tensor) -> Tensor:
    """Return the digits so far, added up: S[m] = S[m-1] + w[m] s[m]."""
    if pulse is None:
        return silence if before is None else before
    weighted = pulse if weight == 1 else weight * pulse
    return weighted if before is None else before + weighted


def _readout(
    plan: Plan, state: State, pulses: Mapping[str, Pulse], memory: Mapping[str, Memory]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the sums of the digits of each output, and what they stand for."""
    sums, readout = dict(state.sums), dict(state.readout)
    for name in dict.fromkeys(plan.graph.outputs):
        code, digit = plan.codes[name], state.tick + 1 - plan.graph.first_steps[name]
        pulse = pulses[name]
        if name in plan.whole:
            readout[name] = readout[name] if pulse is None else pulse
        elif 1 <= digit <= code.steps and (pulse is not None or name in sums):
            if plan.readout != "mean" and pulse is not None:
                readout[name] = answered(plan, pulse, memory[name], readout.get(name), sums.get(name))
            if pulse is not None:
                sums[name] = _sum(sums.get(name), code.weights[digit - 1], pulse, pulse)
            if plan.readout == "mean":
                readout[name] = sums[name] if code.plain else sums[name] / code.norms[digit - 1]
    return sums, readout
