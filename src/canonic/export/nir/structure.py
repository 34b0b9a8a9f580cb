"""What only moves elements as nodes of NIR: flattenings, maps whose weights are 0 and 1, else ``places.py``.

Where elements go is tried, with numbers that all differ. What a call makes of several streams, a concatenation, is the
sum of what it makes of each, with nothing in the others' places; and a sum is what NIR makes of streams that meet.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor
from torch.nn import functional as F

from canonic.export.nir.convolutions import convolution
from canonic.export.nir.key import Chain, Shape, full, numbers, require_package
from canonic.export.nir.places import LARGEST, counted, placed
from canonic.network.apply import through
from canonic.network.graph import Node


def moves(node: Node) -> bool:
    """Tell whether a node moves elements, and at most adds constants: no tensor says where to."""
    return (node.scaling == "moves" or "bias" in node.tensors) and node.tensors.keys() <= {"bias"}


def moved(node: Node, shapes: Sequence[Shape], which: int) -> Chain:
    """Return the nodes of NIR that take the elements of one stream to their places.

    Args:
        node: that ``moves`` elements.
        shapes: of all that it reads.
        which: of them.
    """
    streams = [torch.zeros(shape, dtype=torch.float64) for shape in shapes]
    x = counted(shapes[which])
    streams[which] = x
    places = through(node, streams).to(x)
    chain = None
    if torch.equal(places.flatten(), x.flatten()):
        chain = flattened(shapes[which], node.shape) or _same(shapes[which], node.shape)
    elif len(x.shape) == len(places.shape) and len(places.shape) in (2, 3):
        chain = _taken(places, x)
    elif places.dim() == 1:
        chain = _chosen(places, x)
    return chain or [placed(shapes[which], places)]


def flattened(shape: Shape, wanted: Shape) -> Chain:
    """Return what makes one axis of all, where that is wanted; counted from the end, before which readers have more."""
    if len(shape) == 1 or len(wanted) != 1:
        return []
    return [require_package().Flatten({"input": torch.tensor(shape).numpy()}, -len(shape), -1)]


def _same(shape: Shape, wanted: Shape) -> Chain | None:
    """Return what changes nothing, where its shape stays."""
    return [require_package().Scale(full(1.0, shape, torch.ones(1)))] if wanted == shape else None


def _taken(places: Tensor, x: Tensor) -> Chain | None:
    """Return the convolution that takes every element from its place: channels, and a stride, a margin or a part.

    Its kernel is one pixel; where margins differ, or a part begins later, it is that pixel in a kernel of zeros.
    """
    axes = [_walk(places, x, axis) for axis in range(1, x.dim())]
    stride, padding, kernel, pixel = zip(*axes, strict=True)
    if min(stride) < 1 or len(places) * len(x) * prod(kernel) > LARGEST:
        return None
    weight = x.new_zeros(len(places), len(x), *kernel)
    for channel, own in enumerate(places.flatten(1).max(1).values.tolist()):
        if own:
            weight[(channel, int(own - 1) // x[0].numel(), *pixel)] = 1
    made = (F.conv1d if len(axes) == 1 else F.conv2d)(x.unsqueeze(0), weight, None, stride, padding)[0]
    if made.shape != places.shape or not torch.equal(made, places):
        return None
    weight = weight.float()
    return convolution(tuple(x.shape), weight, weight.new_zeros(len(places)), stride, padding, (1,) * len(axes), 1)


def _walk(places: Tensor, x: Tensor, axis: int) -> tuple[int, int, int, int]:
    """Return stride, padding, size of the kernel, and its pixel, with which a convolution walks along an axis."""
    there, here, size = x.shape[axis], places.shape[axis], x[(0,) * axis].numel() // x.shape[axis]
    own = places.movedim(axis, 0).flatten(1).max(1).values
    filled = own.nonzero().flatten().tolist()
    if not filled:
        return 1, 0, 1, 0
    read = [(int(own[place]) - 1) // size % there for place in filled]
    stride = (read[1] - read[0]) // (filled[1] - filled[0]) if len(filled) > 1 else 1
    begin, end = read[0] - stride * filled[0], read[0] + stride * (here - 1 - filled[0])
    padding = max(0, -begin, end - there + 1)
    pixel = begin + padding
    return stride, padding, max(pixel, there + 2 * padding - stride * here) + 1, pixel


def _chosen(places: Tensor, x: Tensor) -> Chain | None:
    """Return the matrix that takes every element of a vector from its place, behind a flattening."""
    if len(places) * x.numel() > LARGEST:
        return None
    weight, taken = x.new_zeros(len(places), x.numel()), places.nonzero().flatten()
    weight[taken, places[taken].long() - 1] = 1
    return [*flattened(tuple(x.shape), tuple(places.shape)), require_package().Linear(numbers(weight.float()))]
