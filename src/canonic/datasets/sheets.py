"""Sheets of pictures: many small ones side by side in one large one, as lossless copies of CIFAR-10 are kept."""

import io
import math
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from canonic.datasets.arrays import Array, Arrays
from canonic.datasets.data import Preprocessing
from canonic.datasets.filelabels import labels_in_file
from canonic.datasets.npz import read
from canonic.datasets.parts import require_part
from canonic.errors import DataError

NAMES = "labels.npz"
"""File of the labels, an array for each part, beside the one .zip of sheets part_NN, row by row."""


def is_of_sheets(folder: Path) -> bool:
    """Tell whether a folder holds sheets of pictures."""
    return (folder / NAMES).is_file() and len(list(folder.glob("*.zip"))) == 1


def pictures_on_sheets(folder: Path, part: str, prepare: Preprocessing) -> Arrays:
    """Return the pictures of a part: square ones, cut out of sheets row by row, in the order of the labels.

    Args:
        folder: with a .zip of sheets ``train_00.webp``, ..., ``test_00.webp``, ..., all full, and ``labels.npz`` with
            the classes ``train`` and ``test``.
        part: "train" or "test".
        prepare: applied to each picture.

    Raises:
        DataError: if the part is not said, a file is damaged, or the sheets do not hold a picture for each label.
    """
    require_part(folder, part)
    arrays = read(folder / NAMES)
    if part not in arrays:
        raise DataError(f"{folder / NAMES} lacks the array {part}, the class of each picture")
    count = len(arrays[part])
    labels, notes = labels_in_file(folder / NAMES, part, arrays, count)
    (path,) = folder.glob("*.zip")
    sheets = _sheets(path, part)
    return Arrays([_cut(path, sheets, count)], labels, prepare, notes)


def _sheets(path: Path, part: str) -> Array:
    """Return the sheets of a part, uint8 ``[sheets, height, width, 3]``."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.startswith(f"{part}_"))
            read_sheets = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged ({error}): copy it again") from None
    if len({sheet.shape for sheet in read_sheets}) != 1:
        raise DataError(f"{path} must hold sheets {part}_NN of one size, it holds {len(names)}")
    return np.stack(read_sheets)


def _cut(path: Path, sheets: Array, count: int) -> Array:
    """Return the pictures on sheets, uint8 ``[count, side, side, 3]``."""
    number, height, width, channels = sheets.shape
    side = math.isqrt(number * height * width // max(count, 1))
    if side < 1 or height % side or width % side or number * (height // side) * (width // side) != count:
        raise DataError(
            f"{path}: {number} sheets of {height} x {width} pixels cannot be cut into {count} square pictures, one for "
            "each label: they must be full"
        )
    tiles = sheets.reshape(number, height // side, side, width // side, side, channels)
    return tiles.transpose(0, 1, 3, 2, 4, 5).reshape(count, side, side, channels)
