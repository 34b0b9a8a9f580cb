"""Grids of whole numbers: how fine a layer's may be, and what its weights are in units of it."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from canonic.network.graph import Node
from canonic.network.traits import SCALE, Trait
from canonic.network.weights import against_outputs, channel_axis, over_inputs, padded, scale_arguments

LARGEST_WEIGHT, LARGEST_SCALE = 127, 32767
"""A matrix has int8 weights; a scale, one number for each channel, has 16 bits."""

TINY = 16
"""So many times smaller than those of half of the channels are tiny weights."""

BIAS = 1024
"""So many times larger than the weights of an answer may its bias be: more would leave its sums no room."""

COUNTS_ONCE: frozenset[Trait] = frozenset({"totals", "repeats"})
"""What operators do that add up whole numbers, and divide by none."""

HALVINGS = 40
"""How often the bar of weights is halved at most."""


def weight_unit(node: Node) -> Tensor:
    """Return the 2^e of each output's weights, ``[outputs]``: 1 where they fit their type. A scale has one for each."""
    limit = LARGEST_WEIGHT if node.weighted else LARGEST_SCALE
    largest = over_inputs(node, node.tensors["weight"].abs(), torch.amax)
    return torch.exp2((largest / limit).log2().ceil().clamp(min=0))


def sums_of(node: Node, bound: float = 1.0) -> Tensor:
    """Return what the sums of each output can reach, its bias included, if no input is beyond the bound.

    It broadcasts against a sample.
    """
    reach = by_output(node, over_inputs(node, node.tensors["weight"].abs(), torch.sum)) * bound
    return reach + padded(node.tensors["bias"].abs(), len(node.shape)) if "bias" in node.tensors else reach


def largest_sum(node: Node, bound: float = 1.0) -> float:
    """Return what the sums of a node can reach, its bias included, if no input is beyond the bound."""
    return float(sums_of(node, bound).max())


def by_output(node: Node, vector: Tensor) -> Tensor:
    """Return what belongs to each output of a matrix, ``[outputs]``, so that it broadcasts against a sample."""
    if node.is_scale:
        return vector
    axis = channel_axis(node)
    return vector.reshape([-1 if i == axis else 1 for i in range(len(node.shape))])


def largest_on(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the largest of the values that share a grid of this shape."""
    values = padded(values, len(shape))
    axes = [axis for axis, size in enumerate(shape) if size == 1]
    return values.amax(axes, keepdim=True) if axes else values


def without_idle(node: Node, power: Tensor) -> Node:
    """Return a scale of spikes in which those that never fire are scaled by no more than the others.

    A batch norm behind a dead unit divides by its deviation, which is none; such a scale would decide the grids behind.

    Args:
        node: the scale.
        power: the mean square of the numbers that it reads, to broadcast against a sample.
    """
    weight = padded(node.tensors["weight"], len(node.shape))
    fires = power.expand(node.shape) > 0
    axes = [axis for axis, size in enumerate(weight.shape) if size == 1]
    fires = fires.amax(axes, keepdim=True) if axes else fires
    if not bool(fires.any()):
        return node
    largest = weight[fires].abs().max()
    return node.with_tensors(weight=torch.where(fires, weight, weight.clamp(-largest, largest)))


def clipped(node: Node, power: Tensor) -> Node:
    """Return a matrix with weights of each output clipped where the expected square of its error is least.

    That is the error of clipped weights, and of the rounding of all: weights of what hardly fires may well be the
    largest, and would make the grid of all others coarse for nothing.

    Args:
        node: the matrix.
        power: the mean square of the numbers that each weight reads, to broadcast against the weights.
    """
    weight = node.tensors["weight"]
    if not bool(power.any()):
        return node

    def error(limit: Tensor) -> Tensor:
        bar = against_outputs(node, limit)
        lost = (weight.abs() - bar).clamp(min=0).square() + (bar / LARGEST_WEIGHT).square() / 12
        return over_inputs(node, lost * power, torch.sum)

    limit = best = over_inputs(node, weight.abs(), torch.amax)
    least = error(best)
    for _ in range(HALVINGS):
        limit = limit / 2
        better = (found := error(limit)) < least
        if not bool(better.any()):
            break
        best, least = torch.where(better, limit, best), torch.minimum(found, least)
    bar = against_outputs(node, best)
    return node.with_tensors(weight=torch.minimum(torch.maximum(weight, -bar), bar))


def finest_grid(node: Node, *, answers: bool = False) -> Tensor:
    """Return the grid on which the largest weight of each output is the largest that fits.

    Outputs with weights that are tiny or zero get one near that of the others: in units of a threshold such weights
    hardly matter. In an answer they do, unless they are tiny beside the bias.
    """
    largest = by_output(node, over_inputs(node, node.tensors["weight"].abs(), torch.amax))
    usual = largest[largest > 0].median() / TINY if bool(largest.any()) else torch.ones(())
    bias = node.tensors.get("bias", torch.zeros(())).abs()
    least = torch.where(largest > 0, largest_on(bias, largest.shape) / BIAS, usual) if answers else usual
    return (LARGEST_WEIGHT / largest.maximum(least)).floor()


def rounding_scale(name: str, source: Node, factor: Tensor) -> Node:
    """Return a diagonal synapse that rounds."""
    tensors = {"weight": padded(factor, len(source.shape))}
    return Node(
        name,
        "synapse",
        SCALE,
        (source.name,),
        source.shape,
        scale_arguments(),
        tensors,
        "weighs",
        rounds=True,
        origin=source.origin,
    )


def averaged(node: Node, shape: tuple[int, ...]) -> int | None:
    """Return over how many elements a node takes an average; None where it differs from place to place."""
    if not node.traits.isdisjoint(COUNTS_ONCE):
        return 1
    if "averages" not in node.traits:
        return None
    if "kernel_size" in node.arguments:
        kernel = node.arguments["kernel_size"]
        spatial = len(shape) - 1
        whole = prod(kernel) if isinstance(kernel, list) and len(kernel) > 1 else _only(kernel) ** spatial
        ragged = node.arguments.get("ceil_mode") or not node.arguments.get("count_include_pad", True)
        return int(node.arguments.get("divisor_override") or (0 if ragged else whole)) or None
    even = "dim" in node.arguments or all(a % b == 0 for a, b in zip(shape, node.shape, strict=True))
    return prod(shape) // prod(node.shape) if even else None


def _only(kernel: int | list[int]) -> int:
    return kernel if isinstance(kernel, int) else kernel[0]
