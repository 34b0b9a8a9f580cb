"""Figures for papers and screens, by matplotlib."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from canonic.measure import Evaluation
from canonic.network.storage import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def accuracy_against_steps(evaluations: Mapping[str, Evaluation]) -> "Figure":
    """Return a figure of the accuracy after every step, one line for each evaluation, with the source's accuracy.

    Args:
        evaluations: by the name that stands in the legend; all on the same data.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    for name, evaluation in evaluations.items():
        steps = range(1, evaluation.total_steps + 1)
        axes.step(steps, [100 * a for a in evaluation.accuracy_by_step], where="post", marker=".", label=name)
    first = next(iter(evaluations.values()))
    axes.axhline(
        100 * first.source_accuracy, color="black", linestyle="--", linewidth=1, label="source network"
    )
    axes.set(xlabel="step", ylabel="accuracy (%)", ylim=(0, 102))
    axes.set_title(f"accuracy after every step, {first.samples} samples", fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure to a PNG file, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_whole(path, buffer.getvalue())
