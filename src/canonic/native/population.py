"""What the neurons of population.c take and give, for all programs that have them in their C."""

import ctypes
from collections.abc import Sequence
from ctypes import Structure, c_float, c_int32

import torch
from torch import Tensor

from canonic.codes import CSS, MOST_STEPS
from canonic.neurons import SATURATION, Fired, Scan

TYPES = {torch.float32: "float", torch.int8: "int8_t", torch.bfloat16: "uint16_t"}
POPULATION = ("vectors.c", "population.c")


class Code(Structure):
    """A code in C: the struct of population.c."""

    _fields_ = (
        *((name, c_int32) for name in ("steps", "silent")),
        *((name, c_float) for name in ("beta", "bar", "last_bar", "top")),
    )


def numbers_of(code: CSS) -> tuple[int, int, float, float, float, float]:
    """Return the fields of a code in C."""
    top = code.beta**code.silent
    return code.steps, code.silent, code.beta, code.phi * top, top / 2, top


def macros_of(*, signed: bool, start: bool, theta: bool, count: bool, spike: torch.dtype) -> list[str]:
    """Return the macros of population.c but the terms of its current."""
    return [
        f"MOST={MOST_STEPS}",
        f"LIMIT=((float){SATURATION!r})",
        f"SIGNED={signed:d}",
        f"START={start:d}",
        f"THETA={theta:d}",
        f"COUNT={count:d}",
        f"SPIKE={TYPES[spike]}",
    ]


def term_macro(index: int, kind: torch.dtype, length: str, *, weighted: bool) -> str:
    """Return the statement that adds a term in memory, ``length`` steps long, to the current."""
    weight = f"READ(float)(weights[{index}] + c + m * across, n) * " if weighted else ""
    number = f"READ({TYPES[kind]})((const {TYPES[kind]} *)terms[{index}] + t * size + i + m * LANES, n)"
    return f"if (t < {length}) u[m] += {weight}{number};"


def place(tensor: Tensor | None) -> ctypes.c_void_p:
    """Return where a tensor lies; nowhere if there is none."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def places(tensors: Sequence[Tensor | None]) -> "ctypes.Array[ctypes.c_void_p]":
    """Return where tensors lie, as an array in C."""
    return (ctypes.c_void_p * len(tensors))(*(None if t is None else t.data_ptr() for t in tensors))


class Counters:
    """What a population counts in C: sums, and how often each neuron fired, for each thread."""

    def __init__(self, code: CSS, threads: int, neurons: int | None) -> None:
        self.sums = torch.zeros(3 * code.steps + 1, dtype=torch.int64)
        self.events = torch.zeros(threads, neurons or 1, dtype=torch.int32)
        self.steps, self.counted = code.steps, neurons is not None

    def scan(self, spikes: Tensor) -> Scan:
        """Return what the population did."""
        overloads, positive, negative = self.sums[:-1].view(3, self.steps)
        if not self.counted:
            return Scan(spikes, overloads, None)
        events = self.events.sum(0, dtype=torch.int32)
        return Scan(spikes, overloads, Fired(positive, negative, int(self.sums[-1]), events))
