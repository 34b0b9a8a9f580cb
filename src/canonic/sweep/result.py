"""What came of each setting, and which of them no other beats."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from canonic.errors import StorageError
from canonic.measure.energy import Model
from canonic.sweep.grid import Setting
from canonic.sweep.pareto import front
from canonic.words import SPACE, counted, decibels, percent


@dataclass(frozen=True)
class Outcome:
    """What came of one setting.

    Attributes:
        setting: what was tried.
        evaluation: the measures, plain data as ``Evaluation.to_json`` gives them; None if it was refused.
        refused: why it cannot be; "" if it can.
        seconds: that converting and evaluating took.
    """

    setting: Setting
    evaluation: Mapping[str, Any] | None
    refused: str
    seconds: Mapping[str, float]

    @property
    def accuracy(self) -> float | None:
        """Accuracy after the last step, 0 to 1; None without classes as labels."""
        found = None if self.evaluation is None else self.evaluation["accuracy"]
        return None if found is None else float(found["network"])

    @property
    def agreement(self) -> float | None:
        """Share of answers that are those of the source network, 0 to 1; None without classes."""
        found = None if self.evaluation is None else self.evaluation["outputs"][self.evaluation["output"]]["agreement"]
        return None if found is None else float(found)

    @property
    def snr(self) -> float | None:
        """Signal-to-noise ratio of the output against the source network in dB; infinite without an error."""
        if self.evaluation is None:
            return None
        ratio = self.evaluation["error"]["snr_db"]
        return inf if ratio is None else float(ratio)

    @property
    def quality(self) -> float | None:
        """What settings are compared by: the accuracy; the ratio to the source in dB where none was measured."""
        return self.snr if self.accuracy is None else self.accuracy

    @property
    def likeness(self) -> float | None:
        """How like those of the source the answers are: the agreement; the ratio in dB where there are no classes."""
        return self.snr if self.agreement is None else self.agreement

    @property
    def events(self) -> float | None:
        """Events of all neurons for one sample."""
        if self.evaluation is None:
            return None
        return float(self.evaluation["spikes"]["per_neuron"] * self.evaluation["network"]["neurons"])

    @property
    def total_steps(self) -> int | None:
        """Steps until the last digit of the answer."""
        return None if self.evaluation is None else int(self.evaluation["network"]["total_steps"])

    def energy(self, model: Model = "horowitz45") -> float | None:
        """Return the energy of the spiking network for one sample in microjoules, by a model."""
        return None if self.evaluation is None else energies(self.evaluation, "spiking")[model]

    def __repr__(self) -> str:
        shares = (("accuracy", self.accuracy), ("agreement", self.agreement))
        told = [f"{name} {percent(share)}" for name, share in shares if share is not None]
        if self.accuracy is None and self.snr is not None:
            told.append(f"output {decibels(self.snr if self.snr != inf else None)}")
        return f"Outcome({self.setting}: {self.refused or ', '.join(told).replace(SPACE, ' ')})"

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain data."""
        return {**asdict(self), "setting": self.setting.to_json()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Outcome":
        """Return the outcome that plain data stand for."""
        return Outcome(Setting.from_json(data["setting"]), data["evaluation"], data["refused"], data["seconds"])


@dataclass(frozen=True)
class Sweep:
    """What came of all settings of a sweep, in their order.

    Attributes:
        outcomes: of the settings.
        model: of the energy that they are compared by.

    Raises:
        StorageError: if they were not measured on the same data.
    """

    outcomes: tuple[Outcome, ...]
    model: Model = "horowitz45"

    def __post_init__(self) -> None:
        if len({o.evaluation["data"]["sha256"] for o in self.outcomes if o.evaluation is not None}) > 1:
            raise StorageError(
                "the settings of this sweep were measured on different data: it changed on the way; begin in another "
                "folder"
            )

    def energy(self, outcome: Outcome) -> float | None:
        """Return the energy that a setting is compared by, in microjoules a sample; None if it was refused."""
        return outcome.energy(self.model)

    @property
    def saving_energy(self) -> tuple[Outcome, ...]:
        """The Pareto front of quality against energy."""
        return self._front(self.energy)

    @property
    def saving_steps(self) -> tuple[Outcome, ...]:
        """The Pareto front of quality against total steps."""
        return self._front(lambda outcome: outcome.total_steps)

    def to_json(self) -> list[dict[str, Any]]:
        """Return a row for each setting, as plain data; energy in microjoules a sample."""
        return [
            {
                **outcome.setting.to_json(),
                "total_steps": outcome.total_steps,
                "accuracy": outcome.accuracy,
                "agreement": outcome.agreement,
                "snr_db": outcome.snr if outcome.snr != inf else None,
                "energy": self.energy(outcome),
                "on_front_of_energy": outcome in self.saving_energy,
                "on_front_of_steps": outcome in self.saving_steps,
                "refused": outcome.refused,
            }
            for outcome in self.outcomes
        ]

    def __repr__(self) -> str:
        refused = sum(outcome.evaluation is None for outcome in self.outcomes)
        best = f"{len(self.saving_energy)} not beaten in energy, {len(self.saving_steps)} in steps"
        return f"Sweep({counted(len(self.outcomes), 'setting')}, {refused} refused; {best})"

    def _front(self, cost: Callable[[Outcome], float | None]) -> tuple[Outcome, ...]:
        points = [
            (o, o.quality, price) for o in self.outcomes if o.quality is not None and (price := cost(o)) is not None
        ]
        best = front([(gain, float(price)) for _, gain, price in points])
        return tuple(outcome for (outcome, _, _), kept in zip(points, best, strict=True) if kept)


def energies(evaluation: Mapping[str, Any], form: str) -> dict[str, float]:
    """Return the energy of a form of the network by each model; nothing if it is not among the rows."""
    models = evaluation["energy"]["models"].items()
    return {name: row["total"] for name, model in models for row in model["rows"] if row["id"] == form}
