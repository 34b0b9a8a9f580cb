"""Networks of spike times: a neuron fires when a closed form says, and no steps are computed.

Between layers go times ``[batch, spikes, *shape]`` in the e of their neuron (``neurons/quotient.py``: t itself or
``exp(t / tau)``; ``neurons/current_based.py``: ``exp(t / (2 tau))``), infinity where no spike comes. Each layer is
differentiable in its weights and in the times it reads.
"""

from collections.abc import Sequence
from math import inf, prod, sqrt
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from canonic.checks import real, whole
from canonic.errors import CanonicError, DataError
from canonic.learn.schedule import in_steps
from canonic.native.quotient import fast_spike_times
from canonic.neurons.current_based import CurrentBased
from canonic.neurons.quotient import Quotient
from canonic.words import one

Neuron = Quotient | CurrentBased
Times = Float[Tensor, "batch _ ..."]
"""``[batch, spikes, *shape]``."""


class EventInput(nn.Module):
    """Lets each number x in [0, 1] fire once, at ``t = 1 - x``; small ones never do.

    Args:
        shape: of a sample.
        tau: where ``e = exp(t / tau)``: of the currents that follow, or twice it if they leak; None where e = t.
        least: numbers up to this one do not fire.

    >>> EventInput((3,))(torch.tensor([[1.0, 0.25, 0.0]]))
    tensor([[[0.0000, 0.7500,    inf]]])
    """

    def __init__(self, shape: Sequence[int], tau: float | None = None, least: float = 0.0) -> None:
        super().__init__()
        if tau is not None and not 0 < real("tau of EventInput", tau, "take 1.0, or None where e = t") < inf:
            raise CanonicError(
                f"tau of EventInput must be above 0 and finite, got {tau}: take 1.0, or None where e = t"
            )
        self.shape, self.tau, self.least = tuple(shape), tau, least

    def forward(self, x: Float[Tensor, "batch *shape"]) -> Times:
        """Return the times of numbers.

        Raises:
            DataError: in a schedule of steps, if samples have another shape, or a number is outside [0, 1].
        """
        refuse_steps(self)
        if tuple(x.shape[1:]) != self.shape:
            raise DataError(f"samples have the shape {list(self.shape)} here, got {list(x.shape[1:])}")
        if not bool(((x >= 0) & (x <= 1)).all()):
            low, high = float(x.min()), float(x.max())
            raise DataError(f"times of spikes are made of numbers in [0, 1], got {low:.3g} to {high:.3g}: scale them")
        t = 1 - x.to(torch.get_default_dtype())
        e = t if self.tau is None else (t / self.tau).exp()
        return torch.where(x > self.least, e, torch.inf)[:, None]


class Did(NamedTuple):
    """What a layer of neurons did.

    Attributes:
        times: of its spikes.
        drive: of each neuron the sum of the weights of what fires: without enough of it it never does.
        additions: of weights: each event is one for each neuron that reads it.
    """

    times: Times
    drive: Float[Tensor, "batch ..."]
    additions: int


class _Fires(nn.Module):
    """What layers of neurons share: the events that each neuron reads, as rows, and its weights."""

    def __init__(self, neuron: Neuron, weight: Tensor, mean: float) -> None:
        super().__init__()
        _require_parts(neuron, weight)
        inputs = weight[0].numel()
        self.neuron = neuron
        self.weight = nn.Parameter(nn.init.normal_(weight, mean / inputs, sqrt(2 / inputs)))

    def rows(self, e: Times) -> Float[Tensor, "rows events"]:
        """Return the events that each place reads; those of the first spikes of all inputs come first."""
        raise NotImplementedError

    def placed(self, rows: Float[Tensor, "rows *given"], e: Times) -> Float[Tensor, "batch *shaped"]:
        """Return what was found for each row in the shape of the layer."""
        raise NotImplementedError

    def forward(self, e: Times) -> Times:
        """Return when the neurons fire, infinity where they do not.

        Raises:
            DataError: in a schedule of steps, or if these are no times of so many inputs.
        """
        return self.did(e).times

    def did(self, e: Times) -> "Did":
        """Return when the neurons fire, and what made them; raise as ``forward`` does."""
        refuse_steps(self)
        rows, weight = self.rows(e), self.weight.flatten(1).repeat(1, e.shape[1])
        came = rows.isfinite().to(weight.dtype)
        times, drive = fast_spike_times(self.neuron, rows, weight), (came @ weight.t())[:, None]
        return Did(self.placed(times, e), self.placed(drive, e)[:, 0], int(came.sum()) * len(weight))


def _require_parts(neuron: object, weight: Tensor) -> None:
    """Raise a CanonicError unless a layer has neurons of spike times, and weights."""
    if not isinstance(neuron, Neuron):
        raise CanonicError(
            f"a layer of spike times has no steps, and its neuron cannot be {one(type(neuron).__name__)}: take "
            "Quotient.ramp(), Quotient.integrator(...) or CurrentBased.of(...)"
        )
    if not weight.numel():
        raise CanonicError(f"the weights of a layer of spike times have the shape {list(weight.shape)}: give it some")


class EventLinear(_Fires):
    """Neurons that read the events of all inputs; weights begin as ``N(mean / inputs, 2 / inputs)``.

    Args:
        inputs: elements of a sample that it reads, of whatever shape.
        outputs: neurons.
        neuron: their kind.
        mean: sum of the weights of a neuron at the beginning: enough that it fires.

    >>> layer = EventLinear(2, 1, Quotient.ramp())
    >>> _ = nn.init.ones_(layer.weight)
    >>> layer(torch.tensor([[[0.0, 0.25]]])).item()
    0.625
    """

    def __init__(self, inputs: int, outputs: int, neuron: Neuron, mean: float = 3.0) -> None:
        super().__init__(neuron, torch.empty(outputs, inputs), mean)

    def rows(self, e: Times) -> Float[Tensor, "rows events"]:
        """Return the events of each sample."""
        if e.dim() < 3 or prod(e.shape[2:]) != self.weight.shape[1]:
            raise DataError(
                f"this layer reads times [batch, spikes, *shape] of {self.weight.shape[1]} inputs, got "
                f"{list(e.shape)}: EventInput makes times of numbers"
            )
        return e.flatten(1)

    def placed(self, rows: Float[Tensor, "rows *given"], e: Times) -> Float[Tensor, "batch *shaped"]:  # noqa: ARG002
        """Return them: a row is a sample."""
        return rows


class EventConv2d(_Fires):
    """Neurons that read the events of a patch each, with the same weights.

    Args:
        channels: that it reads.
        outputs: channels of its own.
        kernel: rows and columns of a patch.
        neuron: their kind.
        mean: as of ``EventLinear``.
        padding: of places where nothing ever fires.
    """

    def __init__(
        self, channels: int, outputs: int, kernel: int, neuron: Neuron, mean: float = 3.0, padding: int = 0
    ) -> None:
        super().__init__(neuron, torch.empty(outputs, channels, kernel, kernel), mean)
        self.padding = whole("padding of EventConv2d", padding, 0, 2**20, "take 0")

    def rows(self, e: Times) -> Float[Tensor, "rows events"]:
        """Return the events of each patch."""
        channels, kernel = self.weight.shape[1:3]
        if e.dim() != 5 or e.shape[2] != channels:
            raise DataError(
                f"this layer reads times [batch, spikes, channels, height, width] of {channels} channels, "
                f"got {list(e.shape)}"
            )
        if min(e.shape[3:]) + 2 * self.padding < kernel:
            raise DataError(
                f"this layer reads patches of {kernel} x {kernel}, and with padding={self.padding} pictures of "
                f"{e.shape[3]} x {e.shape[4]} have none: take a smaller kernel, or more padding"
            )
        padded = F.pad(e.flatten(1, 2), [self.padding] * 4, value=torch.inf)
        return F.unfold(padded, self.weight.shape[2:]).transpose(1, 2).flatten(0, 1)

    def placed(self, rows: Float[Tensor, "rows *given"], e: Times) -> Float[Tensor, "batch *shaped"]:
        """Return them as maps: a row is a place."""
        margin = 2 * self.padding - self.weight.shape[2] + 1
        height, width = (size + margin for size in e.shape[3:])
        return rows.view(len(e), height, width, *rows.shape[1:]).permute(0, 3, 4, 1, 2)


class EventPool(nn.Module):
    """Passes on the earliest events of each window, as many as a neuron may send: the largest value fires first.

    >>> EventPool(2)(torch.tensor([[[[[0.5, 0.25], [float("inf"), 0.75]]]]])).item()
    0.25
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = whole("size of EventPool", size, 1, 2**20, "take 2")

    def forward(self, e: Times) -> Times:
        """Return the events of the windows.

        Raises:
            DataError: in a schedule of steps, or if these are no times of pictures.
        """
        refuse_steps(self)
        if e.dim() != 5 or min(e.shape[3:]) < self.size:
            raise DataError(
                f"pooling takes times [batch, spikes, channels, height, width] of at least {self.size} x {self.size}, "
                f"got {list(e.shape)}"
            )
        windows = e.unfold(3, self.size, self.size).unfold(4, self.size, self.size)
        return windows.movedim(1, -3).flatten(-3).sort(-1).values[..., : e.shape[1]].movedim(-1, 1)


def refuse_steps(module: nn.Module) -> None:
    """Check that what maps times of spikes is not called in a pass of steps.

    Raises:
        DataError: if it is.
    """
    if in_steps():
        called = f"{one(type(module).__name__)} was called in unroll() or tick()"
        raise DataError(f"{called}: it reads times of spikes, no steps; call canonic.learn.fire(net, x)")
