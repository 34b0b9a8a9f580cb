"""Local threshold balancing beside SpikingJelly's: ``make bench-balancing`` writes a table of docs/codes.md.

One ResNet-20, the same pictures, thresholds balanced on the same batches, one thread. What has been measured is kept.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.peers.run import ROOT, environment
from benchmarks.tables import replaced, rows
from canonic import Settings, convert
from canonic.conversion.balance import BATCH, ROUNDS
from canonic.datasets import sample

RESULTS = Path(__file__).parent / "results" / "balancing.json"
PAGE = ROOT / "docs" / "codes.md"
STEPS = (8, 32, 64)
PICTURES, CALIBRATION, AT_ONCE = 500, 256, 50


def own(steps: int, calibration: Tensor, x: Tensor, *, correct: bool) -> tuple[list[int], float]:
    """Return the answers of a rate code with balanced thresholds, and the seconds for a picture."""
    settings = Settings(threshold="balance", correct=correct)
    snn = convert(cifar.trained("resnet20"), [calibration], code=f"rate:{steps}", settings=settings, progress=False)
    snn(x[:AT_ONCE])
    began = time.perf_counter()
    found = torch.cat([snn(batch) for batch in torch.split(x, AT_ONCE)]).argmax(1).tolist()
    return found, (time.perf_counter() - began) / len(x)


def peer(python: Path, steps: int, given: dict[str, Any]) -> dict[str, Any]:
    """Return what SpikingJelly makes of the same; its python runs in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        torch.save(given, f"{folder}/given.pt")
        command = [str(python.absolute()), "-m", "benchmarks.peers.balancing_peer", f"{folder}/given.pt", str(steps)]
        done = subprocess.run(command, cwd=ROOT, env=environment(), check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(python: Path) -> dict[str, Any]:
    """Measure the numbers of steps that are not known yet."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    batches = list(DataLoader(sample(cifar.test_pictures(), PICTURES), batch_size=AT_ONCE))
    x, y = (torch.cat([batch[part] for batch in batches]) for part in (0, 1))
    calibration = next(iter(DataLoader(sample(cifar.training_pictures(), CALIBRATION), batch_size=CALIBRATION)))[0]
    model = cifar.trained("resnet20")
    source = model(x).argmax(1).tolist()
    parts = list(islice(cycle(torch.split(calibration, BATCH)), ROUNDS))
    given = {"weights": model.state_dict(), "calibration": parts, "x": x}
    results |= {"command": "make bench-balancing", "pictures": PICTURES, "source": share(source, y.tolist())}
    for steps in (steps for steps in STEPS if str(steps) not in results):
        (ours, seconds), (plain, _) = (own(steps, calibration, x, correct=correct) for correct in (True, False))
        theirs = peer(python, steps, given)
        answers = {"corrected": ours, "plain": plain, **theirs["answers"]}
        accuracies = {name: share(found, y.tolist()) for name, found in answers.items()}
        times = {"seconds": seconds, "peer_seconds": theirs["seconds"], "start": theirs["start"]}
        results[str(steps)] = {**accuracies, "alike": share(plain, theirs["answers"]["all steps"]), **times}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(steps, json.dumps(results[str(steps)]), flush=True)
    return results


def share(found: list[int], wanted: list[int]) -> float:
    """Return how many are alike, in per cent."""
    return 100 * sum(a == b for a, b in zip(found, wanted, strict=True)) / len(wanted)


def table(results: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table."""
    heads = (
        *("T", "canonic %", "without correction %", "SpikingJelly, all steps %", "behind its delay %"),
        *("same answers without correction %", "times faster"),
    )
    known = {steps: results[str(steps)] for steps in STEPS if str(steps) in results}
    parts = ("corrected", "plain", "all steps", "behind the delay", "alike")
    yield from rows(
        heads,
        (
            (t, *(f"{row[part]:.2f}" for part in parts), f"{row['peer_seconds'] / row['seconds']:.1f}")
            for t, row in known.items()
        ),
    )
    yield ""
    yield f"({results['pictures']} pictures, source {results['source']:.2f} %; one thread, a batch of {AT_ONCE}.)"


def main() -> None:
    """Measure what is not known yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, required=True, help="python of the environment of the other converters")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with torch.no_grad():
        results = measure(asked.peers)
    PAGE.write_text(replaced(PAGE.read_text(), "balancing", table(results)))


if __name__ == "__main__":
    main()
