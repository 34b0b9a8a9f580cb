"""How the spikes of a layer are laid out as maps, and packed: five ternary digits a byte, or one of more levels."""

import base64
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Shaped
from numpy.typing import NDArray
from torch import Tensor

FIVE = np.array([81, 27, 9, 3, 1])
"""The weights of five ternary digits in a byte, which holds 3^5 = 243 of its 256 values."""


@dataclass(frozen=True)
class Sheet:
    """The part of a layer that is shown: ``maps`` rectangles of ``height`` x ``width``.

    Attributes:
        maps: shown out of ``channels``, evenly spaced.
        height: rows of a map.
        width: columns of a map; the last row of a vector may be filled up with 0.
        channels: maps of the whole layer.
        stride: of the rows and columns, or the neurons of a vector, that are shown; 1 shows all.
        shown: neurons that are shown.
    """

    maps: int
    height: int
    width: int
    channels: int
    stride: int
    shown: int


def sheet(shape: Sequence[int], limit: int) -> Sheet:
    """Return how a layer of this shape is shown with at most ``limit`` neurons.

    The last two axes are a map, those before them channels; a vector is wrapped to a square.

    >>> sheet((16, 32, 32), 4096)
    Sheet(maps=4, height=32, width=32, channels=16, stride=1, shown=4096)
    >>> sheet((64, 112, 112), 4096)
    Sheet(maps=1, height=56, width=56, channels=64, stride=2, shown=3136)
    >>> sheet((10,), 4096)
    Sheet(maps=1, height=3, width=4, channels=1, stride=1, shown=10)
    """
    if len(shape) < 2:
        size = math.prod(shape)
        stride = math.ceil(size / limit)
        shown = math.ceil(size / stride)
        width = math.ceil(math.sqrt(shown))
        return Sheet(1, math.ceil(shown / width), width, 1, stride, shown)
    *front, rows, columns = shape
    channels = math.prod(front)
    stride = 1
    while math.ceil(rows / stride) * math.ceil(columns / stride) > limit:
        stride += 1
    height, width = math.ceil(rows / stride), math.ceil(columns / stride)
    maps = min(channels, limit // (height * width))
    return Sheet(maps, height, width, channels, stride, maps * height * width)


def part(sheet: Sheet, spikes: Shaped[Tensor, "time *shape"]) -> NDArray[np.int8]:
    """Return the shown digits ``[time, shown]``, maps one after the other."""
    values = spikes.to(torch.int8)
    if values.dim() <= 2:
        return values.reshape(len(values), -1)[:, :: sheet.stride].numpy()
    maps = values.reshape(len(values), -1, *values.shape[-2:])
    chosen = [index * sheet.channels // sheet.maps for index in range(sheet.maps)]
    return maps[:, chosen, :: sheet.stride, :: sheet.stride].flatten(1).numpy()


def pack(digits: Sequence[NDArray[np.int8]], levels: int = 1) -> str:
    """Return arrays of digits as text: -1, 0 and +1 filled up to whole bytes, others as they are, deflated, base64.

    >>> unpack(pack([np.array([1, 0, -1], np.int8), np.array([0, 1], np.int8)]), [3, 2])
    [[1, 0, -1], [0, 1]]
    >>> unpack(pack([np.array([-7, 64], np.int8)], levels=64), [2], levels=64)
    [[-7, 64]]
    """
    if levels == 1:
        rows = [np.pad(d.ravel(), (0, -d.size % 5)).reshape(-1, 5) + 1 for d in digits]
        whole = (np.concatenate([*rows, np.zeros((0, 5), np.int64)]) @ FIVE).astype(np.uint8)
    else:
        whole = np.concatenate([d.ravel() for d in digits]).view(np.uint8)
    return base64.b64encode(zlib.compress(whole.tobytes(), 9)).decode()


def unpack(text: str, sizes: Sequence[int], levels: int = 1) -> list[list[int]]:
    """Return the digits that were packed, given how many each array held. The page does the same."""
    content = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    digits = content[:, None] // FIVE % 3 - 1 if levels == 1 else content.view(np.int8)[:, None]
    parts, start = [], 0
    for size in sizes:
        count = -(-size // digits.shape[1])
        parts.append(digits[start : start + count].ravel()[:size].tolist())
        start += count
    return parts
