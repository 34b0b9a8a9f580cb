"""What the neuron of each code costs a step, over the ternary neuron of CSS: ``python -m benchmarks.speed.neurons``.

The same float32 currents for all, one thread, in turns in one process; the table goes to docs/performance.md.
"""

import json
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.peers.run import ROOT
from benchmarks.speed.run import machine, shown
from benchmarks.speed.turns import Run, medians
from benchmarks.tables import replaced, rows
from canonic.codes import CSS, Weighted, code_of
from canonic.native import Given, css_scan, weighted_scan

RESULTS, PAGE = ROOT / "benchmarks" / "results" / "neurons.json", ROOT / "docs" / "performance.md"
TERNARY = "css:8"
CODES = (
    TERNARY,
    "css:8,levels=8",
    *("rate:8", "signed-rate:8", "phase:8", "binary:8", "few-spike:8", "latency:8", "burst:8"),
    *("multi-threshold:8", "differential:8"),
)
TARGET = 1.5
"""Largest wanted ratio."""
BATCH, SIZE = 64, 4096


def main() -> None:
    """Measure, write the figures and the table."""
    torch.set_num_threads(1)
    found = measured()
    command = "python -m benchmarks.speed.neurons"
    RESULTS.write_text(json.dumps({"command": command, "machine": machine(), "neurons": found}, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), "neurons", table(found)))


def measured() -> list[dict[str, Any]]:
    """Return for each code, and for CSS by the neuron of all codes, what a step costs a neuron."""
    codes = {text: code_of(text) for text in CODES}
    currents = torch.randn(8, BATCH, SIZE, generator=torch.Generator().manual_seed(0))
    runs = {text: run(code, currents) for text, code in codes.items()}
    codes[f"{TERNARY} by the neuron of all codes"] = ternary = codes[TERNARY]
    runs[f"{TERNARY} by the neuron of all codes"] = generic(ternary, currents)
    seconds = medians(runs, 101)
    each = {text: 1e9 * seconds[text] / (BATCH * SIZE * (code.steps + code.silent)) for text, code in codes.items()}
    return [
        shown(
            {
                "code": text,
                "steps": code.steps + code.silent,
                "sizes": sizes(code),
                "ns": each[text],
                "ratio": each[text] / each[TERNARY],
                "layer": seconds[text] / seconds[TERNARY],
            }
        )
        for text, code in codes.items()
    ]


def run(code: Weighted, currents: torch.Tensor) -> Run:
    """Return a call of the program that a network would take."""
    if not isinstance(code, CSS):
        return generic(code, currents)
    own = given(code, currents)
    return lambda: css_scan(code, own)


def generic(code: Weighted, currents: torch.Tensor) -> Run:
    """Return a call of the neuron of all codes."""
    own = given(code, currents)
    return lambda: weighted_scan(code, code, own, silent=code.silent)


def given(code: Weighted, currents: torch.Tensor) -> Given:
    """Return what a population behind a ReLU reads; spikes leave with 8 bits where these hold them."""
    small = all(size % 1 == 0 for size in code.alphabet.magnitudes)
    return Given([currents], [None], torch.int8 if small else torch.float32, signed=False)


def sizes(code: Weighted) -> int:
    """Return how many sizes an event can have."""
    return code.levels if isinstance(code, CSS) else len(code.alphabet.magnitudes)


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each code."""
    heads = ("code", "steps, silent ones too", "sizes of events", "ns a step and neuron", "over CSS, a step")
    cells = [(r["code"], r["steps"], r["sizes"], f"{r['ns']:.2f}", f"{r['ratio']:.2f}") for r in found]
    yield from rows(
        (*heads, "over CSS, a layer"), [(*c, f"{r['layer']:.2f}") for c, r in zip(cells, found, strict=True)]
    )


if __name__ == "__main__":
    main()
