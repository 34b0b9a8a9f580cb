"""Rank coding: a network that gives scores at each step answers as soon as it is sure, and learns from that alone.

An event is a score beyond which a class is sure; the first one answers, and what comes later is neither read nor
learned from (Jeffares, Guo, Stenetorp and Moraitis, ICLR 2022, arXiv 2110.02865).
"""

from math import log

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from canonic.checks import real
from canonic.codes.readouts import first_event
from canonic.datasets.labels import NO_LABEL
from canonic.errors import CanonicError
from canonic.learn.losses import labelled, of_labelled
from canonic.learn.schedule import Run

SURE = 0.95
"""Beyond which an output is an event."""


def answering(scores: Float[Tensor, "time batch classes"], sure: float = SURE) -> Run:
    """Return what a network did whose outputs fire where a class is sure; its membranes are the scores.

    A class is sure where the logistic function of its score is above ``sure``; of two classes, that of how far its
    score is above the other.

    Raises:
        CanonicError: if ``sure`` is not in (1/2, 1).

    >>> answering(torch.tensor([[[0.0, 2.0]], [[4.0, 0.0]]])).output.tolist()
    [[[0.0, 0.0]], [[1.0, 0.0]]]
    """
    if not 0.5 < real("sure", sure, "take 0.95") < 1:
        raise CanonicError(f"sure must lie in (1/2, 1), got {sure}: take 0.95")
    above = scores - scores.flip(2) if scores.shape[2] == 2 else scores
    events = (above.detach() > log(sure / (1 - sure))).to(scores.dtype)
    return Run(events, membranes={"scores": scores})


def at_the_answer(
    run: Run, y: Int[Tensor, "batch *time"], *, squashed: bool = False, entropy: float = 0.0
) -> Float[Tensor, ""]:
    """Return the cross entropy at the step of the first event, else at the last; no other step gets a gradient.

    It is 0 where none of these steps has a label.

    Args:
        run: of a network whose outputs fire, with their membranes.
        y: a class of each sample, or of each of its steps.
        squashed: whether the scores are those that the logistic function gives, as published; of two classes the cross
            entropy is that of one output in any case.
        entropy: what the entropy of the answer is worth: an answer that is less sure comes later.

    >>> scores = torch.tensor([[[0.0, 0.0, 0.0]], [[9.0, 0.0, 0.0]], [[0.0, 0.0, 9.0]]])
    >>> round(at_the_answer(answering(scores), torch.tensor([0])).item(), 4)
    0.0002
    """
    scores = list(run.membranes.values())[-1]
    there = first_event(run.output.detach(), scores.detach()).step - 1
    chosen = scores.gather(0, there[None, :, None].expand(1, -1, scores.shape[2]))[0]
    chosen = torch.sigmoid(chosen) if squashed and scores.shape[2] > 2 else chosen
    wanted = labelled(y if y.dim() == 1 else y.gather(1, there[:, None])[:, 0], scores.shape[2], without=NO_LABEL)
    loss = of_labelled(chosen, wanted)
    if not entropy:
        return loss
    logs = F.log_softmax(chosen, 1)
    return loss + entropy * (logs.exp() * logs).sum(1).mean()
