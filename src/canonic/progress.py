"""Progress bars: shown on a terminal, silent everywhere else."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], label: str, *, shown: bool = True, total: int | None = None) -> Iterator[T]:
    """Pass the items on, with a bar on standard error where that is a terminal."""
    if not (shown and sys.stderr.isatty()):
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as bar

    total = len(items) if total is None and isinstance(items, Sized) else total
    yield from bar(items, label, total=total, console=Console(stderr=True), transient=True)


@contextmanager
def waiting(label: str, *, shown: bool = True) -> Iterator[None]:
    """Show that something of unknown length is under way, on a terminal only."""
    if not (shown and sys.stderr.isatty()):
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(label):
        yield


@contextmanager
def advancing(total: int, done: int = 0, *, shown: bool = True) -> Iterator[Callable[[str], None]]:
    """Give what is called after each part of some work, with what to say beside the bar and the time that is left."""
    if not (shown and sys.stderr.isatty()):
        yield lambda _said: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, completed=done)
        yield lambda said: bar.update(task, advance=1, description=said)
