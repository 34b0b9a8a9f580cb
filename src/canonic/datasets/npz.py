"""An .npz file: arrays of inputs, and of labels if it has them; in parts if they are told apart by name."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from itertools import chain, count, takewhile
from lzma import LZMAError
from pathlib import Path

import numpy as np

from canonic.datasets.arrays import Array, Arrays
from canonic.datasets.data import Preprocessing
from canonic.datasets.filelabels import ADVICE, labels_in_file
from canonic.datasets.labels import Labels
from canonic.datasets.parts import drawn_part, require_part, said_of_part
from canonic.errors import DataError

LABELS = ("y", "labels", "label")
"""Names of the array of labels, the first that is there."""

ABOUT = ("classes", "no_label")
"""Arrays that say what labels mean."""

HEADS = ("train_", "test_")
"""What the names of arrays begin with that are of one part."""

NO_ARRAYS = (OSError, ValueError, EOFError, TypeError, AttributeError)
"""What numpy raises where there are no arrays."""


def read(path: Path) -> dict[str, Array]:
    """Return the arrays of an .npz file; raise a DataError if it is damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return dict(file)
    except (*NO_ARRAYS, zipfile.BadZipFile, zlib.error, LZMAError) as error:
        raise DataError(
            f"{path} is no .npz file, or it is damaged ({error}): write it again with numpy.savez"
        ) from None


def part_of(path: Path, arrays: Mapping[str, Array], part: str) -> tuple[Mapping[str, Array], str]:
    """Return the arrays of a part of the samples in a file, and what is still to be drawn of them, "" for all.

    Arrays whose names begin with train_ and test_ are parts of their own, and come without that; others are of both.

    Raises:
        DataError: if it is not said which part is meant.
    """
    names = {head: {name for name in arrays if name.startswith(head)} for head in HEADS}
    train, test = ({name.removeprefix(head) for name in found} for head, found in names.items())
    if not train & test:
        return arrays, part
    require_part(path, part)
    common = {name: x for name, x in arrays.items() if not name.startswith(HEADS)}
    own = {name.removeprefix(f"{part}_"): arrays[name] for name in names[f"{part}_"]}
    return common | {name: own[name] for name in sorted(own)}, ""


def arrays_in_file(
    path: Path, arrays: Mapping[str, Array], part: str, prepare: Preprocessing, names: Sequence[str] = ()
) -> Arrays:
    """Return the samples in an .npz file: inputs x, x2, ... or under the names of the network's, and labels y.

    Args:
        path: of the file, for errors.
        arrays: in it; ``classes`` are the names of the classes, ``no_label`` what stands in y where there is none.
        part: of the samples that is meant; drawn, as the file has none of its own.
        prepare: applied to each sample.
        names: of the inputs that the network takes, if they are known.

    Raises:
        DataError: if the arrays do not fit.
    """
    label = next((name for name in LABELS if name in arrays), "")
    given = {name: x for name, x in arrays.items() if name != label and (name in names or name not in ABOUT)}
    chosen, named = _chosen(path, given, names)
    for name, x in chosen.items():
        _require_samples(path, name, x)
    sizes = {len(x) for x in chosen.values()}
    if len(sizes) > 1:
        raise DataError(
            f"{path}: its inputs hold {' and '.join(map(str, sorted(sizes)))} samples: give as many of each"
        )
    (size,) = sizes
    steps = next(iter(chosen.values())).shape[1:2]
    labels, notes = labels_in_file(path, label, arrays, size, steps) if label else (Labels(advice=ADVICE), [])
    unused = [name for name in given if name not in chosen]
    notes += [f"{path} also holds {', '.join(unused)}, which the network is not given"] if unused else []
    if part:
        places = drawn_part(part, labels.classes or np.zeros(size))
        chosen, labels = {name: x[places] for name, x in chosen.items()}, labels.at(places)
        notes.append(said_of_part(path, part, len(places), size))
    return Arrays(chosen if named else list(chosen.values()), labels, prepare, notes)


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
