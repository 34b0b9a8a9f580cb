"""Folding: a scale behind a linear map becomes part of its weights. Batch norm is such a scale."""

from dataclasses import replace

from canonic.network.graph import Graph, Node
from canonic.network.weights import scale_output


def fold(graph: Graph) -> Graph:
    """Return the graph with every diagonal synapse merged into the linear map before it, where that one has no
    other reader.

    ``scale * (W x + b) + shift`` has the weights ``scale * W`` and the bias ``scale * b + shift``.
    """
    folded: dict[str, Node] = {}
    merged: dict[str, str] = {}
    for node in graph.nodes:
        renamed = replace(node, inputs=tuple(merged.get(name, name) for name in node.inputs))
        before = folded[renamed.inputs[0]] if node.is_scale and _only_reader(graph, node) else None
        together = _merge(before, node) if before is not None else None
        if before is None or together is None:
            folded[node.name] = renamed
        else:
            folded[before.name] = together
            merged[node.name] = before.name
    outputs = tuple(merged.get(name, name) for name in graph.outputs)
    return replace(graph, nodes=tuple(folded.values()), outputs=outputs)


def _only_reader(graph: Graph, node: Node) -> bool:
    return graph.consumers[node.inputs[0]] == (node,) and node.inputs[0] not in graph.outputs


def _merge(before: Node, scale: Node) -> Node | None:
    if before.scaling != "weighs" or before.shape != scale.shape:
        return None
    scaled = scale_output(before, scale.tensors["weight"])
    if scaled is None or "bias" not in scale.tensors:
        return scaled
    bias = scale.tensors["bias"]
    return scaled.with_tensors(bias=scaled.tensors["bias"] + bias if "bias" in scaled.tensors else bias)
