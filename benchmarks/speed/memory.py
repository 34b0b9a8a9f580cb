"""Peak memory, each way in a process of its own: ``python -m benchmarks.speed.memory resnet20 layerwise 8``."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from benchmarks import cifar
from benchmarks.speed import networks
from benchmarks.speed.turns import source
from canonic import CSS, convert

BATCH = 256
ROOT = Path(__file__).resolve().parents[2]


def peak(way: str, steps: int = 8) -> float:
    """Return the MiB that inference adds to what was used before, for resnet20 and a batch of 256."""
    command = [sys.executable, "-m", "benchmarks.speed.memory", way, str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print the MiB of one way."""
    way, steps = sys.argv[1], int(sys.argv[2])
    model, x = networks.with_modules(cifar.trained("resnet20")), networks.pictures(BATCH)
    snn = convert(model, [networks.pictures(4)], code=CSS(steps, 1), progress=False).compile()
    plain = source(model, x[:2])

    def runs_source(x: torch.Tensor) -> object:
        return source(model, x)()

    ways: dict[str, Callable[[torch.Tensor], object]] = {
        "source": runs_source,
        "layerwise": snn,
        "layerwise int8": snn.to_precision("int8"),
        "clocked": partial(snn, scheduler="clocked"),
    }
    run = ways[way]
    with torch.inference_mode():
        plain()
        run(x[:2])
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before = status("VmRSS")
        run(x)
    print(json.dumps(status("VmHWM") - before))


def status(name: str) -> float:
    """Return a size of this process in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


if __name__ == "__main__":
    main()
