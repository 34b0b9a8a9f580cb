"""Thresholds, before and after a training in time: ``python -m benchmarks.factors``.

The thresholds of ``stdb`` times some factors, T steps of input, either slope: accuracy on Fashion-MNIST before and
after one epoch, and what is known at step T, when the last spikes have not passed yet. All begin from one ANN. A point
that is there is not made again. The table goes to docs/systems.md.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import torch

from benchmarks.learn import BUILD, PAGE, ROOT, samples
from benchmarks.speed.run import shown
from benchmarks.tables import replaced, rows
from canonic.learn import Gradient, System
from canonic.learn.batches import in_order
from canonic.learn.fit import fit
from canonic.learn.zoo import entry, stdb
from canonic.learn.zoo.samples import Samples
from canonic.learn.zoo.training import BEGUN
from canonic.network.storage import write_json

RESULTS = ROOT / "benchmarks" / "results" / "factors.json"
STEPS, FACTORS = (8, 4), (1.0, 0.7, 0.5, 0.35, 0.2)
SHAPE, CLASSES = (1, 28, 28), 10


def main() -> None:
    """Make the points that are missing, and write the table."""
    torch.set_num_threads(1)
    pictures = samples(entry("stdb"), "fashion-mnist")
    found = json.loads(RESULTS.read_text())["points"] if RESULTS.exists() else []
    for steps, factor, slope in product(STEPS, FACTORS, stdb.SLOPES):
        if not any((p["T"], p["factor"], p["slope"]) == (steps, factor, slope) for p in found):
            found.append(shown(point(steps, factor, slope, pictures)))
            write_json(RESULTS, {"command": "python -m benchmarks.factors", "seed": 0, "points": found})
    PAGE.write_text(replaced(PAGE.read_text(), "factors", table(found)))


def source(pictures: Samples) -> Gradient:
    """Return the ANN that all begin from, trained; it is kept beside the rows."""
    known = entry("stdb")
    recipe = known.ann_recipe_for(len(pictures.train), known.recipe_for(len(pictures.train), seed=0))
    ann = known.same_shape(SHAPE, CLASSES, recipe)
    fit(ann, pictures.train, folder=BUILD / "factors" / "ann")
    return ann


def point(steps: int, factor: float, slope: str, pictures: Samples) -> dict[str, Any]:
    """Return what a network comes to before and after one epoch."""
    known = stdb.of(slope, factor, steps)
    recipe = replace(known.recipe_for(len(pictures.train), seed=0), epochs=1)
    system = known.system(SHAPE, CLASSES, recipe)
    stdb.begin(factor, system.net, source(pictures).net, pictures.train.tensors[0][:BEGUN])
    at_once, before = right(system, steps, pictures)
    fit(system, pictures.train, progress=False)
    _, after = right(system, steps, pictures)
    return {"T": steps, "factor": factor, "slope": slope, "at T": at_once, "before": before, "after": after}


def right(system: System, steps: int, pictures: Samples) -> tuple[float, float]:
    """Return the shares of right answers at step T, and at the end."""
    found = torch.zeros(2)
    for x, y in in_order(pictures.test, 500):
        answers = system.answer(x)
        found += torch.tensor([int((answers[at].argmax(1) == y).sum()) for at in (steps - 1, -1)])
    early, last = (found.double() / len(pictures.test)).tolist()
    return early, last


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each factor."""
    times = ("converted, at step T %", "converted %", *(f"after an epoch, slope {slope} %" for slope in stdb.SLOPES))
    heads = [f"T = {steps}: {what}" for steps in STEPS for what in times]
    known = {(p["T"], p["factor"], p["slope"]): p for p in found}
    yield from rows(
        ("factor", *heads),
        [(factor, *(cell for steps in STEPS for cell in cells(known, steps, factor))) for factor in FACTORS],
    )


def cells(known: dict[tuple[int, float, str], dict[str, Any]], steps: int, factor: float) -> Iterator[str]:
    """Yield the accuracy before, and after an epoch of each slope; what is not made yet is empty."""
    points = [known.get((steps, factor, slope)) for slope in stdb.SLOPES]
    for known_point, time in [(points[0], "at T"), (points[0], "before"), *((p, "after") for p in points)]:
        yield "" if known_point is None else f"{100 * known_point[time]:.2f}"


if __name__ == "__main__":
    main()
