"""What whole numbers cost the networks of the operator tests at T = 8: ``make bench-int8``.

Each is converted with one and two silent steps and compared with its source on inputs that it was not calibrated on:
in floats, in whole numbers, and the source with nothing but its weights rounded to eight bits. Writes
``benchmarks/results/int8.json`` row by row and the tables in docs/how-it-works.md; what has been measured is kept, so
that a run that was stopped goes on. ``--again`` measures all anew.
"""

import argparse
import json
import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tests.networks import CASES, build
from torch import Tensor, nn

from benchmarks.tables import replaced, rows
from benchmarks.zoo import snr
from canonic import CSS, ConversionError, SpikingNetwork, convert
from canonic.measure.baselines import eight_bits
from canonic.network.reference import reference

RESULTS = Path(__file__).parent / "results" / "int8.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-it-works.md"
CALIBRATION, TEST = 192, 64
SILENT = (1, 2)
BOUND = 2.0
"""Decibels that whole numbers may cost."""
SHOWN = 10
"""Networks that lose most, in the table of the page."""

Row = dict[str, Any]


def measured(name: str, silent: int) -> Row:
    """Return what a network comes to, in dB, or why it is refused."""
    torch.manual_seed(0)
    model, shape = build(name)
    known, fresh = (drawn(count, shape, seed) for seed, count in ((1, CALIBRATION), (2, TEST)))
    snn = convert(model, [known], code=CSS(8, silent), progress=False)
    with torch.no_grad():
        return {"network": name, "k": silent, **compared(snn, model, fresh)}


def drawn(count: int, shape: Sequence[int], seed: int) -> Tensor:
    """Return normal inputs, in float64 as the networks are."""
    return torch.randn(count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def compared(snn: SpikingNetwork, model: nn.Module, x: Tensor) -> Row:
    """Return the ratios of floats and of the source with coarse weights, and that of whole numbers or the refusal."""
    wanted = model(x.clone())
    coarse = replace(snn.graph, nodes=tuple(map(eight_bits, snn.graph.nodes)))
    row = {"floats": snr(snn(x), wanted), "weights": snr(reference(coarse, [x]), wanted)}
    try:
        return {**row, "int8": snr(snn.to_precision("int8")(x), wanted)}
    except ConversionError as error:
        return {**row, "refused": str(error)}


def error(row: Row, *names: str) -> float:
    """Return the errors of some of floats, weights and int8, added up in power, in units of that of int8.

    >>> round(error({"floats": 50.0, "weights": 53.0, "int8": 47.0}, "floats", "weights"), 2)
    0.75
    """
    return float(sum(10 ** ((row["int8"] - row[name]) / 10) for name in names))


def below(row: Row) -> float:
    """Return how many dB whole numbers lie below the errors of floats and of coarse weights together."""
    return -10 * math.log10(error(row, "floats", "weights"))


def counts(results: Sequence[Row]) -> Iterator[str]:
    """Yield a line for each k: how many networks are near to floats, and what the error of the others is made of."""
    cells = []
    for silent in SILENT:
        found = [row for row in results if row["k"] == silent]
        whole = [row for row in found if "int8" in row]
        far = [row for row in whole if row["floats"] - row["int8"] > BOUND]
        sizes = (len(found), len(found) - len(whole), len(whole) - len(far), len(far))
        largest = (f"{max(row['floats'] - row['int8'] for row in far):.1f}", f"{max(map(below, far)):.1f}")
        shares = (f"{100 * median(error(row, name) for row in far):.0f}" for name in ("floats", "weights"))
        cells.append((silent, *sizes, *largest, *shares))
    headings = ("k", "networks", "refused", "within 2 dB of floats", "beyond", "most below floats, dB")
    parts = ("error of floats in that of int8, median, %", "of 8-bit weights, %")
    yield from rows((*headings, "most below floats and 8-bit weights together, dB", *parts), cells)


def reasons(results: Sequence[Row]) -> Iterator[str]:
    """Yield a line for each reason of a refusal: how many networks, the same for every k."""
    first = [reason(row["refused"]) for row in results if row["k"] == SILENT[0] and "refused" in row]
    yield from rows(("reason", "networks"), Counter(first).most_common())


def reason(message: str) -> str:
    """Return why a network is refused, without its layer.

    >>> reason("a (aten.tanh.default) cannot be computed in whole numbers: it computes in floating point; use bf16")
    'it computes in floating point'
    """
    _, told, why = message.partition("whole numbers: ")
    return why.split(";")[0] if told else "its sums could be larger than an integer network holds"


def losses(results: Sequence[Row]) -> Iterator[str]:
    """Yield a line for each of the networks that lose most with one silent step."""
    found = [row for row in results if row["k"] == SILENT[0] and "int8" in row]
    most = sorted(found, key=lambda row: float(row["int8"] - row["floats"]))[:SHOWN]
    cells = []
    for row in most:
        ratios = (row["floats"], row["weights"], row["int8"], row["floats"] - row["int8"], below(row))
        cells.append((row["network"], *(f"{ratio:.1f}" for ratio in ratios)))
    headings = ("network, k = 1", "floats, dB", "8-bit weights, dB", "int8, dB", "int8 below floats, dB")
    yield from rows((*headings, "below both together, dB"), cells)


TABLES = {"int8 counts": counts, "int8 reasons": reasons, "int8 losses": losses}


def main() -> None:
    """Measure what is not known yet, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="store_true", help="measure what has been measured, too")
    again = parser.parse_args().again
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    kept = [] if again or not RESULTS.exists() else json.loads(RESULTS.read_text())["results"]
    known = {(row["network"], row["k"]): row for row in kept}
    asked = [(name, silent) for name in CASES for silent in SILENT]
    for key in asked:
        if key not in known:
            known[key] = measured(*key)
            print(json.dumps(known[key]), flush=True)
        found = [known[key] for key in asked if key in known]
        whole = {"command": "make bench-int8", "calibration": CALIBRATION, "test": TEST, "results": found}
        RESULTS.write_text(json.dumps(whole, indent=1) + "\n")
    text = PAGE.read_text()
    for part, table in TABLES.items():
        text = replaced(text, part, table(found))
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
