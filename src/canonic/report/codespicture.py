"""The picture of a comparison of codes: how good the answers are step by step, in the end, and against events."""

from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING

from canonic.report.axes import Range, shares, span
from canonic.sweep.comparison import Comparison
from canonic.sweep.row import Row
from canonic.words import Number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (
    *("#0067a8", "#cc5200", "#4a8f29", "#8b5fbf", "#a8780a", "#5b5b5b", "#c2407a", "#2b9c9c"),
    *("#7d4a2d", "#6a74d6", "#94a81f", "#d0708f", "#3f7fbf", "#b23b3b"),
)
MARKERS = "osD^vP*X<>ph"

Point = tuple[Number, Number]


def codes_compared(comparison: Comparison, title: str = "") -> "Figure":
    """Return a figure of the quality of each code after each step, against its total steps, and against its events.

    The quality is the accuracy, or the ratio to the source in dB where no classes were given. In the first panel each
    row is a curve; in the others rows of one code with other parameters are joined.

    Args:
        comparison: what ``compare`` returned.
        title: what was measured.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 5), dpi=150, layout="constrained")
    curves, steps, events = figure.subplots(1, 3)
    _draw(curves, comparison, curve_of, joined=False)
    _draw(steps, comparison, lambda row: _end(row, row.total_steps))
    _draw(events, comparison, lambda row: _end(row, row.events))
    curves.set(xlabel="step", ylabel=quality_label(comparison))
    steps.set(xlabel="total steps", ylim=ends_of(comparison))
    events.set(xlabel="events a neuron", ylim=ends_of(comparison))
    handles, labels = steps.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, frameon=False, loc="outside lower center", ncols=8)
    figure.suptitle(", ".join(filter(None, (title, comparison.caption))), fontsize=9)
    return figure


def quality_of(row: Row) -> float | None:
    """Return the accuracy of a row in percent, or its ratio to the source in dB where there is none."""
    return row.snr_db if row.accuracy is None else 100 * row.accuracy


def quality_label(comparison: Comparison) -> str:
    """Return what the quality is."""
    return "output against the source (dB)" if comparison.source_accuracy is None else "accuracy (%)"


def curve_of(row: Row) -> list[Point]:
    """Return the steps of a row at which there is an answer, each with the quality of it; none if it is not known."""
    scale, values = (1, row.snr_db_by_step) if row.accuracy is None else (100, row.accuracy_by_step)
    return [(step, scale * value) for step, value in enumerate(values or (), 1) if value is not None]


def ends_of(comparison: Comparison) -> Range:
    """Return the ends of an axis of the quality after the last step."""
    values = [value for row in comparison.rows if (value := quality_of(row)) is not None]
    if comparison.source_accuracy is None:
        return span(values, 6)
    return shares([*values, 100 * comparison.source_accuracy])


def _end(row: Row, cost: Number | None) -> list[Point]:
    quality = quality_of(row)
    return [] if cost is None or quality is None else [(cost, quality)]


def _draw(axes: "Axes", comparison: Comparison, points: Callable[[Row], list[Point]], *, joined: bool = True) -> None:
    """Draw a line for each code, or for each row, with a mark at each end point."""
    from matplotlib.ticker import ScalarFormatter

    for place, name in enumerate(dict.fromkeys(row.kind for row in comparison.rows if not row.refused)):
        own = [points(row) for row in comparison.rows if row.kind == name]
        for line in [sorted(chain.from_iterable(own))] if joined else own:
            drawn = axes.plot(*zip(*line, strict=True), markersize=5, alpha=0.85, label=name)[0] if line else None
            if drawn:
                drawn.set(marker=MARKERS[place % len(MARKERS)], color=COLOURS[place % len(COLOURS)])
                drawn.set_markevery(None if joined else [-1])
    if comparison.source_accuracy is not None:
        axes.axhline(100 * comparison.source_accuracy, color="black", linestyle="--", linewidth=1, label="source")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.grid(alpha=0.25)
