"""Networks in every code, on the same pictures: ``make bench-codes`` writes results/codes.json and docs/codes.md.

What has been measured is kept, row by row, so that a run that was stopped goes on.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from examples.networks import trained
from torch import nn
from torch.utils.data import DataLoader, Subset

from benchmarks import cifar
from benchmarks.tables import replaced, rows
from benchmarks.trained import pictures
from canonic import compare
from canonic.cli.demo import TRAINED, train
from canonic.datasets import Data, open_data, sample
from canonic.report import save_figure
from canonic.report.codespicture import codes_compared
from canonic.sweep.comparison import Comparison
from canonic.sweep.row import Row

RESULTS = Path(__file__).parent / "results" / "codes.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "codes.md"
README, SHOWN = PAGE.parents[1] / "README.md", "resnet20"
"""The shop window, and the network whose codes stand there."""

CLOSE = 0.005
"""Points of accuracy below the source within which a code is as good."""

CODES = (
    *("css:4", "css:6", "css:8", "css:8,silent=0,levels=8", "css:4,silent=0,beta=4,levels=16"),
    *("css:2,silent=0,beta=16,levels=64", "rate:8", "rate:16", "rate:32", "rate:64", "signed-rate:16"),
    *("signed-rate:32", "phase:8", "phase:8,4", "burst:4", "burst:8", "burst:16", "growing-burst:8", "latency:16"),
    *("latency:32", "exponential-latency:32", "binary:4", "binary:6", "binary:8", "few-spike:6", "few-spike:8"),
    *("multi-threshold:2", "multi-threshold:4", "multi-threshold:8", "differential:2", "differential:4"),
)

Setup = tuple[nn.Module, DataLoader[Any], DataLoader[Any]]
"""A trained network, what calibrates it, and what it is measured on."""


def digits() -> Setup:
    """Return the network of ``canonic demo`` on scikit-learn's handwritten digits."""
    data = open_data("digits")
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0)).tolist()
    known, unseen = Subset(data, order[:TRAINED]), Subset(data, order[TRAINED:])
    torch.manual_seed(0)
    model = train(DataLoader(known, batch_size=64, shuffle=True, drop_last=True), 15)
    return model, DataLoader(known, batch_size=100), DataLoader(unseen, batch_size=100)


def mlp() -> Setup:
    """Return a 784-400-400-10 network without biases, trained on Fashion-MNIST for eight epochs."""
    torch.manual_seed(0)
    layers = (nn.Linear(a, b, bias=False) for a, b in ((784, 400), (400, 400), (400, 10)))
    model = nn.Sequential(nn.Flatten(), *(part for layer in layers for part in (layer, nn.ReLU())))[:-1]
    known = torch.utils.data.TensorDataset(*map(torch.cat, zip(*((x, y) for x, y in pictures("train")), strict=True)))
    batches = DataLoader(known, batch_size=128, shuffle=True)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(8):
        for x, y in batches:
            optimiser.zero_grad()
            F.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return model.eval(), pictures("train", 1000), pictures("t10k", 2000)


def resnet20(pictures: Data, count: int | None = None) -> Setup:
    """Return the ResNet-20 of ``../shared`` on pictures of CIFAR-10, all or so many."""
    calibration = DataLoader(sample(cifar.training_pictures(), 500), batch_size=100)
    return cifar.trained("resnet20"), calibration, DataLoader(sample(pictures, count), batch_size=100)


def vit() -> Setup:
    """Return the transformer of ``examples/`` on pictures of Fashion-MNIST."""
    return trained("vit"), pictures("train", 500), pictures("t10k", 1000)


NETWORKS: dict[str, Callable[[], Setup]] = {
    "digits": digits,
    "mlp": mlp,
    "resnet20": lambda: resnet20(cifar.test_pictures()),
    "resnet20-slow": lambda: resnet20(cifar.test_pictures(), 2000),
    "resnet20-clean": lambda: resnet20(cifar.clean_pictures()),
    "vit": vit,
}
SLOW = (
    *("rate:32", "rate:64", "signed-rate:32", "phase:8,4", "growing-burst:8", "latency:16", "latency:32"),
    "exponential-latency:32",
)
"""What is measured on fewer of the 10,000 pictures: long trains, waits of all layers, a neuron without a C program."""

MEASURED = dict.fromkeys(NETWORKS, CODES) | {
    "resnet20": tuple(code for code in CODES if code not in SLOW),
    "resnet20-slow": SLOW,
}
PARTS = {name: (name,) for name in NETWORKS if name != "resnet20-slow"} | {"resnet20": ("resnet20", "resnet20-slow")}
"""Of each network, where its rows stand."""


def measure(name: str, again: Sequence[str] = ()) -> None:
    """Measure a network in all codes that are not known yet, or that are named again."""
    results: dict[str, Any] = {"command": "make bench-codes"}
    results |= json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    whole = {field.name for field in fields(Row)}
    kept = [row for row in results.get(name, {}).get("rows", []) if whole <= row.keys()]  # others are of older versions
    known = {row["code"]: row for row in kept if row["code"] not in again}
    missing = [code for code in MEASURED[name] if code not in known]
    if not missing:
        return
    setup = NETWORKS[name]()
    for code in missing:
        found = compare(*setup, (code,), progress=False).to_json()
        known[code] = {**found["rows"][0], "code": code}
        results[name] = {**found, "rows": [known[code] for code in MEASURED[name] if code in known]}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(name, json.dumps(known[code]), flush=True)


def table(found: Comparison, *others: Comparison) -> Iterator[str]:
    """Yield the lines of a table, and what it was measured on; seconds depend on what else ran.

    Args:
        found: with all rows.
        others: of which some rows are, measured on fewer samples.
    """
    more = [
        f"; of {', '.join(row.code for row in one.rows)}: {one.samples:,} samples, "
        f"source {100 * (one.source_accuracy or 0):.2f} %"
        for one in others
    ]
    yield from rows(found.headings[:-1], (cells[:-1] for cells in found.cells))
    yield ""
    yield f"({found.caption}{''.join(more)}.)"


Parts = tuple[Comparison, ...]
"""Codes on the same network; of each, on the same pictures."""


def fewest(found: dict[str, Parts]) -> Iterator[str]:
    """Yield for each network and kind of code the fewest steps, and the fewest events, as good as the source."""
    cells = [(name, kind, *_best(parts, kind)) for name, parts in found.items() for kind in _kinds(parts)]
    yield from rows(("network", "code", "fewest total steps", "fewest events a neuron", "bits of an event"), cells)


def _best(parts: Parts, kind: str) -> tuple[str, ...]:
    good = _as_good(parts, kind)
    if not good:
        refused = all(row.refused for row in _of(parts, kind))
        return "refused" if refused else "none of those measured", "", ""
    steps, events = min(good, key=_steps), min(good, key=lambda row: row.events or 0)
    bits = " and ".join(dict.fromkeys(str(row.event_bits) for row in (steps, events)))
    return f"{steps.total_steps} ({steps.code})", f"{events.events:.2f} ({events.code})", bits


def shortest(parts: Parts) -> Comparison:
    """Return of each kind of code the fewest steps that are as good as the source; behind them, else, the best row."""
    kinds = [kind for kind in _kinds(parts) if not all(row.refused for row in _of(parts, kind))]
    good = [min(enough, key=_steps) for kind in kinds if (enough := _as_good(parts, kind))]
    others = [max(_of(parts, kind), key=_share) for kind in kinds if not _as_good(parts, kind)]
    return replace(parts[0], rows=(*sorted(good, key=_steps), *sorted(others, key=_steps)))


def _kinds(parts: Parts) -> list[str]:
    return list(dict.fromkeys(row.kind for part in parts for row in part.rows))


def _of(parts: Parts, kind: str) -> list[Row]:
    return [row for part in parts for row in part.rows if row.kind == kind]


def _as_good(parts: Parts, kind: str) -> list[Row]:
    """Return the rows of a kind that are as good as the source is on the same pictures."""
    return [row for part in parts for row in _of((part,), kind) if _share(row) >= (part.source_accuracy or 0) - CLOSE]


def _share(row: Row) -> float:
    return row.accuracy or 0.0


def _steps(row: Row) -> int:
    return row.total_steps or 0


def write() -> None:
    """Write the tables of the page, and a picture of each network."""
    results, text = json.loads(RESULTS.read_text()), PAGE.read_text()
    found = {name: Comparison.from_json(results[name]) for name in NETWORKS if name in results}
    for name, one in found.items():
        text = replaced(text, name, table(one))
        if name in PARTS:
            save_figure(codes_compared(one, name), PAGE.parent / "images" / f"codes-{name}.png")
    parts = {name: tuple(found[part] for part in PARTS[name] if part in found) for name in PARTS}
    PAGE.write_text(replaced(text, "fewest", fewest(parts)))
    README.write_text(replaced(README.read_text(), "codes", table(shortest(parts[SHOWN]), *parts[SHOWN][1:])))


def main() -> None:
    """Measure what is not known yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--again", nargs="*", default=[], help="codes to measure anew")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for name in asked.networks:
        measure(name, asked.again)
    write()


if __name__ == "__main__":
    main()
