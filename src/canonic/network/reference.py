"""The source network, computed on the converted graph: populations are plain activations, streams plain values."""

from collections.abc import Callable, Sequence

from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.network.apply import apply_whole
from canonic.network.graph import Graph, Node
from canonic.network.layerwise import last_readers

ValueObserver = Callable[[Node, Tensor, Tensor], None]
"""Called for each population with the node, its input and its activation, both [batch, *shape]."""


def reference(
    graph: Graph, inputs: Sequence[Shaped[Tensor, "batch ..."]], observe: ValueObserver | None = None
) -> tuple[Float[Tensor, "batch ..."], ...]:
    """Return the outputs of the source network, to float rounding."""
    values = dict(zip(graph.inputs, inputs, strict=True))
    last = last_readers(graph)
    for node in graph.nodes:
        if node.kind == "input":
            continue
        given = [values[name] for name in node.inputs]
        values[node.name] = (
            apply_whole(node, given, len(given[0])) if node.neurons is None else activate(node, given[0])
        )
        if observe and node.neurons is not None:
            observe(node, given[0], values[node.name])
        for name in last.get(node.name, ()):
            del values[name]
    return tuple(values[name] for name in graph.outputs)


def activate(node: Node, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """Return what a population stands for: the identity if signed, else relu, clipped at its ceiling.

    In a converted graph values are in units of theta, and so is the ceiling.
    """
    neurons = node.neurons
    if neurons is None or neurons.signed:
        return x
    if neurons.ceiling is None:
        return x.clamp(min=0)
    theta = node.tensors.get("theta")
    return x.clamp(min=0, max=neurons.ceiling) if theta is None else x.clamp(min=0).minimum(neurons.ceiling / theta)
