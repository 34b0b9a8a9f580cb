"""The few forms of HTML that a report is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from canonic.measure.comparison import OTHER_CODES
from canonic.words import percent

Chart = Mapping[str, Any]
"""A Vega-Lite specification as plain data; a colour may be a variable of the style sheet, "var(--name)"."""


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


def is_other_code(row: Mapping[str, Any]) -> bool:
    """Return whether a row of an energy model is of another code, which was measured on fewer samples."""
    return row["id"] in OTHER_CODES


def accuracy_of(row: Mapping[str, Any]) -> str:
    """Return the accuracy of a row of an energy model, with a star where it was measured on fewer samples."""
    if row["accuracy"] is None:
        return "not measured"
    return f"{percent(row['accuracy'])}{' *' if is_other_code(row) else ''}"


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
