"""An evaluation as plain data, for JSON: every figure that follows from its sums."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any

from canonic.measure.comparison import energy_rows
from canonic.measure.counts import Firing, SourceAnswers
from canonic.measure.energy import SOURCES, constants
from canonic.measure.statistics import interval, mcnemar
from canonic.measure.totals import neurobench, totals

if TYPE_CHECKING:
    from canonic.measure.baselines import Baselines, Coded
    from canonic.measure.result import Evaluation

FORMAT = "canonic evaluation 3"
CAVEAT = (
    "Estimates: operations that were counted, times the energy of one in a 45 nm process. They leave out clocks, "
    "control, routing and leakage, and no chip was measured. Compare networks of the same accuracy."
)


def summary(evaluation: "Evaluation") -> dict[str, Any]:
    """Return all measures of an evaluation; null where there is nothing to say."""
    return {
        "format": FORMAT,
        "network": _network(evaluation),
        "data": {
            "samples": evaluation.samples,
            "sha256": f"{evaluation.counts.digest % 2**256:064x}",
            "calibrated": evaluation.counts.calibrated,
            "complete": evaluation.complete,
            "gap": evaluation.gap,
        },
        "task": evaluation.task,
        "output": evaluation.output,
        "accuracy": _accuracy(evaluation),
        "error": _error(evaluation),
        "outputs": {name: _output(evaluation, name) for name in evaluation.counts.outputs},
        "spikes": _spikes(evaluation),
        "operations": _operations(evaluation),
        "neurobench": neurobench(evaluation),
        "latency": _latency(evaluation),
        "energy": {"models": {name: _energy(evaluation, name) for name in evaluation.models}, "caveat": CAVEAT},
        "baselines": _baselines(evaluation),
    }


def calibrated(data: Mapping[str, Any]) -> str:
    """Return a warning of samples that calibrated the network or trained it, from the data of an evaluation; else "".

    >>> calibrated({"samples": 1200, "calibrated": 1000})[:60]
    '1,000 of the 1,200 samples are known to have calibrated the '
    """
    if not (count := data["calibrated"]):
        return ""
    return (
        f"{count:,} of the {data['samples']:,} samples are known to have calibrated the network or trained it: measure "
        "it on others, to know how it does on data that it has not seen"
    )


def _network(evaluation: "Evaluation") -> dict[str, Any]:
    facts = evaluation.network
    return {
        "fingerprint": facts.fingerprint,
        "precision": facts.precision,
        "codes": list(facts.codes),
        "T": facts.steps,
        "k": _span(facts.silent),
        "levels": _span(facts.levels),
        "event_bits": ceil(facts.event_bits),
        "depth": facts.depth,
        "total_steps": facts.total_steps,
        "populations": len(facts.neurons),
        "neurons": evaluation.neurons,
        "weights": sum(size.weights for size in facts.sizes.values()),
    }


def _span(ends: tuple[int, int]) -> int | list[int]:
    """Return a number, or the smallest and the largest where they differ."""
    low, high = ends
    return low if low == high else [low, high]


def _accuracy(evaluation: "Evaluation") -> dict[str, Any] | None:
    answers, output = evaluation.counts.answers, evaluation.output
    if answers is None:
        return None
    source, independent = answers.source, min(evaluation.samples, answers.labels)
    return {
        "labels": answers.labels,
        "source": evaluation.source_accuracy if source else None,
        "source_interval": interval(evaluation.source_accuracy, independent) if source else None,
        "network": evaluation.accuracy,
        "interval": interval(evaluation.accuracy, independent),
        "by_step": _known(evaluation, output, evaluation.accuracy_by_step),
        "agreement": evaluation.agreement if source else None,
        "agreement_by_step": _known(evaluation, output, evaluation.agreement_by_step) if source else None,
        "top5": {"source": source and source.top5 / answers.labels, "network": answers.top5 / answers.labels},
        "flips": source and _flips(source, alone=answers.labels <= evaluation.samples),
    }


def _flips(source: SourceAnswers, *, alone: bool) -> dict[str, Any]:
    """Return the answers that only one network has right; the answers of one sample are no independent trials."""
    chance = mcnemar(source.lost, source.won) if alone else None
    return {"lost": source.lost, "won": source.won, "p": chance}


def _error(evaluation: "Evaluation") -> dict[str, Any]:
    errors, regression = evaluation.counts.outputs[evaluation.output].errors, evaluation.task == "regression"
    source = errors.source if regression else None
    return {
        "mse": _ratio(errors.missed, errors.elements) if regression else None,
        "source_mse": source and _ratio(source.missed, errors.elements),
        **_ratios(evaluation, evaluation.output),
    }


def _output(evaluation: "Evaluation", name: str) -> dict[str, Any]:
    """Return how an output compares with that of the source network; no agreement where it holds no classes."""
    agreement = evaluation.agreement_of(name)
    return {
        "elements": evaluation.counts.outputs[name].errors.elements // evaluation.samples,
        "first_answer": evaluation.network.starts[name] + 1,
        **_ratios(evaluation, name),
        "agreement": agreement[-1] if agreement else None,
        "agreement_by_step": _known(evaluation, name, agreement) if agreement else None,
    }


def _ratios(evaluation: "Evaluation", name: str) -> dict[str, Any]:
    """Return the ratios of an output in dB; null where there is no error at all, as JSON has no infinity.

    There are none at all, also not by step, where it is compared with nothing.
    """
    if not evaluation.compared:
        return {"snr_db": None, "snr_db_by_step": None}
    ratios = [ratio if isfinite(ratio) else None for ratio in evaluation.ratio_by_step(name)]
    return {"snr_db": ratios[-1], "snr_db_by_step": _known(evaluation, name, ratios)}


def _spikes(evaluation: "Evaluation") -> dict[str, Any]:
    layers, samples = evaluation.counts.firing, evaluation.samples
    silent = sum(firing.silent for firing in layers.values())
    return {
        "per_neuron": evaluation.spikes_per_neuron,
        "units_per_neuron": evaluation.units_per_neuron,
        "silent_neurons": silent / (samples * evaluation.neurons) if layers else 0.0,
        "layers": {name: _layer(evaluation, name, firing) for name, firing in layers.items()},
    }


def _layer(evaluation: "Evaluation", name: str, firing: Firing) -> dict[str, Any]:
    neurons, samples = evaluation.network.neurons[name], evaluation.samples
    return {
        "neurons": neurons,
        "positive": [count / samples for count in firing.positive],
        "negative": [count / samples for count in firing.negative],
        "per_neuron": firing.spikes / (samples * neurons),
        "units_per_neuron": firing.units / (samples * neurons),
        "silent_neurons": firing.silent / (samples * neurons),
        "overload_rate": evaluation.overload_rate[name],
    }


def _operations(evaluation: "Evaluation") -> dict[str, Any]:
    facts, samples = evaluation.network, evaluation.samples
    spiking, source = evaluation.operations, evaluation.source_operations
    updates = {"membrane_updates": sum(facts.updates.values()), "other_updates": sum(facts.state.values())}
    return {
        "spiking": {**totals(spiking.values(), samples), **updates},
        "layers": {name: totals([made], samples) for name, made in spiking.items()},
        "source": totals(source.values(), samples) if source else None,
    }


def _latency(evaluation: "Evaluation") -> dict[str, Any]:
    facts = evaluation.network
    return {
        "total_steps": facts.total_steps,
        "first_answer": evaluation.first_answer,
        "between_samples": facts.between_samples,
        **({} if evaluation.counts.decided is None else {"mean_step": evaluation.mean_step}),
        "wall": {
            "seconds": evaluation.seconds,
            "samples_per_second": evaluation.samples / evaluation.seconds if evaluation.seconds else None,
        },
    }


def _energy(evaluation: "Evaluation", model: str) -> dict[str, Any]:
    return {"source": SOURCES[model], "constants": constants(), "rows": energy_rows(evaluation, model)}


def _baselines(evaluation: "Evaluation") -> dict[str, Any]:
    found = evaluation.baselines
    if found is None:
        return {}
    bits = evaluation.network.bits
    return {
        "samples": found.samples,
        "source_accuracy": found.source_correct / found.labels,
        "spiking_accuracy": found.spiking_correct[-1] / found.labels,
        "spiking_accuracy_by_step": _known(
            evaluation, evaluation.output, [count / found.labels for count in found.spiking_correct]
        ),
        "quantised": {
            "bits": bits,
            "total_steps": bits * evaluation.network.depth,
            **_coded(found.quantised, found, evaluation, last=True),
        },
        "rate": _coded(found.rate, found, evaluation, last=False),
    }


def _coded(coded: "Coded", found: "Baselines", evaluation: "Evaluation", *, last: bool) -> dict[str, Any]:
    samples = found.samples
    made = [totals(step.values(), samples) for step in coded.operations]
    series: Mapping[str, list[float]] = {
        "accuracy": [count / found.labels for count in coded.correct],
        "agreement": [count / found.labels for count in coded.agreeing],
        "spikes_per_neuron": [count / (samples * evaluation.neurons) for count in coded.spikes],
        "ACs": [step["ACs"] for step in made],
        "MACs": [step["MACs"] for step in made],
    }
    if last:
        return {name: values[-1] for name, values in series.items() if name != "spikes_per_neuron"}
    return {f"{name}_by_step": values for name, values in series.items()}


def _known(evaluation: "Evaluation", output: str, values: Iterable[Any]) -> list[Any]:
    """Return values of an output by step, null before its first digit."""
    before = evaluation.network.starts[output]
    return [None] * before + list(values)[before:]


def _ratio(total: Fraction, count: int) -> float:
    return float(total / count)
