"""How large the numbers of an integer network are over the calibration, where that is easily known."""

from collections.abc import Sequence

from torch import Tensor

from canonic.network.apply import apply
from canonic.network.graph import Node, Population

Known = Sequence[tuple[Tensor | None, tuple[int, ...]]]
"""Of each input of a node what is known of its elements, which broadcasts against its shape, and that shape."""


def mean_of(node: Node, given: Known) -> Tensor | None:
    """Return the mean of each element of a node, all steps together; None where it is not known.

    It is exact: only what is linear passes it on.
    """
    if isinstance(node, Population):
        return node.tensors.get("mean")
    means = _known(node, given)
    if not means:
        return None
    if node.is_scale:
        return means[0] * node.tensors["weight"] + node.tensors.get("bias", 0)
    if node.scaling in ("moves", "sums") or (node.scaling == "pools" and node.kind == "synapse"):
        return _applied(node, means)
    return None


def power_of(node: Node, given: Known) -> Tensor | None:
    """Return about the mean square of each element of a node; None where it is not known.

    Zero is exact, and what matters: nothing was ever there. A unit that is not signed stands for 0 to 1, so that the
    mean square of its spikes is about their mean.
    """
    if isinstance(node, Population):
        mean = node.tensors.get("mean")
        return mean if mean is None or not node.neurons.signed else (mean != 0).to(mean)
    powers = _known(node, given)
    if not powers:
        return None
    if node.is_scale:
        bias = node.tensors.get("bias")
        shift = 0 if bias is None else bias.square()
        return powers[0] * node.tensors["weight"].square() + shift
    if node.scaling == "sums":
        return sum(powers[1:], powers[0])
    return _applied(node, powers) if node.scaling in ("moves", "pools") else None


def _known(node: Node, given: Known) -> list[Tensor]:
    """Return what is known of all inputs, in their shapes; nothing unless it is known of each."""
    known = [values.expand(shape) for values, shape in given if values is not None]
    return known if len(known) == len(given) and not node.alone else []


def _applied(node: Node, values: Sequence[Tensor]) -> Tensor:
    return apply(node, [value.unsqueeze(0).contiguous() for value in values], 1)[0]
