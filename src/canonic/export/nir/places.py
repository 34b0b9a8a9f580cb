"""Elements that no node of NIR takes to their places: a Flatten, whose metadata say where each comes from.

So maps that have a node for vectors or for windows alone have one for all streams: what they read is taken to where
that node has it, and what they give from there. Whether they are the same map is tried, with numbers that all differ.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from canonic.export.integers.windows import windows
from canonic.export.nir.key import Chain, Shape, full, noted, numbers, require_package
from canonic.network.apply import apply, through
from canonic.network.graph import Node

LARGEST = 2**24
"""Elements of a table or a matrix, beyond which a map is no node of NIR."""


def placed(shape: Shape, places: Tensor) -> Any:
    """Return the node that takes elements of a shape to their places.

    Args:
        shape: of what it reads.
        places: of what each element that it gives is, counted from 1; negative with the other sign, 0 where it is 0.
    """
    own = places.flatten().to(torch.int32)
    ordered = torch.equal(own, torch.arange(1, 1 + prod(shape), dtype=torch.int32))
    metadata = noted({"is": "move", "shape": list(places.shape)}, {} if ordered else {"places": own})
    return require_package().Flatten({"input": np.array(shape)}, -len(shape), -1, metadata=metadata)


def counted(shape: Shape) -> Tensor:
    """Return the places of elements of a shape, counted from 1."""
    return torch.arange(1.0, 1 + prod(shape), dtype=torch.float64).reshape(shape)


def differing(shape: Shape) -> Tensor:
    """Return a sample of numbers of either sign, in no order, that all differ."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def is_same(node: Node, x: Tensor, made: Tensor) -> bool:
    """Tell whether a node makes this of a sample."""
    if made.numel() != node.size:
        return False
    near = 1e-3 if node.tensors else 1e-9  # weights are floats of 32 bits
    return torch.allclose(through(node, [x]).to(made), made.reshape(node.shape), rtol=near, atol=near)


def each(value: int | Sequence[int] | None, axes: int, default: int) -> list[int]:
    """Return a number for each axis; one stands for all."""
    given = [default] if value is None else [value] if isinstance(value, int) else list(value)
    return given * axes if len(given) == 1 else given


def rows(shape: Shape, wanted: Shape, weight: Tensor, bias: Tensor | None) -> Chain:
    """Return a matrix over the last axes: a convolution of a line of all others, over one element at a time."""
    outputs, inputs = weight.shape
    positions = prod(shape) // inputs
    behind = counted((outputs, positions)).T.reshape(wanted)
    added = numbers(weight.new_zeros(outputs) if bias is None else bias)
    line = require_package().Conv1d(positions, numbers(weight.unsqueeze(-1)), 1, 0, 1, 1, added)
    return [placed(shape, counted((positions, inputs)).T), line, placed((outputs, positions), behind)]


def combined(node: Node, shape: Shape) -> Chain | None:
    """Return the nodes of a map without weights of its own: copies, sums and means of windows, or of channels."""
    return _repeated(node, shape) or _windowed(node, shape) or _within_channels(node, shape)


def _repeated(node: Node, shape: Shape) -> Chain | None:
    """Return a map in which every element is one that it reads."""
    x, found = differing(shape), through(node, [counted(shape)]).round()
    if found.min() < 1 or found.max() > x.numel() or not is_same(node, x, x.flatten()[found.long() - 1]):
        return None
    return [placed(shape, found)]


def _windowed(node: Node, shape: Shape) -> Chain | None:
    """Return a map whose elements are each the sum or the mean of as many as another."""
    table = torch.from_numpy(windows(node, shape)) if prod(shape) <= LARGEST else torch.zeros(1, 1)
    if not (table > 0).all():
        return None
    x, nir, size = differing(shape), require_package(), np.array([1, table.shape[1]])
    taken, none = x.flatten()[table.long() - 1], np.array([0, 0])
    for kind, made in ((nir.AvgPool2d, taken.mean(1)), (nir.SumPool2d, taken.sum(1))):
        if is_same(node, x, made):
            return [placed(shape, table.unsqueeze(0)), kind(size, size, none), _shaped((1, len(table), 1), node.shape)]
    return None


def _within_channels(node: Node, shape: Shape) -> Chain | None:
    """Return a map that is the same matrix for each channel."""
    channels, inputs, outputs = shape[0], prod(shape[1:]), prod(node.shape[1:])
    if node.scaling != "pools" or node.shape[0] != channels or inputs * max(inputs, outputs) > LARGEST:
        return None
    basis, x = torch.eye(inputs, dtype=torch.float64).reshape(inputs, 1, *shape[1:]), differing(shape)
    weight = apply(node, [basis], inputs).reshape(inputs, outputs).T
    if not is_same(node, x, x.reshape(channels, inputs) @ weight.T):
        return None
    return rows(shape, node.shape, weight, None)


def _shaped(shape: Shape, wanted: Shape) -> Any:
    """Return the node that gives a stream another shape."""
    return placed(shape, counted(wanted))


def largest_of(node: Node, shape: Shape) -> Chain | None:
    """Return the nodes of a maximum over any windows; its second node is the maximum."""
    if prod(shape) > LARGEST:
        return None
    table = torch.from_numpy(windows(node, shape))
    table = torch.where(table > 0, table, table[:, :1])
    x = differing(shape)
    if not (table > 0).all() or not is_same(node, x, x.flatten()[table.long() - 1].amax(1)):
        return None
    size = np.array([1, table.shape[1]])
    window = require_package().SumPool2d(size, size, np.array([0, 0]))
    return [placed(shape, table.unsqueeze(0)), window, _shaped((1, len(table), 1), node.shape)]


def times(node: Node, shape: Shape) -> Chain | None:
    """Return what adds a stream to itself: a factor."""
    x, factor = differing(shape), through(node, [torch.ones(shape, dtype=torch.float64)])
    if node.shape != shape or not is_same(node, x, factor * x):
        return None
    return [require_package().Scale(full(factor.float(), shape, factor.float()))]
