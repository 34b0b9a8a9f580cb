"""What is counted of a batch while a network runs, stream by stream."""

import hashlib
from collections.abc import Container, Sequence
from fractions import Fraction

from jaxtyping import Float, Int, Shaped
from torch import Tensor

from canonic.measure.counts import Answers, Errors, Firing, merged
from canonic.network.graph import Node
from canonic.network.layerwise import Observer
from canonic.network.reference import ValueObserver
from canonic.neurons import Scan


def firing_counter(
    firing: dict[str, Firing], activity: dict[str, Int[Tensor, "..."]], watched: Container[str]
) -> Observer:
    """Return an observer of the layerwise scheduler that adds to these dictionaries, node by node."""

    def observe(node: Node, _: Sequence[Tensor], result: Scan | Tensor) -> None:
        if isinstance(result, Scan):
            fired, events = count_spikes(result)
            firing[node.name] = merged(firing[node.name], fired) if node.name in firing else fired
            _add(activity, node.name, events)
        elif node.name in watched:
            _add(activity, node.name, (result != 0).sum((0, 1)))

    return observe


def count_inputs(names: Sequence[str], inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> dict[str, Int[Tensor, "..."]]:
    """Return how often each element of each input was not zero."""
    return {name: (x != 0).sum(0) for name, x in zip(names, inputs, strict=True)}


def value_counter(activity: dict[str, Int[Tensor, "..."]], watched: Container[str]) -> ValueObserver:
    """Return an observer of the source network that counts the numbers that are not zero."""

    def observe(node: Node, _: Sequence[Tensor], value: Tensor) -> None:
        if node.name in watched:
            _add(activity, node.name, (value != 0).sum(0))

    return observe


def count_spikes(scan: Scan) -> tuple[Firing, Int[Tensor, "..."]]:
    """Return what a population did, and how often each neuron fired."""
    spikes = scan.spikes
    fired = spikes != 0
    positive = (spikes > 0).flatten(1).sum(1)
    events = fired.sum((0, 1))
    firing = Firing(
        positive=tuple(positive.tolist()),
        negative=tuple((fired.flatten(1).sum(1) - positive).tolist()),
        silent=int((~fired.any(0)).sum()),
        overloads=tuple(scan.overloads.tolist()),
    )
    return firing, events


def compare_answers(
    readout: Float[Tensor, "steps batch classes"], source: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]
) -> Answers:
    """Return how the answers after every step compare with the classes and with those of the source network."""
    answers, expected = readout.argmax(-1), source.argmax(-1)
    right, was_right = answers == y, expected == y
    return Answers(
        source_correct=int(was_right.sum()),
        source_top5=_among_best(source, y),
        correct=tuple(right.sum(1).tolist()),
        agreeing=tuple((answers == expected).sum(1).tolist()),
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


def digest(tensors: Sequence[Shaped[Tensor, "batch ..."]]) -> int:
    """Return the sum of the SHA-256 hashes of the samples: the same however the data is cut, and in any order."""
    arrays = [tensor.detach().cpu().contiguous().numpy() for tensor in tensors]
    hashes = (hashlib.sha256(b"".join(part.tobytes() for part in sample)) for sample in zip(*arrays, strict=True))
    return sum(int.from_bytes(h.digest()) for h in hashes)


def _add(activity: dict[str, Int[Tensor, "..."]], name: str, events: Int[Tensor, "..."]) -> None:
    activity[name] = activity[name] + events if name in activity else events


def _among_best(scores: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]) -> int:
    best = scores.topk(min(5, scores.shape[1])).indices
    return int((best == y[:, None]).any(1).sum())


def _square(x: Tensor) -> Fraction:
    return Fraction(float(x.double().square().sum()))
