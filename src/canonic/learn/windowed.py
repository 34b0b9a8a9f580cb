"""Layers whose neurons fire each in the window of its layer: times of spikes without any order of them.

The successor of ReL-PSP (arXiv 2003.11837; its official code): layer l listens in the window before its own, and its
threshold falls from 1 to 0 in its own, so that all inputs are causal. In the time of the window before, of length 1::

    t = (2 + sum w t[i]) / (1 + sum w)   over all i that fired, where V is below 1 at the window's start
    t = 1                                where it is not

Times ``[batch, *shape]`` are those in each layer's own window, in [0, 1), infinity where nothing fires. It is the
quotient neuron with a = 2, b = -1. The output is a membrane: V at the end of the window before.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from canonic.learn.events import refuse_steps

SMALLEST = 1e-3
"""Slopes of neurons that fire are held at this one at least: gradients stay below 1e3 times theirs."""

Map = Callable[[Tensor], Tensor]


def window_times(summed: Map, t: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *given"]:
    """Return when neurons fire in their window.

    Args:
        summed: adds up weights times numbers, as a linear layer or a convolution without bias does.
        t: of the inputs.

    >>> window_times(lambda x: x.sum(1, keepdim=True), torch.tensor([[0.5, 0.5], [0.75, float("inf")]])).tolist()
    [[0.0], [0.375]]
    """
    came = t.isfinite()
    slope, level = 1 + summed(came.to(t.dtype)), 2 + summed(torch.where(came, t, 0.0))
    inside = level < 2 * slope  # above the threshold at the window's end
    own = (level / torch.where(inside, slope, 1.0).clamp(min=SMALLEST) - 1).clamp(min=0.0)
    return torch.where(slope >= level, 0.0, torch.where(inside, own, torch.inf))


def value_at_end(summed: Map, t: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *given"]:
    """Return the membranes at the end of the window of the inputs, ``sum w (1 - t[i])``."""
    return summed(torch.where(t.isfinite(), 1 - t, 0.0))


class WindowInput(nn.Module):
    """Lets each number in [0, 1] fire at ``t = 1 - x``; 0 never does."""

    def forward(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """Return the times of numbers; those outside are held at the ends."""
        refuse_steps(self)
        return torch.where(x > 0, 1 - x.clamp(0, 1).to(torch.get_default_dtype()), torch.inf)


class WindowLinear(nn.Linear):
    """Neurons of a window that read all inputs; they have no bias."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, t: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        """Return when they fire."""
        refuse_steps(self)
        return window_times(super().forward, t)


class WindowConv2d(nn.Conv2d):
    """Neurons of a window that read a patch each."""

    def __init__(self, channels: int, outputs: int, kernel: int, padding: int = 0) -> None:
        super().__init__(channels, outputs, kernel, padding=padding, bias=False)

    def forward(self, t: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs _ _"]:
        """Return when they fire."""
        refuse_steps(self)
        return window_times(super().forward, t)


class WindowPool(nn.Module):
    """Passes on the earliest event of each window of pixels, which stands for the largest value."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, t: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels _ _"]:
        """Return it."""
        return -F.max_pool2d(-t, self.size)


class WindowOutput(nn.Linear):
    """Membranes at the end of the window of their inputs."""

    def forward(self, t: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        """Return them."""
        refuse_steps(self)
        return value_at_end(lambda x: F.linear(x, self.weight), t) + self.bias
