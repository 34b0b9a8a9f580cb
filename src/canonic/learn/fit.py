"""Training: resumable, the same for the same seed, and blind to what it is tested on."""

import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from canonic.cluster import Workers, workers
from canonic.datasets import Data
from canonic.datasets.digests import KEPT, Digest, hashed
from canonic.errors import CanonicError, ClusterError, TrainingError
from canonic.learn.batches import Batch, drawn, held_out, in_order, require_label, require_labelled, shuffled, taken
from canonic.learn.checkpoint import Checkpoint, kept, made, read, recognised, require_same, restore, write
from canonic.learn.history import Epoch, History
from canonic.learn.judged import judged
from canonic.learn.sound import require_runs, require_several, require_system, warn_of_silence
from canonic.learn.system import Moment, System
from canonic.progress import advancing
from canonic.words import counted, number, percent


def fit(
    system: System,
    train: Data,
    *,
    validate: Data | float | None = None,
    folder: str | Path | None = None,
    group: Workers | None = None,
    progress: bool = True,
) -> History:
    """Train a network as its recipe says, and return how that went.

    The same seed gives the same weights, bit for bit on one thread; so does a training that was interrupted and goes
    on. Whatever ends it, Ctrl-C or an error, the network is that of the last whole epoch.

    Args:
        system: a network with its recipe, as ``Gradient``.
        train: samples ``(x, y)``: y a class, or a class for each step, -100 where a step has none.
        validate: others, of the same kind, which the network does not learn from: the weights of the epoch with the
            best accuracy on them are kept, the first of several. Without them those of the last epoch. A number is
            the share of ``train`` that is held out for it, drawn by the seed of the recipe. Samples that the network
            is to be tested on belong in neither.
        folder: for a checkpoint after each epoch; a training that is in it goes on, for more epochs too unless its
            schedule is a cosine, which knows their number. It is the same training if recipe, data and modules are, and
            if this system makes of the weights there, on the first samples, the same answer, loss and gradient; with
            which weights the network is given does not count.
        group: the processes that share each batch; those of torch.distributed if None.
        progress: show a bar, on a terminal.

    Raises:
        DataError: if there are no samples, the network does not take them, or labels are no classes.
        TrainingError: if the network keeps something from one call to the next; if the loss or its gradient is not
            finite, the message says which layer overflowed; if the folder holds another training; or if the recipe
            ends by its patience, and there is no ``validate``.
        StorageError: if the folder cannot be used.
        ClusterError: if another process was lost.
        KeyboardInterrupt: after Ctrl-C; it says how many epochs are kept.

    >>> from torch.utils.data import TensorDataset
    >>> from canonic.learn import Gradient, Recipe, once
    >>> net, x = torch.nn.Linear(2, 2), torch.eye(2)
    >>> def loss(run, y):
    ...     return torch.nn.functional.cross_entropy(run.output[-1], y)
    >>> recipe = Recipe(epochs=20, batch=2)
    >>> history = fit(Gradient(net, once, loss, recipe), TensorDataset(x, torch.tensor([0, 1])))
    >>> history.epochs[0].measures["loss"] > history.epochs[-1].measures["loss"]
    True
    """
    require_system(system)
    require_labelled(train, TRAINING)
    share, recipe = None, system.recipe
    if isinstance(validate, int | float):
        share = float(validate)
        train, validate = held_out(train, share, recipe.seed)
    elif validate is not None:
        require_labelled(validate, VALIDATION)
    elif recipe.patience is not None:
        raise TrainingError(
            f"the recipe ends after {counted(recipe.patience, 'epoch')} that were no better on validation samples, and "
            "there are none: hold out a tenth of the others, validate=0.1"
        )
    for data, name in ((train, TRAINING), (validate, VALIDATION)):
        if data is not None:
            require_label(data, name)
            require_runs(system, taken(data, range(min(FIRST, len(data))))[0])  # type: ignore[arg-type]
    group = group or workers()
    place = None if folder is None else Path(folder)
    return _Course(system, train, validate, share, place, group, progress and group.first).run()


TRAINING, VALIDATION = "the training data", "the validation data"
FIRST = 16
"""Samples on which a network is tried before its training begins."""


@dataclass(frozen=True)
class _Course:
    """One call of ``fit``."""

    system: System
    train: Data
    validate: Data | None
    share: float | None
    folder: Path | None
    group: Workers
    shown: bool

    def run(self) -> History:
        """Train from where it stands to the end."""
        require_several(self.system, self.train, min(map(len, self.updates(0))), self.group.world)
        last = self.begun()
        restore(self.system, last)
        done, epochs, updates = len(last.history.epochs), self.system.recipe.epochs, len(self.updates(0))
        try:
            with advancing(epochs * updates, done * updates, shown=self.shown) as advance:
                for number in range(done, epochs):
                    if last.history.over(self.system.recipe.patience):
                        break
                    last = self.after(number, last, advance)
        except BaseException as error:
            restore(self.system, last)
            if isinstance(error, KeyboardInterrupt | CanonicError):
                raise self.told(error, last) from error
            raise
        self.system.net.load_state_dict(dict(last.best))
        if self.group.first:
            warn_of_silence(last.history)
        return last.history

    def begun(self) -> Checkpoint:
        """Return what the training goes on from; the first process alone reads files."""
        records = self.group.together(self.record)
        if any(record != records[0] for record in records):
            raise ClusterError("the processes differ in recipe, data or versions: give all of them the same")
        history = History(records[0])
        found = self.group.together(lambda: self.found(history) if self.group.first else None)[0]
        return found or kept(self.system, history)

    def found(self, history: History) -> Checkpoint | None:
        """Return the checkpoint of the folder, if there is one."""
        if self.folder is None:
            return None
        folder = made(self.folder)
        if (checkpoint := read(folder)) is not None:
            require_same(checkpoint, self.system, history, self.few(), folder)
            record = {**checkpoint.history.record, "recipe": history.record["recipe"]}
            return replace(checkpoint, history=replace(checkpoint.history, record=record))
        return None

    def few(self) -> Batch:
        """Return the samples that a system is known by."""
        return taken(self.train, range(min(FIRST, self.system.recipe.batch, len(self.train))))  # type: ignore[arg-type]

    def record(self) -> dict[str, Any]:
        """Return what determines the weights."""
        return {
            "recipe": self.system.recipe.to_json(),
            "data": _digest(self.train).to_json(),
            "validation": self.validation(),
            "versions": {
                "canonic": version("canonic"),
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
            "processes": self.group.world,
        }

    def validation(self) -> dict[str, Any] | None:
        """Return what the epoch is chosen by: a digest, with the share of the training samples that it is."""
        if self.validate is None:
            return None
        return _digest(self.validate).to_json() | ({} if self.share is None else {"held_out": self.share})

    def updates(self, number: int) -> tuple[Tensor, ...]:
        """Return the places of the samples of each update of an epoch.

        Raises:
            TrainingError: if there are not enough for all processes.
        """
        recipe = self.system.recipe
        places = shuffled(len(self.train), recipe.batch, drawn(recipe.seed, number))  # type: ignore[arg-type]
        if min(map(len, places)) < self.group.world:
            raise TrainingError(
                f"batches of {min(map(len, places))} samples cannot be shared by {self.group.world} processes: take "
                "larger ones, or fewer processes"
            )
        return places

    def after(self, number: int, last: Checkpoint, advance: Callable[[str], None]) -> Checkpoint:
        """Return what is kept after one epoch more, once it is written."""
        begin, sums, batches = time.process_time(), Counter[str](), self.updates(number)
        for index, places in enumerate(batches):
            mine = places[self.group.rank :: self.group.world]
            share = len(mine) * self.group.world / len(places)
            moment = self.moment(number, index, len(batches), share)
            measures = self.system.step(*taken(self.train, mine), moment)
            if measures:
                sums.update({"samples": len(mine), **{name: value * len(mine) for name, value in measures.items()}})
            advance(f"epoch {number + 1} of {self.system.recipe.epochs}: {_shown(_means(sums))}")
        whole = Counter[str]()
        for part in self.group.gathered(sums):
            whole.update(part)
        scores = (None, None) if self.validate is None else judged(self.system, self.validate, self.group)
        epoch = Epoch(_means(whole), time.process_time() - begin, *scores)
        history = replace(last.history, epochs=(*last.history.epochs, epoch))
        return self.written(kept(self.system, history, last))

    def moment(self, number: int, index: int, updates: int, share: float) -> Moment:
        """Return where an update stands, of so many in its epoch."""
        recipe = self.system.recipe
        done = number + index / updates
        seed = drawn(recipe.seed, number, index, self.group.rank)
        return Moment(recipe.schedule.factor(done, recipe.epochs), seed, share)

    def written(self, checkpoint: Checkpoint) -> Checkpoint:
        """Write a checkpoint, where there is a folder; the first process does."""
        if (folder := self.folder) is not None:

            def keep() -> None:
                if self.group.first:
                    write(folder, recognised(checkpoint, self.system, self.few()))

            self.group.together(keep)
        return checkpoint

    def told(self, error: KeyboardInterrupt | CanonicError, last: Checkpoint) -> BaseException:
        """Return the error of its kind that says how much is kept."""
        place = "in the network" if self.folder is None else f"in {self.folder}; the same call goes on from there"
        rest = f"{counted(len(last.history.epochs), 'whole epoch')} kept {place}"
        if isinstance(error, KeyboardInterrupt):
            return KeyboardInterrupt(f"interrupted: {rest}")
        return type(error)(f"{error}; {rest}")


def _means(sums: Counter[str]) -> dict[str, float]:
    return {name: value / sums["samples"] for name, value in sums.items() if name != "samples"}


def _shown(measures: Mapping[str, float]) -> str:
    shares = {"accuracy": percent, "silent": percent}
    return ", ".join(f"{name} {shares.get(name, number)(value)}" for name, value in measures.items())


def _digest(data: Data) -> Digest:
    """Return the digest of samples with their labels."""
    found = Digest()
    for x, y in in_order(data, 1000):
        hashes, total = hashed([x], [y])
        found += Digest(len(hashes), total, tuple(sorted(set(hashes))[:KEPT]))
    return found
