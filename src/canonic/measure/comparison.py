"""The energy of a spiking network beside that of the same network in other forms, each with its accuracy."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from canonic.measure.baselines import Baselines
from canonic.measure.counts import Operations
from canonic.measure.energy import FLOATS, INTEGERS, Arithmetic, Work, arithmetic_of, compute, traffic, whole
from canonic.measure.facts import Facts
from canonic.words import counted

if TYPE_CHECKING:
    from canonic.measure.result import Evaluation

CLOSE = 0.005
"""A rate code has arrived when its accuracy stays within half a point of that of the spiking network."""


def energy_rows(evaluation: "Evaluation", model: str) -> list[dict[str, Any]]:
    """Return the energy of one sample in microjoules, a row for each form of the network.

    Args:
        evaluation: of the network.
        model: "horowitz45" counts the arithmetic, "traffic45" what moves to and from memory too.
    """
    forms = (*_own(evaluation), *_source(evaluation), *_baselines(evaluation))
    return [_row(name, accuracy, works, model) for name, accuracy, works in forms]


Form = tuple[str, float | None, list[tuple[Work, Arithmetic]]]
"""A name, an accuracy, and the work of each layer with what it computes with."""


def _row(name: str, accuracy: float | None, works: list[tuple[Work, Arithmetic]], model: str) -> dict[str, Any]:
    arithmetic = sum(compute(work, kind) for work, kind in works)
    memory = sum(traffic(work, kind) for work, kind in works) if model == "traffic45" else None
    return {
        "network": name,
        "accuracy": accuracy,
        "compute": arithmetic,
        "memory": memory,
        "total": arithmetic + (memory or 0.0),
    }


def _own(evaluation: "Evaluation") -> Iterator[Form]:
    network, samples = evaluation.network, evaluation.samples
    accuracy = evaluation.accuracy if evaluation.counts.answers else None
    fired = {name: firing.units / samples for name, firing in evaluation.counts.firing.items()}
    works = [
        (_work(network, name, made, samples, event_driven=True), _arithmetic(network, name))
        for name, made in evaluation.operations.items()
    ]
    yield "spiking", accuracy, [*works, *_state(network, fired, network.updates)]


def _source(evaluation: "Evaluation") -> Iterator[Form]:
    operations, samples = evaluation.source_operations, evaluation.samples
    if not operations:
        return
    accuracy = evaluation.source_accuracy if evaluation.counts.answers else None
    made = [_work(evaluation.network, name, o, samples) for name, o in operations.items()]
    dense = [_work(evaluation.network, name, all_of(o), samples) for name, o in operations.items()]
    yield "source, fp32", accuracy, [(work, FLOATS) for work in dense]
    yield "source, fp32, zeros skipped", accuracy, [(work, FLOATS) for work in made]
    yield "source, int8 arithmetic", None, [(work, INTEGERS) for work in dense]
    yield "source, int8 arithmetic, zeros skipped", None, [(work, INTEGERS) for work in made]


def _baselines(evaluation: "Evaluation") -> Iterator[Form]:
    found, network = evaluation.baselines, evaluation.network
    if found is None:
        return
    name, kind = f"quantised to {counted(network.steps, 'bit')}", whole(network.steps)
    accuracy = found.quantised.correct[-1] / found.labels
    operations = found.quantised.operations[-1].items()
    dense = [(_work(network, n, all_of(o), found.samples), kind) for n, o in operations]
    yield name, accuracy, dense
    yield f"{name}, zeros skipped", accuracy, [(_work(network, n, o, found.samples), kind) for n, o in operations]
    yield _rate(network, found)


def _rate(network: Facts, found: Baselines) -> Form:
    """Return the rate code, stopped at the step from which on it stays as good as the spiking network, or nearly."""
    wanted = found.spiking_correct[-1] - CLOSE * found.labels
    short = [step for step, count in enumerate(found.rate.correct) if count < wanted]
    last = min(len(found.rate.correct) - 1, short[-1] + 1 if short else 0)
    works = [
        (_work(network, name, made, found.samples, event_driven=True), _arithmetic(network, name))
        for name, made in found.rate.operations[last].items()
    ]
    share = found.rate.spikes[last] / (found.samples * sum(network.neurons.values()))
    spikes = {name: share * count for name, count in network.neurons.items()}
    updates = {name: count * (last + 1) for name, count in network.neurons.items()}
    return (
        f"rate code, {counted(last + 1, 'step')}",
        found.rate.correct[last] / found.labels,
        [
            *works,
            *_state(network, spikes, updates, (last + 1) / network.steps),
        ],
    )


def all_of(made: Operations) -> Operations:
    """Return the operations, were no number and no weight zero."""
    return replace(made, additions=made.dense_additions, multiplications=made.dense_multiplications)


def _work(network: Facts, name: str, made: Operations, samples: int, *, event_driven: bool = False) -> Work:
    size = network.sizes[name]
    return Work(
        additions=made.additions / samples,
        multiplications=made.multiplications / samples,
        weights=size.weights,
        inputs=size.inputs,
        outputs=size.outputs,
        event_driven=event_driven,
    )


def _arithmetic(network: Facts, name: str) -> Arithmetic:
    return arithmetic_of(network.precision, network.sizes[name].bits)


def _state(
    network: Facts, spikes: Mapping[str, float], updates: Mapping[str, int], share: float = 1.0
) -> list[tuple[Work, Arithmetic]]:
    """Return what membranes, spikes and other state cost; the last for a share of the T digits."""
    kind = arithmetic_of(network.precision)
    works = [
        Work(
            outputs=count,
            updates=float(updates[name]),
            spikes=spikes[name],
            readers=network.sizes[name].readers,
            event_driven=True,
        )
        for name, count in network.neurons.items()
    ]
    other = [Work(outputs=n // network.steps, updates=n * share, event_driven=True) for n in network.state.values()]
    return [(work, kind) for work in (*works, *other)]
