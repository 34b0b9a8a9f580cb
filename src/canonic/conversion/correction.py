"""Correction of the mean error: each channel starts at the membrane potential that makes up for it.

Rounding and clipping leave a mean error in every channel, and it adds up over the pixels and layers that follow.
Its remedy costs nothing at run time (initial potentials: Bu et al., AAAI 2022): with d the mean, over the
calibration data, of Z in the source network minus Z in the spiking one, the neurons start at v[0] = d / beta, and

    a_out = Z + d - v_end * beta^-(T-1+k).

Populations are corrected in order of depth, each on inputs that have already been corrected.
"""

from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from canonic.network.apply import apply_whole
from canonic.network.graph import Graph, Node
from canonic.network.layerwise import last_readers
from canonic.network.reference import activate


def correct_means(graph: Graph, inputs: Sequence[Float[Tensor, "batch ..."]]) -> Graph:
    """Return a converted graph whose populations start at the potentials that remove their mean error.

    The spiking network is taken at its exact limit, each population as the quantiser of its code, so that one pass
    is enough and the result does not depend on silent steps.
    """
    exact = dict(zip(graph.inputs, inputs, strict=True))
    coded = dict(exact)
    corrected: dict[str, Node] = {}
    last = last_readers(graph)
    for node in graph.nodes:
        if node.kind == "input":
            continue
        wanted, given = [exact[name] for name in node.inputs], [coded[name] for name in node.inputs]
        if node.neurons is None:
            exact[node.name] = apply_whole(node, wanted, len(wanted[0]))
            coded[node.name] = apply_whole(node, given, len(given[0]))
        else:
            error = mean_error(wanted[0], given[0], node.tensors["theta"])
            corrected[node.name] = _starting(node, error)
            exact[node.name] = activate(node, wanted[0])
            coded[node.name] = _quantised(node, given[0] + error)
        for name in last.get(node.name, ()):
            del exact[name], coded[name]
    return replace(graph, nodes=tuple(corrected.get(node.name, node) for node in graph.nodes))


def mean_error(
    wanted: Float[Tensor, "batch ..."], given: Float[Tensor, "batch ..."], theta: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Return the mean of the difference for each channel, in the shape of theta."""
    axes = [0, *(axis + 1 for axis, size in enumerate(theta.shape) if size == 1)]
    return (wanted - given).mean(axes, keepdim=True)[0]


def _starting(node: Node, error: Tensor) -> Node:
    assert node.neurons is not None  # a population has neurons
    assert node.neurons.code is not None  # and in a converted graph they have a code
    return node.with_tensors(start=error / node.neurons.code.beta)


def _quantised(node: Node, z: Tensor) -> Tensor:
    assert node.neurons is not None
    assert node.neurons.code is not None
    return node.neurons.code.quantise(z if node.neurons.signed else z.clamp(min=0))
