"""The population readout in half precision, and how its time grows with steps: ``python -m benchmarks.halves``.

The network is that of ``python -m benchmarks.learn`` with seed 0, trained in fp32; its weights, currents and membranes
are then rounded to bfloat16. A step of training is timed at 8 and at 32 steps.
"""

import json
import time
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from torch.utils.data import TensorDataset

from benchmarks.learn import BUILD, samples
from canonic.learn.schedule import unroll
from canonic.learn.system import Gradient
from canonic.learn.zoo import entry
from canonic.learn.zoo.parts import constant, cross_entropy
from canonic.learn.zoo.training import train
from canonic.network.storage import write_json

RESULTS = Path(__file__).parent / "results" / "halves.json"
NAME, DATA, TURNS = "population", "fashion-mnist", 7


def trained() -> tuple[Gradient, TensorDataset]:
    """Return the network, and test samples."""
    known = entry(NAME)
    own = samples(known, DATA)
    recipe = known.recipe_for(len(own.train), 0)
    found = train(known, own.train, recipe, folder=BUILD / f"{NAME}-{DATA}-0")
    return cast(Gradient, found.system), own.test


def agreement(system: Gradient, test: TensorDataset) -> dict[str, Any]:
    """Return the share of equal spikes of each population, and of equal answers, in bfloat16."""
    x, y = test.tensors
    net = system.net.eval()
    with torch.no_grad():
        whole, half = unroll(net, x, 1), unroll(deepcopy(net).bfloat16(), x.bfloat16(), 1)
    spikes = {name: float((whole.spikes[name] == half.spikes[name]).double().mean()) for name in whole.spikes}
    answers = [run.output[-1].argmax(1) for run in (whole, half)]
    right = [float((answer == y).double().mean()) for answer in answers]
    return {"spikes": spikes, "answers": float((answers[0] == answers[1]).double().mean()), "accuracy": right}


def seconds(system: Gradient, test: TensorDataset, steps: int) -> float:
    """Return the processor time of an update of a batch, at best of some turns."""
    x, y = (tensor[: system.recipe.batch] for tensor in test.tensors)
    timed = Gradient(deepcopy(system.net), constant(steps), cross_entropy, system.recipe)
    found = []
    for _ in range(TURNS):
        begin = time.process_time()
        torch.autograd.backward(timed.loss(x, y))
        found.append(time.process_time() - begin)
    return min(found)


def main() -> None:
    """Measure and write both."""
    torch.set_num_threads(1)
    system, test = trained()
    few, many = (seconds(system, test, steps) for steps in (8, 32))
    found = {**agreement(system, test), "32 steps over 8": many / few, "command": "make bench-learn"}
    print(json.dumps(found, indent=1))
    write_json(RESULTS, found)


if __name__ == "__main__":
    main()
