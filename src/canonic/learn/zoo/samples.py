"""What a system of the zoo is trained and measured on, in memory, prepared as it takes it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.utils.data import TensorDataset

from canonic.datasets import Preprocessing, labels_of, open_data, sample, with_classes
from canonic.datasets.events import Recordings
from canonic.datasets.labels import NO_LABEL
from canonic.datasets.parts import train_and_test
from canonic.errors import DataError
from canonic.learn.batches import in_memory, require_label, require_labelled
from canonic.learn.losses import labelled
from canonic.learn.zoo.entry import Entry
from canonic.learn.zoo.training import count_classes


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
        DataError: if there are none, they have no labels or are not finite, nothing is said to measure on, what is
            measured on has a class more, or they should lie in [0, 1] and do not.
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
    _require_finite(parts)
    _require_classes(parts)
    as_is = entry.kind != "pictures" or prepare.mean or prepare.std
    if not as_is and not entry.standardised:
        _require_unit(entry.name, parts)
    elif not as_is:
        ready = standardising(opened[0].tensors[0])
        opened = [TensorDataset(torch.vmap(ready)(part.tensors[0]), part.tensors[1]) for part in opened]
        prepare = replace(prepare, mean=ready.mean, std=ready.std)
    notes = tuple(dict.fromkeys(note for each in data.values() for note in getattr(each, "notes", ())))
    chosen = opened[2] if validate else None
    return Samples(opened[0], opened[1], chosen, prepare, names, notes)


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


def _require_classes(parts: Mapping[str, TensorDataset]) -> None:
    """Raise a DataError if labels are no classes, or a part has one more than the first, before anything is trained."""
    for name, part in parts.items():
        require_label(part, name)
    first, *others = parts.values()
    classes = count_classes(first.tensors[1])
    for other in others:
        labelled(other.tensors[1], classes, without=NO_LABEL)


def _require_unit(name: str, parts: Mapping[str, TensorDataset]) -> None:
    for part, samples in parts.items():
        least, largest = (float(bound) for bound in samples.tensors[0].aminmax())
        if least < 0 or largest > 1:
            start = min(least, 0.0)
            raise DataError(
                f"numbers of {part} lie in [{least:g}, {largest:g}], and {name} takes them in [0, 1]: scale them, in "
                f"the file or with --mean {start:g} --std {largest - start:g}"
            )


def standardising(x: Shaped[Tensor, "samples ..."]) -> Preprocessing:
    """Return what gives samples the mean 0 and the standard deviation 1: all channels alike, each feature by itself.

    >>> ready = standardising(torch.tensor([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]))
    >>> ready.mean, ready.std
    ([2.0, 5.0], [1.0, 1.0])
    """
    numbers = x.double()
    if x.dim() == 2:
        deviations = numbers.std(0)
        return Preprocessing(numbers.mean(0).tolist(), deviations.where(deviations > 0, 1.0).tolist())
    return Preprocessing((round(float(numbers.mean()), 4),), (max(round(float(numbers.std()), 4), 1e-4),))
