"""Recordings of events, as event cameras make them: where, when and of which polarity the light changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from canonic.datasets.arrays import Array
from canonic.datasets.data import Preprocessing
from canonic.datasets.filelabels import labels_in_file
from canonic.datasets.labels import Labels, Sample
from canonic.datasets.parts import drawn_part, said_of_part
from canonic.errors import DataError

EVENTS = ("x", "y", "p", "offset")
"""Arrays that make recordings of an .npz file; the time is beside them, as t or as dt."""

HEADS, LABELS = ("", "train_", "test_"), ("label", "labels")

FRAMES = 10
"""Of a recording, where nothing is said."""

ADVICE = "add the array label to it, whole numbers [recordings] as classes"


Whole = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Events:
    """Events of several recordings, one after the other.

    Attributes:
        x: the column of each, from 0.
        y: the row.
        p: the polarity, 0 or 1.
        dt: time since the event before of the same recording, whole numbers of any unit.
        offset: where each recording begins, and the last ends, ``[recordings + 1]``.
        size: height and width of all pictures.
    """

    x: Whole
    y: Whole
    p: Whole
    dt: Whole
    offset: Whole
    size: tuple[int, int]

    def frames(self, index: int, count: int) -> Float[Tensor, "count 2 height width"]:
        """Return how many events of each polarity fell on each place, in parts of one length of a recording."""
        part = slice(int(self.offset[index]), int(self.offset[index + 1]))
        t = np.cumsum(self.dt[part], dtype=np.int64)
        t -= t[:1]
        step = t * count // (t[-1:] + 1)
        shape = (count, 2, *self.size)
        p, y, x = (column[part].astype(np.int64) for column in (self.p, self.y, self.x))
        places = np.ravel_multi_index((step, p, y, x), shape)
        counts = np.bincount(places, minlength=int(np.prod(shape)))
        return torch.from_numpy(counts.reshape(shape).astype(np.float32))


class Recordings(Dataset[Sample]):
    """Recordings of events as frames, ``[frames, 2, height, width]``: how many events there were.

    Args:
        events: of them all.
        places: of the recordings that belong to the data.
        labels: of these.
        prepare: says how many frames, and is applied to each.
        notes: what was made of the arrays that the user did not ask for.
    """

    def __init__(
        self,
        events: Events,
        places: NDArray[np.intp],
        labels: Labels,
        prepare: Preprocessing,
        notes: Sequence[str] = (),
    ) -> None:
        self.events, self.places, self.labels, self.prepare, self.notes = events, places, labels, prepare, tuple(notes)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Sample:
        frames = self.events.frames(int(self.places[index]), self.prepare.frames or FRAMES)
        return (torch.stack([self.prepare(frame) for frame in frames]), *self.labels[index])


def recordings_in(
    path: Path, arrays: Mapping[str, Array], whole: Mapping[str, Array], part: str, prepare: Preprocessing
) -> Recordings:
    """Return the recordings in the arrays of a file, see ``events_in``; ``label`` is the class of each.

    Args:
        path: of the file, for errors.
        arrays: in it, of the part that is meant.
        whole: all arrays in it: pictures of all parts are of one size.
        part: that is drawn, if they have no parts of their own.
        prepare: says how many frames, and is applied to each.

    Raises:
        DataError: if they are no events.
    """
    parts = [{axis: whole[head + axis] for axis in "xy"} for head in HEADS if {head + "x", head + "y"} <= whole.keys()]
    events = events_in(path, arrays, parts)
    count = len(events.offset) - 1
    label = next((name for name in LABELS if name in arrays), "")
    labels, notes = labels_in_file(path, label, arrays, count) if label else (Labels(advice=ADVICE), [])
    places = drawn_part(part, labels.classes or np.zeros(count))
    notes += [said_of_part(path, part, len(places), count)] if part else []
    return Recordings(events, places, labels.at(places), prepare, notes)


def is_of_events(arrays: Mapping[str, Array]) -> bool:
    """Tell whether arrays are recordings of events."""
    return arrays.keys() >= set(EVENTS)


def events_in(path: Path, arrays: Mapping[str, Array], whole: Iterable[Mapping[str, Array]]) -> Events:
    """Return the events in the arrays of a file: x, y, p and t (or dt), one of each for an event, and offset.

    Args:
        path: of the file, for errors.
        arrays: in it, of the part that is meant; ``size`` is height and width of the pictures.
        whole: arrays of all parts: pictures are as large as their events need, where the file does not say it.

    Raises:
        DataError: if they are no events.
    """
    offset = cast("Whole", arrays["offset"])
    clock = next((name for name in ("dt", "t") if name in arrays), None)
    if clock is None:
        raise DataError(f"{path} lacks the time of its events: add t, whole numbers that do not fall in a recording")
    columns = {name: cast("Whole", arrays[name]) for name in ("x", "y", "p", clock)}
    for name, column in (*columns.items(), ("offset", offset)):
        if column.ndim != 1 or column.dtype.kind not in "iub":
            raise DataError(
                f"{path}: {name} of its events must be whole numbers in a row, got {column.dtype} {column.shape}"
            )
    if len({len(column) for column in columns.values()}) > 1:
        held = ", ".join(f"{len(column)} of {name}" for name, column in columns.items())
        raise DataError(f"{path} is truncated: of its events it holds {held}; give one of each for every event")
    _require_offset(path, offset, len(columns["x"]))
    size = _size(path, arrays, whole)
    for name, bound in (("x", size[1]), ("y", size[0]), ("p", 2)):
        _require_range(path, name, columns[name], bound)
    since = columns[clock] if clock == "dt" else _since(columns[clock], offset)
    _require_sorted(path, clock, since, offset)
    return Events(columns["x"], columns["y"], columns["p"], since, offset, size)


def _require_offset(path: Path, offset: Whole, events: int) -> None:
    if len(offset) < 2 or offset[0] != 0 or offset[-1] != events or (offset[1:] < offset[:-1]).any():
        raise DataError(
            f"{path} is truncated: offset must say where each recording begins and the last ends, from 0 to {events}, "
            f"without a fall; it begins {offset[:1].tolist()} and ends {offset[-1:].tolist()}"
        )


def _require_range(path: Path, name: str, column: Whole, bound: int) -> None:
    wrong = np.flatnonzero((column < 0) | (column >= bound))
    if len(wrong):
        polarity = "write (p == p.max()) for p, if it has two values"
        remedy = polarity if name == "p" else "count from 0, or give size, [height, width]"
        raise DataError(f"{path}: {name} of event {wrong[0]} is {column[wrong[0]]}, not in 0 .. {bound - 1}: {remedy}")


def _since(t: Whole, offset: Whole) -> Whole:
    whole = t.astype(np.int64)
    since: NDArray[np.int64] = whole - np.concatenate([whole[:1], whole[:-1]])
    begins = offset[:-1][offset[:-1] < offset[1:]]
    since[begins] = 0
    return since


def _require_sorted(path: Path, clock: str, since: Whole, offset: Whole) -> None:
    wrong = np.flatnonzero(since < 0)
    if len(wrong):
        recording = int(np.searchsorted(offset, wrong[0], side="right")) - 1
        raise DataError(
            f"{path}: the times of recording {recording} are not sorted, {clock} goes back at event {wrong[0]}: sort "
            "its events by time (numpy.argsort with kind='stable')"
        )


def _size(path: Path, arrays: Mapping[str, Array], whole: Iterable[Mapping[str, Array]]) -> tuple[int, int]:
    """Return height and width of the pictures."""
    if "size" not in arrays:
        largest = [[int(part[name].max()) for name in "yx"] for part in whole if part["x"].size]
        height, width = np.max([[0, 0], *largest], axis=0) + 1
        return int(height), int(width)
    size = cast("Whole", arrays["size"])
    if size.shape != (2,) or size.dtype.kind not in "iu" or (size < 1).any():
        raise DataError(f"{path}: size must be height and width, two whole numbers, got {size.tolist()}")
    return int(size[0]), int(size[1])
