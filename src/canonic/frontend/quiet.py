"""Silence for torch while it captures a model, in one thread: logs, warnings and sys.stderr belong to all of them."""

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, field
from typing import Any, cast

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch from telling this thread about its own internals, which our message then says better.

    Other threads log, warn and print as before, but no second one gets in: ``torch.export`` changes the process
    while it runs, so that one model is captured at a time.
    """
    with _ONE_AT_A_TIME:
        here = _Here()
        handlers = _handlers()
        # Not warnings.catch_warnings: it would silence all threads, for good where two of them overlap.
        ignored = ("ignore", here, Warning, None, 0)
        filters = cast(list[Any], warnings.filters)
        filters.insert(0, ignored)
        for handler in handlers:
            handler.addFilter(here.lets_pass)
        try:
            with redirect_stderr(cast(Any, _Shared(sys.stderr, here))):
                yield
        finally:
            here.silent = False
            for handler in handlers:
                handler.removeFilter(here.lets_pass)
            with suppress(ValueError):
                filters.remove(ignored)


@dataclass(eq=False)
class _Here:
    """The thread that is to be silent, until it is done."""

    thread: int = field(default_factory=threading.get_ident)
    silent: bool = True

    def match(self, _: str) -> bool:
        """Stand where a warning filter has the pattern of its message."""
        return self.silent and threading.get_ident() == self.thread

    def lets_pass(self, record: logging.LogRecord) -> bool:
        """Stand where a handler of logs has a filter: what torch logs in this thread does not pass."""
        return not (self.silent and record.thread == self.thread and record.name.startswith("torch"))


@dataclass
class _Shared:
    """A stream that drops what one thread writes, and passes on what others do: it may outlive the silence there."""

    stream: Any
    here: _Here

    def write(self, text: str) -> int:
        return len(text) if self.here.match(text) else int(self.stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _handlers() -> set[logging.Handler]:
    """Return all handlers of logs: torch has one for each of its larger parts."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    known = {handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers}
    return known | ({logging.lastResort} if logging.lastResort else set())
