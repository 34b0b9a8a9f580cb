"""How long the shape of ResNet-50 takes in spikes, over its source: one thread, processor time, batches of real photos.

``make bench-imagenet`` adds it to its results, if it is not there.
"""

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.imagenet.resnet50 import resnet50
from benchmarks.imagenet.run import RESULTS, Row, keep, read
from benchmarks.imagenet.subjects import IMAGENET
from benchmarks.public import vision
from benchmarks.speed.run import machine, runner
from benchmarks.speed.turns import medians, source
from benchmarks.zoo import snr
from canonic import CSS, convert
from canonic.network.graph import Precision

CODES = CSS(8, 1), CSS(8, 0, levels=16), CSS(4, 0, 4.0, levels=32)
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
STATISTICS, BATCHES, ROUNDS = 16, (4, 1), 5
"""Photos of which batch norms know and which calibrate, those of a timed batch, and how often it is timed."""


def main() -> None:
    """Measure, unless it is known."""
    results = read(RESULTS)
    if "speed" not in results:
        keep(RESULTS, results | {"speed": {"machine": machine(), "rows": list(speeds())}})


def speeds() -> Iterator[Row]:
    """Yield the ratio of times of each code, precision and batch, and how near its output is to the source's."""
    torch.set_num_threads(1)
    seen, given = normalised(0, STATISTICS), normalised(STATISTICS, max(BATCHES))
    model = resnet50(seen)
    with torch.no_grad():
        wanted = model(given)
    for code in CODES:
        snn = convert(model, [seen], code=code, progress=False)
        for precision in PRECISIONS:
            ready = snn.to_precision(precision).compile()
            near = snr(ready(given), wanted)
            for batch in BATCHES:
                x = given[:batch]
                runs = {"source": source(model, x), "spiking": runner(ready, x)}
                seconds = medians(runs, ROUNDS, clock=time.process_time)
                row = {"code": code.to_json(), "precision": precision, "batch": batch, "snr_db": near}
                yield row | {"ratio": seconds["spiking"] / seconds["source"], "source_seconds": seconds["source"]}


def normalised(first: int, count: int) -> Tensor:
    """Return photos ``[count, 3, 224, 224]``."""
    given, _ = vision.photos(first, count)
    return torch.stack([IMAGENET(x) for x in given])


if __name__ == "__main__":
    main()
