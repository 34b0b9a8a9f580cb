"""First spikes under noise: ``python -m benchmarks.noise``.

arXiv 2404.17719 says that stochastic neurons are more robust to noise than deterministic ones. The systems
``first-to-spike*`` and the network of their shape learn from clean pictures of Fashion-MNIST, and answer noisy ones of
the test set: normal noise is added to each pixel, which then is cut to [0, 1]. Nothing is chosen by them. A network
that is there is not made again. The table goes to docs/systems.md.
"""

import argparse
import json
from collections.abc import Iterator
from statistics import mean
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from benchmarks.learn import BUILD, PAGE, ROOT, SEEDS, samples
from benchmarks.speed.run import shown
from benchmarks.tables import replaced, rows
from canonic.learn import Gradient
from canonic.learn.batches import in_order
from canonic.learn.zoo import entry
from canonic.learn.zoo.parts import first_step
from canonic.learn.zoo.training import train
from canonic.network.storage import write_json

RESULTS = ROOT / "benchmarks" / "results" / "noise.json"
SYSTEMS = ("first-to-spike", "first-to-spike-sure", "first-to-spike-poisson", "first-to-spike-sure-poisson")
ANN = "the network without time"
DEVIATIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
TOGETHER = 500


def main() -> None:
    """Make what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    torch.set_num_threads(1)
    found: list[dict[str, Any]] = json.loads(RESULTS.read_text())["networks"] if RESULTS.exists() else []
    for seed in parser.parse_args().seeds:
        for name in SYSTEMS:
            if not any((one["network"], one["seed"]) == (name, seed) for one in found):
                found += [shown(one) for one in curves(name, seed)]
                write_json(RESULTS, {"command": "python -m benchmarks.noise", "networks": found})
    PAGE.write_text(replaced(PAGE.read_text(), "noise", table(found)))


def curves(name: str, seed: int) -> Iterator[dict[str, Any]]:
    """Yield what a system does at each deviation, and the network of its shape beside the first of them."""
    known = entry(name)
    own = samples(known, "fashion-mnist")
    folder, ann = BUILD / f"{name}-fashion-mnist-{seed}", name == SYSTEMS[0]
    made = train(known, own.train, known.recipe_for(len(own.train), seed), folder=folder, ann=ann, progress=False)
    for title, system in ((name, made.system), (ANN, made.ann)):
        if isinstance(system, Gradient):
            points = [point(system, own.test, deviation) for deviation in DEVIATIONS]
            yield {"network": title, "seed": seed, "points": points}


def point(system: Gradient, test: TensorDataset, deviation: float) -> dict[str, float]:
    """Return the accuracy, the step of the answer, and the spikes of hidden neurons until then, of a picture."""
    generator, right, steps, spikes = torch.Generator().manual_seed(0), 0, 0, 0.0
    for x, y in in_order(test, TOGETHER):
        noisy = (x + deviation * torch.randn(x.shape, generator=generator)).clamp(0, 1)
        run = system.run(noisy)
        right += int((system.answer(noisy)[-1].argmax(1) == y).sum())
        if run.spikes:
            decided = first_step(run)
            steps += int(decided.sum())
            spikes += float(until(next(iter(run.spikes.values())), decided).sum())
    scores = {"deviation": deviation, "accuracy": right / len(test)}
    return {**scores, **({"step": steps / len(test), "spikes": spikes / len(test)} if steps else {})}


def until(spikes: Tensor, decided: Tensor) -> Tensor:
    """Return the spikes of each sample up to a step, ``[time, batch, neurons]`` to ``[batch]``.

    >>> until(torch.ones(3, 2, 4), torch.tensor([1, 3])).tolist()
    [4.0, 12.0]
    """
    there = torch.arange(1, len(spikes) + 1)[:, None] <= decided
    return (spikes.sum(2) * there).sum(0)


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each network, with its means over seeds."""
    names = dict.fromkeys(one["network"] for one in found)
    cells = [(name, *line([one["points"] for one in found if one["network"] == name])) for name in names]
    yield from rows(("standard deviation of the noise", *map(str, DEVIATIONS)), cells)


def line(curves: list[list[dict[str, float]]]) -> Iterator[str]:
    """Yield a cell for each deviation: accuracy in per cent, step of the answer, spikes until then."""
    for points in zip(*curves, strict=True):
        average = {key: mean(one[key] for one in points) for key in points[0]}
        timed = f" ({average['step']:.1f}, {average['spikes']:.0f})" if "step" in average else ""
        yield f"{100 * average['accuracy']:.1f}{timed}"


if __name__ == "__main__":
    main()
