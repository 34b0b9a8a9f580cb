"""What entries of the zoo are run and read by."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from canonic.learn.schedule import Run, unroll
from canonic.learn.system import Forward, Loss


def constant(steps: int) -> Forward:
    """Return a forward pass of this many steps, for samples that are the same at each."""
    return lambda net, x, seed: unroll(net, x, steps, seed=seed)


def stream(net: nn.Module, x: Float[Tensor, "batch time *shape"], seed: int | None) -> Run:
    """Return the forward pass of sequences, a step of the network for each of theirs."""
    return unroll(net, x.transpose(0, 1), seed=seed)


def mean_so_far(outputs: Float[Tensor, "time batch classes"]) -> Float[Tensor, "time batch classes"]:
    """Return after each step the mean of the outputs so far.

    >>> mean_so_far(torch.tensor([[[1.0]], [[0.0]]])).flatten().tolist()
    [1.0, 0.5]
    """
    count = torch.arange(1, len(outputs) + 1, device=outputs.device, dtype=outputs.dtype)
    return outputs.cumsum(0) / count[:, None, None]


def of_output(loss: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """Return the loss of a run that is one of its output."""
    return lambda run, y: loss(run.output, y)


class Votes(nn.Module):
    """Counts the spikes of the neurons of each class, ``[rows, classes * group]`` to ``[rows, classes]``.

    >>> Votes(classes=2, group=3)(torch.tensor([[1.0, 0, 1, 0, 1, 0]])).tolist()
    [[2.0, 1.0]]
    """

    matrix: Tensor

    def __init__(self, classes: int, group: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.eye(classes).repeat_interleave(group, dim=1))

    def forward(self, rows: Float[Tensor, "rows neurons"]) -> Float[Tensor, "rows classes"]:
        """Return the counts."""
        return F.linear(rows, self.matrix)
