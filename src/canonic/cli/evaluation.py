"""An evaluation as tables on a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from torch.utils.data import DataLoader

from canonic.cli.group import finish
from canonic.cli.terminal import columns, tell
from canonic.cluster import workers
from canonic.measure import Evaluation
from canonic.measure.comparison import text_of_form
from canonic.measure.summary import calibrated
from canonic.report.markup import is_other_code
from canonic.words import SPACE, counted, number, spread


class Ending(DataLoader[Any]):
    """Batches after the last of which Ctrl-C is too late: what was measured is said, whole."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches, and end the time for Ctrl-C while whoever counts them still catches it."""
        yield from super().__iter__()
        finish()


def to_the_end(batches: "DataLoader[Any]") -> "DataLoader[Any]":
    """Return batches whose last one counts, even if Ctrl-C comes right behind it; under torchrun as they are."""
    if workers().world > 1:  # where each process takes its share of a plain DataLoader
        return batches
    return Ending(batches.dataset, batch_size=batches.batch_size, collate_fn=batches.collate_fn)


def show_evaluation(evaluation: Evaluation, remarks: Sequence[str] = ()) -> None:
    """Print the measures of one network, and remarks on it."""
    found = evaluation.to_json()
    parts = [
        *_steps(found),
        *_outputs(found),
        *_sentences(evaluation, found),
        _energies(found),
        found["energy"]["caveat"],
        *remarks,
    ]
    if seen := calibrated(found["data"]):
        parts.insert(0, f"SEEN BEFORE: {seen}")
    if not evaluation.complete:
        parts.insert(0, f"PARTIAL: {evaluation.gap}")
    tell(*parts)


def _steps(found: Mapping[str, Any]) -> list[Table]:
    """Return the quality of the answer after each step, as far as it was compared with labels or the source."""
    accuracy, output = found["accuracy"], found["outputs"][found["output"]]
    series: dict[str, tuple[Any, Callable[[Any], str]]] = {
        "accuracy %": (accuracy and accuracy["by_step"], _hundredths),
        "agreement %": (output["agreement_by_step"], _hundredths),
        "output against source, dB": (output["snr_db_by_step"], _decibels),
    }
    shown = {name: (values, text) for name, (values, text) in series.items() if values}
    if not shown:
        return []
    table, first = columns(("step", *shown)), found["latency"]["first_answer"]
    cells = [[text(value) for value in values[first - 1 :]] for values, text in shown.values()]
    for step, row in enumerate(zip(*cells, strict=True), first):
        table.add_row(str(step), *row)
    return [table]


def _hundredths(share: float) -> str:
    return f"{100 * share:.2f}"


def _outputs(found: Mapping[str, Any]) -> list[Table]:
    """Return what each output comes to, of a network that has several."""
    if len(found["outputs"]) == 1:
        return []
    compared = found["outputs"][found["output"]]["snr_db_by_step"] is not None
    table = columns(("output", "elements", "first answer", *compared * ("agreement %", "output against source, dB")))
    for name, output in found["outputs"].items():
        agreement = output["agreement"]
        same = "" if agreement is None else _hundredths(agreement)
        sizes = f"{output['elements']:,}", str(output["first_answer"])
        table.add_row(name, *sizes, *compared * (same, _decibels(output["snr_db"])))
    return [table]


def _decibels(ratio: float | None) -> str:
    return "exact" if ratio is None else f"{ratio:.1f}"


def _sentences(evaluation: Evaluation, found: Mapping[str, Any]) -> list[str]:
    network, spikes, operations = evaluation.network, found["spikes"], found["operations"]
    made, latency = operations["spiking"], found["latency"]
    return [
        f"{counted(evaluation.samples, 'sample')}; T = {network.steps}, k = {spread(*network.silent)}, "
        f"depth {network.depth}: {counted(network.total_steps, 'total step')}, first answer at step "
        f"{latency['first_answer']}, {_pace(latency)}",
        _quality(found),
        f"{spikes['per_neuron']:.2f} spikes per neuron{_levels(found)}, "
        f"{100 * spikes['silent_neurons']:.1f} % of the neurons silent{_worst(evaluation)}",
        f"{short(made['ACs'])} additions{_additions(made)} and {short(made['MACs'])} multiplications of synapses a "
        f"sample, {short(float(made['membrane_updates']))} membrane updates"
        + (
            f"; the source network takes {short(operations['source']['dense_MACs'])} multiplications"
            if operations["source"]
            else ""
        ),
    ]


def _pace(latency: Mapping[str, Any]) -> str:
    """Return how soon answers come: on average, where each sample has its own step, or in a pipeline."""
    if "mean_step" in latency:
        return f"answers at step {latency['mean_step']:.2f} on average"
    return f"a new sample every {counted(latency['between_samples'], 'step')}"


def _worst(evaluation: Evaluation) -> str:
    """Return which layer is most overloaded; "" where none is, as where neurons were trained as they are."""
    name, rate = max(evaluation.overload_rate.items(), key=lambda item: item[1], default=("", 0.0))
    return f"; most overloaded: layer {name}, {100 * rate:.2f} % of its firing steps" if rate else ""


def _levels(found: Mapping[str, Any]) -> str:
    """Return what spikes that differ in size carry, and come to where every event is a unit; else ""."""
    bits, spikes = found["network"]["event_bits"], found["spikes"]
    units = spikes["units_per_neuron"]
    return f" of up to {bits} bits, {units:.2f} unary ones" if units > spikes["per_neuron"] else ""


def _additions(made: Mapping[str, Any]) -> str:
    """Return how many additions there are where an event carries its size; "" if those are as many."""
    each = made["event_ACs"]
    return f" for unary events, {short(each)} for events that carry their size," if each < made["ACs"] else ""


def _quality(found: Mapping[str, Any]) -> str:
    accuracy, error = found["accuracy"], found["error"]
    if found["task"] == "comparison":
        return f"no labels: compared with the source network alone, above by its output {found['output']}"
    if found["task"] == "activity":
        return "no labels, and compared with no source network"
    if accuracy is None:
        source = "" if error["source_mse"] is None else f", of the source network {error['source_mse']:.4g}"
        return f"mean squared error {error['mse']:.4g}{source}"
    low, high = accuracy["interval"]
    spiking = f"spiking {100 * accuracy['network']:.2f} % (95 % interval: {100 * low:.2f} to {100 * high:.2f})"
    return spiking if accuracy["flips"] is None else _beside_source(accuracy, spiking)


def _beside_source(accuracy: Mapping[str, Any], spiking: str) -> str:
    flips = accuracy["flips"]
    chance = "" if flips["p"] is None else f" (McNemar p = {flips['p']:.2g})"
    return (
        f"source {100 * accuracy['source']:.2f} %, {spiking}, agreement {100 * accuracy['agreement']:.2f} %; "
        f"{counted(flips['lost'], 'answer')} lost and {flips['won']} won against the source{chance}"
    )


def _energies(found: Mapping[str, Any]) -> Table:
    """Return the estimates of all models, a row for each form of the network."""
    models, others = found["energy"]["models"], found["baselines"]
    shares = ["accuracy %"] if found["accuracy"] else []
    units = [f"{name}, uJ" for name in models]
    table = columns(("energy of a sample, estimated", *shares, *units))
    marked = others and others["samples"] < found["data"]["samples"]
    for rows in zip(*(model["rows"] for model in models.values()), strict=True):
        accuracy, star = rows[0]["accuracy"], "*" if marked and is_other_code(rows[0]) else ""
        shown = "not measured" if accuracy is None else f"{100 * accuracy:.2f}{star}"
        table.add_row(text_of_form(rows[0]), *[shown for _ in shares], *(f"{row['total']:.4g}" for row in rows))
    if marked:
        there = f"* on {others['samples']} of the samples, where the spiking network has"
        table.caption = f"{there} {100 * others['spiking_accuracy']:.2f} %"
        table.caption_justify = "left"
    return table


def short(count: int | float) -> str:
    """Return a number in three digits, as the report writes it, with a plain space.

    >>> short(950.0), short(12_345.0), short(40_810_000.0)
    ('950', '12.3 k', '40.8 M')
    """
    return number(count, 3).replace(SPACE, " ")
