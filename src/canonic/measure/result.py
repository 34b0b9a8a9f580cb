"""The measures of a network, as sums from which all else follows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canonic.errors import DataError
from canonic.measure.baselines import Baselines
from canonic.measure.counts import Counts, Operations, merged
from canonic.measure.energy import MODELS, Model
from canonic.measure.facts import Facts
from canonic.measure.shown import html, line
from canonic.measure.summary import summary
from canonic.network.health import decibels


@dataclass(frozen=True)
class Evaluation:
    """The measures of a network on a data set. Those of one network on other samples add up: ``one + other``.

    Attributes:
        network: its figures.
        counts: the sums that everything follows from.
        operations: of each node of the spiking network.
        source_operations: of each node of the source network; empty if another network was given as reference.
        seconds: that the spiking network ran, counting included.
        gap: why the data was not seen to its end; "" if it was.
        models: of energy, by which its estimates are made.
        baselines: the same network in other codes; None if not asked for.
    """

    network: Facts
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
            ("kinds of task", (self.counts.answers is None) != (other.counts.answers is None)),
            ("references", (not self.source_operations) != (not other.source_operations)),
            ("energy models", self.models != other.models),
        ):
            if differs:
                raise DataError(f"evaluations with different {what} cannot be merged: evaluate both parts alike")
        return Evaluation(
            self.network,
            merged(self.counts, other.counts),
            merged(self.operations, other.operations),
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
        """Samples that are known to have calibrated the network, for which its thresholds were chosen."""
        return self.counts.calibrated

    @property
    def complete(self) -> bool:
        """Whether the data was seen to its end."""
        return not self.gap

    @property
    def source_accuracy(self) -> float:
        """Accuracy of the source network, 0 to 1; NaN of a regression."""
        return self._share(self.counts.answers.source_correct) if self.counts.answers else float("nan")

    @property
    def accuracy_by_step(self) -> tuple[float, ...]:
        """Accuracy after each step, 0 to 1; empty of a regression."""
        return tuple(self._share(n) for n in self.counts.answers.correct) if self.counts.answers else ()

    @property
    def accuracy(self) -> float:
        """Accuracy after the last step, 0 to 1; NaN of a regression."""
        return self.accuracy_by_step[-1] if self.counts.answers else float("nan")

    @property
    def agreement_by_step(self) -> tuple[float, ...]:
        """Share of answers that are those of the source network, after each step; empty of a regression."""
        return tuple(self._share(n) for n in self.counts.answers.agreeing) if self.counts.answers else ()

    @property
    def agreement(self) -> float:
        """Share of answers that are those of the source network, after the last step; NaN of a regression."""
        return self.agreement_by_step[-1] if self.counts.answers else float("nan")

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio of the output against the source network, in dB, after the last step."""
        errors = self.counts.errors
        return decibels(float(errors.signal), float(errors.noise[-1]))

    @property
    def spikes_per_neuron(self) -> float:
        """Spikes of either sign of one neuron for one sample, on average over all populations."""
        return sum(firing.spikes for firing in self.counts.firing.values()) / (self.samples * self.neurons)

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

    def _share(self, count: int) -> float:
        return count / self.samples
