"""In which order a training sees its samples, and what it draws: both follow from the seed and the place alone."""

import hashlib
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int, Shaped
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from canonic.checks import real
from canonic.datasets import Data, collate, labels_of
from canonic.datasets.labels import NO_LABEL
from canonic.errors import DataError
from canonic.words import counted, one

Batch = tuple[Shaped[Tensor, "batch ..."], Shaped[Tensor, "batch ..."]]
"""Samples ``[batch, *shape]``, and their labels: classes ``[batch]``, or a class for each step ``[batch, time]``."""


def drawn(*parts: int) -> int:
    """Return a seed that is as by chance, for some numbers: no generator has to be kept, and any place can be resumed.

    >>> drawn(0, 1), drawn(0, 2)
    (46666290180431037, 8836118753132859)
    """
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7])


def shuffled(samples: int, batch: int, seed: int) -> tuple[Int[Tensor, "batch"], ...]:
    """Return the samples of each update of an epoch: at most ``batch``, and nearly as many in all.

    >>> [places.tolist() for places in shuffled(5, 2, seed=0)]
    [[4, 0], [1, 3], [2]]
    """
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(seed))
    return order.tensor_split(-(-samples // batch))


def held_out(data: Data, share: float, seed: int) -> tuple[Data, Data]:
    """Return samples without a share of them, and that share, as the seed draws them.

    Raises:
        DataError: if nothing is left of one of the two.

    >>> rest, held = held_out(TensorDataset(torch.arange(8), torch.arange(8)), 0.25, seed=0)
    >>> [x.item() for x, _ in rest], [x.item() for x, _ in held]
    ([6, 7, 3, 5, 2, 1], [4, 0])
    """
    count = len(data)  # type: ignore[arg-type]
    share = real("the share that is held out", share, "take 0.1")
    held = round(share * count) if 0 < share < 1 else 0
    if not 0 < held < count:
        raise DataError(
            f"a share of {share:g} of {counted(count, 'sample')} cannot be held out: take one between 0 and 1, "
            "say 0.1, that leaves some of both"
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(drawn(seed, count)))
    own, rest = order[:held], order[held:]
    if isinstance(data, TensorDataset):
        return TensorDataset(*taken(data, rest)), TensorDataset(*taken(data, own))
    return Subset(data, rest.tolist()), Subset(data, own.tolist())


def taken(data: Data, places: Sequence[int] | Int[Tensor, "batch"]) -> Batch:
    """Return some samples and their labels."""
    if isinstance(data, TensorDataset):
        x, y = (tensor[places] for tensor in data.tensors)
        return x, y
    x, y = collate([data[int(place)] for place in places])
    return x, y


def in_order(data: Data, batch: int, rank: int = 0, world: int = 1) -> Iterator[Batch]:
    """Yield all batches of a data set, or those of one of several processes."""
    count = len(data)  # type: ignore[arg-type]
    for start in range(rank * batch, count, world * batch):
        yield taken(data, torch.arange(start, min(start + batch, count)))


def in_memory(data: Data, batch: int = 1000) -> TensorDataset:
    """Return a data set as two tensors, so that reading it costs nothing from then on."""
    if isinstance(data, TensorDataset):
        return data
    x, y = zip(*in_order(data, batch), strict=True)
    return TensorDataset(torch.cat(x), torch.cat(y))


def require_label(data: Data, name: str) -> None:
    """Raise a DataError if labels are those of steps, and no step of a data set has one."""
    labels = (data[place][1] for place in range(len(data)))  # type: ignore[arg-type]
    if all(isinstance(y, Tensor) and y.dim() and bool((y == NO_LABEL).all()) for y in labels):
        raise DataError(f"no step of {name} has a label, all are {NO_LABEL}: give classes from 0 on, or other samples")


def require_labelled(data: Data, name: str) -> None:
    """Raise a DataError unless a data set has samples, each one tensor with a label."""
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise DataError(
            f"{name} must be a data set, samples (x, y) by their numbers, got {one(type(data).__name__)}: give "
            "TensorDataset(x, y), or the dataset of a DataLoader, whose batches the recipe says"
        )
    if not len(data):
        raise DataError(f"{name} is empty: give samples with labels")
    parts = data[0]
    if len(parts) == 1:
        raise DataError(f"{name} has no labels: {labels_of(data).advice or 'a sample is (x, y), y its class'}")
    if len(parts) != 2 or not isinstance(parts[0], Tensor):
        raise DataError(
            f"a sample of {name} has {len(parts) - 1} inputs: one tensor is what a network in time takes, "
            "as of TensorDataset(x, y)"
        )
