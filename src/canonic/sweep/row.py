"""What a network came to in a code: a row of the table of codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from canonic.codes import text_of
from canonic.measure.energy import Model as EnergyModel
from canonic.sweep.result import Outcome, energies

HEADINGS = ("code", "accuracy %", "agreement %", "steps", "events", "bits", "ACs, M", "MACs, M")
ENERGIES: Mapping[EnergyModel, str] = {
    "horowitz45": "uJ",
    "traffic45": "uJ, memory too",
    "tiled45": "uJ, on a tile",
}
"""The models of energy, as headings of columns."""

Curve = tuple[float | None, ...]


@dataclass(frozen=True)
class Row:
    """A code, and what the network came to in it; of one sample, but for the shares and the seconds.

    Where events differ in size they are counted as so many unary ones, and once more as they are.

    Attributes:
        code: as ``code_of`` reads it.
        refused: why the network cannot be in it; "" if it can, None stands for all that follows if not.
        accuracy: after the last step, 0 to 1; None without classes as labels.
        agreement: share of answers that are those of the source, likewise.
        snr_db: of the output against the source; None without an error.
        accuracy_by_step: after each step, None before the first answer.
        agreement_by_step: likewise.
        snr_db_by_step: likewise.
        total_steps: until the last digit of the answer.
        events: per neuron.
        units: per neuron, were they unary.
        event_bits: the most that an event carries.
        additions: ACs of unary events.
        event_additions: ACs of events that carry their size, one for each and its synapse.
        multiplications: MACs.
        energy: in microjoules, by each model, with unary events.
        sized_energy: the same with events that carry their size; None where all are alike.
        seconds: that the measurement of all samples took.
    """

    code: str
    refused: str = ""
    accuracy: float | None = None
    agreement: float | None = None
    snr_db: float | None = None
    accuracy_by_step: Curve | None = None
    agreement_by_step: Curve | None = None
    snr_db_by_step: Curve | None = None
    total_steps: int | None = None
    events: float | None = None
    units: float | None = None
    event_bits: int | None = None
    additions: float | None = None
    event_additions: float | None = None
    multiplications: float | None = None
    energy: Mapping[str, float] | None = None
    sized_energy: Mapping[str, float] | None = None
    seconds: float | None = None

    @property
    def kind(self) -> str:
        """The name of the code, without its parameters."""
        return self.code.partition(":")[0]

    def cells(self, models: Sequence[EnergyModel]) -> tuple[str, ...]:
        """Return the cells of the table, with the energy by some models."""
        if self.energy is None:
            return (self.code, "refused", *[""] * (len(HEADINGS) + len(models) - 1))
        shares = ["" if share is None else f"{100 * share:.2f}" for share in (self.accuracy, self.agreement)]
        counts = (str(self.total_steps), f"{self.events:.2f}", str(self.event_bits))
        sized = self.sized_energy or {}
        additions = _both((self.additions or 0) / 1e6, (self.event_additions or 0) / 1e6 if sized else None)
        energy = [_both(self.energy[name], sized.get(name)) if name in self.energy else "" for name in models]
        multiplications = f"{(self.multiplications or 0) / 1e6:.3g}"
        return (self.code, *shares, *counts, additions, multiplications, *energy, f"{self.seconds:.1f}")


def _both(unary: float, sized: float | None) -> str:
    """Return a figure of unary events and, where they differ in size, that of events that carry it."""
    return f"{unary:.3g}" if sized is None else f"{unary:.3g} / {sized:.3g}"


def row_of(outcome: Outcome, models: Sequence[EnergyModel]) -> Row:
    """Return the row of a setting."""
    found, code = outcome.evaluation, text_of(outcome.setting.sent)
    if found is None:
        return Row(code, outcome.refused)
    spikes, made, output = found["spikes"], found["operations"]["spiking"], found["outputs"][found["output"]]
    return Row(
        code,
        accuracy=outcome.accuracy,
        agreement=outcome.agreement,
        snr_db=output["snr_db"],
        accuracy_by_step=_curve(found["accuracy"] and found["accuracy"]["by_step"]),
        agreement_by_step=_curve(output["agreement_by_step"]),
        snr_db_by_step=_curve(output["snr_db_by_step"]),
        total_steps=outcome.total_steps,
        events=spikes["per_neuron"],
        units=spikes["units_per_neuron"],
        event_bits=found["network"]["event_bits"],
        additions=made["ACs"],
        event_additions=made["event_ACs"],
        multiplications=made["MACs"],
        energy=_told(energies(found, "spiking"), models),
        sized_energy=_told(energies(found, "spiking_sized"), models) or None,
        seconds=outcome.seconds["evaluate"],
    )


def _told(energy: Mapping[str, float], models: Sequence[EnergyModel]) -> dict[str, float]:
    return {name: energy[name] for name in models if name in energy}


def _curve(values: Sequence[float | None] | None) -> Curve | None:
    return None if values is None else tuple(values)
