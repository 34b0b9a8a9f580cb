"""What a scheduler runs: a graph, and for each of its streams how it stands for numbers."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Any, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.codes import CSS, Weighted
from canonic.network.convolution import Calls
from canonic.network.graph import Bias, Graph, Node, Population
from canonic.network.inputs import analog, prototype
from canonic.network.recorded import Recordings

Stream = Shaped[Tensor, "_ batch ..."]

Readout = Literal["mean", "last", "first"]
"""How an answer is read from the steps of an output:

mean    of all steps so far, which for codes is what they stand for
last    the step itself: of what adds up
first   the membranes, until the first event, which answers: ``codes.readouts.scores``
"""


def given_fields(instance: Any) -> dict[str, object]:
    """Return what is copied of an object, which computes all else anew.

    Schedulers keep packed weights, places in memory and recordings, which are of their process.
    """
    return {field.name: getattr(instance, field.name) for field in fields(instance)}


@dataclass(frozen=True)
class Plan:
    """What a scheduler runs.

    Attributes:
        graph: a converted graph.
        code: of all populations that have none of their own; the levels of CSS are the most of any population.
        bias: when biases are injected.
        spikes: the type of spikes between layers; that of the currents if None.
        compiled: whether the layerwise scheduler runs populations as compiled loops.
        follows: whether its inputs come frame by frame, as in sequences or in streams of changes, and not whole.
        seed: of all populations with a rule that is random; None if none draws.
        readout: how the answer is read from the steps of its outputs, where it was trained.
    """

    graph: Graph
    code: Weighted
    bias: Bias = "first"
    spikes: torch.dtype | None = None
    compiled: bool = False
    follows: bool = False
    seed: int | None = None
    readout: Readout = "mean"

    __getstate__ = given_fields

    @cached_property
    def stepwise(self) -> bool:
        """Whether its populations have rules: it was trained in steps, and all else is a function of each of them."""
        return any(node.neurons.rule for node in self.graph.populations)

    @cached_property
    def whole(self) -> frozenset[str]:
        """The streams of numbers that come whole, in one step: the inputs and what follows from them alone.

        A bias that is spread over all digits ends this.
        """
        if self.follows:
            return frozenset()
        if self.bias == "first":
            return frozenset(analog(self.graph))
        return frozenset(analog(self.graph, lambda node: "bias" not in node.tensors))

    @cached_property
    def codes(self) -> Mapping[str, Weighted]:
        """The code of each stream: that of the population that it comes from, which all other nodes pass on.

        Where no population was, it is that of the plan.
        """
        known: dict[str, Weighted] = {}
        for node in self._computed():
            given = [known[name] for name in node.inputs if name not in self.whole]
            if isinstance(node, Population):
                known[node.name] = node.neurons.code or self.code
            else:
                known[node.name] = given[0] if given else self.code
        return known

    @cached_property
    def css(self) -> CSS | None:
        """Its code, where all populations are in that family and digits flow from end to end."""
        pure = all(node.neurons.css for node in self.graph.populations)
        return self.code if pure and isinstance(self.code, CSS) else None

    @cached_property
    def gains(self) -> Mapping[str, tuple[float, ...]]:
        """With what each digit of a node's stream its bias enters; zeros at the end are left out."""
        linear = (node for node in self._computed() if node.kind in ("synapse", "structure"))
        return {node.name: self._gains_of(node) for node in linear if "bias" in node.tensors}

    def _computed(self) -> Iterator[Node]:
        """Yield all nodes in order, before a population the convolution that it computes itself."""
        for node in self.graph.nodes:
            if isinstance(node, Population) and node.convolution is not None:
                yield node.convolution
            yield node

    def _gains_of(self, node: Node) -> tuple[float, ...]:
        if node.name in self.whole:
            return (1.0,)
        code = self.codes[node.name]
        if self.bias == "spread":
            return (1 / math.fsum(code.weights),) * code.steps
        return entry(code)

    def sender(self, node: Population) -> Weighted:
        """Return the code in which a population is sent its current; its own where that comes whole."""
        return self.codes[node.name if node.inputs[0] in self.whole else node.inputs[0]]

    def value(self, name: str, stream: Stream) -> Float[Tensor, "batch ..."]:
        """Return what a stream stands for, in units of its theta."""
        return stream[0] if name in self.whole else self.codes[name].decode(stream)

    def current_value(self, node: Population, currents: Stream) -> Float[Tensor, "batch ..."]:
        """Return what the current of a population stands for."""
        css = node.neurons.css
        return css.decode(currents) if css else self.value(node.inputs[0], currents)

    @cached_property
    def built(self) -> set[bool]:
        """The runs whose programs are built: those that count spikes, those that do not; ``build_for`` keeps it."""
        return set()

    @cached_property
    def calls(self) -> Calls:
        """What calls of the programs of its populations have in common; the layerwise scheduler keeps it."""
        return {}

    @cached_property
    def recordings(self) -> Recordings:
        """Its batches on a GPU, by their shapes; the layerwise scheduler keeps them."""
        return Recordings()

    @cached_property
    def spike_types(self) -> Mapping[str, torch.dtype]:
        """The type of each population's spikes."""
        return {node.name: self._spike_type(node) for node in self.graph.populations}

    def _spike_type(self, node: Population) -> torch.dtype:
        """Return the type of a population's spikes: what reads them on a GPU takes no other than its weights'."""
        if not node.small:
            return self.spikes or prototype(self.graph).dtype
        weights = [reader.tensors["weight"] for reader in self.graph.consumers[node.name] if reader.weighted]
        halved = any(weight.dtype == torch.bfloat16 and weight.device.type != "cpu" for weight in weights)
        return torch.bfloat16 if halved else torch.int8

    @cached_property
    def largest(self) -> int:
        """Bytes of the largest stream of one sample."""
        kind, longest = prototype(self.graph).dtype, self.longest
        types = ((node, self.spike_types.get(node.name, kind)) for node in self.graph.nodes)
        sizes = (n.size * type_.itemsize * (1 if n.name in self.whole else longest) for n, type_ in types)
        return max(1, *sizes)

    @property
    def longest(self) -> int:
        """The most digits of any stream."""
        return max(code.steps for code in self.codes.values())


@cache
def entry(code: Weighted) -> tuple[float, ...]:
    """Return with what each digit of a code a constant enters; zeros at the end are left out.

    >>> from canonic.codes import CSS, named
    >>> entry(CSS(steps=8)), entry(named("rate", steps=2))
    ((1.0,), (1.0, 1.0))
    """
    gains = list(code.gains)
    while len(gains) > 1 and gains[-1] == 0:
        gains.pop()
    return tuple(gains)


def entered(plan: Plan, name: str, stream: Stream, code: Weighted) -> Stream:
    """Return a stream as digits of a code: numbers that come whole enter as constants do."""
    if name not in plan.whole or (gains := entry(code)) == (1.0,):
        return stream
    return stream * stream.new_tensor(gains).view(-1, *[1] * (stream.dim() - 1))


def total_steps(plan: Plan) -> int:
    """Return the steps until the last digit of the last output: its digits and all steps on the way to the first."""
    return max(plan.codes[name].steps + plan.graph.first_steps[name] for name in plan.graph.outputs)
