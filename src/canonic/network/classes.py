"""The classes that a network tells apart: how many there are, and what they are called."""

from collections.abc import Sequence

from canonic.errors import DataError
from canonic.network.graph import Graph
from canonic.network.outputs import Output, output_called
from canonic.words import counted


def count_classes(graph: Graph, output: Output | None = None) -> int | None:
    """Return the elements of an output that classifies, ``[batch, classes]``; None if none is meant that does."""
    place = output_called(graph, output)
    node = None if place is None else graph[graph.outputs[place]]
    return node.size if node is not None and len(node.shape) == 1 else None


def require_names(graph: Graph, names: Sequence[str], output: Output | None = None) -> None:
    """Raise unless there is one name for each output, or none at all.

    Raises:
        DataError: if there are others, or two are the same.
    """
    if not names:
        return
    outputs = count_classes(graph, output)
    if outputs is None:
        shapes = ", ".join(str(["batch", *graph[name].shape]) for name in graph.outputs)
        raise DataError(f"only the classes of one output [batch, classes] have names, the network has {shapes}")
    require_one_each(names, outputs)


def require_one_each(names: Sequence[str], outputs: int) -> None:
    """Raise unless there is one name for each of so many outputs.

    Raises:
        DataError: if there are others, or two are the same.
    """
    if len(names) != outputs:
        given = counted(len(names), "class name")
        raise DataError(f"the network has {counted(outputs, 'output')}, but got {given}: give one for each")
    if twice := sorted({name for name in names if list(names).count(name) > 1}):
        raise DataError(f"{twice[0]!r} is the name of two classes: give each its own")
