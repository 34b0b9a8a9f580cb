"""What the parts of an evaluation and of a sweep cost, in seconds of one core, for resnet20; docs/scale.md reckons on.

    python -m benchmarks.scale > benchmarks/results/scale.json

Processor time, not time on the clock, so that other jobs on the machine disturb it little.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils.data import DataLoader

from benchmarks.cifar import test_pictures, trained, training_pictures
from canonic import CSS, Settings, SpikingNetwork, evaluate
from canonic.conversion.calibrate import Calibration, calibrate
from canonic.conversion.convert import Examined, examine, spiking
from canonic.conversion.populations import set_codes
from canonic.conversion.settings import Silent, resolve
from canonic.datasets import Data, collate, sample
from canonic.network.graph import Precision

T = TypeVar("T")
CALIBRATION, EVALUATION = 1000, 400


def seconds_of(work: Callable[[], T]) -> tuple[float, T]:
    """Return the processor time of something, and what it returned."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def measure() -> dict[str, float]:
    """Return the seconds of each part: of the whole calibration, of a conversion, and of one picture."""
    model, costs = trained("resnet20"), {"import": time.process_time()}
    known, unseen = _loader(training_pictures(), CALIBRATION), _loader(test_pictures(), EVALUATION)
    costs["examine"], examined = seconds_of(lambda: examine(model, known, "direct", CSS()))
    costs[f"calibrate with {CALIBRATION} pictures"], seen = seconds_of(
        lambda: calibrate(examined.graph, examined.data, first=examined.first)
    )
    networks: dict[str, SpikingNetwork] = {}
    wanted: list[tuple[int, Silent, Precision]] = [(4, 1, "fp32"), (8, 1, "fp32"), (8, "auto", "fp32"), (8, 1, "int8")]
    for steps, silent, precision in wanted:
        name = f"T = {steps}, k = {silent}, {precision}"
        costs[f"settle, {name}"], snn = seconds_of(lambda s=steps, k=silent: _network(examined, seen, s, k))  # type: ignore[misc]
        networks[name] = snn.to_precision(precision)
    costs["load a picture"] = seconds_of(lambda: sum(len(x) for x, _ in unseen))[0] / EVALUATION
    for name, snn in networks.items():
        evaluate(snn, _loader(test_pictures(), 100))  # what the first pass compiles
        spent = seconds_of(lambda snn=snn: evaluate(snn, unseen))[0]  # type: ignore[misc]
        costs[f"evaluate a picture, {name}"] = spent / EVALUATION
    return costs


def _network(examined: Examined, seen: Calibration, steps: int, silent: Silent) -> SpikingNetwork:
    code, settings = CSS(steps), Settings(silent=silent)
    rules = resolve(settings, [node.name for node in examined.graph.populations])
    return spiking(set_codes(examined.graph, code, rules), seen, code, settings)


def _loader(data: Data, count: int) -> "DataLoader[tuple[torch.Tensor, int]]":
    return DataLoader(sample(data, count), batch_size=100, collate_fn=collate)


if __name__ == "__main__":
    torch.set_num_threads(1)
    json.dump({name: round(cost, 4) for name, cost in measure().items()}, sys.stdout, indent=1)
