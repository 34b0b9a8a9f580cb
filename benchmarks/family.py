"""The family of CSS on resnet20: digits up to L, radix beta, silent steps k: ``make bench-family``.

Writes ``benchmarks/results/family.json`` row by row and the table in docs/how-it-works.md; what has been measured is
kept, so that a run that was stopped goes on. ``--again`` measures all anew.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.tables import replaced, rows
from canonic import CSS, convert, evaluate
from canonic.datasets import sample

RESULTS = Path(__file__).parent / "results" / "family.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-it-works.md"
CALIBRATION, PICTURES = 500, 500
CODES = (
    CSS(8, 1),
    CSS(8, 1, levels=2),
    CSS(8, 0),
    CSS(8, 0, levels=2),
    CSS(8, 0, levels=4),
    CSS(8, 0, levels=8),
    CSS(4, 1, 4.0, levels=3),
    CSS(4, 0, 4.0, levels=16),
    CSS(2, 0, 16.0, levels=64),
)


def measured(code: CSS) -> dict[str, Any]:
    """Return what resnet20 comes to with a code."""
    model = cifar.trained("resnet20")
    calibration = DataLoader(sample(cifar.training_pictures(), CALIBRATION), batch_size=100)
    pictures = DataLoader(sample(cifar.test_pictures(), PICTURES), batch_size=100)
    snn = convert(model, calibration, code=code, progress=False)
    found = evaluate(snn, pictures, reference=model, progress=False).to_json()
    spikes, accuracy = found["spikes"], found["accuracy"]
    return {
        "code": code.to_json(),
        "total_steps": found["network"]["total_steps"],
        "event_bits": found["network"]["event_bits"],
        "source_accuracy": accuracy["source"],
        "accuracy": accuracy["network"],
        "agreement": accuracy["agreement"],
        "snr_db": found["error"]["snr_db"],
        "spikes_per_neuron": spikes["per_neuron"],
        "units_per_neuron": spikes["units_per_neuron"],
        "additions": found["operations"]["spiking"]["ACs"],
    }


def table(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the table."""
    headings = ("T", "beta", "k", "L", "total steps", "bits of an event", "agreement %", "accuracy %", "output, dB")
    cells = []
    for row in results:
        code = row["code"]
        shares = (f"{100 * row[name]:.1f}" for name in ("agreement", "accuracy"))
        events = (f"{row[name]:.2f}" for name in ("spikes_per_neuron", "units_per_neuron"))
        sizes = (code["steps"], f"{code['beta']:g}", code["silent"], code["levels"], row["total_steps"])
        additions = f"{row['additions'] / 1e6:.1f} M"
        cells.append((*sizes, row["event_bits"], *shares, f"{row['snr_db']:.1f}", *events, additions))
    yield from rows((*headings, "events per neuron", "units per neuron", "additions"), cells)
    yield ""
    yield f"({PICTURES} pictures, source {100 * results[0]['source_accuracy']:.1f} %.)"


def main() -> None:
    """Measure what is not known yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="store_true", help="measure what has been measured, too")
    again = parser.parse_args().again
    torch.set_num_threads(1)
    kept = [] if again or not RESULTS.exists() else json.loads(RESULTS.read_text())["results"]
    known = {json.dumps(row["code"]): row for row in kept}
    for code in CODES:
        key = json.dumps(code.to_json())
        if key not in known:
            known[key] = measured(code)
            print(json.dumps(known[key]), flush=True)
        found = [known[json.dumps(c.to_json())] for c in CODES if json.dumps(c.to_json()) in known]
        whole = {"command": "make bench-family", "calibration": CALIBRATION, "pictures": PICTURES, "results": found}
        RESULTS.write_text(json.dumps(whole, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), "family", table(found)))


if __name__ == "__main__":
    main()
