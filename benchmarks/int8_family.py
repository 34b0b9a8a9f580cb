"""The family of CSS in whole numbers, on resnet20: ``make bench-int8``.

Each member runs in floats and in whole numbers on the same pictures. Writes ``benchmarks/results/int8_family.json`` row
by row and the table in docs/how-it-works.md; what has been measured is kept. ``--again`` measures all anew.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.family import Row, resumed, sizes_of
from benchmarks.tables import replaced, rows
from canonic import CSS, Evaluation, convert, evaluate
from canonic.datasets import sample

RESULTS = Path(__file__).parent / "results" / "int8_family.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-it-works.md"
CALIBRATION, PICTURES = 500, 500
CODES = CSS(8, 1), CSS(8, 1, levels=2), CSS(8, 0, levels=8), CSS(4, 0, 4.0, levels=16), CSS(2, 0, 16.0, levels=64)


def measured(code: CSS) -> Row:
    """Return what resnet20 comes to with a code, in floats and in whole numbers."""
    model = cifar.trained("resnet20")
    calibration = DataLoader(sample(cifar.training_pictures(), CALIBRATION), batch_size=100)
    pictures = DataLoader(sample(cifar.test_pictures(), PICTURES), batch_size=100)
    snn = convert(model, calibration, code=code, progress=False)
    floats, integers = (
        evaluate(snn.to_precision(precision), pictures, reference=model, progress=False)
        for precision in ("fp32", "int8")
    )
    source = floats.to_json()["accuracy"]["source"]
    found = {"fp32": quality(floats), "int8": quality(integers)}
    return {"code": code.to_json(), "total_steps": snn.total_steps, "source_accuracy": source, **found}


def quality(found: Evaluation) -> dict[str, float]:
    """Return how right a network is, and how near to its source."""
    result = found.to_json()
    accuracy = result["accuracy"]
    shares = {"accuracy": accuracy["network"], "agreement": accuracy["agreement"]}
    return {**shares, "snr_db": result["error"]["snr_db"]}


def table(results: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the table."""
    sizes = ("T", "beta", "k", "L", "total steps")
    own = [f"{name}: {what}" for name in ("fp32", "int8") for what in ("agreement %", "accuracy %", "output, dB")]
    yield from rows((*sizes, *own), map(_cells, results))
    yield ""
    yield f"({PICTURES} pictures, source {100 * results[0]['source_accuracy']:.1f} %.)"


def _cells(row: Row) -> tuple[object, ...]:
    cells = list[str]()
    for name in ("fp32", "int8"):
        shares = (f"{100 * row[name][share]:.1f}" for share in ("agreement", "accuracy"))
        cells += [*shares, f"{row[name]['snr_db']:.1f}"]
    return (*sizes_of(row), *cells)


def main() -> None:
    """Measure what is not known yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="store_true", help="measure what has been measured, too")
    again = parser.parse_args().again
    torch.set_num_threads(1)
    kept = [] if again or not RESULTS.exists() else json.loads(RESULTS.read_text())["results"]
    for found in resumed(CODES, kept, measured):
        whole = {"command": "make bench-int8", "calibration": CALIBRATION, "pictures": PICTURES, "results": found}
        RESULTS.write_text(json.dumps(whole, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), "int8 family", table(found)))


if __name__ == "__main__":
    main()
