"""Which answers are right: one for each sample, or one for each step that has a label."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from canonic.errors import DataError

NO_LABEL = 255
"""What stands for a step without a label, where steps have labels."""


def hits(readout: Float[Tensor, "time batch classes"], y: Int[Tensor, "batch *time"]) -> tuple[int, int]:
    """Return how many answers are right, and how many there are: the last of a sample, or one for each labelled step.

    >>> hits(torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]), torch.tensor([1, 1]))
    (1, 2)
    """
    answers = readout[-1].argmax(-1) if y.dim() == 1 else readout.argmax(-1).T
    labelled = torch.ones_like(y, dtype=torch.bool) if y.dim() == 1 else y != NO_LABEL
    return int((answers == y)[labelled].sum()), int(labelled.sum())


def require_labels(y: Shaped[Tensor, "batch *time"], classes: int) -> None:
    """Check the labels of a batch.

    Raises:
        DataError: if one is no class.
    """
    if y.is_floating_point():
        raise DataError(f"labels must be classes, whole numbers from 0, got {y.dtype}")
    known = y if y.dim() == 1 else y[y != NO_LABEL]
    wrong = known[(known < 0) | (known >= classes)]
    if len(wrong):
        raise DataError(
            f"label {int(wrong[0])} is none of the {classes} classes of the network, which are numbered from 0: give "
            f"it an output for each class, or number them 0 to {classes - 1}"
        )
