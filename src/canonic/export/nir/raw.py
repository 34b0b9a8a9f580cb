"""What a file of NIR holds, as names, texts and arrays: read without trust.

HDF5 can name other files, hold itself, and say of an array that it is larger than the file: none of it is followed, and
nothing is allocated by what the file says before that is compared with its size.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from canonic.errors import StorageError
from canonic.export.hdf5 import require_hdf5

DEEPEST = 12
"""Groups inside groups, at most."""
SMALL = 2**28
"""Bytes of all arrays that any file may hold: what is the same everywhere is packed small."""
PACKED = 64
"""Bytes of arrays for each byte of the file, at most, beyond those."""
VERSIONS = ("0", "1")
"""Of NIR: the first numbers of those that are read."""

Group = Mapping[str, Any]
"""Names of other groups, texts, and arrays."""


@dataclass
class Allowance:
    """What may still be read of a file."""

    size: int
    seen: set[int] = field(default_factory=set)
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.bytes = SMALL + PACKED * self.size

    def spend(self, size: int) -> None:
        """Take bytes away; raise a ValueError where there are too many."""
        self.bytes -= size
        if self.bytes < 0:
            raise ValueError(f"it holds arrays far larger than a file of {self.size} bytes can")

    def enter(self, place: int) -> None:
        """Remember a group or an array by its place in the file; raise a ValueError where it is met again."""
        if place in self.seen:
            raise ValueError("it holds something in two places, or itself")
        self.seen.add(place)


def read_raw(path: str | PathLike[str]) -> Group:
    """Return the graph that a file of NIR holds.

    Raises:
        ExportError: if h5py is not installed.
        StorageError: if there is no such file, it is damaged, of another version, or not to be trusted.
    """
    try:
        with _opened(Path(path)) as file:
            allowance = Allowance(Path(path).stat().st_size)
            found = _group(file, allowance, DEEPEST)
    except FileNotFoundError:
        raise StorageError(f"there is no file {path}") from None
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, UnicodeError, OverflowError) as error:
        raise StorageError(f"{path} is no file of NIR, or it is damaged ({error}): write it again") from None
    version, graph = found.get("version"), found.get("node")
    if not isinstance(version, str) or version.split(".")[0] not in VERSIONS:
        raise StorageError(f"{path} is of NIR {version!r}, and versions {', '.join(VERSIONS)} are read: write it again")
    if not isinstance(graph, dict) or not isinstance(graph.get("nodes"), dict):
        raise StorageError(f"{path} holds no graph of NIR, but {sorted(found)}: write a nir.NIRGraph")
    return graph


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with require_hdf5().File(path, "r", locking=False) as file:
        yield file


def _group(group: Any, allowance: Allowance, deep: int) -> dict[str, Any]:
    """Return what a group holds; raise a ValueError for what may not be read."""
    h5py = require_hdf5()
    if deep == 0:
        raise ValueError(f"its groups are more than {DEEPEST} deep")
    found: dict[str, Any] = {}
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name!r} is a link to another place")
        item = group[name]
        allowance.enter(h5py.h5o.get_info(item.id).addr)
        if isinstance(item, h5py.Group):
            found[name] = _group(item, allowance, deep - 1)
        else:
            found[name] = _content(name, item, allowance)
    return found


def _content(name: str, item: Any, allowance: Allowance) -> Any:
    """Return an array, a number or a text."""
    h5py = require_hdf5()
    kind = item.dtype if isinstance(item, h5py.Dataset) else None
    text = kind is not None and h5py.check_string_dtype(kind) is not None
    if kind is None or item.is_virtual or item.external or not (text or kind.kind in "biuf"):
        raise ValueError(f"{name!r} is no array of numbers or text of its own")
    if text and item.size * kind.itemsize > allowance.size:
        raise ValueError(f"{name!r} are more texts than a file of {allowance.size} bytes can hold")
    allowance.spend(item.size * kind.itemsize)
    return _text(item, allowance.size) if text else np.asarray(item[()])


def _text(item: Any, size: int) -> Any:
    """Return a text, or rows of texts, one after the other: many may be one text of the file, again and again."""
    if item.shape == ():
        return item[()].decode()
    rows, left = [], size
    for place in range(len(item)):
        rows.append([text.decode() for text in np.atleast_1d(item[place])])
        left -= sum(map(len, rows[-1]))
        if left < 0:
            raise ValueError(f"its texts are longer than a file of {size} bytes")
    return rows
