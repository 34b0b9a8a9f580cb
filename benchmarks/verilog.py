"""The circuits of hardware/ from Python: simulated by iverilog, and made of cells by yosys."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy import ndarray

HARDWARE = Path(__file__).resolve().parents[1] / "hardware"
SOURCES = ("tsa_neuron.v", "tsa_array.v", "if_neuron.v", "mac.v")
CELLS = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
"""Oklahoma State University's standard cells of 0.18 um, in Debian's package qflow-tech-osu018."""


def word(values: Iterable[int], bits: int) -> str:
    """Return numbers side by side in hexadecimal, the first in the lowest bits, in two's complement.

    >>> word([1, -1], 8)
    'ff01'
    """
    numbers = [int(value) % 2**bits for value in values]
    return f"{sum(number << bits * place for place, number in enumerate(numbers)):x}"


def numbers_of(line: str, count: int, bits: int) -> list[int]:
    """Return the numbers of a word.

    >>> numbers_of("ff01", 2, 8)
    [1, -1]
    """
    whole, half = int(line, 16), 2 ** (bits - 1)
    return [((whole >> bits * place) + half) % (2 * half) - half for place in range(count)]


def events(digit: int) -> Iterator[tuple[int, int]]:
    """Yield what an array is sent of a digit: whether it is negative and the place, once for each of its ones.

    >>> list(events(-5))
    [(1, 0), (1, 2)]
    """
    size = abs(int(digit))
    yield from ((int(digit < 0), place) for place in range(size.bit_length()) if size >> place & 1)


def simulated(commands: Iterable[str], neurons: int, levels: int, **parameters: int) -> Int[ndarray, "steps neurons"]:
    """Return the digits that an array answers to commands, of all steps in which it may fire."""
    given = {"NEURONS": neurons, "LEVELS": levels, **parameters}
    sources = [HARDWARE / name for name in ("array_tb.v", "tsa_array.v", "tsa_neuron.v")]
    with TemporaryDirectory() as folder:
        program, played, written = (Path(folder) / name for name in ("program", "commands", "digits"))
        played.write_text("\n".join(commands))
        options = [f"-Parray_tb.{name.upper()}={value}" for name, value in given.items()]
        called("iverilog", "-g2005-sv", f"-I{HARDWARE}", *options, "-s", "array_tb", "-o", program, *sources)
        called("vvp", "-n", program, f"+commands={played}", f"+digits={written}")
        lines = written.read_text().split()
    return np.array([numbers_of(line, neurons, levels.bit_length() + 1) for line in lines])


def scanned(
    currents: Int[ndarray, "time neurons"],
    theta: Int[ndarray, " neurons"],
    start: Int[ndarray, " neurons"],
    *,
    steps: int,
    lanes: int = 64,
    **parameters: int,
) -> Int[ndarray, "steps neurons"]:
    """Return the digits of neurons that are given their currents whole, one event a step, some lanes at a time.

    They begin at ``start``, which the first step has amplified already.
    """
    silent, bits = parameters["silent"], parameters["membrane"]
    spare = -currents.shape[1] % lanes
    wide, bars = np.pad(currents, ((0, 0), (0, spare))), np.pad(theta, (0, spare), constant_values=1)
    commands = _played(wide, bars, np.pad(start, (0, spare)), lanes, steps + silent, bits)
    found = simulated(commands, lanes, t=steps, weight=bits, **parameters)
    return found.reshape(-1, steps, lanes).swapaxes(0, 1).reshape(steps, -1)[:, : currents.shape[1]]


def _played(
    currents: Int[ndarray, "time neurons"],
    theta: Int[ndarray, " neurons"],
    start: Int[ndarray, " neurons"],
    lanes: int,
    steps: int,
    bits: int,
) -> Iterator[str]:
    for begin in range(0, len(theta), lanes):
        group = slice(begin, begin + lanes)
        yield f"F {word(start[group], bits)} {word(theta[group], bits)}"
        for step in range(steps):
            if step < len(currents):
                yield f"E 0 0 {word(currents[step, group], bits)}"
            yield "L"


class Size(NamedTuple):
    """What a circuit is made of: cells, flip-flops among them, and their area in square micrometres."""

    cells: int
    registers: int
    area: float


def synthesised(top: str, **parameters: int) -> Size:
    """Return the size of a circuit in the cells of CELLS: yosys, flat, mapped for area."""
    sources = " ".join(str(HARDWARE / name) for name in SOURCES)
    values = "".join(f" -set {name.upper()} {value}" for name, value in parameters.items())
    script = (
        f"read_verilog -sv -I{HARDWARE} {sources}; chparam{values} {top}; synth -flatten -top {top}; "
        f"dfflibmap -liberty {CELLS}; abc -liberty {CELLS}; opt_clean; stat -liberty {CELLS}"
    )
    told = called("yosys", "-p", script).rpartition("Printing statistics")[2]
    kinds = {name: int(count) for name, count in re.findall(r"^ +([A-Z]\w+) +(\d+)$", told, re.MULTILINE)}
    area = float(re.findall(r"Chip area for module .*: ([\d.]+)", told)[-1])
    return Size(sum(kinds.values()), sum(n for name, n in kinds.items() if name.startswith("DFF")), area)


def called(*command: str | Path) -> str:
    """Return what a program wrote; raise an OSError with what it told if it failed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{command[0]} failed: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout
