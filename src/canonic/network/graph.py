"""The graph of a network as plain data: synapses, populations, function units, structure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, Literal, TypeVar

from torch import Tensor

from canonic.codes import CSS, Weighted
from canonic.network.traits import Trait, traits_of
from canonic.neurons.described import Form

Own = TypeVar("Own", bound="Node")
Kind = Literal["input", "synapse", "population", "function unit", "structure"]

Bias = Literal["first", "spread"]
"""Whether a bias is injected whole with the first digit or spread over all."""

Precision = Literal["fp32", "bf16x2", "bf16", "int8"]
"""What weights and currents are held in: floats, weights of two or of one bfloat16 number, or whole numbers."""

UNIT, TERM = "unit", "term"
"""Origins of what the source network has not: a stream in other units, weights for a further term of a sum."""

Scaling = Literal["moves", "pools", "weighs", "sums", "mixes"]
"""How a node treats a scale of its input:

moves   every element of the output is one of the input, perhaps of the other sign, or 0 (reshape, slice, pad, cat)
pools   acts within each channel, axis 0 of the sample, and never across channels (pooling, upsampling)
weighs  has weights that can absorb a scale on either side (conv, linear, scale)
sums    wants the same scale on all inputs and passes it on (add, sub)
mixes   none of these: its input must be in plain units
"""


@dataclass(frozen=True)
class Slot:
    """Stands for the input stream of this index among the arguments of a node."""

    index: int


@dataclass(frozen=True)
class Rows:
    """Stands for the number of rows (time x batch) that are computed at once: the model's batch size."""


@dataclass(frozen=True)
class Constant:
    """Stands for the tensor of this name of a node among its arguments."""

    name: str


@dataclass(frozen=True)
class Origin:
    """Where a node comes from in the user's model."""

    operator: str
    module: str = ""
    source: str = ""


@dataclass(frozen=True)
class Neurons:
    """What the neurons of a population are.

    Attributes:
        signed: its gate is always open; else it is a ReLU population.
        ceiling: the value at which its activation is clipped.
        code: its code, once it has been converted.
        encodes: it codes an input of the network, and so adds no depth.
        waits: silent steps where it reads digits of another code, all of which it waits for.
        rule: how they move, where that was trained; else as their code says.
    """

    signed: bool
    ceiling: float | None = None
    code: Weighted | None = None
    encodes: bool = False
    waits: int | None = None
    rule: Form | None = field(default=None, repr=False)

    @property
    def silent(self) -> int:
        """Silent steps k: those of the code, none before it has one."""
        if self.waits is not None:
            return self.waits
        return self.code.silent if self.code else 0

    @property
    def css(self) -> CSS | None:
        """Its code, where that is CSS from end to end: its digits and those that it reads, which flow through it."""
        return self.code if isinstance(self.code, CSS) and self.waits is None else None


@dataclass(frozen=True)
class Node:
    """One node of the graph: an input, a synapse, a function unit or structure; or a population, which is more.

    Attributes:
        name: unique; the module's path in the user's model where there is one.
        kind: the word of the vocabulary.
        operator: the ATen operator that is applied to each step; "" for inputs and populations.
        inputs: names of the nodes that it reads.
        shape: of one sample, without the batch.
        arguments: of the operator by name: plain data, with Slot, Rows and Constant where those go.
        tensors: "weight" and "bias" (added once); of a function unit "gain" (its output is multiplied by it) and other
            constants. All but weights broadcast against one sample.
        scaling: how it treats a scale of its input.
        alone: its operator is applied to each sample by itself, as the model keeps the batch elsewhere than in front
            (sequence first, windows): its shape and those of its inputs are then those of a batch of one.
        rounds: its output is rounded to whole numbers, half to even.
    """

    name: str
    kind: Kind
    operator: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    scaling: Scaling = "mixes"
    alone: bool = False
    origin: Origin = Origin("")
    rounds: bool = False

    @property
    def size(self) -> int:
        """Elements of one sample."""
        return prod(self.shape)

    @property
    def traits(self) -> frozenset[Trait]:
        """What its operator does."""
        return traits_of(self.operator)

    @property
    def is_scale(self) -> bool:
        """Whether it is a diagonal synapse; a product of two streams has the same operator."""
        return self.kind == "synapse" and "multiplies" in self.traits

    @property
    def weighted(self) -> bool:
        """Whether it multiplies its input by a matrix or kernel, and so wants spikes: then it only adds weights."""
        return self.kind == "synapse" and "weight" in self.tensors and not self.is_scale

    @property
    def silent(self) -> int:
        """Steps that it lets pass before its first digit: those of a population."""
        return 0

    def with_tensors(self: Own, **tensors: Tensor) -> Own:
        """Return the node with these tensors put in place of its own."""
        return replace(self, tensors={**self.tensors, **tensors})


@dataclass(frozen=True)
class Population(Node):
    """A node that spikes. Its operator is its neurons, with a threshold of one.

    Attributes:
        tensors: "theta", and in units of it "start", the initial potential, and "mean", the mean activation; in an
            integer network "threshold"; "scale 0", ... where it weighs its terms itself. Of a rule: "rule leak", ...,
            its fields that are no numbers. All broadcast against one sample, but for "recurrent", a matrix
            ``[neurons, neurons]`` from the spikes of the step before.
        neurons: what they are.
        convolution: the first of its terms, where it computes that itself, from the stream that it reads.
        small: its spikes leave in 8 bits, as all that read them can take them.

    >>> Population("relu", ("x",), (3,), neurons=Neurons(signed=False)).kind
    'population'
    """

    kind: Kind = field(default="population", kw_only=True)
    operator: str = field(default="", kw_only=True)
    neurons: Neurons = field(kw_only=True)
    convolution: Node | None = field(default=None, kw_only=True)
    small: bool = field(default=False, kw_only=True)

    @property
    def silent(self) -> int:
        """Steps that it listens before its first digit."""
        return self.neurons.silent


@dataclass(frozen=True)
class Graph:
    """Nodes in order of computation, the names of inputs and outputs, and the form of the output (a tree spec)."""

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    form: str = ""

    def __getitem__(self, name: str) -> Node:
        """Return the node of this name."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read each node."""
        readers: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers[name].append(node)
        return {name: tuple(nodes) for name, nodes in readers.items()}

    @property
    def populations(self) -> tuple[Population, ...]:
        """The populations, in order of computation."""
        return tuple(node for node in self.nodes if isinstance(node, Population))

    @cached_property
    def neurons(self) -> Mapping[str, int]:
        """The spiking neurons of each population, for one sample."""
        return {node.name: node.size for node in self.populations}

    @property
    def silent(self) -> tuple[int, int]:
        """The smallest and the largest number of silent steps of a population."""
        silent = [node.silent for node in self.populations if not node.neurons.encodes] or [0]
        return min(silent), max(silent)

    @property
    def levels(self) -> tuple[int, int]:
        """The smallest and the largest number of levels of a population's digits in CSS."""
        levels = [n.neurons.code.levels for n in self.populations if isinstance(n.neurons.code, CSS)] or [1]
        return min(levels), max(levels)

    @cached_property
    def first_steps(self) -> Mapping[str, int]:
        """For each node the silent steps on the way to it: its digit m leaves at step ``first_steps[name] + m``."""
        return longest_path(self, lambda node: node.silent)

    def map_populations(self, change: Callable[[Population], Node]) -> "Graph":
        """Return the graph with every population changed."""
        nodes = (change(node) if isinstance(node, Population) else node for node in self.nodes)
        return replace(self, nodes=tuple(nodes))

    def map_tensors(self, change: Callable[[Tensor], Tensor]) -> "Graph":
        """Return the graph with every tensor changed."""
        nodes = (replace(n, tensors={name: change(t) for name, t in n.tensors.items()}) for n in self.nodes)
        return replace(self, nodes=tuple(nodes))


def longest_path(graph: Graph, cost: Callable[[Node], int]) -> dict[str, int]:
    """Return for each node the largest sum of costs on a path from an input to it, its own cost included."""
    total: dict[str, int] = {}
    for node in graph.nodes:
        total[node.name] = max((total[name] for name in node.inputs), default=0) + cost(node)
    return total
