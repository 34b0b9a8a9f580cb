"""The frame of a page: everything inlined, nothing loaded."""

import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

from canonic.report.library import bundle
from canonic.report.markup import Section


def framed(
    parts: Sequence[Section],
    *,
    title: str,
    subtitle: str,
    note: str,
    warnings: str = "",
    explorer: Any = None,
) -> str:
    """Return sections and their charts as the text of an HTML page.

    Args:
        parts: in their order.
        title: of the page.
        subtitle: what it is of.
        note: where its figures come from.
        warnings: HTML in front of all sections.
        explorer: data of the explorer, if there is one among the sections.

    Raises:
        CanonicError: if the library of the charts is not installed.
    """
    charts = {name: chart for part in parts for name, chart in part.charts.items()}
    return Template(asset("page.html")).substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        data=escape(note),
        partial=warnings,
        contents="".join(f'<li><a href="#{part.name}">{escape(_short(part.title))}</a></li>' for part in parts),
        sections="".join(map(str, parts)),
        style="".join(map(asset, ("theme.css", "train.css", "page.css"))),
        charts=_script(charts),
        explorer=_script(explorer),
        library=bundle(),
        code="".join(map(asset, ("page.js", "train.js", "explorer.js"))),
        licences=escape(asset("licences.txt")),
    )


def asset(name: str) -> str:
    """Return a file that comes with the package."""
    return resources.files("canonic.report").joinpath("assets", name).read_text(encoding="utf-8")


def _short(title: str) -> str:
    return title.partition(":")[0]


def _script(data: Any) -> str:
    """Return data as JSON that can stand in a script element: nothing in it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
