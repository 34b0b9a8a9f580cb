"""Spiking networks of odd geometry, made node by node: nothing is captured or calibrated, so thousands are cheap."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from canonic import CSS, SpikingNetwork
from canonic.network.graph import Constant, Graph, Kind, Neurons, Node, Population, Rows, Scaling, Slot
from canonic.network.plan import Plan
from canonic.network.traits import SCALE

FORM = '[1, {"type": null, "context": null, "children_spec": []}]'
CHANNELS = [1, 2, 3, 5, 8, 15, 16, 17, 24, 31, 32, 33, 48, 50, 64, 65]


@dataclass
class Odd:
    """A network in the making, at random from a seed."""

    seed: int
    codes: Sequence[tuple[int, int]]
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.generator = torch.Generator().manual_seed(self.seed)
        self.code = CSS(*self.codes[self.number(0, len(self.codes))])

    def number(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high))

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def shape(self, name: str) -> tuple[int, ...]:
        return next(node.shape for node in self.nodes if node.name == name)

    def add(
        self,
        kind: Kind,
        operator: str,
        inputs: Sequence[str],
        shape: Sequence[int],
        arguments: dict[str, Any] | None = None,
        tensors: dict[str, Tensor] | None = None,
        scaling: Scaling = "mixes",
    ) -> str:
        node = Node(
            f"n{len(self.nodes)}",
            kind,
            operator,
            tuple(inputs),
            tuple(map(int, shape)),
            arguments or {},
            tensors or {},
            scaling,
        )
        return self.put(node)

    def put(self, node: Node) -> str:
        self.nodes.append(node)
        return node.name

    def convolution(self, source: str, outputs: int | None = None) -> str:
        """Any kernel, stride, padding and dilation that fit; if outputs are given, pictures keep their size."""
        channels, *size = self.shape(source)
        kernel = [int(self.random.choice([1, 3])) if outputs else self.number(1, 6) for _ in size]
        dilation = [self.number(1, 4) for _ in size]
        reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        padding = [
            r // 2 if outputs else max(min(self.number(0, 6), r), -((n - r - 1) // 2))
            for r, n in zip(reach, size, strict=True)
        ]
        stride = [1, 1] if outputs else [self.number(1, 5) for _ in size]
        outputs = outputs or int(self.random.choice(CHANNELS))
        groups = channels if outputs % channels == 0 and self.chance(0.15) else 1
        weight = self.normal(outputs, channels // groups, *kernel) * 1.5 / np.sqrt(channels // groups * np.prod(kernel))
        tensors = {"weight": weight, **({"bias": self.normal(outputs, 1, 1) * 0.3} if self.chance(0.7) else {})}
        given: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        shape = conv2d(torch.zeros(1, channels, *size), weight, **given).shape[1:]
        arguments = {"input": Slot(0), "weight": Constant("weight"), "bias": None, **given}
        return self.add("synapse", "aten.conv2d.default", [source], shape, arguments, tensors, "weighs")

    def population(self, source: str) -> str:
        shape = self.shape(source)
        whole = shape if self.chance(0.1) else (shape[0], *[1] * (len(shape) - 1))
        tensors = {"theta": torch.ones(shape[0], *[1] * (len(shape) - 1))}
        if self.chance(0.6):
            tensors["start"] = self.normal(*whole) * 0.2
        neurons = Neurons(self.chance(0.3), None, self.code)
        return self.put(Population(f"n{len(self.nodes)}", (source,), shape, tensors=tensors, neurons=neurons))

    def pooled(self, source: str) -> str:
        shape = self.shape(source)
        kernel = [min(self.number(1, 5), n) for n in shape[1:]]
        given: dict[str, Any] = {
            "kernel_size": kernel,
            "stride": [self.number(1, 4) for _ in kernel],
            "padding": [self.number(0, k // 2 + 1) for k in kernel],
        }
        given |= {"dilation": [1, 1], "ceil_mode": self.chance(0.4)}
        after = max_pool2d(torch.zeros(1, *shape), **given).shape[1:]
        return self.add(
            "function unit", "aten.max_pool2d.default", [source], after, {"self": Slot(0), **given}, scaling="pools"
        )

    def residual(self, source: str) -> str:
        """A convolution and a shortcut, maybe scaled, that add up."""
        shape = self.shape(source)
        current, shortcut = self.convolution(source, shape[0]), source
        if self.chance(0.7):
            weight = self.normal(*(shape if self.chance(0.2) else (shape[0], 1, 1)))
            shortcut = self.add(
                "synapse",
                SCALE,
                [source],
                shape,
                {"self": Slot(0), "other": Constant("weight")},
                {"weight": weight},
                "weighs",
            )
        arguments = {"self": Slot(0), "other": Slot(1), "alpha": 1}
        return self.add("synapse", "aten.add.Tensor", [current, shortcut], shape, arguments, scaling="sums")


def odd(seed: int, codes: Sequence[tuple[int, int]]) -> tuple[SpikingNetwork, tuple[int, int, int]]:
    """Return a network of odd geometry with one of some codes (T, k), and the shape of its pictures."""
    made = Odd(seed, codes)
    shape = made.number(1, 9), made.number(1, 16), made.number(1, 16)
    first = last = made.add("input", "", [], shape, {"largest": 3.0})
    last = made.population(made.convolution(last))
    for _ in range(made.number(1, 4)):
        if made.chance(0.3) and min(made.shape(last)[1:]) > 1:
            last = made.pooled(last)
        last = made.population(made.residual(last) if made.chance(0.35) else made.convolution(last))
    size = int(np.prod(made.shape(last)))
    flat = made.add(
        "structure",
        "aten.reshape.default",
        [last],
        (size,),
        {"self": Slot(0), "shape": [Rows(), size]},
        scaling="moves",
    )
    arguments = {"input": Slot(0), "weight": Constant("weight"), "bias": None}
    for outputs, population in ((made.number(1, 20), True), (7, False)):
        inputs = made.shape(flat)[0]
        tensors = {"weight": made.normal(outputs, inputs) / np.sqrt(inputs), "bias": made.normal(outputs)}
        flat = made.add("synapse", "aten.linear.default", [flat], (outputs,), arguments, tensors, "weighs")
        flat = made.population(flat) if population else flat
    return SpikingNetwork(Plan(Graph(tuple(made.nodes), (first,), (flat,), FORM), made.code), {}), shape
