"""Losses of an output in time, ``[time, batch, classes]``, and labels ``[batch]``; each is a mean over samples."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from canonic.codes.readouts import first_event
from canonic.datasets.labels import NO_LABEL
from canonic.errors import DataError


def labelled(y: Shaped[Tensor, "*labels"], classes: int, *, without: int | None = None) -> Int[Tensor, "*labels"]:
    """Return labels that are classes, as they came.

    Args:
        y: 0 .. classes - 1, ``[batch]`` unless some may be without.
        classes: of the output.
        without: what stands where there is no label.

    Raises:
        DataError: if one is none of these.
    """
    if without is None and y.dim() != 1:
        raise DataError(f"labels have the shape {list(y.shape)}: give a class for each sample, whole numbers [batch]")
    if y.is_floating_point():
        raise DataError(f"labels must be classes, whole numbers from 0, got {y.dtype}: number the classes")
    wrong = (y < 0) | (y >= classes) if without is None else ((y < 0) | (y >= classes)) & (y != without)
    if wrong.any():
        raise DataError(
            f"label {y[wrong].flatten()[0].item()} is none of the {classes} classes of the output, 0 to {classes - 1}: "
            "give the network an output for each class, and count classes from 0"
        )
    return y.long()


def cross_entropy(output: Float[Tensor, "time batch classes"], y: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Return the cross entropy of the mean over time.

    >>> cross_entropy(torch.zeros(3, 1, 2), torch.tensor([1])).exp().item()
    2.0
    """
    return F.cross_entropy(output.mean(0), labelled(y, output.shape[2]))


def cross_entropy_each(
    output: Float[Tensor, "time batch classes"],
    y: Int[Tensor, "*labels"],
    *,
    without: int = NO_LABEL,
    first: int = 1,
) -> Float[Tensor, ""]:
    """Return the mean cross entropy of the steps that have a label, each with its own; 0 where none has one.

    Args:
        output: at each step.
        y: labels of each step, ``[batch, time]``.
        without: what stands where there is none.
        first: the step, from 1, at which they begin to count.

    Raises:
        DataError: if there is no label for each step, or one is no class.

    >>> cross_entropy_each(torch.zeros(2, 1, 4), torch.tensor([[-100, 3]])).exp().item()
    4.0
    """
    if tuple(y.shape) != (output.shape[1], output.shape[0]):
        raise DataError(
            f"labels of steps have the shape {list(y.shape)}, the output has {output.shape[0]} steps of "
            f"{output.shape[1]} samples: give a class for each step, [batch, time]"
        )
    wanted = labelled(y, output.shape[2], without=without).T[first - 1 :]
    return of_labelled(output[first - 1 :].flatten(0, 1), wanted.flatten(), without)


def of_labelled(
    scores: Float[Tensor, "answers classes"], y: Int[Tensor, "answers"], without: int = NO_LABEL
) -> Float[Tensor, ""]:
    """Return the mean cross entropy of the answers that have a label; 0, with a gradient of 0, where none has one.

    >>> of_labelled(torch.ones(2, 3), torch.tensor([-100, -100])).item()
    0.0
    """
    reduction = "mean" if bool((y != without).any()) else "sum"
    return F.cross_entropy(scores, y, ignore_index=without, reduction=reduction)


def tet(output: Float[Tensor, "time batch classes"], y: Int[Tensor, "batch"], share: float = 1e-3) -> Float[Tensor, ""]:
    """Return ``(1 - share) mean_t CE(o[t], y) + share MSE(o, 1)``, temporal efficient training (arXiv 2202.11946).

    >>> round(tet(torch.zeros(2, 1, 2), torch.tensor([0]), share=0.5).item(), 4)
    0.8466
    """
    each = F.cross_entropy(output.flatten(0, 1), labelled(y, output.shape[2]).repeat(len(output)))
    return (1 - share) * each + share * (output - 1).square().mean()


def first_to_spike_log(v: Float[Tensor, "time batch classes"]) -> Float[Tensor, "batch classes"]:
    """Return the logarithm of the probability that a class is the first to fire, and alone.

    With ``p = sigmoid(V)`` and nothing before: ``log P(c) = logsumexp_t {sum_{t' < t} sum_j log(1 - p_j[t']) + log
    p_c[t] + sum_{j != c} log(1 - p_j[t])}``.

    >>> first_to_spike_log(torch.tensor([[[0.0, -100.0]]])).exp()[0, 0].item()
    0.5
    """
    silent = F.logsigmoid(-v)
    none = silent.sum(2, keepdim=True)  # no class fires at this step
    before = none.cumsum(0) - none
    return torch.logsumexp(before + F.logsigmoid(v) + none - silent, 0)


def first_to_spike(v: Float[Tensor, "time batch classes"], y: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Return ``-log P(the class of the label fires first)`` of stochastic outputs with the membranes v.

    The form is derived from what such a network answers by (arXiv 2404.17719, whose own loss could not be read).

    >>> round(first_to_spike(torch.tensor([[[0.0, -100.0]]]), torch.tensor([0])).item(), 4)
    0.6931
    """
    return F.nll_loss(first_to_spike_log(v), labelled(y, v.shape[2]))


def at_first_event(
    v: Float[Tensor, "time batch classes"], spikes: Float[Tensor, "time batch classes"], y: Int[Tensor, "batch"]
) -> Float[Tensor, ""]:
    """Return the cross entropy of the membranes at the step of the first event, which itself gets no gradient.

    >>> v = torch.tensor([[[0.0, 0.0]], [[9.0, -9.0]]])
    >>> at_first_event(v, torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]]), torch.tensor([0])).exp().item()
    2.0
    """
    return F.cross_entropy(_at_first_event(v, spikes), labelled(y, v.shape[2]))


def wrong_spikes(
    v: Float[Tensor, "time batch classes"],
    spikes: Float[Tensor, "time batch classes"],
    y: Int[Tensor, "batch"],
    theta: float,
) -> Float[Tensor, ""]:
    """Return by how much classes that are not the label's are above the threshold at the first event, in sum.

    >>> v = torch.tensor([[[4.0, 5.0, 1.0]]])
    >>> wrong_spikes(v, (v >= 3).float(), torch.tensor([0]), theta=3.0).item()
    2.0
    """
    label = F.one_hot(labelled(y, v.shape[2]), v.shape[2]).bool()
    above = (_at_first_event(v, spikes) - theta).relu()
    return above.masked_fill(label, 0.0).sum(1).mean()


def haste(
    v: Float[Tensor, "time batch classes"], spikes: Float[Tensor, "time batch classes"], y: Int[Tensor, "batch"]
) -> Float[Tensor, ""]:
    """Return the part of the right answers at the last step that the first event loses: 0 if it loses none.

    >>> v = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    >>> haste(v, torch.ones_like(v), torch.tensor([1, 1])).item()
    0.5
    """
    answers = _at_first_event(v, spikes).argmax(1), v[-1].argmax(1)
    first, last = ((answer == labelled(y, v.shape[2])).sum() for answer in answers)
    return (1 - first / last.clamp(min=1)).clamp(min=0)


def _at_first_event(
    v: Float[Tensor, "time batch classes"], spikes: Float[Tensor, "time batch classes"]
) -> Float[Tensor, "batch classes"]:
    """Return the membranes at the step of the first event, which itself gets no gradient; at the last if none fires."""
    there = (first_event(spikes.detach(), v.detach()).step - 1)[None, :, None].expand(1, -1, v.shape[2])
    return v.gather(0, there)[0]
