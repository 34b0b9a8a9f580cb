"""How an answer is read from the stream of an output, ``[time, batch, classes]``."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from canonic.errors import CanonicError


def mean(stream: Float[Tensor, "time batch *shape"]) -> Float[Tensor, "batch *shape"]:
    """Return the mean over time.

    >>> mean(torch.tensor([[[0.0]], [[1.0]]])).item()
    0.5
    """
    return stream.mean(0)


def weighted_mean(
    stream: Float[Tensor, "time batch *shape"], leak: Float[Tensor, "..."] | float
) -> Float[Tensor, "batch *shape"]:
    """Return the mean in which step t weighs ``leak^(T - t)``: that of a leaky neuron.

    >>> round(weighted_mean(torch.tensor([[0.0], [1.0]]), 0.5).item(), 4)
    0.6667
    """
    total, weight = torch.zeros_like(stream[0]), torch.zeros((), device=stream.device)
    for part in stream:
        total, weight = leak * total + part, leak * weight + 1
    return total / weight


def last(stream: Float[Tensor, "time batch *shape"]) -> Float[Tensor, "batch *shape"]:
    """Return the last step: of a membrane, what was added up.

    >>> last(torch.tensor([[[0.0]], [[1.0]]])).item()
    1.0
    """
    return stream[-1]


def votes(spikes: Float[Tensor, "time batch neurons"], classes: int) -> Float[Tensor, "batch classes"]:
    """Return the spikes of each class, whose neurons stand side by side (a population code of the answer).

    Raises:
        CanonicError: if the neurons are not as many for each class.

    >>> votes(torch.tensor([[[1.0, 0.0, 1.0, 1.0]]]), classes=2).tolist()
    [[1.0, 2.0]]
    """
    neurons = spikes.shape[2]
    if classes < 1 or neurons % classes:
        nearest = max(neurons // max(classes, 1), 1) * classes
        raise CanonicError(f"{neurons} neurons do not divide into {classes} classes: take {nearest} neurons")
    return spikes.sum(0).view(len(spikes[0]), classes, -1).sum(2)


class Score(NamedTuple):
    """What is read of an output in which the first event answers, after some steps.

    Attributes:
        score: of each class: its membrane, until an event; from then on that at the event, minus infinity for those
            that did not fire with it.
        decided: whether there was an event.
    """

    score: Float[Tensor, "batch classes"]
    decided: Bool[Tensor, "batch 1"]


def scored(
    spikes: Float[Tensor, "batch classes"], membranes: Float[Tensor, "batch classes"], before: Score | None = None
) -> Score:
    """Return the score after a step, from that after the step before.

    >>> silent = scored(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.2, 0.1]]))
    >>> fired = scored(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.2, 0.0]]), silent)
    >>> fired.score.tolist(), scored(torch.ones(1, 2), torch.ones(1, 2), fired).score.tolist()
    ([[-inf, 0.0]], [[-inf, 0.0]])
    """
    fires = (spikes != 0).any(1, keepdim=True)
    now = torch.where(fires & (spikes == 0), -torch.inf, membranes)
    if before is None:
        return Score(now, fires)
    return Score(torch.where(before.decided, before.score, now), before.decided | fires)


def scores(
    spikes: Float[Tensor, "time batch classes"], membranes: Float[Tensor, "time batch classes"]
) -> Float[Tensor, "time batch classes"]:
    """Return the score after each step, where the first event answers."""
    found: list[Score] = []
    for fired, v in zip(spikes, membranes, strict=True):
        found.append(scored(fired, v, found[-1] if found else None))
    return torch.stack([each.score for each in found])


class FirstEvent(NamedTuple):
    """When a network answered, and what.

    Attributes:
        step: of the answer, 1 .. T; T where nothing fired.
        answer: its class.
        fired: whether anything did.
    """

    step: Int[Tensor, "batch"]
    answer: Int[Tensor, "batch"]
    fired: Tensor


def first_event(
    spikes: Float[Tensor, "time batch classes"], membranes: Float[Tensor, "time batch classes"]
) -> FirstEvent:
    """Return the first step at which an output fires, and the class that does.

    Where several fire at once it is that with the highest membrane, and likewise at the last step where none fires.

    >>> spikes = torch.tensor([[[0.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]])
    >>> first_event(spikes, spikes)[:2]
    (tensor([2]), tensor([1]))
    """
    steps = torch.arange(1, len(spikes) + 1, device=spikes.device)[:, None]
    fires = (spikes != 0).any(2)
    step = torch.where(fires, steps, len(spikes)).amin(0)
    there = (step - 1)[None, :, None].expand(1, -1, spikes.shape[2])
    at, v = spikes.gather(0, there)[0], membranes.gather(0, there)[0]
    fired = fires.any(0)
    allowed = torch.where(fired[:, None] & (at == 0), -torch.inf, v)
    return FirstEvent(step, allowed.argmax(1), fired)
