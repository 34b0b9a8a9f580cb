"""What parts of two systems are worth, on training samples that are held out: ``python -m benchmarks.claims``.

* arXiv 2409.04978: the loss of ``mpe`` that is to bring its estimates to what resets leave.
* arXiv 2005.11633: time constants that are trained, and thresholds that adapt.

A point that is there is not made again. The tables go to docs/systems.md.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from statistics import mean
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmarks.learn import PAGE, ROOT, samples
from benchmarks.speed.run import shown
from benchmarks.tables import replaced, rows
from canonic.learn import Gradient, Population, accuracy, fit
from canonic.learn.batches import held_out, in_memory
from canonic.learn.zoo import Entry, entry, mpe
from canonic.learn.zoo.entry import Shape
from canonic.learn.zoo.training import count_classes
from canonic.network.storage import write_json

RESULTS = ROOT / "benchmarks" / "results" / "claims.json"
Point = dict[str, Any]
WEIGHTS, HELD = (0.0, 0.01, 0.1), 0.25
RECURRENT = (("srnn", True), ("srnn", False), ("srnn-adaptive", True), ("srnn-adaptive", False))
"""Systems, and whether their time constants are trained."""
SEQUENCES, EPOCHS, SENT = 0.16, 30, "spikes a step and neuron"


def main() -> None:
    """Make the points that are missing, and write the tables."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {"command": "python -m benchmarks.claims"}
    found |= json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part, make, cases in (
        ("memory", memory, [(weight, seed) for seed in (0, 1, 2) for weight in WEIGHTS]),
        ("adaptation", adaptation, [(*case, 0) for case in RECURRENT]),
    ):
        for case in cases[len(found.get(part, [])) :]:
            found[part] = [*found.get(part, []), shown(cast("Callable[..., Point]", make)(*case))]
            write_json(RESULTS, found)
    page = replaced(PAGE.read_text(), "memory", memory_table(found["memory"]))
    PAGE.write_text(replaced(page, "adaptation", adaptation_table(found["adaptation"])))


def memory(weight: float, seed: int) -> Point:
    """Return what ``mpe`` comes to on digits, where its term weighs so much."""
    known = replace(entry("mpe"), loss=partial(mpe.loss, weight))
    system, x, point = trained(known, "digits", HELD, known.few.epochs, seed)
    even = deepcopy(system)
    for module in even.net.modules():
        if isinstance(module, Population):
            module.trained["share"].data.zero_()
    return {"weight": weight, **point, "term": term(system, x), "term of even shares": term(even, x)}


def term(system: Gradient, x: Float[Tensor, "batch *shape"]) -> float:
    """Return how far the estimates of all layers are from what the resets leave."""
    return sum(float(loss.sum()) for loss in system.run(x).losses.values())


def adaptation(name: str, moves: bool, seed: int) -> Point:
    """Return what recurrent neurons come to on the ECG of the QT database."""
    known = entry(name) if moves else fixed(entry(name))
    system, x, point = trained(known, "ecg-qtdb", SEQUENCES, EPOCHS, seed)
    spikes = next(iter(system.run(x).spikes.values()))
    return {"system": name, "trained": moves, **point, SENT: float(spikes.mean())}


def fixed(known: Entry) -> Entry:
    """Return a system whose neurons keep their time constants, which have a learning rate of their own no more."""

    def build(shape: Shape, classes: int) -> nn.Module:
        net = known.build(shape, classes)
        for module in net.modules():
            if isinstance(module, Population):
                module.trained.requires_grad_(False)
        return net

    return replace(known, build=build, few=replace(known.few, optimiser=replace(known.few.optimiser, groups=())))


def trained(
    known: Entry, data: str, share: float, epochs: int, seed: int
) -> tuple[Gradient, Float[Tensor, "batch *shape"], Point]:
    """Return a system after its training, the samples that were held out, and what it comes to on them."""
    own = samples(known, data).train
    x, y = own.tensors
    system = known.system(tuple(x.shape[1:]), count_classes(y), replace(known.recipe_for(len(x), seed), epochs=epochs))
    rest, held = (in_memory(part) for part in held_out(own, share, seed))
    fit(system, rest, progress=False)
    point = {"seed": seed, "accuracy": accuracy(system, held), "epochs": epochs, "held out": len(held)}
    return cast(Gradient, system), held.tensors[0], point


def memory_table(points: list[Point]) -> Iterator[str]:
    """Yield a line for each weight, means over seeds."""
    heads = ("lam", "accuracy %", "term, with the trained c", "term, with c = 1/T")
    for_each = [[point for point in points if point["weight"] == weight] for weight in WEIGHTS]
    yield from rows(heads, [(own[0]["weight"], share(own), *terms(own)) for own in for_each])


def terms(points: list[Point]) -> Iterator[str]:
    """Yield the means of both terms."""
    for name in ("term", "term of even shares"):
        yield f"{mean(point[name] for point in points):.3f}"


def adaptation_table(points: list[Point]) -> Iterator[str]:
    """Yield a line for each network: the accuracies of its seeds, and the mean of its spikes."""
    made = []
    for name, moves in RECURRENT:
        own = [point for point in points if (point["system"], point["trained"]) == (name, moves)]
        made.append((f"`{name}`", "trained" if moves else "fixed", share(own), f"{mean(p[SENT] for p in own):.3f}"))
    yield from rows(("system", "time constants", "accuracy %", SENT), made)


def share(points: list[Point]) -> str:
    """Return the accuracy of each seed in per cent."""
    return ", ".join(f"{100 * point['accuracy']:.1f}" for point in points)


if __name__ == "__main__":
    main()
