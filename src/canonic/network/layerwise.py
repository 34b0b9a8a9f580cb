"""The layerwise scheduler: all steps of a node at once, time folded into the batch."""

import logging
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.codes import CSS, Weighted
from canonic.network.apply import all_finite, apply_whole, held
from canonic.network.convolution import convolved
from canonic.network.graph import Graph, Node, Population
from canonic.network.inputs import prototype
from canonic.network.kernels import multiply
from canonic.network.parts import samples_at_once
from canonic.network.plan import Plan, entered
from canonic.network.pooling import pooled
from canonic.network.population import current, population_scan
from canonic.network.programs import build_for
from canonic.network.ruled import ruled_scan
from canonic.network.weighted import population_of
from canonic.neurons import Scan, lengthen

log = logging.getLogger("canonic")

Observer = Callable[[Node, Sequence[Tensor], Scan | Tensor], None]
"""Called for each node that is run, with the streams that it reads, [time, batch, *shape], and what came of them: what
a population did, or the stream of another node. What populations compute themselves is not run: convolutions, sums."""


def layerwise(
    plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]], observe: Observer | None = None
) -> tuple[Shaped[Tensor, "time batch ..."], ...]:
    """Return the stream of each output, in its own time: digit m at index m - 1.

    The batch is cut so that the streams of a layer stay near CHUNK bytes; nodes are observed chunk by chunk.
    """
    build_for(plan, counted=observe is not None)
    size = chunk_size(plan) if plan.seed is None else len(inputs[0])  # what is drawn belongs to the batch
    chunks = zip(*(torch.split(x, size) for x in inputs), strict=True)
    streams = [_in_memory(plan, chunk, observe) for chunk in chunks]
    return tuple(parts[0] if len(parts) == 1 else torch.cat(parts, 1) for parts in zip(*streams, strict=True))


def _in_memory(plan: Plan, inputs: Sequence[Tensor], observe: Observer | None) -> tuple[Tensor, ...]:
    """Return the streams of a chunk, of its two halves where memory does not suffice for the whole.

    What is observed cannot be taken back, and so is not tried twice.
    """
    try:
        if _recordable(plan, inputs, observe):
            return plan.recordings(partial(at_once, plan), inputs)
        return at_once(plan, inputs, observe)
    except (MemoryError, RuntimeError) as error:
        if observe or len(inputs[0]) < 2 or not _lacks_memory(error):
            raise
    half = (len(inputs[0]) + 1) // 2
    log.warning("not enough memory for %d samples at once: going on with %d", len(inputs[0]), half)
    halves = [_in_memory(plan, part, observe) for part in zip(*(torch.split(x, half) for x in inputs), strict=True)]
    return tuple(torch.cat(parts, 1) for parts in zip(*halves, strict=True))


def _recordable(plan: Plan, inputs: Sequence[Tensor], observe: Observer | None) -> bool:
    """Whether a run is the same kernels each time, all of them on a GPU."""
    return plan.compiled and inputs[0].is_cuda and not observe and plan.seed is None


def _lacks_memory(error: Exception) -> bool:
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or "allocate memory" in str(error) or "out of memory" in str(error)


def chunk_size(plan: Plan) -> int:
    """Return how many samples are simulated at once: the largest stream is near CHUNK bytes."""
    return samples_at_once(plan.largest, prototype(plan.graph).device)


def at_once(
    plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]], observe: Observer | None = None
) -> tuple[Shaped[Tensor, "time batch ..."], ...]:
    """Return the stream of each output, the whole batch at once; an analog input is a stream of one step.

    A sequence ``[batch, time, *shape]`` is a stream of its frames.
    """
    return of_streams(plan, [x.transpose(0, 1) if plan.follows else x.unsqueeze(0) for x in inputs], observe)


def of_streams(
    plan: Plan, inputs: Sequence[Shaped[Tensor, "_ batch ..."]], observe: Observer | None = None
) -> tuple[Shaped[Tensor, "_ batch ..."], ...]:
    """Return the stream of each output from those of the inputs.

    A stream may be shorter than T steps: those that it lacks are zero.
    """
    streams: dict[str, Tensor] = dict(zip(plan.graph.inputs, inputs, strict=True))
    last = last_readers(plan.graph)
    for node in plan.graph.nodes:
        if node.kind == "input":
            continue
        given = [streams[name] for name in node.inputs]
        result = result_of(plan, node, given, counted=observe is not None)
        if observe:
            observe(node, given, result)
        streams[node.name] = result if isinstance(result, Tensor) else result.spikes
        for name in last.get(node.name, ()):
            del streams[name]
    return tuple(streams[name] for name in plan.graph.outputs)


def last_readers(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Return for each node the inputs that nothing after it reads, so that they can be dropped."""
    last: dict[str, str] = {name: node.name for node in graph.nodes for name in node.inputs}
    dropped: dict[str, tuple[str, ...]] = {}
    for name, reader in last.items():
        if name not in graph.outputs:
            dropped[reader] = (*dropped.get(reader, ()), name)
    return dropped


def result_of(
    plan: Plan, node: Node, inputs: Sequence[Shaped[Tensor, "_ batch ..."]], *, counted: bool = False
) -> Scan | Tensor:
    """Return what a population does with the streams of its inputs, or the stream of another node."""
    if isinstance(node, Population):
        if node.neurons.rule:
            return ruled_scan(plan, node, inputs[0])
        if css := node.neurons.css:
            return _population(plan, node, inputs, css, counted=counted)
        return population_of(plan, node, inputs[0], plan.spike_types[node.name], counted=counted)
    if node.kind != "function unit":
        return _linear(plan, node, inputs)
    return _at_each_step(plan, node, inputs) if plan.stepwise else _telescoping(plan, node, inputs)


def current_of(plan: Plan, node: Population, streams: Sequence[Tensor]) -> Tensor:
    """Return the current of a population from the streams that it reads, as an observer is given them."""
    if node.convolution is not None:
        streams = [_linear(plan, node.convolution, streams[:1]), *streams[1:]]
    return current(node, streams)


def stream_of(plan: Plan, node: Node, inputs: Sequence[Shaped[Tensor, "_ batch ..."]]) -> Shaped[Tensor, "_ batch ..."]:
    """Return the stream of one node from those of its inputs."""
    result = result_of(plan, node, inputs)
    return result if isinstance(result, Tensor) else result.spikes


def _population(plan: Plan, node: Population, inputs: Sequence[Tensor], code: CSS, *, counted: bool) -> Scan:
    dtype = plan.spike_types[node.name]
    if node.convolution is not None:
        done = convolved(node, node.convolution, inputs, code, dtype, plan.calls, counted=counted)
        if done is not None:
            return done
        inputs = [_linear(plan, node.convolution, inputs[:1]), *inputs[1:]]
    return population_scan(node, inputs, code, dtype, compiled=plan.compiled, counted=counted)


def _linear(plan: Plan, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """Return the stream of a linear node: its operator on each digit, and its bias with the gains of its code."""
    gains, given = plan.gains.get(node.name, ()), list(inputs)
    if node.name not in plan.whole:
        code = plan.codes[node.name]
        given = [entered(plan, name, stream, code) for name, stream in zip(node.inputs, inputs, strict=True)]
    steps = max(len(gains), *(stream.shape[0] for stream in given))
    rows = [lengthen(stream, steps).flatten(0, 1) for stream in given]
    result = multiply(node, rows)
    stream = result.reshape(steps, -1, *result.shape[1:])
    for digit, gain in enumerate(gains):
        if gain:  # in place is safe: an operator with a bias has made a tensor of its own
            stream[digit].add_(node.tensors["bias"], alpha=gain)
    return stream


def _at_each_step(plan: Plan, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """Return what a function unit of a trained network makes of each step."""
    code = plan.codes[node.name]
    steps = 1 if node.name in plan.whole else code.steps
    given = [entered(plan, name, x, code) if steps > 1 else x for name, x in zip(node.inputs, inputs, strict=True)]
    result = apply_whole(node, [stream.flatten(0, 1) for stream in given], steps * given[0].shape[1])
    return result.reshape(steps, -1, *result.shape[1:])


def _telescoping(plan: Plan, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    code, steps = plan.codes[node.name], max(len(stream) for stream in inputs)
    done = pooled(node, inputs[0], code, compiled=plan.compiled) if isinstance(code, CSS) else None
    if done is not None:
        return done
    pairs = zip(node.inputs, map(_wide, inputs) if node.scaling == "pools" else inputs, strict=True)
    prefixes = [_prefixes(plan, name, stream, code, steps).flatten(0, 1) for name, stream in pairs]
    result = apply_whole(node, prefixes, len(prefixes[0]))
    values = result.reshape(steps, -1, *result.shape[1:])
    if not all_finite(values):
        values = _finite(values)
    stream = values if node.name in plan.whole else code.telescope(values)
    if node.scaling != "pools":
        return stream
    spikes = inputs[0].dtype  # whole numbers are whole again, but for rounding where 1 / beta is no float
    return stream.to(spikes) if spikes.is_floating_point else stream.round().to(spikes)


def _wide(digits: Tensor) -> Tensor:
    """Return whole digits in float64, in which their prefixes are far from any half."""
    return digits if digits.is_floating_point() else digits.double()


def _prefixes(plan: Plan, name: str, stream: Tensor, code: Weighted, steps: int) -> Tensor:
    """Return A[1], A[2], ...; numbers that come whole, such as an input, are A[m] at every step."""
    if name in plan.whole:
        whole = stream.float() if stream.dtype == torch.int8 else stream  # masks and words stay as they are
        return whole.expand(steps, *stream.shape[1:])
    stream = lengthen(stream, steps)
    ordered = plan.spikes == torch.int8 or plan.compiled  # no constants to bring to a GPU, which a recording cannot
    return _in_order(code, stream) if ordered else code.prefixes(stream)


def _in_order(code: Weighted, stream: Tensor) -> Tensor:
    """Return the prefixes of a stream, each from the one before, as the clocked scheduler does."""
    if len(stream) == 1 and code.plain and code.weights[0] == 1:
        return stream.to(torch.promote_types(stream.dtype, torch.float32))
    sums = torch.empty_like(stream, dtype=torch.promote_types(stream.dtype, torch.float32))
    for m, weight in enumerate(code.weights[: len(stream)]):
        torch.mul(stream[m], weight, out=sums[m])
        if m:
            sums[m].add_(sums[m - 1])
    for total, norm in () if code.plain else zip(sums, code.norms, strict=False):
        total.div_(norm)
    return sums


def _finite(values: Tensor) -> Tensor:
    steps: list[Tensor] = []
    for value in values:
        steps.append(held(value, steps[-1] if steps else None))
    return torch.stack(steps)
