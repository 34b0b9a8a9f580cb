"""The measures of a network, as sums from which all else follows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canonic.errors import DataError
from canonic.measure.baselines import Baselines
from canonic.measure.counts import Counts, Operations, merged, settled
from canonic.measure.energy import MODELS, Model
from canonic.measure.facts import Facts
from canonic.measure.labels import Task
from canonic.measure.shown import html, line
from canonic.measure.summary import summary
from canonic.network.health import decibels


@dataclass(frozen=True)
class Evaluation:
    """The measures of a network on a data set. Those of one network on other samples add up: ``one + other``.

    Attributes:
        network: its figures.
        task: what was measured: "classification" and "regression" by labels, "comparison" with the source alone,
            "activity" without either.
        chosen: the identifier of the output that is measured; None if the network has several and none was meant.
        counts: the sums that everything follows from.
        operations: of each node of the spiking network.
        source_operations: of each node of the source network; empty if the reference is another one, or none.
        seconds: that the spiking network ran, counting included.
        gap: why the data was not seen to its end; "" if it was.
        models: of energy, by which its estimates are made.
        baselines: the same network in other codes; None if not asked for.
    """

    network: Facts
    task: Task
    chosen: str | None
    counts: Counts
    operations: Mapping[str, Operations]
    source_operations: Mapping[str, Operations]
    seconds: float
    gap: str = ""
    models: tuple[Model, ...] = MODELS
    baselines: Baselines | None = None

    def __add__(self, other: "Evaluation") -> "Evaluation":
        """Return the measures over the samples of both.

        Raises:
            DataError: if they are of different networks.
        """
        if self.network.fingerprint != other.network.fingerprint:
            one, another = self.network.fingerprint[:12], other.network.fingerprint[:12]
            raise DataError(
                f"evaluations of different networks cannot be merged: their fingerprints are {one} and {another}; "
                "evaluate one network on both parts of the data"
            )
        for what, differs in (
            ("kinds of task", self.task != other.task),
            ("outputs", self.chosen != other.chosen),
            ("references", self.compared != other.compared),
            ("references", (not self.source_operations) != (not other.source_operations)),
            ("energy models", self.models != other.models),
        ):
            if differs:
                raise DataError(f"evaluations with different {what} cannot be merged: evaluate both parts alike")
        counts = merged(self.counts, other.counts)
        return Evaluation(
            self.network,
            self.task,
            self.chosen,
            counts,
            settled(merged(self.operations, other.operations), counts.numbers),
            merged(self.source_operations, other.source_operations),
            self.seconds + other.seconds,
            "; ".join(dict.fromkeys(filter(None, (self.gap, other.gap)))),
            self.models,
            merged(self.baselines, other.baselines),
        )

    @property
    def samples(self) -> int:
        """Samples seen."""
        return self.counts.samples

    @property
    def calibrated(self) -> int:
        """Samples that are known to have calibrated the network, or trained it: its numbers were chosen for them."""
        return self.counts.calibrated

    @property
    def complete(self) -> bool:
        """Whether the data was seen to its end."""
        return not self.gap

    @property
    def output(self) -> str:
        """The output that accuracy, agreement and error are of: the chosen one, else the first with the worst ratio."""
        return self.chosen or min(self.counts.outputs, key=lambda name: self.ratio_by_step(name)[-1:])

    @property
    def compared(self) -> bool:
        """Whether it was compared with a source network; what needs one is NaN, or empty, where it was not."""
        return all(found.errors.source for found in self.counts.outputs.values())

    @property
    def first_answer(self) -> int:
        """The step at which the first digit of the output is there; the input comes at step 1."""
        return self.network.starts[self.output] + 1

    @property
    def mean_step(self) -> float:
        """The step of the answer, from 1, on average over the samples."""
        decided = self.counts.decided
        return float(self.network.total_steps) if decided is None else decided / self.samples

    @property
    def source_accuracy(self) -> float:
        """Accuracy of the source network, 0 to 1; NaN without it, or without classes as labels."""
        answers = self.counts.answers
        return _share(answers.source.correct, answers.labels) if answers and answers.source else float("nan")

    @property
    def accuracy_by_step(self) -> tuple[float, ...]:
        """Accuracy after each step, 0 to 1; empty without classes as labels."""
        answers = self.counts.answers
        return tuple(_share(n, answers.labels) for n in answers.correct) if answers else ()

    @property
    def accuracy(self) -> float:
        """Accuracy after the last step, 0 to 1; NaN without classes as labels."""
        return self.accuracy_by_step[-1] if self.counts.answers else float("nan")

    @property
    def agreement_by_step(self) -> tuple[float, ...]:
        """Share of answers that are those of the source network, after each step; empty without classes."""
        return self.agreement_of(self.output)

    @property
    def agreement(self) -> float:
        """Share of answers that are those of the source network, after the last step; NaN without classes."""
        return self.agreement_by_step[-1] if self.agreement_by_step else float("nan")

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio of the output against that of the source network after the last step, in dB, or NaN."""
        return self.ratio_by_step(self.output)[-1] if self.compared else float("nan")

    def agreement_of(self, output: str) -> tuple[float, ...]:
        """Return the share of answers of an output that are those of the source network, after each step."""
        found = self.counts.outputs[output]
        return tuple(_share(n, found.answers) for n in found.agreeing)

    def ratio_by_step(self, output: str) -> tuple[float, ...]:
        """Return the signal-to-noise ratio of an output in dB, after each step; infinite where there is no error."""
        errors = self.counts.outputs[output].errors.source
        return tuple(decibels(float(errors.signal), float(noise)) for noise in errors.noise) if errors else ()

    @property
    def spikes_per_neuron(self) -> float:
        """Spikes of either sign of one neuron for one sample, on average over all populations; 0 if nothing spikes."""
        return _share(sum(firing.spikes for firing in self.counts.firing.values()), self.samples * self.neurons)

    @property
    def units_per_neuron(self) -> float:
        """Sizes of the spikes of one neuron for one sample, added up: unary events, as additions and energy count."""
        return _share(sum(firing.units for firing in self.counts.firing.values()), self.samples * self.neurons)

    @property
    def neurons(self) -> int:
        """Spiking neurons for one sample."""
        return sum(self.network.neurons.values())

    @property
    def overload_rate(self) -> Mapping[str, float]:
        """For each population, the share of its neurons' T firing steps that were overloaded."""
        rates = {}
        for name, firing in self.counts.firing.items():
            rates[name] = sum(firing.overloads) / (self.samples * self.network.neurons[name] * self.network.steps)
        return rates

    def to_json(self) -> dict[str, Any]:
        """Return all measures as plain data; null stands for the steps before the first digit of the answer."""
        return summary(self)

    def __repr__(self) -> str:
        return line(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html(self)


def _share(count: int, of: int) -> float:
    return count / of if of else 0.0
