"""Spikes and int8 arithmetic on the same tile, membranes at its adders: ``python -m benchmarks.dataflow``.

ResNet-20 in int8, by members of the family of CSS. Writes ``benchmarks/results/dataflow.json`` row by row and the table
in docs/energy.md; what has been measured is kept. ``--pictures`` says on how many test pictures, evenly spaced.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.family import resumed
from benchmarks.tables import replaced, rows
from canonic import CSS, convert, evaluate
from canonic.datasets import sample
from canonic.measure.tiled import Tiled, tiled

RESULTS = Path(__file__).parent / "results" / "dataflow.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "energy.md"
CODES = CSS(8, 1), CSS(4, 1), CSS(8, 0, levels=8), CSS(4, 0, 4.0, levels=16), CSS(2, 0, 16.0, levels=64)

Row = dict[str, Any]


def measured(code: CSS, pictures: int) -> Row:
    """Return what resnet20 takes in a code."""
    calibration = list(DataLoader(sample(cifar.training_pictures(), 200), batch_size=50))
    snn = convert(cifar.trained("resnet20"), calibration, code=code, progress=False).to_precision("int8")
    found = evaluate(snn, DataLoader(sample(cifar.test_pictures(), pictures), batch_size=20), progress=False)
    forms = {row.form: {**asdict(row), "total": row.total} for row in tiled(snn, found)}
    return {"code": code.to_json(), "pictures": found.samples, "agreement": found.agreement, "forms": forms}


def table(found: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the table."""
    parts = [name for name in Tiled.__dataclass_fields__ if name not in ("form", "accuracy")]
    yield from rows(("T", "beta", "k", "L", "agreement %", "form", *parts, "total"), _cells(found, parts))
    yield ""
    yield f"(Microjoules of a picture; {found[0]['pictures']} pictures.)"


def _cells(found: Sequence[Row], parts: Sequence[str]) -> Iterator[tuple[object, ...]]:
    for place, row in enumerate(found):
        code = row["code"]
        own = (code["steps"], f"{code['beta']:g}", code["silent"], code["levels"], f"{100 * row['agreement']:.0f}")
        for form, taken in row["forms"].items():
            if form.startswith("spiking") or not place:
                sizes = own if form.startswith("spiking") else ("", "", "", "", "")
                yield (*sizes, f"`{form}`", *(f"{taken[part]:.2f}" for part in (*parts, "total")))


def main() -> None:
    """Measure what is not known yet, row by row, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000)
    pictures = parser.parse_args().pictures
    torch.set_num_threads(1)
    kept = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    kept = [row for row in kept if row["pictures"] == pictures]
    for found in resumed(CODES, kept, lambda code: measured(code, pictures)):
        RESULTS.write_text(json.dumps({"command": "python -m benchmarks.dataflow", "rows": found}, indent=1) + "\n")
        PAGE.write_text(replaced(PAGE.read_text(), "dataflow", table(found)))


if __name__ == "__main__":
    main()
