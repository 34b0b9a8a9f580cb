"""The three networks trained on Fashion-MNIST as spiking networks, on all 10,000 test pictures."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from examples.networks import NETWORKS, trained
from torch.utils.data import DataLoader

from benchmarks.rows import measures
from canonic import CSS, Settings, convert, evaluate
from canonic.datasets import Preprocessing, open_data, sample

FASHION = Path(__file__).resolve().parents[2] / "shared" / "data" / "fashion-mnist"
WAYS = {"k = 1": Settings(), "auto": Settings(silent="auto")}


def pictures(part: str, count: int | None = None) -> DataLoader[Any]:
    """Return batches of "train" or "t10k" pictures, all or so many evenly spaced."""
    data = open_data(str(FASHION / f"{part}-images-idx3-ubyte.gz"), Preprocessing())
    return DataLoader(sample(data, count), batch_size=100)


def measure(steps: int = 8, count: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield a row for each network that has been trained and each way to choose the silent steps."""
    for name in NETWORKS:
        for way, settings in WAYS.items():
            start = time.perf_counter()
            snn = convert(trained(name), pictures("train", 1000), code=CSS(steps=steps), settings=settings)
            seconds = time.perf_counter() - start
            found = measures(evaluate(snn, pictures("t10k", count)))
            yield {
                "network": name,
                "silent": way,
                **found,
                "conversion seconds": seconds,
            }


if __name__ == "__main__":
    for row in measure(count=int(sys.argv[1]) if len(sys.argv) > 1 else None):
        print(row, flush=True)
