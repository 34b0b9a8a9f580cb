"""The speed of members of the family, of single samples too, and how often they agree.

``python -m benchmarks.speed.members``, of ``make bench-speed``: one thread, processor time in turns with the source.
It goes on where it was stopped; ``--again`` measures all anew. The table goes to docs/performance.md.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from examples.networks import trained
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import cifar
from benchmarks.imagenet.subjects import SUBJECTS
from benchmarks.peers.run import ROOT
from benchmarks.rows import request
from benchmarks.speed import networks
from benchmarks.speed.run import machine
from benchmarks.speed.turns import medians, source
from benchmarks.tables import replaced, rows
from benchmarks.trained import pictures
from canonic import CSS, SpikingNetwork
from canonic.codes import text_of
from canonic.conversion import convert
from canonic.datasets import sample
from canonic.errors import ConversionError
from canonic.network.graph import Precision
from canonic.network.storage import write_json
from canonic.words import NONE

RESULTS, PAGE = ROOT / "benchmarks" / "results" / "members.json", ROOT / "docs" / "performance.md"
MEMBERS = (
    CSS(8, 1),
    CSS(4, 0, 4.0, levels=16),
    CSS(3, 0, 8.0, levels=32),
    CSS(2, 0, 28.0, levels=127),
    CSS(1, 0, 128.0, levels=127),
)
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")
Batches = DataLoader[Any]


@dataclass(frozen=True)
class Timed:
    """A network, what calibrates it, pictures that it answers, and how many of them it is timed with.

    Attributes:
        model: makes it.
        calibration: batches.
        answered: batches; None where weights are random, so that answers say nothing.
        batch: samples, beside one alone.
    """

    model: Callable[[], nn.Module]
    calibration: Callable[[], Batches]
    answered: Callable[[], Batches]
    batch: int
    random: bool = False


def random_pictures() -> Batches:
    """Return 64 random pictures."""
    return DataLoader(TensorDataset(networks.pictures(64), torch.zeros(64)), batch_size=64)


NETWORKS = {
    "resnet20": Timed(
        lambda: networks.with_modules(cifar.trained("resnet20")),
        lambda: DataLoader(sample(cifar.training_pictures(), 1000), batch_size=100),
        lambda: DataLoader(sample(cifar.test_pictures(), 10_000), batch_size=100),
        64,
    ),
    "vgg16-bn": Timed(networks.vgg16, random_pictures, random_pictures, 32, random=True),
    "mobilenet_v2": Timed(
        SUBJECTS["mobilenet_v2"].model,
        partial(SUBJECTS["mobilenet_v2"].photos, 0, 50),
        partial(SUBJECTS["mobilenet_v2"].photos, 100, 100),
        8,
    ),
    "vit": Timed(partial(trained, "vit"), partial(pictures, "train", 500), partial(pictures, "t10k", 1000), 64),
}


def main() -> None:
    """Measure what is not known yet, row by row, and write the table."""
    given = request(__doc__, NETWORKS)
    torch.set_num_threads(1)
    found = json.loads(RESULTS.read_text())["networks"] if RESULTS.exists() else {}
    for name in given.networks:
        known = {} if given.again else found.get(name, {})
        for code in (code for code in MEMBERS if text_of(code) not in known):
            known[text_of(code)] = measured(NETWORKS[name], code)
            print(name, text_of(code), known[text_of(code)], flush=True)
            found[name] = known
            told = {"command": "python -m benchmarks.speed.members", "machine": machine(), "networks": found}
            write_json(RESULTS, told)
    PAGE.write_text(replaced(PAGE.read_text(), "members", table(found)))


def measured(timed: Timed, code: CSS) -> dict[str, Any]:
    """Return the figures of a network in a member, at each precision."""
    model = timed.model().eval()
    x = torch.cat([batch for batch, _ in timed.answered()])[: timed.batch]
    snn = convert(model, timed.calibration(), code=code, progress=False)
    return {precision: figures(model, snn, precision, x, timed) for precision in PRECISIONS}


def table(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each network and member: a batch, one sample alone, and how often int8 agrees."""
    cells = []
    for name, each in found.items():
        for code, by in each.items():
            times = (by[p][which] for which in ("ratio", "alone") for p in PRECISIONS)
            agree = (by[p]["agreement"] for p in ("fp32", "int8"))
            shown = (*(_told(one) for one in times), *(_told(one) for one in agree))
            cells.append((name, NETWORKS[name].batch, f"`{code}`", *shown))
    alone = (f"{precision}, 1 sample" for precision in PRECISIONS)
    yield from rows(("network", "batch", "code", *PRECISIONS, *alone, "fp32 agrees %", "int8 agrees %"), cells)


def _told(figure: float | None) -> str:
    return NONE if figure is None else f"{figure:.2f}"


def figures(model: nn.Module, snn: SpikingNetwork, precision: Precision, x: Tensor, timed: Timed) -> dict[str, Any]:
    """Return the times of a batch and of one sample, and the agreement; why there are none, where it is refused."""
    try:
        ready = snn.to_precision(precision).compile()
        both = {"ratio": ratio(model, ready, x), "alone": ratio(model, ready, x[:1])}
    except ConversionError as error:
        return {"ratio": None, "alone": None, "agreement": None, "refused": str(error)}
    return both | {"agreement": None if timed.random else agreement(model, ready, timed.answered())}


def ratio(model: nn.Module, snn: SpikingNetwork, x: Tensor) -> float:
    """Return the time of a network over that of its source, in turns."""
    runs = {"source": source(model, x), "spiking": lambda: snn(x)}
    seconds = medians(runs, clock=time.process_time)
    return seconds["spiking"] / seconds["source"]


def agreement(model: nn.Module, snn: SpikingNetwork, data: Batches) -> float:
    """Return the per cent of samples that a network answers as its source does."""
    with torch.inference_mode():
        hits = [snn(x).argmax(-1) == model(x).argmax(-1) for x, _ in data]
    return 100 * float(torch.cat(hits).double().mean())


if __name__ == "__main__":
    main()
