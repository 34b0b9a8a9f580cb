"""Desire backpropagation: a wish of each neuron instead of a gradient (arXiv 2211.05412; ``learn/desire.py``)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from canonic.errors import TrainingError
from canonic.learn.desire import Desire
from canonic.learn.outcome import Outcome, additions_of
from canonic.learn.recipe import Exponential, Optimiser, Recipe
from canonic.learn.system import System
from canonic.learn.zoo.bodies import mlp, relu, require_pictures
from canonic.learn.zoo.entry import Build, Entry, Shape, built, unread

STEPS, HIDDEN, CHANNELS = 20, (1000, 100), (16, 32)
DROPOUT = (0.0, 0.1)
"""Of short trainings; 0.05 and 0.4 were published, for 600 epochs."""


def kaiming(net: nn.Sequential) -> nn.Sequential:
    """Return a network whose weights begin as published."""
    for parameter in net.parameters():
        nn.init.kaiming_normal_(parameter)
    return net


def body(shape: Shape, classes: int) -> nn.Module:
    """Return two hidden layers."""
    sizes = (prod(shape), *HIDDEN, classes)
    layers = [nn.Linear(before, after, bias=False) for before, after in pairwise(sizes)]
    return kaiming(nn.Sequential(nn.Flatten(), *layers))


def maps(activation: type[nn.Module] | None) -> Build:
    """Return what builds two convolutions of stride 2 and a linear layer, with or without what stands behind each."""

    def build(shape: Shape, classes: int) -> nn.Module:
        require_pictures(shape)
        first, second = CHANNELS
        behind = [] if activation is None else [activation()]
        sides = [(side + 3) // 4 for side in shape[1:]]
        convolutions = nn.Conv2d(shape[0], first, 5, 2, 2, bias=False), nn.Conv2d(first, second, 5, 2, 2, bias=False)
        last = nn.Linear(second * prod(sides), classes, bias=False)
        return kaiming(nn.Sequential(convolutions[0], *behind, convolutions[1], *behind, nn.Flatten(), last))

    return build


def make(entry: Entry, shape: Shape, classes: int, recipe: Recipe) -> Desire:
    """Return the system of an entry."""
    net = built(entry.build, shape, classes, recipe)
    if not isinstance(net, nn.Sequential):
        raise TrainingError(f"{entry.name} is built as a {type(net).__name__}: build an nn.Sequential")
    return Desire(net, shape, recipe, STEPS, DROPOUT)


@dataclass(frozen=True)
class DesireTrial:
    """What measures it: layers that read each other a step later are no graph of one schedule."""

    system: Desire
    steps = STEPS

    @property
    def net(self) -> nn.Module:
        """The network."""
        return self.system.net

    @property
    def neurons(self) -> Mapping[str, int]:
        """Neurons of each layer."""
        blank = torch.zeros(1, *self.system.shape)
        return {str(place): each.sent[0, 0].numel() for place, each in enumerate(self.system.passes(blank))}

    def outcome(self, x: Shaped[Tensor, "batch ..."]) -> Outcome:
        """Return what a batch does."""
        self.net.eval()
        done = self.system.passes(x)
        spikes = {str(place): each.sent.sum(0) for place, each in enumerate(done)}
        additions = sum(additions_of(each.layer, each.read.flatten(0, 1)) for each in done)
        decided = torch.full((len(x),), STEPS)
        return Outcome(done[-1].sent.cumsum(0), decided, spikes, float(additions), 0.0)


def trial(system: System) -> DesireTrial:
    """Return what measures it."""
    if not isinstance(system, Desire):
        raise TrainingError(f"a {type(system).__name__} is no system of desires")
    return DesireTrial(system)


_SLOW = Exponential(0.04)
_LINEAR = Entry(
    name="desire",
    what="a local rule: each neuron wishes to fire or not, the outputs for the label, others for those behind them",
    source="arXiv 2211.05412",
    published="Fashion-MNIST 87.56 % after 600 epochs (abstract)",
    data="Fashion-MNIST",
    network="-".join(map(str, HIDDEN)),
    codes="spikes > spikes > count",
    gradient="none: wishes in {-1, 0, 1}",
    build=body,
    ann=mlp(relu, *HIDDEN, bias=False),
    forward=unread,
    loss=unread,  # type: ignore[arg-type]
    readout="last",
    standardised=False,
    recipe=Recipe(epochs=10, batch=32, optimiser=Optimiser("sgd", lr=3e-5), schedule=_SLOW),
    few=Recipe(epochs=30, batch=8, optimiser=Optimiser("sgd", lr=1e-4), schedule=_SLOW),
    ann_recipe=Recipe(epochs=10, batch=128),
    ann_few=Recipe(epochs=30, batch=32),
    make=make,
    trial=trial,
)

ENTRIES = (
    _LINEAR,
    replace(
        _LINEAR,
        name="desire-maps",
        what="the same local rule with convolutions",
        published="none on these data",
        network="16C5s2-32C5s2",
        build=maps(None),
        ann=maps(nn.ReLU),
        recipe=replace(_LINEAR.recipe, epochs=5),
        ann_recipe=Recipe(epochs=5, batch=128),
    ),
)
