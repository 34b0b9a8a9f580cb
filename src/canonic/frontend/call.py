"""One exported call as the operator rules see it, and what they answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from torch import Tensor

from canonic.network.graph import Kind, Neurons, Node, Origin, Scaling, Slot


class Refusal(Exception):
    """Raised by a rule: why a call cannot be converted, and what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class Displaced(Refusal):
    """Raised for a result whose first axis is not the batch: often only what an earlier refusal leads to."""


@dataclass(frozen=True)
class Call:
    """A call of an ATen operator on at least one stream.

    Attributes:
        name: the name that the node will have.
        operator: such as "aten.conv2d.default".
        arguments: bound by the operator's schema: streams are Slot, the batch size is Rows, constants are tensors.
        streams: the nodes that make the streams, in the order of their slots.
        shape: of one sample of the result.
        origin: where the call stands in the user's model.
    """

    name: str
    operator: str
    arguments: Mapping[str, Any]
    streams: tuple[Node, ...]
    shape: tuple[int, ...]
    origin: Origin

    @property
    def rank(self) -> int:
        """Axes of the first stream, batch included."""
        return len(self.streams[0].shape) + 1

    def axis(self, name: str) -> int:
        """Return an argument that names an axis, counted from 0 = batch."""
        return int(self.arguments[name]) % self.rank

    def constant(self, name: str) -> Tensor:
        """Return an argument that must be a constant tensor."""
        value = self.arguments[name]
        if not isinstance(value, Tensor):
            raise Refusal(f"its {name} is computed from the input", "keep it a parameter or a buffer of the model")
        return value

    def node(self, kind: Kind, scaling: Scaling = "mixes", **given: Unpack["Given"]) -> Node:
        """Return a node that makes this call, or another one if ``operator`` and ``arguments`` are given."""
        return Node(
            name=self.name,
            kind=kind,
            operator=given.get("operator", self.operator),
            inputs=tuple(node.name for node in self.streams),
            shape=self.shape,
            arguments=given.get("arguments", self.arguments),
            tensors=given.get("tensors", {}),
            scaling=scaling,
            neurons=given.get("neurons"),
            origin=self.origin,
        )


class Given(TypedDict, total=False):
    """What a rule may give its node beyond what the call says."""

    operator: str
    arguments: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    neurons: Neurons


Rule = Callable[[Call], Node | None]
"""Turns a call into a node; None says that it passes its stream through. Raises Refusal."""


def is_stream(value: object) -> bool:
    """Tell whether an argument of a call depends on the input of the network."""
    return isinstance(value, Slot)
