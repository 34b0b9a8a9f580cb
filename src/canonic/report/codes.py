"""The picture of a comparison of codes: how good the answers are against steps, and against events."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from canonic.report.axes import shares, span
from canonic.sweep.comparison import Comparison, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0067a8", "#cc5200", "#4a8f29", "#8b5fbf", "#a8780a", "#5b5b5b", "#c2407a", "#2b9c9c")
MARKERS = "osD^vP*X<>ph"


def codes_compared(comparison: Comparison, title: str = "") -> "Figure":
    """Return a figure of the quality of each code against its total steps, and against its events a neuron.

    The quality is the accuracy, or the ratio to the source in dB where no classes were given. Rows of one code with
    other parameters are joined.

    Args:
        comparison: what ``compare`` returned.
        title: what was measured.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), dpi=150, layout="constrained")
    steps, events = figure.subplots(1, 2, sharey=True)
    _draw(steps, comparison, lambda row: row.total_steps)
    _draw(events, comparison, lambda row: row.events)
    classified = comparison.source_accuracy is not None
    steps.set(xlabel="total steps", ylabel="accuracy (%)" if classified else "output against the source (dB)")
    events.set(xlabel="events a neuron")
    values = [value for row in comparison.rows if (value := _quality(row)) is not None]
    if comparison.source_accuracy is not None:
        values.append(100 * comparison.source_accuracy)
    steps.set_ylim(shares(values) if classified else span(values, 6))
    handles, labels = steps.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, frameon=False, loc="outside lower center", ncols=6)
    figure.suptitle(", ".join(filter(None, (title, comparison.caption))), fontsize=9)
    return figure


def _draw(axes: "Axes", comparison: Comparison, cost: Callable[[Row], float | None]) -> None:
    from matplotlib.ticker import ScalarFormatter

    names = dict.fromkeys(row.kind for row in comparison.rows if not row.refused)
    for place, name in enumerate(names):
        own = [row for row in comparison.rows if row.kind == name]
        points = sorted((c, q) for row in own if (c := cost(row)) is not None and (q := _quality(row)) is not None)
        line = axes.plot([x for x, _ in points], [y for _, y in points], markersize=5, alpha=0.85, label=name)[0]
        line.set(marker=MARKERS[place % len(MARKERS)], color=COLOURS[place % len(COLOURS)])
    if comparison.source_accuracy is not None:
        axes.axhline(100 * comparison.source_accuracy, color="black", linestyle="--", linewidth=1, label="source")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.grid(alpha=0.25)


def _quality(row: Row) -> float | None:
    return row.snr_db if row.accuracy is None else 100 * row.accuracy
