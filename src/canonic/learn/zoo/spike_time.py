"""Times of many spikes a neuron, with exact gradients (Yang, Zhang and Li, arXiv 2211.16113).

``dI/dt = -I/tau + sum w delta(t - t[i])``, and ``dv/dt = I``, or ``dv/dt = -v/(2 tau) + I`` where membranes leak, too;
at v = theta a spike takes theta away. Spikes come in closed form (``neurons/quotient.py``, ``current_based.py`` there).
Loss and encoding are derived.
"""

from dataclasses import dataclass
from math import exp, prod

from torch import nn

from canonic.learn.events import EventInput, EventLinear
from canonic.learn.recipe import Cosine, Optimiser, Recipe
from canonic.learn.system import Forward, System
from canonic.learn.zoo.bodies import mlp, relu
from canonic.learn.zoo.entry import NOT_READABLE, Entry, Shape
from canonic.learn.zoo.spike_times import EventTrial, loss, scores
from canonic.neurons.current_based import CurrentBased
from canonic.neurons.quotient import Quotient

HIDDEN, TAU, THETA = 800, 1.0, 0.5
EARLY, LATE = 3.0, 5.0
"""Horizons of the hidden neurons and of the outputs, in time."""
FAINT = 0.02
"""Pixels up to this one do not fire."""
SPIKES, EPOCHS = 4, 12
SLOW = 4.0
"""tau where membranes leak: for one spike the best on held-out training pictures (``benchmarks.time_constants``)."""


@dataclass(frozen=True)
class Timed:
    """Two layers of neurons of these equations; of an output the first spike alone counts.

    Attributes:
        leaks: whether membranes do.
        spikes: that a hidden neuron may send.
        tau: of the currents.
    """

    leaks: bool
    spikes: int
    tau: float = TAU

    @property
    def scale(self) -> float:
        """Of time: ``e = exp(t / scale)``."""
        return 2 * self.tau if self.leaks else self.tau

    @property
    def least(self) -> float:
        """The sum of weights from which on a neuron fires whose inputs come together."""
        return (2 if self.leaks else 1) * THETA / self.tau

    def neuron(self, spikes: int, last: float) -> Quotient | CurrentBased:
        """Return a neuron that is silent after the time ``last``."""
        if self.leaks:
            return CurrentBased.of(THETA, self.tau, spikes, last)
        return Quotient.integrator(THETA, self.tau, spikes, horizon=exp(last / self.tau))

    def build(self, shape: Shape, classes: int) -> nn.Module:
        """Return the network; weights begin with a mean that lets neurons fire."""
        return nn.Sequential(
            EventInput(shape, self.scale, FAINT),
            EventLinear(prod(shape), HIDDEN, self.neuron(self.spikes, EARLY), mean=16 * self.least),
            EventLinear(HIDDEN, classes, self.neuron(1, LATE), mean=4 * self.least),
        )

    @property
    def forward(self) -> Forward:
        """Of the network, with the penalty of neurons that lack weight."""
        return scores(LATE, self.scale, enough=1.5 * self.least)

    def trial(self, system: System) -> EventTrial:
        """Return what measures it."""
        return EventTrial(system, LATE, self.scale)


_ADAM = Optimiser("adam", lr=1e-3)


def timed(name: str, what: str, neurons: Timed, epochs: int = EPOCHS) -> Entry:
    """Return the entry of such a network."""
    return Entry(
        name=name,
        what=f"{what}, times in closed form with exact gradients; the first output answers",
        source="arXiv 2211.16113",
        published=NOT_READABLE,
        data="Fashion-MNIST",
        network=str(HIDDEN),
        codes="times > spikes > first event",
        gradient="exact, of times",
        build=neurons.build,
        ann=mlp(relu, HIDDEN),
        forward=neurons.forward,
        loss=loss,
        readout="last",
        standardised=False,
        recipe=Recipe(epochs=epochs, batch=128, optimiser=_ADAM, schedule=Cosine(), clip=5.0),
        few=Recipe(epochs=20, batch=32, optimiser=_ADAM, schedule=Cosine(), clip=5.0),
        trial=neurons.trial,
    )


ENTRIES = (
    timed("spike-time", f"up to {SPIKES} spikes a neuron without leak", Timed(False, SPIKES)),
    timed("spike-time-once", "one spike a neuron without leak", Timed(False, 1)),
    timed("spike-time-leaky", f"up to {SPIKES} spikes a neuron whose membrane leaks", Timed(True, SPIKES, SLOW)),
    timed("spike-time-leaky-once", "one spike a neuron whose membrane leaks", Timed(True, 1, SLOW)),
)
