"""Numbers as people write them, and the few forms of HTML that a report is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

Chart = Mapping[str, Any]
"""A Vega-Lite specification as plain data; a colour may be a variable of the style sheet, "var(--name)"."""

Number = int | float
"""A number as it comes from JSON, where one without a fraction is whole."""

NONE = "–"
SPACE = "\N{NO-BREAK SPACE}"
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        name: of its anchor.
        title: of its heading.
        body: HTML.
        charts: those that the body has a place for, by name.
    """

    name: str
    title: str
    body: str
    charts: Mapping[str, Chart] = field(default_factory=dict)

    def __str__(self) -> str:
        heading = f'<h2 id="{self.name}-title">{escape(self.title)}</h2>'
        return f'<section id="{self.name}" aria-labelledby="{self.name}-title">{heading}{self.body}</section>'


def words(key: str) -> str:
    """Return a key of plain data as people write it.

    >>> words("dead_channels")
    'dead channels'
    """
    return key.replace("_", " ")


def percent(share: Number | None, digits: int = 2) -> str:
    """Return a share as a percentage, with a space that does not break.

    >>> percent(0.8096).replace(SPACE, "_"), percent(None)
    ('80.96_%', '–')
    """
    return NONE if share is None else f"{100 * share:.{digits}f}{SPACE}%"


def is_other_code(row: Mapping[str, Any]) -> bool:
    """Return whether a row of an energy model is of another code, which was measured on fewer samples."""
    name: str = row["network"]
    return name.startswith(("quantised", "rate code"))


def accuracy_of(row: Mapping[str, Any]) -> str:
    """Return the accuracy of a row of an energy model, with a star where it was measured on fewer samples."""
    if row["accuracy"] is None:
        return "not measured"
    return f"{percent(row['accuracy'])}{' *' if is_other_code(row) else ''}"


def signed(value: Number, digits: int = 2) -> str:
    """Return a difference with its sign; nothing is written as plus or minus nothing.

    >>> signed(-0.07), signed(1.25, 1), signed(-0.001)
    ('−0.07', '+1.2', '0.00')
    """
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else f"{'+' if value > 0 else '−'}{text}"


def number(value: Number | None, digits: int = 4) -> str:
    """Return a number with this many significant digits, large ones with a prefix.

    >>> [number(value).replace(SPACE, "_") for value in (188416, 91_000_000, 0.31, 2.0, None)]
    ['188.4_k', '91_M', '0.31', '2', '–']
    """
    if value is None:
        return NONE
    for size, prefix in PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.{digits}g}{SPACE}{prefix}"
    return f"{value:.{digits}g}"


def whole(count: int) -> str:
    """Return a number of things that are there, such as neurons, in full.

    >>> whole(1536)
    '1,536'
    """
    return f"{count:,}"


def decibels(value: Number | None) -> str:
    """Return a ratio in dB; none is one without an error.

    >>> decibels(None)
    'exact'
    """
    return "exact" if value is None else f"{value:.1f} dB"


def microjoules(value: Number | None, digits: int = 4) -> str:
    """Return an energy in one unit, however large, so that a column can be compared.

    >>> microjoules(5.3213), microjoules(1987.3, 3)
    ('5.321', '1,987')
    """
    return NONE if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.{digits}g}"


def times(ratio: Number) -> str:
    """Return how many times more or less one thing is than another.

    >>> times(0.5), times(3.04), times(1.004)
    ('2.0 times less', '3.0 times more', 'as much')
    """
    if 0.99 < ratio < 1.01:
        return "as much"
    return f"{ratio:.1f} times more" if ratio > 1 else f"{1 / ratio:.1f} times less" if ratio > 0 else "nothing"


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, marked: Iterable[int] = ()) -> str:
    """Return a table whose first column names the row; cells are text, and the rows of these numbers are marked."""
    chosen = set(marked)
    kind = "table wide" if len(headings) > 4 else "table"
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in headings)
    body = "".join(
        f'<tr class="marked">{_row(row)}</tr>' if index in chosen else f"<tr>{_row(row)}</tr>"
        for index, row in enumerate(rows)
    )
    return (
        f'<div class="{kind}" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(cells: Sequence[str]) -> str:
    first, *others = cells
    return f'<th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in others)


def figure(name: str, title: str, description: str, figures: str = "") -> str:
    """Return the place of a chart, with a description for those who cannot see it and a table of its figures."""
    details = f"<details><summary>The figures</summary>{figures}</details>" if figures else ""
    return (
        f"<figure><figcaption><strong>{escape(title)}</strong> {escape(description)}</figcaption>"
        f'<div class="chart" id="chart-{name}" role="img" aria-label="{escape(f"{title}. {description}")}"></div>'
        f"{details}</figure>"
    )


def items(texts: Iterable[tuple[str, str]], kind: str) -> str:
    """Return a list of texts, each with a class of its own."""
    inner = "".join(f'<li class="{own}">{escape(text)}</li>' for own, text in texts)
    return f'<ul class="{kind}">{inner}</ul>'


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of text.

    >>> paragraph("a < b"), paragraph("a", "note")
    ('<p>a &lt; b</p>', '<p class="note">a</p>')
    """
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"
