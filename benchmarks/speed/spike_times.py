"""What spikes in closed form cost an epoch: ``python -m benchmarks.speed.spike_times``.

A layer of 784 x 800 on pictures of Fashion-MNIST, forward and backward on one thread, in processor seconds for 60,000
pictures from those of a few; the torch form forward alone. The table goes to docs/performance.md.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.learn import DATA
from benchmarks.peers.run import ROOT
from benchmarks.speed.run import machine, shown
from benchmarks.tables import replaced, rows
from canonic.datasets import open_data
from canonic.learn.batches import taken
from canonic.learn.events import EventInput, EventLinear
from canonic.learn.zoo.relpsp import EARLY
from canonic.learn.zoo.spike_time import Timed
from canonic.native.quotient import reference
from canonic.neurons.quotient import Quotient

RESULTS, PAGE = ROOT / "benchmarks" / "results" / "spike_times.json", ROOT / "docs" / "performance.md"
EPOCH, BATCH, FEW, TURNS = 60_000, 128, 16, 5
RAMP = "ramps, 1 spike"
NEURONS = {
    RAMP: (None, Quotient.ramp(horizon=EARLY)),
    **{
        f"currents{', leak' * leaks}, {spikes} spike{'s' * (spikes > 1)}": (
            Timed(leaks, spikes).scale,
            Timed(leaks, spikes).neuron(spikes, last=3.0),
        )
        for leaks in (False, True)
        for spikes in (1, 4)
    },
}
"""The scale of time and the neuron of each row."""


def main() -> None:
    """Measure, write the figures and the table."""
    torch.set_num_threads(1)
    x, _ = taken(open_data(DATA["fashion-mnist"][1]), range(BATCH))
    found = [shown(measured(name, x)) for name in NEURONS]
    command = "python -m benchmarks.speed.spike_times"
    RESULTS.write_text(json.dumps({"command": command, "machine": machine(), "layers": found}, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), "spike times", table(found)))


def measured(name: str, x: Tensor) -> dict[str, Any]:
    """Return what an epoch of a layer takes, by the program and by the torch form."""
    torch.manual_seed(0)
    scale, neuron = NEURONS[name]
    layer, e = EventLinear(784, 800, neuron, mean=8.0), EventInput((1, 28, 28), scale, 0.02)(x)
    weight, few = layer.weight.detach(), e[:FEW].flatten(1)
    return {
        "neurons": name,
        "fire": float(layer(e).isfinite().double().mean()),
        "program": EPOCH / BATCH * seconds(lambda: torch.autograd.backward(sums(layer(e)))),
        "forward": EPOCH / BATCH * seconds(lambda: layer(e)),
        "torch": EPOCH / FEW * seconds(lambda: reference(neuron, few, weight)),
    }


def sums(times: Tensor) -> Tensor:
    """Return what all spikes get a gradient from."""
    return torch.where(times.isfinite(), times, 0.0).sum()


def seconds(run: Callable[[], Any]) -> float:
    """Return the processor time of a call, the median of some turns after one that warms up."""
    found = []
    for _ in range(TURNS + 1):
        begin = time.process_time()
        run()
        found.append(time.process_time() - begin)
    return statistics.median(found[1:])


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each neuron."""
    heads = (
        "neurons",
        "places with a spike",
        "forward and backward, s",
        "forward, s",
        "torch form, forward, s",
        "over it",
    )
    yield from rows(
        heads,
        [
            (
                r["neurons"],
                f"{r['fire']:.2f}",
                f"{r['program']:.1f}",
                f"{r['forward']:.1f}",
                f"{r['torch']:.0f}",
                f"{r['torch'] / r['forward']:.0f}",
            )
            for r in found
        ],
    )


if __name__ == "__main__":
    main()
