"""What a system of the zoo is trained and measured on, in memory, prepared as it takes it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.utils.data import TensorDataset

from canonic.datasets import Preprocessing, labels_of, open_data, sample, with_classes
from canonic.datasets.events import Recordings
from canonic.datasets.labels import NO_LABEL, Labels
from canonic.datasets.parts import train_and_test
from canonic.errors import DataError
from canonic.learn.batches import in_memory, require_label, require_labelled
from canonic.learn.losses import labelled
from canonic.learn.zoo.entry import Entry
from canonic.learn.zoo.training import count_classes, require_kind


@dataclass(frozen=True)
class Samples:
    """Samples of a system.

    Attributes:
        train: to learn from.
        test: to be measured on; nothing is chosen by them.
        validate: by which the best epoch is chosen; None if the last is kept.
        prepare: what was applied to each.
        classes: their names, in their order; none if they are numbers.
        notes: what was made of the data that the user did not ask for.
    """

    train: TensorDataset
    test: TensorDataset
    validate: TensorDataset | None
    prepare: Preprocessing
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def samples_of(
    entry: Entry,
    train: str,
    test: str = "",
    validate: str = "",
    *,
    prepare: Preprocessing | None = None,
    limit: int | None = None,
) -> Samples:
    """Read samples, by names as for ``open_data``.

    Args:
        entry: that they are for: unless ``prepare`` normalises, pictures are standardised for it, with the mean and the
            standard deviation of those to learn from, and of features with those of each; or they lie in [0, 1].
        train: to learn from.
        test: to measure on; by default the other part of data that are known to have parts, as digits.
        validate: to choose the best epoch by; none if empty.
        prepare: applied to each.
        limit: learn from at most so many.

    Raises:
        DataError: if there are none, they have no labels, are not finite or not of the kind of the entry, nothing is
            said to measure on, what is measured on has a class more, or they should lie in [0, 1] and do not.
    """
    prepare = Preprocessing() if prepare is None else prepare
    train, test = (train, test) if test else train_and_test(train)
    data = {name: open_data(name, prepare) for name in (train, test, validate) if name}
    for name, each in data.items():
        require_labelled(each, name)
        if prepare.frames is not None and not isinstance(each, Recordings):
            raise DataError(
                f"{prepare.frames} frames are asked for, {name} holds no recordings of events: leave it out"
            )
    names = labels_of(data[train]).names
    if names:  # the classes of all parts are numbered as those that are learned from: a part may lack some
        data = {name: with_classes(each, name, names, len(names))[0] for name, each in data.items()}
    opened = [in_memory(sample(data[train], limit)), *(in_memory(data[name]) for name in (test, validate) if name)]
    parts = dict(zip((train, test, validate), opened, strict=False))
    _require_alike(parts)
    for part in opened:
        require_kind(entry, part)
    _require_finite(parts)
    _require_classes(parts, labels_of(data[train]), limit)
    normalised = bool(prepare.mean or prepare.std)
    if entry.kind == "pictures" and not entry.standardised:
        _require_unit(entry.name, parts, normalised=normalised)
    elif entry.kind == "pictures" and not normalised:
        ready = standardising(opened[0].tensors[0])
        opened = [TensorDataset(torch.vmap(ready)(part.tensors[0]), part.tensors[1]) for part in opened]
        prepare = replace(prepare, mean=ready.mean, std=ready.std)
    notes = dict.fromkeys(note for each in data.values() for note in getattr(each, "notes", ()))
    chosen = opened[2] if validate else None
    return Samples(opened[0], opened[1], chosen, prepare, names, (*notes, *_unseen(names, opened[0].tensors[1])))


def _unseen(names: Sequence[str], y: Tensor) -> list[str]:
    """Return what to say of classes that have a name and no sample to learn from."""
    seen = set(y.flatten().tolist())
    missing = [name for number, name in enumerate(names) if number not in seen]
    some = ", ".join(missing[:4]) + " ..." * (len(missing) > 4)
    return [f"no sample that is learned from is of the class {some}"] if missing else []


def _require_alike(parts: Mapping[str, TensorDataset]) -> None:
    shapes = {name: list(part.tensors[0].shape[1:]) for name, part in parts.items()}
    first, *others = shapes.items()
    for name, shape in others:
        if shape != first[1]:
            raise DataError(f"samples of {name} have the shape {shape}, those of {first[0]} {first[1]}: give both one")


def _require_finite(parts: Mapping[str, TensorDataset]) -> None:
    for name, part in parts.items():
        if not part.tensors[0].isfinite().all():
            raise DataError(f"{name} holds NaN or infinity: clean the data first (torch.isfinite finds them)")


def _require_classes(parts: Mapping[str, TensorDataset], labels: Labels, limit: int | None) -> None:
    """Raise a DataError if labels are no classes, or a part has one more than the first, before anything is trained."""
    for name, part in parts.items():
        require_label(part, name)
    (name, first), *others = parts.items()
    try:
        classes = count_classes(first.tensors[1], labels.names)
        for _, other in others:
            labelled(other.tensors[1], classes, without=NO_LABEL)
    except DataError:
        left, there = len(set(first.tensors[1].flatten().tolist())), len(set(labels.classes))
        if limit is None or left >= there:
            raise
        raise DataError(
            f"--limit {limit} leaves samples of {left} of the {there} classes of {name} to learn from: take more"
        ) from None


def _require_unit(name: str, parts: Mapping[str, TensorDataset], *, normalised: bool) -> None:
    """Raise a DataError unless all numbers, as they are fed to a network, lie in [0, 1]."""
    bounds = {part: [float(bound) for bound in samples.tensors[0].aminmax()] for part, samples in parts.items()}
    for part, (least, largest) in bounds.items():
        if least < 0 or largest > 1:
            mean, std = scaling(min(low for low, _ in bounds.values()), max(high for _, high in bounds.values()))
            remedy = (
                "leave both out to be told which ones fit"
                if normalised
                else f"scale them, in the file or with --mean {mean:.15g} --std {std:.15g}"
            )
            raise DataError(
                f"numbers of {part} lie in [{least:g}, {largest:g}]{' by --mean and --std' * normalised}, and {name} "
                f"takes them in [0, 1]: {remedy}"
            )


def scaling(least: float, largest: float) -> tuple[float, float]:
    """Return a mean and a standard deviation, rounded outward, that bring numbers in float32 into [0, 1].

    >>> scaling(-0.30000001192092896, 12.0), scaling(0.0, 255.0)
    ((-0.31, 12.31), (0.0, 255.0))
    """
    start, end = min(least, 0.0), max(largest, 0.0)
    digits = decimals(end - start)
    mean = round(math.floor(start * 10**digits) / 10**digits, digits)
    std = round(math.ceil((end - mean) * 10**digits) / 10**digits, digits)
    while Preprocessing((mean,), (std,))(torch.tensor([[end]])).item() > 1:
        std = round(std + 10**-digits, digits)
    return mean, std


def decimals(size: float) -> int:
    """Return behind which decimal a number of this size has four digits: a negative one before the point.

    >>> decimals(0.5), decimals(255.0), decimals(0.00001)
    (4, 1, 8)
    """
    return 3 - math.floor(math.log10(size))


def standardising(x: Shaped[Tensor, "samples ..."]) -> Preprocessing:
    """Return what gives samples the mean 0 and the standard deviation 1: all channels alike, each feature by itself.

    What is the same in all samples, up to the rounding of float32, is not scaled.

    >>> ready = standardising(torch.tensor([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]))
    >>> ready.mean, ready.std
    ([2.0, 5.0], [1.0, 1.0])
    """
    numbers, over = x.double(), 0 if x.dim() == 2 else None
    mean, std = numbers.mean(over), numbers.std(over)
    std = std.where(std > torch.finfo(torch.float32).eps * mean.abs(), 1.0)
    if x.dim() == 2:
        return Preprocessing(mean.tolist(), std.tolist())
    digits = max(4, decimals(float(std)))
    return Preprocessing((round(float(mean), digits),), (round(float(std), digits),))
