"""The page of a comparison of codes: every curve on the same samples, what each code takes, and its figures."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from canonic.measure.energy import Model as EnergyModel
from canonic.report.axes import Range, span
from canonic.report.charts import Spec
from canonic.report.codespicture import COLOURS, curve_of, ends_of, quality_label, quality_of
from canonic.report.frame import framed
from canonic.report.markup import Chart, Section, figure, items, paragraph, table
from canonic.sweep.comparison import Comparison
from canonic.sweep.row import Row
from canonic.words import Number, counted, percent

Costs = dict[str, tuple[str, Callable[[Row], Number | None]]]
"""What the quality of the answer is drawn against, by the name of the chart: its label, and the cost of a row."""

MARKS: dict[str, Spec] = {
    "line": {"type": "line", "strokeWidth": 1.8, "point": {"size": 18}},
    "point": {"type": "point", "filled": True, "size": 70},
}


def comparison_page(comparison: Comparison, title: str) -> str:
    """Return a comparison of codes as the text of an HTML page.

    Args:
        comparison: what ``compare`` returned.
        title: what was measured.

    Raises:
        CanonicError: if the library of the charts is not installed.
    """
    parts = [_curves(comparison), _costs(comparison), _figures(comparison)]
    subtitle = f"One network in {counted(len(comparison.rows), 'code')}, every curve on the same samples"
    return framed(parts, title=title, subtitle=subtitle, note=f"{comparison.caption}.")


def _curves(comparison: Comparison) -> Section:
    points = [_point(row, step, value) for row in comparison.rows for step, value in curve_of(row)]
    ends = span([value for row in comparison.rows for _, value in curve_of(row)], 6)
    text = (
        "The answer as it stands after each step, from the first digit of the output on; a code that goes layer by "
        "layer begins late. A click on a code in the legend shows it alone."
    )
    label = quality_label(comparison)
    drawn = figure("curves", f"{label[0].upper()}{label[1:]} after each step.", text)
    chart = _chart(comparison, points, "step (logarithmic)", ends, mark="line")
    return Section("curves", "Step by step", drawn, {"curves": chart})


def _costs(comparison: Comparison) -> Section:
    drawn, charts = "", {}
    for name, (label, cost) in _costs_of(comparison).items():
        points = [_point(row, cost(row), quality_of(row)) for row in comparison.rows if cost(row)]
        drawn += figure(name, f"Against {label}.", "After the last step. Further left is cheaper, higher is better.")
        charts[name] = _chart(comparison, points, f"{label}, logarithmic", ends_of(comparison), mark="point")
    return Section("costs", "What it takes", drawn, charts)


def _costs_of(comparison: Comparison) -> Costs:
    """Return what a row costs; the energy by the first of the models."""
    costs: Costs = {
        "total-steps": ("total steps", lambda row: row.total_steps),
        "events": ("events a neuron", lambda row: row.events),
    }
    for model in comparison.models[:1]:
        label = f"energy a sample by {model}, on the better chip (µJ, estimated)"
        costs["energy"] = label, partial(_energy, model=model)
    return costs


def _figures(comparison: Comparison) -> Section:
    body = paragraph(f"{comparison.caption}.", "note")
    body += table("The codes and what they came to", comparison.headings, comparison.cells)
    if comparison.refusals:
        body += items((("lost", said) for said in comparison.refusals), "verdict")
    return Section("figures", "All figures", body)


def _energy(row: Row, model: EnergyModel) -> float | None:
    """Return the energy by a model, of unary events or of those that carry their size, whichever is less."""
    known = [energy[model] for energy in (row.energy, row.sized_energy) if energy and model in energy]
    return min(known, default=None)


def _point(row: Row, cost: Number | None, value: Number | None) -> dict[str, Any]:
    return {"code": row.code, "kind": row.kind, "cost": cost, "value": value}


def _chart(comparison: Comparison, points: Sequence[dict[str, Any]], cost: str, ends: Range, *, mark: str) -> Chart:
    """Return points, or a line for each code, in a colour for each kind, with that of the source network."""
    kinds = list(dict.fromkeys(row.kind for row in comparison.rows if not row.refused))
    colours = {"domain": kinds, "range": [COLOURS[index % len(COLOURS)] for index in range(len(kinds))]}
    x: Spec = {"field": "cost", "type": "quantitative", "title": cost}
    y: Spec = {"field": "value", "type": "quantitative", "title": quality_label(comparison)}
    y |= {"scale": {"domain": list(ends), "nice": False, "clamp": True}}
    encoding: Spec = {
        "x": x | {"scale": {"type": "log", "base": 2, "nice": False}},
        "y": y,
        "color": {"field": "kind", "scale": colours, "legend": {"orient": "top", "title": None, "columns": 4}},
        "detail": {"field": "code"},
        "opacity": {"condition": {"param": "chosen", "value": 1}, "value": 0.1},
        "tooltip": [{"field": "code"}, {"field": "cost", "title": cost}, {"field": "value", "format": ".2f"}],
    }
    drawn: Spec = {
        "data": {"values": list(points)},
        "params": [{"name": "chosen", "select": {"type": "point", "fields": ["kind"]}, "bind": "legend"}],
        "mark": MARKS[mark],
        "encoding": encoding,
    }
    size = {"width": "container", "height": 360, "autosize": {"type": "fit", "contains": "padding"}}
    return {**size, "layer": [*_source(comparison, y), drawn]}


def _source(comparison: Comparison, axis: Spec) -> list[Spec]:
    """Return the line of the source network."""
    if comparison.source_accuracy is None:
        return []
    told = {"value": 100 * comparison.source_accuracy, "text": f"source {percent(comparison.source_accuracy)}"}
    mark = {"type": "rule", "color": "var(--source)", "strokeDash": [4, 4]}
    return [{"data": {"values": [told]}, "mark": mark, "encoding": {"y": axis, "tooltip": {"field": "text"}}}]
