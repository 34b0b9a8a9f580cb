"""The clocked scheduler: all nodes advance one tick at a time, as on a chip. State is passed and returned."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.network.apply import apply_whole, bias_gain, held
from canonic.network.graph import Node, Plan, total_steps
from canonic.network.inputs import prototype
from canonic.network.kernels import multiply
from canonic.network.population import ceiling_of
from canonic.neurons import Membrane, rest, step

STATE = 2**26
"""Bytes of the state of all layers, about, that are simulated at once."""

Pulse = Tensor | None
"""One step of a stream, [batch, *shape]; None is silence and costs nothing."""


class Prefix(NamedTuple):
    """The memory of a function unit: A[m], what the digits of each input stand for so far, and f(A[m])."""

    values: tuple[Tensor, ...]
    output: Tensor


Memory = Membrane | Prefix | None


@dataclass(frozen=True)
class State:
    """Everything that a network remembers between two ticks. Its size does not depend on T.

    Attributes:
        tick: the number of ticks done.
        memory: of each population and function unit.
        delayed: for each (reader, input) whose other inputs come later, the pulses under way, oldest first.
        readout: what the digits of each output stand for so far.
    """

    tick: int = 0
    memory: Mapping[str, Memory] = field(default_factory=dict)
    delayed: Mapping[tuple[str, str], tuple[Pulse, ...]] = field(default_factory=dict)
    readout: Mapping[str, Tensor] = field(default_factory=dict)


def clocked(plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> Iterator[tuple[dict[str, Pulse], State]]:
    """Yield the pulses of all nodes and the state after each tick 1 .. total steps."""
    state = State()
    for _ in range(total_steps(plan)):
        pulses, state = tick(plan, state, inputs)
        yield pulses, state


def final_readout(plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> list[Tensor]:
    """Return what all digits of each output stand for.

    Each tick is forgotten before the next, and the batch is cut so that the state of all layers stays near STATE bytes.
    """
    size = max(1, STATE // (8 * sum(node.size for node in plan.graph.nodes)))
    chunks = [_final(plan, part) for part in zip(*(torch.split(x, size) for x in inputs), strict=True)]
    return [torch.cat([chunk[name] for chunk in chunks]) for name in plan.graph.outputs]


def _final(plan: Plan, inputs: Sequence[Tensor]) -> Mapping[str, Tensor]:
    readout: Mapping[str, Tensor] = {}
    for _, state in clocked(plan, inputs):
        readout = state.readout
    return readout


def tick(plan: Plan, state: State, inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> tuple[dict[str, Pulse], State]:
    """Advance every node by one tick. The inputs, the same at every call, are injected at the first."""
    graph, now, first = plan.graph, state.tick + 1, plan.graph.first_steps
    pulses: dict[str, Pulse] = {name: x if now == 1 else None for name, x in zip(graph.inputs, inputs, strict=True)}
    memory, delayed = dict(state.memory), dict(state.delayed)
    nothing = prototype(graph).new_zeros(())
    for node in graph.nodes:
        if node.kind == "input":
            continue
        begin = max(first[name] for name in node.inputs)
        arriving = []
        for name in node.inputs:
            waiting = delayed.get((node.name, name), (None,) * (begin - first[name]))
            pulse, *waiting_now = (*waiting, pulses[name])
            delayed[node.name, name] = tuple(waiting_now)
            silence = nothing.expand(len(inputs[0]), *graph[name].shape)
            arriving.append((pulse, silence))
        pulses[node.name], memory[node.name] = _advance(plan, node, now - begin, arriving, memory.get(node.name))
    return pulses, State(now, memory, delayed, _readout(plan, state, pulses, first))


def _advance(
    plan: Plan, node: Node, t: int, arriving: list[tuple[Pulse, Tensor]], memory: Memory
) -> tuple[Pulse, Memory]:
    """Return the pulse of a node at step t of its own time and its new memory."""
    if node.neurons is not None:
        pulse, silence = arriving[0]
        code = node.neurons.code or plan.code
        if not 1 <= t <= code.steps + code.silent:
            return None, memory
        start, theta = node.tensors.get("start"), node.tensors.get("threshold")
        before = memory if isinstance(memory, Membrane) else rest(silence, signed=node.neurons.signed, start=start)
        after, spikes = step(code, t, before, pulse, theta, ceiling_of(node, code))
        return spikes, after
    if not 1 <= t <= plan.code.steps:
        return None, memory
    if node.kind == "function unit":
        return _telescoping(plan, node, t, arriving, memory if isinstance(memory, Prefix) else None)
    return _linear(plan, node, t, arriving), None


def _linear(plan: Plan, node: Node, t: int, arriving: list[tuple[Pulse, Tensor]]) -> Pulse:
    gain = bias_gain(plan, node, t)
    if not gain and all(pulse is None for pulse, _ in arriving):
        return None
    given = [silence if pulse is None else pulse for pulse, silence in arriving]
    pulse = multiply(node, given)
    return pulse + gain * node.tensors["bias"] if gain else pulse


def _telescoping(
    plan: Plan, node: Node, t: int, arriving: list[tuple[Pulse, Tensor]], memory: Prefix | None
) -> tuple[Pulse, Memory]:
    if memory is not None and all(pulse is None for pulse, _ in arriving):
        return None, memory
    weight = plan.code.weights[t - 1]
    before = (None,) * len(arriving) if memory is None else memory.values
    values = tuple(_prefix(b, weight, pulse, silence) for b, (pulse, silence) in zip(before, arriving, strict=True))
    last = None if memory is None else memory.output
    output = held(apply_whole(node, values, len(values[0])), last)
    return (output if last is None else (output - last) / weight), Prefix(values, output)


def _prefix(before: Tensor | None, weight: float, pulse: Pulse, silence: Tensor) -> Tensor:
    """Return A[m] = A[m-1] + w[m] s[m]. What comes at once and whole, such as a mask, is not multiplied."""
    if pulse is None:
        return silence if before is None else before
    weighted = pulse if weight == 1 else weight * pulse
    return weighted if before is None else before + weighted


def _readout(plan: Plan, state: State, pulses: dict[str, Pulse], first: Mapping[str, int]) -> dict[str, Tensor]:
    readout = dict(state.readout)
    for name in dict.fromkeys(plan.graph.outputs):
        pulse, digit = pulses[name], state.tick + 1 - first[name]
        if pulse is not None:
            weighted = plan.code.weights[digit - 1] * pulse
            readout[name] = readout[name] + weighted if name in readout else weighted
    return readout
