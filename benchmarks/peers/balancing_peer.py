"""SpikingJelly's local threshold balancing on the ResNet-20 of ``benchmarks/balancing.py``, in its environment.

    python -m benchmarks.peers.balancing_peer given.pt steps

Prints one JSON object: the answers after so many steps, by the mean output from the first step and by that behind
the delay which it estimates, and the seconds of the steps for a picture.
"""

import json
import sys
import time
from typing import Any

import torch
from loguru import logger
from spikingjelly.activation_based import ann2snn, functional
from torch import Tensor

from benchmarks.resnet import resnet20
from benchmarks.speed.networks import with_modules

BATCH = 50


def converted(given: dict[str, Any]) -> Any:
    """Return its network, balanced on the same batches, in the same order and as often."""
    model = resnet20()
    model.load_state_dict(given["weights"])
    recipe = ann2snn.LocalThresholdBalancingRecipe(dataloader=given["calibration"])
    return ann2snn.FXConverter(recipe).convert(with_modules(model)).eval()


def answers(snn: Any, x: Tensor, steps: int, start: int) -> tuple[dict[str, list[int]], float]:
    """Return the answers of both readouts, and the seconds for a picture."""
    found: dict[str, list[int]] = {"all steps": [], "behind the delay": []}
    began = time.perf_counter()
    for batch in torch.split(x, BATCH):
        functional.reset_net(snn)
        outputs = torch.stack([snn(batch) for _ in range(steps)])
        found["all steps"] += outputs.mean(0).argmax(1).tolist()
        found["behind the delay"] += outputs[start:].mean(0).argmax(1).tolist()
    return found, (time.perf_counter() - began) / len(x)


def main() -> None:
    """Print what came of it."""
    logger.remove()
    given, steps = torch.load(sys.argv[1], weights_only=True), int(sys.argv[2])
    torch.set_num_threads(1)
    with torch.no_grad():
        snn = converted(given)
        start = int(ann2snn.estimate_delay_start(snn, given["calibration"][:1], "cpu", steps))
        found, seconds = answers(snn, given["x"], steps, start)
    print(json.dumps({"answers": found, "start": start, "seconds": seconds}))


if __name__ == "__main__":
    main()
