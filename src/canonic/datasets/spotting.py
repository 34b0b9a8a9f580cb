"""Sequences of bits in which some bit comes several times in a row, or none does: a task of when to answer."""

import numpy as np
from numpy.typing import NDArray

from canonic.datasets.arrays import Arrays
from canonic.datasets.data import Preprocessing
from canonic.datasets.labels import Labels
from canonic.datasets.parts import parted
from canonic.errors import DataError, nearest

PARTS = ("spotting:train", "spotting:test")
COUNTS = {"train": 96_000, "test": 10_000}
BITS, RUN = 25, 5


def spotting(name: str, prepare: Preprocessing) -> Arrays:
    """Return sequences of 25 random bits, -1 and 1, ``[25, 1]``; their class is whether five in a row are equal.

    (After Jeffares et al., ICLR 2022, arXiv 2110.02865.)

    Args:
        name: "spotting:train" for 96,000 of them, "spotting:test" for 10,000 others; always the same.
        prepare: applied to each.

    Raises:
        DataError: if there is no such part.

    >>> data = spotting("spotting:test", Preprocessing())
    >>> len(data), data[0][0].shape
    (10000, torch.Size([25, 1]))
    """
    if name not in PARTS:
        raise DataError(f"the sequences for spotting have no part {name!r}: {nearest(name, PARTS)}")
    part = parted(name)[1]
    bits = np.random.default_rng([BITS, PARTS.index(name)]).integers(0, 2, (COUNTS[part], BITS))
    x = (2 * bits - 1).astype(np.float32)[:, :, None]
    return Arrays([x], Labels(values=(known_from(bits) <= BITS).astype(np.int64)), prepare)


def known_from(bits: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the step, from 1, at which the first ``RUN`` equal bits in a row are complete; one more than there are
    steps where there are none.

    >>> known_from(np.array([[0, 1, 1, 1, 1, 1, 0], [0, 1, 0, 1, 0, 1, 0]])).tolist()
    [6, 8]
    """
    same = bits[:, 1:] == bits[:, :-1]
    full = np.lib.stride_tricks.sliding_window_view(same, RUN - 1, axis=1).all(-1)
    found: NDArray[np.integer] = np.where(full.any(-1), full.argmax(-1) + RUN, bits.shape[1] + 1)
    return found
