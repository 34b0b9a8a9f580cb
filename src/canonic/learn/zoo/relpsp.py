"""Ramps that never fall make times of spikes well-posed (ReL-PSP; Zhang et al., arXiv 2003.11837, TNNLS 2022).

An input starts a ramp, ``V(t) = sum w max(0, t - t[i])``; a neuron fires once, at ``t = (1 + sum w t[i]) / sum w`` over
what came before, and has the exact gradients ``dt/dw[i] = (t[i] - t) / sum w``, ``dt/dt[i] = w[i] / sum w``.
"""

from math import prod

from torch import nn

from canonic.learn.events import EventInput, EventLinear
from canonic.learn.recipe import Cosine, Optimiser, Recipe
from canonic.learn.system import System
from canonic.learn.zoo.bodies import mlp, relu
from canonic.learn.zoo.entry import NOT_READABLE, Entry, Shape
from canonic.learn.zoo.spike_times import EventTrial, loss, scores
from canonic.neurons.quotient import Quotient

HIDDEN, EARLY, LATE = 800, 4.0, 8.0
"""Hidden neurons, and the horizons of theirs and of the outputs; the first inputs fire at 0, the last at 1."""


def body(shape: Shape, classes: int) -> nn.Module:
    """Return two layers of ramps."""
    return nn.Sequential(
        EventInput(shape),
        EventLinear(prod(shape), HIDDEN, Quotient.ramp(horizon=EARLY), mean=8.0),
        EventLinear(HIDDEN, classes, Quotient.ramp(horizon=LATE), mean=3.0),
    )


def trial(system: System) -> EventTrial:
    """Return what measures it."""
    return EventTrial(system, LATE)


_ADAM = Optimiser("adam", lr=1e-3)
ENTRIES = (
    Entry(
        name="rel-psp",
        what="one spike a neuron, its time in closed form with exact gradients; the first output answers",
        source="arXiv 2003.11837",
        published=NOT_READABLE,
        data="Fashion-MNIST",
        network=str(HIDDEN),
        codes="times > one spike > first event",
        gradient="exact, of times",
        build=body,
        ann=mlp(relu, HIDDEN),
        forward=scores(LATE),
        loss=loss,
        readout="last",
        standardised=False,
        recipe=Recipe(epochs=18, batch=128, optimiser=_ADAM, schedule=Cosine(), clip=5.0),
        few=Recipe(epochs=20, batch=32, optimiser=_ADAM, schedule=Cosine(), clip=5.0),
        trial=trial,
    ),
)
