"""Arrays: an .npz file with x and y, and scikit-learn's handwritten digits."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from canonic.datasets.data import Preprocessing
from canonic.errors import DataError


class Arrays(Dataset[tuple[Tensor, int]]):
    """Samples in memory.

    Args:
        x: floating point ``[samples, *shape]``, or uint8 pictures ``[samples, height, width(, channels)]``.
        y: classes ``[samples]``.
        prepare: applied to each sample.
    """

    def __init__(self, x: NDArray[np.generic], y: NDArray[np.integer], prepare: Preprocessing) -> None:
        self.x, self.y, self.prepare = x, y, prepare
        self.classes = [str(label) for label in np.unique(y)]

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.prepare(_sample(self.x[index])), int(self.y[index])


def _sample(x: NDArray[np.generic]) -> Tensor:
    if x.dtype != np.uint8:
        return torch.from_numpy(np.array(x, dtype=np.float32))
    picture = torch.from_numpy(np.array(x, dtype=np.float32)) / 255
    return picture[None] if picture.dim() == 2 else picture.permute(2, 0, 1)


def arrays_in_file(path: Path, prepare: Preprocessing) -> Arrays:
    """Return the samples in an .npz file with the arrays x and y.

    Raises:
        DataError: if the file is damaged, or the arrays do not fit.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            missing = {"x", "y"} - set(file.files)
            if missing:
                raise DataError(
                    f"{path} lacks the array {' and '.join(sorted(missing))}; it holds {', '.join(file.files)}"
                )
            x, y = file["x"], file["y"]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path} is no .npz file, or it is damaged ({error}): write it again with numpy.savez"
        ) from None
    if len(x) != len(y) or y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise DataError(
            f"{path}: y must hold one whole number for each of the {len(x)} samples, got {y.dtype} {y.shape}"
        )
    if x.dtype == np.uint8 and x.ndim not in (3, 4):
        raise DataError(f"{path}: pictures must be uint8 [samples, height, width(, channels)], got {x.shape}")
    return Arrays(x, y, prepare)


def digits(prepare: Preprocessing) -> Arrays:
    """Return scikit-learn's 1,797 handwritten digits, ``[1, 8, 8]`` in [0, 1] (Alpaydin and Kaynak, 1998)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return Arrays((bunch.images / 16).astype(np.float32)[:, None], bunch.target, prepare)
