"""What a network should answer to each sample: classes by number or by name, other outputs, or nothing at all."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Subset

from canonic.errors import DataError, nearest

Sample = tuple[Any, ...]
"""(x1, .., xn, y), or without y where there are no labels: tensors, or a dict of them by the names of the inputs; y the
class, an int; or whole numbers ``[height, width]``, a class for each pixel; or floating point of any shape, the output
that there should be."""

NO_LABEL = -100
"""What stands where there is no label, as a step of a sequence may have none: CrossEntropyLoss leaves it out."""


@dataclass(frozen=True)
class Labels:
    """The labels of a data set; none if it has neither names nor values.

    Args:
        named: the class of each sample, by name.
        values: ``[samples, ...]``: classes as whole numbers, or outputs in floating point.
        advice: how to add labels, for errors.
        numbers: of the classes that have names: in alphabetical order, but for names that are numbers themselves; with
            ``values``, the names of these.

    >>> labels = Labels(["dog", "cat", "dog"])
    >>> labels[0], labels.names, Labels(["10", "9"])[0], Labels()[0]
    ((1,), ('cat', 'dog'), (10,), ())
    """

    named: Sequence[str] = ()
    values: NDArray[np.generic] | None = None
    advice: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.numbers:
            found = sorted(set(self.named))
            numbers = map(int, found) if _are_numbers(found) else range(len(found))
            object.__setattr__(self, "numbers", dict(zip(found, numbers, strict=True)))

    def __bool__(self) -> bool:
        return bool(self.named) or self.values is not None

    def __getitem__(self, index: int) -> tuple[int | Tensor, ...]:
        """Return the label of a sample, in a tuple that is empty where there is none."""
        if self.named:
            return (self.numbers[self.named[index]],)
        if self.values is None:
            return ()
        y = np.array(self.values[index])
        if np.issubdtype(y.dtype, np.floating):
            return (torch.from_numpy(y.astype(np.float32)),)
        return (int(y) if y.ndim == 0 else torch.from_numpy(y.astype(np.int64)),)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes that there are, in the order of their numbers; none if they are numbers."""
        return () if _are_numbers(list(self.numbers)) else tuple(sorted(self.numbers, key=self.numbers.__getitem__))

    @property
    def classes(self) -> Sequence[object]:
        """The class of each sample, a name or a number; none where they have other labels."""
        y = self.values
        return self.named if y is None or y.ndim > 1 or y.dtype.kind == "f" else y.tolist()

    def at(self, places: NDArray[np.intp]) -> "Labels":
        """Return the labels of some of the samples."""
        values = None if self.values is None else self.values[places]
        return replace(self, named=[self.named[place] for place in places] if self.named else (), values=values)

    @property
    def only(self) -> str:
        """The class that all samples have, "" if there are several or none."""
        y = self.values
        classes = y is not None and y.ndim == 1 and not np.issubdtype(y.dtype, np.floating)
        found = np.unique(y).tolist() if classes else sorted(set(self.named))  # type: ignore[arg-type]
        return str(found[0]) if len(found) == 1 else ""


def labels_of(data: Dataset[Sample]) -> Labels:
    """Return the labels of a data set, or of the one that this is a part of."""
    whole = data.dataset if isinstance(data, Subset) else data
    found: Labels = getattr(whole, "labels", Labels())
    return found


def with_classes(
    data: Dataset[Sample], name: str, names: Sequence[str], outputs: int | None
) -> tuple[Dataset[Sample], list[str]]:
    """Return a data set whose classes have the numbers of a network's outputs, and what to say of it.

    Args:
        data: whose classes may have names, as folders give them; where they are numbers it is returned as it is.
        name: of it, for errors.
        names: of the outputs of the network, in their order; none if they are not known.
        outputs: how many it has; None if they are no classes.

    Raises:
        DataError: if the network does not know a class.
    """
    labels = labels_of(data)
    if not labels.named or outputs is None:
        return data, []
    numbers, notes = _numbers(sorted(set(labels.named)), name, names, outputs)
    changed = copy.copy(data)
    changed.labels = replace(labels, numbers=numbers)  # type: ignore[attr-defined]
    return changed, notes


def _numbers(found: Sequence[str], name: str, names: Sequence[str], outputs: int) -> tuple[dict[str, int], list[str]]:
    """Return the number of each class of a data set, and what to say of it."""
    known = {other: index for index, other in enumerate(names)}
    if _are_numbers(found) and not known.keys() >= set(found):
        return _own_numbers(found, name, outputs)
    if known:
        if unknown := [other for other in found if other not in known]:
            raise DataError(
                f"{name} has the class {unknown[0]!r}, which the network does not know "
                f"({nearest(unknown[0], known)}): rename its folder, or name all outputs in their order with --classes"
            )
        return {other: known[other] for other in found}, []
    if len(found) != outputs:
        raise DataError(
            f"{name} has {len(found)} classes ({_some(found)}), but the network has {outputs} outputs, without names: "
            f"name them in their order with --classes, as {','.join(found[:2])},... or as a file of one a line"
        )
    said = f"the network keeps no names: the classes of {name} are numbered in alphabetical order, {_some(found)}"
    return {other: index for index, other in enumerate(found)}, [said]


def _own_numbers(found: Sequence[str], name: str, outputs: int) -> tuple[dict[str, int], list[str]]:
    outside = [other for other in found if int(other) >= outputs]
    if outside:
        raise DataError(
            f"{name} has the class {outside[0]}, but the network tells {outputs} classes apart, numbered from 0: "
            "name its outputs in their order with --classes if the numbers mean others"
        )
    return {other: int(other) for other in found}, [f"the classes of {name} are numbers: each is that output, from 0"]


def _are_numbers(names: Sequence[str]) -> bool:
    return bool(names) and all(name.isascii() and name.isdigit() for name in names)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (" ..." if len(names) > 4 else "")
