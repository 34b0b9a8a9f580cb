"""What plain leaky neurons cost in C and as torch's operators: ``python -m benchmarks.speed.leaky``.

The baseline system, trained on some pictures of Fashion-MNIST, is evaluated and run by both in turns, on one thread,
and so are neurons alone, in processor seconds. The table goes to docs/performance.md.
"""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.learn import samples
from benchmarks.peers.run import ROOT
from benchmarks.speed.run import machine, shown
from benchmarks.speed.turns import Run, medians
from benchmarks.tables import replaced, rows
from canonic.learn.zoo import entry
from canonic.learn.zoo.training import train
from canonic.measure import evaluate
from canonic.native import choice
from canonic.neurons.leaky import Leaky
from canonic.neurons.rules import IF, LIF, Rule

RESULTS, PAGE = ROOT / "benchmarks" / "results" / "leaky.json", ROOT / "docs" / "performance.md"
TRAINED, TESTED, BATCH, STEPS = 1000, 512, 128, 4
RULES: dict[str, Rule] = {
    "LIF, soft reset": LIF(leak=0.5),
    "LIF, hard reset": LIF(leak=0.5, reset="hard"),
    "IF": IF(at=0.5),
    "Leaky": Leaky(leak=0.5),
}


def main() -> None:
    """Measure, write the figures and the table."""
    torch.set_num_threads(1)
    found = [shown(row) for row in (*neurons(), *network())]
    command = "python -m benchmarks.speed.leaky"
    RESULTS.write_text(json.dumps({"command": command, "machine": machine(), "runs": found}, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), "leaky", table(found)))


def neurons() -> Iterator[dict[str, Any]]:
    """Yield what the scan of each rule takes."""
    currents = torch.randn(STEPS, BATCH, 16, 28, 28, generator=torch.Generator().manual_seed(0))
    for name, rule in RULES.items():
        yield paired(f"neurons: {name}", partial(choice.rule_scan, rule, rule.rest(currents[0]), currents))


def network() -> Iterator[dict[str, Any]]:
    """Yield what the trained network takes: one batch by itself, and all that is measured of some."""
    known = entry("lif")
    own = samples(known, "fashion-mnist")
    some, (x, y) = TensorDataset(*own.train[:TRAINED]), own.test[:TESTED]
    snn = train(known, some, known.few, ann=False).network(x[:2])
    yield paired("a batch", lambda: snn(x[:BATCH]))
    yield paired("evaluate", lambda: evaluate(snn, DataLoader(TensorDataset(x, y), BATCH)))


def paired(name: str, run: Run) -> dict[str, Any]:
    """Return what a call takes in C and without it."""
    found = medians({"C": run, "torch": partial(without, run)}, 15, time.process_time)
    return {
        "run": name,
        "C ms": 1e3 * found["C"],
        "torch ms": 1e3 * found["torch"],
        "ratio": found["torch"] / found["C"],
    }


def without(run: Callable[[], Any]) -> Any:
    """Call something while plain neurons are torch's operators."""
    with patch.object(choice, "leaky_run", lambda *_, **__: None):
        return run()


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each run."""
    cells = [(r["run"], f"{r['C ms']:.1f}", f"{r['torch ms']:.1f}", f"{r['ratio']:.1f}") for r in found]
    yield from rows(("what runs", "in C, ms", "torch's operators, ms", "over it"), cells)


if __name__ == "__main__":
    main()
