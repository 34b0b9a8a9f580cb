"""A published system, trained on some data, and the network of the same shape without time, trained as long."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

from jaxtyping import Shaped
from torch import Tensor
from torch.utils.data import TensorDataset

from canonic.datasets.labels import NO_LABEL
from canonic.errors import DataError
from canonic.learn.batches import held_out, require_label, taken
from canonic.learn.checkpoint import forget
from canonic.learn.fit import fit
from canonic.learn.history import History
from canonic.learn.recipe import Recipe
from canonic.learn.spiking import as_network
from canonic.learn.system import Gradient, System
from canonic.learn.zoo.entry import Entry
from canonic.learn.zoo.parts import in_time
from canonic.learn.zoo.trial import ZooTrial, trial_of
from canonic.network import SpikingNetwork

DIMENSIONS = {
    "pictures": (
        (3, 1),
        "[channels, height, width], or [features]",
        "give grey pictures their channel, x[:, None]; canonic learn --json tells the kind of each system",
    ),
    "sequences": (
        (2,),
        "[time, channels]",
        "give x [samples, time, channels] in an .npz, and no uint8, which is taken for pictures: "
        "x.astype(numpy.float32)",
    ),
    "recordings": ((4,), "[frames, channels, height, width]", "an .npz of events holds x, y, p, t, offset and label"),
}
HELD = 1 / 12
"""Share of the samples that is held out where a recipe has patience, and nothing is given to choose by."""
BEGUN = 1000
"""Training samples that a network which begins from another one sees for it."""


@dataclass(frozen=True)
class Trained:
    """A system of the zoo after its training.

    Attributes:
        entry: what it is.
        system: the spiking network.
        history: of its training.
        ann: the network of the same shape without time; None if it was not trained.
        ann_history: likewise.
    """

    entry: Entry
    system: System
    history: History
    ann: Gradient | None = None
    ann_history: History | None = None

    def network(self, x: Shaped[Tensor, "batch ..."], classes: Sequence[str] = ()) -> SpikingNetwork:
        """Return the system as a network that is measured, traced and saved as a converted one.

        Args:
            x: some samples.
            classes: names of the classes, if they are known.
        """
        system, still = self.system, self.entry.kind == "pictures"
        steps, example = (len(system.answer(x)), x) if still else (None, in_time(x))
        readout, seed = self.entry.readout, system.recipe.seed
        snn = as_network(system.net, example, steps, readout=readout, seed=seed, classes=classes)
        return replace(snn, record={**snn.record, "training": self.history.to_json()})

    def measurable(self, data: TensorDataset, classes: Sequence[str] = ()) -> SpikingNetwork | ZooTrial:
        """Return the system as what ``evaluate`` measures, and a file keeps.

        Args:
            data: that it was trained on.
            classes: names of the classes, if they are known.
        """
        x, y = data.tensors
        if self.entry.converted is not None:
            snn = self.entry.converted(self.system.net.eval(), x[:BEGUN])
            known = {"training": self.history.to_json(), "classes": list(classes)}
            return replace(snn, record={**snn.record, **known})
        if self.entry.trial is None:
            return self.network(x[:2], classes)
        record = {"training": self.history.to_json(), **({"classes": list(classes)} if classes else {})}
        return trial_of(self.entry, self.system, tuple(x.shape[1:]), count_classes(y, classes), record)


def train(
    entry: Entry,
    data: TensorDataset,
    recipe: Recipe,
    *,
    classes: Sequence[str] = (),
    validate: TensorDataset | float | None = None,
    folder: Path | None = None,
    ann: bool = True,
    progress: bool = True,
) -> Trained:
    """Train a system, and beside it the network of the same shape without time.

    Args:
        entry: of the zoo.
        data: samples in memory, prepared as the entry wants them.
        recipe: usually ``entry.recipe_for(len(data), seed)``.
        classes: their names, if they are known: each has an output, if no sample too.
        validate: as for ``fit``; where the recipe has patience and nothing is given, ``HELD`` of ``data``.
        folder: for checkpoints, as for ``fit``.
        ann: whether the other network is trained too; it is in any case if the system begins from it.
        progress: show a bar, on a terminal.

    Raises:
        DataError: if samples are not of the kind that the system is for.
        CanonicError: as ``fit``.
    """
    require_kind(entry, data)
    require_label(data, "the training data")
    x, y = data.tensors
    shape, outputs = tuple(x.shape[1:]), count_classes(y, classes)
    validate = chooses(recipe, validate)
    system, twin, how = entry.system(shape, outputs, recipe), None, None
    if ann or entry.begin is not None:
        twin = entry.same_shape(shape, outputs, entry.ann_recipe_for(len(x), recipe))
        how = fit(twin, data, validate=validate, folder=folder and folder / "ann", progress=progress)
    known = held_out(data, validate, recipe.seed)[0] if isinstance(validate, float) else data
    seen, _ = taken(known, range(min(BEGUN, len(known))))  # type: ignore[arg-type]
    if entry.begin is not None and twin is not None:
        entry.begin(system.net, twin.net, seen)
    histories = []
    for stage, place in zip(entry.stages or (itself,), places(entry), strict=True):
        system = stage(system, seen)
        histories.append(fit(system, data, validate=validate, folder=folder and folder / place, progress=progress))
    return Trained(entry, system, reduce(History.then, histories).knowing(constants=entry.constants), twin, how)


def chooses(recipe: Recipe, validate: TensorDataset | float | None) -> TensorDataset | float | None:
    """Return what the epoch of the weights is chosen by: what is given, or ``HELD`` where a recipe has patience."""
    return HELD if validate is None and recipe.patience is not None else validate


def require_kind(entry: Entry, data: TensorDataset) -> None:
    """Raise a DataError unless samples are of the kind that an entry is for, and of a type that it computes with."""
    x = data.tensors[0]
    shape = list(x.shape[1:])
    dimensions, written, remedy = DIMENSIONS[entry.kind]
    if len(shape) not in dimensions:
        raise DataError(f"{entry.name} is for {entry.kind} {written}, samples have the shape {shape}: {remedy}")
    if entry.kind != "sequences" and not x.is_floating_point():
        raise DataError(
            f"{entry.name} takes floating point, samples are {str(x.dtype).removeprefix('torch.')}: make it of them, "
            "x.astype(numpy.float32)"
        )


def itself(system: System, x: Shaped[Tensor, "batch ..."]) -> System:  # noqa: ARG001 - as of every stage
    """Return a system as it is: the stage of those that have no stages."""
    return system


def places(entry: Entry) -> list[str]:
    """Return the names of the folders for the checkpoints of each stage."""
    count = len(entry.stages)
    return [f"{entry.name}-{number}" for number in range(1, count + 1)] if count else [entry.name]


def begin_again(entry: Entry, folder: Path) -> None:
    """Remove what a training of an entry would go on from."""
    for place in (*places(entry), "ann", ""):
        forget(folder / place)


def count_classes(y: Shaped[Tensor, "samples *time"], names: Sequence[str] = ()) -> int:
    """Return how many classes labels tell apart, which are numbered from 0; all that have names, if they are known."""
    known = y if y.dim() == 1 else y[y != NO_LABEL]
    if y.is_floating_point():
        remedy = "y.astype(int)" if bool((y == y.round()).all()) else "number the classes"
        raise DataError(f"labels must be classes, whole numbers from 0, got floating point: {remedy}")
    if not len(known):
        raise DataError(f"no step has a label, all are {NO_LABEL}: give classes, whole numbers from 0, to learn from")
    if (least := int(known.min())) < 0:
        none = "" if y.dim() == 1 else f"; {NO_LABEL}, or what no_label of the file says, stands where a step has none"
        raise DataError(f"labels must be classes, whole numbers from 0, got {least}: number them{none}")
    classes = int(known.max()) + 1
    if classes == 1:
        raise DataError("all labels are 0, so that there is nothing to tell apart: give samples of two classes or more")
    if names:
        return max(classes, len(names))
    if classes > len(known):
        raise DataError(
            f"labels reach up to {classes - 1}, and there are {len(known)} of them: number the classes from 0 without "
            "gaps"
        )
    return classes
