"""Tables of what each output reads, for nodes without weights: found by probing the operator, whichever it is."""

from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy import ndarray

from canonic.network.apply import apply, through
from canonic.network.graph import Node

AT_ONCE = 16
"""Samples that an operator is probed with at a time."""


def moves(node: Node, shapes: Sequence[tuple[int, ...]]) -> Int[ndarray, " outputs"]:
    """Return for each output of a node that moves elements the place of its own among all that it reads, from 1.

    0 stands for none, where zeros are padded; negative places for elements that change their sign.
    """
    given, begin = [], 1
    for shape in shapes:
        given.append(torch.arange(begin, begin + prod(shape), dtype=torch.float64).reshape(shape))
        begin += prod(shape)
    return through(node, given).flatten().long().numpy().astype(np.int32)


def windows(node: Node, shape: tuple[int, ...]) -> Int[ndarray, "outputs window"]:
    """Return for each output of a pooling the places of the elements that it reads, from 1; 0 fills up.

    A window is a box: what it reads along one axis is the same wherever it is along the others.
    """
    places = np.ones((node.size, 1), dtype=np.int64)
    for axis, size in enumerate(shape):
        own, stride = _along(node, shape, axis), prod(shape[axis + 1 :])
        known = (places[:, :, None] > 0) & (own[:, None, :] >= 0)
        places = np.where(known, places[:, :, None] + own[:, None, :] * stride, 0).reshape(node.size, -1)
        places = places[:, (places > 0).any(0)] if size > 1 else places
    return places.astype(np.int32)


def _along(node: Node, shape: tuple[int, ...], axis: int) -> Int[ndarray, "outputs most"]:
    """Return the indices along one axis of what each output reads; -1 fills up."""
    parts = [
        _touched(node, shape, axis, range(i, min(i + AT_ONCE, shape[axis]))) for i in range(0, shape[axis], AT_ONCE)
    ]
    touched = np.concatenate(parts)
    order = np.argsort(~touched, axis=0, kind="stable")[: max(1, int(touched.sum(0).max()))]
    return np.where(np.take_along_axis(touched, order, 0), order, -1).T


def _touched(node: Node, shape: tuple[int, ...], axis: int, lines: range) -> Bool[ndarray, "lines outputs"]:
    """Return which outputs read anything of some lines, each by itself."""
    ones = torch.zeros(len(lines), *shape)
    for row, line in enumerate(lines):
        ones[row].select(axis, line).fill_(1)
    return (apply(node, [ones], len(ones)) != 0).reshape(len(ones), -1).numpy()
