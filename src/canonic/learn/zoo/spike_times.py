"""What systems of spike times share: their answer is the output that fires first, their loss is of its time.

Loss: the cross entropy of ``-beta t`` of the first spikes of the outputs, which without a spike have that of the
horizon, and a penalty of neurons whose weights do not suffice to make them fire. Both are derived where not said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from canonic.learn.events import EventInput
from canonic.learn.firing import Events, fire
from canonic.learn.losses import labelled
from canonic.learn.outcome import Outcome
from canonic.learn.schedule import Run
from canonic.learn.system import Forward, System

SHARP = 4.0
"""beta: how much earlier than others the right output should fire."""
BINS = 16
"""Of the window of the outputs, up to their horizon: after each an answer is read."""


def first_times(events: Events, tau: float | None, horizon: float) -> Float[Tensor, "batch classes"]:
    """Return when the outputs first fire, in time; the horizon where they do not."""
    e = events.output[:, 0]
    came = torch.where(e.isfinite(), e, 1.0)
    return torch.where(e.isfinite(), came if tau is None else tau * came.log(), horizon)


def scores(horizon: float, tau: float | None = None, enough: float = 1.5) -> Forward:
    """Return the forward pass of a network of spike times: an output counts the more, the earlier it fires.

    Args:
        horizon: the time after which no output fires.
        tau: of the currents, where ``e = exp(t / tau)``.
        enough: weight that a neuron should have, as of ``fire``.
    """
    return partial(_scores, horizon=horizon, tau=tau, enough=enough)


def _scores(
    net: nn.Module,
    x: Tensor,
    seed: int | None,  # noqa: ARG001 - nothing is random
    *,
    horizon: float,
    tau: float | None,
    enough: float,
) -> Run:
    events = fire(_layers(net), x, enough)
    return Run(-first_times(events, tau, horizon)[None], losses={"silence": events.silence[None]}, rest=-horizon)


def _layers(net: nn.Module) -> nn.Sequential:
    if not isinstance(net, nn.Sequential):
        raise TypeError(f"a network of spike times is an nn.Sequential, got {type(net).__name__}")
    return net


def loss(run: Run, y: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Return the cross entropy of the times, and what neurons lack."""
    return F.cross_entropy(SHARP * run.output[0], labelled(y, run.output.shape[2])) + run.losses["silence"].sum()


@dataclass(frozen=True)
class EventTrial:
    """What measures a network of spike times.

    Attributes:
        system: the network.
        horizon: the time after which no output fires.
        tau: as of ``scores``.
    """

    system: System
    horizon: float
    tau: float | None = None

    @property
    def net(self) -> nn.Sequential:
        """The network."""
        return _layers(self.system.net)

    @property
    def neurons(self) -> Mapping[str, int]:
        """Neurons of each layer."""
        (shape,) = (layer.shape for layer in self.net if isinstance(layer, EventInput))
        with torch.no_grad():
            events = fire(self.net, torch.zeros(1, *shape))
        return {name: e[0, 0].numel() for name, e in events.times.items()}

    @property
    def steps(self) -> int:
        """Bins of the window of the outputs."""
        return BINS

    def outcome(self, x: Shaped[Tensor, "batch ..."]) -> Outcome:
        """Return what a batch does; an output that has not fired by the end of a bin counts as one that never does."""
        with torch.no_grad():
            events = fire(self.net.eval(), x)
        times = first_times(events, self.tau, self.horizon)
        ends = torch.linspace(0, self.horizon, BINS + 1)[1:]
        readout = -torch.where(times <= ends[:, None, None], times, self.horizon)
        decided = 1 + torch.searchsorted(ends, times.min(1).values.contiguous()).clamp(max=BINS - 1)
        spikes = {name: e.isfinite().sum(1) for name, e in events.times.items()}
        return Outcome(readout, decided, spikes, float(events.additions), 0.0)
