"""Labels as files of arrays hold them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from canonic.datasets.arrays import Array
from canonic.datasets.labels import NO_LABEL, Labels
from canonic.errors import DataError

ADVICE = (
    "add the array y to it, whole numbers or names [samples] as classes, or floating point [samples, ...] as what the "
    "output should be"
)

UNKNOWN = 255
"""What stands for no label among bytes that are labels of steps or pixels, unless the file says another one."""


def labels_in_file(
    path: Path, name: str, arrays: Mapping[str, Array], samples: int, steps: Sequence[int] = ()
) -> tuple[Labels, list[str]]:
    """Return labels as they are meant, and what was made of them.

    Args:
        path: of the file, for errors.
        name: of the array of labels.
        arrays: of the file; ``classes`` are the names of the classes, ``no_label`` the number that is none.
        samples: that there are.
        steps: of each, if they are sequences.

    Raises:
        DataError: if they are no labels of these samples.
    """
    y = arrays[name]
    if not ((y.ndim == 1 and y.dtype.kind == "U") or (y.ndim > 0 and y.dtype.kind in "iubf")):
        raise DataError(
            f"{path}: {name} must hold whole numbers or names [samples] as classes, whole numbers [samples, height, "
            "width] as a class for each pixel, or floating point [samples, ...] as what the output should be, got "
            f"{y.dtype} {y.shape}"
        )
    if len(y) != samples:
        raise DataError(f"{path}: it holds {samples} samples, {name} {len(y)}: give one class or target for each")
    if y.dtype.kind == "U":
        return Labels(y.tolist(), advice=ADVICE), []
    of_steps = y.dtype.kind in "iu" and y.ndim == 2 and y.shape[1:] == tuple(steps)
    if not np.isfinite(y).all():
        raise DataError(f"{path}: {name} holds NaN or infinity: clean the data first (numpy.isfinite finds them)")
    if _is_one_hot(y) and not of_steps:
        return Labels(values=y.argmax(1)), [f"{name} of {path} is one-hot {list(y.shape)}: taken as classes"]
    if y.dtype.kind != "f" and y.shape[1:] == (1,):
        return Labels(values=y[:, 0]), [f"{name} of {path} is a column {list(y.shape)}: taken as classes"]
    y, notes = _without(y, name, _unknown(path, arrays))
    return Labels(values=y, numbers=_numbers(path, name, y, arrays)), notes


def _unknown(path: Path, arrays: Mapping[str, Array]) -> int | None:
    """Return the number that a file says is no label; None if it says nothing."""
    said = arrays.get("no_label")
    if said is None:
        return None
    if said.size != 1 or said.dtype.kind not in "iu":
        raise DataError(f"{path}: no_label must be one whole number, which is no label, got {said.tolist()!r}")
    return int(said.item())


def _without(y: Array, name: str, said: int | None) -> tuple[Array, list[str]]:
    """Return labels in which ``NO_LABEL`` stands where there is none, and what was taken for that."""
    none = UNKNOWN if said is None and y.dtype == np.uint8 and y.ndim > 1 else said
    if none is None or y.dtype.kind not in "iu" or not (y == none).any():
        return y, []
    return np.where(y == none, NO_LABEL, y.astype(np.int64)), [f"{none} in {name} is no label"]


def _numbers(path: Path, name: str, y: Array, arrays: Mapping[str, Array]) -> dict[str, int]:
    """Return the numbers of the classes by their names, where a file names them."""
    names = arrays.get("classes")
    if names is None or y.dtype.kind not in "iu":
        return {}
    if names.ndim != 1 or names.dtype.kind != "U":
        raise DataError(f"{path}: classes must be names in a row, got {names.dtype} {names.shape}")
    y = cast("NDArray[np.integer[Any]]", y)
    wrong = y[(y != NO_LABEL) & ((y < 0) | (y >= len(names)))]
    if len(wrong):
        raise DataError(f"{path}: {name} holds the class {wrong[0]}, but classes names {len(names)}, numbered from 0")
    return {str(text): number for number, text in enumerate(names)}


def _is_one_hot(y: Array) -> bool:
    """Tell whether each row is 1 at one place, and 0 at all others."""
    if y.ndim != 2 or y.shape[1] < 2 or not len(y):
        return False
    return bool((((y == 0) | (y == 1)).all(1) & ((y == 1).sum(1) == 1)).all())
