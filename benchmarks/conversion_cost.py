"""What a conversion takes of time and memory, over its source: ``make bench-conversion``.

Each measurement is a process of its own: CPU seconds, and the most memory that it ever had. Source and conversion read
the same calibration samples in the same batches; the capture of the model is left out of the time. Writes
``benchmarks/results/conversion_cost.json`` and the table in docs/performance.md.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks import cifar
from benchmarks.public import vision
from benchmarks.tables import replaced, rows
from canonic import CSS, Settings, convert
from canonic.frontend import export

RESULTS = Path(__file__).parent / "results" / "conversion_cost.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
SETTINGS = {"k = 1": Settings(), "k by measurement": Settings(silent="auto")}
SOURCE = "source"


@dataclass(frozen=True)
class Cost:
    """What a process took.

    Attributes:
        seconds: of CPU time, on one thread.
        peak: MiB that it had at most.
    """

    seconds: float
    peak: float


@dataclass(frozen=True)
class Subject:
    """A network, and the batches that calibrate it."""

    title: str
    model: Callable[[], nn.Module]
    shape: tuple[int, ...]
    batch: int
    batches: int


def denoiser() -> nn.Module:
    """Return convolutions of whole pictures, 2.4 million neurons each, with statistics of random ones."""
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Conv2d(48, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU()) for _ in range(4)]
    first, last = nn.Conv2d(3, 48, 3, padding=1), nn.Conv2d(48, 3, 3, padding=1)
    model = nn.Sequential(first, nn.ReLU(), *blocks, last)
    with torch.no_grad():
        for _ in range(20):
            model(torch.rand(2, 3, 64, 64))
    return model


SUBJECTS = {
    "resnet20": Subject("resnet20, 1,000 pictures", partial(cifar.trained, "resnet20"), (3, 32, 32), 100, 10),
    "denoiser": Subject("denoiser, 64 of 224 x 224", denoiser, (3, 224, 224), 16, 4),
    "mobilenet": Subject("MobileNetV2, 64 of 224 x 224", vision.mobilenet, (3, 224, 224), 16, 4),
}


def measured(name: str, what: str) -> Cost:
    """Return what this process takes for one of the settings, or for the source alone."""
    torch.set_num_threads(1)
    subject, generator = SUBJECTS[name], torch.Generator().manual_seed(1)
    model = subject.model().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    data = [torch.rand(subject.batch, *subject.shape, generator=generator) for _ in range(subject.batches)]
    run = _source(model, data) if what == SOURCE else _conversion(model, data, SETTINGS[what])
    start = time.process_time()
    run()
    return Cost(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


def _source(model: nn.Module, data: Sequence[Tensor]) -> Callable[[], object]:
    def run() -> None:
        with torch.no_grad():
            for x in data:
                model(x)

    return run


def _conversion(model: nn.Module, data: Sequence[Tensor], settings: Settings) -> Callable[[], object]:
    program = export(model, data[0][:4])
    return partial(convert, program, data, code=CSS(steps=8, silent=1), settings=settings, progress=False)


def apart(name: str, what: str) -> Cost:
    """Return what a process of its own takes."""
    command = [sys.executable, "-m", "benchmarks.conversion_cost", name, what]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Cost(**json.loads(told.splitlines()[-1]))


def table(found: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    """Yield the lines of the table."""
    headings = ("network", "conversion", "source passes", "peak memory, MiB", "that of the source", "ratio")
    yield from rows(headings, (cells for name, costs in found.items() for cells in _cells(name, costs)))


def _cells(name: str, costs: dict[str, dict[str, float]]) -> Iterator[tuple[object, ...]]:
    source = costs[SOURCE]
    for what, cost in costs.items():
        if what != SOURCE:
            ratios = f"{cost['seconds'] / source['seconds']:.1f}", f"{cost['peak']:.0f}", f"{source['peak']:.0f}"
            yield SUBJECTS[name].title, what, *ratios, f"{cost['peak'] / source['peak']:.1f}"


def main() -> None:
    """Measure what is asked for in this process, or all of it, each in one of its own."""
    if len(sys.argv) == 3:
        print(json.dumps(asdict(measured(*sys.argv[1:]))))
        return
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name in SUBJECTS:
        found[name] = {what: asdict(apart(name, what)) for what in (SOURCE, *SETTINGS)}
        print(name, json.dumps(found[name]), flush=True)
        RESULTS.write_text(json.dumps({"command": "make bench-conversion", "networks": found}, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), "conversion cost", table(found)))


if __name__ == "__main__":
    main()
