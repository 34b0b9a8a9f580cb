"""The command line under ``torchrun``: in the group of its processes, and with one voice."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path


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
