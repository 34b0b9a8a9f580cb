"""What an evaluation costs, and what it finds: ``make bench-evaluation`` writes benchmarks/results/evaluation.json.

cost      of resnet20, T = 8, k = 1, a batch of 64 test pictures, in turns in one process: an evaluation and the pass of
          the source, which is part of it, as ratios to plain inference, and the evaluation over these two together,
          which is what the target bounds.
figures   accuracy, operations and energy of the same network in fp32 and int8, on all test pictures; the same network
          in other codes on 1,000 of them.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.speed.run import machine
from benchmarks.speed.turns import medians
from canonic import CSS, SpikingNetwork, convert, evaluate
from canonic.datasets import sample
from canonic.measure.evaluation import measure_batch, meter_of

RESULTS = Path(__file__).parent / "results" / "evaluation.json"
TARGET = 1.10
"""Of an evaluation over inference and the source's pass together."""
BASELINES = 1000
"""Pictures on which other codes are measured."""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    pictures = parser.parse_args().pictures
    calibration = list(DataLoader(sample(cifar.training_pictures(), 1000), batch_size=100))
    snn = convert(cifar.trained("resnet20"), calibration, code=CSS(steps=8, silent=1))
    result = {
        "command": "make bench-evaluation",
        "network": "resnet20, T = 8, k = 1",
        "machine": machine(),
        "figures": {
            "fp32": figures(snn, pictures, BASELINES),
            "int8": figures(snn.to_precision("int8"), pictures, 0),
        },
        "cost, fp32, batch 64": cost(snn),
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {RESULTS}")


def figures(snn: SpikingNetwork, pictures: int, baselines: int) -> dict[str, Any]:
    """Return the figures of one network, without those of single layers."""
    data = DataLoader(sample(cifar.test_pictures(), pictures), batch_size=100)
    found = evaluate(snn, data, baselines=baselines).to_json()
    models = found["energy"]["models"].items()
    kept = {
        "pictures": found["data"]["samples"],
        "accuracy": {name: found["accuracy"][name] for name in ("source", "network", "agreement", "flips")},
        "operations": {name: found["operations"][name] for name in ("spiking", "source")},
        "energy, uJ": {name: {r["id"]: (r["accuracy"], r["total"]) for r in m["rows"]} for name, m in models},
        "baselines": {n: v for n, v in found["baselines"].items() if n in ("samples", "spiking_accuracy")},
    }
    print(json.dumps(kept, indent=1))
    return kept


def cost(snn: SpikingNetwork) -> list[dict[str, Any]]:
    """Return what evaluation costs, with one thread and with two."""
    batch = next(iter(DataLoader(sample(cifar.test_pictures(), 64), batch_size=64)))
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
        together = round(seconds["evaluation"] / (seconds["inference"] + seconds["source"]), 3)
        rows.append({"threads": threads, **ratios, "evaluation over both": together, "target": TARGET})
        print(rows[-1])
    return rows


if __name__ == "__main__":
    main()
