"""The picture of a sweep: its quality against what it costs, with the settings that no other beats."""

from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

from canonic.report.axes import shares, span
from canonic.report.plots import PLUS
from canonic.sweep import Outcome, Sweep
from canonic.words import microjoules

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Point = tuple[float, float]
COLUMNS = 3
"""Of the list of settings below a chart."""

ROOM = 10.0
"""Dots of the picture between a point and its number."""


def pareto_fronts(sweep: Sweep, title: str = "") -> "Figure":
    """Return a figure of the quality against energy and against total steps, each with its Pareto front.

    Args:
        sweep: its settings are dots; those on a front are joined, and numbered as in the list below.
        title: what was swept.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    measured = [o for o in sweep.outcomes if o.quality is not None and isfinite(o.quality)]
    rows = -(-max(len(sweep.saving_energy), len(sweep.saving_steps), 1) // COLUMNS)
    figure = Figure(figsize=(11, 4.6 + 0.15 * rows), dpi=150, layout="constrained")
    energy, steps = figure.subplots(1, 2, sharey=True)
    fronts = [
        (energy, _draw(energy, measured, sweep.energy, sweep.saving_energy)),
        (steps, _draw(steps, measured, lambda outcome: outcome.total_steps, sweep.saving_steps)),
    ]
    classifies = any(o.accuracy is not None for o in measured)
    energy.set(xlabel=f"energy a sample (uJ), estimated by {sweep.model}")
    energy.set(ylabel="accuracy (%)" if classifies else "output against the source (dB)")
    low, high = (shares if classifies else partial(span, least=6))([_shown(o) for o in measured])
    energy.set_ylim(low, high + 0.06 * (high - low))  # room for the numbers
    _fit(energy, [spent for o in measured if (spent := sweep.energy(o)) is not None])
    energy.xaxis.set_major_formatter(FuncFormatter(lambda value, _: microjoules(value, 3)))
    steps.set(xlabel="total steps", xlim=(0, 1.1 * max((o.total_steps or 0 for o in measured), default=0) or 1))
    steps.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.suptitle(title, fontsize=10)
    figure.draw_without_rendering()  # where points lie is known from here on
    for axes, best in fronts:
        _number(axes, [place for place, _ in best])
    return figure


def _draw(
    axes: "Axes", measured: Sequence[Outcome], cost: Callable[[Outcome], float | None], front: Sequence[Outcome]
) -> list[tuple[Point, Outcome]]:
    """Draw settings and their front, with the names of those on it below; return where these lie."""
    from matplotlib.lines import Line2D

    points = [((float(x), _shown(o)), o) for o in measured if (x := cost(o)) is not None]
    best = sorted({place: o for place, o in points if o in front}.items(), key=lambda item: item[0])
    axes.plot([x for (x, _), _ in points], [y for (_, y), _ in points], "o", color="0.75", markersize=4)
    axes.plot([x for (x, _), _ in best], [y for (_, y), _ in best], "o-", color=PLUS, drawstyle="steps-post")
    names = [
        Line2D([], [], linestyle="none", label=f"{number}: {outcome.setting}")
        for number, (_, outcome) in enumerate(best, 1)
    ]
    if names:
        axes.legend(
            handles=names,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.13),
            ncols=COLUMNS,
            fontsize=7,
            frameon=False,
            handlelength=0,
        )
    axes.grid(alpha=0.25)
    return best


def _fit(axes: "Axes", energies: Sequence[float]) -> None:
    """Give the axis of energy a width: from 0 on, or logarithmic where energies differ by more than ten times."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = min(energies, default=0.0), max(energies, default=0.0)
    if 0 < 10 * low < high:
        axes.set(xscale="log", xlim=(low / 1.5, high * 1.5))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, 1.1 * high or 1)


def _number(axes: "Axes", places: Sequence[Point]) -> None:
    """Write a number beside each point of a front: up and to the left, where nothing else lies, none over another."""
    taken: list[Point] = []
    for number, place in enumerate(places, 1):
        x, y = axes.transData.transform(place).tolist()
        spot = (x - ROOM, y + ROOM)
        while any(abs(spot[0] - a) < 2.2 * ROOM and abs(spot[1] - b) < 1.6 * ROOM for a, b in taken):
            spot = (spot[0] - ROOM / 4, spot[1] + ROOM / 4)
        taken.append(spot)
        x, y = axes.transData.inverted().transform(spot).tolist()
        axes.text(x, y, str(number), fontsize=7, ha="center", va="center")


def _shown(outcome: Outcome) -> float:
    return 100 * outcome.accuracy if outcome.accuracy is not None else outcome.quality or 0.0
