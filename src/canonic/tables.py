"""Small tables of plain text and of plain HTML: what a screen and a notebook show of a result."""

from collections.abc import Sequence
from html import escape

MOST = 60
"""Rows that a notebook is shown of a long table: those at its beginning and those at its end."""


def text_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in columns, under a line.

    >>> print(text_table(("layer", "k"), [("first", "1"), ("second", "10")]))
    layer   k
    ----------
    first   1
    second  10
    """
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    first, *others = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in (headings, *rows)]
    return "\n".join((first.rstrip(), "-" * len(first), *(line.rstrip() for line in others)))


def html_table(headings: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return a table of escaped text; of many rows the first and the last, and how many are left out.

    >>> html_table(("a",), [("<b>",)], "one & all")
    '<table><caption>one &amp; all</caption><tr><th>a</th></tr><tr><td>&lt;b&gt;</td></tr></table>'
    """
    shown = list(rows)
    if len(shown) > MOST:
        gap = (f"... {len(shown) - MOST} more ...", *[""] * (len(headings) - 1))
        shown = [*shown[: MOST // 2], gap, *shown[-MOST // 2 :]]
    head = "".join(f"<th>{escape(text)}</th>" for text in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in shown)
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"
