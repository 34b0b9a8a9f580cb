"""Scikit-learn's handwritten digits, which come with the package (Alpaydin and Kaynak, 1998)."""

import numpy as np

from canonic.datasets.arrays import Array, Arrays
from canonic.datasets.data import Preprocessing
from canonic.datasets.labels import Labels
from canonic.errors import DataError, nearest

EVERY = 4
"""Of each class, every fourth digit in the order of the file is for the test."""

PARTS = ("digits", "digits:train", "digits:test")


def digits(name: str, prepare: Preprocessing) -> Arrays:
    """Return 1,797 digits, ``[1, 8, 8]`` in [0, 1]; or a fixed part of them, with all classes in their proportion.

    Args:
        name: "digits" for all; "digits:train" for 1,352 of them, "digits:test" for the other 445.
        prepare: applied to each.

    Raises:
        DataError: if there is no such part.

    >>> [len(digits(name, Preprocessing())) for name in PARTS]
    [1797, 1352, 445]
    """
    from sklearn.datasets import load_digits

    if name not in PARTS:
        raise DataError(f"the digits have no part {name!r}: {nearest(name, PARTS)}")
    bunch = load_digits()
    x, y = (bunch.images / 16).astype(np.float32)[:, None], bunch.target
    chosen = np.ones(len(y), bool) if name == "digits" else _tested(y) == (name == "digits:test")
    return Arrays([x[chosen]], Labels(values=y[chosen]), prepare)


def _tested(y: Array) -> Array:
    """Return for each digit whether it is for the test."""
    tested = np.zeros(len(y), bool)
    for digit in range(10):
        tested[np.flatnonzero(y == digit)[EVERY - 1 :: EVERY]] = True
    return tested
