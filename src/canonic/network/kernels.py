"""Linear maps of spikes: sums of whole numbers are exact, those of floats are added up in float32 or better.

Spikes are exact in every type, so int8 weights give exact sums: in int32, by oneDNN through torch's operators for
quantised networks, which take activations from 0 to 255 (a spike s of -L to L goes in as s + L, with zero point L); and
in float32, as no sum of an integer network reaches 2^24. Where those operators are not known to be right (``_known``)
it is float32. Weights of bfloat16 are multiplied as float32 on a processor: torch returns the products of
bfloat16 tensors in bfloat16, and oneDNN's end in a segmentation fault for kernels that reach beyond the picture.
"""

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor
from torch.nn.functional import pad

from canonic.errors import DataError
from canonic.native.build import features
from canonic.network.apply import apply
from canonic.network.graph import Node
from canonic.network.grids import weight_unit
from canonic.network.traits import Trait
from canonic.network.weights import against_outputs

PIECE = 2**21
"""Bytes of the floats that are made of spikes at a time: they need not all be there at once."""
FAST: frozenset[Trait] = frozenset({"slides", "maps rows"})
"""What a matrix does that there are operators of int8 for."""
LARGEST_ACTIVATION, LARGEST_WIDE = 128, 255
"""Of a product of 8 bits, where two are added up in 16 bits, and in 32."""
FEW_PIXELS = 2048
"""Of which a convolution of 1 x 1 is a plain product of a matrix: what oneDNN prepares for each call takes longer."""
WIDE = {"avx512_vnni", "avx_vnni"}
"""What a processor has one of that adds products of 8 bits up in 32."""


def multiply(node: Node, rows: Sequence[Tensor]) -> Tensor:
    """Apply a node to rows of samples, in the type that it is fastest in, without its bias."""
    if "margins" in node.tensors:
        rows = [pad(rows[0], node.tensors["margins"].tolist())]
    if "packed" in node.tensors and rows[0].dtype == torch.int8:
        return _packed(node, rows[0])
    if node.scaling == "moves":
        return _moved(node, rows)
    if "wide" in node.tensors:
        wide = node.with_tensors(weight=node.tensors["wide"])
        return _in_pieces(rows[0], torch.float64, lambda x: apply(wide, [x], x.shape[0]).float())
    node = _in_float32(node)
    kind = node.tensors["weight"].dtype if node.weighted else torch.float32
    narrow = (torch.int8, torch.bfloat16)
    if node.weighted and not node.alone and rows[0].dtype in narrow and rows[0].dtype != kind:
        return _in_pieces(rows[0], kind, lambda x: apply(node, [x], x.shape[0]))
    ready = [row.to(kind) if row.dtype in narrow or kind in narrow else row for row in rows]
    return apply(node, ready, rows[0].shape[0])


def _in_float32(node: Node) -> Node:
    """Return a matrix of bfloat16 as one of float32, where a processor multiplies."""
    weight = node.tensors.get("weight")
    if weight is None or weight.dtype != torch.bfloat16 or weight.device.type != "cpu":
        return node
    return node.with_tensors(weight=weight.float())


def _in_pieces(rows: Tensor, kind: torch.dtype, product: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply a product to rows in another type, on a processor some at a time."""
    if rows.device.type != "cpu":
        return product(rows.to(kind))
    size = max(1, PIECE // (kind.itemsize * rows[0].numel()))
    parts = [product(piece.to(kind)) for piece in torch.split(rows, size)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _moved(node: Node, rows: Sequence[Tensor]) -> Tensor:
    """Move numbers of any type, as floats where torch moves no others; that of a stream stays."""
    if rows[0].dtype == torch.int8 and "wants floats" in node.traits:
        return apply(node, [row.float() for row in rows], rows[0].shape[0]).to(torch.int8)
    result = apply(node, rows, rows[0].shape[0])
    return result.to(rows[0].dtype) if len(rows) == 1 else result


def pack(node: Node, shape: tuple[int, ...], levels: int = 1) -> Node:
    """Return a matrix of an integer network that reads spikes of this shape and size, ready for the fastest products.

    Its weights are whole numbers of at most 127 times "unit", one for each output; "packed" are those as an operator of
    torch wants them, where there is one that is known to be right; "matrix" are those of a convolution of 1 x 1.
    """
    if node.tensors["weight"].device.type != "cpu" or node.traits.isdisjoint(FAST):
        return node
    unit = weight_unit(node)
    ready = node.with_tensors(unit=unit, levels=torch.tensor(levels))
    if not _known(node, shape, levels):
        return ready
    small = (node.tensors["weight"] / against_outputs(node, unit)).to(torch.int8)
    if "maps rows" in node.traits:
        return ready.with_tensors(packed=small.t())
    packed: Tensor = torch.ops.onednn.qconv_prepack(small, unit, 1.0, 1, *geometry(node), None)
    matrix = {"matrix": small.flatten(1).t()} if _pointwise(node, levels) else {}
    return ready.with_tensors(packed=packed, **matrix)


def _pointwise(node: Node, levels: int) -> bool:
    """Whether a convolution multiplies each pixel that it reads by one matrix."""
    _, padding, _, groups = geometry(node)
    channels, *kernel = node.tensors["weight"].shape[1:]
    return kernel == [1, 1] and padding == [0, 0] and groups == 1 and _exact(channels, levels)


def _exact(terms: int, levels: int) -> bool:
    """Whether ``torch._int_mm`` is right: it reads memory that is not its own where each sum has one term."""
    return terms > 1 and (levels == 1 or wide())


def _known(node: Node, shape: tuple[int, ...], levels: int) -> bool:
    """Whether the operator for int8 is known to be right: it checks less than it should.

    ``qconv2d_pointwise`` gives wrong sums for outputs that are one pixel wide, and a segmentation fault for kernels
    that reach beyond the picture. Where nothing is ``wide`` two products are added up in 16 bits: those of weights of
    127 and activations of 128 fit.
    """
    if "maps rows" in node.traits:
        return _exact(shape[-1], levels)
    fits = 2 * levels <= (LARGEST_WIDE if wide() else LARGEST_ACTIVATION)
    if not hasattr(torch.ops.onednn, "qconv_prepack") or len(shape) != 3 or not fits:
        return False
    kernel, dilation = node.tensors["weight"].shape[2:], geometry(node)[2]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    return node.shape[-1] > 1 and all(r <= size for r, size in zip(reach, shape[1:], strict=True))


def wide() -> bool:
    """Whether the processor adds products of 8 bits up in 32."""
    return not WIDE.isdisjoint(features().split())


def _packed(node: Node, spikes: Tensor) -> Tensor:
    """Return the sums of spikes.

    Raises:
        DataError: if the weights do not take these channels.
    """
    channels, axis = node.tensors["weight"].shape[1] * geometry(node)[3], 1 if "slides" in node.traits else -1
    if spikes.shape[axis] != channels:
        raise DataError(f"{node.name} ({node.operator}) reads {channels} channels, got {spikes.shape[axis]}")
    if axis == -1:
        return _product(node, spikes, node.tensors["packed"])
    few = "matrix" in node.tensors and len(spikes) * prod(node.shape[1:]) <= FEW_PIXELS
    return _at_pixels(node, spikes) if few else _convolution(node, spikes)


def _convolution(node: Node, spikes: Tensor) -> Tensor:
    scales, levels = node.tensors["unit"], int(node.tensors["levels"])
    zeros = torch.zeros(node.shape[0], dtype=torch.int64)
    shifted = spikes.add(levels).view(torch.uint8)  # 64 + 64 wraps to the 128 that is meant
    product, read = torch.ops.onednn.qconv2d_pointwise, (shifted, 1.0, levels, node.tensors["packed"], scales, zeros)
    sums: Tensor = product(*read, None, *geometry(node), 1.0, 0, torch.float32, "none", [], "")
    return sums


def _at_pixels(node: Node, spikes: Tensor) -> Tensor:
    rows, columns = geometry(node)[0]
    read = spikes[:, :, ::rows, ::columns].movedim(1, -1)
    return _product(node, read, node.tensors["matrix"]).movedim(-1, 1)


def _product(node: Node, spikes: Tensor, matrix: Tensor) -> Tensor:
    sums = torch._int_mm(spikes.flatten(0, -2), matrix)
    return sums.float().mul_(node.tensors["unit"]).reshape(*spikes.shape[:-1], -1)


def geometry(node: Node, stride: int | list[int] = 1) -> tuple[list[int], list[int], list[int], int]:
    """Return stride, padding, dilation and groups of a convolution or a pooling; the stride given if it has none."""
    defaults = {"stride": stride, "padding": 0, "dilation": 1}
    steps, padding, dilation = (pair(node.arguments.get(name) or other) for name, other in defaults.items())
    return steps, padding, dilation, int(node.arguments.get("groups", 1))


def placed(node: Node) -> tuple[list[int], list[int], list[int], int]:
    """Return the geometry of a convolution with the padding before rows and columns that it has taken in."""
    stride, padding, dilation, groups = geometry(node)
    left, _, top, _ = node.tensors["margins"].tolist() if "margins" in node.tensors else (0, 0, 0, 0)
    return stride, [padding[0] + top, padding[1] + left], dilation, groups


def pair(value: int | list[int]) -> list[int]:
    """Return what belongs to rows and to columns; one number stands for both."""
    return [value, value] if isinstance(value, int) else list(value) * (2 // len(value))
