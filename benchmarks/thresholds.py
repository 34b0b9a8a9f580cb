"""Other settings than those of ``make bench-codes``: ``python -m benchmarks.thresholds``.

Codes of the network of layers with thresholds at the largest value in place of those of least squares, and ResNet-20 in
ternary CSS with as few silent steps as its populations need, on 500 pictures. The tables go to docs/codes.md.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks import cifar
from benchmarks.codes import PAGE, Setup, mlp, resnet20
from benchmarks.tables import replaced, rows
from canonic import Settings, convert, evaluate
from canonic.datasets import sample
from canonic.network.storage import write_json

RESULTS = Path(__file__).parent / "results" / "thresholds.json"
RULES = {"mse": Settings(), "max": Settings(threshold="max")}
CODES = (
    *("phase:8", "phase:8,4", "multi-threshold:2", "multi-threshold:4", "differential:2", "latency:32"),
    "exponential-latency:32",
)
FEW = {"k = 1": Settings(), "auto": Settings(silent="auto", overload_limit=0.05)}
TERNARY, PICTURES = "css:6,silent=1", 500


def measured(setup: Setup, code: str, ways: dict[str, Settings]) -> Iterator[dict[str, Any]]:
    """Yield a row for each way to convert a network in a code."""
    model, calibration, test = setup
    for way, settings in ways.items():
        snn = convert(model, calibration, code=code, settings=settings, progress=False)
        found = evaluate(snn, test, energy=(), progress=False)
        shares = {"accuracy": found.accuracy, "agreement": found.agreement}
        yield {"code": code, "way": way, "samples": len(test.dataset), "steps": snn.total_steps, **shares}  # type: ignore[arg-type]


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table."""
    cells = [
        [str(r["code"]), str(r["way"]), str(r["steps"]), *(f"{100 * r[key]:.2f}" for key in ("accuracy", "agreement"))]
        for r in found
    ]
    yield from rows(("code", "setting", "steps", "accuracy %", "agreement %"), cells)


def main() -> None:
    """Measure, and write."""
    torch.set_num_threads(1)
    layers, deep = mlp(), resnet20(sample(cifar.test_pictures(), PICTURES))
    found = {
        "mlp": [row for code in CODES for row in measured(layers, code, RULES)],
        "resnet20": list(measured(deep, TERNARY, FEW)),
    }
    write_json(RESULTS, {"command": "python -m benchmarks.thresholds", **found})
    text = PAGE.read_text()
    for name, part in found.items():
        text = replaced(text, f"{name} settings", table(part))
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
