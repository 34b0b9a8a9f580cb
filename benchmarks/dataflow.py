"""Spikes and int8 arithmetic on the same tile, membranes at its adders: ``python -m benchmarks.dataflow``.

Trained networks in int8, by members of the family of CSS. Writes ``benchmarks/results/dataflow.json`` row by row and
the tables in docs/energy.md; what has been measured is kept. ``--pictures`` says on how many, evenly spaced.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from examples.networks import trained
from torch import nn
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.family import resumed
from benchmarks.imagenet.subjects import SUBJECTS as IMAGENET
from benchmarks.tables import replaced, rows
from benchmarks.trained import pictures
from canonic import CSS, Evaluation, convert, evaluate
from canonic.datasets import sample
from canonic.errors import ConversionError
from canonic.measure.comparison import Form, forms
from canonic.measure.energy import compute
from canonic.measure.tiled import Held, held

RESULTS = Path(__file__).parent / "results" / "dataflow.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "energy.md"
TERNARY = CSS(8, 1), CSS(6, 1), CSS(4, 1), CSS(8, 1, phi=0.65), CSS(4, 1, phi=0.65)
GRADED = (
    *(CSS(8, 0, levels=8), CSS(8, 0, levels=8, powers=True), CSS(4, 0, 4.0, levels=16), CSS(2, 0, 16.0, levels=64)),
    *(CSS(2, 0, 8.0, levels=16), CSS(1, 0, 128.0, levels=127)),
)
CODES = *TERNARY, *GRADED
FORMS = ("spiking", "spiking_sized", "source_int8", "source_int8_sparse")
PARTS = ("arithmetic", *Held._fields)

Row = dict[str, Any]


class Subject(NamedTuple):
    """A trained network, what calibrates it, and at most so many pictures that it is measured on."""

    model: Callable[[], nn.Module]
    calibration: Callable[[], DataLoader[Any]]
    measured: Callable[[int], DataLoader[Any]]
    most: int = 1000


def _photos(first: int, count: int) -> DataLoader[Any]:
    return IMAGENET["mobilenet_v2"].photos(first, count)


SUBJECTS = {
    "ResNet-20, CIFAR-10": Subject(
        partial(cifar.trained, "resnet20"),
        lambda: DataLoader(sample(cifar.training_pictures(), 200), batch_size=50),
        lambda count: DataLoader(sample(cifar.test_pictures(), count), batch_size=20),
    ),
    "VGG, Fashion-MNIST": Subject(
        partial(trained, "vgg"), partial(pictures, "train", 200), lambda count: pictures("t10k", count)
    ),
    "MobileNetV2, ImageNet": Subject(
        IMAGENET["mobilenet_v2"].model, partial(_photos, 0, 40), partial(_photos, 100), most=20
    ),
}


def measured(code: CSS, subject: Subject, asked: int) -> Row:
    """Return what a network takes in a code."""
    count = min(asked, subject.most)
    try:
        snn = convert(subject.model(), subject.calibration(), code=code, progress=False).to_precision("int8")
    except ConversionError as error:
        return {"code": code.to_json(), "asked": asked, "refused": str(error)}
    found = evaluate(snn, subject.measured(count), progress=False)
    taken = {form.id: spent(form) for form in forms(found) if form.id in FORMS}
    return {"code": code.to_json(), "asked": asked, **_quality(found), "forms": taken}


def _quality(found: Evaluation) -> Row:
    return {"pictures": found.samples, "agreement": found.agreement, "events": found.spikes_per_neuron}


def spent(form: Form) -> dict[str, float]:
    """Return the parts of the energy of a form of a network in microjoules, and their sum."""
    columns = zip(*((compute(work, kind), *held(work, kind)) for work, kind in form.works), strict=True)
    parts = dict(zip(PARTS, map(sum, columns), strict=True))
    return {**parts, "total": sum(parts.values())}


def totals(found: dict[str, list[Row]]) -> Iterator[str]:
    """Yield the table of all members: what spikes take, on the better of the two chips, beside int8."""
    headings = ("network", "T", "beta", "k", "L", "phi", "agreement %", "events a neuron", "spikes", "int8")
    cells = ((name, *_sizes(row["code"]), *_beside(row)) for name, own in found.items() for row in own)
    yield from rows((*headings, "int8, zeros skipped", "spikes / int8, zeros skipped"), cells)


def _sizes(code: Row) -> tuple[object, ...]:
    levels = f"{code['levels']}{', powers' * bool(code.get('powers'))}"
    return code["steps"], f"{code['beta']:g}", code["silent"], levels, f"{code['phi']:g}"


def _beside(row: Row) -> Sequence[str]:
    if "refused" in row:
        return "refused", *[""] * 5
    dense, sparse = (row["forms"][form]["total"] for form in FORMS[2:])
    own = row["forms"][_better(row)]["total"]
    shown = (f"{own:.4g}", f"{dense:.4g}", f"{sparse:.4g}", f"{own / sparse:.2f}")
    return f"{100 * row['agreement']:.1f}", f"{row['events']:.2f}", *shown


def _better(row: Row) -> str:
    """Return which form of the network takes less: with unary events, or with those that carry their size."""
    return min((form for form in FORMS[:2] if form in row["forms"]), key=lambda form: row["forms"][form]["total"])


def parts(found: Sequence[Row]) -> Iterator[str]:
    """Yield the table of what the energy of a network is made of."""
    yield from rows(("T", "beta", "k", "L", "phi", "form", *PARTS, "total"), _cells(found))


def _cells(found: Sequence[Row]) -> Iterator[tuple[object, ...]]:
    for place, row in enumerate(found):
        for form, taken in row["forms"].items():
            if form in FORMS[:2] or not place:
                sizes = _sizes(row["code"]) if form in FORMS[:2] else ("", "", "", "", "")
                yield (*sizes, f"`{form}`", *(f"{value:.2f}" for value in taken.values()))


def write(found: dict[str, list[Row]]) -> None:
    """Write the results and the tables."""
    RESULTS.write_text(json.dumps({"command": "python -m benchmarks.dataflow", "networks": found}, indent=1) + "\n")
    text = replaced(PAGE.read_text(), "dataflow", totals(found))
    first = [row for row in next(iter(found.values())) if "refused" not in row]
    PAGE.write_text(replaced(text, "dataflow parts", parts(first)))


def main() -> None:
    """Measure what is not known yet, row by row, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000)
    asked = parser.parse_args().pictures
    torch.set_num_threads(1)
    found = json.loads(RESULTS.read_text()).get("networks", {}) if RESULTS.exists() else {}
    for name, subject in SUBJECTS.items():
        kept = [row for row in found.get(name, []) if row["asked"] == asked]
        for found[name] in resumed(CODES, kept, partial(measured, subject=subject, asked=asked)):
            write(found)


if __name__ == "__main__":
    main()
