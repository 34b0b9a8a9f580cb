"""The picture of a sweep: its quality against what it costs, with the settings that no other beats."""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from canonic.sweep import Outcome, Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def pareto_fronts(sweep: Sweep, title: str = "") -> "Figure":
    """Return a figure of the quality against energy and against total steps, each with its Pareto front.

    Args:
        sweep: its settings are dots; those on a front are named and joined.
        title: what was swept.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter, MaxNLocator

    figure = Figure(figsize=(11, 4.6), dpi=150, layout="constrained")
    energy, steps = figure.subplots(1, 2, sharey=True)
    measured = [o for o in sweep.outcomes if o.quality is not None and isfinite(o.quality)]
    classifies = any(o.accuracy is not None for o in measured)
    label = "accuracy (%)" if classifies else "output against the source (dB)"
    _draw(energy, measured, lambda outcome: outcome.energy, sweep.saving_energy)
    energy.set(xlabel="energy a sample (uJ), estimated", ylabel=label, xscale="log")
    _draw(steps, measured, lambda outcome: outcome.total_steps, sweep.saving_steps)
    energy.xaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    energy.xaxis.set_major_formatter(LogFormatter())
    steps.set(xlabel="total steps")
    steps.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title, fontsize=10)
    return figure


def _draw(
    axes: "Axes", measured: Sequence[Outcome], cost: Callable[[Outcome], float | None], front: Sequence[Outcome]
) -> None:
    points = [(x, _shown(o), o) for o in measured if (x := cost(o)) is not None]
    axes.plot([x for x, _, _ in points], [y for _, y, _ in points], "o", color="0.75", markersize=4)
    best = sorted({(x, y): o for x, y, o in points if o in front}.items())
    axes.plot([x for (x, _), _ in best], [y for (_, y), _ in best], "o-", drawstyle="steps-post", markersize=5)
    for place, outcome in best:
        axes.annotate(str(outcome.setting), place, xytext=(4, -9), textcoords="offset points", fontsize=6)
    axes.margins(x=0.15)
    axes.grid(alpha=0.25)


def _shown(outcome: Outcome) -> float:
    return 100 * outcome.accuracy if outcome.accuracy is not None else outcome.quality or 0.0
