"""The terminal: tables and sentences no wider than it, with nothing cut off."""

import os
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

WIDE = 240
"""Columns where the output is no terminal and COLUMNS does not say."""

LONGEST = 16
"""Characters of a word that stay together where there is no room; numbers are shorter, names may be longer."""


def tell(*parts: Table | str) -> None:
    """Print tables and sentences, one below the other."""
    screen = console()
    for part in parts:
        screen.print(fitted(part, screen.width) if isinstance(part, Table) else part)


def columns(headings: Sequence[str], rows: Iterable[Sequence[str]] = ()) -> Table:
    """Return a table without lines."""
    table = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table


def fitted(table: Table, width: int) -> Table:
    """Return a table in which long names and remarks go on in the next line, and every number stays whole."""
    gap = 2 if width >= 100 else 1
    texts = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    wanted = [max(len(line) for text in cells for line in text.split("\n")) for cells in texts]
    least = [min(LONGEST, max((len(word) for text in cells for word in text.split()), default=0)) for cells in texts]
    table.padding = (0, gap, 0, 0)
    for column, size in zip(table.columns, shared(width - gap * (len(texts) - 1), wanted, least), strict=True):
        column.overflow, column.width = "fold", size
    return table


def shared(room: int, wanted: Sequence[int], least: Sequence[int]) -> list[int]:
    """Return the widths of columns: each its least, and what is left to those that want little more first.

    >>> shared(20, [4, 30, 6], [4, 8, 5])
    [4, 10, 6]
    """
    sizes, left = list(least), room - sum(least)
    for index in sorted(range(len(sizes)), key=lambda i: wanted[i] - least[i]):
        more = max(0, min(wanted[index] - least[index], left))
        sizes[index], left = sizes[index] + more, left - more
    return sizes


def console() -> Console:
    """Return a console as wide as the terminal, or as COLUMNS says; texts are shown as they are, without markup."""
    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, markup=False, emoji=False, width=None if told else WIDE)
