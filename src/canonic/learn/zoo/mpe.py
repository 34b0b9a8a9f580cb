"""Membrane potential estimation, all steps at once (arXiv 2409.04978, ICASSP 2025, and its code).

The neuron is ``neurons/parallel.py``; its threshold is trained, one for each layer. The loss is ``(1 - lam) TET + lam
sum over layers and steps of c[t] mean (m - (1 - s) h)^2``, how far the estimates are from what the resets leave; c is
trained. As published c is free, and the term has no lower bound: here c is a softmax.
"""

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from canonic.learn.losses import tet
from canonic.learn.population import Population
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.schedule import Run
from canonic.learn.zoo.bodies import cnn, relu
from canonic.learn.zoo.entry import Entry, Shape
from canonic.learn.zoo.parts import constant
from canonic.neurons.parallel import MPE

STEPS, WEIGHT = 4, 1e-2
"""T, and lam: 1e-2 for CIFAR-10, 1e-3 for recordings of gestures."""


def neurons(_shape: Shape) -> nn.Module:
    """Return its population."""
    return Population(MPE(tau=0.25, theta=1.0, share=torch.zeros(STEPS)), trainable=("theta", "share"))


def loss(weight: float, run: Run, y: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Return the loss of a network of such neurons."""
    memory = torch.stack([each.sum() for each in run.losses.values()]).sum()
    return (1 - weight) * tet(run.output, y) + weight * memory


ENTRIES = (
    Entry(
        name="mpe",
        what="all steps at once: what a reset leaves is estimated from the current",
        source="arXiv 2409.04978",
        published="DVS-Gesture 97.92 % (T = 16, abstract); CIFAR-10 94.36 %, CIFAR10-DVS 84.48 % (T = 4, logs)",
        data="Fashion-MNIST",
        network="16C3-P2-32C3-P2",
        codes="direct > spikes > mean",
        gradient="surrogate, in depth alone",
        build=cnn(neurons),
        ann=cnn(relu),
        forward=constant(STEPS),
        loss=partial(loss, WEIGHT),
        readout="mean",
        recipe=Recipe(epochs=3, batch=128, optimiser=Optimiser("adam", lr=2e-3)),
        few=Recipe(epochs=15, batch=32, optimiser=Optimiser("adam", lr=2e-3)),
    ),
)
