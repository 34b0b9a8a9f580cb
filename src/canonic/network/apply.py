"""What one node computes, on rows (time x batch) of samples: shared by all schedulers."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from canonic.network.graph import Node, Plan, Rows, Slot, Weight, operator_of


def apply(node: Node, inputs: Sequence[Tensor], rows: int) -> Tensor:
    """Apply the operator of a node to each row by itself, without its bias: ``[rows, *shape]``."""

    def fill(argument: Any) -> Any:
        if isinstance(argument, Slot):
            return inputs[argument.index]
        if isinstance(argument, Rows):
            return rows
        if isinstance(argument, Weight):
            return node.tensors["weight"]
        return [fill(item) for item in argument] if isinstance(argument, list) else argument

    result = operator_of(node)(**{name: fill(value) for name, value in node.arguments.items()})
    output: Tensor = result[0] if isinstance(result, tuple) else result
    return output


def apply_whole(node: Node, inputs: Sequence[Tensor], rows: int) -> Tensor:
    """Apply a node to plain values, bias included: what the source network computes, ``[rows, *shape]``."""
    result = apply(node, inputs, rows)
    return result + node.tensors["bias"] if "bias" in node.tensors else result


def bias_gain(plan: Plan, node: Node, digit: int) -> float:
    """Return the share of a node's bias that is injected with digit 1..T, so that sum_m w[m] gain[m] = 1.

    "first": all of it with the first digit, whose weight is 1. "spread": 1 / sum(w) with every digit.
    """
    if "bias" not in node.tensors:
        return 0.0
    return float(digit == 1) if plan.bias == "first" else 1 / plan.code.largest


def telescope(node: Node, weight: float, prefix: Tensor, previous: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return f(A[m]) of a function unit and its digit ``D[m] = (f(A[m]) - f(A[m-1])) / w[m]``, with f(A[0]) := 0.

    The stream sums to f(A[T]) exactly. For max pooling and beta = 2 it is ternary if A is: the prefixes are whole
    multiples of w[m], and their maximum never moves by more than one of them.
    """
    value = apply_whole(node, [prefix], len(prefix))
    return value, (value if previous is None else value - previous) / weight
