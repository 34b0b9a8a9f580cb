"""What a published system is, as plain data: how its network is built, run, trained and read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import nn

from canonic.errors import TrainingError
from canonic.learn.batches import drawn
from canonic.learn.outcome import Trial
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.schedule import Run
from canonic.learn.system import Forward, Gradient, Loss, System, at_each_step, once, seeded
from canonic.learn.zoo.parts import READOUTS, cross_entropy
from canonic.network import SpikingNetwork

Shape = tuple[int, ...]
Build = Callable[[Shape, int], nn.Module]
"""A network for samples of this shape and so many classes, with weights drawn from torch's generator."""

Stage = Callable[[System, torch.Tensor], System]
"""What is trained next, from the system that was trained so far and some training samples."""

FEW = 10_000
"""Below so many samples an entry is trained by its recipe for few."""

NOT_READABLE = "not readable"
"""What stands for a published figure that was found in no readable source."""


@dataclass(frozen=True)
class Entry:
    """A published system, or a variant of one.

    Attributes:
        name: that commands know it by.
        what: it is, in one line.
        source: where it was published.
        published: the figure there, on which data; ``NOT_READABLE`` if none could be read.
        data: that its own figures stand on, where this library measures it.
        kind: of its samples: "pictures" ``[channels, height, width]``, or ``[features]`` if none of its layers is a
            convolution; "sequences" ``[time, channels]``; or "recordings" of events as frames,
            ``[frames, channels, height, width]``.
        network: its layers between input and classes.
        codes: of input, hidden layers and output.
        gradient: that it is trained by, in a word.
        build: its network.
        ann: the network of the same shape without time, trained with the same budget beside it.
        forward: what the network does with a batch.
        loss: of that.
        readout: how an answer is read, after each step, from the outputs so far: their "mean", the "last", or those of
            the "first" event; the answer of a sample is the last, or one for each step where steps have labels.
        recipe: for at least ``FEW`` samples.
        few: for fewer.
        standardised: whether pictures have mean 0 and standard deviation 1 for it; else they stay in [0, 1].
        begin: what the network takes over from the trained ``ann`` before its own training, as ``begin(net, ann, x)``
            with x some training samples; None if it begins from nothing.
        ann_recipe: of the ``ann`` where it is not that of the network, as where that begins from it.
        ann_few: likewise, for few samples.
        make: the system, where it is not the ``Gradient`` of ``forward`` and ``loss``, which are not read then.
        stages: what is trained one after another, each as the recipe says; the system itself if there are none.
        converted: the spiking network that the trained network of the system becomes, as ``converted(net, x)`` with x
            some training samples, where it is converted; its accuracy is then the one of the row.
        trial: what measures the system, where it is no network of populations in steps; else None.
        constants: numbers that its figures depend on and no recipe has, as T; record and row tell them.
    """

    name: str
    what: str
    source: str
    published: str
    data: str
    network: str
    codes: str
    gradient: str
    build: Build
    ann: Build
    forward: Forward
    loss: Loss
    readout: Literal["mean", "last", "first"]
    recipe: Recipe
    few: Recipe
    kind: Literal["pictures", "sequences", "recordings"] = "pictures"
    standardised: bool = True
    begin: Callable[[nn.Module, nn.Module, torch.Tensor], None] | None = None
    ann_recipe: Recipe | None = None
    ann_few: Recipe | None = None
    make: "Callable[[Entry, Shape, int, Recipe], System] | None" = None
    stages: tuple[Stage, ...] = ()
    converted: Callable[[nn.Module, torch.Tensor], SpikingNetwork] | None = None
    trial: Callable[[System], Trial] | None = None
    constants: Mapping[str, float] = field(default_factory=dict)

    def recipe_for(self, samples: int, seed: int) -> Recipe:
        """Return how it is trained on so many samples."""
        return replace(self.recipe if samples >= FEW else self.few, seed=seed)

    def ann_recipe_for(self, samples: int, recipe: Recipe) -> Recipe:
        """Return how the ``ann`` of a network with this recipe is trained on so many samples."""
        own = self.ann_recipe if samples >= FEW else self.ann_few
        return recipe if own is None else replace(own, seed=recipe.seed)

    def system(self, shape: Shape, classes: int, recipe: Recipe) -> System:
        """Return the spiking network, ready to be trained; its weights follow from the seed of the recipe."""
        if self.make is not None:
            return self.make(self, shape, classes, recipe)
        return Gradient(
            built(self.build, shape, classes, recipe), self.forward, self.loss, recipe, READOUTS[self.readout]
        )

    def same_shape(self, shape: Shape, classes: int, recipe: Recipe) -> Gradient:
        """Return the network of the same shape without spikes, ready to be trained.

        One for pictures or recordings has no time; one for sequences, ``[batch, time, channels]`` to ``[batch, time,
        classes]``, is read and judged as the system is.
        """
        ann, recipe = built(self.ann, shape, classes, recipe), replace(recipe, autocast=None, optimiser=plain(recipe))
        if self.kind == "sequences":
            return Gradient(ann, at_each_step, self.loss, recipe, READOUTS[self.readout])
        return Gradient(ann, once, cross_entropy, recipe)


def unread(*_: object) -> Run:
    """Stand for the ``forward`` or ``loss`` of an entry that makes a system of its own."""
    raise TrainingError("this entry makes a system of its own: it has no forward pass or loss beside")


def plain(recipe: Recipe) -> Optimiser:
    """Return the optimiser of a recipe without rates for parameters by their names, which are of one network."""
    return replace(recipe.optimiser, groups=())


def built(build: Build, shape: Shape, classes: int, recipe: Recipe) -> nn.Module:
    """Return a network whose weights follow from the seed of a recipe."""
    with seeded(drawn(recipe.seed), torch.device("cpu")):
        return build(shape, classes)
