"""The picture of a search among assignments of codes: what each takes in steps and events, and how good it is."""

from typing import TYPE_CHECKING

from canonic.report.plots import MEMORY, MINUS, PLUS
from canonic.sweep import Outcome, Search
from canonic.sweep.searched import is_good

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def assignments_searched(search: Search, title: str = "") -> "Figure":
    """Return a figure of the assignments of a search by their total steps and events, with the front.

    Codes alone have their names; those whose answers are not as good are grey.

    Args:
        search: what ``search`` returned.
        title: what was searched.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    measured = [outcome for outcome in search.outcomes if outcome.evaluation is not None]
    good = [outcome for outcome in measured if is_good(outcome, search.wanted)]
    figure = Figure(figsize=(7, 4.6), dpi=150, layout="constrained")
    axes = figure.subplots()
    _dots(axes, [o for o in measured if o not in good], "loses more", marker="x", color="0.6")
    _dots(axes, good, "as good as the best code alone", marker="o", color=MEMORY)
    axes.plot(*_places(search.front), drawstyle="steps-post", color=PLUS, label="no other takes fewer steps and events")
    _dots(axes, [search.best], f"fewest events within {search.limit} steps", marker="*", color=MINUS, markersize=12.0)
    axes.axvline(search.limit, color="black", linestyle=":", linewidth=1)
    for outcome in measured:
        if not outcome.setting.layers:
            place = (outcome.total_steps or 0, outcome.events or 0)
            axes.annotate(outcome.setting.code, place, textcoords="offset points", xytext=(6, 4), fontsize=7)
    axes.set(xlabel="total steps", ylabel="events a sample", xlim=(0, None), ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)
    figure.legend(fontsize=7, frameon=False, loc="outside lower center", ncols=2)
    figure.suptitle(title, fontsize=10)
    return figure


def _dots(axes: "Axes", outcomes: list[Outcome], label: str, **look: str | float) -> None:
    if outcomes:
        axes.plot(*_places(outcomes), linestyle="none", label=label, **look)  # type: ignore[arg-type]


def _places(outcomes: list[Outcome] | tuple[Outcome, ...]) -> tuple[list[int], list[float]]:
    return [o.total_steps or 0 for o in outcomes], [o.events or 0.0 for o in outcomes]
