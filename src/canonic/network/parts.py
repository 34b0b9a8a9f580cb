"""A batch, few samples at a time: what is needed meanwhile stays in the cache, and memory holds results alone."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

CPU = torch.device("cpu")
CHUNK = 2**23
"""Bytes of the largest tensor that is computed at once: larger ones leave the cache and fault in new pages."""

ROOM = 2**30
"""Likewise on a device that has no such cache, and wants few large kernels."""

Run = Callable[[Sequence[Shaped[Tensor, "part ..."]]], Sequence[Shaped[Tensor, "part ..."]]]
"""Returns what comes of some samples, each tensor with one entry for each of them."""


def in_parts(run: Run, inputs: Sequence[Shaped[Tensor, "batch ..."]], size: int) -> list[Shaped[Tensor, "batch ..."]]:
    """Return what comes of all samples, near CHUNK bytes at a time; laid out in memory as what comes of the first.

    Args:
        run: what is computed.
        inputs: of all samples.
        size: bytes of a sample of the largest tensor.
    """
    batch, samples = len(inputs[0]), samples_at_once(size)
    if samples >= batch:
        return list(run(inputs))
    whole: list[Tensor] = []
    for start in range(0, batch, samples):
        parts = run([x[start : start + samples] for x in inputs])
        whole = whole or [_room(part, batch) for part in parts]
        for result, part in zip(whole, parts, strict=True):
            result[start : start + len(part)] = part
    return whole


def samples_at_once(size: int, device: torch.device = CPU) -> int:
    """Return how many samples are computed at once, from the bytes of the largest tensor of one."""
    return max(1, (CHUNK if device.type == "cpu" else ROOM) // max(1, size))


def _room(part: Tensor, batch: int) -> Tensor:
    """Return an empty tensor for so many samples, with its axes in memory in the order of those of a part."""
    order = sorted(range(part.dim()), key=part.stride, reverse=True)
    return torch.empty_permuted((batch, *part.shape[1:]), order, dtype=part.dtype, device=part.device)
