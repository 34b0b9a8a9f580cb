"""From what the user types to a trained network in a file, and its row."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from canonic.cli.data import say
from canonic.cli.provenance import made
from canonic.cli.terminal import columns, tell
from canonic.cluster import workers
from canonic.datasets import Preprocessing
from canonic.learn.zoo import entry
from canonic.learn.zoo.samples import samples_of
from canonic.learn.zoo.training import begin_again, require_kind, train
from canonic.measure.table import HEADINGS, row_of, table
from canonic.words import counted


@dataclass(frozen=True)
class Asked:
    """What is to be trained, and on what."""

    name: str
    data: str
    test: str
    validate: str
    limit: int | None
    prepare: Preprocessing


def trained(asked: Asked, out: Path, *, seed: int, epochs: int | None, resume: bool, ann: bool) -> Mapping[str, Any]:
    """Train, measure and save a network; return its row.

    What is needed to go on is in a folder beside the file, until all is done.
    """
    known, folder, first = entry(asked.name), out.with_suffix(".training"), workers().first
    samples = samples_of(known, asked.data, asked.test, asked.validate, prepare=asked.prepare, limit=asked.limit)
    require_kind(known, samples.train)
    recipe = known.recipe_for(len(samples.train), seed)
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    if first and not resume:
        begin_again(known, folder)
    size = f"{counted(recipe.epochs, 'epoch')} of {counted(len(samples.train), 'sample')}"
    say([*samples.notes, f"{known.name}: {size}; checkpoints are in {folder}"])
    found = train(known, samples.train, recipe, validate=samples.validate, folder=folder, ann=ann)
    snn = found.measurable(samples.train, samples.classes)
    row = row_of(found, snn, samples.test, Path(asked.data).name)
    if first:
        told = {"preprocessing": asdict(samples.prepare), "made": made(asked.data)}
        replace(snn, record={**snn.record, **told, "row": row}).save(out)
        begin_again(known, folder)
    return row


def show_row(row: Mapping[str, Any], out: Path) -> None:
    """Print the row of a trained system, a line for each of its columns."""
    (cells,) = table([row])
    tell(columns(("", ""), zip(HEADINGS, cells, strict=True)))
    tell(f"saved in {out}; measure it: canonic evaluate {out} --data ...")
