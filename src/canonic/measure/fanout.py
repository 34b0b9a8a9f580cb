"""Fan-out: how many synapses each element of a stream feeds, which is how many operations one spike causes.

A synapse is a linear map y = L x. The fan-out of element j is the number of coefficients in column j of L that are not
zero, so that the borders of convolutions, strides, groups and pruned weights are counted as they are. NeuroBench
(arXiv 2304.04640) counts effective operations in the same way, and all coefficients of a kernel as dense ones.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.network.apply import apply
from canonic.network.graph import Graph, Node
from canonic.network.inputs import prototype
from canonic.network.traits import Trait

FRACTIONAL: frozenset[Trait] = frozenset({"averages", "interpolates", "maximises"})
"""What operators do whose coefficients are not all 0 or 1."""


def fan_out(graph: Graph, node: Node, index: int = 0, *, dense: bool = False) -> Float[Tensor, "..."]:
    """Return the fan-out of each element of an input of a linear node, or of a maximum, in the shape of one sample.

    Args:
        graph: that the node is of.
        node: a synapse, or a function unit that takes maxima.
        index: of the input.
        dense: count weights that are zero too.
    """
    shapes = [graph[name].shape for name in node.inputs]
    if "weight" not in node.tensors and not node.traits.isdisjoint(FRACTIONAL):
        return _axis_by_axis(node, shapes[index], exact(graph)).double().cpu()
    with torch.inference_mode(False), torch.enable_grad():
        like = exact(graph)
        given = [like.new_zeros(1, *shape, requires_grad=True) for shape in shapes]
        outputs = apply(_marked(node, like, dense=dense), given, 1).sum()
        (sums,) = torch.autograd.grad(outputs, given[index])
    factor = abs(float(node.arguments.get("alpha", 1))) if index == 1 else 1.0
    counts = (sums[0].abs() / factor).round() if factor else torch.zeros_like(sums[0])
    return counts.double().cpu()


def _marked(node: Node, like: Tensor, *, dense: bool) -> Node:
    """Return the node with ones as weights, but for those that are zero, unless all are counted."""
    plain, weight = replace(node, rounds=False), node.tensors.get("weight")
    if weight is None:
        return plain
    return plain.with_tensors(weight=(torch.ones_like(weight) if dense else (weight != 0)).to(like))


def _axis_by_axis(node: Node, shape: tuple[int, ...], like: Tensor) -> Float[Tensor, "..."]:
    """Return the fan-out of a map that acts along each axis in the same way, wherever it is along the others.

    The column of element (i, j) then has n(i) m(j) coefficients: n and m are found by sending single ones along one
    axis, through a place that is read at all.
    """
    inner = (1, *shape[1:]) if node.scaling == "pools" else shape
    diagonal = [tuple(i % size for size in inner) for i in range(max(inner, default=1))]
    touched = _touched(node, inner, diagonal, like)
    place, base = diagonal[int(touched.argmax())], touched.max()
    counts = base.reshape([1] * len(inner))
    for axis, size in enumerate(inner):
        line = [(*place[:axis], i, *place[axis + 1 :]) for i in range(size)]
        factor = _touched(node, inner, line, like) / base
        counts = counts * factor.reshape([-1 if a == axis else 1 for a in range(len(inner))])
    return counts.round().expand(shape)


def _touched(
    node: Node, shape: tuple[int, ...], places: list[tuple[int, ...]], like: Tensor
) -> Float[Tensor, " places"]:
    """Return how many outputs a one at each place, by itself, reaches."""
    ones = like.new_zeros(len(places), *shape)
    for row, place in enumerate(places):
        ones[(row, *place)] = 1
    return (apply(node, [ones], len(places)) != 0).reshape(len(places), -1).sum(1).double()


def exact(graph: Graph) -> Tensor:
    """Return a tensor on the device of a graph, of a type that holds every count: weights may be of bfloat16."""
    like = prototype(graph)
    return like.new_empty(0, dtype=torch.promote_types(like.dtype, torch.float32))
