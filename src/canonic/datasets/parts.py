"""The parts of data: what is learned from and what is measured on, named as in digits:train and digits:test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from canonic.errors import DataError

PARTS = ("train", "test")

TESTS = ("t10k", "test")
"""Words that stand in the name of test data where "train" stands in that of training data."""

EVERY = 4
"""Where data have no parts of their own, every fourth sample of each class, in their order, is for the test."""


def parted(name: str) -> tuple[str, str]:
    """Return the name of some data, and of the part of them that is meant, "" for all.

    >>> parted("mine.npz:test"), parted("mine.npz")
    (('mine.npz', 'test'), ('mine.npz', ''))
    """
    whole, _, part = name.rpartition(":")
    return (whole, part) if whole and part in PARTS else (name, "")


def train_and_test(name: str) -> tuple[str, str]:
    """Return the names of what is learned from and of what is measured on, of some data or of their training part.

    Raises:
        DataError: if nothing tells them.

    >>> train_and_test("digits")
    ('digits:train', 'digits:test')
    """
    whole, part = parted(name)
    path = Path(whole)
    for other in (path.with_name(path.name.replace("train", word)) for word in TESTS):
        if not part and other != path and other.exists():
            return name, str(other)
    if part != "test" and (whole in ("digits", "spotting") or path.is_dir() or path.suffix == ".npz"):
        return f"{whole}:train", f"{whole}:test"
    raise DataError(f"nothing says on which data, unlike {name}, the network is measured: name them with --test")


def require_part(name: object, part: str) -> None:
    """Raise a DataError unless it is said which part of data with parts of their own is meant."""
    if not part:
        raise DataError(f"{name} holds the parts train and test: name one, as {name}:test")


def said_of_part(name: object, part: str, samples: int, of: int) -> str:
    """Return what is said of a part that was drawn."""
    return f"{name} has no parts: {samples:,} of {of:,} samples are its part {part}, always the same"


def drawn_part(
    part: str, classes: Sequence[object] | NDArray[np.generic], groups: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.intp]:
    """Return the places of the samples of a part, of data that have none of their own.

    Args:
        part: "train" or "test"; "" for all.
        classes: of each sample: a fourth of each is for the test.
        groups: of each sample, by number, as the speakers of recordings: every fourth is for the test, so that none is
            in both parts. 0 is no group.

    Raises:
        DataError: if nothing is left for the part.

    >>> drawn_part("test", list("aaaabbbb")).tolist()
    [3, 7]
    >>> drawn_part("test", list("aaaa"), np.array([3, 4, 1, 4])).tolist()
    [1, 3]
    """
    found, kinds = np.unique(np.asarray(classes), return_inverse=True)
    groups = np.zeros(len(kinds), int) if groups is None else groups
    alone = groups == 0
    tested = ~alone & (groups % EVERY == 0)
    for kind in range(len(found)):
        tested[np.flatnonzero(alone & (kinds == kind))[EVERY - 1 :: EVERY]] = True
    return chosen(part, tested) if part else np.arange(len(kinds))


def chosen(part: str, tested: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the places of the samples of a part; raise a DataError if there are none."""
    places = np.flatnonzero(tested == (part == "test"))
    if not len(places):
        raise DataError(
            f"of {len(tested)} samples none is drawn for the part {part}, which takes {EVERY} of a class: name the "
            "arrays of both parts, as train_x, train_y, test_x and test_y"
        )
    return places
