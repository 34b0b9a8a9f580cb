"""One network in many codes, on the same samples: what each takes until it answers like the source."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canonic.cluster import Workers
from canonic.codes import Weighted, code_of, text_of
from canonic.errors import DataError
from canonic.frontend import Model
from canonic.network.outputs import Output
from canonic.sweep.grid import Setting
from canonic.sweep.result import Outcome
from canonic.sweep.run import sweep
from canonic.tables import html_table, text_table
from canonic.words import counted

USUAL = (
    *("css:4", "css:6", "css:8", "css:4,silent=0,beta=4,levels=16", "rate:8", "rate:16", "rate:32", "signed-rate:32"),
    *("phase:8", "burst:8", "latency:16", "latency:32", "binary:4", "binary:6", "multi-threshold:2"),
    *("multi-threshold:4", "differential:2", "differential:4"),
)
"""The codes that are compared if none are named."""

HEADINGS = ("code", "accuracy %", "agreement %", "steps", "events", "bits", "ACs, M", "MACs, M", "energy uJ", "seconds")


@dataclass(frozen=True)
class Row:
    """A code, and what the network came to in it; of one sample, but for the shares and the seconds.

    Attributes:
        code: as ``code_of`` reads it.
        refused: why the network cannot be in it; "" if it can, None stands for all that follows if not.
        accuracy: after the last step, 0 to 1; None without classes as labels.
        agreement: share of answers that are those of the source, likewise.
        snr_db: of the output against the source; None without an error.
        total_steps: until the last digit of the answer.
        events: per neuron.
        units: per neuron, an event of several spikes counted as so many.
        event_bits: the most that an event carries.
        additions: ACs.
        multiplications: MACs.
        energy: in microjoules, by each model.
        seconds: that the measurement of all samples took.
    """

    code: str
    refused: str = ""
    accuracy: float | None = None
    agreement: float | None = None
    snr_db: float | None = None
    total_steps: int | None = None
    events: float | None = None
    units: float | None = None
    event_bits: int | None = None
    additions: float | None = None
    multiplications: float | None = None
    energy: Mapping[str, float] | None = None
    seconds: float | None = None

    @property
    def kind(self) -> str:
        """The name of the code, without its parameters."""
        return self.code.partition(":")[0]

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        if self.energy is None:
            return (self.code, "refused", *[""] * (len(HEADINGS) - 2))
        shares = ["" if share is None else f"{100 * share:.2f}" for share in (self.accuracy, self.agreement)]
        operations = [f"{(count or 0) / 1e6:.3g}" for count in (self.additions, self.multiplications)]
        counts = (str(self.total_steps), f"{self.events:.2f}", str(self.event_bits))
        return (self.code, *shares, *counts, *operations, f"{self.energy['horowitz45']:.3g}", f"{self.seconds:.1f}")


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
        rows = [{**vars(row), "energy": row.energy and dict(row.energy)} for row in self.rows]
        return {"samples": self.samples, "source_accuracy": self.source_accuracy, "rows": rows}

    @property
    def caption(self) -> str:
        """What was measured, in one line."""
        share = "" if self.source_accuracy is None else f", source {100 * self.source_accuracy:.2f} %"
        return f"{counted(self.samples, 'sample')}{share}; events are those of a neuron, energy is of the arithmetic"

    @property
    def refusals(self) -> list[str]:
        """Why the network cannot be in some of the codes."""
        return [f"{row.code} was refused: {row.refused}" for row in self.rows if row.refused]

    def __str__(self) -> str:
        table = text_table(HEADINGS, [row.cells() for row in self.rows])
        return "\n".join((table, "", self.caption, *self.refusals))

    def __repr__(self) -> str:
        return f"Comparison({counted(len(self.rows), 'code')} on {counted(self.samples, 'sample')})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html_table(HEADINGS, [row.cells() for row in self.rows], self.caption)


def compare(
    model: Model,
    calibration: Iterable[Any],
    data: Iterable[Any],
    codes: Sequence[Weighted | str] = USUAL,
    *,
    folder: str | Path | None = None,
    output: Output | None = None,
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
    if not names:
        raise DataError("no code was given to compare: name some, such as 'css:8' and 'rate:32'")
    settings = [Setting(code=name) for name in names]
    with tempfile.TemporaryDirectory() if folder is None else nullcontext(folder) as place:
        found = sweep(model, calibration, data, settings, place, output=output, group=group, progress=progress)
    return comparison_of(found.outcomes)


def comparison_of(outcomes: Sequence[Outcome]) -> Comparison:
    """Return a comparison of what came of settings that differ in their codes."""
    evaluation = next((outcome.evaluation for outcome in outcomes if outcome.evaluation), None)
    accuracy = evaluation["accuracy"] if evaluation else None
    samples = int(evaluation["data"]["samples"]) if evaluation else 0
    return Comparison(tuple(map(_row, outcomes)), samples, accuracy and float(accuracy["source"]))


def _row(outcome: Outcome) -> Row:
    found, code = outcome.evaluation, text_of(outcome.setting.sent)
    if found is None:
        return Row(code, outcome.refused)
    models = found["energy"]["models"].items()
    energy = {name: next(r["total"] for r in e["rows"] if r["id"] == "spiking") for name, e in models}
    return Row(
        code,
        "",
        outcome.accuracy,
        outcome.agreement,
        found["error"]["snr_db"],
        outcome.total_steps,
        found["spikes"]["per_neuron"],
        found["spikes"]["units_per_neuron"],
        found["network"]["event_bits"],
        found["operations"]["spiking"]["ACs"],
        found["operations"]["spiking"]["MACs"],
        energy,
        outcome.seconds["evaluate"],
    )
