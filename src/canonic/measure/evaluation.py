"""How good, how sparse, how healthy: one pass over labelled data, at every step of the answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from canonic.errors import DataError
from canonic.network import SpikingNetwork
from canonic.network.graph import Node
from canonic.network.layerwise import Observer
from canonic.neurons import Scan
from canonic.progress import track

Classifier = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Counts:
    """Sums over samples; those of two runs over different samples add up.

    Attributes:
        samples: pictures seen.
        source_correct: answers of the source network that were right.
        correct: answers that were right after each step.
        agreeing: answers that were those of the source network, after each step.
        spikes: of each population.
        overloads: steps at which a neuron of each population was overloaded.
    """

    samples: int
    source_correct: int
    correct: tuple[int, ...]
    agreeing: tuple[int, ...]
    spikes: Mapping[str, int]
    overloads: Mapping[str, int]

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.samples + other.samples,
            self.source_correct + other.source_correct,
            tuple(a + b for a, b in zip(self.correct, other.correct, strict=True)),
            tuple(a + b for a, b in zip(self.agreeing, other.agreeing, strict=True)),
            {name: count + other.spikes[name] for name, count in self.spikes.items()},
            {name: count + other.overloads[name] for name, count in self.overloads.items()},
        )


@dataclass(frozen=True)
class Evaluation:
    """The measures of a network on a data set.

    Attributes:
        counts: the sums that everything else follows from.
        neurons: of each population, for one sample.
        steps: digits T of the code.
        silent: smallest and largest number of silent steps k of a population.
        depth: populations on the longest path.
        total_steps: steps until the last digit of the answer.
    """

    counts: Counts
    neurons: Mapping[str, int]
    steps: int
    silent: tuple[int, int]
    depth: int
    total_steps: int

    @property
    def samples(self) -> int:
        """Pictures seen."""
        return self.counts.samples

    @property
    def source_accuracy(self) -> float:
        """Accuracy of the source network, 0 to 1."""
        return self.counts.source_correct / self.samples

    @property
    def accuracy_by_step(self) -> tuple[float, ...]:
        """Accuracy after each step, 0 to 1."""
        return tuple(count / self.samples for count in self.counts.correct)

    @property
    def accuracy(self) -> float:
        """Accuracy after the last step, 0 to 1."""
        return self.accuracy_by_step[-1]

    @property
    def agreement_by_step(self) -> tuple[float, ...]:
        """Share of answers that are those of the source network, after each step."""
        return tuple(count / self.samples for count in self.counts.agreeing)

    @property
    def agreement(self) -> float:
        """Share of answers that are those of the source network, after the last step."""
        return self.agreement_by_step[-1]

    @property
    def spikes_per_neuron(self) -> float:
        """Spikes of either sign of one neuron for one sample, on average over all populations."""
        return sum(self.counts.spikes.values()) / (self.samples * sum(self.neurons.values()))

    @property
    def overload_rate(self) -> Mapping[str, float]:
        """For each population, the share of its neurons' T firing steps that were overloaded."""
        return {
            name: count / (self.samples * self.neurons[name] * self.steps)
            for name, count in self.counts.overloads.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Return all measures as plain data; null stands for the steps before the first digit of the answer."""
        silent = self.total_steps - self.steps
        return {
            "samples": self.samples,
            "T": self.steps,
            "k": self.silent[0] if len(set(self.silent)) == 1 else list(self.silent),
            "depth": self.depth,
            "total steps": self.total_steps,
            "source accuracy": self.source_accuracy,
            "accuracy": self.accuracy,
            "agreement": self.agreement,
            "spikes per neuron": self.spikes_per_neuron,
            "accuracy by step": [None] * silent + list(self.accuracy_by_step[silent:]),
            "agreement by step": [None] * silent + list(self.agreement_by_step[silent:]),
            "spikes": dict(self.counts.spikes),
            "overload rate": dict(self.overload_rate),
        }


def evaluate(
    snn: SpikingNetwork,
    data: Iterable[Sequence[Tensor]],
    *,
    source: Classifier | None = None,
    progress: bool = True,
) -> Evaluation:
    """Measure a classifier on labelled data.

    Args:
        snn: a network with one input and one output ``[batch, classes]``.
        data: batches (x, y), with y the classes ``[batch]``.
        source: the source network, for the agreement; computed on the network's own graph if None.
        progress: show a progress bar, on a terminal.

    Raises:
        DataError: if there is no data, or the network or a label does not fit.
    """
    if isinstance(source, nn.Module) and source.training:
        raise DataError("the source network is in training mode, where its answers depend on the batch: source.eval()")
    total = None
    for batch in track(data, "evaluate", shown=progress):
        x, y = labelled(batch)
        counts = count_batch(snn, x, y, source or snn.source)
        total = counts if total is None else total + counts
    if total is None:
        raise DataError("the evaluation data is empty: pass at least one batch (x, y)")
    return Evaluation(total, snn.graph.neurons, snn.code.steps, snn.graph.silent, snn.depth, snn.total_steps)


def labelled(batch: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the inputs and the labels of a batch (x, y, ...).

    Raises:
        DataError: if there is not one whole number for each sample.
    """
    if isinstance(batch, Tensor) or len(batch) < 2:
        raise DataError("a batch holds no labels: evaluate needs batches (x, y), with y the classes [batch]")
    x, y = batch[0], batch[1]
    if y.is_floating_point() or y.shape != x.shape[:1]:
        raise DataError(f"y must hold one whole number for each of the {len(x)} samples, got {y.dtype} {list(y.shape)}")
    return x, y


def count_batch(
    snn: SpikingNetwork, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], source: Classifier
) -> Counts:
    """Return the counts of one batch."""
    spikes: dict[str, int] = dict.fromkeys((node.name for node in snn.graph.populations), 0)
    overloads = dict(spikes)
    readout = snn.readout(x, observe=_counter(spikes, overloads))
    if not isinstance(readout, Tensor) or readout.dim() != 3:
        raise DataError(
            "evaluate measures classifiers with one output [batch, classes]; this network returns another form"
        )
    classes = readout.shape[2]
    if not bool(((y >= 0) & (y < classes)).all()):
        raise DataError(f"a label lies outside 0 .. {classes - 1}: the network tells {classes} classes apart")
    with torch.no_grad():
        expected = source(x).argmax(-1)
    answers, y = readout.argmax(-1), y.to(readout.device)
    return Counts(
        samples=len(y),
        source_correct=int((expected == y).sum()),
        correct=tuple((answers == y).sum(1).tolist()),
        agreeing=tuple((answers == expected).sum(1).tolist()),
        spikes=spikes,
        overloads=overloads,
    )


def _counter(spikes: dict[str, int], overloads: dict[str, int]) -> Observer:
    def observe(node: Node, _: Sequence[Tensor], result: Scan) -> None:
        spikes[node.name] += int(result.spikes.count_nonzero())
        overloads[node.name] += int(result.overloads.sum())

    return observe
