"""The family of CSS on trained networks: digits up to L, radix beta, silent steps k: ``make bench-family``.

Writes ``benchmarks/results/family.json`` row by row, the tables in docs/how-it-works.md and their pictures; what has
been measured is kept, so that a run that was stopped goes on. ``--again`` measures all anew.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from examples.networks import trained
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.rows import request
from benchmarks.tables import replaced, rows
from benchmarks.trained import pictures
from canonic import CSS, convert, evaluate
from canonic.datasets import sample
from canonic.report import save_figure
from canonic.report.codespicture import COLOURS

RESULTS = Path(__file__).parent / "results" / "family.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-it-works.md"

Batches = DataLoader[Any]
Row = dict[str, Any]

GRADED = (
    *(CSS(8, 0, levels=8), CSS(8, 0, levels=8, powers=True), CSS(4, 0, 4.0, levels=16)),
    *(CSS(2, 0, 16.0, levels=64), CSS(1, 0, 128.0, levels=127)),
)
"""Without silent steps; the last is a quantised network of 8 bits: T = 1."""
ALL = CSS(8, 1), CSS(8, 1, levels=2), CSS(8, 0), CSS(8, 0, levels=2), CSS(8, 0, levels=4), CSS(4, 1, 4.0, levels=3)
HARD = CSS(8, 1), CSS(8, 1, levels=2), CSS(8, 0, levels=16), CSS(4, 0, 4.0, levels=32)

COSTS = {"total_steps": "total steps", "spikes_per_neuron": "events a neuron"}


@dataclass(frozen=True)
class Subject:
    """A trained network, what calibrates it, what it is measured on, and in which codes."""

    title: str
    model: Callable[[], nn.Module]
    calibration: Callable[[], Batches]
    measured: Callable[[], Batches]
    codes: Sequence[CSS]


def of_cifar(name: str, title: str, codes: Sequence[CSS]) -> Subject:
    """Return a ResNet on all 10,000 test pictures."""
    return Subject(
        title,
        partial(cifar.trained, name),
        lambda: DataLoader(sample(cifar.training_pictures(), 500), batch_size=100),
        lambda: DataLoader(cifar.test_pictures(), batch_size=100),
        codes,
    )


def of_fashion(name: str, title: str) -> Subject:
    """Return a network of examples/ on all 10,000 test pictures."""
    return Subject(title, partial(trained, name), partial(pictures, "train", 1000), partial(pictures, "t10k"), HARD)


SUBJECTS = {
    "resnet20": of_cifar("resnet20", "ResNet-20, CIFAR-10", (*ALL, *GRADED)),
    "mobilenet": of_fashion("mobilenet", "a MobileNet, Fashion-MNIST"),
    "vit": of_fashion("vit", "a ViT, Fashion-MNIST"),
    "resnet56": of_cifar("resnet56", "ResNet-56, CIFAR-10", (CSS(8, 1), *GRADED)),
}


def measured(code: CSS, subject: Subject) -> Row:
    """Return what a network comes to with a code."""
    model = subject.model()
    snn = convert(model, subject.calibration(), code=code, progress=False)
    found = evaluate(snn, subject.measured(), reference=model, progress=False)
    return {"code": code.to_json(), **figures(found.to_json())}


def figures(found: Mapping[str, Any]) -> Row:
    """Return what a table shows of an evaluation, given as plain data."""
    spikes, accuracy = found["spikes"], found["accuracy"]
    return {
        "samples": found["data"]["samples"],
        "total_steps": found["network"]["total_steps"],
        "event_bits": found["network"]["event_bits"],
        "source_accuracy": accuracy["source"],
        "accuracy": accuracy["network"],
        "agreement": accuracy["agreement"],
        "snr_db": found["error"]["snr_db"],
        "most_overloaded": max(layer["overload_rate"] for layer in spikes["layers"].values()),
        "spikes_per_neuron": spikes["per_neuron"],
        "units_per_neuron": spikes["units_per_neuron"],
        "additions": found["operations"]["spiking"]["ACs"],
    }


def table(found: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a network's table."""
    sizes = ("T", "beta", "k", "L", "total steps", "bits of an event")
    quality = ("agreement %", "accuracy %", "output, dB", "most overloaded %")
    yield from rows((*sizes, *quality, "events per neuron", "units per neuron", "additions"), map(_cells, found))
    yield ""
    yield f"({found[0]['samples']:,} pictures, source {100 * found[0]['source_accuracy']:.2f} %.)"


def sizes_of(row: Row) -> tuple[object, ...]:
    """Return T, beta, k, L and the total steps of a row."""
    code = row["code"]
    levels = f"{code['levels']}, powers of two" if code.get("powers") else code["levels"]
    return code["steps"], f"{code['beta']:g}", code["silent"], levels, row["total_steps"]


def _cells(row: Row) -> tuple[object, ...]:
    sizes = (*sizes_of(row), row["event_bits"])
    shares = (f"{100 * row[name]:.2f}" for name in ("agreement", "accuracy"))
    events = (f"{row[name]:.2f}" for name in ("spikes_per_neuron", "units_per_neuron"))
    overload = f"{100 * row['most_overloaded']:.2g}"
    return (*sizes, *shares, f"{row['snr_db']:.1f}", overload, *events, f"{row['additions'] / 1e6:.1f} M")


def front(found: Sequence[Row], title: str) -> Figure:
    """Return a picture of what is answered against total steps and against events, each member with its bits."""
    figure = Figure(figsize=(11, 5), dpi=150, layout="constrained")
    for axes, cost, label in zip(figure.subplots(1, 2, sharey=True), COSTS, COSTS.values(), strict=True):
        for place, row in enumerate(found):
            code, colour = row["code"], COLOURS[place % len(COLOURS)]
            steps, beta, silent, levels, _ = sizes_of(row)
            sizes = f"T {steps}, β {beta}, k {silent}, L {levels}"
            member = f"{sizes}: {row['event_bits']} bits an event"
            marker = "s" if code["silent"] == 0 else "o"
            axes.scatter(row[cost], row["snr_db"], marker=marker, color=colour, alpha=0.8, label=member)
        axes.set(xlabel=label, ylabel="output against the source (dB)", xlim=(0, None))
        axes.grid(alpha=0.25)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, frameon=False, loc="outside lower center", ncols=3)
    figure.suptitle(f"{title}, {found[0]['samples']:,} pictures", fontsize=9)
    return figure


def resumed(codes: Sequence[CSS], kept: Sequence[Row], measure: Callable[[CSS], Row]) -> Iterator[list[Row]]:
    """Yield the rows of codes, in their order, each time that one more is known; those that were kept are."""
    known = {json.dumps(row["code"]): row for row in kept}
    keys = {json.dumps(code.to_json()): code for code in codes}
    for key, code in keys.items():
        if key not in known:
            known[key] = measure(code)
            print(json.dumps(known[key]), flush=True)
        yield [known[own] for own in keys if own in known]


def write(results: dict[str, list[Row]]) -> None:
    """Write the tables of the networks that have rows, and a picture of each."""
    text = PAGE.read_text()
    for name, found in results.items():
        text = replaced(text, f"family {name}", table(found))
        save_figure(front(found, SUBJECTS[name].title), PAGE.parent / "images" / f"family-{name}.png")
    PAGE.write_text(text)


def main() -> None:
    """Measure what is not known yet, row by row, and write the page."""
    given = request(__doc__, SUBJECTS)
    torch.set_num_threads(1)
    results = json.loads(RESULTS.read_text())["networks"] if RESULTS.exists() else {}
    for name in given.networks:
        subject, kept = SUBJECTS[name], [] if given.again else results.get(name, [])
        for found in resumed(subject.codes, kept, partial(measured, subject=subject)):
            results[name] = found
            RESULTS.write_text(json.dumps({"command": "make bench-family", "networks": results}, indent=1) + "\n")
    write(results)


if __name__ == "__main__":
    main()
