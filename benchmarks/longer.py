"""Trainings that are longer than those of the table: ``python -m benchmarks.longer``.

``desire`` goes on from its row, whose rates fall from epoch to epoch whatever their number, for as many epochs as an
hour of processor time allows; ``ide`` has the 100 epochs of its paper, and its steps of the rate. Accuracy while it
trained after each epoch, and on the test pictures once, at the end. A training that was stopped goes on from its last
whole epoch, under ``build/learn``. Tables and the curve go to docs/systems.md.
"""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from benchmarks.learn import BUILD, PAGE, ROOT, samples
from benchmarks.speed.run import shown
from benchmarks.tables import replaced, rows
from canonic.learn import Recipe
from canonic.learn.recipe import Steps
from canonic.learn.zoo import entry
from canonic.learn.zoo.training import train
from canonic.measure.table import row_of
from canonic.network.storage import write_json
from canonic.report import save_figure

RESULTS, PICTURE = ROOT / "benchmarks" / "results" / "longer.json", PAGE.parent / "images" / "longer.png"
DATA, SEED = "fashion-mnist", 0
LONGER: dict[str, dict[str, Any]] = {"desire": {"epochs": 46}, "ide": {"epochs": 100, "schedule": Steps((30, 60, 90))}}
"""What differs from the recipe of the table."""


def main() -> None:
    """Make what is asked for and not there, and write the table and the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="*", choices=list(LONGER), default=list(LONGER))
    torch.set_num_threads(1)
    found = json.loads(RESULTS.read_text())["trainings"] if RESULTS.exists() else {}
    for name in parser.parse_args().systems:
        if name not in found:
            found[name] = shown(made(name))
            write_json(RESULTS, {"command": "python -m benchmarks.longer", "seed": SEED, "trainings": found})
    PAGE.write_text(replaced(PAGE.read_text(), "longer", rows(*table(found))))
    save_figure(curves(found), PICTURE)


def made(name: str) -> dict[str, Any]:
    """Return how a training went, and what it came to."""
    known = entry(name)
    own = samples(known, DATA)
    recipe = replace(known.recipe_for(len(own.train), SEED), **LONGER[name])
    done = train(known, own.train, recipe, folder=begun(name, recipe), ann=False)
    row = row_of(done, done.measurable(own.train), own.test, DATA)
    seconds = sum(epoch.seconds for epoch in done.history.epochs)
    while_training = [epoch.measures["accuracy"] for epoch in done.history.epochs]
    return {"accuracy": row["accuracy"], "cpu_minutes": seconds / 60, "while training": while_training}


def begun(name: str, recipe: Recipe) -> Path:
    """Return the folder of a training, with that of its row to go on from, if this is its beginning."""
    folder, before = BUILD / f"{name}-longer", BUILD / f"{name}-{DATA}-{SEED}"
    row = entry(name).recipe_for(10**6, SEED)
    if not folder.exists() and before.exists() and recipe.goes_on_from(row):
        shutil.copytree(before, folder)
    return folder


def table(found: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return the headings and a line for each training."""
    headings = ("system", "epochs", "accuracy %", "while training, in the last epoch %", "CPU min")
    return headings, [line(name, training) for name, training in found.items()]


def line(name: str, training: dict[str, Any]) -> tuple[Any, ...]:
    """Return the cells of a training."""
    each = training["while training"]
    shares = [f"{100 * share:.2f}" for share in (training["accuracy"], each[-1])]
    return f"`{name}`", len(each), *shares, round(training["cpu_minutes"])


def curves(found: dict[str, Any]) -> Figure:
    """Return accuracy while training against the epochs, with the accuracy of the end."""
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, training in found.items():
        while_training = [100 * share for share in training["while training"]]
        (line,) = axes.plot(range(1, len(while_training) + 1), while_training, label=f"{name}, while training")
        last = len(while_training), 100 * training["accuracy"]
        axes.plot(*last, "o", color=line.get_color(), label=f"{name}, test pictures")
    axes.set(xlabel="epoch", ylabel="accuracy %")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


if __name__ == "__main__":
    main()
