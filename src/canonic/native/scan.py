"""The scan of a population in C: one pass reads every current once and keeps the state in registers."""

from ctypes import byref, c_int32, c_int64
from functools import cache

import torch

from canonic.native.build import Source, program
from canonic.native.population import Counters, Given, place, places, term_macro
from canonic.native.rules import Rule
from canonic.neurons import Scan

ENOUGH = 128
"""Elements of a row for full vectors."""


def native_scan(rule: Rule, given: Given) -> Scan | None:
    """Return what a population does, ``[time, rows, size]``; None where there is no C compiler."""
    run = program(source_of(rule, given))
    if run is None:
        return None
    rows, size = given.terms[0].shape[1:]
    repeat = _repeats(rows if given.neurons is None else given.neurons // size, size)
    start = torch.zeros(size) if given.start is None else given.start
    owned = *given.weights, start, given.theta, given.ceiling
    vectors = [v if v is None else v.float().expand(repeat, size).contiguous() for v in owned]
    terms, spikes = [x.contiguous() for x in given.terms], torch.empty(rule.steps, rows, size, dtype=given.spike)
    threads = min(torch.get_num_threads(), 1 + rows * size // 4096)
    counters = Counters(rule.steps, threads, given.neurons)
    lengths = (c_int32 * len(terms))(*map(len, terms))
    own = places(vectors[: len(terms)]), *map(place, vectors[len(terms) :])
    written = map(place, (spikes, counters.sums, counters.events))
    sizes = map(c_int64, (given.neurons or 1, rows // repeat, size * repeat))
    run(byref(rule.code), places(terms), lengths, *own, *written, *sizes, threads)
    return counters.scan(spikes)


def source_of(rule: Rule, given: Given) -> Source:
    """Return the program of a rule for terms of these types, with weights or without."""
    return _source(rule.files, rule.macros, given.kinds, whole=rule.whole)


def _repeats(rows: int, size: int) -> int:
    """Return how many rows make one of enough elements; a divisor of their number."""
    repeat = 1
    while size * repeat < ENOUGH and rows % (2 * repeat) == 0:
        repeat *= 2
    return repeat


@cache
def _source(
    files: tuple[str, ...], macros: tuple[str, ...], kinds: tuple[tuple[torch.dtype, bool], ...], *, whole: bool
) -> Source:
    added = (term_macro(i, kind, f"lengths[{i}]", weighted=w, whole=whole) for i, (kind, w) in enumerate(kinds))
    return Source((*files, "scan.c"), "scan", (*macros, "ALL_STEPS=", f"ADD_TERMS={' '.join(added)}"))
