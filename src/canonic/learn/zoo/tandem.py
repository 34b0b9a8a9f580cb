"""Progressive tandem learning: a trained network becomes a spiking one layer by layer (``learn/tandem.py``)."""

from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.system import Gradient, System
from canonic.learn.tandem import Tandem, have_turn
from canonic.learn.zoo import single_spike
from canonic.learn.zoo.bodies import mlp
from canonic.learn.zoo.entry import Entry, Shape, Stage
from canonic.learn.zoo.parts import READOUTS, constant, cross_entropy

FEW_STEPS, STEPS = 4, 16
HIDDEN = single_spike.HIDDEN


def neurons(_shape: Shape) -> nn.Module:
    """Return what stands where a ReLU stood."""
    return Tandem()


def begin(net: nn.Module, ann: nn.Module, x: Tensor) -> None:  # noqa: ARG001 - as of every one
    """Give the network the weights of the other."""
    net.load_state_dict({**net.state_dict(), **dict(zip(weights(net), ann.state_dict().values(), strict=True))})


def weights(net: nn.Module) -> list[str]:
    """Return the names of the weights of a network."""
    return [name for name, _ in net.named_parameters()]


def layer(number: int, steps: int, system: System, x: Tensor) -> System:
    """Return the system in which one layer more spikes; those before it are trained no more."""
    have_turn(system.net, number, x, steps)
    return Gradient(system.net, constant(steps), cross_entropy, system.recipe, READOUTS["mean"])


def stages(steps: int) -> tuple[Stage, ...]:
    """Return a stage for each layer."""
    return tuple(partial(layer, number, steps) for number in range(len(HIDDEN)))


_TANDEM = Entry(
    name="tandem",
    what="from an ANN, layer by layer: one more spikes, those behind it learn on its spikes; 4 steps",
    source="arXiv 2007.01204",
    published="none: fewer steps than published",
    data="Fashion-MNIST",
    network="-".join(map(str, HIDDEN)),
    codes="direct > spikes > mean",
    gradient="representation, stage by stage",
    build=mlp(neurons, *HIDDEN, bias=False),
    ann=single_spike.source,
    forward=constant(FEW_STEPS),
    loss=cross_entropy,
    readout="mean",
    standardised=False,
    recipe=Recipe(epochs=2, batch=128, optimiser=Optimiser("adam", lr=1e-3, weight_decay=1e-5)),
    few=Recipe(epochs=10, batch=32, optimiser=Optimiser("adam", lr=1e-3, weight_decay=1e-5)),
    begin=begin,
    ann_recipe=single_spike.ENTRIES[0].ann_recipe,
    ann_few=single_spike.ENTRIES[0].ann_few,
    stages=stages(FEW_STEPS),
)

ENTRIES = (
    _TANDEM,
    replace(
        _TANDEM,
        name="tandem-16",
        what="the same in 16 steps, as published",
        published="ImageNet VGG-16 65.08 %, AlexNet 55.19 % (T = 16, table of a third party)",
        forward=constant(STEPS),
        stages=stages(STEPS),
    ),
)
