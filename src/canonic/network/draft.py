"""What has been lowered to whole numbers so far: nodes, and what is known of their streams."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.errors import ConversionError
from canonic.network.graph import Graph, Node
from canonic.network.power import mean_of, power_of
from canonic.network.weights import compress
from canonic.neurons import saturation

LARGEST_CURRENT = 2.0**23
"""With membranes up to 2^23 / beta every sum stays below 2^24: a float holds it exactly, and so does an int32."""

LARGEST_ANSWER = 2.0**24
"""No membrane adds to the sums of an answer."""


class TooLarge(Exception):
    """Raised when a sum could overflow."""

    def __init__(self, node: Node, bound: float, most: float) -> None:
        super().__init__(f"the sums of {node.name} ({node.operator}) could reach {bound:.3g}, beyond the {most:.3g}")


class NotWhole(ConversionError):
    """A network that whole numbers cannot compute: other precisions can.

    Attributes:
        reason: what it says, without that remedy.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; use bf16 or fp32")
        self.reason = reason


@dataclass
class Draft:
    """An integer network in the making.

    Attributes:
        graph: the network in floats.
        bits: of the largest input of the calibration.
        headroom: so many times larger may others be before they are clipped.
        unlowered: names of the nodes made of inputs that no population has coded in spikes, in the graph.
        nodes: those of whole numbers.
        names: of the stream that stands for each node of the graph.
        grids: of each stream.
        reaches: what its numbers can reach, at each output where they differ; it broadcasts against a sample.
        spikes: the streams whose numbers are spikes, as they leave populations.
        plain: of each matrix and scale, with weights that give plain numbers.
        means: of the elements of each stream, where they are known.
        powers: their mean squares, likewise.
    """

    graph: Graph
    bits: int
    headroom: int
    unlowered: set[str]
    nodes: list[Node] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    grids: dict[str, Tensor] = field(default_factory=dict)
    reaches: dict[str, Tensor] = field(default_factory=dict)
    spikes: set[str] = field(default_factory=set)
    plain: dict[str, Node] = field(default_factory=dict)
    means: dict[str, Tensor | None] = field(default_factory=dict)
    powers: dict[str, Tensor | None] = field(default_factory=dict)

    @property
    def analog(self) -> set[str]:
        """The nodes made of inputs that no population has coded in spikes: not of those alone, as of a join."""
        return {self.names[name] for name in self.unlowered if name in self.names}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one sample of each stream."""
        return {node.name: node.shape for node in self.nodes}

    def put(self, node: Node, grid: Tensor, reach: Tensor | float, most: float = LARGEST_CURRENT) -> None:
        """Add a node whose numbers lie on a grid; raise TooLarge if they could overflow what they may reach at most."""
        reach = torch.as_tensor(reach)
        if (bound := float(reach.max())) > most:
            raise TooLarge(node, bound, most)
        self.add(node)
        self.grids[node.name], self.reaches[node.name] = compress(grid), reach
        self.names[node.name] = node.name

    def bound(self, name: str) -> float:
        """Return what the numbers of a stream can reach."""
        return float(self.reaches[name].max())

    def add(self, node: Node) -> None:
        """Add a node."""
        shapes = self.shapes
        self.powers[node.name] = power_of(node, [(self.powers.get(name), shapes[name]) for name in node.inputs])
        self.means[node.name] = mean_of(node, [(self.means.get(name), shapes[name]) for name in node.inputs])
        self.nodes.append(node)

    def named(self, name: str) -> Node:
        """Return the node of this name."""
        return next(node for node in self.nodes if node.name == name)

    def requantised(self, name: str) -> bool:
        """Whether the weights of a node can be put on another grid: nothing else reads it."""
        return name in self.plain and len(self.graph.consumers[name]) == 1 and name not in self.graph.outputs


def largest_threshold(code: CSS) -> float:
    """Return the largest whole threshold of a population.

    Membranes, before they saturate, then hold four theta' = beta^k theta, and more where more may wait behind a gate:
    currents without an overload, up to ``(L + (1 - beta) / 2) theta'``, bring back no more than
    ``(L / (beta - 1) - 1/2) theta'``.

    >>> largest_threshold(CSS(8, 1)) == 2.0**19, largest_threshold(CSS(8, 0, levels=8)) == 2.0**19
    (True, True)
    """
    return saturation(code) / (max(4, code.levels / (code.beta - 1)) * code.beta**code.silent)


def impossible(node: Node, why: str) -> NotWhole:
    """Return the refusal of a node."""
    return NotWhole(f"{node.name} ({node.operator}, {list(node.shape)}) cannot be computed in whole numbers: {why}")
