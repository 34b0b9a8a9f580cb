"""One network in many codes, on the same samples: what each takes until it answers like the source."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from canonic.cluster import Workers
from canonic.codes import Weighted, code_of, text_of
from canonic.errors import DataError
from canonic.frontend import Model
from canonic.measure.energy import MODELS, require_models
from canonic.measure.energy import Model as EnergyModel
from canonic.network.outputs import Output
from canonic.sweep.grid import Setting
from canonic.sweep.result import Outcome, energies
from canonic.sweep.run import sweep
from canonic.tables import html_table, text_table
from canonic.words import counted

USUAL = (
    *("css:4", "css:6", "css:8", "css:4,silent=0,beta=4,levels=16", "rate:8", "rate:16", "rate:32", "signed-rate:32"),
    *("phase:8", "burst:8", "latency:16", "latency:32", "binary:4", "binary:6", "multi-threshold:2"),
    *("multi-threshold:4", "differential:2", "differential:4"),
)
"""The codes that are compared if none are named."""

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


@dataclass(frozen=True)
class Comparison:
    """One network in many codes, measured on the same samples.

    Attributes:
        rows: in the order of the codes.
        samples: how many.
        source_accuracy: of the network that was converted, 0 to 1; None without classes as labels.
    """

    rows: tuple[Row, ...]
    samples: int
    source_accuracy: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        rows = [asdict(row) for row in self.rows]
        return {"samples": self.samples, "source_accuracy": self.source_accuracy, "rows": rows}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Comparison":
        """Return the comparison that plain data stand for; what older versions did not measure is None."""

        def row(given: Mapping[str, Any]) -> Row:
            known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
            return Row(**known)

        return Comparison(tuple(map(row, data["rows"])), data["samples"], data["source_accuracy"])

    @property
    def models(self) -> tuple[EnergyModel, ...]:
        """The models of energy by which any code was measured."""
        return tuple(name for name in ENERGIES if any(name in (row.energy or {}) for row in self.rows))

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings of the table."""
        return (*HEADINGS, *(ENERGIES[name] for name in self.models), "seconds")

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The cells of the table, row by row."""
        return [row.cells(self.models) for row in self.rows]

    @property
    def caption(self) -> str:
        """What was measured, in one line."""
        share = "" if self.source_accuracy is None else f", source {100 * self.source_accuracy:.2f} %"
        sized = any(row.sized_energy for row in self.rows)
        both = "; a / b: of unary events / of events that carry their size" if sized else ""
        return (
            f"{counted(self.samples, 'sample')}{share}; events are those of a neuron; energy is estimated"
            f"{' by ' * bool(self.models)}{', '.join(self.models)}{both}"
        )

    @property
    def refusals(self) -> list[str]:
        """Why the network cannot be in some of the codes."""
        return [f"{row.code} was refused: {row.refused}" for row in self.rows if row.refused]

    def __str__(self) -> str:
        table = text_table(self.headings, self.cells)
        return "\n".join((table, "", self.caption, *self.refusals))

    def __repr__(self) -> str:
        return f"Comparison({counted(len(self.rows), 'code')} on {counted(self.samples, 'sample')})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html_table(self.headings, self.cells, self.caption)


def compare(
    model: Model,
    calibration: Iterable[Any],
    data: Iterable[Any],
    codes: Sequence[Weighted | str] = USUAL,
    *,
    folder: str | Path | None = None,
    output: Output | None = None,
    energy: Sequence[EnergyModel] = MODELS,
    group: Workers | None = None,
    progress: bool = True,
) -> Comparison:
    """Convert a network with each of some codes and measure all on the same samples.

    Args:
        model: as for ``convert``.
        calibration: as for ``convert``; used for all codes.
        data: as for ``evaluate``, to be read once for every code.
        codes: or their names with their parameters, such as "rate:32".
        folder: for the results, as for ``sweep``: what is there is not measured again. Nothing is kept if None.
        output: as for ``evaluate``.
        energy: the models by which energy is told, the first in the charts.
        group: the processes that share the work; those of torch.distributed if None.
        progress: show progress bars, on a terminal.

    Raises:
        CanonicError: if there is no code of a name.
        ConversionError: if the model cannot be converted at all; a code that cannot carry it is a row that says so.
        DataError: if the data cannot be used, or no code is given.
        StorageError: if the folder cannot be used.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> x = torch.rand(64, 4)
    >>> compare(model, [x], [(x, model(x).argmax(1))], ("css:8", "rate:4"), progress=False).rows[1].total_steps
    4
    """
    names = tuple(dict.fromkeys(text_of(code_of(code)) for code in codes))
    models = require_models(energy)
    if not names:
        raise DataError("no code was given to compare: name some, such as 'css:8' and 'rate:32'")
    settings = [Setting(code=name) for name in names]
    with tempfile.TemporaryDirectory() if folder is None else nullcontext(folder) as place:
        found = sweep(model, calibration, data, settings, place, output=output, group=group, progress=progress)
    return comparison_of(found.outcomes, models)


def comparison_of(outcomes: Sequence[Outcome], models: Sequence[EnergyModel] = MODELS) -> Comparison:
    """Return a comparison of what came of settings that differ in their codes."""
    evaluation = next((outcome.evaluation for outcome in outcomes if outcome.evaluation), None)
    accuracy = evaluation["accuracy"] if evaluation else None
    samples = int(evaluation["data"]["samples"]) if evaluation else 0
    rows = tuple(_row(outcome, models) for outcome in outcomes)
    return Comparison(rows, samples, accuracy and float(accuracy["source"]))


def _row(outcome: Outcome, models: Sequence[EnergyModel]) -> Row:
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
