"""Linear maps at the precision of their weights: bfloat16 products, and int8 ones that are exact.

Spikes of -1, 0 and +1 are exact in every type, so int8 weights give exact sums in int32 (oneDNN, through torch's
operators for quantised networks, which take activations from 0 to 255: a spike s goes in as s + 1, with zero point 1).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from canonic.network.apply import apply
from canonic.network.graph import Node
from canonic.network.grids import weight_unit

PIECE = 2**21
"""Bytes of the floats that are made of spikes at a time: they need not all be there at once."""
CONVOLUTION, LINEAR = "aten.conv2d.default", "aten.linear.default"


def multiply(node: Node, rows: Sequence[Tensor]) -> Tensor:
    """Apply a node to rows of samples, in the type that it is fastest in, without its bias."""
    if "packed" in node.tensors and rows[0].dtype == torch.int8:
        return _convolution(node, rows[0]) if node.operator == CONVOLUTION else _linear(node, rows[0])
    if node.scaling == "moves":
        return _moved(node, rows)
    kind = node.tensors["weight"].dtype if node.weighted else torch.float32
    narrow = (torch.int8, torch.bfloat16)
    if node.weighted and not node.alone and rows[0].dtype in narrow and rows[0].dtype != kind:
        size = max(1, PIECE // (kind.itemsize * rows[0][0].numel()))
        parts = [apply(node, [piece.to(kind)], len(piece)) for piece in torch.split(rows[0], size)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)
    ready = [row.to(kind) if row.dtype in narrow or kind in narrow else row for row in rows]
    return apply(node, ready, len(rows[0]))


def _moved(node: Node, rows: Sequence[Tensor]) -> Tensor:
    """Move numbers of any type, as floats where torch moves no others."""
    if rows[0].dtype == torch.int8 and "im2col" in node.operator:
        return apply(node, [row.float() for row in rows], len(rows[0])).to(torch.int8)
    return apply(node, rows, len(rows[0]))


def pack(node: Node) -> Node:
    """Return a node of an integer network with its weights as a kernel wants them, where there is one."""
    if node.tensors["weight"].device.type != "cpu":
        return node
    unit = weight_unit(node)
    small = (node.tensors["weight"] / unit).to(torch.int8)
    if node.operator == LINEAR:
        return node.with_tensors(packed=small.t(), unit=unit.flatten())
    if node.operator == CONVOLUTION and hasattr(torch.ops.onednn, "qconv_prepack"):
        prepack = torch.ops.onednn.qconv_prepack
        packed: Tensor = prepack(small, unit.flatten(), 1.0, 1, *geometry(node), None)
        return node.with_tensors(packed=packed, unit=unit.flatten())
    return node


def _convolution(node: Node, spikes: Tensor) -> Tensor:
    scales = node.tensors["unit"]
    zeros = torch.zeros(node.shape[0], dtype=torch.int64)
    shifted = spikes.add(1).view(torch.uint8)
    product = torch.ops.onednn.qconv2d_pointwise
    packed, plain = node.tensors["packed"], torch.float32
    sums: Tensor = product(shifted, 1.0, 1, packed, scales, zeros, None, *geometry(node), 1.0, 0, plain, "none", [], "")
    return sums


def _linear(node: Node, spikes: Tensor) -> Tensor:
    sums = torch._int_mm(spikes.flatten(0, -2), node.tensors["packed"])
    return (sums * node.tensors["unit"]).reshape(*spikes.shape[:-1], -1)


def geometry(node: Node, stride: int | list[int] = 1) -> tuple[list[int], list[int], list[int], int]:
    """Return stride, padding, dilation and groups of a convolution or a pooling; the stride given if it has none."""
    defaults = {"stride": stride, "padding": 0, "dilation": 1}
    steps, padding, dilation = (pair(node.arguments.get(name) or other) for name, other in defaults.items())
    return steps, padding, dilation, int(node.arguments.get("groups", 1))


def pair(value: int | list[int]) -> list[int]:
    """Return what belongs to rows and to columns; one number stands for both."""
    return [value, value] if isinstance(value, int) else list(value) * (2 // len(value))
