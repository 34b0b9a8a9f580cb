"""Conversion by goals: does what was asked for hold on samples that conversion never saw: ``make bench-goals``.

Writes ``benchmarks/results/goals.json`` row by row, and the table of docs/goals.md; what has been measured is kept, so
that a run that was stopped goes on. ``--again`` measures all anew.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from examples.networks import trained
from torch import nn
from torch.utils.data import DataLoader, Subset

from benchmarks import cifar
from benchmarks.codes import digits
from benchmarks.imagenet.subjects import CALIBRATED, MEASURED
from benchmarks.imagenet.subjects import SUBJECTS as IMAGENET
from benchmarks.public.subject import Samples
from benchmarks.public.subject import Subject as Public
from benchmarks.public.subjects import SUBJECTS as PUBLIC
from benchmarks.public.vision import resnet8
from benchmarks.rows import request
from benchmarks.tables import replaced, rows
from benchmarks.trained import pictures
from canonic import CSS, CanonicError, Evaluation, convert, evaluate
from canonic.conversion.convert import examine
from canonic.datasets import Preprocessing, open_data

RESULTS = Path(__file__).parent / "results" / "goals.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "goals.md"

GOALS = ("usual", "levels=64")
"""What is asked for: what is usual, and the same of a chip whose events carry a size."""

EVERY, UNSEEN = 10, (1, 3, 5, 7)
"""Every tenth test picture calibrates; of each ten these are measured."""

PHOTOS = 400
"""Photos to calibrate with: as many as tell an agreement of 99 from 98 %. The others are measured."""

Row = dict[str, Any]
Data = Sequence[Any] | DataLoader[Any]


@dataclass(frozen=True)
class Subject:
    """A trained network; what makes it, with samples to calibrate with and others to measure on."""

    title: str
    model: Callable[[], nn.Module]
    data: Callable[[], tuple[Data, Data]]


def parts(whole: Any) -> tuple[Data, Data]:
    """Return samples of a test set to calibrate with, and others: a network is surer of what it was trained on."""
    places = range(len(whole))
    known = [place for place in places if place % EVERY == 0]
    unseen = [place for place in places if place % EVERY in UNSEEN]
    return DataLoader(Subset(whole, known), batch_size=100), DataLoader(Subset(whole, unseen), batch_size=100)


def of_digits() -> tuple[Data, Data]:
    """Return 400 digits that the network was not trained on, and the 100 others."""
    data = digits()[2].dataset
    return DataLoader(Subset(data, range(400)), batch_size=100), DataLoader(
        Subset(data, range(400, 500)), batch_size=100
    )


def of_cifar(ready: Preprocessing) -> tuple[Data, Data]:
    """Return test pictures of CIFAR-10."""
    return parts(open_data(str(cifar.TEST), ready))


def of_fashion() -> tuple[Data, Data]:
    """Return test pictures of Fashion-MNIST."""
    return parts(pictures("t10k").dataset)


def of_photos(name: str) -> tuple[Data, Data]:
    """Return photos of ImageNet: more to calibrate with than for the other rows, as goals hold out half of them."""
    subject = IMAGENET[name]
    return subject.photos(0, PHOTOS), subject.photos(PHOTOS, CALIBRATED + MEASURED - PHOTOS)


def of_public(subject: Public) -> tuple[Data, Data]:
    """Return the samples of a network of others; nothing says what is right."""
    data: Samples = subject.samples()
    return data.calibration, list(zip(*(torch.split(x, 16) for x in data.inputs), strict=True))


def _public(name: str) -> Subject:
    subject = next(one for one in PUBLIC if one.name == name)
    return Subject(subject.title, subject.build, partial(of_public, subject))


SUBJECTS = {
    "digits": Subject("the network of canonic demo, digits", lambda: digits()[0], of_digits),
    "resnet20": Subject("ResNet-20, CIFAR-10", partial(cifar.trained, "resnet20"), partial(of_cifar, cifar.PREPARE)),
    "resnet56": Subject("ResNet-56, CIFAR-10", partial(cifar.trained, "resnet56"), partial(of_cifar, cifar.PREPARE)),
    "resnet8": Subject("ResNet-8, CIFAR-10", resnet8, partial(of_cifar, Preprocessing(std=(1 / 255,)))),
    **{
        name: Subject(f"{title}, Fashion-MNIST", partial(trained, name), of_fashion)
        for name, title in (("mobilenet", "a MobileNet"), ("vit", "a ViT"), ("convnext", "a ConvNeXt"))
    },
    **{name: Subject(f"{one.title}, ImageNet", one.model, partial(of_photos, name)) for name, one in IMAGENET.items()},
    **{name: _public(name) for name in ("crepe_tiny", "magika", "dnsmos_p808")},
}


def measured(goal: str, subject: Subject) -> Row:
    """Return what a goal comes to: the network that is chosen, what it holds on unseen samples, and what it took."""
    model, (known, unseen) = subject.model(), subject.data()
    row: Row = {"goal": goal, "passes": None}
    try:
        convert(model, known, goal=goal, progress=False)  # programs are built, and kept
        source, capture = seconds(partial(_run, model, known)), seconds(partial(examine, model, known, "direct", CSS()))
        begin = time.process_time()
        snn = convert(model, known, goal=goal, progress=False)
        row["passes"] = round((time.process_time() - begin - capture) / source, 1)
    except CanonicError as error:
        return {**row, "refused": str(error)}
    told = snn.record["goal"]
    found = evaluate(snn, unseen, progress=False)
    return {
        **row,
        **told["seen"][told["chosen"]],
        **{name: told[name] for name in ("why", "held_out", "costs", "screened")},
        "demands": told["demands"],
        "tried": len(told["seen"]),
        "silent": list(snn.graph.silent),
        "levels": list(snn.graph.levels),
        "events_per_neuron": found.spikes_per_neuron,
        "samples": found.samples,
        "held": held(told["demands"][0]["what"], found),
        "source_accuracy": found.source_accuracy if found.counts.answers else None,
        "accuracy": found.accuracy if found.counts.answers else None,
        "notes": snn.record["notes"],
    }


def _run(model: nn.Module, data: Data) -> None:
    with torch.no_grad():
        for batch in data:
            model(batch[0])


def seconds(work: Callable[[], object]) -> float:
    """Return how long a processor works the second time: others may be at work beside it."""
    work()
    begin = time.process_time()
    work()
    return time.process_time() - begin


def held(what: str, found: Evaluation) -> float:
    """Return what was demanded, as it is on other samples."""
    return found.snr if what == "SNR" else found.agreement


def _cells(name: str, row: Row) -> tuple[object, ...]:
    asked = row["goal"]
    if "refused" in row:
        return SUBJECTS[name].title, asked, row["refused"], *[""] * 7
    demand = row["demands"][0]
    value = row["held"] if demand["what"] == "SNR" else 100 * row["held"]
    shown = f"{value:.1f} dB" if demand["what"] == "SNR" else f"{value:.2f} %"
    varied = [f", {what} = {low} to {high}" for what in ("silent", "levels") for low, high in [row[what]] if low < high]
    member = row["code"] + "".join(varied)
    reached = "yes" if row["held"] >= demand["least"] else "no"
    sizes = (row["total_steps"], row["event_bits"], f"{row['events_per_neuron']:.2f}")
    samples = f"{shown} of {row['samples']:,}"
    return SUBJECTS[name].title, asked, demand["said"], member, *sizes, samples, reached, row["passes"]


HEADINGS = (
    *("network", "goal", "demand", "member", "total steps", "bits of an event", "events a neuron"),
    *("on unseen samples", "reached", "source passes"),
)


def table(results: dict[str, list[Row]]) -> Iterator[str]:
    """Yield the lines of the table, in the order of the subjects."""
    yield from rows(HEADINGS, (_cells(name, row) for name in SUBJECTS for row in results.get(name, [])))


def main() -> None:
    """Measure what is not known yet, row by row, and write the page."""
    given = request(__doc__, SUBJECTS)
    torch.set_num_threads(1)
    results: dict[str, list[Row]] = json.loads(RESULTS.read_text())["networks"] if RESULTS.exists() else {}
    for name in given.networks:
        known = {} if given.again else {row["goal"]: row for row in results.get(name, [])}
        for goal in (goal for goal in GOALS if goal not in known):
            known[goal] = measured(goal, SUBJECTS[name])
            print(name, json.dumps(known[goal]), flush=True)
            results[name] = [known[own] for own in GOALS if own in known]
            RESULTS.write_text(json.dumps({"command": "make bench-goals", "networks": results}, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), "goals", table(results)))


if __name__ == "__main__":
    main()
