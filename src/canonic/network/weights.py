"""How the weights of a node absorb a scale of its output or of its input.

A scale is a tensor that broadcasts against one sample, such as [channels, 1, 1]. For a linear map L with weights W

    diag(out) L diag(in)  has the weights  W[o, i] * out[o] * in[i].
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from canonic.network.graph import Constant, Node, Slot


def scale_arguments() -> dict[str, Slot | Constant]:
    """Return the arguments of a diagonal synapse."""
    return {"self": Slot(0), "other": Constant("weight")}


def channel_axis(node: Node) -> int:
    """Return the axis of a sample that holds the channels of a linear layer (the last), a convolution, or a scale."""
    if node.is_scale:
        return 0
    return len(node.shape) - (node.tensors["weight"].dim() - 1 if "weight" in node.tensors else len(node.shape))


def compress(scale: Tensor, there: Tensor | None = None) -> Tensor:
    """Return the scale with every axis along which it is constant reduced to size 1.

    Args:
        scale: any map.
        there: where it matters; elsewhere, where zeros are padded, the result may hold any number. Everywhere if None.

    >>> import torch
    >>> compress(torch.tensor([[2.0, 2.0], [3.0, 3.0]])).tolist()
    [[2.0], [3.0]]
    >>> compress(torch.tensor([[0.0, 2.0], [0.0, 3.0]]), torch.tensor([[False, True], [False, True]])).tolist()
    [[2.0], [3.0]]
    """
    there = torch.ones_like(scale, dtype=torch.bool) if there is None else there
    for axis in range(scale.dim()):
        low = torch.where(there, scale, torch.inf).amin(axis, keepdim=True)
        high = torch.where(there, scale, -torch.inf).amax(axis, keepdim=True)
        some = there.any(axis, keepdim=True)
        if bool((low == high)[some].all()):
            scale, there = low, some
    return torch.where(there, scale, 1)


def padded(scale: Tensor, rank: int) -> Tensor:
    """Return a tensor with axes of size 1 in front, so that it has the rank of a sample."""
    return scale.reshape([*[1] * (rank - scale.dim()), *scale.shape])


def along(scale: Tensor, rank: int, axis: int, size: int) -> Tensor | None:
    """Return a scale as a vector of this size along one axis of a sample; None if it differs along another."""
    scale = padded(scale, rank)
    if math.prod(scale.shape) != scale.shape[axis]:
        return None
    return scale.reshape(-1).expand(size)


def scale_output(node: Node, scale: Tensor) -> Node | None:
    """Return the node with its output scaled, or None if its weights cannot do that."""
    changed = {"bias": node.tensors["bias"] * scale} if "bias" in node.tensors else {}
    if node.is_scale:
        return node.with_tensors(weight=node.tensors["weight"] * scale, **changed)
    axis = channel_axis(node)
    vector = along(scale, len(node.shape), axis, node.shape[axis])
    if vector is None:
        return None
    weight, groups = node.tensors["weight"], _groups(node)
    grouped = vector.view(groups, 1, -1) if _transposed(node) else vector.view(groups, -1, 1)
    return node.with_tensors(weight=_times(weight, grouped, groups), **changed)


def scale_input(node: Node, scale: Tensor) -> Node | None:
    """Return the node with its input scaled, or None if its weights cannot do that."""
    weight, groups = node.tensors["weight"], _groups(node)
    if node.is_scale:
        return node.with_tensors(weight=weight * scale)
    size = weight.shape[0] if _transposed(node) else weight.shape[1] * groups
    vector = along(scale, len(node.shape), channel_axis(node), size)
    if vector is None:
        return None
    grouped = vector.view(groups, -1, 1) if _transposed(node) else vector.view(groups, 1, -1)
    return node.with_tensors(weight=_times(weight, grouped, groups))


def absorb(node: Node, scale: Tensor) -> Node | None:
    """Return a weighted node of any operator with its input scaled, or None if its weights cannot do that."""
    scale = compress(scale)
    if node.scaling == "weighs":
        return scale_input(node, scale)
    return node.with_tensors(weight=node.tensors["weight"] * scale.reshape(())) if scale.numel() == 1 else None


def over_inputs(node: Node, weight: Tensor, reduce: Callable[..., Tensor]) -> Tensor:
    """Reduce the weights of a matrix over all that one output reads: ``[outputs]``; those of a scale stay."""
    if node.is_scale:
        return weight
    groups = _groups(node)
    matrix = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
    return reduce(matrix, (1, 3) if _transposed(node) else (2, 3)).flatten()


def against_outputs(node: Node, vector: Tensor) -> Tensor:
    """Return what belongs to each output, ``[outputs]``, so that it broadcasts against the weights of a matrix."""
    weight, groups = node.tensors["weight"], _groups(node)
    if node.is_scale:
        return vector
    kernel = [1] * (weight.dim() - 2)
    if not _transposed(node):
        return vector.reshape(-1, 1, *kernel)
    each = vector.reshape(groups, 1, -1).expand(groups, weight.shape[0] // groups, -1)
    return each.reshape(*weight.shape[:2], *kernel)


def against_inputs(node: Node, vector: Tensor) -> Tensor:
    """Return what belongs to each input, ``[inputs]``, so that it broadcasts against the weights of a matrix."""
    weight, groups = node.tensors["weight"], _groups(node)
    kernel = [1] * (weight.dim() - 2)
    if _transposed(node):
        return vector.reshape(-1, 1, *kernel)
    each = vector.reshape(groups, 1, -1).expand(groups, weight.shape[0] // groups, -1)
    return each.reshape(*weight.shape[:2], *kernel)


def of_inputs(node: Node, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the mean for each channel that a matrix reads, ``[inputs]``, of what broadcasts against its input."""
    axis = channel_axis(node)
    return values.expand(shape).movedim(axis, 0).flatten(1).mean(1) if len(shape) > 1 else values.expand(shape)


def _times(weight: Tensor, grouped: Tensor, groups: int) -> Tensor:
    """Multiply a weight [a, b, *kernel] by a factor [groups, a / groups or 1, b or 1]."""
    matrix = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
    return (matrix * grouped.unsqueeze(-1).to(weight)).reshape(weight.shape)


def _groups(node: Node) -> int:
    return int(node.arguments.get("groups", 1))


def _transposed(node: Node) -> bool:
    return "transposes" in node.traits or bool(node.arguments.get("transposed", False))
