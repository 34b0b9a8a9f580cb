"""What a screen and a notebook show of an evaluation."""

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING

from canonic.tables import html_table
from canonic.words import NONE, SPACE, counted, decibels, number, percent, spread

if TYPE_CHECKING:
    from canonic.measure.result import Evaluation


def line(evaluation: "Evaluation") -> str:
    """Return an evaluation in one line."""
    partial = f", PARTIAL: {evaluation.gap}" if evaluation.gap else ""
    quality = ", ".join(f"{name} {found}" for name, found in _quality(evaluation))
    parts = (f"{counted(evaluation.samples, 'sample')}{partial}", quality, _size(evaluation))
    return f"Evaluation({'; '.join(filter(None, parts)).replace(SPACE, ' ')})"


def html(evaluation: "Evaluation") -> str:
    """Return an evaluation as a small table of HTML."""
    made = evaluation.operations.values()
    rows = [
        ("samples", counted(evaluation.samples, "sample") + (f", {evaluation.gap}" if evaluation.gap else "")),
        *_quality(evaluation),
        ("spikes per neuron", f"{evaluation.spikes_per_neuron:.2f}"),
        ("additions a sample", number(sum(o.additions for o in made) / evaluation.samples)),
        ("multiplications a sample", number(sum(o.multiplications for o in made) / evaluation.samples)),
        ("most overloaded", _worst(evaluation)),
    ]
    return html_table(("evaluation", ""), rows, _size(evaluation))


def _quality(evaluation: "Evaluation") -> Iterator[tuple[str, str]]:
    if evaluation.counts.answers is not None:
        if evaluation.compared:
            yield "source", percent(evaluation.source_accuracy)
        yield "spiking", percent(evaluation.accuracy)
    if evaluation.agreement_by_step:
        yield "agreement", percent(evaluation.agreement)
    if not evaluation.compared:
        return
    several = f" {evaluation.output}" if len(evaluation.counts.outputs) > 1 else ""
    yield f"output{several} against source", decibels(evaluation.snr if isfinite(evaluation.snr) else None)


def _size(evaluation: "Evaluation") -> str:
    network = evaluation.network
    steps = counted(network.total_steps, "total step")
    return f"T = {network.steps}, k = {spread(*network.silent)}, depth {network.depth}, {steps}, {network.precision}"


def _worst(evaluation: "Evaluation") -> str:
    name, rate = max(evaluation.overload_rate.items(), key=lambda item: item[1], default=("", 0.0))
    return f"{name}, {percent(rate)} of its firing steps" if rate else NONE
