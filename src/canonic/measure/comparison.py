"""The energy of a spiking network beside that of the same network in other forms, each with its accuracy."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from canonic.measure.baselines import Baselines
from canonic.measure.counts import Operations
from canonic.measure.energy import FLOATS, INTEGERS, Arithmetic, Work, arithmetic_of, compute, traffic, whole
from canonic.measure.facts import Facts
from canonic.measure.tiled import tile
from canonic.words import counted

if TYPE_CHECKING:
    from canonic.measure.result import Evaluation

CLOSE = 0.005
"""A rate code has arrived when its accuracy stays within half a point of that of the spiking network."""


TEXTS = {
    "spiking": "spiking",
    "spiking_sized": "spiking, events carry their size",
    "source_fp32": "source, fp32",
    "source_fp32_sparse": "source, fp32, zeros skipped",
    "source_int8": "source, int8 arithmetic",
    "source_int8_sparse": "source, int8 arithmetic, zeros skipped",
    "quantised": "quantised to {bits}",
    "quantised_sparse": "quantised to {bits}, zeros skipped",
    "rate": "rate code, {steps}",
}
"""The forms of a network by their identifiers, in words."""

OTHER_CODES = ("quantised", "quantised_sparse", "rate")
"""Those that are measured on a part of the samples."""


def text_of_form(row: Mapping[str, Any]) -> str:
    """Return in words what form of the network a row is of.

    >>> text_of_form({"id": "quantised_sparse", "bits": 8}), text_of_form({"id": "rate", "steps": 1})
    ('quantised to 8 bits, zeros skipped', 'rate code, 1 step')
    """
    sizes = {key: counted(row[key], key.removesuffix("s")) for key in ("bits", "steps") if key in row}
    return TEXTS[row["id"]].format(**sizes)


def energy_rows(evaluation: "Evaluation", model: str) -> list[dict[str, Any]]:
    """Return the energy of one sample in microjoules, a row for each form of the network.

    Args:
        evaluation: of the network.
        model: "horowitz45" counts the arithmetic, "traffic45" and "tiled45" what moves to and from memory too.
    """
    return [_row(form, model) for form in (*forms(evaluation), *_baselines(evaluation))]


MEMORY: Mapping[str, Callable[[Work, Arithmetic], float]] = {"traffic45": traffic, "tiled45": tile}
"""What moves to and from memory, by the models that count it."""

Works = list[tuple[Work, Arithmetic]]
"""The work of each layer, with what it computes with."""


class Form(NamedTuple):
    """A form of the network: its identifier, its accuracy, what it does, and the sizes that it is told by."""

    id: str
    accuracy: float | None
    works: Works
    sizes: Mapping[str, int] = {}


def forms(evaluation: "Evaluation") -> Iterator[Form]:
    """Yield the network itself, and its source, in all their forms."""
    yield from _own(evaluation)
    yield from _source(evaluation)


def _row(form: Form, model: str) -> dict[str, Any]:
    arithmetic = sum(compute(work, kind) for work, kind in form.works)
    memory = sum(MEMORY[model](work, kind) for work, kind in form.works) if model in MEMORY else None
    return {
        "id": form.id,
        **form.sizes,
        "accuracy": form.accuracy,
        "compute": arithmetic,
        "memory": memory,
        "total": arithmetic + (memory or 0.0),
    }


def _own(evaluation: "Evaluation") -> Iterator[Form]:
    """Yield the network with unary events and, where they differ in size, with events that carry theirs."""
    network, operations, firing = evaluation.network, evaluation.operations, evaluation.counts.firing
    accuracy = evaluation.accuracy if evaluation.counts.answers else None
    units = {name: fired.units for name, fired in firing.items()}
    yield Form("spiking", accuracy, _spiking(network, operations, units, evaluation.samples, {}))
    if network.magnitudes:
        one_each = {name: replace(o, additions=o.event_additions) for name, o in operations.items()}
        spikes = {name: fired.spikes for name, fired in firing.items()}
        works = _spiking(network, one_each, spikes, evaluation.samples, network.magnitudes)
        yield Form("spiking_sized", accuracy, works)


Magnitudes = Mapping[str, tuple[float, ...]]
"""The sizes of events, by node, where an event carries its size."""


def _spiking(
    network: Facts,
    operations: Mapping[str, Operations],
    sent: Mapping[str, int],
    samples: int,
    magnitudes: Magnitudes,
) -> Works:
    """Return the work of a network that has sent so many events."""
    made = [
        (
            replace(_work(network, name, o, samples), event_driven=True, magnitudes=magnitudes.get(name, (1.0,))),
            _arithmetic(network, name),
        )
        for name, o in operations.items()
    ]
    spikes = {name: count / samples for name, count in sent.items()}
    return [*made, *_state(network, spikes, network.updates, magnitudes)]


def _source(evaluation: "Evaluation") -> Iterator[Form]:
    operations, samples = evaluation.source_operations, evaluation.samples
    if not operations:
        return
    accuracy = evaluation.source_accuracy if evaluation.counts.answers else None
    made = [_work(evaluation.network, name, o, samples) for name, o in operations.items()]
    dense = [_work(evaluation.network, name, all_of(o), samples) for name, o in operations.items()]
    yield Form("source_fp32", accuracy, [(work, FLOATS) for work in dense])
    yield Form("source_fp32_sparse", accuracy, [(work, FLOATS) for work in made])
    yield Form("source_int8", None, [(work, INTEGERS) for work in dense])
    yield Form("source_int8_sparse", None, [(work, INTEGERS) for work in made])


def _baselines(evaluation: "Evaluation") -> Iterator[Form]:
    found, network = evaluation.baselines, evaluation.network
    if found is None:
        return
    kind, sizes = whole(network.bits), {"bits": network.bits}
    accuracy = found.quantised.correct[-1] / found.labels
    operations = found.quantised.operations[-1].items()
    dense = [(_work(network, n, all_of(o), found.samples), kind) for n, o in operations]
    made = [(_work(network, n, o, found.samples), kind) for n, o in operations]
    yield Form("quantised", accuracy, dense, sizes)
    yield Form("quantised_sparse", accuracy, made, sizes)
    yield _rate(network, found)


def _rate(network: Facts, found: Baselines) -> Form:
    """Return the rate code, stopped at the step from which on it stays as good as the spiking network, or nearly."""
    wanted = found.spiking_correct[-1] - CLOSE * found.labels
    short = [step for step, count in enumerate(found.rate.correct) if count < wanted]
    last = min(len(found.rate.correct) - 1, short[-1] + 1 if short else 0)
    works = [
        (replace(_work(network, name, made, found.samples), event_driven=True), _arithmetic(network, name))
        for name, made in found.rate.operations[last].items()
    ]
    share = found.rate.spikes[last] / (found.samples * sum(network.neurons.values()))
    spikes = {name: share * count for name, count in network.neurons.items()}
    updates = {name: count * (last + 1) for name, count in network.neurons.items()}
    state = _state(network, spikes, updates, {}, (last + 1) / network.steps)
    return Form("rate", found.rate.correct[last] / found.labels, [*works, *state], {"steps": last + 1})


def all_of(made: Operations) -> Operations:
    """Return the operations, were no number and no weight zero."""
    return replace(made, additions=made.dense_additions, multiplications=made.dense_multiplications)


def _work(network: Facts, name: str, made: Operations, samples: int) -> Work:
    size = network.sizes[name]
    return Work(
        additions=made.additions / samples,
        multiplications=made.multiplications / samples,
        weights=size.weights,
        inputs=size.inputs,
        outputs=size.outputs,
        reuse=size.reuse,
    )


def _arithmetic(network: Facts, name: str) -> Arithmetic:
    return arithmetic_of(network.precision, network.sizes[name].bits)


def _state(
    network: Facts,
    spikes: Mapping[str, float],
    updates: Mapping[str, int],
    magnitudes: Magnitudes,
    share: float = 1.0,
) -> Works:
    """Return what membranes, spikes and other state cost; the last for a share of the T digits."""
    kind = arithmetic_of(network.precision)
    works = [
        Work(
            outputs=count,
            updates=float(updates[name]),
            spikes=spikes[name],
            readers=network.sizes[name].readers,
            event_driven=True,
            magnitudes=magnitudes.get(name, (1.0,)),
        )
        for name, count in network.neurons.items()
    ]
    other = [Work(outputs=n // network.steps, updates=n * share, event_driven=True) for n in network.state.values()]
    return [(work, kind) for work in (*works, *other)]
