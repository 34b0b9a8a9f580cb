"""One exported call as the operator rules see it, and what they answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor

from canonic.network.graph import Constant, Kind, Neurons, Node, Origin, Population, Scaling, Slot


class Refusal(Exception):
    """Raised by a rule: why a call cannot be converted, and what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class Consequence(Refusal):
    """Raised for what is often only a consequence of an earlier refusal, such as a result that mixes the samples."""


@dataclass(frozen=True)
class Call:
    """A call of an ATen operator on at least one stream.

    Attributes:
        name: the name that the node will have.
        operator: such as "aten.conv2d.default".
        arguments: bound by the operator's schema: streams are Slot, the batch size is Rows, constants are tensors.
        streams: the nodes that make the streams, in the order of their slots.
        shape: of one sample of the result; if it is alone, of a batch of one.
        origin: where the call stands in the user's model.
        kind: the type of the result.
        alone: the batch is not the first axis of its streams or its result, so that it acts on a batch of one.
        batch: axes of its first stream whose size depends on the batch.
        whole: one of its streams holds whole numbers or conditions.
    """

    name: str
    operator: str
    arguments: Mapping[str, Any]
    streams: tuple[Node, ...]
    shape: tuple[int, ...]
    origin: Origin
    kind: torch.dtype = torch.float32
    alone: bool = False
    batch: frozenset[int] = frozenset({0})
    whole: bool = False

    @property
    def rank(self) -> int:
        """Axes of the first stream, batch included."""
        return len(self.streams[0].shape) + (not self.alone)

    def axes(self, *names: str) -> set[int]:
        """Return the axes that arguments name, counted from 0; all if one of them is None or empty.

        Raises:
            Refusal: if one of them is that of the batch.
        """
        axes: set[int] = set()
        for given in (self.arguments[name] for name in names if name in self.arguments):
            listed = given if isinstance(given, list) else [given]
            axes |= set(range(self.rank)) if listed in ([], [None]) else {int(axis) % self.rank for axis in listed}
        if axes & self.batch:
            raise Refusal("it acts along the batch axis", "keep the samples of a batch apart")
        return axes

    def constant(self, name: str) -> Tensor:
        """Return an argument that must be a constant tensor."""
        value = self.arguments[name]
        if not isinstance(value, Tensor):
            raise Refusal(f"its {name} is computed from the input", "keep it a parameter or a buffer of the model")
        return value

    def node(self, kind: Kind, scaling: Scaling = "mixes", **given: Unpack["Parts"]) -> Node:
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
            alone=given.get("alone", self.alone),
            origin=self.origin,
        )

    def population(self, neurons: Neurons) -> Population:
        """Return a population that reads the first stream."""
        names, origin = tuple(node.name for node in self.streams), self.origin
        return Population(self.name, names, self.shape, alone=self.alone, origin=origin, neurons=neurons)


def held(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return arguments with Constant in place of tensors, and those tensors by name."""
    tensors: dict[str, Tensor] = {}
    # A tensor called "bias" is added to the output of a node: that of a norm is a constant like any other.
    names = {"bias": "bias of it"}
    return {name: _held(names.get(name, name), value, tensors) for name, value in arguments.items()}, tensors


def _held(name: str, value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return an argument with Constant in place of tensors, which are added to the others by name."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return Constant(name)
    if isinstance(value, list):
        return [_held(f"{name}_{index}", item, tensors) for index, item in enumerate(value)]
    return value


class Parts(TypedDict, total=False):
    """What a rule may give its node beyond what the call says."""

    operator: str
    arguments: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    alone: bool


Rule = Callable[[Call], Node | None]
"""Turns a call into a node; None says that it passes its stream through. Raises Refusal."""


def is_stream(value: object) -> bool:
    """Tell whether an argument of a call depends on the input of the network."""
    return isinstance(value, Slot)
