"""The scan as a small C program: one pass reads every current once and keeps the state in registers."""

from collections.abc import Sequence
from ctypes import byref, c_int32, c_int64
from functools import cache

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.native.build import Program, program
from canonic.native.population import (
    POPULATION,
    TYPES,
    Code,
    Counters,
    macros_of,
    numbers_of,
    place,
    places,
    term_macro,
)
from canonic.neurons import Scan

ENOUGH = 128
"""Elements of a row for full vectors."""


def native_scan(
    code: CSS,
    terms: Sequence[Tensor],
    weights: Sequence[Tensor | None],
    dtype: torch.dtype,
    *,
    signed: bool,
    start: Tensor | None,
    theta: Tensor | None,
    neurons: int | None,
) -> Scan | None:
    """Return what a population does, ``[time, rows, size]``; None where the processor or the types do not allow it.

    Args:
        code: the population's code.
        terms: of its current, ``[at most time, rows, size]``.
        weights: of each term, ``[size]``.
        dtype: of the spikes.
        signed: whether the gate is open from the start.
        start: initial potential, ``[size]``.
        theta: whole thresholds of an integer network, ``[size]``.
        neurons: elements of one sample, which rows lie behind each other, if their spikes are to be counted.
    """
    kinds = tuple((x.dtype, w is not None) for x, w in zip(terms, weights, strict=True))
    if not {dtype, *(x.dtype for x in terms)} <= TYPES.keys() or any(x.device.type != "cpu" for x in terms):
        return None
    run = _program(signed, start is not None, theta is not None, neurons is not None, dtype, kinds)
    if run is None:
        return None
    rows, size = terms[0].shape[1:]
    repeat = _repeats(rows if neurons is None else neurons // size, size)
    vectors = [v if v is None else v.float().repeat(repeat) for v in (*weights, start, theta)]
    given, spikes = [x.contiguous() for x in terms], torch.empty(code.steps, rows, size, dtype=dtype)
    threads = min(torch.get_num_threads(), 1 + rows * size // 4096)
    counters = Counters(code, threads, neurons)
    lengths = (c_int32 * len(given))(*map(len, given))
    read = (
        byref(Code(*numbers_of(code))),
        places(given),
        lengths,
        places(vectors[: len(terms)]),
        *map(place, vectors[len(terms) :]),
    )
    written = map(place, (spikes, counters.sums, counters.events))
    run(*read, *written, *map(c_int64, (neurons or 1, rows // repeat, size * repeat)), threads)
    return counters.scan(spikes)


def _repeats(rows: int, size: int) -> int:
    """Return how many rows make one of enough elements; a divisor of their number."""
    repeat = 1
    while size * repeat < ENOUGH and rows % (2 * repeat) == 0:
        repeat *= 2
    return repeat


@cache
def _program(
    signed: bool,
    start: bool,
    theta: bool,
    count: bool,
    spike: torch.dtype,
    terms: tuple[tuple[torch.dtype, bool], ...],
) -> Program | None:
    """Return the program for one kind of arguments; terms have a type, and weights or none."""
    added = (term_macro(i, kind, f"lengths[{i}]", weighted=weighted) for i, (kind, weighted) in enumerate(terms))
    macros = macros_of(signed=signed, start=start, theta=theta, count=count, spike=spike)
    return program((*POPULATION, "scan.c"), "scan", (*macros, "ALL_STEPS=", f"ADD_TERMS={' '.join(added)}"))
