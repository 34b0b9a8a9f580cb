"""Scans of populations, and maxima of streams, as loops that torch compiles: the way to a GPU.

The same spikes as of ``tsa.step``, and the digits of the pooling in C.
"""

import logging
from collections.abc import Callable, Hashable, Sequence
from functools import cache, reduce
from types import FunctionType
from typing import cast

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.errors import first_line
from canonic.native.population import Given
from canonic.neurons import Scan, saturation
from canonic.neurons.terms import Term, scaled

log = logging.getLogger("canonic")


def compiled_scan(code: CSS, given: Given) -> Scan:
    """Return what a population does; overloads are not counted, and 0."""
    first = given.terms[0]
    spikes = torch.empty(code.steps, *first.shape[1:], dtype=given.spike, device=first.device)
    kinds = tuple((len(x), *kind) for x, kind in zip(given.terms, given.kinds, strict=True))
    variant = kinds, given.start is None, given.theta is None, given.spike, first.device.type
    terms = list(zip(given.terms, given.weights, strict=True))
    _compiled(loop, variant, code, given.signed)(terms, given.start, given.theta, list(spikes.unbind(0)))
    return Scan(spikes, torch.zeros(code.steps, dtype=torch.int64))


def compiled_maximum(beta: float, streams: Sequence[Tensor]) -> Tensor:
    """Return the digits of the maximum of streams, ``[time, ...]``, whole numbers in units of the last digit."""
    digits = torch.empty_like(streams[0])
    kinds = len(digits), len(streams), digits.dtype, digits.device.type
    _compiled(maximum, kinds, beta)([list(x.unbind(0)) for x in streams], list(digits.unbind(0)))
    return digits


@cache
def can_compile(device: str) -> bool:
    """Tell whether torch can compile for a device; say it once if not."""
    try:
        torch.compile(torch.neg, fullgraph=True)(torch.ones(2, device=device))
    except Exception as error:  # noqa: BLE001 - whatever torch and the compilers behind it raise
        log.warning(
            "torch cannot compile for %s (%s): neurons run as its operators, with the same spikes",
            device,
            first_line(error),
        )
        return False
    return True


@cache
def _compiled(make: Callable[..., FunctionType], variant: Hashable, *given: Hashable) -> Callable[..., None]:  # noqa: ARG001
    """Return a loop, made of what is given, for one kind of arguments.

    torch keeps at most eight programs for the code of a function, for arguments that differ in more than their sizes;
    so each variant has code of its own.
    """
    run = make(*given)
    own = FunctionType(run.__code__.replace(), run.__globals__, closure=run.__closure__)
    built: Callable[..., None] = torch.compile(own, fullgraph=True, dynamic=True)
    return built


def maximum(beta: float) -> FunctionType:
    """Return the loop of a maximum of streams: ``D[m] = max A[m] - beta max A[m-1]``, A in units of its digit.

    It reads streams, each as its digits, and writes the digits of their maximum.
    """

    def run(streams: list[list[Tensor]], digits: list[Tensor]) -> None:
        sums = [x[0].float() for x in streams]
        top = reduce(torch.maximum, sums)
        digits[0].copy_(top)
        for m, digit in enumerate(digits[1:], start=1):
            sums, before = [beta * a + x[m] for a, x in zip(sums, streams, strict=True)], top
            top = reduce(torch.maximum, sums)
            digit.copy_(top - beta * before)

    return cast(FunctionType, run)


def loop(code: CSS, signed: bool) -> FunctionType:
    """Return the loop of a population over its T + k steps, as plain operators.

    It reads terms, start and theta, and writes the spikes of every digit.
    """

    emit = _ternary if code.levels == 1 else _graded

    def run(terms: list[Term], start: Tensor | None, theta: Tensor | None, spikes: list[Tensor]) -> None:
        top = code.beta**code.silent if theta is None else code.beta**code.silent * theta
        v, gate = start, None
        for t in range(1, code.steps + code.silent + 1):
            u = _membrane(code.beta, v, [(x[t - 1], w) for x, w in terms if t <= len(x)])
            if t > code.silent:
                gate = torch.full_like(u, torch.inf if signed else 0.0) if gate is None else gate
                s, gate = emit(code, u, code.fraction(t - code.silent) * top, top, gate)
                spikes[t - code.silent - 1].copy_(s)
                u = u - top * s
            v = u if theta is None else u.clamp(-saturation(code), saturation(code))

    return cast(FunctionType, run)


def _ternary(_: CSS, u: Tensor, bar: Tensor | float, __: Tensor | float, gate: Tensor) -> tuple[Tensor, Tensor]:
    """Return digits of one level, and the gate after them: above zero once a spike is out that may be taken back."""
    up, down = u >= bar, (u <= -bar) & (gate > 0)
    return torch.where(up, 1.0, torch.where(down, -1.0, 0.0)), torch.where(up, 1.0, gate)


def _graded(code: CSS, u: Tensor, _: Tensor | float, top: Tensor | float, gate: Tensor) -> tuple[Tensor, Tensor]:
    """Return digits of several levels, and the gate after them: what has been sent, in the next digit."""
    digits = torch.maximum(code.nearest(u / top), -code.below(gate))
    return digits, code.beta * (gate + digits)


def _membrane(beta: float, v: Tensor | None, terms: list[Term]) -> Tensor:
    """Return ``sum_i w_i x_i + beta v``, in the order in which the graph adds."""
    potential = [] if v is None else [beta * v]
    return reduce(torch.add, [reduce(torch.add, scaled(terms)), *potential] if terms else potential)
