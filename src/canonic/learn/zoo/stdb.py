"""From an ANN to thresholds to a few epochs of training in time (arXiv 2005.01807; ``learn/peaks.py``)."""

from dataclasses import replace
from functools import partial
from math import prod

import torch
from torch import Tensor, nn

from canonic.codes.encoders import Poisson
from canonic.learn.modules import Dropout, Encode
from canonic.learn.peaks import balance
from canonic.learn.population import Population
from canonic.learn.recipe import Constant, Optimiser, Recipe
from canonic.learn.zoo import single_spike
from canonic.learn.zoo.entry import Entry, Shape
from canonic.learn.zoo.parts import constant
from canonic.neurons.delayed import Delayed
from canonic.neurons.leaky import Integrator

STEPS, LONG, SEEN, LEAK = 8, 100, 512, 1.0
HIDDEN, DROPPED, FACTOR, LOW = single_spike.HIDDEN, 0.2, 0.7, 0.35
PASSING = len(HIDDEN)
"""Steps behind those of the input: each hidden neuron fires a step after its membrane, so that its last spikes pass."""

SLOPES = {"time": 0.01, "linear": None}
"""By what a slope falls with the steps since the last spike; None is a triangle."""


def body(steps: int, beta: float | None, shape: Shape, classes: int) -> nn.Module:
    """Return the spiking network."""
    layers: list[nn.Module] = [Encode(Poisson(steps + PASSING, sends=steps)), nn.Flatten()]
    for wide, width in zip((prod(shape), *HIDDEN), HIDDEN, strict=False):
        neurons = Population(Delayed(leak=LEAK, theta=torch.ones(()), beta=beta))
        layers += [nn.Linear(wide, width, bias=False), neurons, Dropout(DROPPED)]
    return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], classes, bias=False), Population(Integrator(leak=1.0)))


def begin(factor: float, net: nn.Module, ann: nn.Module, x: Tensor) -> None:
    """Give the network the weights of the other, and thresholds by what its populations get."""
    for mine, its in zip(net.parameters(), ann.parameters(), strict=True):
        mine.data.copy_(its)
    balance(list(net.children())[1:], x[:SEEN], LONG, factor)


_ADAM = Optimiser("adam", lr=1e-4, weight_decay=5e-4, amsgrad=True)
_STDB = Entry(
    name="stdb",
    what="Poisson spikes, thresholds by the largest current, trained on with a slope that falls since a spike",
    source="arXiv 2005.01807",
    published="ImageNet VGG-16 65.19 % (T = 250, abstract); CIFAR-10 ResNet-20 92.22 % (table of a third party)",
    data="Fashion-MNIST",
    network="-".join(map(str, HIDDEN)),
    codes="poisson > spikes > membrane",
    gradient="surrogate, by the time since a spike",
    build=partial(body, STEPS, SLOPES["time"]),
    ann=single_spike.source,
    forward=constant(STEPS + PASSING),
    loss=single_spike.at_the_end,
    readout="last",
    standardised=False,
    recipe=Recipe(epochs=1, batch=64, optimiser=_ADAM, schedule=Constant()),
    few=Recipe(epochs=10, batch=32, optimiser=_ADAM, schedule=Constant()),
    begin=partial(begin, FACTOR),
    ann_recipe=single_spike.ENTRIES[0].ann_recipe,
    ann_few=single_spike.ENTRIES[0].ann_few,
    constants={"factor": FACTOR, "T": STEPS, "leak": LEAK},
)


def of(slope: str, factor: float, steps: int = STEPS) -> Entry:
    """Return the system with one of the ``SLOPES``, a factor of its thresholds and T steps of input."""
    return replace(
        _STDB,
        gradient="surrogate" if SLOPES[slope] is None else _STDB.gradient,
        build=partial(body, steps, SLOPES[slope]),
        forward=constant(steps + PASSING),
        begin=partial(begin, factor),
        constants={"factor": factor, "T": steps, "leak": LEAK},
    )


ENTRIES = (
    _STDB,
    replace(
        of("linear", FACTOR),
        name="stdb-linear",
        what="the same with the slope of the official code, a triangle",
        recipe=replace(_STDB.recipe, epochs=5),
    ),
    replace(
        of("linear", LOW),
        name="stdb-low",
        what="the same from thresholds half as high",
        published="none: beside it",
    ),
)
