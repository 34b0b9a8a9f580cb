"""What a person sees of a report in five seconds: four figures and one chart."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from canonic.measure.comparison import text_of_form
from canonic.report import charts
from canonic.report.energies import split
from canonic.report.markup import Chart, Section, figure, is_other_code
from canonic.words import NONE, SPACE, Number, counted, decibels, number, percent, signed

Data = Mapping[str, Any]
REFERENCE = "source_fp32"


def glance(evaluation: Data) -> Section:
    """Return the first section."""
    network, latency, spikes = evaluation["network"], evaluation["latency"], evaluation["spikes"]
    quiet = counted(network["total_steps"] - network["T"], "silent step")
    steps = f"T = {counted(network['T'], 'digit')} after {quiet} of depth {network['depth']}; "
    steps += f"first answer at step {latency['first_answer']}"
    silent = f"for one sample, of {counted(network['neurons'], 'neuron')}; "
    silent += f"{percent(spikes['silent_neurons'], 0)} stay silent"
    tiles = [
        _quality(evaluation),
        _tile("Steps", str(network["total_steps"]), steps),
        _tile("Spikes per neuron", f"{spikes['per_neuron']:.2f}", silent),
        _energy((evaluation.get("energy") or {}).get("models", {})),
    ]
    drawn, charts_drawn = _settling(evaluation)
    return Section("glance", "At a glance", f'<ul class="tiles">{"".join(tiles)}</ul>{drawn}', charts_drawn)


def _tile(label: str, value: str, note: str) -> str:
    return f"<li><span>{escape(label)}</span><strong>{escape(value)}</strong><span>{escape(note)}</span></li>"


def _quality(evaluation: Data) -> str:
    accuracy = evaluation["accuracy"]
    if accuracy is None and evaluation["error"]["snr_db_by_step"] is None:
        return _tile("Answers", NONE, "no labels, and no source network to compare with")
    if accuracy is None:
        text = f"{_of(evaluation)} against that of the source network; 6 dB are one binary digit"
        return _tile("Signal to noise", decibels(evaluation["error"]["snr_db"]), text)
    if accuracy["source"] is None:
        return _tile("Accuracy", percent(accuracy["network"]), "compared with labels alone, with no source network")
    points = signed(100 * (accuracy["network"] - accuracy["source"]))
    text = f"{points} points; {percent(accuracy['agreement'])} of the answers are those of the source"
    value = f"{100 * accuracy['source']:.2f} → {percent(accuracy['network'])}"
    return _tile("Accuracy, source → spiking", value, text)


def _of(evaluation: Data) -> str:
    """Return which output is meant, and how often it answers as the source does, where it answers."""
    agreement, of = evaluation["outputs"][evaluation["output"]]["agreement"], f"of {_named(evaluation)}"
    return of if agreement is None else f"{percent(agreement)} of the answers are those of the source; {of}"


def _named(evaluation: Data) -> str:
    return f"the output {evaluation['output']}" if len(evaluation["outputs"]) > 1 else "the output"


def _energy(models: Data) -> str:
    """Return what the spiking network takes against others, by every model, all in the same size."""
    lines = [line for find in (_reference, _cheapest) for name in models for line in _line(name, models[name], find)]
    if not lines:
        return _tile("Energy", NONE, "nothing to compare" if models else "not estimated")
    rows = "".join(map(_compared, lines))
    note = f"Estimated by {', '.join(models)}; above 1 is a loss."
    return f'<li class="energy"><span>Energy, spiking against</span><dl>{rows}</dl><span>{escape(note)}</span></li>'


def _compared(line: tuple[str, Number]) -> str:
    against, ratio = line
    kind = "lost" if ratio > 1 else "won"
    return f'<div class="{kind}"><dt>{escape(against)}</dt><dd>{number(ratio, 3)}{SPACE}×</dd></div>'


Find = Callable[[Sequence[Data]], Data]
"""Which of the other rows of a model to compare with."""


COUNTED = {"horowitz45": "compute only", "traffic45": "with memory", "tiled45": "on a tile"}


def _line(name: str, model: Data, find: Find) -> Iterator[tuple[str, Number]]:
    """Yield what is compared with and counted, and the ratio, if there is one."""
    own, others = split(model)
    other = find(others) if others else None
    if own and other and other["total"] and not (find is _cheapest and other is _reference(others)):
        yield f"{text_of_form(other)}: {COUNTED.get(name, name)}", own["total"] / other["total"]


def _reference(others: Sequence[Data]) -> Data:
    return next((row for row in others if row["id"] == REFERENCE), others[0])


def _cheapest(others: Sequence[Data]) -> Data:
    """Return the row that takes least, of the other codes that were measured, or of all if none was."""
    measured = [row for row in others if is_other_code(row)]
    return min(measured or others, key=lambda row: row["total"])


def _settling(evaluation: Data) -> tuple[str, dict[str, Chart]]:
    """Return how the answer settles; nothing where it is compared with nothing."""
    accuracy, ratios = evaluation["accuracy"], evaluation["error"]["snr_db_by_step"]
    samples = counted(evaluation["data"]["samples"], "sample")
    if accuracy is not None:
        dashed = "; the dashed line is the source network" * (accuracy["source"] is not None)
        waiting = "; shaded: no answer yet" * (evaluation["latency"]["first_answer"] > 1)
        drawn = charts.by_step(accuracy["by_step"], source=accuracy["source"], unit="%", label="accuracy")
        text = f"Accuracy after every step{dashed}{waiting}; {samples}."
        return figure("settling", "The answer settles, digit by digit.", text), {"settling": drawn}
    if ratios is None:
        return "", {}
    drawn = charts.by_step(ratios, source=None, unit="dB", label="signal to noise")
    text = f"Each digit sharpens {_named(evaluation)}; {samples}."
    return figure("settling", "The output settles.", text), {"settling": drawn}
