"""C programs for the processor at hand: built in about half a second each, as many at once as there are cores.

They are kept on disk. Where there is no C compiler one line in the log says so, and torch's operators give the same
spikes.
"""

import ctypes
import hashlib
import logging
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger("canonic")

FLAGS = ("-O3", "-std=gnu11", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno", "-Wno-psabi")
FURTHER = ("-Werror=implicit-function-declaration", "-shared", "-fPIC", "-lm")
CHOICES = (("-march=native", "-fopenmp"), ("-march=native",), ())
"""Further flags, the first that the compiler takes."""

Program = Callable[..., None]


class Source(NamedTuple):
    """What a C program is built from.

    Attributes:
        files: of this folder, one after the other.
        name: of its function.
        macros: that it is compiled with.
        flags: further ones.
    """

    files: tuple[str, ...]
    name: str
    macros: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@cache
def program(source: Source) -> Program | None:
    """Return a function of a C program, from disk if it was built before; None where it cannot be built."""
    if (reason := _built(source)) is not None:
        _say_once(reason)
        return None
    found: Program = getattr(ctypes.CDLL(str(_place(source))), source.name)
    return found


def build(sources: Iterable[Source]) -> None:
    """Build the programs that are not on disk, as many at once as there are cores.

    What cannot be built is passed over: ``program`` says so where it is wanted.
    """
    missing = [source for source in dict.fromkeys(sources) if not _place(source).exists()]
    if len(missing) > 1:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_built, missing))


@cache
def _text(files: tuple[str, ...]) -> str:
    return "\n".join(resources.files("canonic.native").joinpath(file).read_text() for file in files)


def _place(source: Source) -> Path:
    """Return where a program lies once it is built."""
    parts = _text(source.files), *source.macros, *FLAGS, *source.flags, features()
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    return cache_folder() / f"{source.name}-{key}.so"


def _built(source: Source) -> str | None:
    """See to it that a program is on disk; return the reason if it cannot be."""
    path = _place(source)
    return None if path.exists() else _compiled(_text(source.files), source.macros, source.flags, path)


def _compiled(text: str, macros: Sequence[str], flags: Sequence[str], path: Path) -> str | None:
    """Compile to a file that appears whole or not at all; return the reason if that fails."""
    compiler = os.environ.get("CC", "cc")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made, defined = Path(folder, "made.so"), [f"-D{macro}" for macro in macros]
            for extra in CHOICES:
                output = ["-o", str(made), *FURTHER]
                command = [compiler, "-x", "c", "-", *FLAGS, *flags, *extra, *defined, *output]
                done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
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
