"""The same network in other codes, on the same data: what a spiking network has to be compared with.

quantised   the source network with T-bit activations, at the same thresholds, and 8-bit weights: what a digital chip
            computes layer by layer. T digits hold as many levels as T bits.
rate        integrate-and-fire neurons that count: a spike of every step is worth the same,

                v[t] = v[t-1] + I[t] - theta s[t],    s[t] = 1 if v[t-1] + I[t] >= theta,    a = theta / t sum s,

            with v[0] = theta / 2, theta the largest number of the code, and -1 spikes where values have a sign.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from canonic.measure.counts import Activity, Operations, merged
from canonic.measure.labels import Classes
from canonic.measure.operations import Account
from canonic.measure.tally import count_inputs, value_counter
from canonic.network import SpikingNetwork
from canonic.network.apply import apply_whole
from canonic.network.graph import Graph, Node
from canonic.network.grids import LARGEST_WEIGHT
from canonic.network.reference import activate, reference
from canonic.network.weights import against_outputs, over_inputs

RATE_STEPS = 64
"""Steps that a rate code is given."""


@dataclass(frozen=True)
class Coded:
    """What a classifier did in another code; a quantised network has one step.

    Attributes:
        correct: answers that were right after each step.
        agreeing: answers that were those of the source network, after each step.
        spikes: up to each step.
        operations: of each node, up to each step.
    """

    correct: tuple[int, ...]
    agreeing: tuple[int, ...]
    spikes: tuple[int, ...]
    operations: tuple[Mapping[str, Operations], ...]


@dataclass(frozen=True)
class Baselines:
    """The same network in other codes, on some samples of the data.

    Attributes:
        samples: how many.
        labels: of these samples.
        source_correct: answers of the source network that were right.
        spiking_correct: answers of the spiking network that were right, after each of its steps.
        quantised: T-bit activations and 8-bit weights.
        rate: a rate code.
    """

    samples: int
    labels: int
    source_correct: int
    spiking_correct: tuple[int, ...]
    quantised: Coded
    rate: Coded


@dataclass(frozen=True)
class Places:
    """Where the operations of other codes arise; finding out takes a pass backwards through each synapse, once.

    Attributes:
        numbers: in a network whose layers pass on numbers.
        spikes: in one step of a network that spikes.
        constant: nodes that follow from the input alone, and so are computed once.
    """

    numbers: Account
    spikes: Account
    constant: frozenset[str]


def places_of(graph: Graph, numbers: Account) -> Places:
    """Return where the operations of other codes arise in a graph, whose account as a source network is known."""
    lengths = Account(graph, 2, spiking=True).lengths
    return Places(numbers, Account(graph, spiking=True), frozenset(n for n, digits in lengths.items() if digits == 1))


@dataclass(frozen=True)
class Judge:
    """What the answers of other codes are compared with.

    Attributes:
        output: the place of the output that classifies.
        classes: that it should tell.
        expected: answers of the source network.
        answers: of the spiking network, after each of its steps.
    """

    output: int
    classes: Classes
    expected: Int[Tensor, " answers"]
    answers: Int[Tensor, "steps answers"]

    def of(self, output: Float[Tensor, "batch ..."]) -> tuple[int, int]:
        """Return how many answers in an output are right, and how many are those of the source network."""
        found = self.classes.scores(output).argmax(-1)
        return int((found == self.classes.y).sum()), int((found == self.expected).sum())


def measure_baselines(snn: SpikingNetwork, inputs: Sequence[Tensor], judge: Judge, places: Places) -> Baselines:
    """Return what other codes make of a batch.

    Args:
        snn: the network.
        inputs: the batch.
        judge: what their answers are compared with.
        places: where the operations of the other codes arise.
    """
    y = judge.classes.y
    right = int((judge.expected == y).sum()), tuple((judge.answers == y).sum(1).tolist())
    quantised = _quantised(snn, inputs, judge, places.numbers)
    return Baselines(len(inputs[0]), len(y), *right, quantised, _rate(snn, inputs, judge, places))


def _quantised(snn: SpikingNetwork, inputs: Sequence[Tensor], judge: Judge, account: Account) -> Coded:
    activity = count_inputs(snn.graph.inputs, inputs)
    coarse = replace(snn.graph, nodes=tuple(eight_bits(node) for node in snn.graph.nodes))
    outputs = reference(
        coarse, inputs, value_counter(activity, account.watched), lambda node, x: snn.code.quantise(activate(node, x))
    )
    right, same = judge.of(outputs[judge.output])
    return Coded((right,), (same,), (0,), (account.count(activity, len(inputs[0])),))


def eight_bits(node: Node) -> Node:
    """Return a matrix or kernel with whole multiples, up to 127, of a unit for each output."""
    if not node.weighted:
        return node
    weight = node.tensors["weight"]
    unit = against_outputs(node, over_inputs(node, weight.abs(), torch.amax)) / LARGEST_WEIGHT
    rounded = torch.where(unit > 0, (weight / unit).round() * unit, weight)
    return node.with_tensors(weight=rounded)


def _rate(snn: SpikingNetwork, inputs: Sequence[Tensor], judge: Judge, places: Places) -> Coded:
    account = places.spikes
    operations: list[dict[str, Operations]] = []
    spikes, correct, agreeing = [0], [], []
    steps = rate_coded(snn.graph, inputs, snn.code.nominal, account, output=judge.output)
    for step, (output, activity, fired) in enumerate(steps):
        made = account.count(activity, len(inputs[0]))
        if step:  # what follows from a constant input alone is computed once
            made = {name: Operations() if name in places.constant else o for name, o in made.items()}
        operations.append(merged(operations[-1], made) if operations else made)
        spikes.append(spikes[-1] + fired)
        right, same = judge.of(output)
        correct.append(right)
        agreeing.append(same)
    return Coded(tuple(correct), tuple(agreeing), tuple(spikes[1:]), tuple(operations))


def rate_coded(
    graph: Graph,
    inputs: Sequence[Tensor],
    theta: float,
    account: Account,
    steps: int = RATE_STEPS,
    output: int = 0,
) -> Iterator[tuple[Float[Tensor, "batch ..."], Activity, int]]:
    """Yield after each step the decoded output, what was not zero at this step, and how many spikes there were.

    Args:
        graph: a converted graph.
        inputs: its inputs, the same at every step.
        theta: threshold, and worth of a spike.
        account: says whose activity is counted.
        steps: how many.
        output: the place of the one that is decoded.
    """
    membranes: dict[str, Tensor] = {}
    means: dict[str, list[Tensor]] = {}
    total = torch.zeros(())
    for step in range(1, steps + 1):
        values = dict(zip(graph.inputs, inputs, strict=True))
        fired = 0
        for node in graph.nodes:
            given = [values[name] for name in node.inputs]
            if node.neurons is not None:
                values[node.name], membranes[node.name] = _integrate(node, given[0], membranes.get(node.name), theta)
                fired += int(values[node.name].count_nonzero())
            elif node.kind == "function unit":
                values[node.name], means[node.name] = _of_means(node, given, means.get(node.name), step)
            elif node.kind != "input":
                values[node.name] = apply_whole(node, given, len(given[0]))
        total = total + values[graph.outputs[output]]
        yield total / step, {name: (values[name] != 0).sum(0) for name in account.watched}, fired


def _integrate(node: Node, current: Tensor, v: Tensor | None, theta: float) -> tuple[Tensor, Tensor]:
    """Return the spikes of a population, each worth theta, and its membranes after them."""
    signed = node.neurons is not None and node.neurons.signed
    u = current + ((0 if signed else theta / 2) if v is None else v)
    spikes = (u >= theta / 2).to(u) - (u <= -theta / 2).to(u) if signed else (u >= theta).to(u)
    return theta * spikes, u - theta * spikes


def _of_means(
    node: Node, given: Sequence[Tensor], before: list[Tensor] | None, step: int
) -> tuple[Tensor, list[Tensor]]:
    """Return what a function unit adds at a step, t f(mean of t) - (t - 1) f(mean of t - 1), and what it remembers."""
    sums = list(given)
    if before is not None:
        sums = [x + s if x.is_floating_point() else x for x, s in zip(given, before[:-1], strict=True)]
    means = [s / step if s.is_floating_point() else s for s in sums]
    output = step * apply_whole(node, means, len(given[0]))
    return (output if before is None else output - before[-1]), [*sums, output]
