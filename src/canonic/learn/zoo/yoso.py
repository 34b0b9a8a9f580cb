"""You only spike once: a network trained with the numbers that one spike can say (arXiv 2006.09982).

``a = floor(T clip(z, 0, 1)) / T`` in place of a ReLU, its gradient that of the clip. A neuron that listens for T steps,
then fires once, at a step that says a, is that function: the converted network in the code ``latency`` is the trained
one, answer for answer. The scheme is exact; how the paper trains could not be read.
"""

from copy import deepcopy

from jaxtyping import Float
from torch import Tensor, nn

from canonic.codes import Latency
from canonic.conversion import Settings, convert
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.system import once
from canonic.learn.zoo.bodies import mlp, relu
from canonic.learn.zoo.entry import NOT_READABLE, Entry, Shape
from canonic.learn.zoo.parts import cross_entropy
from canonic.network import SpikingNetwork

STEPS, HIDDEN = 16, (400, 400)
EXACT = Settings(threshold="ceiling", correct=False)


class Once(nn.Module):
    """The numbers that one spike in T steps can say.

    >>> import torch
    >>> Once(4)(torch.tensor([-1.0, 0.3, 0.6, 2.0])).tolist()
    [0.0, 0.25, 0.5, 1.0]
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the largest of them that is at most x, with the gradient of a clip."""
        held = x.clamp(0, 1)
        return (held.detach() * self.steps).floor() / self.steps + (held - held.detach())


def body(shape: Shape, classes: int) -> nn.Module:
    """Return layers without bias; what they read, the pixels too, one spike can say."""
    layers = mlp(lambda _: Once(STEPS), *HIDDEN, bias=False)(shape, classes)
    return nn.Sequential(Once(STEPS), *layers.children())


def converted(net: nn.Module, x: Float[Tensor, "samples *shape"]) -> SpikingNetwork:
    """Return the network in the code ``latency``: thresholds lie where it clips."""
    clipped = deepcopy(net)
    for name, module in net.named_modules():
        if isinstance(module, Once):
            clipped.set_submodule(name, nn.Hardtanh(0, 1))
    return convert(clipped.eval(), [x], code=Latency(STEPS), settings=EXACT, progress=False, judged=True)


ENTRIES = (
    Entry(
        name="yoso",
        what="one spike a neuron, layer by layer: the network that was trained for it, answer for answer",
        source="arXiv 2006.09982",
        published=NOT_READABLE,
        data="Fashion-MNIST",
        network="-".join(map(str, HIDDEN)),
        codes="latency > latency > membrane",
        gradient="straight through",
        build=body,
        ann=mlp(relu, *HIDDEN, bias=False),
        forward=once,
        loss=cross_entropy,
        readout="last",
        standardised=False,
        recipe=Recipe(epochs=8, batch=128, optimiser=Optimiser("adam", lr=1e-3)),
        few=Recipe(epochs=30, batch=32, optimiser=Optimiser("adam", lr=1e-3)),
        converted=converted,
    ),
)
