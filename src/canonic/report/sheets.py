"""How the events of a layer are laid out as maps, and packed: five a byte where all are of one size, else one."""

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


def ranks(events: Shaped[Tensor, "time *shape"], magnitudes: Sequence[float]) -> Shaped[Tensor, "time *shape"]:
    """Return events as whole numbers: which of the magnitudes, the smallest being 1, with the sign of the event.

    >>> ranks(torch.tensor([0.0, -0.5, 1.0]), (1.0, 0.5)).tolist()
    [0, -1, 2]
    """
    ascending = torch.tensor(sorted(magnitudes), dtype=torch.float32, device=events.device)
    found = torch.bucketize(events.abs().float().contiguous(), ascending, right=True)
    return (found * events.sign()).to(torch.int8)


def part(sheet: Sheet, ranks: Shaped[Tensor, "time *shape"]) -> NDArray[np.int8]:
    """Return the shown events ``[time, shown]``, maps one after the other."""
    if ranks.dim() <= 2:
        return ranks.reshape(len(ranks), -1)[:, :: sheet.stride].numpy()
    maps = ranks.reshape(len(ranks), -1, *ranks.shape[-2:])
    chosen = [index * sheet.channels // sheet.maps for index in range(sheet.maps)]
    return maps[:, chosen, :: sheet.stride, :: sheet.stride].flatten(1).numpy()


def pack(parts: Sequence[NDArray[np.int8]], sizes: Sequence[int]) -> str:
    """Return arrays of ranks as text: bytes, deflated, base64.

    Args:
        parts: of each layer.
        sizes: how many magnitudes the events of each have; five ranks of one fill a byte.

    >>> unpack(pack([np.array([1, 0, -1], np.int8), np.array([-7, 64], np.int8)], [1, 64]), [3, 2], [1, 64])
    [[1, 0, -1], [-7, 64]]
    """
    content = b"".join(map(_bytes, parts, sizes))
    return base64.b64encode(zlib.compress(content, 9)).decode()


def _bytes(ranks: NDArray[np.int8], size: int) -> bytes:
    if size > 1:
        return ranks.astype(np.int8).tobytes()
    fives = np.pad(ranks.ravel(), (0, -ranks.size % 5)).reshape(-1, 5) + 1
    whole: NDArray[np.uint8] = (fives @ FIVE).astype(np.uint8)
    return whole.tobytes()


def unpack(text: str, counts: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """Return the ranks that were packed, given how many each array held. The page does the same."""
    content = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    parts, start = [], 0
    for count, size in zip(counts, sizes, strict=True):
        length = count if size > 1 else -(-count // 5)
        own = content[start : start + length]
        parts.append((own.view(np.int8) if size > 1 else (own[:, None] // FIVE % 3 - 1).ravel()[:count]).tolist())
        start += length
    return parts
