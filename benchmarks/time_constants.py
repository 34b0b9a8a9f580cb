"""Whether many spikes a neuron gain, and at which time constant: ``python -m benchmarks.time_constants``.

arXiv 2211.16113 says that an optimal time constant exists, which a restriction to one spike does not show. The networks
of ``spike-time-leaky`` and ``spike-time`` on a part of Fashion-MNIST, measured on training pictures that are held out;
a point that is there is not made again. The table goes to docs/systems.md.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch.utils.data import TensorDataset

from benchmarks.learn import PAGE, ROOT, samples
from benchmarks.speed.run import shown
from benchmarks.tables import replaced, rows
from canonic.learn.batches import in_order, taken
from canonic.learn.fit import fit
from canonic.learn.zoo.spike_time import SPIKES, Timed, timed
from canonic.network.storage import write_json

RESULTS = ROOT / "benchmarks" / "results" / "time_constants.json"
TAUS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
LEARNT, HELD, EPOCHS = 5_000, range(55_000, 60_000), 3


def main() -> None:
    """Make the points that are missing, and write the table."""
    torch.set_num_threads(1)
    found = json.loads(RESULTS.read_text())["points"] if RESULTS.exists() else []
    for leaks, tau, spikes in product((True, False), TAUS, (1, SPIKES)):
        if not any(case(point) == (leaks, tau, spikes) for point in found):
            found.append(shown(point_of(Timed(leaks, spikes, tau))))
            write_json(RESULTS, {"command": "python -m benchmarks.time_constants", "points": found})
    PAGE.write_text(replaced(PAGE.read_text(), "time constants", table(found)))


def case(point: dict[str, Any]) -> tuple[bool, float, int]:
    """Return which neurons a point is of."""
    return point["leaks"], point["tau"], point["spikes"]


def point_of(neurons: Timed) -> dict[str, Any]:
    """Return what a network with such neurons comes to."""
    known = timed("", "", neurons, EPOCHS)
    pictures = samples(known, "fashion-mnist").train
    system = known.system((1, 28, 28), 10, replace(known.recipe, seed=0))
    fit(system, TensorDataset(*taken(pictures, range(LEARNT))), progress=False)
    trial, right, sent = neurons.trial(system), 0, 0.0
    for x, y in in_order(TensorDataset(*taken(pictures, HELD)), 250):
        out = trial.outcome(x)
        right += int((out.readout[-1].argmax(1) == y).sum())
        sent += float(out.spikes["1"].double().mean(1).sum())
    scores = {"accuracy": right / len(HELD), "spikes of a hidden neuron": sent / len(HELD)}
    return {"leaks": neurons.leaks, "tau": neurons.tau, "spikes": neurons.spikes, **scores}


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each time constant."""
    heads = [f"{what}, {k} at most" for k in (1, SPIKES) for what in ("accuracy %", "spikes of a hidden neuron")]
    cells = [("with" if leaks else "without", tau, *cell(found, leaks, tau)) for leaks in (True, False) for tau in TAUS]
    yield from rows(("leak", "tau", *heads), cells)


def cell(found: list[dict[str, Any]], leaks: bool, tau: float) -> Iterator[str]:
    """Yield accuracy and spikes at a time constant, with one spike and with many."""
    for spikes in (1, SPIKES):
        (point,) = (p for p in found if case(p) == (leaks, tau, spikes))
        yield f"{100 * point['accuracy']:.1f}"
        yield f"{point['spikes of a hidden neuron']:.2f}"


if __name__ == "__main__":
    main()
