"""Progressive tandem learning: a trained network becomes a spiking one layer by layer (``learn/tandem.py``)."""

from copy import deepcopy
from dataclasses import replace
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn

from canonic.codes import Count
from canonic.conversion import Settings, convert
from canonic.learn.recipe import Constant, Optimiser, Recipe
from canonic.learn.system import Gradient, System, once
from canonic.learn.tandem import Tandem, have_turn, keep_until, tandems
from canonic.learn.zoo import single_spike
from canonic.learn.zoo.bodies import mlp
from canonic.learn.zoo.entry import Build, Entry, Stage
from canonic.learn.zoo.parts import cross_entropy
from canonic.network import SpikingNetwork

FEW_STEPS, STEPS = 4, 16
HIDDEN = single_spike.HIDDEN
LAST_STAGE = 0.1
"""Of the learning rate, where the last layer alone learns."""
EXACT = Settings(threshold="ceiling", correct=False)
"""Thresholds lie where it clips, and no error is left that could be corrected."""


def body(steps: int) -> Build:
    """Return what builds layers without bias, all of which may spike but the last."""
    return mlp(lambda _: Tandem(steps), *HIDDEN, bias=False)


def begin(net: nn.Module, ann: nn.Module, x: Tensor) -> None:  # noqa: ARG001 - as of every one
    """Give the network the weights of the other."""
    for mine, its in zip(net.parameters(), ann.parameters(), strict=True):
        mine.data.copy_(its)


def layer(number: int, system: System, x: Tensor) -> System:
    """Return the system in which one layer more spikes; those before it are trained no more."""
    have_turn(system.net, number, x)
    return Gradient(system.net, once, cross_entropy, system.recipe)


def output(system: System, x: Tensor) -> System:  # noqa: ARG001 - as of every stage
    """Return the system in which the last layer alone is trained, more slowly."""
    keep_until(system.net, tandems(system.net)[-1])
    optimiser = replace(system.recipe.optimiser, lr=system.recipe.optimiser.lr * LAST_STAGE)
    return Gradient(system.net, once, cross_entropy, replace(system.recipe, optimiser=optimiser))


def converted(net: nn.Module, x: Float[Tensor, "samples *shape"]) -> SpikingNetwork:
    """Return the network in the code ``count``: a population listens for T steps, and sends its counts in T more."""
    clipped, layers = deepcopy(net), tandems(net)
    for name, module in net.named_modules():
        if isinstance(module, Tandem):
            clipped.set_submodule(name, nn.Hardtanh(0, module.steps * float(module.theta)))
    return convert(clipped.eval(), [x], code=Count(layers[0].steps), settings=EXACT, progress=False, judged=True)


STAGES: tuple[Stage, ...] = (*(partial(layer, number) for number in range(len(HIDDEN))), output)
_ADAM = Optimiser("adam", lr=1e-3, weight_decay=1e-5)
_TANDEM = Entry(
    name="tandem",
    what="from an ANN, layer by layer: one more spikes, those behind it learn on its counts; 4 steps",
    source="arXiv 2007.01204",
    published="none: fewer steps than published",
    data="Fashion-MNIST",
    network="-".join(map(str, HIDDEN)),
    codes="direct > counts > membrane",
    gradient="representation, stage by stage",
    build=body(FEW_STEPS),
    ann=single_spike.source,
    forward=once,
    loss=cross_entropy,
    readout="last",
    standardised=False,
    recipe=Recipe(epochs=30, batch=512, optimiser=_ADAM, schedule=Constant(), patience=6),
    few=Recipe(epochs=30, batch=32, optimiser=_ADAM, schedule=Constant(), patience=6),
    begin=begin,
    ann_recipe=single_spike.ENTRIES[0].ann_recipe,
    ann_few=single_spike.ENTRIES[0].ann_few,
    stages=STAGES,
    converted=converted,
)

ENTRIES = (
    _TANDEM,
    replace(
        _TANDEM,
        name="tandem-16",
        what="the same in 16 steps, as published",
        published="ImageNet VGG-16 65.08 %, AlexNet 55.19 % (T = 16, table of a third party)",
        build=body(STEPS),
    ),
)
