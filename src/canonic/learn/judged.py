"""What a system comes to on samples that it does not learn from."""

import torch

from canonic.cluster import ALONE, Workers
from canonic.datasets import Data
from canonic.learn.answers import hits, require_labels
from canonic.learn.batches import in_order
from canonic.learn.system import Gradient, System


def accuracy(system: System, data: Data, group: Workers = ALONE) -> float:
    """Return the share of right answers to some samples, in [0, 1]: of all labelled steps where steps have labels.

    Raises:
        DataError: if a label is no class.
    """
    right = labels = 0
    for x, y in in_order(data, system.recipe.batch, group.rank, group.world):
        readout = system.answer(x)
        require_labels(y, readout.shape[-1])
        hit, known = hits(readout, y.to(readout.device))
        right, labels = right + hit, labels + known
    right, labels = group.summed(torch.tensor([right, labels])).tolist()
    return float(right / max(labels, 1))


def judged(system: System, data: Data, group: Workers = ALONE) -> tuple[float, float | None]:
    """Return the accuracy on some samples as ``accuracy`` does, and their mean loss, if the system has a gradient."""
    if not isinstance(system, Gradient):
        return accuracy(system, data, group), None
    sums = torch.zeros(4, dtype=torch.float64)
    for x, y in in_order(data, system.recipe.batch, group.rank, group.world):
        readout, loss = system.judged(x, y)
        sums += torch.tensor([*hits(readout, y.to(readout.device)), loss * len(x), len(x)], dtype=torch.float64)
    right, labels, loss, samples = group.summed(sums).tolist()
    return right / max(labels, 1), loss / samples
