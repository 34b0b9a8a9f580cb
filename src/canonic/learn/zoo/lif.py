"""Leaky integrate and fire with a surrogate gradient: the baseline, beside which every other system stands.

``u = leak u + I``, ``s = H(u - 1)``, ``u = u (1 - s)`` with leak 1/2; backward ``ds/du = max(0, 1 - |u - 1|)``, and no
gradient through the reset; the answer is the mean of the outputs of all steps (Neftci, Mostafa and Zenke, 2019).
"""

from torch import nn

from canonic.learn.population import Population
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.zoo.bodies import cnn, relu
from canonic.learn.zoo.entry import Entry, Shape
from canonic.learn.zoo.parts import constant, cross_entropy
from canonic.neurons.rules import LIF

STEPS = 4


def neurons(_shape: Shape) -> nn.Module:
    """Return its population."""
    return Population(LIF(leak=0.5, reset="hard", detach_reset=True))


BASELINE = Entry(
    name="lif",
    what="leaky integrate and fire, surrogate gradient through time",
    source="arXiv 1901.09948",
    published="none: it is the baseline",
    data="Fashion-MNIST",
    network="16C3-P2-32C3-P2",
    codes="direct > spikes > mean",
    gradient="surrogate",
    build=cnn(neurons),
    ann=cnn(relu),
    forward=constant(STEPS),
    loss=cross_entropy,
    readout="mean",
    recipe=Recipe(epochs=3, batch=128, optimiser=Optimiser("adam", lr=2e-3)),
    few=Recipe(epochs=15, batch=32, optimiser=Optimiser("adam", lr=2e-3)),
)

ENTRIES = (BASELINE,)
