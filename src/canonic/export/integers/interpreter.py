"""What an integer network means, in numpy: the reference for those who read the file with their own code.

A stream is ``[digits, batch, *shape]``; digits that are missing at the end are zero. Numbers are whole, and int64 here:
int32 holds all of them. Sums of products are added up in float64, where they are as exact.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray
from numpy.lib.stride_tricks import sliding_window_view

from canonic.errors import DataError
from canonic.export.integers.network import IntegerNetwork, IntegerNode, Kind

LARGEST = 2**23
"""Membranes saturate at the whole part of this over the radix."""

Stream = Shaped[ndarray, "_ batch ..."]


class Ran(NamedTuple):
    """What a network did: the digits of its answers, what those stand for, and the spikes of each population."""

    outputs: tuple[Float[ndarray, "time batch ..."], ...]
    answers: tuple[Float[ndarray, "batch ..."], ...]
    spikes: Mapping[str, Int[ndarray, "time batch ..."]]


def run(network: IntegerNetwork, *inputs: Float[ndarray, "batch ..."]) -> Ran:
    """Run a network from rest.

    Raises:
        DataError: if there are not as many inputs as it has, or one is of another shape.
    """
    known = [node.shape for node in network.inputs]
    if [x.shape[1:] for x in inputs] != known:
        raise DataError(f"the network reads {known}, got {[x.shape[1:] for x in inputs]} behind the batch")
    streams: dict[str, Stream] = {}
    fed = iter(inputs)
    for node in network.nodes:
        given = [streams[name] for name in node.reads]
        streams[node.name] = _RULES[node.kind](network, node, given) if given else next(fed)[None].astype(np.float32)
    outputs = tuple(lengthened(streams[name], network.steps) for name in network.outputs)
    weights = float(network.radix) ** -np.arange(network.steps)
    answers = tuple(np.tensordot(weights, digits, 1) for digits in outputs)
    return Ran(outputs, answers, {node.name: streams[node.name] for node in network.nodes if node.kind == "population"})


def lengthened(stream: Stream, digits: int) -> Stream:
    """Return a stream with zeros for the digits that it lacks."""
    return np.concatenate([stream, np.zeros_like(stream, shape=(max(0, digits - len(stream)), *stream.shape[1:]))])


def _clip(_: IntegerNetwork, node: IntegerNode, given: Sequence[Stream]) -> Stream:
    return given[0].clip(np.float32(node.numbers["least"]), np.float32(node.numbers["most"]))


def _scale(_: IntegerNetwork, node: IntegerNode, given: Sequence[Stream]) -> Stream:
    """Multiply in float32, and round halves to even; products with whole factors are whole."""
    factor = node.arrays["factor"]
    scaled = given[0].astype(np.float32) * factor
    whole = node.numbers["rounds"] or not (factor % 1).any()
    return _with_bias(node, np.rint(scaled).astype(np.int64) if whole else scaled)


def _convolution(_: IntegerNetwork, node: IntegerNode, given: Sequence[Stream]) -> Stream:
    x, weight, groups = given[0], _weights(node), node.numbers["groups"]
    rank, rows = weight.ndim - 2, x.reshape(-1, *x.shape[2:]).astype(np.float64)
    edges = [(size, size) for size in node.numbers["padding"]]
    dilation = node.numbers["dilation"]
    reach = [(size - 1) * apart + 1 for size, apart in zip(weight.shape[2:], dilation, strict=True)]
    seen = sliding_window_view(np.pad(rows, ((0, 0), (0, 0), *edges)), reach, axis=tuple(range(2, 2 + rank)))
    for axis, step in enumerate((*node.numbers["stride"], *dilation), start=2):
        seen = seen[(slice(None),) * axis + (slice(None, None, step),)]
    seen = np.moveaxis(seen, 1, 1 + rank).reshape(len(rows), *node.shape[1:], groups, -1)
    matrix = weight.reshape(groups, len(weight) // groups, -1)
    sums = np.einsum("...gi,goi->...go", seen, matrix, optimize=True)
    sums = np.moveaxis(sums.reshape(len(rows), *node.shape[1:], -1), -1, 1)
    return _with_bias(node, np.rint(sums).astype(np.int64).reshape(*x.shape[:2], *node.shape))


def _linear(_: IntegerNetwork, node: IntegerNode, given: Sequence[Stream]) -> Stream:
    return _with_bias(node, np.rint(given[0].astype(np.float64) @ _weights(node).T).astype(np.int64))


def _weights(node: IntegerNode) -> Float[ndarray, "..."]:
    """Return the weights of each output, shifted to the left."""
    weight = node.arrays["weight"].astype(np.float64)
    return weight * 2.0 ** node.arrays["shift"].reshape(-1, *[1] * (weight.ndim - 1))


def _with_bias(node: IntegerNode, stream: Stream) -> Stream:
    """Add the bias, once, to the first digit."""
    if "bias" in node.arrays:
        stream[0] += node.arrays["bias"]
    return stream


def _sum(_: IntegerNetwork, node: IntegerNode, given: Sequence[Stream]) -> Stream:
    digits = max(map(len, given))
    terms = [lengthened(stream, digits) * often for stream, often in zip(given, node.numbers["times"], strict=True)]
    whole: Stream = sum(terms[1:], terms[0])
    return whole


def _placed(given: Sequence[Stream], least: int) -> Shaped[ndarray, "digits batch places"]:
    """Return all that a node reads side by side, behind a number that no place is larger than: that of place 0."""
    digits = max(map(len, given))
    flat = [lengthened(stream, digits).reshape(digits, stream.shape[1], -1) for stream in given]
    return np.concatenate([np.full_like(flat[0][:, :, :1], least), *flat], 2)


def _move(_: IntegerNetwork, node: IntegerNode, given: Sequence[Stream]) -> Stream:
    x = _placed(given, 0)
    if "places" not in node.arrays:
        return x[:, :, 1:].reshape(*x.shape[:2], *node.shape)
    places = node.arrays["places"]
    moved: Stream = x[:, :, abs(places)] * np.sign(places)
    return moved.reshape(*x.shape[:2], *node.shape)


def _total(_: IntegerNetwork, node: IntegerNode, given: Sequence[Stream]) -> Stream:
    x = _placed(given, 0)
    totals: Stream = x[:, :, node.arrays["places"]].sum(-1)
    return totals.reshape(*x.shape[:2], *node.shape)


def _maximum(network: IntegerNetwork, node: IntegerNode, given: Sequence[Stream]) -> Stream:
    """Return the digits of the largest number: those of the largest prefix, from step to step."""
    digits, before, prefix = [], 0, np.zeros_like(given[0][0])
    for step in given[0]:
        prefix = network.radix * prefix + step
        x = _placed([prefix[None]], np.iinfo(np.int64).min)
        largest = x[0][:, node.arrays["places"]].max(-1).reshape(-1, *node.shape)
        digits.append(largest - network.radix * before)
        before = largest
    return np.stack(digits)


def _population(network: IntegerNetwork, node: IntegerNode, given: Sequence[Stream]) -> Stream:
    radix, silent, limit = network.radix, node.numbers["silent"], LARGEST // network.radix
    currents = lengthened(given[0], network.steps + silent)
    top = node.arrays["threshold"].astype(np.int64) * radix**silent
    v = np.zeros(currents.shape[1:], np.int64) + node.arrays.get("start", 0)
    sent, spikes = np.zeros_like(v), []
    for t, current in enumerate(currents):
        u = radix * v + current
        if t >= silent:
            s = _digit(node, t - silent, u, top)
            if not node.numbers["signed"]:
                s = _at_least(node, s, -radix * sent)
            if "most_sent" in node.arrays:
                s = -_at_least(node, -s, radix * sent - node.arrays["most_sent"][t - silent])
            sent, u = radix * sent + s, u - top * s
            spikes.append(s)
        v = u.clip(-limit, limit)
    return np.stack(spikes)


def _digit(node: IntegerNode, m: int, u: Int[ndarray, "..."], top: Int[ndarray, "..."]) -> Int[ndarray, "..."]:
    """Return the digit of a membrane: 1 from its bar on; of more levels the nearest, or the nearest power of two."""
    levels, size = node.numbers["levels"], abs(u)
    if levels == 1:
        found = size >= node.arrays["bar"][m]
    elif node.numbers["powers"]:
        powers = [2**place for place in reversed(range(levels.bit_length()))]
        reached = [2 * size >= top * (power + power // 2) for power in powers]  # 4 from 3 on, 2 from 1.5, 1 from 0.5
        found = np.select(reached, powers, 0)
    else:
        found = np.minimum((2 * size + top) // (2 * top), levels)
    digits: Int[ndarray, ...] = np.sign(u) * found
    return digits


def _at_least(node: IntegerNode, s: Int[ndarray, "..."], least: Int[ndarray, "..."]) -> Int[ndarray, "..."]:
    """Return digits that are no less than a bound: of powers of two the least that is none."""
    if node.numbers["powers"]:
        back = np.maximum(-least, 0)
        power = 2 ** np.floor(np.log2(np.maximum(back, 1))).astype(np.int64)
        least = np.where(least > 0, least, -np.where(back > 0, power, 0))
    bounded: Int[ndarray, ...] = np.maximum(s, least)
    return bounded


_RULES: Mapping[Kind, Callable[[IntegerNetwork, IntegerNode, Sequence[Stream]], Stream]] = {
    "clip": _clip,
    "scale": _scale,
    "convolution": _convolution,
    "linear": _linear,
    "sum": _sum,
    "move": _move,
    "total": _total,
    "maximum": _maximum,
    "population": _population,
}
