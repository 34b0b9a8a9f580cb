"""Correction of the mean error: each channel starts at the membrane potential that makes up for it.

Rounding, clipping and overload leave a mean error in every channel, and it adds up over the pixels and layers that
follow. Its remedy costs nothing at run time (initial potentials: Bu et al., AAAI 2022): with d the mean, over the
calibration data, of Z in the source network minus Z in the spiking one, the neurons start at v[0] = d / beta, and

    a_out = Z + d - v_end * beta^-(T-1+k).

Populations are corrected in order of depth, each on spikes that have already been corrected.
"""

from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from canonic.network.apply import apply_whole
from canonic.network.graph import Node, Plan
from canonic.network.layerwise import last_readers, stream_of
from canonic.network.reference import activate


def correct_means(plan: Plan, inputs: Sequence[Float[Tensor, "batch ..."]]) -> Plan:
    """Return the plan with populations that start at the potentials that remove their mean error on these inputs."""
    graph = plan.graph
    values = dict(zip(graph.inputs, inputs, strict=True))
    streams = {name: x.unsqueeze(0) for name, x in values.items()}
    corrected: dict[str, Node] = {}
    last = last_readers(graph)
    for node in graph.nodes:
        if node.kind == "input":
            continue
        wanted, given = [values[name] for name in node.inputs], [streams[name] for name in node.inputs]
        if node.neurons is None:
            values[node.name] = apply_whole(node, wanted, len(wanted[0]))
        else:
            error = mean_error(wanted[0], plan.code.decode(given[0]), node.tensors["theta"])
            node = corrected[node.name] = node.with_tensors(start=error / plan.code.beta)
            values[node.name] = activate(node, wanted[0])
        streams[node.name] = stream_of(plan, node, given)
        for name in last.get(node.name, ()):
            del values[name], streams[name]
    return replace(plan, graph=replace(graph, nodes=tuple(corrected.get(node.name, node) for node in graph.nodes)))


def mean_error(
    wanted: Float[Tensor, "batch ..."], given: Float[Tensor, "batch ..."], theta: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Return the mean of the difference for each channel, in the shape of theta."""
    axes = [0, *(axis + 1 for axis, size in enumerate(theta.shape) if size == 1)]
    return (wanted - given).mean(axes, keepdim=True)[0]
