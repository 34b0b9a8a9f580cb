"""What one node computes, on rows (time x batch) of samples: shared by all schedulers."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from canonic.network.graph import Constant, Node, Rows, Slot

Count = int | torch.SymInt
"""A number of rows; a symbol while ``torch.export`` runs."""


def operator_of(node: Node) -> Callable[..., Any]:
    """Return the ATen operator of a node, such as ``torch.ops.aten.conv2d.default``."""
    return _operator(node.operator)


@cache
def _operator(operator: str) -> Callable[..., Any]:
    namespace, name, overload = operator.split(".")
    found: Callable[..., Any] = getattr(getattr(getattr(torch.ops, namespace), name), overload)
    return found


def apply(node: Node, inputs: Sequence[Tensor], rows: Count) -> Tensor:
    """Apply the operator of a node to each row by itself, without its bias: ``[rows, *shape]``."""
    if not node.alone:
        return _call(node, inputs, rows)
    if (moved := _along(node, inputs[0])) is not None:
        return moved
    result: Tensor = torch.vmap(lambda *samples: _call(node, samples, 1))(*inputs)
    return result


def _along(node: Node, samples: Tensor) -> Tensor | None:
    """Return what the operators that attention is written with make of each sample; vmap takes 0.1 ms for a call."""
    axes, given = samples.dim() - 1, node.arguments
    if "permutes" in node.traits:
        return samples.permute(0, *(1 + axis % axes for axis in given["dims"]))
    if "selects" in node.traits and isinstance(given["index"], int):
        return samples.select(1 + given["dim"] % axes, given["index"])
    return None


def _call(node: Node, inputs: Sequence[Tensor], rows: Count) -> Tensor:
    given = {name: _filled(value, node, inputs, rows) for name, value in node.arguments.items()}
    result = operator_of(node)(**given)
    output: Tensor = result[0] if isinstance(result, tuple | list) else result
    return output.round() if node.rounds else output


def _filled(argument: Any, node: Node, inputs: Sequence[Tensor], rows: Count) -> Any:
    """Return an argument with what stands in its places.

    No function inside another: one that calls itself is a cycle, which would keep the inputs until the next collection.
    """
    if isinstance(argument, Slot):
        return inputs[argument.index]
    if isinstance(argument, Rows):
        return rows
    if isinstance(argument, Constant):
        return node.tensors[argument.name]
    return [_filled(item, node, inputs, rows) for item in argument] if isinstance(argument, list) else argument


def through(node: Node, maps: Sequence[Tensor]) -> Tensor:
    """Return what a node makes of one sample, ``[*shape]`` for each input, without its bias and in its own type."""
    own = (tensor.dtype for tensor in node.tensors.values() if tensor.is_floating_point())
    kind = next(own, torch.float64)
    return apply(node, [x.to(kind).unsqueeze(0).contiguous() for x in maps], 1)[0]


def apply_whole(node: Node, inputs: Sequence[Tensor], rows: Count) -> Tensor:
    """Apply a node to plain values, bias and gain included: what the source network computes, ``[rows, *shape]``."""
    result = apply(node, inputs, rows)
    if "bias" in node.tensors:  # in place where the operator has certainly made a tensor of its own
        result = result.add_(node.tensors["bias"]) if node.weighted else result + node.tensors["bias"]
    return result * node.tensors["gain"] if "gain" in node.tensors else result


def held(values: Tensor, before: Tensor | None) -> Tensor:
    """Return f(A[m]) with what is not finite, where f is not defined (1 / 0), as it was one digit earlier.

    It changes no answer: the stream sums to the last value, whatever the others are.
    """
    if all_finite(values):
        return values
    return torch.where(values.isfinite(), values, torch.zeros_like(values) if before is None else before)


def all_finite(values: Tensor) -> bool:
    """Whether all are known to be finite: a GPU, which would be waited for, and ``torch.export`` are not asked.

    A sum is finite only where all that it adds is, and takes a tenth of the time of asking each.
    """
    asked = values.device.type == "cpu" and not torch.compiler.is_exporting()
    return asked and (bool(values.sum().isfinite()) or bool(values.isfinite().all()))
