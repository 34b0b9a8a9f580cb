"""Figures for papers and screens, by matplotlib."""

import io
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from canonic.errors import DataError, nearest
from canonic.measure import Evaluation
from canonic.measure.comparison import text_of_form
from canonic.network.storage import write_whole
from canonic.network.verdict import Verification
from canonic.report.axes import shares, span
from canonic.report.charts import ERRORS
from canonic.report.markup import accuracy_of
from canonic.words import counted, microjoules, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = Mapping[str, Any]
Evaluated = Evaluation | Data
"""An evaluation, or ``evaluation.to_json()``, as a file holds it. Every figure takes both."""

Verified = Verification | Data
"""What ``snn.verify`` returns, or its ``to_json()``."""

PLUS, MINUS, MEMORY = "#0067a8", "#cc5200", "#8fb8d4"
"""Blue and orange: people who do not see all colours tell them apart."""


def accuracy_against_steps(evaluations: Evaluated | Mapping[str, Evaluated], title: str = "") -> "Figure":
    """Return a figure of the accuracy after every step, one line for each evaluation, with that of the source.

    A line begins with the first digit of the answer; before it there is no answer.

    Args:
        evaluations: one, or several by the name that stands in the legend.
        title: what was measured; the number of samples is added.

    Raises:
        DataError: if there is no accuracy, or if they are not all of the same samples.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    found = _of_same_samples(evaluations)
    some = next(iter(found.values()))
    figure = Figure(figsize=(7, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    for name, e in found.items():
        points = [(step, 100 * share) for step, share in enumerate(e["accuracy"]["by_step"], 1) if share is not None]
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, alpha=0.8, label=name)
    if (source := some["accuracy"]["source"]) is not None:
        axes.axhline(100 * source, color="black", linestyle="--", linewidth=1, label="source network")
    axes.set(xlabel="step (the input comes at step 1)", ylabel="accuracy (%)")
    axes.set_xlim(0.5, max(e["network"]["total_steps"] for e in found.values()) + 0.5)
    axes.set_ylim(shares([y for line in axes.lines for y in np.asarray(line.get_ydata()).tolist()]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_title(", ".join(filter(None, (title, counted(some["data"]["samples"], "sample")))), fontsize=10)
    axes.grid(alpha=0.25)
    figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=3)
    return figure


def _of_same_samples(evaluations: Evaluated | Mapping[str, Evaluated]) -> dict[str, Data]:
    """Return evaluations by name as plain data."""
    one = isinstance(evaluations, Evaluation) or "format" in evaluations
    named: Mapping[str, Evaluated] = {"spiking network": evaluations} if one else evaluations  # type: ignore[assignment]
    found = {name: _data(evaluation) for name, evaluation in named.items()}
    if without := [name for name, e in found.items() if e["accuracy"] is None]:
        raise DataError(
            f"{without[0]} has no accuracy, as nothing was classified: draw error_per_layer of a verification"
        )
    if len({e["data"]["sha256"] for e in found.values()}) > 1:
        counts = ", ".join(f"{name}: {counted(e['data']['samples'], 'sample')}" for name, e in found.items())
        raise DataError(
            f"the evaluations are of different samples ({counts}): draw a figure of each, or evaluate alike"
        )
    return found


def _data(result: Evaluated | Verified) -> Data:
    return result if isinstance(result, Mapping) else result.to_json()


def error_per_layer(verification: Verified, title: str = "") -> "Figure":
    """Return a figure of the error of each layer against the source network, in dB.

    Args:
        verification: ``snn.verify(...)``; a layer without an error has no point.
        title: of the figure.
    """
    layers = _data(verification)["layers"]
    figure, axes = _rows([layer["name"] for layer in layers], title)
    for key, label, marker, colour in (
        ("snr", "measured", "o", PLUS),
        ("expected", "inherited and rounded", "|", "black"),
        ("own", "made by this layer alone", "d", "grey"),
    ):
        found = [(layer[key], row) for row, layer in enumerate(layers) if layer[key] is not None]
        fill = "none" if key == "own" else "full"
        axes.plot(*zip(*found, strict=True), marker, color=colour, fillstyle=fill, label=label) if found else None
    axes.set_xlim(span([layer[key] for layer in layers for key in ERRORS if layer[key] is not None], 6))
    axes.set_xlabel("signal to noise (dB)")
    figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=3)
    return figure


def spikes_per_layer(evaluation: Evaluated, title: str = "") -> "Figure":
    """Return a figure of the spikes of a neuron by layer and digit, those above zero beside those below.

    Args:
        evaluation: ``evaluate(...)``.
        title: of the figure.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    layers = _data(evaluation)["spikes"]["layers"]
    counts = {s: [[n / x["neurons"] for n in x[s]] for x in layers.values()] for s in ("positive", "negative")}
    most = max(max(max(row) for row in rows) for rows in counts.values()) or 1
    digits = max(map(len, counts["positive"]))
    figure = Figure(figsize=(7, _inches(len(layers))), dpi=150, layout="constrained")
    pair = figure.subplots(1, 2, sharey=True)
    for axes, (rows, sign, colour) in zip(
        pair, ((counts["positive"], "+", PLUS), (counts["negative"], "−", MINUS)), strict=True
    ):
        shades = LinearSegmentedColormap.from_list(sign, ["white", colour])
        whole = [row + [float("nan")] * (digits - len(row)) for row in rows]  # layers may differ in their digits
        drawn = axes.imshow(whole, cmap=shades, vmin=0, vmax=most, aspect="auto", interpolation="nearest")
        axes.set(xlabel="digit", xticks=range(digits), xticklabels=range(1, digits + 1))
        axes.set_title(f"spikes {sign} of a neuron", fontsize=9)
        figure.colorbar(drawn, ax=axes, orientation="horizontal", shrink=0.8)
    pair[0].set_yticks(range(len(layers)), list(layers), fontsize=7)
    figure.suptitle(title, fontsize=10)
    return figure


def energy_comparison(evaluation: Evaluated, model: str, title: str = "") -> "Figure":
    """Return a figure of the energy of a sample in every form of the network, with its accuracy.

    Args:
        evaluation: ``evaluate(...)``.
        model: one of those in the evaluation.
        title: of the figure.

    Raises:
        DataError: if the evaluation has no estimates of the model.
    """
    models = _data(evaluation)["energy"]["models"]
    if model not in models:
        raise DataError(f"the evaluation has no estimates of the energy model {model!r}: {nearest(model, models)}")
    rows = models[model]["rows"]
    figure, axes = _rows([text_of_form(row) for row in rows], title or f"estimates of the model {model}")
    computed, moved = [row["compute"] for row in rows], [row["memory"] or 0.0 for row in rows]
    axes.barh(range(len(rows)), computed, 0.6, color=PLUS, label="compute")
    if any(moved):
        axes.barh(range(len(rows)), moved, 0.6, computed, color=MEMORY, label="memory")
        axes.legend(fontsize=8, frameon=False)
    for index, row in enumerate(rows):
        text = f" {microjoules(row['total'])}, {accuracy_of(row)}"
        axes.annotate(text, (row["total"], index), va="center", fontsize=7, annotation_clip=False)
    axes.set_xlabel("microjoules a sample, estimated" + _starred(evaluation))
    axes.set_xlim(0, 1.5 * max(row["total"] for row in rows) or 1)
    return figure


def _starred(evaluation: Evaluated) -> str:
    """Return what the star behind an accuracy means, where other codes were measured."""
    baselines = _data(evaluation)["baselines"]
    if not baselines:
        return ""
    there = percent(baselines["spiking_accuracy"])
    return f"\n* on {counted(baselines['samples'], 'sample')}, of which the spiking network gets {there} right"


def overload(evaluation: Evaluated, title: str = "") -> "Figure":
    """Return a figure of the share of each layer's firing steps that were overloaded.

    Args:
        evaluation: ``evaluate(...)``.
        title: of the figure.
    """
    layers = _data(evaluation)["spikes"]["layers"]
    rates = {name: 100 * layer["overload_rate"] for name, layer in layers.items()}
    figure, axes = _rows(list(rates), title)
    axes.barh(range(len(rates)), list(rates.values()), 0.6, color=MINUS)
    axes.set_xlabel("% of firing steps that are overloaded")
    axes.set_xlim(0, 1.05 * max(rates.values(), default=0) or 1)
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
