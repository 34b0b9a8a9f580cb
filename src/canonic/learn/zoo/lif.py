"""Leaky integrate and fire with a surrogate gradient: the baseline, beside which every other system stands.

``u = leak u + I``, ``s = H(u - 1)``, ``u = u (1 - s)`` with leak 1/2; backward ``ds/du = max(0, 1 - |u - 1|)``, and no
gradient through the reset; the answer is the mean of the outputs of all steps (Neftci, Mostafa and Zenke, 2019).

Recordings of events give a frame at each step: how many events of each polarity fell on each place.
"""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn

from canonic.errors import DataError
from canonic.learn.population import Population
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.zoo.bodies import cnn, relu
from canonic.learn.zoo.entry import Entry, Shape
from canonic.learn.zoo.parts import constant, cross_entropy, stream
from canonic.neurons.rules import LIF

STEPS = 4


def neurons(_shape: Shape) -> nn.Module:
    """Return its population."""
    return Population(LIF(leak=0.5, reset="hard", detach_reset=True))


def of_frames(shape: Shape, classes: int) -> nn.Module:
    """Return the spiking network for recordings, which gets one frame after the other."""
    return cnn(neurons)(_frame(shape), classes)


def of_all_frames(shape: Shape, classes: int) -> nn.Module:
    """Return the network without time for recordings, which gets all frames as one picture."""
    return nn.Sequential(Still(), cnn(relu)(_frame(shape), classes))


class Still(nn.Module):
    """The mean of the frames of a recording: one picture, without time."""

    def forward(self, x: Float[Tensor, "batch frames *shape"]) -> Float[Tensor, "batch *shape"]:
        """Return the pictures."""
        return x.mean(1)


def _frame(shape: Shape) -> Shape:
    """Return the shape of a frame of a recording."""
    if len(shape) != 4:
        raise DataError(
            f"this network is for recordings [frames, channels, height, width], samples have the shape {list(shape)}"
        )
    return shape[1:]


BASELINE = Entry(
    name="lif",
    what="leaky integrate and fire, surrogate gradient through time",
    source="arXiv 1901.09948",
    published="none: it is the baseline",
    data="Fashion-MNIST",
    network="16C3-P2-32C3-P2",
    codes="direct > spikes > mean",
    gradient="surrogate",
    build=cnn(neurons),
    ann=cnn(relu),
    forward=constant(STEPS),
    loss=cross_entropy,
    readout="mean",
    recipe=Recipe(epochs=3, batch=128, optimiser=Optimiser("adam", lr=2e-3)),
    few=Recipe(epochs=15, batch=32, optimiser=Optimiser("adam", lr=2e-3)),
)

ENTRIES = (
    BASELINE,
    replace(
        BASELINE,
        name="lif-events",
        what="leaky integrate and fire on recordings of events, a frame at each step",
        data="N-MNIST",
        codes="counts of events > spikes > mean",
        build=of_frames,
        ann=of_all_frames,
        forward=stream,
        kind="recordings",
        recipe=Recipe(epochs=5, batch=128, optimiser=Optimiser("adam", lr=2e-3)),
        few=Recipe(epochs=20, batch=32, optimiser=Optimiser("adam", lr=2e-3)),
    ),
)
