"""What a new process waits for its first answer: ``python -m benchmarks.speed.startup``.

resnet20 from a file, T = 8, k = 1, one picture, in processes of their own: where no program was built before, and
where all were. The table goes to docs/performance.md.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks import cifar
from benchmarks.peers.run import ROOT
from benchmarks.speed import networks
from benchmarks.speed.run import TARGETS, machine, shown
from benchmarks.tables import replaced, rows
from canonic import CSS, convert, load

RESULTS, PAGE = ROOT / "benchmarks" / "results" / "startup.json", ROOT / "docs" / "performance.md"
BATCH = 64
"""Pictures of the calibration."""


def main() -> None:
    """Measure, write the figures and the table; with a file and a precision, be the process that is measured."""
    if sys.argv[1:]:
        print(json.dumps(first_calls(*sys.argv[1:])))
        return
    found = measured()
    given = {"command": "python -m benchmarks.speed.startup", "machine": machine(), "load": os.getloadavg()[0]}
    RESULTS.write_text(json.dumps({**given, "startup": found}, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), "startup", table(found)))


def measured() -> list[dict[str, Any]]:
    """Return for each precision what the calls of a process take, with an empty cache and with a full one."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "resnet20.safetensors")
        convert(cifar.trained("resnet20"), [networks.pictures(BATCH)], code=CSS(8, 1), progress=False).save(file)
        for precision in TARGETS:
            environment = {**os.environ, "XDG_CACHE_HOME": str(Path(folder, precision))}
            cold, warm = (in_process(file, precision, environment) for _ in range(2))
            row = {"first": cold["first"], "compilers": cold["compilers"], "first, built": warm["first"]}
            programs = len(list(Path(folder, precision, "canonic").glob("*.so")))
            found.append(shown({"precision": precision, "programs": programs, **row, "second": warm["second"]}))
    return found


def in_process(file: Path, precision: str, environment: dict[str, str]) -> dict[str, float]:
    """Return what ``first_calls`` does in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speed.startup", str(file), precision]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def first_calls(file: str, precision: str) -> dict[str, float]:
    """Return the seconds of the first call and of the second, and those of processors that compilers took."""
    torch.set_num_threads(1)
    snn, x = load(file).to_precision(precision), networks.pictures(1)  # type: ignore[arg-type]
    times = [time.perf_counter()]
    for _ in range(2):
        snn(x)
        times.append(time.perf_counter())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "first": times[1] - times[0],
        "second": times[2] - times[1],
        "compilers": used.ru_utime + used.ru_stime,
    }


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each precision."""
    heads = ("precision", "programs", "first call, none built, s", "of it compilers, s of a core")
    cells = [
        (
            r["precision"],
            r["programs"],
            *(f"{r[name]:.2f}" for name in ("first", "compilers", "first, built", "second")),
        )
        for r in found
    ]
    yield from rows((*heads, "first call, all built, s", "second call, s"), cells)


if __name__ == "__main__":
    main()
