"""The process of the command line: Ctrl-C, and under ``torchrun`` the group of processes, which has one voice."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import typer

INTERRUPTED = 130
"""The exit code that typer gives to Ctrl-C."""

HALTED = "interrupted; nothing was left half-written"


class Told(typer.Exit):
    """The end of a command that has said itself what became of its files."""


def run(command: Callable[[], object]) -> None:
    """Run the command line to its end, where Ctrl-C is too late; every error is one line and an exit code."""
    from canonic.errors import CanonicError, ClusterError

    name = name_of_process()
    with interrupts() as seen:
        try:
            with in_group():
                command()
        except SystemExit as stop:
            if stop.code == INTERRUPTED and not isinstance(stop.__context__, Told):
                print(f"{name}: {HALTED}", file=sys.stderr)
            raise
        except (Exception, KeyboardInterrupt) as error:
            # An import that Ctrl-C ends may raise anything: numpy makes an ImportError of it, others a SystemError.
            halted = isinstance(error, KeyboardInterrupt) or (seen and not isinstance(error, ClusterError))
            if not (halted or isinstance(error, CanonicError)):
                raise
            print(f"{name}: {HALTED if halted else error}", file=sys.stderr)
            sys.exit(INTERRUPTED if halted else 1)


def name_of_process() -> str:
    """Return the name that errors begin with."""
    world, rank = os.environ.get("WORLD_SIZE", "1"), int(os.environ.get("RANK", "0"))
    return "canonic" if world == "1" else f"canonic (process {rank + 1} of {world})"


@contextmanager
def in_group() -> Iterator[None]:
    """Join the processes that torchrun started, where it did; only the first of them prints results."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield  # without torch, which takes seconds to load
        return
    from canonic.cluster import cluster

    with ExitStack() as stack:
        if not stack.enter_context(cluster()).first:
            stack.enter_context(redirect_stdout(stack.enter_context(Path(os.devnull).open("w"))))
        yield


@dataclass(frozen=True)
class Interrupt:
    """The handler of Ctrl-C: it keeps the signals, each of which raises KeyboardInterrupt as ever."""

    seen: list[int] = field(default_factory=list)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Keep a signal and raise."""
        self.seen.append(number)
        signal.default_int_handler(number, frame)


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Keep the signals of Ctrl-C; none where Ctrl-C is ignored. What follows is the end of the process."""
    handler = Interrupt()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, handler)
    try:
        yield handler.seen
    finally:
        finish()


def finish() -> None:
    """Make Ctrl-C too late: what was done is said whole, and the process ends as it would have ended.

    Without it Ctrl-C would cut the output off, or hit what torch and others clean up at exit, which prints a traceback
    and exits with 0.
    """
    if isinstance(signal.getsignal(signal.SIGINT), Interrupt):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def print_json(value: object) -> None:
    """Print plain data, whole."""
    finish()
    print(json.dumps(value, indent=2))
