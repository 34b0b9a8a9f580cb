"""The border: what a network accepts as input."""

from collections.abc import Sequence

import torch
from torch import Tensor

from canonic.errors import DataError
from canonic.network.graph import Graph


def prototype(graph: Graph) -> Tensor:
    """Return a tensor of the type and on the device of the graph's weights."""
    return next((t for node in graph.nodes for t in node.tensors.values()), torch.empty(()))


def checked(graph: Graph, inputs: Sequence[object], where: str) -> list[Tensor]:
    """Return the inputs on the device and in the type of the graph.

    Raises:
        DataError: if one does not fit the graph or is not finite; ``where`` says whose input it was.
    """
    if len(inputs) != len(graph.inputs):
        raise DataError(
            f"{where}: the network takes {len(graph.inputs)} inputs ({', '.join(graph.inputs)}), got {len(inputs)}"
        )
    like = prototype(graph)
    ready = [_checked(graph, name, x, where).to(like) for name, x in zip(graph.inputs, inputs, strict=True)]
    if len(sizes := {len(x) for x in ready}) > 1:
        counts = " and ".join(map(str, sorted(sizes)))
        raise DataError(f"{where}: its inputs hold {counts} samples: give as many of each")
    return [channels_last(x) for x in ready]


def channels_last(tensor: Tensor) -> Tensor:
    """Return pictures, and weights of two-dimensional convolutions, in the layout that is fastest."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def _checked(graph: Graph, name: str, x: object, where: str) -> Tensor:
    shape = ", ".join(map(str, ("batch", *graph[name].shape)))
    if not isinstance(x, Tensor):
        raise DataError(f"{where}: input {name} must be a tensor [{shape}], got {type(x).__name__}")
    if not x.is_floating_point():
        raise DataError(
            f"{where}: input {name} must be floating point, got {x.dtype}: scale it as in training, x.float()"
        )
    if x.dim() == 0 or tuple(x.shape[1:]) != graph[name].shape:
        raise DataError(f"{where}: input {name} must have the shape [{shape}], got {list(x.shape)}")
    if len(x) == 0:
        raise DataError(
            f"{where}: input {name} must have the shape [{shape}] with at least one sample, got {list(x.shape)}"
        )
    if not bool(x.isfinite().all()):
        raise DataError(
            f"{where}: input {name} holds NaN or infinity: clean the data first (torch.isfinite finds them)"
        )
    return x
