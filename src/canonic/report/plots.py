"""Figures for papers and screens, by matplotlib."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from canonic.measure import Evaluation
from canonic.network.storage import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def accuracy_against_steps(evaluations: Mapping[str, Evaluation], title: str = "") -> "Figure":
    """Return a figure of the accuracy after every step, one line for each evaluation, with the source's accuracy.

    A line begins with the first digit of the answer; before it there is no answer.

    Args:
        evaluations: by the name that stands in the legend; all on the same data.
        title: what was measured; the number of samples is added.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    for name, e in evaluations.items():
        first = e.network.first_answer - 1
        percent = [100 * accuracy for accuracy in e.accuracy_by_step[first:]]
        axes.plot(range(first + 1, e.network.total_steps + 1), percent, marker="o", markersize=4, alpha=0.8, label=name)
    some = next(iter(evaluations.values()))
    axes.axhline(100 * some.source_accuracy, color="black", linestyle="--", linewidth=1, label="source network")
    axes.set(xlabel="step (the input comes at step 1)", ylabel="accuracy (%)")
    axes.set_xlim(left=1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(", ".join(filter(None, (title, f"{some.samples} samples"))), fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure to a PNG file, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_whole(path, buffer.getvalue())
