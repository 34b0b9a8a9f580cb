"""The energy of a spiking network beside that of the same network in other forms, each with its accuracy."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from canonic.measure.counts import Operations
from canonic.measure.energy import FLOATS, INTEGERS, Arithmetic, Work, arithmetic_of, compute, traffic

if TYPE_CHECKING:
    from canonic.measure.result import Evaluation

CLOSE = 0.005
"""A rate code has arrived when its accuracy is within half a point of that of the spiking network."""


def energy_rows(evaluation: "Evaluation", model: str) -> list[dict[str, Any]]:
    """Return the energy of one sample in microjoules, a row for each form of the network.

    Args:
        evaluation: of the network.
        model: "horowitz45" counts the arithmetic, "traffic45" what moves to and from memory too.
    """
    return [
        _row(name, accuracy, works, kind, model)
        for name, accuracy, works, kind in (*_own(evaluation), *_source(evaluation), *_baselines(evaluation))
    ]


Form = tuple[str, float | None, list[Work], Arithmetic]
"""A name, an accuracy, the work of each layer, and what it computes with."""


def _row(name: str, accuracy: float | None, works: list[Work], kind: Arithmetic, model: str) -> dict[str, Any]:
    arithmetic = sum(compute(work, kind) for work in works)
    memory = sum(traffic(work, kind) for work in works) if model == "traffic45" else None
    return {
        "network": name,
        "accuracy": accuracy,
        "compute": arithmetic,
        "memory": memory,
        "total": arithmetic + (memory or 0.0),
    }


def _own(evaluation: "Evaluation") -> Iterator[Form]:
    facts, samples = evaluation.network, evaluation.samples
    accuracy = evaluation.accuracy if evaluation.counts.answers else None
    fired = {name: firing.spikes / samples for name, firing in evaluation.counts.firing.items()}
    works = _layers(evaluation, evaluation.operations, samples, event_driven=True)
    works += _neurons(evaluation, fired, facts.updates)
    yield "spiking", accuracy, works, arithmetic_of(facts.precision)


def _source(evaluation: "Evaluation") -> Iterator[Form]:
    operations, samples = evaluation.source_operations, evaluation.samples
    if not operations:
        return
    accuracy = evaluation.source_accuracy if evaluation.counts.answers else None
    made, dense = _layers(evaluation, operations, samples), _layers(evaluation, operations, samples, dense=True)
    yield "source, fp32", accuracy, dense, FLOATS
    yield "source, fp32, zeros skipped", accuracy, made, FLOATS
    yield "source, int8 arithmetic", None, dense, INTEGERS
    yield "source, int8 arithmetic, zeros skipped", None, made, INTEGERS


def _baselines(evaluation: "Evaluation") -> Iterator[Form]:
    found, steps = evaluation.baselines, evaluation.network.steps
    if found is None:
        return
    operations = found.quantised.operations[-1]
    accuracy = found.quantised.correct[-1] / found.samples
    kind = INTEGERS if steps <= 8 else FLOATS
    yield f"quantised to {steps} bits", accuracy, _layers(evaluation, operations, found.samples, dense=True), kind
    works = _layers(evaluation, operations, found.samples)
    yield f"quantised to {steps} bits, zeros skipped", accuracy, works, kind
    wanted = found.spiking_correct / found.samples - CLOSE
    shares = [count / found.samples for count in found.rate.correct]
    step = next((index for index, share in enumerate(shares) if share >= wanted), len(shares) - 1)
    works = _layers(evaluation, found.rate.operations[step], found.samples, event_driven=True)
    spikes = {"": found.rate.spikes[step] / found.samples}
    works += _neurons(evaluation, spikes, dict.fromkeys(evaluation.network.neurons, step + 1))
    yield f"rate code, {step + 1} steps", shares[step], works, arithmetic_of(evaluation.network.precision)


def _layers(
    evaluation: "Evaluation",
    operations: Mapping[str, Operations],
    samples: int,
    *,
    dense: bool = False,
    event_driven: bool = False,
) -> list[Work]:
    sizes = evaluation.network.sizes
    works = []
    for name, o in operations.items():
        additions, products = (
            (o.dense_additions, o.dense_multiplications) if dense else (o.additions, o.multiplications)
        )
        size = sizes[name]
        works.append(
            Work(additions / samples, products / samples, size.weights, size.outputs, event_driven=event_driven)
        )
    return works


def _neurons(evaluation: "Evaluation", spikes: Mapping[str, float], updates: Mapping[str, int]) -> list[Work]:
    """Return what the membranes cost, and the spikes that are sent."""
    neurons = evaluation.network.neurons
    works = [
        Work(0.0, 0.0, 0, count, float(count * updates[name]), event_driven=True) for name, count in neurons.items()
    ]
    total = sum(neurons.values())
    return [*works, Work(0.0, 0.0, 0, total, 0.0, float(sum(spikes.values())), event_driven=True)]
