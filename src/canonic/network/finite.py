"""Numbers that are none: no plan with NaN or infinity is ever returned, loaded or saved."""

from collections.abc import Iterator

from torch import Tensor

from canonic.network.graph import Graph, Node


def not_finite(graph: Graph) -> str | None:
    """Say which tensor of which node holds NaN or infinity, or a threshold that is not positive; None if none does."""
    for node in graph.nodes:
        for name, tensor in _numbers(node):
            wrong = int((~tensor.isfinite()).sum())
            if wrong:
                return f"the {name} of {node.name} holds NaN or infinity in {wrong} of {tensor.numel()} places"
            if name in ("theta", "threshold") and not bool((tensor > 0).all()):
                return f"the {name} of {node.name} is not positive everywhere"
    return None


def _numbers(node: Node) -> Iterator[tuple[str, Tensor]]:
    """Yield what streams are multiplied with, added to or compared with; constants of functions may be infinite."""
    for name, tensor in node.tensors.items():
        if tensor.is_floating_point() and (node.kind != "function unit" or name == "gain"):
            yield name, tensor
