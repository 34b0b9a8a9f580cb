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
from canonic.sweep.result import Outcome
from canonic.sweep.row import ENERGIES, HEADINGS, Row, row_of
from canonic.sweep.run import sweep
from canonic.tables import html_table, text_table
from canonic.words import counted

USUAL = (
    *("css:4", "css:6", "css:8", "css:4,silent=0,beta=4,levels=16", "rate:8", "rate:16", "rate:32", "signed-rate:32"),
    *("phase:8", "burst:8", "latency:16", "latency:32", "binary:4", "binary:6", "multi-threshold:2"),
    *("multi-threshold:4", "differential:2", "differential:4"),
)
"""The codes that are compared if none are named."""


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
    rows = tuple(row_of(outcome, models) for outcome in outcomes)
    return Comparison(rows, samples, accuracy and float(accuracy["source"]))
