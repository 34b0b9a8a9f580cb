"""Scikit-learn's handwritten digits, which come with the package (Alpaydin and Kaynak, 1998)."""

import numpy as np

from canonic.datasets.arrays import Arrays
from canonic.datasets.data import Preprocessing
from canonic.datasets.labels import Labels
from canonic.datasets.parts import drawn_part, parted
from canonic.errors import DataError, nearest

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
    chosen = drawn_part(parted(name)[1], y)
    return Arrays([x[chosen]], Labels(values=y[chosen]), prepare)
