"""Groups of processes for tests: started as torchrun starts them, each running one function of a test file."""

import os
import pickle
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

RUN = """
import pickle, sys
from importlib import import_module
import torch
torch.set_num_threads(1)
from canonic.cluster import cluster
from canonic.errors import CanonicError
module, name, arguments, out = sys.argv[1:]
work = getattr(import_module(module), name)
with cluster() as workers:
    try:
        result = work(workers, *pickle.loads(bytes.fromhex(arguments)))
    except CanonicError as error:
        result = error
with open(f"{out}.{workers.rank}", "wb") as file:
    pickle.dump(result, file)
"""


@dataclass(frozen=True)
class Ended:
    """How one process of a group ended: what its function returned or raised, its exit code, what it printed."""

    result: Any
    code: int
    output: str


def in_group(world: int, work, *arguments, timeout: float = 60) -> list[Ended]:
    """Run ``work(workers, *arguments)`` in this many processes, and return how each ended."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.close()
        out = Path(folder) / "result"
        command = [sys.executable, "-c", RUN, work.__module__, work.__name__, pickle.dumps(arguments).hex(), str(out)]
        group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(world)}
        started = [
            subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **group, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in range(world)
        ]
        outputs = [process.communicate(timeout=timeout)[0] for process in started]
        results = [_read(Path(f"{out}.{rank}")) for rank in range(world)]
    return [Ended(*how) for how in zip(results, (p.returncode for p in started), outputs, strict=True)]


def _read(path: Path):
    return pickle.loads(path.read_bytes()) if path.exists() else None
