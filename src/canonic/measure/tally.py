"""What is counted of a batch while a network runs, stream by stream."""

from collections.abc import Container, Mapping, Sequence
from fractions import Fraction

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from canonic.codes import Weighted
from canonic.datasets.digests import hashed
from canonic.measure.counts import Answers, Errors, Firing
from canonic.measure.operations import Account
from canonic.network.graph import Node
from canonic.network.layerwise import Observer
from canonic.network.reference import ValueObserver
from canonic.neurons import Fired, Scan


def firing_counter(
    scans: dict[str, tuple[Tensor, Fired]],
    activity: dict[str, Shaped[Tensor, "..."]],
    account: Account,
    codes: Mapping[str, Weighted],
) -> Observer:
    """Return an observer of the layerwise scheduler that adds to these dictionaries, node by node.

    An event that says a whole number counts as so many unary ones; one that says a fraction, a power of two, is one
    shift and one addition.
    """

    def observe(node: Node, _: Sequence[Tensor], result: Scan | Tensor) -> None:
        whole = codes[node.name].alphabet.whole
        if isinstance(result, Scan):
            fired = result.fired or counted(result.spikes if whole else result.spikes.sign())
            before = scans.get(node.name)
            scans[node.name] = (result.overloads, fired) if before is None else _sum(before, (result.overloads, fired))
        elif node.name in account.watched:
            digits = result.flatten(0, 1)
            unary = whole and node.name in account.spikes
            _add(activity, node.name, units(digits) if unary else occurrences(digits))

    return observe


def firing_of(overloads: Int[Tensor, " time"], fired: Fired) -> Firing:
    """Return the counts of a population as plain data."""
    return Firing(
        positive=tuple(fired.positive.tolist()),
        negative=tuple(fired.negative.tolist()),
        silent=fired.silent,
        units=int(fired.units.sum()),
        overloads=tuple(overloads.tolist()),
    )


def _sum(a: tuple[Tensor, Fired], b: tuple[Tensor, Fired]) -> tuple[Tensor, Fired]:
    (overloads, one), (more, other) = a, b
    silent, sizes = one.silent + other.silent, one.units + other.units
    return overloads + more, Fired(one.positive + other.positive, one.negative + other.negative, silent, sizes)


def count_inputs(
    names: Sequence[str], inputs: Sequence[Shaped[Tensor, "batch ..."]]
) -> dict[str, Shaped[Tensor, "..."]]:
    """Return how often each element of each input was not zero."""
    return {name: occurrences(x) for name, x in zip(names, inputs, strict=True)}


def value_counter(activity: dict[str, Shaped[Tensor, "..."]], watched: Container[str]) -> ValueObserver:
    """Return an observer of the source network that counts the numbers that are not zero."""

    def observe(node: Node, _: Sequence[Tensor], value: Tensor) -> None:
        if node.name in watched:
            _add(activity, node.name, occurrences(value))

    return observe


def occurrences(values: Shaped[Tensor, "batch ..."]) -> Shaped[Tensor, "..."]:
    """Return how often each element is not zero in a batch."""
    there = torch.empty_like(values)  # of their type: sums of floats are vectorised, those of bools are not
    return _added(torch.ne(values, 0, out=there))


def units(digits: Shaped[Tensor, "batch ..."]) -> Shaped[Tensor, "..."]:
    """Return the sizes of the digits of each element, added up: a digit of several levels is as many unary events."""
    return _added(digits.abs())


def _added(numbers: Tensor) -> Tensor:
    """Return the sum of each element over a batch; pictures are added up in the order in which they lie."""
    pictures = numbers.dim() == 4
    lying = numbers.movedim(1, -1) if pictures else numbers
    counts = lying.reshape(len(lying), -1).sum(0).view(lying.shape[1:])
    return counts.movedim(-1, 0) if pictures else counts


def counted(spikes: Shaped[Tensor, "time batch ..."]) -> Fired:
    """Return the spikes of each digit and sign, the neurons without any, and the units of each neuron."""
    fired, positive = spikes != 0, (spikes > 0).flatten(1).sum(1)
    negative = fired.flatten(1).sum(1) - positive
    return Fired(positive, negative, int((~fired.any(0)).sum()), spikes.abs().sum((0, 1), dtype=torch.int64))


def compare_answers(
    readout: Float[Tensor, "steps answers classes"],
    source: Float[Tensor, "answers classes"],
    y: Int[Tensor, " answers"],
) -> Answers:
    """Return how the answers after every step, and those of the source network, compare with the classes."""
    right, was_right = readout.argmax(-1) == y, source.argmax(-1) == y
    return Answers(
        labels=len(y),
        source_correct=int(was_right.sum()),
        source_top5=_among_best(source, y),
        correct=tuple(right.sum(1).tolist()),
        top5=_among_best(readout[-1], y),
        lost=int((was_right & ~right[-1]).sum()),
        won=int((~was_right & right[-1]).sum()),
    )


def compare_outputs(
    readout: Float[Tensor, "steps batch ..."],
    source: Float[Tensor, "batch ..."],
    target: Shaped[Tensor, "batch ..."] | None,
) -> Errors:
    """Return the squared errors after every step, against the source network and, if given, against the targets."""
    last = readout[-1]
    return Errors(
        elements=last.numel(),
        signal=_square(source),
        noise=tuple(_square(step - source) for step in readout),
        missed=Fraction(0) if target is None else _square(last - target),
        source_missed=Fraction(0) if target is None else _square(source - target),
    )


def count_agreeing(
    readout: Float[Tensor, "steps answers classes"], source: Float[Tensor, "answers classes"]
) -> tuple[int, ...]:
    """Return how many answers are those of the source network after every step."""
    return tuple((readout.argmax(-1) == source.argmax(-1)).sum(1).tolist())


def digest(tensors: Sequence[Shaped[Tensor, "batch ..."]]) -> int:
    """Return the sum of the SHA-256 hashes of the samples: the same however the data is cut, and in any order."""
    return hashed(tensors)[1]


def _add(activity: dict[str, Shaped[Tensor, "..."]], name: str, events: Shaped[Tensor, "..."]) -> None:
    activity[name] = activity[name] + events if name in activity else events


def _among_best(scores: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]) -> int:
    best = scores.topk(min(5, scores.shape[1])).indices
    return int((best == y[:, None]).any(1).sum())


def _square(x: Tensor) -> Fraction:
    return Fraction(float(x.double().square().sum()))
