"""The number below another, so that "greater" can say "at least"."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch

KINDS: Mapping[torch.dtype, type[np.floating[Any]]] = {torch.float32: np.float32, torch.float64: np.float64}


@cache
def below(bar: float, dtype: torch.dtype) -> float:
    """Return the next number below, so that u > below(bar) says u >= bar.

    It is worked out by numpy, as ``torch.export`` would take it for a number that is not known.

    >>> below(0.5, torch.float64) < 0.5
    True
    """
    if kind := KINDS.get(dtype):
        return float(np.nextafter(kind(bar), kind(0)))
    return float(torch.nextafter(torch.tensor(bar, dtype=dtype), torch.zeros((), dtype=dtype)))
