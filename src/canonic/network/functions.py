"""Function units of an integer network: they compute in floats, and what they give is rounded to whole numbers.

A unit reads plain numbers, those of its streams over their grids, and each digit of its own stream

    D[m] = (f(A[m]) - f(A[m-1])) / w[m]

is rounded on the grid of the population behind, which a digit is as fine as any other there. Digits are added up in
the same order by all schedulers, so that f is given the same floats.
"""

from dataclasses import replace

import torch

from canonic.network.graph import Graph, Node, Population, Slot
from canonic.network.grids import rounding_scale
from canonic.network.matrices import Matrices
from canonic.network.traits import CLIP

FINEST = 4096.0
"""Whole numbers to the threshold behind a function unit, about."""
LARGEST_DIGIT = 2.0**21
"""What is beyond is clipped: 512 thresholds."""


class Functions(Matrices):
    """Lowers what computes in floats."""

    def lower_function(self, node: Node) -> None:
        """Give a function unit plain numbers, and round what it makes of them."""
        given = replace(node, inputs=tuple(self.in_plain_units(name, f"plain.{node.name}") for name in node.inputs))
        self.add(given)
        finest = FINEST * self.coarser(node, torch.tensor(FINEST))
        grid = torch.exp2((finest * _weight_behind(self.graph, node.name)).log2().floor())
        whole = rounding_scale(f"{node.name}.whole", given, grid)
        self.add(whole)
        limits = {"self": Slot(0), "min": -LARGEST_DIGIT, "max": LARGEST_DIGIT}
        held = Node(f"{node.name}.held", "structure", CLIP, (whole.name,), node.shape, limits, scaling="moves")
        self.put(held, whole.tensors["weight"], LARGEST_DIGIT)
        self.names[node.name] = held.name

    def in_plain_units(self, name: str, called: str) -> str:
        """Return the name of a node that holds a stream in plain units, which are no whole numbers: "name.called"."""
        if bool((self.grids[name] == 1).all()):
            return name
        plain = f"{name}.{called}"
        if all(node.name != plain for node in self.nodes):  # a stream may be read or returned twice
            scale = rounding_scale(plain, self.named(name), 1 / self.grids[name])
            self.add(replace(scale, rounds=False))
        return plain


def _weight_behind(graph: Graph, name: str) -> torch.Tensor:
    """Return about what a stream is scaled by on its way to the next population; 1 if that is not easily known."""
    for reader in graph.consumers[name]:
        if reader.is_scale and bool((size := reader.tensors["weight"].abs()).any()):
            return size[size > 0].median() * _weight_behind(graph, reader.name)
        if not isinstance(reader, Population) and reader.scaling in ("moves", "sums"):
            return _weight_behind(graph, reader.name)
    return torch.ones(())
