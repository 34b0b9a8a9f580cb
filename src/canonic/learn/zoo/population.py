"""Many output neurons a class in place of many steps (Sun et al., arXiv 2211.10725; tutorial of snnTorch).

One step: ``s = H(W x - 1)`` with the slope ``1 / (1 + (pi v)^2)``; the answer is the class whose neurons fire most.
"""

from dataclasses import replace
from functools import partial
from math import prod

from torch import nn

from canonic.learn.population import Population
from canonic.learn.recipe import Constant, Optimiser, Recipe
from canonic.learn.zoo.bodies import Neurons, relu
from canonic.learn.zoo.entry import Entry, Shape
from canonic.learn.zoo.parts import Votes, constant, cross_entropy
from canonic.neurons.rules import LIF
from canonic.neurons.surrogate import Surrogate, atan

HIDDEN, GROUP = 128, 50


def neurons(_shape: Shape) -> nn.Module:
    """Return its population."""
    return Population(LIF(leak=0.9, fire=Surrogate(atan(2.0))))


def nothing(_shape: Shape) -> nn.Module:
    """Return what stands behind the outputs of a network without time."""
    return nn.Identity()


def body(hidden: Neurons, last: Neurons, group: int, shape: Shape, classes: int) -> nn.Module:
    """Return two linear layers, and what sums the output neurons of each class."""
    wide = group * classes
    layers = [nn.Flatten(), nn.Linear(prod(shape), HIDDEN), hidden((HIDDEN,)), nn.Linear(HIDDEN, wide), last((wide,))]
    return nn.Sequential(*layers, Votes(classes, group))


_ADAM = Optimiser("adam", lr=2e-3)
_MANY = Entry(
    name="population",
    what="one step, 50 output neurons a class that vote",
    source="arXiv 2211.10725",
    published="Fashion-MNIST 82.7 % after 2 epochs (tutorial)",
    data="Fashion-MNIST",
    network="128-500",
    codes="direct > spikes > votes",
    gradient="surrogate",
    build=partial(body, neurons, neurons, GROUP),
    ann=partial(body, relu, nothing, GROUP),
    forward=constant(1),
    loss=cross_entropy,
    readout="mean",
    recipe=Recipe(epochs=10, batch=128, optimiser=_ADAM, schedule=Constant()),
    few=Recipe(epochs=30, batch=32, optimiser=_ADAM),
)

ENTRIES = (
    _MANY,
    replace(
        _MANY,
        name="population-bf16",
        what="one step, 50 output neurons a class that vote, in bfloat16",
        recipe=replace(_MANY.recipe, autocast="bf16"),
        few=replace(_MANY.few, autocast="bf16"),
    ),
    replace(
        _MANY,
        name="population-one",
        what="one step, one output neuron a class",
        published="Fashion-MNIST 61.9 % after 2 epochs (tutorial)",
        network="128",
        codes="direct > spikes > spikes",
        build=partial(body, neurons, neurons, 1),
        ann=partial(body, relu, nothing, 1),
    ),
)
