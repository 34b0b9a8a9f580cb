"""Maps without memory as nodes of NIR: each as the chain of nodes that is exactly it, or none.

What has weights is told by its operator and its numbers. What averages elements is tried: a window that gives the same
of a sample of numbers that all differ is the same map, as it is linear. So is what moves them (``structure.py``).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from canonic.export.nir.convolutions import convolution, convolved
from canonic.export.nir.key import Chain, Shape, full, noted, numbers, require_package
from canonic.export.nir.places import combined, differing, each, is_same, largest_of, rows, times
from canonic.export.nir.structure import flattened, moved, moves
from canonic.export.nir.transposed import transposed
from canonic.network.apply import through
from canonic.network.carried import takes_maxima
from canonic.network.graph import Node
from canonic.network.kernels import geometry, pair


def chain_of(node: Node, shape: Shape, bias: Tensor | None) -> Chain | None:
    """Return the nodes of NIR that are a node without memory, which reads samples of a shape; None if there are none.

    Args:
        node: a synapse, structure, or a maximum, whose window is that of a sum: its metadata say that it is a maximum.
        shape: of what it reads.
        bias: what its weights add at every step; where the node has another it is left to its caller.
    """
    if node.alone or node.rounds or len(node.inputs) != 1 or not shape:
        return None
    if node.is_scale:
        return [require_package().Scale(full(node.tensors["weight"], node.shape, node.tensors["weight"]))]
    if node.weighted:
        return _weighted(node, shape, bias)
    if takes_maxima(node):
        return _pooled(node, shape) or largest_of(node, shape)
    return moved(node, [shape], 0) if moves(node) else _unweighted(node, shape)


def _unweighted(node: Node, shape: Shape) -> Chain | None:
    """Return a map that has no tensors and adds elements up."""
    if node.tensors or node.kind != "synapse":
        return None
    if node.scaling == "sums":
        return times(node, shape)
    return ("averages" in node.traits and _pooled(node, shape)) or combined(node, shape)


def _weighted(node: Node, shape: Shape, bias: Tensor | None) -> Chain | None:
    nir, weight = require_package(), node.tensors["weight"]
    if "maps rows" in node.traits and len(shape) == 1:
        matrix = numbers(weight)
        return [nir.Linear(matrix) if bias is None else nir.Affine(matrix, numbers(bias.expand(node.shape)))]
    channels = node.shape[-1] if "maps rows" in node.traits else node.shape[0]
    added = weight.new_zeros(channels) if bias is None else bias.reshape(-1)
    if len(added) != channels:
        return None
    if "maps rows" in node.traits:
        return rows(shape, node.shape, weight, added)
    if weight.dim() != len(shape) + 1 or len(shape) not in (2, 3, 4):
        return None
    if "transposes" in node.traits:
        return transposed(node, shape, added)
    return convolution(shape, weight, added, *_sliding(node, shape)) if _slides(node, shape) else None


def _slides(node: Node, shape: Shape) -> bool:
    """Tell whether a node is a convolution that NIR has, by what it makes of one sample."""
    weight, groups = node.tensors["weight"], int(node.arguments.get("groups", 1))
    if "padding" not in node.arguments or weight.shape[1] * groups != shape[0]:
        return False
    x = differing(shape)
    return is_same(node, x, convolved(x, weight, *_sliding(node, shape)))


def _sliding(node: Node, shape: Shape) -> tuple[list[int], list[int], list[int], int]:
    """Return stride, padding, dilation and groups, one number for each axis; "same" as the numbers that it stands for.

    The padding of a kernel of even size would be another on each side: it is no number.
    """
    axes, padding = len(shape) - 1, node.arguments.get("padding", 0)
    plain = node.arguments if not isinstance(padding, str) else {**node.arguments, "padding": 0}
    given = {name: each(plain.get(name), axes, standard) for name, standard in _STANDARD.items()}
    if padding == "same":
        kernel = node.tensors["weight"].shape[2:]
        given["padding"] = [d * (k - 1) // 2 for d, k in zip(given["dilation"], kernel, strict=True)]
    return given["stride"], given["padding"], given["dilation"], int(plain.get("groups", 1))


_STANDARD = {"stride": 1, "padding": 0, "dilation": 1}


def _pooled(node: Node, shape: Shape) -> Chain | None:
    """Return the window of a mean or a maximum of pictures, flattened where it leaves no picture."""
    if len(shape) != 3:
        return None
    nir, largest = require_package(), takes_maxima(node)
    x = differing(shape)
    wanted = through(node, [x]).to(x)
    for kernel, stride, padding in _windows(node, shape):
        made = (F.max_pool2d if largest else F.avg_pool2d)(x, kernel, stride, padding)
        if made.numel() == wanted.numel() and torch.allclose(made.flatten(), wanted.flatten(), rtol=1e-5):
            sizes = (torch.tensor(size).numpy() for size in (kernel, stride, padding))
            return [(nir.SumPool2d if largest else nir.AvgPool2d)(*sizes), *flattened(tuple(made.shape), node.shape)]
    return None


def _windows(node: Node, shape: Shape) -> list[tuple[list[int], list[int], list[int]]]:
    """Return the windows that a pooling may be: that of its arguments, and the one that tiles its input."""
    tiles = [shape[axis] // (node.shape[axis] if len(node.shape) == 3 else 1) for axis in (1, 2)]
    windows = [(tiles, tiles, [0, 0])]
    if kernel := node.arguments.get("kernel_size"):
        stride, padding, _, _ = geometry(node, kernel)
        if all(2 * p <= k for p, k in zip(padding, pair(kernel), strict=True)):
            windows.insert(0, (pair(kernel), stride, padding))
    return windows


def marked(chain: Sequence[Any], data: dict[str, Any]) -> Chain:
    """Return a chain whose window says what it is."""
    next(made for made in chain if isinstance(made, require_package().SumPool2d)).metadata = noted(data)
    return list(chain)
