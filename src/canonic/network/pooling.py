"""Max pooling of a stream as one program: the digits of the maximum, all steps of a window in one pass.

In C on a processor, and as a loop that torch compiles on a GPU. As torch operators it takes the prefixes of all steps,
as floats, through memory several times.
"""

from ctypes import c_int64
from functools import cache
from math import prod

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.native.build import Source, program
from canonic.native.compiled import compiled_maximum
from canonic.native.population import TYPES, place
from canonic.network.graph import Node
from canonic.network.kernels import geometry, pair

LARGEST_WINDOW = 16
"""Pixels whose prefixes a program keeps at hand."""
LARGEST_PREFIX = 2.0**24
"""A float holds whole numbers up to it exactly."""


def pooled(node: Node, stream: Tensor, code: CSS, *, compiled: bool = False) -> Tensor | None:
    """Return the stream of a max pooling of pictures, ``[time, batch, *shape]``; None where no program computes it.

    Its digits are numbers of floats, and spikes of spikes: each lies between those of two pixels.

    Args:
        node: the pooling.
        stream: of pictures.
        code: of its digits.
        compiled: let torch compile it where it is not C.
    """
    if compiled and stream.device.type != "cpu":
        return _compiled(node, stream, code)
    source = source_of(node, stream, code)
    run = None if source is None else program(source)
    if run is None:
        return None
    steps, batch, channels, height, width = stream.shape
    kernel = pair(node.arguments["kernel_size"])
    stride, padding, dilation, _ = geometry(node, kernel)
    numbers = (batch, height, width, channels, *node.shape[1:], *kernel, *stride, *padding, *dilation)
    pictures = stream.movedim(2, -1).contiguous()
    result = torch.empty(steps, batch, *node.shape[1:], channels, dtype=stream.dtype)
    threads = min(torch.get_num_threads(), 1 + result.numel() // 2**15)
    run((c_int64 * len(numbers))(*numbers), place(pictures), place(result), threads)
    return result.movedim(-1, 2)


def windows(node: Node, stream: Tensor) -> list[Tensor] | None:
    """Return for each place in a window what lies there, ``[time, batch, *shape]``; None where some lie outside."""
    kernel = pair(node.arguments["kernel_size"])
    stride, padding, dilation, _ = geometry(node, kernel)
    across = list(zip(node.shape[1:], kernel, stride, dilation, strict=True))
    reach = [(count - 1) * step + (k - 1) * d + 1 for count, k, step, d in across]
    if any(padding) or any(r > size for r, size in zip(reach, stream.shape[3:], strict=True)):
        return None
    rows, columns = (
        [slice(i * d, i * d + (count - 1) * step + 1, step) for i in range(k)] for count, k, step, d in across
    )
    return [stream[..., row, column] for row in rows for column in columns]


def _compiled(node: Node, stream: Tensor, code: CSS) -> Tensor | None:
    """Return the same by a loop that torch compiles; None where it does not know the windows."""
    known = poolable(node) and stream.dim() == 5 and stream.dtype in TYPES and _whole(code)
    read = windows(node, stream) if known else None
    return None if read is None or len(read) > LARGEST_WINDOW else compiled_maximum(code.beta, read)


def source_of(node: Node, stream: Tensor, code: CSS) -> Source | None:
    """Return the program of a max pooling of a stream; None where there is none for it."""
    known = stream.dtype == torch.float32 or (stream.dtype == torch.int8 and _whole(code))
    if not poolable(node) or stream.dim() != 5 or not known or stream.device.type != "cpu":
        return None
    kernel = pair(node.arguments["kernel_size"])
    window, (_, padding, dilation, _) = prod(kernel), geometry(node, kernel)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    empty = any(padding) and any(n < r for n, r in zip(stream.shape[3:], reach, strict=True))  # a window of no pixel
    return None if empty or window > LARGEST_WINDOW else _source(code.beta, len(stream), window, stream.dtype)


def poolable(node: Node) -> bool:
    """Whether a node is a max pooling of pictures and nothing else."""
    return node.traits >= {"slides", "maximises"} and not node.tensors and not node.alone


def _whole(code: CSS) -> bool:
    """Whether prefixes are whole numbers that a float holds, in units of the last digit."""
    return code.beta % 1 == 0 and code.largest * code.beta ** (code.steps - 1) <= LARGEST_PREFIX


@cache
def _source(beta: float, steps: int, window: int, kind: torch.dtype) -> Source:
    macros = (f"STEPS={steps}", f"BETA=((float){beta!r})", f"WINDOW={window}", f"STREAM={TYPES[kind]}")
    return Source(("vectors.c", "pooling.c"), "pool", macros)
