"""An integer network as plain data: nodes in the order of computation, each with numbers and arrays of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from numpy import ndarray

Kind = Literal["input", "clip", "scale", "convolution", "linear", "sum", "move", "total", "maximum", "population"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What a node does, as docs/format.md says."""


@dataclass(frozen=True)
class IntegerNode:
    """One node.

    Attributes:
        name: unique.
        kind: what it does.
        reads: names of nodes before it.
        shape: of what it gives, for one sample.
        first: silent steps on the way to it: its digit m leaves at step ``first + m``.
        delays: of what it reads, in steps, so that digits of one number meet.
        numbers: plain data, by the kind.
        arrays: likewise.
    """

    name: str
    kind: Kind
    reads: tuple[str, ...]
    shape: tuple[int, ...]
    first: int = 0
    delays: tuple[int, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class IntegerNetwork:
    """A network in whole numbers.

    Attributes:
        steps: digits T of every stream.
        radix: beta, a whole number.
        outputs: names of the nodes that answer.
        nodes: in the order of computation.
    """

    steps: int
    radix: int
    outputs: tuple[str, ...]
    nodes: tuple[IntegerNode, ...]

    @property
    def inputs(self) -> tuple[IntegerNode, ...]:
        """The nodes that are fed."""
        return tuple(node for node in self.nodes if node.kind == "input")
