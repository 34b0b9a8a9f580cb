"""What is counted of a batch while a network runs, stream by stream."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from canonic.codes import Weighted
from canonic.codes.readouts import first_event
from canonic.datasets.digests import hashed
from canonic.measure.counts import Answers, Errors, Firing, Operations, SourceAnswers, SourceErrors
from canonic.measure.operations import Account
from canonic.native.occurrences import occurrences as native_occurrences
from canonic.network.graph import Graph, Node, Population
from canonic.network.layerwise import Observer
from canonic.network.reference import ValueObserver
from canonic.network.ruled import rule_of
from canonic.neurons import Fired, Scan


@dataclass(frozen=True)
class Seen:
    """What is counted of a batch while a network runs, stream by stream.

    Attributes:
        scans: of each population its overloads, and what it fired.
        units: of each watched stream how often each element was not zero; a spike counts as often as its size says, in
            the smallest of its code.
        graded: of each stream whose spikes differ in size how often each element was not zero.
        decided: of each output whose first event answers the steps of the answers, from 1, added up.
    """

    scans: dict[str, tuple[Tensor, Fired]]
    units: dict[str, Shaped[Tensor, "..."]]
    graded: dict[str, Shaped[Tensor, "..."]]
    decided: dict[str, Tensor] = field(default_factory=dict)

    def operations(self, account: Account, samples: int) -> dict[str, Operations]:
        """Return the operations of each node."""
        fired = {name: fired.units for name, (_, fired) in self.scans.items()}
        return account.count(fired | self.units, samples, self.graded)


def seen_of(names: Sequence[str], inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> Seen:
    """Return what is counted of a batch before a network runs: its inputs."""
    return Seen({}, count_inputs(names, inputs), {})


def firing_counter(
    seen: Seen, account: Account, codes: Mapping[str, Weighted], answering: Container[str] = ()
) -> Observer:
    """Return an observer of the layerwise scheduler that adds to what was seen, node by node.

    Args:
        seen: what it adds to.
        account: of the operations.
        codes: of each stream.
        answering: outputs whose first event answers.
    """

    def observe(node: Node, _: Sequence[Tensor], result: Scan | Tensor) -> None:
        alphabet, spikes = codes[node.name].alphabet, result if isinstance(result, Tensor) else result.spikes
        least = alphabet.magnitudes[-1]
        if node.name in answering:
            _add(seen.decided, node.name, first_event(spikes, spikes).step.sum())
        if isinstance(result, Scan):
            fired = result.fired or counted(_events(node, spikes, least))
            before, new = seen.scans.get(node.name), (result.overloads, fired)
            seen.scans[node.name] = new if before is None else _sum(before, new)
            if node.name in account.watched - account.spikes:  # membranes that are read as numbers
                _add(seen.units, node.name, occurrences(spikes.flatten(0, 1)))
        elif node.name not in account.watched:
            return
        elif node.name in account.spikes and not account.ruled:
            _add(seen.units, node.name, units(spikes.flatten(0, 1)) / least)
        else:
            _add(seen.units, node.name, occurrences(spikes.flatten(0, 1)))
        if _bursts(node):
            _add(seen.graded, node.name, occurrences(spikes.flatten(0, 1)))
        elif alphabet.graded and node.name in account.spikes:
            _add(seen.graded, node.name, events(spikes.flatten(0, 1), least))

    return observe


def _events(node: Node, spikes: Shaped[Tensor, "..."], least: float) -> Shaped[Tensor, "..."]:
    """Return the digits of a population in the smallest of its events; membranes that a rule sends are none."""
    if bursts := _bursts(node):
        return bursts(spikes)
    if isinstance(node, Population) and node.neurons.rule:
        return spikes.sign() if node.neurons.rule.fires else torch.zeros_like(spikes)
    return spikes if least == 1 else spikes / least


def _bursts(node: Node) -> Callable[[Tensor], Tensor] | None:
    """Return what counts the spikes that a population sends at once; None where all that it sends is one of a kind."""
    return getattr(rule_of(node), "counts", None) if isinstance(node, Population) and node.neurons.rule else None


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


def count_with_numbers(graph: Graph, inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> int:
    """Return how many samples have frames that hold other numbers than -1, 0 and 1."""
    frames = [x for x, name in zip(inputs, graph.inputs, strict=True) if "frames" in graph[name].arguments]
    return sum(int((x != x.sign()).flatten(1).any(1).sum()) for x in frames)


def value_counter(activity: dict[str, Shaped[Tensor, "..."]], watched: Container[str]) -> ValueObserver:
    """Return an observer of the source network that counts the numbers that are not zero."""

    def observe(node: Node, _: Sequence[Tensor], value: Tensor) -> None:
        if node.name in watched:
            _add(activity, node.name, occurrences(value))

    return observe


def occurrences(values: Shaped[Tensor, "batch ..."]) -> Shaped[Tensor, "..."]:
    """Return how often each element is not zero in a batch."""
    return _added(values, _not_zero)


def units(digits: Shaped[Tensor, "batch ..."]) -> Shaped[Tensor, "..."]:
    """Return the sizes of the digits of each element, added up: a digit of several levels is as many unary events."""
    return _added(digits.abs(), _sums)


def events(digits: Shaped[Tensor, "batch ..."], least: float) -> Shaped[Tensor, "..."]:
    """Return how often each element is a spike, of that size or a larger one; those of maxima may be rounded."""
    there = torch.empty_like(digits)
    return _added(torch.ge(digits.abs(), least / 2, out=there), _sums)


def _added(numbers: Tensor, add: Callable[[Tensor], Tensor]) -> Tensor:
    """Return what comes of each element over a batch; pictures are taken in the order in which they lie."""
    pictures = numbers.dim() == 4
    lying = numbers.movedim(1, -1) if pictures else numbers
    counts = add(lying.reshape(len(lying), -1)).view(lying.shape[1:])
    return counts.movedim(-1, 0) if pictures else counts


def _sums(numbers: Shaped[Tensor, "batch elements"]) -> Shaped[Tensor, " elements"]:
    return numbers.sum(0)


def _not_zero(values: Shaped[Tensor, "batch elements"]) -> Shaped[Tensor, " elements"]:
    counts = native_occurrences(values)
    if counts is not None:
        return counts
    there = torch.empty_like(values)  # of their type: sums of floats are vectorised, those of bools are not
    return torch.ne(values, 0, out=there).sum(0)


def counted(spikes: Shaped[Tensor, "time batch ..."]) -> Fired:
    """Return the spikes of each digit and sign, the neurons without any, and the units of each neuron."""
    short = spikes.is_floating_point() and spikes.element_size() < 4  # of which sums would be rounded
    each = spikes.abs().sum(0, dtype=torch.float32 if short else None)
    fired, below = _count(spikes), spikes.numel() and spikes.amin() < 0
    negative = _count(spikes.clamp(max=0)) if below else torch.zeros_like(fired)
    silent = each.numel() - int(torch.count_nonzero(each))
    return Fired(fired - negative, negative, silent, each.sum(0, dtype=torch.float64).long())


def _count(spikes: Shaped[Tensor, "time batch ..."]) -> Int[Tensor, " time"]:
    """Return how many are not zero at each step: a count of each is vectorised, one along an axis is not."""
    return torch.stack([torch.count_nonzero(step) for step in spikes])


def compare_answers(
    readout: Float[Tensor, "steps answers classes"],
    source: Float[Tensor, "answers classes"] | None,
    y: Int[Tensor, " answers"],
) -> Answers:
    """Return how the answers after every step, and those of the source network, compare with the classes."""
    right = readout.argmax(-1) == y
    theirs = None if source is None else _source_answers(source, right[-1], y)
    return Answers(len(y), tuple(right.sum(1).tolist()), _among_best(readout[-1], y), theirs)


def _source_answers(
    source: Float[Tensor, "answers classes"], right: Bool[Tensor, " answers"], y: Int[Tensor, " answers"]
) -> SourceAnswers:
    was_right = source.argmax(-1) == y
    return SourceAnswers(
        correct=int(was_right.sum()),
        top5=_among_best(source, y),
        lost=int((was_right & ~right).sum()),
        won=int((~was_right & right).sum()),
    )


def compare_outputs(
    readout: Float[Tensor, "steps batch ..."],
    source: Float[Tensor, "batch ..."] | None,
    target: Shaped[Tensor, "batch ..."] | None,
) -> Errors:
    """Return the squared errors after every step against the source network, and of both against the targets."""
    last, theirs = readout[-1], None
    if source is not None:
        noise = tuple(_square(step - source) for step in readout)
        theirs = SourceErrors(_square(source), noise, _missed(source, target))
    return Errors(last.numel(), _missed(last, target), theirs)


def _missed(output: Float[Tensor, "batch ..."], target: Shaped[Tensor, "batch ..."] | None) -> Fraction:
    return Fraction(0) if target is None else _square(output - target)


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
