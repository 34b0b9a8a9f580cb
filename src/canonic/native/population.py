"""What a population takes and gives as rows of memory, and how C sees it: population.c."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.neurons import Fired, Scan, total

TYPES = {torch.float32: "float", torch.int8: "int8_t", torch.bfloat16: "uint16_t"}


@dataclass(frozen=True)
class Given:
    """What a population is given. Its current is a sum of terms, ``I[t] = sum_i w_i x_i[t]``, each as rows of memory.

    Attributes:
        terms: streams.
        weights: of the elements of each.
        spike: the type of a spike.
        signed: whether the gate is open from the start.
        start: initial potential.
        theta: whole thresholds of an integer network; 1 if None.
        ceiling: of what is sent, in units of theta; none if None.
        neurons: elements of one sample, some rows, if spikes and overloads are to be counted in passing.
    """

    terms: Sequence[Shaped[Tensor, "_ rows size"]]
    weights: Sequence[Float[Tensor, " size"] | None]
    spike: torch.dtype
    signed: bool
    start: Float[Tensor, " size"] | None = None
    theta: Float[Tensor, " size"] | None = None
    ceiling: Float[Tensor, " size"] | None = None
    neurons: int | None = None

    @property
    def kinds(self) -> tuple[tuple[torch.dtype, bool], ...]:
        """Of each term its type, and whether it has weights."""
        return tuple((x.dtype, w is not None) for x, w in zip(self.terms, self.weights, strict=True))

    @property
    def current(self) -> Float[Tensor, "_ rows size"]:
        """The sum of the terms, as long as the longest."""
        return total(list(zip(self.terms, self.weights, strict=True)))

    @property
    def unsuited(self) -> str | None:
        """Why no C program reads this; None if one does."""
        devices = {x.device.type for x in self.terms} - {"cpu"}
        if devices:
            return f"streams are on {min(devices)}"
        types = {self.spike, *(x.dtype for x in self.terms)} - TYPES.keys()
        return f"there are streams of {min(map(str, types))}" if types else None


def macros_of(given: Given, *, most: int, graded: bool) -> tuple[str, ...]:
    """Return the macros of population.c but the terms of its current."""
    return (
        f"MOST={most}",
        f"GRADED={graded:d}",
        f"COUNT={given.neurons is not None:d}",
        f"SPIKE={TYPES[given.spike]}",
    )


def term_macro(index: int, kind: torch.dtype, length: str, *, weighted: bool, whole: bool = False) -> str:
    """Return the statement that adds a term in memory, ``length`` steps long, to the current; whole if that is."""
    read = "WHOLE_OF" if whole else "READ"
    weight = f"{read}(float)(weights[{index}] + c + m * across, n) * " if weighted else ""
    number = f"{read}({TYPES[kind]})((const {TYPES[kind]} *)terms[{index}] + t * size + i + m * LANES, n)"
    return f"if (t < {length}) u[m] += {weight}{number};"


def place(tensor: Tensor | None) -> ctypes.c_void_p:
    """Return where a tensor lies; nowhere if there is none."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def places(tensors: Sequence[Tensor | None]) -> "ctypes.Array[ctypes.c_void_p]":
    """Return where tensors lie, as an array in C."""
    return (ctypes.c_void_p * len(tensors))(*(None if t is None else t.data_ptr() for t in tensors))


class Counters:
    """What a population counts in C: sums, and how often each neuron fired, for each thread."""

    def __init__(self, steps: int, threads: int, neurons: int | None) -> None:
        self.sums = torch.zeros(3 * steps + 1, dtype=torch.int64)
        self.events = torch.zeros(threads, neurons or 1, dtype=torch.int32)
        self.steps, self.counted = steps, neurons is not None

    def scan(self, spikes: Tensor) -> Scan:
        """Return what the population did."""
        if not self.counted:
            return Scan(spikes, self.sums[: self.steps], None)
        overloads, positive, negative = self.sums[:-1].view(3, self.steps)
        events = self.events.sum(0, dtype=torch.int32)
        return Scan(spikes, overloads, Fired(positive, negative, int(self.sums[-1]), events))
