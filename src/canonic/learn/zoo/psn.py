"""Parallel spiking neurons, all steps at once (arXiv 2304.12760, NeurIPS 2023): ``h = W I``, ``s = H(h - theta)``.

I are the currents of all T steps, and W, ``[T, T]``, says how much of each a step reads, earlier or later: there is no
reset, and no state. W and theta, one for each step, are trained, one set for each layer.
"""

import math
from dataclasses import replace

import torch
from torch import nn

from canonic.learn.population import Population
from canonic.learn.zoo.bodies import cnn
from canonic.learn.zoo.entry import NOT_READABLE, Shape
from canonic.learn.zoo.lif import BASELINE, STEPS
from canonic.neurons.parallel import PSN
from canonic.neurons.surrogate import Surrogate, atan


def neurons(_shape: Shape) -> nn.Module:
    """Return its population."""
    weight = torch.empty(STEPS, STEPS)
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
    return Population(PSN(weight, torch.ones(STEPS), Surrogate(atan())), trainable=("weight", "theta"))


ENTRIES = (
    replace(
        BASELINE,
        name="psn",
        what="all steps at once: a membrane is a trained sum of the currents of all steps, without a reset",
        source="arXiv 2304.12760",
        published=NOT_READABLE,
        gradient="surrogate, in depth alone",
        build=cnn(neurons),
    ),
)
