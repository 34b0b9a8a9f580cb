"""What a data set is: numbered samples with labels, and the preprocessing that a network expects."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset, Subset

from canonic.errors import DataError

Data = Dataset[tuple[Tensor, int]]
"""Samples (x, y): pictures are ``[channels, height, width]`` in [0, 1] before preprocessing; y is the class."""


LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Preprocessing:
    """How pictures are made ready for a network: resized, then normalised channel by channel.

    Args:
        mean: subtracted from each channel; none if empty.
        std: divides each channel; none if empty.
        size: height and width in pixels; as they are if None.
        grey: turn three channels into one (luma of ITU-R BT.601).

    >>> Preprocessing(mean=(0.5,), std=(0.25,))(torch.ones(1, 2, 2)).unique().tolist()
    [2.0]
    """

    mean: Sequence[float] = ()
    std: Sequence[float] = ()
    size: int | None = None
    grey: bool = False

    def __post_init__(self) -> None:
        if any(s <= 0 for s in self.std):
            raise DataError(f"std must be positive, got {tuple(self.std)}")
        if self.size is not None and self.size < 1:
            raise DataError(f"size must be at least 1 pixel, got {self.size}")

    def __call__(self, x: Float[Tensor, "_ *_"]) -> Float[Tensor, "_ *_"]:
        """Return one sample as the network expects it."""
        if self.grey and len(x) == 3:
            x = (x * torch.tensor(LUMA).view(3, 1, 1)).sum(0, keepdim=True)
        if self.size is not None and x.shape[1:] != (self.size, self.size):
            x = torch.nn.functional.interpolate(x[None], (self.size, self.size), mode="bilinear", antialias=True)[0]
        return (x - _by_channel("mean", self.mean, x, 0.0)) / _by_channel("std", self.std, x, 1.0)


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


def collate(samples: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    """Return samples as a batch.

    Raises:
        DataError: if they differ in shape.
    """
    shapes = sorted({"x".join(map(str, x.shape)) for x, _ in samples})
    if len(shapes) > 1:
        raise DataError(f"the pictures differ in size ({', '.join(shapes[:3])} ...): give them one, with --size")
    return torch.stack([x for x, _ in samples]), torch.tensor([y for _, y in samples])
