"""Figures for papers and screens, by matplotlib."""

import io
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canonic.errors import DataError, nearest
from canonic.measure import Evaluation
from canonic.network.storage import write_whole
from canonic.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = Mapping[str, Any]
PLUS, MINUS, MEMORY = "#0067a8", "#cc5200", "#8fb8d4"
"""Blue and orange: people who do not see all colours tell them apart."""


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
        first = e.first_answer - 1
        percent = [100 * accuracy for accuracy in e.accuracy_by_step[first:]]
        axes.plot(range(first + 1, e.network.total_steps + 1), percent, marker="o", markersize=4, alpha=0.8, label=name)
    some = next(iter(evaluations.values()))
    axes.axhline(100 * some.source_accuracy, color="black", linestyle="--", linewidth=1, label="source network")
    axes.set(xlabel="step (the input comes at step 1)", ylabel="accuracy (%)")
    axes.set_xlim(left=1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(", ".join(filter(None, (title, counted(some.samples, "sample")))), fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def error_per_layer(verification: Data, title: str = "") -> "Figure":
    """Return a figure of the error of each layer against the source network, in dB.

    Args:
        verification: ``snn.verify(...).to_json()``; a layer without an error has no point.
        title: of the figure.
    """
    layers = verification["layers"]
    figure, axes = _rows([layer["name"] for layer in layers], title)
    for key, label, marker, colour in (
        ("snr", "measured", "o", PLUS),
        ("expected", "inherited and rounded", "|", "black"),
        ("own", "made by this layer alone", "d", "grey"),
    ):
        found = [(layer[key], row) for row, layer in enumerate(layers) if layer[key] is not None]
        axes.plot(*zip(*found, strict=True), marker, color=colour, markersize=6, label=label) if found else None
    axes.set_xlabel("signal to noise (dB)")
    figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=3)
    return figure


def spikes_per_layer(evaluation: Data, title: str = "") -> "Figure":
    """Return a figure of the spikes of a neuron by layer and digit, those of +1 beside those of -1.

    Args:
        evaluation: ``evaluate(...).to_json()``.
        title: of the figure.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    layers = evaluation["spikes"]["layers"]
    counts = {s: [[n / x["neurons"] for n in x[s]] for x in layers.values()] for s in ("positive", "negative")}
    most = max(max(max(row) for row in rows) for rows in counts.values())
    figure = Figure(figsize=(7, _inches(len(layers))), dpi=150, layout="constrained")
    pair = figure.subplots(1, 2, sharey=True)
    for axes, (rows, sign, colour) in zip(
        pair, ((counts["positive"], "+1", PLUS), (counts["negative"], "-1", MINUS)), strict=True
    ):
        shades = LinearSegmentedColormap.from_list(sign, ["white", colour])
        drawn = axes.imshow(rows, cmap=shades, vmin=0, vmax=most, aspect="auto", interpolation="nearest")
        axes.set(xlabel="digit", xticks=range(len(rows[0])), xticklabels=range(1, len(rows[0]) + 1))
        axes.set_title(f"spikes {sign} of a neuron", fontsize=9)
        figure.colorbar(drawn, ax=axes, orientation="horizontal", shrink=0.8)
    pair[0].set_yticks(range(len(layers)), list(layers), fontsize=7)
    figure.suptitle(title, fontsize=10)
    return figure


def energy_comparison(evaluation: Data, model: str, title: str = "") -> "Figure":
    """Return a figure of the energy of a sample in every form of the network, with its accuracy.

    Args:
        evaluation: ``evaluate(...).to_json()``.
        model: one of those in the evaluation.
        title: of the figure.

    Raises:
        DataError: if the evaluation has no estimates of the model.
    """
    models = evaluation["energy"]["models"]
    if model not in models:
        raise DataError(f"the evaluation has no estimates of the energy model {model!r}: {nearest(model, models)}")
    rows = models[model]["rows"]
    figure, axes = _rows([row["network"] for row in rows], title or f"estimates of the model {model}")
    computed, moved = [row["compute"] for row in rows], [row["memory"] or 0.0 for row in rows]
    axes.barh(range(len(rows)), computed, 0.6, color=PLUS, label="compute")
    if any(moved):
        axes.barh(range(len(rows)), moved, 0.6, computed, color=MEMORY, label="memory")
        axes.legend(fontsize=8, frameon=False)
    for index, row in enumerate(rows):
        share = "" if row["accuracy"] is None else f", {100 * row['accuracy']:.2f} %"
        axes.annotate(
            f" {row['total']:.4g}{share}", (row["total"], index), va="center", fontsize=7, annotation_clip=False
        )
    axes.set_xlabel("microjoules a sample, estimated")
    axes.margins(x=0.25)
    return figure


def overload(evaluation: Data, title: str = "") -> "Figure":
    """Return a figure of the share of each layer's firing steps that were overloaded.

    Args:
        evaluation: ``evaluate(...).to_json()``.
        title: of the figure.
    """
    rates = {name: 100 * layer["overload_rate"] for name, layer in evaluation["spikes"]["layers"].items()}
    figure, axes = _rows(list(rates), title)
    axes.barh(range(len(rates)), list(rates.values()), 0.6, color=MINUS)
    axes.set_xlabel("% of firing steps that are overloaded")
    return figure


def _rows(names: Sequence[str], title: str) -> "tuple[Figure, Axes]":
    """Return a figure with a named row for each thing, the first at the top."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, _inches(len(names))), dpi=150, layout="constrained")
    axes = figure.subplots()
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_title(title, fontsize=10)
    axes.grid(axis="x", alpha=0.25)
    return figure, axes


def _inches(rows: int) -> float:
    """Return the height of a figure with so many rows."""
    return 1.6 + 0.19 * max(4, rows)


def save_figure(figure: "Figure", path: str | PathLike[str]) -> None:
    """Write a figure to a PNG file, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_whole(Path(path), buffer.getvalue())
