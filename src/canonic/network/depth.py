"""How deep a network is."""

from canonic.network.graph import Graph, Population, longest_path


def depth(graph: Graph) -> int:
    """Return the number of spiking populations on the longest path, without those that code an input."""
    deepest = longest_path(graph, lambda node: int(isinstance(node, Population) and not node.neurons.encodes))
    return max((deepest[name] for name in graph.outputs), default=0)
