"""The C programs of a network, all built before it first runs: one after another each would wait for the one before.

What a node reads is known without running: how many steps, and of which type. Where something else comes, a program is
built when it is wanted.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.native import css_source
from canonic.native.build import Source, build
from canonic.network import convolution, pooling
from canonic.network.graph import Node, Population
from canonic.network.inputs import prototype
from canonic.network.plan import Plan
from canonic.network.population import in_rows


def build_for(plan: Plan, *, counted: bool) -> None:
    """Build the programs that the layerwise scheduler runs for a plan, before its first run.

    Args:
        plan: fused.
        counted: whether spikes are counted, as for an observer.
    """
    if counted not in plan.built and prototype(plan.graph).device.type == "cpu":
        build(sources(plan, counted=counted))
        plan.built.add(counted)


def sources(plan: Plan, *, counted: bool) -> Iterator[Source]:
    """Yield the programs of populations of CSS, of their convolutions, and of max pooling."""
    streams: dict[str, Tensor] = {}
    for node in plan.graph.nodes:
        given = [streams[name] for name in node.inputs]
        streams[node.name] = _like(plan, node, given)
        code = plan.codes[node.name]
        if given and isinstance(code, CSS) and (found := _source(plan, node, given, code, counted=counted)):
            yield found


def _source(plan: Plan, node: Node, given: Sequence[Tensor], code: CSS, *, counted: bool) -> Source | None:
    if not isinstance(node, Population):
        return pooling.source_of(node, given[0], code)
    if node.neurons.css is None:
        return None
    first = int(node.convolution is not None)
    own = in_rows(node, given[first:], code, plan.spike_types[node.name], counted=counted, first=first)
    if node.convolution is None:
        return css_source(code, own)
    return convolution.source_of(node, node.convolution.tensors["program"], given[0], code, own)


def _like(plan: Plan, node: Node, given: Sequence[Tensor]) -> Tensor:
    """Return the stream of a node for one sample: its steps, its shape and its type, in no memory."""
    kind = prototype(plan.graph).dtype
    steps = max((len(plan.gains.get(node.name, ())), *map(len, given)), default=1)
    if isinstance(node, Population):
        steps, kind = plan.codes[node.name].steps, plan.spike_types[node.name]
    elif len(given) == 1 and (node.scaling == "moves" or (node.scaling == "pools" and node.kind == "function unit")):
        kind = given[0].dtype
    return torch.empty((), dtype=kind).expand(max(1, steps), 1, *node.shape)
