"""The first spike of an output answers, stochastic and deterministic neurons (arXiv 2404.17719, ICONS 2024).

Stochastic: ``V = leak V + k W s``, ``p = 1 / (1 + e^-V)``, ``s ~ Bernoulli(p)``, and the loss is minus the logarithm of
the probability that the label fires first. Deterministic: a threshold of 1 that is taken away at the next step, and the
cross entropy of the membranes at the first event. Both losses are derived: the published ones could not be read.
"""

from dataclasses import replace
from functools import partial
from math import prod

from jaxtyping import Float, Int
from torch import Tensor, nn

from canonic.codes.encoders import Poisson
from canonic.learn.losses import at_first_event, first_to_spike
from canonic.learn.modules import Encode
from canonic.learn.population import Population
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.schedule import Run
from canonic.learn.zoo.bodies import mlp, relu
from canonic.learn.zoo.entry import NOT_READABLE, Entry, Shape
from canonic.learn.zoo.parts import constant
from canonic.neurons.leaky import Leaky
from canonic.neurons.rules import Rule
from canonic.neurons.stochastic import Stochastic
from canonic.neurons.surrogate import Surrogate, triangle

STEPS, HIDDEN = 8, 400
CHANCE = Stochastic(leak=0.9, gain=4.0)
SURE = Leaky(leak=0.9, theta=1.0, fire=Surrogate(triangle()))
QUIET = (-1.0, -2.0)
"""Biases that stochastic layers begin with: at rest they seldom fire."""


def body(
    rule: Rule, biases: tuple[float, float] | None, shape: Shape, classes: int, *, poisson: bool = False
) -> nn.Module:
    """Return two linear layers, both followed by neurons; the last keep their membranes."""
    layers = nn.Linear(prod(shape), HIDDEN), nn.Linear(HIDDEN, classes)
    for layer, bias in zip(layers, biases or (), strict=False):
        nn.init.constant_(layer.bias, bias / getattr(rule, "gain", 1.0))
    hidden, outputs = Population(rule), Population(rule, membrane=True)
    encoder = [Encode(Poisson(STEPS))] if poisson else []
    return nn.Sequential(*encoder, nn.Flatten(), layers[0], hidden, layers[1], outputs)


def membranes(run: Run) -> Float[Tensor, "time batch classes"]:
    """Return the membranes of the outputs."""
    return list(run.membranes.values())[-1]


def likelihood(run: Run, y: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Return the loss of stochastic outputs."""
    return first_to_spike(membranes(run), y)


def entropy(run: Run, y: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Return the loss of deterministic outputs."""
    return at_first_event(membranes(run), run.output, y)


_ADAM = Optimiser("adam", lr=1e-3)
_STOCHASTIC = Entry(
    name="first-to-spike",
    what="stochastic neurons, the first output spike answers",
    source="arXiv 2404.17719",
    published=NOT_READABLE,
    data="Fashion-MNIST",
    network=str(HIDDEN),
    codes="direct > stochastic spikes > first event",
    gradient="straight through, likelihood of the answer",
    build=partial(body, CHANCE, QUIET),
    ann=mlp(relu, HIDDEN),
    forward=constant(STEPS),
    loss=likelihood,
    readout="first",
    standardised=False,
    recipe=Recipe(epochs=8, batch=128, optimiser=_ADAM),
    few=Recipe(epochs=30, batch=32, optimiser=_ADAM),
)

_SURE = replace(
    _STOCHASTIC,
    name="first-to-spike-sure",
    what="leaky neurons, the first output spike answers",
    codes="direct > spikes > first event",
    gradient="surrogate",
    build=partial(body, SURE, None),
    loss=entropy,
)

ENTRIES = (
    _STOCHASTIC,
    _SURE,
    replace(
        _STOCHASTIC,
        name="first-to-spike-poisson",
        what="the stochastic ones behind Poisson spikes",
        codes="poisson > stochastic spikes > first event",
        build=partial(body, CHANCE, QUIET, poisson=True),
    ),
    replace(
        _SURE,
        name="first-to-spike-sure-poisson",
        what="the leaky ones behind Poisson spikes",
        codes="poisson > spikes > first event",
        build=partial(body, SURE, None, poisson=True),
    ),
)
