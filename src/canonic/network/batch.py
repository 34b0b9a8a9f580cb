"""A batch as people give it: a tensor, a tuple or a dict; the inputs of a network in it, and the labels behind them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from canonic.errors import DataError, nearest
from canonic.words import one

LABELS = ("labels", "label", "y")
"""The keys under which a dict may hold what the network should answer."""


@dataclass(frozen=True)
class Batch:
    """What a batch holds, as it was given.

    Attributes:
        inputs: of the network, in its order; fewer than it takes if the batch holds no more.
        labels: what follows them; None if nothing does.
    """

    inputs: tuple[object, ...]
    labels: object = None


def require_batches(data: object, purpose: str) -> None:
    """Raise a DataError unless something can hold batches: a single one cannot, nor can a data set of samples."""
    if isinstance(data, tuple) and len(data) == 2 and _labelled(*data):
        raise DataError(f"{purpose} must be an iterable of batches, got one, (x, y): pass [(x, y)], or a DataLoader")
    samples = isinstance(data, Dataset) and not isinstance(data, Iterable)
    single = samples or isinstance(data, Tensor | np.ndarray | Mapping | str)
    if not single and (isinstance(data, Iterable) or hasattr(data, "__getitem__")):
        return
    seen = "one tensor" if isinstance(data, Tensor) else described(data)
    passed = "[torch.from_numpy(x)]" if isinstance(data, np.ndarray) else "[x]"
    advice = "pass DataLoader(data, batch_size=100)" if samples else f"pass {passed}, or a DataLoader"
    raise DataError(f"{purpose} must be an iterable of batches, got {seen}: {advice}")


def _labelled(x: object, y: object) -> bool:
    """Whether y holds classes of x, so that the two are one batch."""
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        return False
    return x.dim() > y.dim() == 1 and len(x) == len(y) and not y.is_floating_point()


def parted(batch: object, names: Sequence[str], where: str) -> Batch:
    """Return the inputs of a batch and its labels.

    Args:
        batch: a tensor; ``(x1, ..., xn, y)``; ``((x1, ..., xn), y)``; a dict of the inputs by name and of the labels
            as "labels", "label" or "y"; or ``(dict, y)``.
        names: of the inputs of the network.
        where: whose batch it is, for errors.

    Raises:
        DataError: if it is none of these, or a dict lacks an input.

    >>> parted({"mask": 1, "ids": 2, "labels": 3}, ["ids", "mask"], "the batch")
    Batch(inputs=(2, 1), labels=3)
    >>> parted(((1, 2), 3), ["a", "b"], "the batch") == parted((1, 2, 3), ["a", "b"], "the batch")
    True
    """
    if isinstance(batch, Tensor):
        return Batch((batch,))
    if isinstance(batch, Mapping):
        return Batch(by_name(batch, names, where), labels_in(batch, names))
    if not isinstance(batch, list | tuple):
        raise DataError(
            f"{where} must be a tensor, a tuple or a dict of tensors, got {described(batch)}: {remedy(batch)}"
        )
    first = batch[0] if batch else None
    if isinstance(first, Mapping):
        return Batch(by_name(first, names, where), _after(batch, 1))
    if isinstance(first, list | tuple) and len(first) == len(names):
        return Batch(tuple(first), _after(batch, 1))
    return Batch(tuple(batch[: len(names)]), _after(batch, len(names)))


def by_name(given: Mapping[str, object], names: Iterable[str], where: str) -> tuple[object, ...]:
    """Return the values of these names, in their order; others are left out.

    Raises:
        DataError: if one is missing.
    """
    missing = [name for name in names if name not in given]
    if missing:
        raise DataError(
            f"{where} is {described(given)}, and lacks the input{'s' * (len(missing) > 1)} {', '.join(missing)} of the "
            f"network ({nearest(missing[0], map(str, given))}): give each input under its name"
        )
    return tuple(given[name] for name in names)


def named_in(batch: object) -> Mapping[str, object] | None:
    """Return the dict in which a batch holds its inputs by name; None if it holds them in another form."""
    first = batch[0] if isinstance(batch, list | tuple) and batch else batch
    return first if isinstance(first, Mapping) else None


def labels_in(given: Mapping[str, object], names: Iterable[str]) -> object:
    """Return the labels in a dict; None if there are none."""
    return next((given[key] for key in LABELS if key in given and key not in set(names)), None)


def _after(batch: Sequence[object], count: int) -> object:
    return batch[count] if len(batch) > count else None


def described(value: object) -> str:
    """Return what something is, in a few words, for errors.

    >>> described({"x": 1}), described([1, 2]), described(np.zeros((2, 3)))
    ('a dict with the keys x', 'a list of 2 ints', 'a numpy array float64 [2, 3]')
    """
    if isinstance(value, Tensor):
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, Mapping):
        return f"a dict with the keys {', '.join(map(str, value)) or '(none)'}"
    if isinstance(value, list | tuple):
        kinds = sorted({type(item).__name__ for item in value})
        some = f"{kinds[0]}s" if len(kinds) == 1 else " and ".join(kinds[:3])
        return f"{one(type(value).__name__)} of {len(value)} {some}" if value else f"an empty {type(value).__name__}"
    if isinstance(value, np.ndarray):
        return f"a numpy array {value.dtype} {list(value.shape)}"
    return type(value).__name__


def remedy(value: object) -> str:
    """Return what to pass in place of something that is no real tensor ``[batch, *shape]``."""
    if isinstance(value, Tensor) and value.is_complex():
        return "give a complex number as two real ones, torch.view_as_real(x)"
    if isinstance(value, Tensor):
        return "keep the batch axis"
    if isinstance(value, np.ndarray):
        return "pass a tensor, torch.from_numpy(x)"
    if isinstance(value, Mapping):
        return "give each input of the network under its name, or as a tuple in the order of its forward"
    if isinstance(value, list | tuple) and value and all(isinstance(item, Tensor) for item in value):
        return "make one tensor of the samples, torch.stack(x)"
    if isinstance(value, list | tuple):
        return "make a tensor of them, torch.tensor(x)"
    return "pass tensors, (x,) or (x, y)"
