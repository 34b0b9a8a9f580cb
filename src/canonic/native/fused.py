"""The scan of a population in one pass over its currents: C on a processor, a loop compiled by torch on a GPU.

The same dynamics as in ``tsa.py``, and the same spikes. A stream is given as rows of memory, ``[time, rows, size]``, so
that one program serves every layer and every batch. A current may be a sum of terms: a shortcut's spikes and the scale
that brings them into the unit of theta are read here, and their product is never written to memory.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.codes import CSS
from canonic.native.compiled import compiled_scan
from canonic.native.scan import native_scan
from canonic.neurons import Scan, scan, total


def fused_scan(
    code: CSS,
    terms: Sequence[tuple[Shaped[Tensor, "_ rows size"], Float[Tensor, " size"] | None]],
    dtype: torch.dtype,
    *,
    signed: bool,
    start: Float[Tensor, " size"] | None = None,
    theta: Float[Tensor, " size"] | None = None,
    ceiling: Float[Tensor, " size"] | None = None,
    compiled: bool = False,
    neurons: int | None = None,
) -> Scan:
    """Run a population over all its steps; what ``scan`` gives for the sum of the terms.

    Args:
        code: the population's code.
        terms: streams and their weights.
        dtype: of the spikes.
        signed: whether the gate is open from the start.
        start: initial potential.
        theta: whole thresholds of an integer network; 1 if None.
        ceiling: of what is sent, with several levels.
        compiled: let torch compile the loop where it is not C; overloads are then not counted, and 0.
        neurons: elements of one sample, some rows, if spikes are to be counted; the C program alone does it in passing.
    """
    if code.levels > 1:  # the programs are those of ternary spikes
        graded = scan(code, total(terms), signed=signed, start=start, theta=theta, ceiling=ceiling)
        return Scan(graded.spikes.to(dtype), graded.overloads)
    streams, weights = [x for x, _ in terms], [w for _, w in terms]
    done = native_scan(code, streams, weights, dtype, signed=signed, start=start, theta=theta, neurons=neurons)
    if done is not None:
        return done
    if compiled:
        return compiled_scan(code, list(terms), dtype, signed, start, theta)
    result = scan(code, total(terms), signed=signed, start=start, theta=theta)
    return Scan(result.spikes.to(dtype), result.overloads)
