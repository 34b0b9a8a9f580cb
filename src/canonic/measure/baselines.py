"""The same network in other codes, on the same data: what a spiking network has to be compared with.

quantised   the code ``binary``: activations of T bits at the same ranges, layer by layer, and 8-bit weights, as a
            digital chip has them; T digits hold as many levels as T bits. Where values have a sign, all populations
            are in CSS with k = T, which rounds to the same numbers. Its operations are those of numbers, not of bits.
rate        the code ``rate``, and ``signed-rate`` where values have a sign, whose first n steps are those of the rate
            code of n steps.

Both are the network itself, translated to another code, and run by its own scheduler.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from canonic.codes import CSS, Binary, Rate, SignedRate, Weighted
from canonic.conversion.translated import translated
from canonic.measure.counts import Operations, merged
from canonic.measure.facts import bits_of
from canonic.measure.labels import Classes
from canonic.measure.operations import Account
from canonic.measure.tally import occurrences
from canonic.network import SpikingNetwork
from canonic.network.graph import Graph, Node
from canonic.network.grids import LARGEST_WEIGHT
from canonic.network.plan import Plan
from canonic.network.readout import by_step
from canonic.network.weights import against_outputs, over_inputs
from canonic.neurons import Scan

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
class Others:
    """A network in other codes, and where their operations arise: at the same nodes, under the same names.

    Attributes:
        quantised: in binary digits, with 8-bit weights.
        rate: in a rate code.
        numbers: the account of a network whose layers pass on numbers.
        spikes: that of one step of a network that spikes.
        constant: nodes that follow from the input alone, and so are computed once.
    """

    quantised: SpikingNetwork
    rate: SpikingNetwork
    numbers: Account
    spikes: Account
    constant: frozenset[str]


def others_of(snn: SpikingNetwork) -> Others:
    """Return a network in other codes."""
    graph = snn.graph
    coarse = replace(snn.plan, graph=replace(graph, nodes=tuple(map(eight_bits, graph.nodes))))
    quantised = translated(replace(snn, plan=coarse), layer_by_layer(graph, snn.code))
    rate = translated(snn, Rate(RATE_STEPS), SignedRate(RATE_STEPS))
    lengths = Account(graph, None, spiking=True).lengths
    constant = frozenset(name for name, digits in lengths.items() if digits == 1)
    return Others(quantised, rate, Account(graph), Account(graph, spiking=True), constant)


def layer_by_layer(graph: Graph, code: Weighted) -> Weighted:
    """Return the code of as many bits as a code has levels: binary digits, or signed ones where values have a sign."""
    bits = bits_of(code)
    signed = any(node.neurons.signed for node in graph.populations)
    return CSS(steps=bits, silent=bits) if signed else Binary(steps=bits)


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

    def of(self, readouts: Sequence[Float[Tensor, "steps batch ..."]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return how many answers after each step are right, and how many are those of the source network."""
        found = self.classes.scores(readouts[self.output]).argmax(-1)
        return tuple((found == self.classes.y).sum(1).tolist()), tuple((found == self.expected).sum(1).tolist())


def measure_baselines(others: Others, inputs: Sequence[Tensor], judge: Judge) -> Baselines:
    """Return what other codes make of a batch.

    Args:
        others: the network in these codes.
        inputs: the batch.
        judge: what their answers are compared with.
    """
    y = judge.classes.y
    right = int((judge.expected == y).sum()), tuple((judge.answers == y).sum(1).tolist())
    return Baselines(len(inputs[0]), len(y), *right, _quantised(others, inputs, judge), _rate(others, inputs, judge))


def eight_bits(node: Node) -> Node:
    """Return a matrix or kernel with whole multiples, up to 127, of a unit for each output."""
    if not node.weighted:
        return node
    weight = node.tensors["weight"]
    unit = against_outputs(node, over_inputs(node, weight.abs(), torch.amax)) / LARGEST_WEIGHT
    rounded = torch.where(unit > 0, (weight / unit).round() * unit, weight)
    return node.with_tensors(weight=rounded)


def _quantised(others: Others, inputs: Sequence[Tensor], judge: Judge) -> Coded:
    plan, account = others.quantised.plan, others.numbers
    correct, agreeing, activity = _run(
        plan, inputs, judge, account.watched, lambda name, stream: occurrences(plan.value(name, stream))
    )
    return Coded(correct[-1:], agreeing[-1:], (0,), (account.count(activity, len(inputs[0])),))


def _rate(others: Others, inputs: Sequence[Tensor], judge: Judge) -> Coded:
    plan, account = others.rate.plan, others.spikes
    watched = account.watched.union(plan.graph.neurons)

    def count(name: str, stream: Tensor) -> Tensor:  # sums of spikes, which rounding leaves what they are
        return (stream.abs() if name in account.spikes else stream != 0).sum(1)

    correct, agreeing, activity = _run(plan, inputs, judge, watched, count)
    fired = sum(activity[name].flatten(1).sum(1) for name in plan.graph.neurons)
    operations: list[dict[str, Operations]] = []
    for step in range(RATE_STEPS):
        made = account.count({name: _at(events, step) for name, events in activity.items()}, len(inputs[0]))
        if step:  # what follows from a constant input alone is computed once
            made = {name: Operations() if name in others.constant else o for name, o in made.items()}
        operations.append(merged(operations[-1], made) if operations else made)
    return Coded(correct, agreeing, tuple(torch.as_tensor(fired).cumsum(0).long().tolist()), tuple(operations))


def _at(events: Tensor, step: int) -> Tensor:
    """Return the events of a step, of which numbers that come whole have one."""
    return events[step] if step < len(events) else torch.zeros_like(events[0])


def _run(
    plan: Plan, inputs: Sequence[Tensor], judge: Judge, watched: Container[str], count: Callable[[str, Tensor], Tensor]
) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Tensor]]:
    """Return the answers after each step that are right, those that are the source's, and what was counted.

    Args:
        plan: that is run.
        inputs: the batch.
        judge: what its answers are compared with.
        watched: the streams that are counted.
        count: what is counted of one, by its name and ``[time, batch, *shape]``: sums over the batch.
    """
    activity = {name: count(name, x.unsqueeze(0)) for name, x in zip(plan.graph.inputs, inputs, strict=True)}

    def observe(node: Node, _: Sequence[Tensor], result: Scan | Tensor) -> None:
        if node.name in watched:
            events = count(node.name, result if isinstance(result, Tensor) else result.spikes)
            activity[node.name] = activity[node.name] + events if node.name in activity else events

    return *judge.of(by_step(plan, plan, inputs, observe)), activity
