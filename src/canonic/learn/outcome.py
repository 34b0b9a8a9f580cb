"""What anything trained gives that is no network of steps: event times, an equilibrium, another sequence model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

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
    """

    readout: Float[Tensor, "steps batch classes"]
    decided: Int[Tensor, " batch"]
    spikes: Mapping[str, Shaped[Tensor, "batch ..."]]
    additions: float
    multiplications: float


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
