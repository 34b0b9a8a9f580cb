"""The successor of ReL-PSP: each layer fires in a window of its own, from a trained network (``learn/windowed.py``).

Convolutions and linear layers without bias whose numbers are times; the weights begin as those of a trained network of
the same shape, scaled so that what a layer sends lies in [0, 1], and are trained as times with exact gradients.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from canonic.learn.outcome import Outcome, additions_of
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.system import System, once
from canonic.learn.windowed import WindowConv2d, WindowInput, WindowOutput, WindowPool
from canonic.learn.zoo.bodies import require_pictures
from canonic.learn.zoo.entry import NOT_READABLE, Entry, Shape
from canonic.learn.zoo.parts import cross_entropy, driven

CHANNELS, KERNEL = (16, 32), 5
LARGE = 0.999
"""Of what a layer of the trained network sends, this share lies below 1 once it is scaled."""


def sizes(shape: Shape) -> int:
    """Return the inputs of the output layer.

    Raises:
        DataError: if samples are no pictures that two convolutions and poolings leave something of.
    """
    require_pictures(shape)
    return CHANNELS[1] * (shape[1] // 4) * (shape[2] // 4)


def body(shape: Shape, classes: int) -> nn.Module:
    """Return two convolutions of windows, each with pooling, and an output."""
    first, second = CHANNELS
    return nn.Sequential(
        WindowInput(),
        WindowConv2d(shape[0], first, KERNEL, padding=2),
        WindowPool(2),
        WindowConv2d(first, second, KERNEL, padding=2),
        WindowPool(2),
        nn.Flatten(),
        WindowOutput(sizes(shape), classes),
    )


def ann(shape: Shape, classes: int) -> nn.Module:
    """Return the same of numbers."""
    first, second = CHANNELS
    return nn.Sequential(
        nn.Identity(),
        nn.Sequential(nn.Conv2d(shape[0], first, KERNEL, padding=2, bias=False), nn.ReLU()),
        nn.MaxPool2d(2),
        nn.Sequential(nn.Conv2d(first, second, KERNEL, padding=2, bias=False), nn.ReLU()),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(sizes(shape), classes),
    )


def begin(net: nn.Module, ann: nn.Module, x: Float[Tensor, "samples *shape"]) -> None:
    """Give the network the weights of the other, each layer scaled by what it sends.

    Raises:
        TrainingError: if one of them sends next to nothing.
    """
    largest, values = 1.0, x
    with torch.no_grad():
        for (name, source), layer in zip(ann.eval().named_children(), net.children(), strict=True):
            values = source(values)
            if isinstance(layer, WindowConv2d):
                some = values.flatten()[:: max(1, values.numel() // 2**20)]
                reached = driven(float(torch.quantile(some, LARGE)), name, LARGE, len(values))
                layer.weight.copy_(weight_of(source) * (largest / reached))
                largest = reached
            elif isinstance(layer, WindowOutput):
                layer.load_state_dict({**source.state_dict(), "weight": weight_of(source) * largest})


def weight_of(layer: nn.Module) -> Tensor:
    """Return the weights of a layer of the trained network."""
    return next(layer.parameters())


@dataclass(frozen=True)
class WindowTrial:
    """What measures it: its answer is one membrane of each class, at the end of the last window."""

    system: System
    steps = 1

    @property
    def net(self) -> nn.Module:
        """The network."""
        return self.system.net

    @property
    def neurons(self) -> Mapping[str, int]:
        """Neurons of each layer: a pixel of the largest picture that was pooled to the inputs of the output."""
        layers = list(self.net.children())
        side = layers[-1].in_features // CHANNELS[1]  # type: ignore[operator]
        return {"1": 16 * int(side) * CHANNELS[0], "3": 4 * int(side) * CHANNELS[1]}

    def outcome(self, x: Shaped[Tensor, "batch ..."]) -> Outcome:
        """Return what a batch does."""
        times, additions = [x], 0
        with torch.no_grad():
            for layer in self.net.eval().children():
                times.append(layer(times[-1]))
        layers = list(self.net.children())
        spikes = {
            str(place): (after.isfinite()).int()
            for place, (layer, after) in enumerate(zip(layers, times[1:], strict=True))
            if isinstance(layer, WindowConv2d)
        }
        for layer, read in zip(layers, times, strict=False):
            if isinstance(layer, WindowConv2d | WindowOutput):
                additions += additions_of(layer, read.isfinite().to(read.dtype))
        return Outcome(times[-1][None], torch.ones(len(x), dtype=torch.int64), spikes, float(additions), 0.0)


_ADAM = Optimiser("adam", lr=1e-3)
ENTRIES = (
    Entry(
        name="rel-psp-windowed",
        what="one spike a neuron in the window of its layer, from a trained network; membranes answer",
        source="arXiv 2003.11837 and the official code of its successor",
        published=NOT_READABLE,
        data="Fashion-MNIST",
        network="16C5-P2-32C5-P2",
        codes="times > one spike > membrane",
        gradient="exact, of times",
        build=body,
        ann=ann,
        forward=once,
        loss=cross_entropy,
        readout="last",
        standardised=False,
        recipe=Recipe(epochs=6, batch=128, optimiser=_ADAM, clip=5.0),
        few=Recipe(epochs=15, batch=32, optimiser=_ADAM, clip=5.0),
        begin=begin,
        ann_recipe=Recipe(epochs=4, batch=128, optimiser=_ADAM),
        ann_few=Recipe(epochs=15, batch=32, optimiser=_ADAM),
        trial=WindowTrial,
    ),
)
