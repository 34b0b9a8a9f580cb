"""Max pooling of a stream as a C program: the digits of the maximum, all steps of a window in one pass.

As torch operators it takes the prefixes of all steps, as floats, through memory several times.
"""

from ctypes import c_int64
from functools import cache
from math import prod

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.network.graph import Node
from canonic.network.kernels import pair
from canonic.neurons.programs import TYPES, VECTORS, Program, place, program

LARGEST_WINDOW = 16
"""Pixels whose prefixes a program keeps at hand."""


def pooled(node: Node, stream: Tensor, code: CSS) -> Tensor | None:
    """Return the stream of a max pooling of pictures, ``[time, batch, *shape]``; None where C cannot compute it."""
    plain = node.operator == "aten.max_pool2d.default" and not node.tensors and not node.alone and stream.dim() == 5
    if not plain or stream.dtype not in TYPES or stream.device.type != "cpu":
        return None
    kernel = pair(node.arguments["kernel_size"])
    run = _program(code.beta, len(stream), prod(kernel), stream.dtype) if prod(kernel) <= LARGEST_WINDOW else None
    if run is None:
        return None
    steps, batch, channels, height, width = stream.shape
    stride, padding, dilation = (
        pair(node.arguments.get(name) or default)
        for name, default in (("stride", kernel), ("padding", 0), ("dilation", 1))
    )
    numbers = (batch, height, width, channels, *node.shape[1:], *kernel, *stride, *padding, *dilation)
    pictures = stream.movedim(2, -1).contiguous()
    result = torch.empty(steps, batch, *node.shape[1:], channels, dtype=stream.dtype)
    threads = min(torch.get_num_threads(), 1 + result.numel() // 2**15)
    run((c_int64 * len(numbers))(*numbers), place(pictures), place(result), threads)
    return result.movedim(-1, 2)


@cache
def _program(beta: float, steps: int, window: int, kind: torch.dtype) -> Program | None:
    macros = (f"STEPS={steps}", f"BETA=((float){beta!r})", f"WINDOW={window}", f"STREAM={TYPES[kind]}")
    return program((VECTORS, ("canonic.network", "pooling.c")), "pool", macros)
