"""From what the user types to a trained network in a file, and its row."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from canonic.cli.data import say
from canonic.cli.provenance import made
from canonic.cli.terminal import columns, tell
from canonic.cluster import workers
from canonic.datasets import Preprocessing
from canonic.errors import TrainingError
from canonic.learn.batches import held_out
from canonic.learn.checkpoint import FILE
from canonic.learn.history import History
from canonic.learn.sound import Silence
from canonic.learn.zoo import entry
from canonic.learn.zoo.samples import samples_of
from canonic.learn.zoo.training import begin_again, chooses, train
from canonic.measure.table import HEADINGS, row_of, table
from canonic.words import counted, percent


@dataclass(frozen=True)
class Asked:
    """What is to be trained, and on what."""

    name: str
    data: str
    test: str
    validate: str
    hold_out: float | None
    limit: int | None
    prepare: Preprocessing


def trained(asked: Asked, out: Path, *, seed: int, epochs: int | None, resume: bool, ann: bool) -> Mapping[str, Any]:
    """Train, measure and save a network; return its row.

    What is needed to go on is in a folder beside the file, until all is done.
    """
    known, folder, first = entry(asked.name), out.with_suffix(".training"), workers().first
    samples = samples_of(known, asked.data, asked.test, asked.validate, prepare=asked.prepare, limit=asked.limit)
    recipe = known.recipe_for(len(samples.train), seed)
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    begun = next(folder.rglob(FILE), None)
    if begun and not resume:
        raise TrainingError(
            f"{begun.parent} holds a training that was interrupted: go on with it, --resume, or remove {folder} to "
            "begin again"
        )
    count = len(samples.train)
    validate = chooses(recipe, samples.validate or asked.hold_out)
    held = len(held_out(samples.train, validate, seed)[1]) if isinstance(validate, float) else 0  # type: ignore[arg-type]
    size = f"{counted(recipe.epochs, 'epoch')} of {counted(count - held, 'sample')}"
    size += f", {held:,} others held out" if held else ""
    anew = [f"{folder} holds no training to go on with: this one begins anew"] * (resume and not begun)
    say([*samples.notes, *anew, f"{known.name}: {size}; checkpoints are in {folder}"])
    with told_at_once(), kept(folder):
        found = train(known, samples.train, recipe, classes=samples.classes, validate=validate, folder=folder, ann=ann)
        say(chosen(found.history) if first else [])
        snn = found.measurable(samples.train, samples.classes)
        row = row_of(found, snn, samples.test, Path(asked.data).name)
        if first:
            told = {"preprocessing": asdict(samples.prepare), "made": made(asked.data)}
            replace(snn, record={**snn.record, **told, "row": row}).save(out)
    if first:
        begin_again(known, folder)
    return row


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Let Ctrl-C between trainings, or behind the last, say that their epochs are kept, as within one."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if str(stop) or not any(folder.rglob(FILE)):
            raise
        text = f"interrupted: what was trained is kept in {folder}; the same call goes on from there"
        raise KeyboardInterrupt(text) from None


@contextmanager
def told_at_once() -> Iterator[None]:
    """Say at once, as other remarks, what a training warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", Silence)
        warnings.showwarning = lambda message, *_, **__: say([str(message)])
        yield


def chosen(history: History) -> list[str]:
    """Return of which epoch the weights are, where that was chosen."""
    epoch = history.epochs[history.chosen - 1]
    if epoch.validation is None:
        return []
    where = f"epoch {history.chosen} of {len(history.epochs)}, {percent(epoch.validation)} on what was held out"
    return [f"the weights are those of {where}"]


def show_row(row: Mapping[str, Any], out: Path) -> None:
    """Print the row of a trained system, a line for each of its columns."""
    (cells,) = table([row])
    tell(columns(("", ""), zip(HEADINGS, cells, strict=True)))
    if "agreement" in row:
        tell(f"{percent(row['agreement'])} of its answers are those of the network that was trained")
    tell(f"saved in {out}; measure it: canonic evaluate {out} --data ...")
