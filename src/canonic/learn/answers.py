"""Which answers are right: one for each sample, or one for each step that has a label."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from canonic.datasets.labels import NO_LABEL
from canonic.learn.losses import labelled


def hits(readout: Float[Tensor, "time batch classes"], y: Int[Tensor, "batch *time"]) -> tuple[int, int]:
    """Return how many answers are right, and how many there are: the last of a sample, or one for each labelled step.

    >>> hits(torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]), torch.tensor([1, 1]))
    (1, 2)
    """
    answers = readout[-1].argmax(-1) if y.dim() == 1 else readout.argmax(-1).T
    labelled = torch.ones_like(y, dtype=torch.bool) if y.dim() == 1 else y != NO_LABEL
    return int((answers == y)[labelled].sum()), int(labelled.sum())


def require_labels(y: Tensor, classes: int) -> None:
    """Check the labels of a batch, one for each sample or one for each step.

    Raises:
        DataError: if one is no class.
    """
    labelled(y, classes, without=None if y.dim() == 1 else NO_LABEL)
