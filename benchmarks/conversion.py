"""Trained CIFAR-10 ResNets as spiking networks against their sources: ``make bench-conversion``.

Calibrated on clean training pictures, tested on strongly compressed test pictures: what counts is the agreement
with the source network and the drop in accuracy. Prints tables and writes ``benchmarks/results/conversion.json``.
"""

import argparse
import json
import platform
import resource
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.rows import measures
from canonic import CSS, Settings, convert, evaluate
from canonic.datasets import Data, sample
from canonic.frontend import export

RESULTS = Path(__file__).parent / "results" / "conversion.json"
TARGETS = {("resnet20", 8): 99.4, ("resnet20", 6): 97.8, ("resnet20", 4): 91.0}
TARGETS |= {("resnet56", 8): 99.0, ("resnet56", 6): 97.0, ("resnet56", 4): 88.0}
HEADINGS = (
    "network",
    "setting",
    "pictures",
    "T",
    "k",
    "depth",
    "total",
    "source %",
    "spiking %",
    "drop",
    "agreement %",
)


@dataclass(frozen=True)
class Setting:
    """One way to convert: a label, the code and the settings."""

    label: str
    silent: int | None = 1
    phi: float = 0.5
    settings: Settings = field(default_factory=Settings)

    def code(self, steps: int) -> CSS:
        """Return the code with this many steps; silent steps of None mean as many as digits."""
        return CSS(steps=steps, silent=steps if self.silent is None else self.silent, phi=self.phi)


DEFAULT = Setting("default")
LIMIT = Setting("k = T", silent=None)
"""Every population is the exact T-digit quantiser of its input: what no threshold rule can pass by itself."""
FOR_BOTH = (
    Setting("k = 0", silent=0),
    Setting("k = 1 (default)"),
    Setting("k = 2", silent=2),
    LIMIT,
    Setting("phi = 0.55", phi=0.55),
    Setting("mse, not corrected", settings=Settings(correct=False)),
    Setting("max, not corrected", settings=Settings(threshold="max", correct=False)),
    Setting("percentile 99.9, not corrected", settings=Settings(threshold="percentile", correct=False)),
)
FOR_RESNET20 = (
    Setting("phi = 0.6, k = 2", silent=2, phi=0.6),
    Setting("phi = 2/3, k = 2", silent=2, phi=2 / 3),
    Setting("max", settings=Settings(threshold="max")),
    Setting("percentile 99.9", settings=Settings(threshold="percentile")),
    Setting("input css", settings=Settings(input="css")),
    Setting("bias spread", settings=Settings(bias="spread")),
)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000, help="for the default rule")
    parser.add_argument("--side-by-side", type=int, default=1_000, help="pictures for each other setting; 0 for none")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print("  ".join(HEADINGS), "spikes/neuron", "seconds", sep="  ")
    plan = [("resnet20", (DEFAULT, LIMIT), arguments.pictures), ("resnet56", (DEFAULT,), arguments.pictures)]
    plan += [("resnet20", FOR_BOTH + FOR_RESNET20, arguments.side_by_side)]
    plan += [("resnet56", FOR_BOTH, arguments.side_by_side)]
    for name, settings, pictures in plan:
        for row in measure(name, settings, pictures) if pictures else ():
            rows.append(row)
            write(rows)
    print(f"written to {RESULTS}")


def measure(name: str, settings: Iterable[Setting], pictures: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each setting and T = 4, 6, 8, and print it."""
    return measure_at(name, settings, pictures, (4, 6, 8))


def measure_at(
    name: str, settings: Iterable[Setting], pictures: int, digits: Iterable[int]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each setting and each T, and print it."""
    model = cifar.trained(name)
    test = list(DataLoader(sample(cifar.test_pictures(), pictures), batch_size=200))
    program = export(model, test[0][0])
    for setting in settings:
        for steps in digits:
            row = run(name, program, setting, steps, test)
            print(
                "  ".join(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()),
                flush=True,
            )
            yield row


def run(
    name: str, program: ExportedProgram, setting: Setting, steps: int, test: list[list[torch.Tensor]]
) -> dict[str, Any]:
    """Return the measures of one setting."""
    start = time.perf_counter()
    calibration = DataLoader(sample(calibration_pictures(), 1000), batch_size=100)
    snn = convert(program, calibration, code=setting.code(steps), settings=setting.settings)
    seconds = time.perf_counter() - start
    evaluation = evaluate(snn, test)
    overloads = evaluation.overload_rate.values()
    return {
        "network": name,
        "setting": setting.label,
        **measures(evaluation),
        "k": evaluation.network.silent[1],
        "overload %": 100 * sum(overloads) / len(overloads),
        "conversion seconds": seconds,
    }


def calibration_pictures() -> Data:
    """Return the clean training pictures; 1,000 of them, evenly spaced, calibrate."""
    return cifar.training_pictures()


def write(rows: list[dict[str, Any]]) -> None:
    """Write all rows, and whether the targets are met."""
    met = {
        f"{row['network']} T={row['T']}": {
            "agreement": row["agreement"],
            "target": TARGETS[row["network"], row["T"]],
        }
        for row in rows
        if row["setting"] == DEFAULT.label
    }
    result = {
        "command": "make bench-conversion",
        "data": "cifar10-test-jpeg, calibrated on 1,000 of cifar10-train-4000",
        "machine": {
            "processor": platform.machine(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        },
        "targets": met,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
