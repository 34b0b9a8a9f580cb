"""What an evaluation must know of a network, apart from what it did: sizes, steps and a fingerprint, as plain data."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2

from canonic.codes import Weighted
from canonic.measure.operations import Account
from canonic.measure.reuse import ONCE, Reuse, reuse_of
from canonic.network import SpikingNetwork
from canonic.network.graph import Graph, Node, Population, Precision
from canonic.network.outputs import output_names
from canonic.network.plan import Plan
from canonic.network.ruled import rule_of

AUXILIARY = ("theta", "mean", "packed", "unit", "levels", "wide")
"""Tensors that describe, or that hold the weights once more in the layout of a processor."""


@dataclass(frozen=True)
class Size:
    """What a node has and moves.

    Attributes:
        weights: how many.
        zeros: how many of them are zero.
        bits: that a weight is stored in.
        inputs: elements that it reads.
        outputs: elements of its output.
        readers: nodes that read it.
        reuse: of its weights and of what it reads.
    """

    weights: int
    zeros: int
    bits: int
    inputs: int
    outputs: int
    readers: int
    reuse: Reuse = ONCE


@dataclass(frozen=True)
class Facts:
    """A network in figures.

    Attributes:
        fingerprint: SHA-256 of its nodes, tensors, code and precision.
        precision: that it runs at.
        codes: names of those of its populations.
        steps: digits T of the code of most.
        bits: of a number with as many levels as that code has.
        silent: smallest and largest number of silent steps k of a population.
        levels: smallest and largest number of levels L of a population in CSS; a spike is one of 2 L + 1 numbers,
            or of those that are powers of two.
        event_bits: the most that an event carries, log2 of what it may be.
        depth: populations on the longest path.
        total_steps: steps until the last digit of the last output.
        starts: of each output by its identifier, the steps before its first digit; the input comes at step 1.
        neurons: of each population, for one sample.
        updates: of the membranes of each population, for one sample: neurons times T + k steps.
        busy: the most steps that a population takes, T + k.
        state: of what else is remembered between two steps: prefixes of function units and maxima, the readout.
        sizes: of each synapse.
        magnitudes: the sizes that events may have, largest first, of what a node reads, and of what a population
            sends; nodes whose events are all alike are left out.
        connections: the synapses that are matrices or kernels.
        footprint: bytes of all tensors that are needed to run it.
    """

    fingerprint: str
    precision: Precision
    codes: tuple[str, ...]
    steps: int
    bits: int
    silent: tuple[int, int]
    levels: tuple[int, int]
    event_bits: float
    depth: int
    total_steps: int
    starts: Mapping[str, int]
    neurons: Mapping[str, int]
    updates: Mapping[str, int]
    busy: int
    state: Mapping[str, int]
    sizes: Mapping[str, Size]
    magnitudes: Mapping[str, tuple[float, ...]]
    connections: tuple[str, ...]
    footprint: int

    @property
    def between_samples(self) -> int:
        """Steps between two samples in a pipeline: a population is busy for T + k steps."""
        return self.busy


def facts(snn: SpikingNetwork) -> Facts:
    """Return the figures of a network, as it runs at its precision."""
    graph, codes = snn.clocked_plan.graph, snn.clocked_plan.codes
    sent = [codes[node.name] for node in graph.populations]
    return Facts(
        fingerprint=fingerprint(snn),
        precision=snn.precision,
        codes=tuple(dict.fromkeys(code.name for code in sent)),
        steps=snn.code.steps,
        bits=bits_of(snn.code),
        silent=snn.graph.silent,
        levels=snn.graph.levels,
        event_bits=max((_bits(node, codes[node.name]) for node in graph.populations), default=0.0),
        depth=snn.depth,
        total_steps=snn.total_steps,
        starts=dict(zip(output_names(graph), (graph.first_steps[name] for name in graph.outputs), strict=True)),
        neurons=dict(snn.graph.neurons),
        updates={n.name: n.size * _busy(n, codes[n.name]) for n in snn.graph.populations},
        busy=max(_busy(node, codes[node.name]) for node in graph.populations),
        state=_state(graph, codes, remembers=not snn.plan.stepwise),
        sizes={**_sizes(snn.graph, snn.precision), **_sizes(graph, snn.precision)},
        magnitudes=_magnitudes(snn.clocked_plan),
        connections=tuple(node.name for node in graph.nodes if node.weighted),
        footprint=sum(_bytes(node, snn.precision) for node in graph.nodes),
    )


def bits_of(code: Weighted) -> int:
    """Return the bits of a number with as many levels as a code has.

    >>> from canonic.codes import CSS, Rate
    >>> bits_of(CSS(steps=8)), bits_of(CSS(steps=4, silent=0, beta=4.0, levels=16)), bits_of(Rate(steps=15))
    (8, 8, 4)
    """
    return ceil(log2(code.nominal / code.weights[-1] + 1))


def _magnitudes(plan: Plan) -> dict[str, tuple[float, ...]]:
    """Return the sizes of events, node by node, where they differ."""
    found: dict[str, tuple[float, ...]] = {}
    for node in plan.graph.nodes:
        names = (
            [node.name] if isinstance(node, Population) else [name for name in node.inputs if name not in plan.whole]
        )
        sizes = {size for name in names for size in plan.codes[name].alphabet.magnitudes}
        if len(sizes) > 1:
            found[node.name] = tuple(sorted(sizes, reverse=True))
    return found


def fingerprint(snn: SpikingNetwork) -> str:
    """Return a hash of all that determines what a network computes."""
    seen = hashlib.sha256(repr((snn.precision, snn.code, snn.plan.bias)).encode())
    for node in snn.graph.nodes:
        neurons = node.neurons if isinstance(node, Population) else None
        seen.update(repr((node.name, node.operator, node.inputs, node.shape, neurons)).encode())
        if neurons is not None and neurons.rule:
            seen.update(repr((neurons.rule.to_json(), snn.plan.seed, snn.plan.readout)).encode())
        for name in sorted(node.tensors):
            tensor = node.tensors[name].cpu().contiguous()
            seen.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
            seen.update(tensor.numpy().tobytes())
    return seen.hexdigest()


def _bits(node: Population, code: Weighted) -> float:
    """Return what an event of a population carries at most: of a rule that sends bursts, that of their sizes."""
    return float(getattr(rule_of(node) if node.neurons.rule else None, "bits", code.alphabet.bits))


def _busy(node: Node, code: Weighted) -> int:
    return code.steps + node.silent


def _state(graph: Graph, codes: Mapping[str, Weighted], *, remembers: bool) -> dict[str, int]:
    """Return the updates of what a chip must remember of a sample beside membranes.

    A function unit keeps the prefix of every input and its last output, a maximum those of its window, and the readout
    adds up; each is updated with every digit. What comes at once, behind the input, is not remembered, and nothing by
    function units of a network that was trained: they are functions of each step.
    """
    lengths = Account(graph, None, spiking=True).lengths
    units = [n for n in graph.nodes if n.kind == "function unit" and remembers and lengths[n.name] > 1]
    state = {n.name: codes[n.name].steps * (n.size + sum(graph[name].size for name in n.inputs)) for n in units}
    return {**state, "readout": sum(codes[name].steps * graph[name].size for name in graph.outputs)}


def _sizes(graph: Graph, precision: Precision) -> dict[str, Size]:
    return {node.name: _size(graph, node, precision) for node in graph.nodes if node.kind != "input"}


def _size(graph: Graph, node: Node, precision: Precision) -> Size:
    weight = node.tensors.get("weight")
    inputs, readers = sum(graph[name].size for name in node.inputs), len(graph.consumers[node.name])
    if weight is None:
        return Size(0, 0, 0, inputs, node.size, readers)
    bits = 8 * _width(node, "weight", precision)
    return Size(weight.numel(), int((weight == 0).sum()), bits, inputs, node.size, readers, reuse_of(node))


def _bytes(node: Node, precision: Precision) -> int:
    """Return the bytes of the tensors that are needed to run a node."""
    kept = [name for name in node.tensors if name not in AUXILIARY]
    return sum(node.tensors[name].numel() * _width(node, name, precision) for name in kept)


def _width(node: Node, name: str, precision: Precision) -> int:
    """Return the bytes of a number of a tensor: whole weights take one, though schedulers may hold them in floats."""
    return 1 if precision == "int8" and name == "weight" and node.weighted else node.tensors[name].element_size()
