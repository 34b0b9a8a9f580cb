"""Times of many spikes a neuron, with exact gradients (Yang, Zhang and Li, arXiv 2211.16113).

``dI/dt = -I/tau + sum w delta(t - t[i])``, ``dv/dt = I``; at v = theta a spike takes theta away. The k-th comes, with
``e = exp(t / tau)``, at ``e = sum w e[i] / (sum w - k theta / tau)`` over what came before.
Loss and encoding are derived.
"""

from dataclasses import replace
from functools import partial
from math import exp, prod

from torch import nn

from canonic.learn.events import EventInput, EventLinear
from canonic.learn.recipe import Cosine, Optimiser, Recipe
from canonic.learn.system import System
from canonic.learn.zoo.bodies import mlp, relu
from canonic.learn.zoo.entry import NOT_READABLE, Entry, Shape
from canonic.learn.zoo.spike_times import EventTrial, loss, scores
from canonic.neurons.quotient import Quotient

HIDDEN, TAU, THETA = 800, 1.0, 0.5
EARLY, LATE = 3.0, 5.0
"""Horizons of the hidden neurons and of the outputs, in time."""
FAINT = 0.02
"""Pixels up to this one do not fire."""
SPIKES = 4


def body(spikes: int, shape: Shape, classes: int) -> nn.Module:
    """Return two layers of neurons that send so many spikes at most; of an output the first alone counts."""
    hidden = Quotient.integrator(THETA, TAU, spikes, horizon=exp(EARLY / TAU))
    outputs = Quotient.integrator(THETA, TAU, 1, horizon=exp(LATE / TAU))
    return nn.Sequential(
        EventInput(shape, TAU, FAINT),
        EventLinear(prod(shape), HIDDEN, hidden, mean=8.0),
        EventLinear(HIDDEN, classes, outputs, mean=2.0),
    )


def trial(system: System) -> EventTrial:
    """Return what measures it."""
    return EventTrial(system, LATE, TAU)


_ADAM = Optimiser("adam", lr=1e-3)
_MANY = Entry(
    name="spike-time",
    what=f"up to {SPIKES} spikes a neuron, their times in closed form with exact gradients; the first output answers",
    source="arXiv 2211.16113",
    published=NOT_READABLE,
    data="Fashion-MNIST",
    network=str(HIDDEN),
    codes="times > spikes > first event",
    gradient="exact, of times",
    build=partial(body, SPIKES),
    ann=mlp(relu, HIDDEN),
    forward=scores(LATE, TAU, enough=0.75),
    loss=loss,
    readout="last",
    standardised=False,
    recipe=Recipe(epochs=8, batch=128, optimiser=_ADAM, schedule=Cosine(), clip=5.0),
    few=Recipe(epochs=20, batch=32, optimiser=_ADAM, schedule=Cosine(), clip=5.0),
    trial=trial,
)

ENTRIES = (
    _MANY,
    replace(
        _MANY,
        name="spike-time-once",
        what="one spike a neuron, its time in closed form with exact gradients; the first output answers",
        build=partial(body, 1),
        recipe=replace(_MANY.recipe, epochs=12),
    ),
)
