"""What must hold of an integer network before anything is computed with it: a file may say anything."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy import ndarray

from canonic.codes.css import MOST_LEVELS, MOST_STEPS
from canonic.export.integers.network import KINDS, IntegerNetwork, IntegerNode, Kind

MOST_ELEMENTS = 2**28
"""Of what a node gives: no file makes its reader take more memory than that."""

Shape = tuple[int, ...]
Check = Callable[[IntegerNetwork, IntegerNode, Sequence[Shape]], bool]

ARRAYS: Mapping[str, str] = {
    "weight": "int8",
    "shift": "uint8",
    "fan_out": "int32",
    "bias": "int32",
    "factor": "float32",
    "places": "int32",
    "threshold": "int32",
    "start": "int32",
    "bar": "int32",
    "most_sent": "int32",
}
"""The type of each array."""
NUMBERS: Mapping[str, Callable[[Any], bool]] = {
    "least": lambda value: _finite(value),
    "most": lambda value: _finite(value),
    "rounds": lambda value: isinstance(value, bool),
    "signed": lambda value: isinstance(value, bool),
    "powers": lambda value: isinstance(value, bool),
    "silent": lambda value: _whole(value, 0, MOST_STEPS),
    "levels": lambda value: _whole(value, 1, MOST_LEVELS),
    "groups": lambda value: _whole(value, 1, MOST_ELEMENTS),
    "stride": lambda value: _sizes(value, 1),
    "dilation": lambda value: _sizes(value, 1),
    "padding": lambda value: _sizes(value, 0),
    "times": lambda value: isinstance(value, list) and all(_whole(often, -2, 2) for often in value),
}
"""What each number of a node may be."""


def require_sound(network: IntegerNetwork) -> None:
    """Raise a ValueError that names the node unless a network can be run: it is then of the sizes that it says."""
    if not (_whole(network.steps, 1, MOST_STEPS) and _whole(network.radix, 2, 2 * MOST_LEVELS)):
        raise ValueError(f"steps {network.steps!r} or radix {network.radix!r} are none")
    shapes: dict[str, Shape] = {}
    for node in network.nodes:
        _require_node(network, node, shapes)
        shapes[node.name] = node.shape
    if not network.outputs or not set(network.outputs) <= shapes.keys():
        raise ValueError(f"the outputs {network.outputs} are no nodes")


def _require_node(network: IntegerNetwork, node: IntegerNode, shapes: Mapping[str, Shape]) -> None:
    if node.kind not in KINDS or not isinstance(node.name, str) or node.name in shapes:
        raise ValueError(f"node {node.name!r} is there twice, or of the kind {node.kind!r}")
    if missing := [name for name in node.reads if name not in shapes]:
        raise ValueError(f"{node.name} reads {missing[0]!r}, which does not come before it")
    if not _sizes(list(node.shape), 1) or prod(node.shape) > MOST_ELEMENTS:
        raise ValueError(f"{node.name} has the shape {node.shape}")
    times = (node.first, *node.delays)
    if len(node.delays) != len(node.reads) or not all(_whole(time, 0, MOST_ELEMENTS) for time in times):
        raise ValueError(f"{node.name} has the delays {node.delays}")
    for name, array in node.arrays.items():
        if ARRAYS.get(name) != array.dtype.name or not bool(np.isfinite(array).all()):
            raise ValueError(f"{node.name}/{name} is of the type {array.dtype}, has no place, or is not finite")
    for name, value in node.numbers.items():
        if name not in NUMBERS or not NUMBERS[name](value):
            raise ValueError(f"{node.name} has {name} = {value!r}")
    if not CHECKS[node.kind](network, node, [shapes[name] for name in node.reads]):
        raise ValueError(f"{node.name}, a {node.kind}, does not fit what it reads, its arrays or its numbers")


def _input(_: IntegerNetwork, _node: IntegerNode, given: Sequence[Shape]) -> bool:
    return not given


def _clip(_: IntegerNetwork, node: IntegerNode, given: Sequence[Shape]) -> bool:
    return given == [node.shape] and bool(node.numbers["least"] <= node.numbers["most"])


def _scale(_: IntegerNetwork, node: IntegerNode, given: Sequence[Shape]) -> bool:
    return given == [node.shape] and "rounds" in node.numbers and _spread(node, "factor") and _biased(node)


def _convolution(_: IntegerNetwork, node: IntegerNode, given: Sequence[Shape]) -> bool:
    weight, (shape,) = node.arrays["weight"], given
    groups, (channels, *kernel) = node.numbers["groups"], weight.shape[1:]
    geometry = [node.numbers[name] for name in ("stride", "padding", "dilation")]
    if {len(kernel), len(shape) - 1} != {*map(len, geometry)} or shape[0] != channels * groups:
        return False
    if len(weight) % groups or not _matrix(node, shape, len(weight)):
        return False
    sizes = []
    for size, taps, stride, edge, apart in zip(shape[1:], kernel, *geometry, strict=True):
        reach = (taps - 1) * apart + 1
        if taps < 1 or edge >= reach or reach > size + 2 * edge:
            return False
        sizes.append((size + 2 * edge - reach) // stride + 1)
    return node.shape == (len(weight), *sizes)


def _linear(_: IntegerNetwork, node: IntegerNode, given: Sequence[Shape]) -> bool:
    weight, (shape,) = node.arrays["weight"], given
    outputs, inputs = weight.shape
    return (
        bool(shape) and shape[-1] == inputs and node.shape == (*shape[:-1], outputs) and _matrix(node, shape, outputs)
    )


def _matrix(node: IntegerNode, shape: Shape, outputs: int) -> bool:
    known = node.arrays["shift"].shape == (outputs,) and int(node.arrays["shift"].max(initial=0)) < 24
    return known and node.arrays["fan_out"].shape == shape and _biased(node)


def _sum(_: IntegerNetwork, node: IntegerNode, given: Sequence[Shape]) -> bool:
    return 0 < len(given) == len(node.numbers["times"]) and np.broadcast_shapes(*given) == node.shape


def _move(_: IntegerNetwork, node: IntegerNode, given: Sequence[Shape]) -> bool:
    if "places" not in node.arrays:
        return len(given) == 1 and prod(given[0]) == prod(node.shape)
    return (
        bool(given) and node.arrays["places"].ndim == 1 and _table(abs(node.arrays["places"].astype(int)), node, given)
    )


def _pool(_: IntegerNetwork, node: IntegerNode, given: Sequence[Shape]) -> bool:
    places = node.arrays["places"]
    filled = places.ndim == 2 and places.shape[1] > 0 and bool((places > 0).any(1).all())
    return len(given) == 1 and filled and _table(places, node, given)


def _table(places: ndarray, node: IntegerNode, given: Sequence[Shape]) -> bool:
    most = sum(map(prod, given))
    return len(places) == prod(node.shape) and bool((places >= 0).all()) and bool((places <= most).all())


def _population(network: IntegerNetwork, node: IntegerNode, given: Sequence[Shape]) -> bool:
    levels, steps = node.numbers["levels"], network.steps
    if {"signed", "silent", "powers"} - node.numbers.keys() or (node.numbers["powers"] and levels & (levels - 1)):
        return False
    spread = _spread(node, "threshold") and all(_spread(node, name) for name in ("start",) if name in node.arrays)
    stepped = [name for name in ("bar", "most_sent") if name in node.arrays]
    fits = all(len(node.arrays[n]) == steps and _spread(node, n, behind=1) for n in stepped)
    return given == [node.shape] and spread and fits and ("bar" in stepped) == (levels == 1) and _fires(node)


def _fires(node: IntegerNode) -> bool:
    return bool((node.arrays["threshold"] > 0).all()) and bool((node.arrays.get("bar", np.ones(1)) > 0).all())


def _biased(node: IntegerNode) -> bool:
    return "bias" not in node.arrays or _spread(node, "bias")


def _spread(node: IntegerNode, name: str, *, behind: int = 0) -> bool:
    """Whether an array broadcasts against a sample."""
    own = node.arrays[name].shape[behind:]
    return len(own) <= len(node.shape) and np.broadcast_shapes(own, node.shape) == node.shape


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _finite(value: object) -> bool:
    return isinstance(value, float) and bool(np.isfinite(value))


def _sizes(value: object, least: int) -> bool:
    return isinstance(value, list) and all(_whole(size, least, MOST_ELEMENTS) for size in value)


CHECKS: Mapping[Kind, Check] = {
    "input": _input,
    "clip": _clip,
    "scale": _scale,
    "convolution": _convolution,
    "linear": _linear,
    "sum": _sum,
    "move": _move,
    "total": _pool,
    "maximum": _pool,
    "population": _population,
}
"""Whether a node fits, by its kind."""
