"""Groups of processes for tests: told of each other as torchrun tells them, each running one function of a test file."""

import multiprocessing
import os
import pickle
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from canonic.cluster import cluster
from canonic.errors import CanonicError

# One process imports torch and converts once; all others are forked from it, and start in a tenth of a second.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.warm", "tests.groups"])


@dataclass(frozen=True)
class Ended:
    """How one process of a group ended: what its function returned or raised, None if it was lost; its exit code."""

    result: Any
    code: int | None


def in_group(
    world: int, work: Callable[..., Any], *arguments: Any, patience: timedelta = timedelta(seconds=60)
) -> list[Ended]:
    """Run ``work(workers, *arguments)`` in this many processes, and return how each ended."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(rank) for rank in range(world)]
        group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(world)}
        started = [
            CONTEXT.Process(target=_run, args=({**group, "RANK": str(rank)}, patience, files[rank], work, arguments))
            for rank in range(world)
        ]
        for process in started:
            process.start()
        for process in started:
            process.join(60)
            process.kill()
            process.join()
        return [
            Ended(pickle.loads(file.read_bytes()) if file.exists() else None, process.exitcode)
            for file, process in zip(files, started, strict=True)
        ]


def results(world: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Return what ``work(workers, *arguments)`` returned in each process of a group of which none was lost."""
    ended = in_group(world, work, *arguments)
    assert [process.code for process in ended] == [0] * world
    return [process.result for process in ended]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _run(
    group: dict[str, str], patience: timedelta, file: Path, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.environ.update(group)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with cluster(patience) as workers:
        try:
            result = work(workers, *arguments)
        except (CanonicError, ZeroDivisionError) as error:
            result = error
    file.write_bytes(pickle.dumps(result))
