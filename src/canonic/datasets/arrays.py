"""Arrays: an .npz file with x, most with y, and scikit-learn's handwritten digits."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from canonic.datasets.data import Preprocessing, Sample
from canonic.errors import DataError

CHANNELS = (1, 3)
"""Numbers of channels that tell where a picture has them."""


class Arrays(Dataset[Sample]):
    """Samples in memory.

    Args:
        x: floating point ``[samples, *shape]``, or uint8 pictures ``[samples, height, width(, channels)]``. Four axes
            are ``[samples, channels, height, width]`` where there are 1 or 3 channels and the width is neither.
        y: classes ``[samples]``, or floating point ``[samples, ...]``: what the output should be; None if unknown.
        prepare: applied to each sample.
    """

    def __init__(self, x: NDArray[np.generic], y: NDArray[np.generic] | None, prepare: Preprocessing) -> None:
        self.x, self.y, self.prepare = x, y, prepare
        self.classes = [str(label) for label in np.unique(y)] if y is not None and _are_classes(y) else []

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Sample:
        x = self.prepare(_sample(self.x[index]))
        return (x,) if self.y is None else (x, _label(self.y[index]))


def _sample(x: NDArray[np.generic]) -> Tensor:
    if x.dtype != np.uint8:
        return torch.from_numpy(np.array(x, dtype=np.float32))
    picture = torch.from_numpy(np.array(x, dtype=np.float32)) / 255
    if picture.dim() == 2:
        return picture[None]
    channels_first = picture.shape[0] in CHANNELS and picture.shape[2] not in CHANNELS
    return picture if channels_first else picture.permute(2, 0, 1)


def _label(y: NDArray[np.generic] | np.generic) -> int | Tensor:
    return torch.from_numpy(np.array(y, dtype=np.float32)) if np.issubdtype(y.dtype, np.floating) else int(y)


def _are_classes(y: NDArray[np.generic]) -> bool:
    return y.ndim == 1 and np.issubdtype(y.dtype, np.integer)


def arrays_in_file(path: Path, prepare: Preprocessing) -> Arrays:
    """Return the samples in an .npz file with the array x, and y if it has labels.

    Raises:
        DataError: if the file is damaged, or the arrays do not fit.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if "x" not in file.files:
                raise DataError(f"{path} lacks the array x; it holds {', '.join(file.files) or 'nothing'}")
            x, y = file["x"], file["y"] if "y" in file.files else None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path} is no .npz file, or it is damaged ({error}): write it again with numpy.savez"
        ) from None
    _require_samples(path, x)
    if y is not None:
        _require_labels_of(path, x, y)
    return Arrays(x, y, prepare)


def _require_samples(path: Path, x: NDArray[np.generic]) -> None:
    if x.ndim == 0:
        raise DataError(f"{path}: x must be [samples, ...], got one number")
    if x.dtype == np.uint8 and x.ndim not in (3, 4):
        raise DataError(
            f"{path}: pictures must be uint8 [samples, height, width(, channels)] or [samples, channels, height, "
            f"width], got {x.shape}"
        )


def _require_labels_of(path: Path, x: NDArray[np.generic], y: NDArray[np.generic]) -> None:
    if not (_are_classes(y) or (y.ndim > 0 and np.issubdtype(y.dtype, np.floating))):
        raise DataError(
            f"{path}: y must hold whole numbers [samples] as classes, or floating point [samples, ...] as what the "
            f"output should be, got {y.dtype} {y.shape}"
        )
    if len(x) != len(y):
        raise DataError(f"{path}: x holds {len(x)} samples, y {len(y)}: give one class or target for each")
    if not np.isfinite(y).all():
        raise DataError(f"{path}: y holds NaN or infinity: clean the data first (numpy.isfinite finds them)")


def digits(prepare: Preprocessing) -> Arrays:
    """Return scikit-learn's 1,797 handwritten digits, ``[1, 8, 8]`` in [0, 1] (Alpaydin and Kaynak, 1998)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return Arrays((bunch.images / 16).astype(np.float32)[:, None], bunch.target, prepare)
