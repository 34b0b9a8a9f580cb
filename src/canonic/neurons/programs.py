"""C programs for the processor at hand: built in about half a second each, kept on disk.

Where there is no C compiler one line in the log says so, and torch's operators give the same spikes.
"""

import ctypes
import hashlib
import logging
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from ctypes import Structure, c_float, c_int32
from functools import cache
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from canonic.codes import CSS, MOST_STEPS
from canonic.neurons.tsa import SATURATION, Fired, Scan

log = logging.getLogger("canonic")

TYPES = {torch.float32: "float", torch.int8: "int8_t", torch.bfloat16: "uint16_t"}
FLAGS = ("-O3", "-std=gnu11", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno", "-Wno-psabi")
FURTHER = ("-Werror=implicit-function-declaration", "-shared", "-fPIC", "-lm")
CHOICES = (("-march=native", "-fopenmp"), ("-march=native",), ())
"""Further flags, the first that the compiler takes."""

Program = Callable[..., None]
File = tuple[str, str]
"""A package and the C file in it."""

VECTORS: File = ("canonic.neurons", "vectors.c")
POPULATION: tuple[File, ...] = (VECTORS, ("canonic.neurons", "population.c"))


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


@cache
def program(files: tuple[File, ...], name: str, macros: tuple[str, ...], flags: tuple[str, ...] = ()) -> Program | None:
    """Return a function of a C program, from disk if it was built before; None where it cannot be built."""
    source = "\n".join(resources.files(package).joinpath(file).read_text() for package, file in files)
    key = hashlib.sha256("\n".join((source, *macros, *FLAGS, *flags, features())).encode()).hexdigest()[:24]
    path = cache_folder() / f"{name}-{key}.so"
    if not path.exists() and (reason := _build(source, macros, flags, path)) is not None:
        _say_once(reason)
        return None
    found: Program = getattr(ctypes.CDLL(str(path)), name)
    return found


def _build(source: str, macros: Sequence[str], flags: Sequence[str], path: Path) -> str | None:
    """Compile to a file that appears whole or not at all; return the reason if that fails."""
    compiler = os.environ.get("CC", "cc")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made, defined = Path(folder, "made.so"), [f"-D{macro}" for macro in macros]
            for extra in CHOICES:
                output = ["-o", str(made), *FURTHER]
                command = [compiler, "-x", "c", "-", *FLAGS, *flags, *extra, *defined, *output]
                done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
                if done.returncode == 0:
                    made.replace(path)
                    return None
    except OSError as error:
        return f"{compiler}: {error.strerror}"
    said = done.stderr.strip().splitlines() or ["failed"]
    return f"{compiler}: {next((line for line in said if 'error' in line), said[0])}"


@cache
def _say_once(reason: str) -> None:
    log.warning("no C compiler for fast neurons (%s): they run as torch operators, with the same spikes", reason)


def cache_folder() -> Path:
    """Return the folder of built programs: ``$XDG_CACHE_HOME/canonic``, or ``~/.cache/canonic``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "canonic"


@cache
def features() -> str:
    """Return what tells processors apart: a program built for one need not run on another that shares the folder."""
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        flags = platform.processor()
    return f"{platform.platform()} {flags}"
