"""The current of a population as a sum of terms, ``I[t] = sum_i w_i x_i[t]``: streams, and the weights of elements."""

from collections.abc import Sequence
from functools import reduce

import torch
from jaxtyping import Shaped
from torch import Tensor

Term = tuple[Tensor, Tensor | None]
"""A stream of at most T steps, and the weight of its elements."""


def total(terms: Sequence[Term]) -> Tensor:
    """Return the sum of weighted terms, as long as the longest; spikes of few bits are added up as floats."""
    steps = max(len(x) for x, _ in terms)
    return reduce(torch.add, [lengthen(x, steps) for x in scaled(terms)])


def scaled(terms: Sequence[Term]) -> list[Tensor]:
    """Return terms times their weights, as floats."""
    wide = [(x.to(torch.promote_types(x.dtype, torch.float32)), w) for x, w in terms]
    return [x if w is None else w * x for x, w in wide]


def lengthen(stream: Shaped[Tensor, "time batch ..."], steps: int) -> Shaped[Tensor, "steps batch ..."]:
    """Return the stream with silent steps added at its end."""
    missing = steps - stream.shape[0]
    return torch.cat([stream, stream.new_zeros(missing, *stream.shape[1:])]) if missing else stream
