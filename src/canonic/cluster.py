"""Several processes, on one machine or many: each takes its share of the batches, and all learn what each found.

``torchrun`` starts the processes and torch.distributed connects them; nothing here opens a connection of its own.
"""

import hashlib
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from canonic.errors import CanonicError, ClusterError, DataError, first_line

T = TypeVar("T")

PATIENCE = timedelta(minutes=30)
"""How long one process may keep the others waiting. One that ended is noticed at once."""


@dataclass(frozen=True)
class Workers:
    """The processes that share a piece of work, seen from one of them.

    Args:
        rank: number of this process, 0 to world - 1.
        world: number of processes.

    >>> Workers(rank=1, world=3).share([10, 11, 12, 13, 14, 15, 16])
    [11, 14]
    >>> ALONE.gathered("a"), ALONE.together(lambda: "a")
    (['a'], ['a'])
    """

    rank: int
    world: int

    @property
    def first(self) -> bool:
        """Whether this is the process that prints and writes files."""
        return self.rank == 0

    def __str__(self) -> str:
        return f"process {self.rank + 1} of {self.world}"

    def share(self, batches: Iterable[T]) -> Iterable[T]:
        """Return every world-th batch, beginning with number ``rank``; none where there are fewer.

        Batches stay whole, so that the arithmetic on each does not depend on the number of processes. The samples of
        others are not loaded from a plain DataLoader over numbered samples; any other iterable is stepped through.

        Raises:
            DataError: if a DataLoader has other batches in other processes.
        """
        if self.world == 1:
            return batches
        if type(batches) is DataLoader and not isinstance(batches.dataset, IterableDataset):
            return self._shared_loader(batches)
        if isinstance(batches, list | tuple):
            return batches[self.rank :: self.world]
        return islice(batches, self.rank, None, self.world)

    def gathered(self, value: T) -> list[T]:
        """Return the values of all processes, in order; each of them must call this as often.

        Raises:
            ClusterError: if a process ended, failed, or keeps the others waiting for too long.
        """
        return self._exchange(value, None)

    def together(self, work: Callable[[], T]) -> list[T]:
        """Do something in every process and return what each got, in order; the error of one is raised in all.

        Args:
            work: something that does not itself wait for the other processes.

        Raises:
            CanonicError: that of a process that failed; ClusterError if it is of another kind, or as ``gathered``.
        """
        try:
            value = work()
        except Exception as error:
            with suppress(ClusterError):
                self._exchange(None, error)
            raise
        return self._exchange(value, None)

    def sent(self, value: T | None, sender: int) -> T:
        """Return in every process the value of one of them; what the others give is not looked at.

        Raises:
            ClusterError: as ``gathered``.
        """
        if self.world == 1:
            return cast(T, value)
        parcel = [value]
        with self._contact():
            dist.broadcast_object_list(parcel, src=sender)
        return cast(T, parcel[0])

    def summed(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes of a tensor of whole numbers, of the same shape in each.

        Raises:
            ClusterError: as ``gathered``.
        """
        if self.world == 1:
            return tensor
        total = tensor.clone()
        with self._contact():
            dist.all_reduce(total)
        return total

    def _exchange(self, value: T, error: Exception | None) -> list[T]:
        if self.world == 1:
            return [value]
        told = None if error is None else self._retold(error)
        answers: list[tuple[T, CanonicError | None]] = [(value, None)] * self.world
        with self._contact():
            dist.all_gather_object(answers, (value, told))
        failures = [failure for _, failure in answers if failure is not None]
        if failures and error is None:
            raise failures[0]
        return [answer for answer, _ in answers]

    def _retold(self, error: Exception) -> CanonicError:
        """Return what the other processes raise when this one fails."""
        if isinstance(error, CanonicError):
            return type(error)(f"{error} (in {self})")
        return ClusterError(f"{self} failed with {type(error).__name__}: {error}")

    @contextmanager
    def _contact(self) -> Iterator[None]:
        """Let Ctrl-C not cut an exchange.

        It reaches all processes: those at work end, tell what they have, and so end the wait of the others.
        """
        with self.contact(), _uninterrupted():
            yield

    @contextmanager
    def contact(self) -> Iterator[None]:
        """Turn what torch says of a lost process into an error with a remedy.

        Raises:
            ClusterError: if it says so of several processes.
        """
        try:
            yield
        except RuntimeError as error:
            if self.world == 1:
                raise
            raise ClusterError(
                f"{self} lost contact with the others: one of them ended, or was silent for too long "
                f"({first_line(error)}); look for the first error among the outputs of all, and start all of them again"
            ) from error

    def _shared_loader(self, loader: "DataLoader[T]") -> "DataLoader[T]":
        listed = loader.batch_sampler if loader.batch_sampler is not None else loader.sampler
        chosen = list(listed)
        digest = hashlib.sha256(repr(chosen).encode()).hexdigest()
        if len(set(self.gathered(digest))) > 1:
            raise DataError(
                "the batches of the DataLoader differ from process to process: use shuffle=False, or a sampler with "
                "the same seed in each, and see that every machine has the same data"
            )
        mine = chosen[self.rank :: self.world]
        order = {"batch_sampler": mine} if loader.batch_sampler is not None else {"batch_size": None, "sampler": mine}
        return DataLoader(loader.dataset, **order, **{name: getattr(loader, name) for name in _KEPT})


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Drop Ctrl-C, where this thread gets it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


_KEPT = (
    "num_workers",
    "collate_fn",
    "pin_memory",
    "timeout",
    "worker_init_fn",
    "multiprocessing_context",
    "generator",
    "prefetch_factor",
    "persistent_workers",
)
"""What the DataLoader of a share has of the whole."""

ALONE = Workers(0, 1)
"""A process that shares its work with no other, in a group or not."""


def workers() -> Workers:
    """Return the group that this process belongs to; it is alone where torch.distributed was not initialised."""
    if dist.is_available() and dist.is_initialized():
        return Workers(dist.get_rank(), dist.get_world_size())
    return ALONE


@contextmanager
def cluster(patience: timedelta = PATIENCE) -> Iterator[Workers]:
    """Join the group that ``torchrun`` started this process for, if it did, and leave it at the end.

    Plain data go through gloo, on CPUs; where there are GPUs, each process gets one, and nccl joins them.

    Raises:
        ClusterError: if the other processes cannot be reached.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    gpus = torch.cuda.device_count()
    if gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % gpus)
    mine = Workers(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    with mine._contact():
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=patience)
    try:
        yield mine
    finally:
        dist.destroy_process_group()
