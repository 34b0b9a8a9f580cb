"""The source network, computed on the converted graph: populations are plain activations, streams plain values."""

from collections.abc import Callable, Sequence

from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.codes import FUNCTIONS, FittedFewSpike
from canonic.errors import DataError
from canonic.network.apply import apply_whole
from canonic.network.graph import Graph, Node, Population
from canonic.network.layerwise import last_readers

Activation = Callable[[Population, Tensor], Tensor]
"""What a population makes of its input, both [batch, *shape]."""

ValueObserver = Callable[[Node, Sequence[Tensor], Tensor], None]
"""Called for each node but the inputs, with what it reads and its value, all [batch, *shape]."""


def activate(node: Population, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """Return what a population stands for: the identity if signed, else relu, clipped at its ceiling; or a function
    that its code computes.

    In a converted graph values are in units of theta, and so is the ceiling.
    """
    neurons = node.neurons
    if isinstance(neurons.code, FittedFewSpike):
        return FUNCTIONS[neurons.code.function](x)
    if neurons.signed:
        return x
    if neurons.ceiling is None:
        return x.clamp(min=0)
    theta = node.tensors.get("theta")
    return x.clamp(min=0, max=neurons.ceiling) if theta is None else x.clamp(min=0).minimum(neurons.ceiling / theta)


def reference(
    graph: Graph,
    inputs: Sequence[Shaped[Tensor, "batch ..."]],
    observe: ValueObserver | None = None,
    population: Activation = activate,
) -> tuple[Float[Tensor, "batch ..."], ...]:
    """Return the outputs of the source network, to float rounding; or of one with other activations.

    Raises:
        DataError: if there is none.
    """
    if any(node.neurons.rule for node in graph.populations):
        raise DataError("the network was trained in spikes: it has no source network to compare with")
    values = dict(zip(graph.inputs, inputs, strict=True))
    last = last_readers(graph)
    for node in graph.nodes:
        if node.kind == "input":
            continue
        given = [values[name] for name in node.inputs]
        value = population(node, given[0]) if isinstance(node, Population) else apply_whole(node, given, len(given[0]))
        if observe:
            observe(node, given, value)
        values[node.name] = value
        for name in last.get(node.name, ()):
            del values[name]
    return tuple(values[name] for name in graph.outputs)
