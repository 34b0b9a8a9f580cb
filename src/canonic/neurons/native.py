"""The scan as a small C program for the processor at hand: built in a fraction of a second, kept on disk.

One pass reads every current once and keeps the state in registers. Where there is no C compiler, one line in the log
says so and populations run as plain torch operators, with the same spikes.
"""

import ctypes
import hashlib
import logging
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.neurons.tsa import SATURATION, Fired, Scan

log = logging.getLogger("canonic")

TYPES = {torch.float32: "float", torch.int8: "int8_t", torch.bfloat16: "uint16_t"}
FLAGS = ("-O3", "-std=c11", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno", "-shared", "-fPIC", "-lm")
CHOICES = (("-march=native", "-fopenmp"), ("-march=native",), ())
"""Further flags, the first that the compiler takes."""
ENOUGH = 128
"""Elements of a row for full vectors."""

Kernel = Callable[..., None]


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
    kinds = {dtype, *(x.dtype for x in terms)}
    if not kinds <= TYPES.keys() or any(x.device.type != "cpu" for x in terms):
        return None
    lengths = tuple(len(x) for x in terms)
    vectors = [None if v is None else v.float().contiguous() for v in (*weights, start, theta)]
    kept = tuple(x.dtype for x in terms), tuple(w is not None for w in weights)
    run = _kernel(
        _macros(code, signed, lengths, *kept, start is not None, theta is not None, dtype, neurons is not None)
    )
    if run is None:
        return None
    rows, size = terms[0].shape[1:]
    repeat = _repeats(rows if neurons is None else neurons // size, size)
    given, vectors = [x.contiguous() for x in terms], [v if v is None else v.repeat(repeat) for v in vectors]
    spikes = torch.empty(code.steps, rows, size, dtype=dtype)
    threads = min(torch.get_num_threads(), 1 + rows * size // 4096)
    counters = torch.zeros(3 * code.steps + 1, dtype=torch.int64)
    events = torch.zeros(threads, neurons or 1, dtype=torch.int32)
    places = (_places(given), _places(vectors[: len(terms)]), *map(_place, vectors[len(terms) :]))
    run(*places, *map(_place, (spikes, counters, events)), neurons or 1, rows // repeat, size * repeat, threads)
    overloads, positive, negative = counters[:-1].view(3, code.steps)
    fired = None if neurons is None else Fired(positive, negative, int(counters[-1]), events.sum(0, dtype=torch.int32))
    return Scan(spikes, overloads, fired)


def _repeats(rows: int, size: int) -> int:
    """Return how many rows make one of enough elements; a divisor of their number."""
    repeat = 1
    while size * repeat < ENOUGH and rows % (2 * repeat) == 0:
        repeat *= 2
    return repeat


def _place(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _places(tensors: Sequence[Tensor | None]) -> "ctypes.Array[ctypes.c_void_p]":
    return (ctypes.c_void_p * len(tensors))(*(None if t is None else t.data_ptr() for t in tensors))


@cache
def _macros(
    code: CSS,
    signed: bool,
    lengths: tuple[int, ...],
    types: tuple[torch.dtype, ...],
    weighted: tuple[bool, ...],
    start: bool,
    theta: bool,
    dtype: torch.dtype,
    count: bool,
) -> tuple[str, ...]:
    """Return the macros that scan.c is compiled with."""
    added = [
        f"if (t < {length}) {{ const {TYPES[kind]} *restrict x = terms[{i}]; const float *restrict w = weights[{i}]; "
        "(void)w; for (int j = 0; j < n; j++) "
        f"u[j] += {'w[c + j] * ' if scaled else ''}from_{TYPES[kind]}(x[t * count + i + j]); }}"
        for i, (kind, length, scaled) in enumerate(zip(types, lengths, weighted, strict=True))
    ]
    top = code.beta**code.silent
    numbers = {"BETA": code.beta, "TOP": top, "BAR": code.phi * top, "LAST_BAR": top / 2, "LIMIT": SATURATION}
    return (
        *(f"{name}=((float){value!r})" for name, value in numbers.items()),
        f"STEPS={code.steps}",
        f"SILENT={code.silent}",
        f"SIGNED={signed:d}",
        f"START={start:d}",
        f"THETA={theta:d}",
        f"COUNT={count:d}",
        f"ADD_TERMS={' '.join(added)}",
        f"SPIKE={TYPES[dtype]}",
        f"SPIKE_OF=to_{TYPES[dtype]}",
    )


@cache
def _kernel(macros: tuple[str, ...]) -> Kernel | None:
    """Return the program for these macros, from disk if it was built before."""
    source = resources.files("canonic.neurons").joinpath("scan.c").read_text()
    key = hashlib.sha256("\n".join((source, *macros, *FLAGS, _processor())).encode()).hexdigest()[:24]
    path = cache_folder() / f"scan-{key}.so"
    if not path.exists() and (reason := _build(source, macros, path)) is not None:
        _say_once(reason)
        return None
    run: Kernel = ctypes.CDLL(str(path)).scan
    pointer = ctypes.c_void_p
    sizes = ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int
    run.argtypes = [*[pointer] * 7, *sizes]  # type: ignore[attr-defined]
    return run


def _build(source: str, macros: Sequence[str], path: Path) -> str | None:
    """Compile to a file that appears whole or not at all; return the reason if that fails."""
    compiler = os.environ.get("CC", "cc")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder, "scan.so")
            for extra in CHOICES:
                command = [
                    compiler,
                    "-x",
                    "c",
                    "-",
                    *FLAGS,
                    *extra,
                    *(f"-D{macro}" for macro in macros),
                    "-o",
                    str(made),
                ]
                done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
                if done.returncode == 0:
                    made.replace(path)
                    return None
    except OSError as error:
        return f"{compiler}: {error.strerror}"
    return f"{compiler}: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else 'failed'}"


@cache
def _say_once(reason: str) -> None:
    log.warning("no C compiler for fast neurons (%s): they run as torch operators, with the same spikes", reason)


def cache_folder() -> Path:
    """Return the folder of built programs: ``$XDG_CACHE_HOME/canonic``, or ``~/.cache/canonic``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "canonic"


@cache
def _processor() -> str:
    """Return what tells processors apart: a program built for one need not run on another that shares the folder."""
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        flags = platform.processor()
    return f"{platform.platform()} {flags}"
