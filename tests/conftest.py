"""What all tests share: fixed seeds, one thread for each process, and the data beside the checkout."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests.commands import run

# Tests run in as many processes as there are cores: more threads than cores wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("fixed")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as a process on a terminal has it; what a test makes of it is undone."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def command():
    """Run ``canonic`` with arguments in a folder, within this process; return what it prints."""

    def run_in(folder, *arguments, code=0):
        done = run(folder, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run_in


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"no trained networks and pictures: {SHARED} is missing")
    return SHARED
