"""What a stream carries, computed once: weights only add where it is spikes, and multiply what else they read."""

from collections.abc import Mapping, Sequence
from typing import Literal

from canonic.network.graph import Graph, Node, Population

Content = Literal["input", "spikes", "averages", "sums", "currents"]
"""What a stream carries:

input     the input, or what maps without weights make of it: numbers that come whole, with the first digit
spikes    -1, 0 and +1, as they leave populations or come in frames of events, moved, or the largest of several
averages  what pooling, interpolation or a sum over elements makes of spikes, or spikes beside other numbers
sums      spikes that are scaled, or added to others: on their way into a membrane
currents  what weights or function units make
"""


def carried(graph: Graph, *, events: bool = False) -> Mapping[str, Content]:
    """Return what each stream of a graph carries.

    Args:
        graph: the graph.
        events: whether frames hold nothing but -1, 0 and +1.

    >>> from canonic.network.graph import Neurons
    >>> x, relu = Node("x", "input", "", (), (3,)), Population("relu", ("x",), (3,), neurons=Neurons(signed=False))
    >>> dict(carried(Graph((x, relu), ("x",), ("relu",))))
    {'x': 'input', 'relu': 'spikes'}
    """
    known: dict[str, Content] = {}
    for node in graph.nodes:
        given = [known[name] for name in node.inputs]
        known[node.name] = "spikes" if events and "frames" in node.arguments else content_of(node, given)
    return known


def content_of(node: Node, given: Sequence[Content]) -> Content:
    """Return what the stream of a node carries, from what its inputs do."""
    if isinstance(node, Population):
        return "spikes" if node.neurons.rule is None or node.neurons.rule.fires else "currents"
    if not given or "looks up" in node.traits:
        return "input"
    if node.weighted or is_function(node) or "currents" in given:
        return "currents"
    if set(given) == {"input"}:
        return "input"
    if node.is_scale or node.scaling == "sums":
        return "sums"
    if not (moves(node) or takes_maxima(node)):
        return "averages"
    return "spikes" if set(given) == {"spikes"} else "sums" if "sums" in given else "averages"


def moves(node: Node) -> bool:
    """Tell whether a node only moves or copies elements, or changes their sign."""
    return (node.kind == "structure" and "bias" not in node.tensors) or "repeats" in node.traits


def takes_maxima(node: Node) -> bool:
    """Tell whether a node is a maximum: its digits are spikes if those that it reads are."""
    return node.kind == "function unit" and "maximises" in node.traits


def is_function(node: Node) -> bool:
    """Tell whether a node is a function unit whose result is neither spikes nor a part of the input.

    A maximum over channels, which differ in their thresholds, reads numbers.
    """
    return node.kind == "function unit" and not (takes_maxima(node) and node.scaling == "pools")
