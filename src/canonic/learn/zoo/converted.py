"""No training in time: networks of ReLUs, converted to canonic signed spikes (arXiv 2408.17245).

They stand in the table beside the systems that begin from the same networks, or are trained in their place.
"""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn

from canonic.codes import CSS
from canonic.conversion import convert
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.system import once
from canonic.learn.zoo.bodies import cnn, mlp, relu
from canonic.learn.zoo.entry import NOT_READABLE, Entry
from canonic.learn.zoo.lif import BASELINE
from canonic.learn.zoo.parts import cross_entropy
from canonic.network import SpikingNetwork

CODE, HIDDEN = CSS(8, 1), (400, 400)


def converted(net: nn.Module, x: Float[Tensor, "samples *shape"]) -> SpikingNetwork:
    """Return the network in spikes, calibrated on training samples."""
    return convert(net.eval(), [x], code=CODE, progress=False)


_CSS = Entry(
    name="css",
    what="a network of ReLUs, converted: canonic signed spikes, 8 digits, one silent step a layer",
    source="arXiv 2408.17245",
    published=NOT_READABLE,
    data="Fashion-MNIST",
    network=BASELINE.network,
    codes="direct > canonic signed spikes > membrane",
    gradient="none in time",
    build=cnn(relu),
    ann=cnn(relu),
    forward=once,
    loss=cross_entropy,
    readout="last",
    recipe=BASELINE.recipe,
    few=BASELINE.few,
    converted=converted,
)

ENTRIES = (
    _CSS,
    replace(
        _CSS,
        name="css-layers",
        network="-".join(map(str, HIDDEN)),
        build=mlp(relu, *HIDDEN, bias=False),
        ann=mlp(relu, *HIDDEN, bias=False),
        standardised=False,
        recipe=Recipe(epochs=8, batch=128, optimiser=Optimiser("adam", lr=1e-3)),
        few=Recipe(epochs=30, batch=32, optimiser=Optimiser("adam", lr=1e-3)),
    ),
)
