"""What an evaluation must know of a network, apart from what it did: sizes, steps and a fingerprint, as plain data."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from canonic.network import SpikingNetwork
from canonic.network.graph import Graph, Node, Precision

AUXILIARY = ("theta", "mean")
"""Tensors of a population that no scheduler reads: they are folded into the weights, or describe."""


@dataclass(frozen=True)
class Size:
    """The weights of a node, how many of them are zero, and the elements of its output."""

    weights: int
    zeros: int
    outputs: int


@dataclass(frozen=True)
class Facts:
    """A network in figures.

    Attributes:
        fingerprint: SHA-256 of its nodes, tensors, code and precision.
        precision: that it runs at.
        steps: digits T of the code.
        silent: smallest and largest number of silent steps k of a population.
        depth: populations on the longest path.
        total_steps: steps until the last digit of the answer.
        neurons: of each population, for one sample.
        updates: steps at which the membranes of each population are updated, T + k.
        sizes: of each synapse.
        connections: the synapses that are matrices or kernels.
        footprint: bytes of all tensors that are needed to run it.
    """

    fingerprint: str
    precision: Precision
    steps: int
    silent: tuple[int, int]
    depth: int
    total_steps: int
    neurons: Mapping[str, int]
    updates: Mapping[str, int]
    sizes: Mapping[str, Size]
    connections: tuple[str, ...]
    footprint: int

    @property
    def first_answer(self) -> int:
        """The step at which the first digit of the answer is there; the input comes at step 1."""
        return self.total_steps - self.steps + 1

    @property
    def between_samples(self) -> int:
        """Steps between two samples in a pipeline: a population is busy for T + k steps."""
        return self.steps + self.silent[1]


def facts(snn: SpikingNetwork) -> Facts:
    """Return the figures of a network, as it runs at its precision."""
    graph = snn.clocked_plan.graph
    return Facts(
        fingerprint=fingerprint(snn),
        precision=snn.precision,
        steps=snn.code.steps,
        silent=snn.graph.silent,
        depth=snn.depth,
        total_steps=snn.total_steps,
        neurons=dict(snn.graph.neurons),
        updates={n.name: snn.code.steps + (n.neurons.silent if n.neurons else 0) for n in snn.graph.populations},
        sizes={node.name: _size(node) for node in graph.nodes if node.kind != "input"},
        connections=tuple(node.name for node in graph.nodes if node.weighted),
        footprint=_footprint(graph),
    )


def fingerprint(snn: SpikingNetwork) -> str:
    """Return a hash of all that determines what a network computes."""
    seen = hashlib.sha256(repr((snn.precision, snn.code, snn.plan.bias)).encode())
    for node in snn.graph.nodes:
        seen.update(repr((node.name, node.operator, node.inputs, node.shape, node.neurons)).encode())
        for name in sorted(node.tensors):
            tensor = node.tensors[name].cpu().contiguous()
            seen.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
            seen.update(tensor.numpy().tobytes())
    return seen.hexdigest()


def _size(node: Node) -> Size:
    weight = node.tensors.get("weight")
    if weight is None:
        return Size(0, 0, node.size)
    return Size(weight.numel(), int((weight == 0).sum()), node.size)


def _footprint(graph: Graph) -> int:
    tensors = [t for node in graph.nodes for name, t in node.tensors.items() if name not in AUXILIARY]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
