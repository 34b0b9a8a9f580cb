"""What an evaluation costs, as a ratio to plain inference of the spiking network: ``make bench-evaluation``.

resnet20, T = 8, k = 1, a batch of 64 test pictures, in turns in one process. The source network's own pass is part of
an evaluation, and shown by itself.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.speed.run import machine
from benchmarks.speed.turns import medians
from canonic import CSS, convert
from canonic.datasets import sample
from canonic.measure.evaluation import measure_batch, meter_of

RESULTS = Path(__file__).parent / "results" / "evaluation.json"
TARGET = 1.15


def main() -> None:
    """Measure with one thread and with two, print and write."""
    calibration = list(DataLoader(sample(cifar.training_pictures(), 1000), batch_size=100))
    batch = next(iter(DataLoader(sample(cifar.test_pictures(), 64), batch_size=64)))
    snn = convert(cifar.trained("resnet20"), calibration, code=CSS(steps=8, silent=1))
    meter, rows = meter_of(snn), list[dict[str, Any]]()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        seconds = medians(
            {
                "inference": lambda: snn(batch[0]),
                "evaluation": lambda: measure_batch(meter, batch),
                "source": lambda: snn.source(batch[0]),
            },
            rounds=15,
        )
        ratios = {name: round(seconds[name] / seconds["inference"], 3) for name in ("evaluation", "source")}
        rows.append({"threads": threads, **ratios, "target": TARGET})
        print(rows[-1])
    result = {
        "command": "make bench-evaluation",
        "network": "resnet20, fp32, batch 64",
        "machine": machine(),
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
