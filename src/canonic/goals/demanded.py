"""From a goal to the demands on a network, as far as the held-out samples can tell."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil, isfinite

import torch
from torch import Tensor

from canonic.conversion.quality import ENOUGH
from canonic.errors import ConversionError, DataError
from canonic.goals.demands import Demand, Likeness, Losing, Right
from canonic.goals.goal import Goal, Loss
from canonic.goals.heldout import Held
from canonic.measure.labels import classes_of
from canonic.network.graph import Graph
from canonic.network.outputs import output_names, required_output
from canonic.words import counted, percent

AGREEMENT, RATIO = 0.99, 30.0
"""What must hold where nothing else is said."""

FINEST = 1e-3
"""The smallest share of answers that is told apart."""

HELD = 256
"""Samples that are held out at most, where twice as many as the goal needs are no more: half may be left of them."""

SAY_NOTHING = "they say little of others; give samples of all kinds"


def needed(share: float) -> int:
    """Return the samples with which a share of wrong answers can be told from twice as many: two must be wrong.

    >>> needed(0.01), needed(0.005)
    (200, 400)
    """
    return ceil(round(2 / max(share, FINEST), 6))


def most_held(goal: Goal) -> int:
    """Return how many samples to hold out for a goal, at most."""
    shares = [
        *([] if goal.agreement is None else [1 - goal.agreement]),
        *([] if goal.accuracy is None else [-goal.accuracy]),
        *([] if goal.demands else [1 - AGREEMENT]),
    ]
    return max([HELD, *(2 * needed(share) for share in shares)])


def demanded(goal: Goal, graph: Graph, held: Held) -> tuple[tuple[Demand, ...], str]:
    """Return what must hold of a network, and a note where it is not what was to be expected; "" without.

    Raises:
        ConversionError: if the network has no answers to compare.
        DataError: if there are no labels, or too few samples to tell.
    """
    if not goal.demands:
        return _usual(graph, held, goal.output)
    demands: list[Demand] = []
    if goal.agreement is not None:
        demands += _agreements(goal.agreement, graph, held, goal.output)
    if goal.accuracy is not None:
        demands.append(_accuracy(goal.accuracy, graph, held, goal.output))
    if goal.snr is not None:
        demands.append(Likeness("SNR", goal.snr, 1, dict(enumerate(held.outputs))))
    if goal.loss is not None:
        demands.append(_losing(goal.loss, goal.rise, held, _place(graph, goal.output, "a loss is of")))
    for demand in demands:
        _require_enough(demand, held)
    return tuple(demands), ""


def _usual(graph: Graph, held: Held, output: str | int | None) -> tuple[tuple[Demand, ...], str]:
    """Return an agreement of 99 %, or 30 dB of outputs that are no scores, or of all where samples are too few."""
    answers = [] if held.regression or not _rows(graph) else _agreements(AGREEMENT, graph, held, output)
    if answers and len(held) >= answers[0].needed:
        return (*answers, *_numbers(graph, held)), ""
    ratio = Likeness("SNR", RATIO, 1, dict(enumerate(held.outputs)))
    if not answers:
        return (ratio,), ""
    return (ratio,), (
        f"{counted(len(held), 'held-out sample')} cannot tell an agreement of {percent(AGREEMENT, 0)} from "
        f"{percent(2 * AGREEMENT - 1, 0)}: the network was judged by {RATIO:.0f} dB of its outputs; give "
        f"{_given(answers[0].needed)} for it"
    )


def _numbers(graph: Graph, held: Held) -> list[Demand]:
    """Return the usual demand on outputs that are no rows of scores."""
    names, rows = output_names(graph), _rows(graph)
    others = {place: own for place, own in enumerate(held.outputs) if place not in rows}
    return [Likeness(f"SNR of {', '.join(names[p] for p in others)}", RATIO, 1, others)] if others else []


def _agreements(share: float, graph: Graph, held: Held, output: str | int | None) -> list[Demand]:
    places = [place for place in _rows(graph) if output is None or place == _place(graph, output, "")]
    if not places:
        shapes = ", ".join(str(["batch", *graph[name].shape]) for name in graph.outputs)
        raise ConversionError(
            f"agreement is of answers, an output [batch, classes], and the network has {shapes}: snr=30"
        )
    names = output_names(graph)
    scores = {place: _scores(held, place) for place in places}
    return [
        Right(
            what=f"agreement of {names[place]}" if len(places) > 1 else "agreement",
            least=share,
            needed=needed(1 - share),
            place=place,
            scores=own,
            right=own.argmax(1),
            allowed=1 - share,
        )
        for place, own in scores.items()
    ]


def _losing(loss: Loss, rise: float, held: Held, place: int) -> Demand:
    source = held.outputs[place]
    target = source if held.labels is None else held.labels.to(source.device)
    wanted = Losing("loss", rise, 1, place, source, target, loss)
    own = wanted.lost(source)
    if not isfinite(own):
        raise DataError(f"the loss of the source network is {own} on the held-out samples: give one that is finite")
    return replace(wanted, least=own + rise)


def _place(graph: Graph, output: str | int | None, why: str) -> int:
    """Return the place of the output that a goal names, or of the only one."""
    return required_output(graph, output, why, "--goal ...,output={}")


def _accuracy(change: float, graph: Graph, held: Held, output: str | int | None) -> Demand:
    if held.labels is None:
        raise DataError(
            "an accuracy goal needs labels, and the calibration data has none: give batches (x, y), or agreement=0.99"
        )
    place = _place(graph, output, "accuracy is of")
    scores = _scores(held, place)
    labels = held.labels if held.other_labels is None else torch.cat([held.labels, held.other_labels])
    right = _classes(labels, scores)
    least = float((scores.argmax(1) == right)[: len(held)].double().mean()) + change
    return Right("accuracy", least - 1e-9, needed(-change), place, scores, right, -change)


def _scores(held: Held, place: int) -> Tensor:
    """Return the scores of the source network on the held-out samples and, behind them, on others."""
    return torch.cat([held.outputs[place], held.others[place]]) if held.others else held.outputs[place]


def _classes(labels: Tensor, scores: Tensor) -> Tensor:
    if scores.dim() != 2 or labels.is_floating_point():
        raise DataError(
            f"an accuracy goal needs one class for each sample, got labels {labels.dtype} {list(labels.shape)} for an "
            f"output {list(scores.shape)}: give a loss of your own, Goal(loss=...)"
        )
    return classes_of(labels, scores).y


def _rows(graph: Graph) -> list[int]:
    """Return the places of the outputs that are rows of scores."""
    shapes = [graph[name].shape for name in graph.outputs]
    return [place for place, shape in enumerate(shapes) if len(shape) == 1 and shape[0] > 1]


def _require_enough(demand: Demand, held: Held) -> None:
    if len(held) < demand.needed:
        raise DataError(
            f"{counted(len(held), 'held-out sample')} cannot tell {demand} from one that misses by as much again: give "
            f"{_given(demand.needed)}, every other of which is held out, or ask for snr=30"
        )


def _given(count: int) -> str:
    return counted(2 * count, "calibration sample")


def remarks(
    demands: Sequence[Demand], graph: Graph, held: Held, outputs: Callable[[], Sequence[Tensor]]
) -> Iterator[str]:
    """Yield what a user should know of a network that was judged.

    Args:
        demands: on it.
        graph: of the network.
        held: samples.
        outputs: gives those of the network on them, if there is one that no demand is about.
    """
    if not held.fresh:
        yield "there is one calibration sample alone: the network was judged on what it was fitted to; give a hundred"
    alike = [bool((own == own[:1]).all()) for own in held.outputs]
    if len(held) > 1 and all(alike):
        yield f"the source network gives one output for all {len(held)} held-out samples: {SAY_NOTHING}"
    for demand in demands:
        if isinstance(demand, Right) and not all(alike) and bool((demand.right == demand.right[:1]).all()):
            yield f"{demand.what} is of one class alone, {int(demand.right[0])}: {SAY_NOTHING}"
    judged, names = {place for demand in demands for place in demand.places}, output_names(graph)
    others = sorted(set(range(len(names))) - judged)
    came = outputs() if others else ()
    for place in others:
        ratio = Likeness("SNR", ENOUGH, 1, {place: held.outputs[place]})
        if not ratio.met(found := ratio.value(came)):
            yield f"the output {names[place]}, which the goal says nothing of, is at {ratio.said(found)}: add snr=20"
