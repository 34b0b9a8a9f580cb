"""An .npz file: arrays of inputs, and of labels if it has them."""

import zipfile
from collections.abc import Mapping, Sequence
from itertools import chain, count, takewhile
from pathlib import Path

import numpy as np

from canonic.datasets.arrays import Array, Arrays
from canonic.datasets.data import Preprocessing
from canonic.datasets.labels import Labels
from canonic.errors import DataError

LABELS = ("y", "labels", "label")
"""Names of the array of labels, the first that is there."""

ADVICE = (
    "add the array y to it, whole numbers or names [samples] as classes, or floating point [samples, ...] as what the "
    "output should be"
)


def arrays_in_file(path: Path, prepare: Preprocessing, names: Sequence[str] = ()) -> Arrays:
    """Return the samples in an .npz file: inputs x, x2, ... or under the names of the network's, and labels y.

    Args:
        path: of the file.
        prepare: applied to each sample.
        names: of the inputs that the network takes, if they are known.

    Raises:
        DataError: if the file is damaged, or the arrays do not fit.
    """
    arrays = _read(path)
    label = next((name for name in LABELS if name in arrays), "")
    given = {name: x for name, x in arrays.items() if name != label}
    chosen, named = _chosen(path, given, names)
    for name, x in chosen.items():
        _require_samples(path, name, x)
    sizes = {len(x) for x in chosen.values()}
    if len(sizes) > 1:
        raise DataError(
            f"{path}: its inputs hold {' and '.join(map(str, sorted(sizes)))} samples: give as many of each"
        )
    labels, notes = _labels(path, label, arrays[label], sizes.pop()) if label else (Labels(advice=ADVICE), [])
    unused = [name for name in given if name not in chosen]
    notes += [f"{path} also holds {', '.join(unused)}, which the network is not given"] if unused else []
    return Arrays(chosen if named else list(chosen.values()), labels, prepare, notes)


def _read(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no .npz file, or it is damaged ({error}): write it again with numpy.savez"
        ) from None


def _chosen(path: Path, arrays: Mapping[str, Array], names: Sequence[str]) -> tuple[dict[str, Array], bool]:
    """Return the arrays that are inputs, and whether the network takes them by name and not in their order."""
    if not arrays:
        raise DataError(f"{path} lacks the array x; it holds labels alone")
    wanted = {name: arrays[name] for name in names if name in arrays}
    if len(arrays) == 1 or ("x" in arrays and wanted.keys() <= {"x"}):
        numbered = takewhile(arrays.__contains__, chain(["x"], (f"x{number}" for number in count(2))))
        return {name: arrays[name] for name in numbered} or dict(arrays), False
    return wanted or dict(arrays), True


def _require_samples(path: Path, name: str, x: Array) -> None:
    if x.ndim == 0:
        raise DataError(f"{path}: {name} must be [samples, ...], got one number")
    if x.dtype.kind not in "iubf":
        raise DataError(f"{path}: {name} must hold real numbers, got {x.dtype}: make numbers of it, a complex one two")
    if x.dtype == np.uint8 and x.ndim not in (3, 4):
        raise DataError(
            f"{path}: {name} must be pictures, uint8 [samples, height, width(, channels)] or [samples, channels, "
            f"height, width], got {x.shape}: give other numbers another type, {name}.astype(numpy.float32)"
        )


def _labels(path: Path, name: str, y: Array, samples: int) -> tuple[Labels, list[str]]:
    """Return labels as they are meant, and what was made of them."""
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
    if not np.isfinite(y).all():
        raise DataError(f"{path}: {name} holds NaN or infinity: clean the data first (numpy.isfinite finds them)")
    if _is_one_hot(y):
        return Labels(values=y.argmax(1)), [f"{name} of {path} is one-hot {list(y.shape)}: taken as classes"]
    if y.dtype.kind != "f" and y.shape[1:] == (1,):
        return Labels(values=y[:, 0]), [f"{name} of {path} is a column {list(y.shape)}: taken as classes"]
    return Labels(values=y), []


def _is_one_hot(y: Array) -> bool:
    """Tell whether each row is 1 at one place, and 0 at all others."""
    if y.ndim != 2 or y.shape[1] < 2 or not len(y):
        return False
    return bool((((y == 0) | (y == 1)).all(1) & ((y == 1).sum(1) == 1)).all())
