"""Differentiation on spike representation (Meng et al., CVPR 2022, arXiv 2205.00459).

Forward integrate and fire, ``m += x``, ``s = V H(m - V / 2)``, ``m -= s``; backward that of ``o = clip(I, 0, V)``, from
the mean current to the mean of what is sent, so that no time course is kept. V is trained, one for each layer.
"""

from dataclasses import replace

from torch import nn

from canonic.learn.gradients import Representation
from canonic.learn.population import Population
from canonic.learn.zoo.bodies import cnn
from canonic.learn.zoo.entry import Shape
from canonic.learn.zoo.lif import BASELINE
from canonic.learn.zoo.parts import constant
from canonic.neurons.rules import IF

STEPS = 5


def neurons(_shape: Shape) -> nn.Module:
    """Return its population."""
    return Population(IF(theta=2.0, at=0.5), Representation(), trainable=("theta",))


ENTRIES = (
    replace(
        BASELINE,
        name="dsr",
        what="integrate and fire, trained by the map of mean inputs to mean outputs",
        source="arXiv 2205.00459",
        published="CIFAR-10 95.40 % (T = 20, table of a third party), about 94.45 % (T = 5, official code); ResNet-18",
        gradient="representation",
        build=cnn(neurons),
        forward=constant(STEPS),
    ),
)
