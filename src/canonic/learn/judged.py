"""What a system comes to on samples that it does not learn from."""

from collections.abc import Callable

import torch
from torch import Tensor

from canonic.cluster import ALONE, Workers
from canonic.datasets import Data
from canonic.learn.answers import hits, require_labels
from canonic.learn.batches import in_order
from canonic.learn.system import Gradient, System

Judge = Callable[[Tensor, Tensor], tuple[Tensor, float]]
"""What gives for samples and labels the readout ``[time, batch, classes]``, and the mean loss."""


def accuracy(system: System, data: Data, group: Workers = ALONE) -> float:
    """Return the share of right answers to some samples, in [0, 1]: of all labelled steps where steps have labels.

    Raises:
        DataError: if a label is no class.
    """

    def answered(x: Tensor, y: Tensor) -> tuple[Tensor, float]:
        readout = system.answer(x)
        require_labels(y, readout)
        return readout, 0.0

    return _means(answered, system, data, group)[0]


def judged(system: System, data: Data, group: Workers = ALONE) -> tuple[float, float | None]:
    """Return the accuracy on some samples as ``accuracy`` does, and their mean loss, if the system has a gradient."""
    if not isinstance(system, Gradient):
        return accuracy(system, data, group), None
    return _means(system.judged, system, data, group)


def _means(judge: Judge, system: System, data: Data, group: Workers) -> tuple[float, float]:
    """Return the share of right answers and the mean loss, of the samples of all processes."""
    sums = torch.zeros(4, dtype=torch.float64)
    for x, y in in_order(data, system.recipe.batch, group.rank, group.world):
        readout, loss = judge(x, y)
        correct, told = hits(readout, y.to(readout.device))
        weight = len(x) if told else 0  # the loss of samples without a label is none
        sums += torch.tensor([correct, told, loss * weight if told else 0.0, weight], dtype=torch.float64)
    right, labels, loss, samples = group.summed(sums).tolist()
    return right / max(labels, 1), loss / max(samples, 1)
