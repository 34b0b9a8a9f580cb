"""The scan of a population in one pass over its currents: C on a processor, a loop compiled by torch on a GPU.

The same dynamics as in ``tsa.py``, and the same spikes. A stream is given as rows of memory, ``[time, rows, size]``, so
that one program serves every layer and every batch. A current may be a sum of terms, ``I[t] = sum_i w_i x_i[t]``: a
shortcut's spikes and the scale that brings them into the unit of theta are read here, and their product is never
written to memory.
"""

import logging
from collections.abc import Callable, Hashable, Sequence
from functools import cache, reduce

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.codes import CSS
from canonic.errors import first_line
from canonic.neurons.native import native_scan
from canonic.neurons.tsa import SATURATION, Scan, scan

log = logging.getLogger("canonic")

Term = tuple[Tensor, Tensor | None]
"""A stream of at most T steps, and the weight of its elements."""

Program = Callable[[list[Term], Tensor | None, Tensor | None, list[Tensor]], None]
"""Reads terms, start and theta; writes the spikes of every digit."""


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
        return _compiled_scan(code, list(terms), dtype, signed, start, theta)
    result = scan(code, total(terms), signed=signed, start=start, theta=theta)
    return Scan(result.spikes.to(dtype), result.overloads)


def total(terms: Sequence[Term]) -> Tensor:
    """Return the sum of weighted terms, as long as the longest; spikes of few bits are added up as floats."""
    steps = max(len(x) for x, _ in terms)
    wide = [(x.to(torch.promote_types(x.dtype, torch.float32)), w) for x, w in terms]
    return reduce(torch.add, [lengthen(x if w is None else w * x, steps) for x, w in wide])


def lengthen(stream: Shaped[Tensor, "time batch ..."], steps: int) -> Shaped[Tensor, "steps batch ..."]:
    """Return the stream with silent steps added at its end."""
    missing = steps - len(stream)
    return torch.cat([stream, stream.new_zeros(missing, *stream.shape[1:])]) if missing else stream


def _compiled_scan(
    code: CSS, terms: list[Term], dtype: torch.dtype, signed: bool, start: Tensor | None, theta: Tensor | None
) -> Scan:
    first = terms[0][0]
    spikes = torch.empty(code.steps, *first.shape[1:], dtype=dtype, device=first.device)
    kinds = tuple((len(x), x.dtype, w is None) for x, w in terms)
    run = _compiled(code, signed, (kinds, start is None, theta is None, dtype, first.device.type))
    run(terms, start, theta, list(spikes.unbind(0)))
    return Scan(spikes, torch.zeros(code.steps, dtype=torch.int64))


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
def _compiled(code: CSS, signed: bool, variant: Hashable) -> Program:  # noqa: ARG001
    """Return the loop of one code for one kind of arguments.

    torch keeps at most eight programs for a function, whose arguments differ in more than their sizes; so each variant
    is a function of its own.
    """
    built: Program = torch.compile(  # type: ignore[call-overload]
        loop(code, signed), fullgraph=True, dynamic=True, isolate_recompiles=True
    )
    return built


def loop(code: CSS, signed: bool) -> Program:
    """Return the loop of a population over its T + k steps, as plain operators."""

    def run(terms: list[Term], start: Tensor | None, theta: Tensor | None, spikes: list[Tensor]) -> None:
        top = code.beta**code.silent if theta is None else code.beta**code.silent * theta
        v, closed = start, None
        for t in range(1, code.steps + code.silent + 1):
            u = _membrane(code.beta, v, [(x[t - 1], w) for x, w in terms if t <= len(x)])
            if t > code.silent:
                bar = code.fraction(t - code.silent) * top
                closed = torch.full_like(u, torch.inf) if closed is None else closed
                up, down = u >= bar, u <= (-bar if signed else -bar - closed)
                s = torch.where(up, 1.0, torch.where(down, -1.0, 0.0))
                closed = torch.where(up, 0.0, closed)
                spikes[t - code.silent - 1].copy_(s)
                u = u - top * s
            v = u if theta is None else u.clamp(-SATURATION, SATURATION)

    return run


def _membrane(beta: float, v: Tensor | None, terms: list[Term]) -> Tensor:
    """Return ``sum_i w_i x_i + beta v``, in the order in which the graph adds."""
    wide = [(x.to(torch.promote_types(x.dtype, torch.float32)), w) for x, w in terms]
    weighted = [x if w is None else w * x for x, w in wide]
    potential = [] if v is None else [beta * v]
    return reduce(torch.add, [reduce(torch.add, weighted), *potential] if weighted else potential)
