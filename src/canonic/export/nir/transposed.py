"""Transposed convolutions: ordinary ones of a turned kernel, over streams with zeros between their elements."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from canonic.export.nir.convolutions import convolution, convolved
from canonic.export.nir.key import Chain, Shape
from canonic.export.nir.places import counted, differing, each, is_same, placed
from canonic.network.graph import Node


def turned(weight: Tensor, groups: int) -> Tensor:
    """Return the kernel of the other kind of convolution: ``[inputs, outputs, *kernel]``, from its end; and back.

    >>> import torch
    >>> weight = torch.arange(48.0).reshape(4, 3, 2, 2)
    >>> turned(weight, 2).shape, torch.equal(turned(turned(weight, 2), 2), weight)
    (torch.Size([6, 2, 2, 2]), True)
    """
    parts = weight.reshape(groups, -1, *weight.shape[1:]).transpose(1, 2)
    return parts.flatten(0, 1).flip(tuple(range(2, weight.dim())))


def original(weight: Tensor, shape: Sequence[int], groups: int) -> Tensor:
    """Return the kernel of a transposed convolution, of this shape, from that of the ordinary one."""
    return turned(weight.reshape(shape[1] * groups, shape[0] // groups, *shape[2:]), groups)


def transposed(node: Node, shape: Shape, added: Tensor) -> Chain | None:
    """Return the nodes of a transposed convolution; None if it is another."""
    weight, axes = node.tensors["weight"], len(shape) - 1
    stride, padding, longer, dilation = (
        each(node.arguments.get(name), axes, default)
        for name, default in (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1))
    )
    kernel, groups = turned(weight, int(node.arguments.get("groups") or 1)), int(node.arguments.get("groups") or 1)
    edges = [d * (k - 1) - p for d, k, p in zip(dilation, weight.shape[2:], padding, strict=True)]
    spread, x = (_apart(sample, stride, edges, longer) for sample in (counted(shape), differing(shape)))
    sliding = ([1] * axes, [0] * axes, dilation, groups)
    if not is_same(node, differing(shape), convolved(x, kernel, *sliding)):
        return None
    return [placed(shape, spread), *convolution(tuple(spread.shape), kernel, added, *sliding)]


def _apart(x: Tensor, stride: list[int], edges: list[int], longer: list[int]) -> Tensor:
    """Return a stream with zeros between its elements and around them; negative edges are cut off."""
    sizes = [(size - 1) * step + 1 for size, step in zip(x.shape[1:], stride, strict=True)]
    spread = x.new_zeros(len(x), *sizes)
    spread[(slice(None), *(slice(None, None, step) for step in stride))] = x
    margins = [margin for edge, more in zip(edges, longer, strict=True) for margin in (edge + more, edge)]
    return F.pad(spread, margins[::-1])
