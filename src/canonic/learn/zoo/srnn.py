"""Adaptive recurrent neurons on long sequences, an answer at every step (Yin, Corradi and Bohte, arXiv 2005.11633).

The neuron is ``neurons/adaptive.py``, its time constants are trained, one for each neuron; hidden neurons are
recurrent. The membranes of an output layer of the same neurons are the answer at each step; the loss is their cross
entropy from step 11 on, at the steps that have a label.
"""

from dataclasses import replace
from functools import partial

from jaxtyping import Float, Int
from torch import Tensor, nn

from canonic.errors import DataError
from canonic.learn.losses import cross_entropy, cross_entropy_each
from canonic.learn.population import Population
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.schedule import Run
from canonic.learn.zoo.entry import Entry, Shape
from canonic.learn.zoo.parts import stream
from canonic.neurons.adaptive import ALIF

HIDDEN, FIRST = 36, 11
ADAPTIVE = ALIF(tau=20.0, tau_adaptation=30.0)
LEAKY = ALIF(tau=20.0, beta=0.0)
OUTPUT = ALIF(tau=20.0, tau_adaptation=100.0, sends="membrane")
TAU = ("tau", "tau_adaptation")


def body(rule: ALIF, shape: Shape, classes: int) -> nn.Module:
    """Return the spiking network."""
    if len(shape) != 2:
        raise DataError(f"this network is for sequences [time, channels], samples have the shape {list(shape)}")
    back = nn.Linear(HIDDEN, HIDDEN, bias=False)
    nn.init.orthogonal_(back.weight)
    hidden = Population(rule, trainable=TAU, shape=(HIDDEN,), recurrent=back)
    outputs = Population(OUTPUT, trainable=TAU, shape=(classes,))
    layers = nn.Linear(shape[1], HIDDEN), nn.Linear(HIDDEN, classes)
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], hidden, layers[1], outputs)


class Recurrent(nn.Module):
    """A recurrent network without spikes of the same width, ``h = tanh(W x + U h)``, that answers at each step."""

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.cells, self.last = nn.RNN(shape[1], HIDDEN, batch_first=True), nn.Linear(HIDDEN, classes)

    def forward(self, x: Float[Tensor, "batch time channels"]) -> Float[Tensor, "batch time classes"]:
        """Return what it answers at each step."""
        answers: Tensor = self.last(self.cells(x)[0])
        return answers


def loss(run: Run, y: Int[Tensor, "batch *time"]) -> Float[Tensor, ""]:
    """Return the cross entropy of each step that has a label; of the last step where a sample has one."""
    if y.dim() == 1:
        return cross_entropy(run.output[-1:], y)
    return cross_entropy_each(run.output, y, first=FIRST if len(run.output) > FIRST else 1)


_ADAM = Optimiser("adam", lr=2e-2, groups=(("*.trained.*", 2.0),))
_LEAKY = Entry(
    name="srnn",
    what="recurrent neurons, an answer at each step; the output adapts its thresholds, time constants are trained",
    source="arXiv 2005.11633",
    published="QTDB 84.4 % (36 units, comment of the official code), 85.4 % (its notebook)",
    data="ECG of the QT database",
    network=str(HIDDEN),
    codes="events > spikes > membrane at each step",
    gradient="surrogate",
    build=partial(body, LEAKY),
    ann=Recurrent,
    forward=stream,
    loss=loss,
    readout="last",
    recipe=Recipe(epochs=250, batch=64, clip=1.0, optimiser=_ADAM),
    few=Recipe(epochs=250, batch=64, clip=1.0, optimiser=_ADAM),
    kind="sequences",
)

ENTRIES = (
    _LEAKY,
    replace(
        _LEAKY,
        name="srnn-adaptive",
        what="recurrent neurons, an answer at each step; all adapt their thresholds, time constants are trained",
        build=partial(body, ADAPTIVE),
    ),
)
