"""Whether operators give the shapes that a graph says: tried on tensors that have no memory."""

from dataclasses import replace

import torch
from torch import Tensor

from canonic.errors import first_line
from canonic.network.apply import apply
from canonic.network.graph import Graph, Node
from canonic.network.inputs import prototype


def require_fit(graph: Graph) -> None:
    """Raise a ValueError that names the first node whose arguments do not give its shape.

    A file may say of a margin that it is a million wide: what came of it would be allocated with the first sample.
    """
    like, made = prototype(graph), dict[str, Tensor]()
    for node in graph.nodes:
        kind = node.arguments.get("dtype") if node.kind == "input" else None
        made[node.name] = torch.empty(1, *node.shape, dtype=kind or like.dtype, device="meta")
        if node.operator:
            found = _tried(node, [made[name] for name in node.inputs])
            made[node.name] = made[node.name] if found is None else found


def _tried(node: Node, given: list[Tensor]) -> Tensor | None:
    """Return what a node makes of samples without memory; None where its operator needs some."""
    tensors = {name: tensor.to("meta") for name, tensor in node.tensors.items()}
    told = f"{node.name} ({node.operator})"
    try:
        made = apply(replace(node, tensors=tensors), given, 1)
    except NotImplementedError:
        return None
    except (RuntimeError, TypeError, IndexError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"{told} does not fit what it reads: {first_line(error)}") from None
    if made.shape != (1, *node.shape):
        raise ValueError(f"{told} gives the shape {list(made.shape[1:])}, where {list(node.shape)} was written")
    return made
