"""A code for each layer, learned in two stages: direct input, bursts, the first spike (arXiv 2305.16594).

A trained network with ReLUs becomes one of bursting neurons, each layer of which learns from its own (``learn/local``).
Then outputs that spike once, at a potential of ``DoubleExponential``, take the place of the mean, and their weights
learn from the first event; the layers before them stay.
"""

from dataclasses import replace

from jaxtyping import Float, Int
from torch import Tensor, nn

from canonic.learn import losses
from canonic.learn.local import Local, choose_thresholds, local, taught_by, teacher_of
from canonic.learn.population import Population
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.schedule import Run
from canonic.learn.system import Gradient, System
from canonic.learn.tandem import keep_until
from canonic.learn.zoo import single_spike, tandem
from canonic.learn.zoo.bodies import mlp
from canonic.learn.zoo.entry import NOT_READABLE, Entry, Shape
from canonic.learn.zoo.first_to_spike import membranes
from canonic.learn.zoo.parts import READOUTS, constant
from canonic.neurons.double_exponential import DoubleExponential

STEPS, MOST, THETA, BETA, HIDDEN = 8, 5, 3.0, 2.0, single_spike.HIDDEN
OUTPUT = Optimiser("sgd", lr=1e-3, momentum=0.9)


def neurons(_shape: Shape) -> nn.Module:
    """Return what stands where a ReLU stood."""
    return Local(MOST)


def begin(net: nn.Module, ann: nn.Module, x: Tensor) -> None:
    """Give the network the weights of the other, and thresholds by what its layers send."""
    tandem.begin(net, ann, x)
    choose_thresholds(net, x, STEPS)


def hidden(system: System, x: Tensor) -> System:  # noqa: ARG001 - as of every stage
    """Return the system in which each layer learns from the one that it was."""
    return Gradient(system.net, taught_by(teacher_of(system.net), STEPS), local, system.recipe, READOUTS["mean"])


def output(system: System, x: Tensor) -> System:  # noqa: ARG001 - as of every stage
    """Return the system whose outputs spike once, and learn alone."""
    layers = list(system.net.children())
    *_, last = (layer for layer in layers if isinstance(layer, Local))
    keep_until(system.net, last)
    net = nn.Sequential(*layers, Population(DoubleExponential(THETA), membrane=True))
    return Gradient(net, constant(STEPS), at_first, replace(system.recipe, optimiser=OUTPUT), READOUTS["first"])


def at_first(run: Run, y: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Return the cross entropy at the first event, and wrong spikes by as much as they came too early."""
    seen = membranes(run), run.output, y
    return 2 * losses.at_first_event(*seen) + BETA * losses.haste(*seen) * losses.wrong_spikes(*seen, THETA)


_ADAM = Optimiser("adam", lr=1e-4)
_LOCAL = Entry(
    name="hybrid-local",
    what="from an ANN, neurons that burst; each layer learns from the ANN's alone",
    source="arXiv 2305.16594",
    published=NOT_READABLE,
    data="Fashion-MNIST",
    network="-".join(map(str, HIDDEN)),
    codes="direct > bursts > mean",
    gradient="local",
    build=mlp(neurons, *HIDDEN, bias=False),
    ann=single_spike.source,
    forward=constant(STEPS),
    loss=local,
    readout="mean",
    standardised=False,
    recipe=Recipe(epochs=2, batch=128, optimiser=_ADAM),
    few=Recipe(epochs=10, batch=32, optimiser=_ADAM),
    begin=begin,
    ann_recipe=single_spike.ENTRIES[0].ann_recipe,
    ann_few=single_spike.ENTRIES[0].ann_few,
    stages=(hidden,),
)

ENTRIES = (
    _LOCAL,
    replace(
        _LOCAL,
        name="hybrid-coding",
        what="the same, then outputs that spike once: the first one answers",
        codes="direct > bursts > first event",
        gradient="local, then of the first event",
        readout="first",
        stages=(hidden, output),
    ),
)
