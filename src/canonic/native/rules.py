"""Rules as C knows them: the file of their neurons, the macros that it is compiled with, and a code as its struct."""

from ctypes import POINTER, Structure, c_float, c_int32, cast
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from canonic.codes import CSS, MOST_STEPS, Weighted
from canonic.codes.weighted import BARELY
from canonic.native.population import Given, macros_of, place
from canonic.neurons import saturation, shares

TSA = ("vectors.c", "population.c", "tsa.c")
WHOLE = ("vectors.c", "population.c", "whole.c")
WEIGHTED = ("vectors.c", "population.c", "weighted.c")
LARGEST_TOP = 2**8
"""Times the threshold that a spike takes back, where that is whole."""
FEW = 64
"""Digits that a program counts at least; beyond, so many that it serves all codes up to the next power of two."""


class Rule(NamedTuple):
    """A rule with its code.

    Attributes:
        files: of its C.
        macros: that its neurons are compiled with.
        code: its struct.
        kept: the tables that the struct points to.
        steps: digits.
        whole: whether its numbers are whole ones of 32 bits.
    """

    files: tuple[str, ...]
    macros: tuple[str, ...]
    code: Structure
    kept: tuple[Tensor, ...]
    steps: int
    whole: bool = False


class Amplifying(Structure):
    """A code in tsa.c."""

    _fields_ = (
        *((name, c_int32) for name in ("steps", "silent", "levels")),
        *((name, c_float) for name in ("beta", "bar", "last_bar", "top", "limit")),
    )


class Tabled(Structure):
    """A code in weighted.c."""

    _fields_ = (
        *((name, c_int32) for name in ("steps", "silent", "sizes", "once")),
        *((name, c_float) for name in ("start", "units")),
        *((name, POINTER(c_float)) for name in ("arriving", "worth", "share", "size", "bars", "held")),
    )


def numbers_of(code: CSS) -> tuple[int, int, int, float, float, float, float, float]:
    """Return the fields of a code in tsa.c."""
    top = code.beta**code.silent
    return code.steps, code.silent, code.levels, code.beta, code.phi * top, top / 2, top, saturation(code)


def amplifying(code: CSS, given: Given) -> Rule:
    """Return the ternary self-amplifying neuron, or that of several levels, for a population."""
    whole = _in_whole_numbers(code, given)
    macros = (
        *macros_of(given, most=MOST_STEPS, graded=code.levels > 1),
        f"SIGNED={given.signed:d}",
        f"THETA={given.theta is not None:d}",
        f"CEILING={given.ceiling is not None:d}",
        f"INTEGER={whole:d}",
    )
    return Rule(WHOLE if whole else TSA, macros, Amplifying(*numbers_of(code)), (), code.steps, whole)


def _in_whole_numbers(code: CSS, given: Given) -> bool:
    """Whether 32 bits hold all numbers of a ternary neuron with whole thresholds, of at most 2^22."""
    fits = code.levels == 1 and code.beta % 1 == 0 and code.beta**code.silent <= LARGEST_TOP
    return fits and given.theta is not None


def weighted(code: Weighted, sender: Weighted, silent: int, given: Given) -> Rule:
    """Return the neuron of a weighted code, for a population that reads digits of the sender, and first waits."""
    most = max(FEW, 1 << (code.steps - 1).bit_length())
    alphabet, firing = code.alphabet, code.firing
    macros = *macros_of(given, most=most, graded=alphabet.graded), f"EITHER={alphabet.signed:d}"
    tables = arriving(sender, max(code.steps, silent)), *_tables(code, signed=given.signed)
    numbers = code.steps, silent, len(alphabet.magnitudes), firing.once
    start, units = 0.0 if given.signed else firing.start, 1 / alphabet.magnitudes[-1]
    places = (cast(place(table), POINTER(c_float)) for table in tables)
    struct = Tabled(*numbers, start, units, *places)
    return Rule(WEIGHTED, macros, struct, tables, code.steps)


def own_neuron(code: Weighted) -> str | None:
    """Return why weighted.c has not the neuron of a code; None if it has."""
    own = any(getattr(type(code), name) is not getattr(Weighted, name) for name in ("rest", "step", "emit"))
    return f"the code {code.name} has a neuron of its own" if own else None


@cache
def arriving(sender: Weighted, steps: int) -> Tensor:
    """Return what each digit that arrives is worth; none beyond the last."""
    return torch.tensor([*sender.weights, *[0.0] * steps][: max(steps, sender.steps)])


@cache
def _tables(code: Weighted, *, signed: bool) -> tuple[Tensor, ...]:
    """Return what a digit is worth, what constants share in it, the sizes of spikes, and from where each is sent."""
    firing, magnitudes = code.firing, code.alphabet.magnitudes
    worth, size = torch.tensor(code.weights), torch.tensor(magnitudes[::-1])
    bars = torch.tensor(firing.bars[::-1]).repeat(code.steps, 1)
    if firing.last is not None:
        bars[-1, 0] = firing.last
    back = least(torch.tensor([BARELY * magnitude for magnitude in magnitudes[::-1]]), worth[:, None])
    held = torch.full_like(back, -torch.inf) if signed else back
    return worth, torch.tensor(shares(code)), size, least(bars, worth[:, None], strict=firing.strict), held


def least(bars: Tensor, worth: Tensor, *, strict: bool = False) -> Tensor:
    """Return the least float32 whose quotient by ``worth`` reaches each bar; passes it if strict.

    Rounded quotients do not fall while numbers grow, so that a comparison needs no division.

    >>> low = least(torch.tensor([0.75]), torch.tensor([1 / 3]))
    >>> bool(low / (1 / 3) >= 0.75), bool(low.nextafter(torch.zeros(())) / (1 / 3) >= 0.75)
    (True, False)
    """
    found = bars * worth
    for _ in range(4):
        found = found.nextafter(torch.zeros(()))
    for _ in range(8):
        quotient = found / worth
        enough = quotient > bars if strict else quotient >= bars
        found = torch.where(enough, found, found.nextafter(torch.full((), torch.inf)))
    return found
