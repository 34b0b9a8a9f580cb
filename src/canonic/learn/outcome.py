"""What anything trained gives that is no network of steps: event times, an equilibrium, another sequence model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn


@dataclass(frozen=True)
class Outcome:
    """What one batch did.

    Attributes:
        readout: what is decoded after each step; of event times by bins of the window of the outputs.
        decided: the step of the answer of each sample, from 1; all steps if none was earlier.
        spikes: of each population the events of each neuron; empty if nothing spikes.
        additions: of weights, for all samples: each spike as often as its fan-out.
        multiplications: of weights, for all samples.
        framed: of the additions those of what samples hold, which multiplies where that is not -1, 0 and 1 alone.
        numbers: samples that hold other numbers.
    """

    readout: Float[Tensor, "steps batch classes"]
    decided: Int[Tensor, " batch"]
    spikes: Mapping[str, Shaped[Tensor, "batch ..."]]
    additions: float
    multiplications: float
    framed: float = 0.0
    numbers: int = 0


def additions_of(layer: nn.Linear | nn.Conv2d, came: Float[Tensor, "rows ..."]) -> int:
    """Return the additions that events make in a layer: each one for every neuron that reads it.

    Args:
        layer: that reads them.
        came: how many events each of its inputs sends.

    >>> import torch
    >>> additions_of(nn.Linear(3, 5), torch.tensor([[1.0, 0.0, 2.0]]))
    15
    """
    if isinstance(layer, nn.Linear):
        return round(came.double().sum().item()) * layer.out_features
    patch = torch.ones(1, *layer.weight.shape[1:], dtype=torch.float64)
    reached = F.conv2d(came.double(), patch, None, layer.stride, layer.padding, layer.dilation)
    return round(reached.sum().item()) * layer.out_channels


@runtime_checkable
class Trial(Protocol):
    """What ``canonic.evaluate`` measures beside spiking networks of steps.

    Attributes:
        net: its parameters and buffers.
        neurons: of each population; empty if nothing spikes.
        steps: of its readout.
    """

    @property
    def net(self) -> nn.Module:
        """Its parameters and buffers."""
        ...

    @property
    def neurons(self) -> Mapping[str, int]:
        """Neurons of each population."""
        ...

    @property
    def steps(self) -> int:
        """Steps of its readout."""
        ...

    def outcome(self, x: Shaped[Tensor, "batch ..."]) -> Outcome:
        """Return what a batch does, in evaluation mode."""
        ...
