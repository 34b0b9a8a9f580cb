"""Few steps and few spikes: the input is a number, then one spike; hidden neurons fire once (arXiv 2107.12374).

``u = leak u + W s``, ``s = H(u - V) (1 - fired)``, ``u -= V s``; the output adds up and does not fire. The network
takes the weights of one with ReLUs, V begins at the 99.7th percentile of what each layer of that gets, and weights,
leaks and V are trained on. Not all published details could be read: these follow from the abstract and 2005.01807.
"""

from dataclasses import replace
from functools import partial
from math import prod

import torch
from torch import Tensor, nn

from canonic.codes.hybrid import HybridInput
from canonic.learn.losses import cross_entropy
from canonic.learn.modules import Dropout, Encode, Hold
from canonic.learn.population import Population
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.schedule import Run
from canonic.learn.zoo.entry import Entry, Shape
from canonic.learn.zoo.parts import constant, driven
from canonic.neurons.leaky import Integrator, SingleSpike
from canonic.neurons.rules import LIF, Rule
from canonic.neurons.surrogate import Surrogate, triangle

STEPS, HIDDEN, DROPPED, PERCENTILE = 5, (400, 400), 0.2, 0.997
_SLOPE = Surrogate(triangle(gamma=0.3))
ONCE, OFTEN = SingleSpike(leak=0.99, fire=_SLOPE), LIF(leak=0.99, fire=_SLOPE)


def body(rule: Rule, hybrid: bool, shape: Shape, classes: int) -> nn.Module:
    """Return the spiking network."""
    layers: list[nn.Module] = [Encode(HybridInput(STEPS)) if hybrid else Hold(), nn.Flatten()]
    for wide, width in zip((prod(shape), *HIDDEN), HIDDEN, strict=False):
        neurons = Population(rule, trainable=("leak", "theta"))
        layers += [nn.Linear(wide, width, bias=False), neurons, Dropout(DROPPED)]
    return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], classes, bias=False), Population(Integrator(leak=1.0)))


def source(shape: Shape, classes: int) -> nn.Module:
    """Return the network that it begins from."""
    layers: list[nn.Module] = [nn.Flatten()]
    for wide, width in zip((prod(shape), *HIDDEN), HIDDEN, strict=False):
        layers += [nn.Linear(wide, width, bias=False), nn.ReLU(), nn.Dropout(DROPPED)]
    return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], classes, bias=False))


def begin(net: nn.Module, ann: nn.Module, x: Tensor) -> None:
    """Give the network the weights of the other, and thresholds by what its layers get.

    Raises:
        TrainingError: if one of them gets next to nothing above 0.
    """
    pairs = zip(_linear(net), _linear(ann), strict=True)
    populations = [m for m in net.modules() if isinstance(m, Population) and m.trained]
    with torch.no_grad():
        for mine, its in pairs:
            mine.weight.copy_(its.weight)
        for name, module in ann.eval().named_children():
            x = module(x)
            if isinstance(module, nn.Linear) and populations:
                reached = float(torch.quantile(x.flatten()[:QUANTILES], PERCENTILE))
                theta = torch.tensor(driven(reached, name, PERCENTILE, len(x)))
                populations.pop(0).trained["theta"].copy_(theta.log())


QUANTILES = 2**24
"""Numbers that torch takes a quantile of at most."""


def _linear(net: nn.Module) -> list[nn.Linear]:
    return [module for module in net.modules() if isinstance(module, nn.Linear)]


def at_the_end(run: Run, y: Tensor) -> Tensor:
    """Return the cross entropy of what the outputs have added up."""
    return cross_entropy(run.output[-1:], y)


_HYBRID = Entry(
    name="single-spike",
    what="a number, then one spike a pixel; hidden neurons fire once; trained on from an ANN",
    source="arXiv 2107.12374",
    published="CIFAR-100 66.46 % (5 steps, abstract)",
    data="Fashion-MNIST",
    network="400-400",
    codes="number and single spike > single spikes > membrane",
    gradient="surrogate",
    build=partial(body, ONCE, True),
    ann=source,
    forward=constant(STEPS),
    loss=at_the_end,
    readout="last",
    recipe=Recipe(epochs=8, batch=128, optimiser=Optimiser("adam", lr=3e-4)),
    few=Recipe(epochs=10, batch=32, optimiser=Optimiser("adam", lr=3e-4)),
    standardised=False,
    begin=begin,
    ann_recipe=Recipe(epochs=8, batch=128, optimiser=Optimiser("adam", lr=1e-3)),
    ann_few=Recipe(epochs=30, batch=32, optimiser=Optimiser("adam", lr=1e-3)),
)

ENTRIES = (
    _HYBRID,
    replace(
        _HYBRID,
        name="direct-spikes",
        what="direct input, hidden neurons fire as often as they like; trained on from the same ANN",
        published="none: beside it",
        codes="direct > spikes > membrane",
        build=partial(body, OFTEN, False),
    ),
)
