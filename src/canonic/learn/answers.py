"""Which answers are right: one for each sample, or one for each step that has a label."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from canonic.datasets.labels import NO_LABEL
from canonic.errors import DataError
from canonic.learn.losses import labelled
from canonic.words import counted


def hits(readout: Float[Tensor, "time batch classes"], y: Int[Tensor, "batch *time"]) -> tuple[int, int]:
    """Return how many answers are right, and how many there are: the last of a sample, or one for each labelled step.

    >>> hits(torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]), torch.tensor([1, 1]))
    (1, 2)
    """
    answers = readout[-1].argmax(-1) if y.dim() == 1 else readout.argmax(-1).T
    labelled = torch.ones_like(y, dtype=torch.bool) if y.dim() == 1 else y != NO_LABEL
    return int((answers == y)[labelled].sum()), int(labelled.sum())


def require_labels(y: Shaped[Tensor, "*labels"], readout: Shaped[Tensor, "..."]) -> None:
    """Check the labels of a batch, one for each sample or one for each step, against its answers.

    Raises:
        DataError: if the answers are not those of classes at each step, there are not as many labels, or one is no
            class.
    """
    if readout.dim() != 3:
        raise DataError(
            f"the answers have the shape {list(readout.shape)}, and should be [time, batch, classes]: a sample may "
            "have an axis too many, or the readout one too few"
        )
    steps, samples, classes = readout.shape
    if tuple(y.shape) not in ((samples,), (samples, steps)):
        raise DataError(
            f"labels have the shape {list(y.shape)}, for {counted(samples, 'sample')} of {counted(steps, 'step')}: "
            "give a class for each sample, [batch], or for each step, [batch, time]"
        )
    labelled(y, classes, without=None if y.dim() == 1 else NO_LABEL)
