"""What a data set is: numbered samples, most with labels, and the preprocessing that a network expects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset, Subset

from canonic.datasets.labels import Sample, labels_of
from canonic.errors import DataError

Data = Dataset[Sample]
"""Samples; pictures are ``[channels, height, width]`` in [0, 1] before preprocessing."""

LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Preprocessing:
    """How pictures are made ready for a network: resized, then normalised channel by channel.

    Args:
        mean: subtracted from each channel; none if empty.
        std: divides each channel; none if empty.
        size: height and width in pixels; as they are if None.
        grey: turn three channels into one (luma of ITU-R BT.601).
        frames: steps that a recording of events is cut into, all of one length; 10 if None.

    >>> Preprocessing(mean=(0.5,), std=(0.25,))(torch.ones(1, 2, 2)).unique().tolist()
    [2.0]
    """

    mean: Sequence[float] = ()
    std: Sequence[float] = ()
    size: int | None = None
    grey: bool = False
    frames: int | None = None

    def __post_init__(self) -> None:
        if any(s <= 0 for s in self.std):
            raise DataError(f"std must be positive, got {tuple(self.std)}")
        if self.size is not None and self.size < 1:
            raise DataError(f"size must be at least 1 pixel, got {self.size}")
        if self.frames is not None and self.frames < 1:
            raise DataError(f"a recording has at least 1 frame, got {self.frames}")

    def __call__(self, x: Float[Tensor, "_ *_"]) -> Float[Tensor, "_ *_"]:
        """Return one sample as the network expects it.

        Raises:
            DataError: if it has other channels than mean and std, or is no picture and should be resized.
        """
        if self.grey and len(x) == 3:
            x = (x * torch.tensor(LUMA).view(3, 1, 1)).sum(0, keepdim=True)
        if self.size is not None and x.shape[1:] != (self.size, self.size):
            x = _resized(x, self.size)
        return (x - _by_channel("mean", self.mean, x, 0.0)) / _by_channel("std", self.std, x, 1.0)

    def __bool__(self) -> bool:
        return any((self.mean, self.std, self.size, self.grey))


def _resized(x: Tensor, size: int) -> Tensor:
    if x.dim() != 3:
        raise DataError(f"samples of the shape {list(x.shape)} are no pictures, and cannot be resized to {size} pixels")
    return torch.nn.functional.interpolate(x[None], (size, size), mode="bilinear", antialias=True)[0]


def _by_channel(name: str, values: Sequence[float], x: Tensor, neutral: float) -> Tensor:
    if values and len(values) not in (1, len(x)):
        raise DataError(f"{name} has {len(values)} values, the samples have {len(x)} channels: give one for each")
    return torch.tensor(list(values) or [neutral], dtype=x.dtype).view(-1, *[1] * (x.dim() - 1))


def sample(data: Data, limit: int | None) -> Data:
    """Return at most this many samples, evenly spaced, so that a data set sorted by class keeps all its classes.

    Raises:
        DataError: if the limit is not positive.
    """
    if limit is not None and limit < 1:
        raise DataError(f"the limit must be at least 1 sample, got {limit}")
    count = len(data)  # type: ignore[arg-type]
    if limit is None or limit >= count:
        return data
    return Subset(data, [index * count // limit for index in range(limit)])


def inputs_of(data: Data) -> tuple[Tensor, ...] | Mapping[str, Tensor]:
    """Return the inputs of the first sample: in their order, or by name."""
    first = data[0]
    given = first[:-1] if labels_of(data) else first
    return given[0] if isinstance(given[0], Mapping) else given


def unlabelled(data: Data, name: str) -> list[str]:
    """Return what to say of samples that come without what the network should answer; nothing if they have it."""
    labels = labels_of(data)
    return [] if labels or not len(data) else [f"{name} holds no labels: {labels.advice}"]  # type: ignore[arg-type]


def collate(samples: Sequence[Sample]) -> tuple[Any, ...]:
    """Return samples as a batch (x1, .., xn, y), y int64 ``[batch]`` for classes, or floating point; without y if so.

    Raises:
        DataError: if they differ in shape.

    >>> collate([(torch.zeros(2), 3), (torch.ones(2), 1)])[1]
    tensor([3, 1])
    """
    return tuple(_stacked(parts) for parts in zip(*samples, strict=True))


def _stacked(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], Mapping):
        return {name: _stacked([part[name] for part in parts]) for name in parts[0]}
    tensors = [torch.as_tensor(part) for part in parts]
    shapes = sorted({"x".join(map(str, tensor.shape)) for tensor in tensors})
    if len(shapes) > 1:
        raise DataError(f"the pictures differ in size ({', '.join(shapes[:3])} ...): give them one, with --size")
    return torch.stack(tensors)
