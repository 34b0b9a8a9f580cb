"""The process of the command line: Ctrl-C, and under ``torchrun`` the group of processes, which has one voice."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType


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


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Keep the signals of Ctrl-C, each of which raises KeyboardInterrupt as ever; none where Ctrl-C is ignored."""
    seen: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        signal.default_int_handler(number, frame)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield seen
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
