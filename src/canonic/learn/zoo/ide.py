"""Feedback trained by the equilibrium of its spikes (Xiao et al., NeurIPS 2021, arXiv 2109.14247, and its code).

``u = leak u + F x + W s[t-1]``, ``s = H(u - V)``, ``u -= V s``: the mean a of the spikes, in which step t weighs
``leak^(T - t)``, tends to ``a = clip((W a + F x) / V, 0, 1)``. Backward that fixed point is differentiated, at the mean
that was simulated, and no time course is kept. A linear layer reads the mean.
"""

from dataclasses import dataclass, replace
from functools import partial
from math import prod

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from canonic.codes.readouts import weighted_mean
from canonic.learn.equilibrium import Loop
from canonic.learn.feedback import Feedback
from canonic.learn.gradients import Equilibrium
from canonic.learn.modules import Dropout
from canonic.learn.outcome import Outcome
from canonic.learn.population import Population
from canonic.learn.recipe import Optimiser, Recipe
from canonic.learn.schedule import Run, unroll
from canonic.learn.system import Gradient, System
from canonic.learn.zoo.entry import Entry, Shape
from canonic.learn.zoo.parts import cross_entropy, known
from canonic.neurons.leaky import Integrator
from canonic.neurons.rules import LIF

STEPS, HIDDEN, DROPPED = 5, 400, 0.2
LEAKY, WHOLE = LIF(leak=0.95, theta=2.0), LIF(leak=1.0, theta=2.0)
BETWEEN = 3.5
"""Largest norm of the layer between two populations, which it begins with: with much less the second is silent then.
Around the loop, below ``1 * 3.5 / theta^2``, means come closer, so that there is one equilibrium."""


def body(rule: LIF, hidden: int, shape: Shape, classes: int) -> nn.Module:
    """Return one population that comes back to itself, or several in a loop, and what reads their mean."""
    back = nn.Sequential(Feedback(HIDDEN), Dropout(DROPPED))
    if hidden == 1:
        neurons: nn.Module = Population(rule, Equilibrium(damping=1.0), recurrent=back)
    else:
        between = [Feedback(HIDDEN, bound=BETWEEN) for _ in range(hidden - 1)]
        for layer in between:
            nn.init.orthogonal_(layer.raw)
        neurons = Loop(rule, between, back)
    first = [nn.Flatten(), nn.Linear(prod(shape), HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), Dropout(DROPPED)]
    return nn.Sequential(*first, neurons, nn.Linear(HIDDEN, classes), Population(Integrator(leak=rule.leak)))


def without_time(hidden: int, shape: Shape, classes: int) -> nn.Module:
    """Return the network of the same shape without feedback."""
    layers = [nn.Flatten(), nn.Linear(prod(shape), HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), nn.Dropout(DROPPED)]
    for _ in range(hidden - 1):
        layers += [nn.ReLU(), nn.Linear(HIDDEN, HIDDEN)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(HIDDEN, classes))


def forward(net: nn.Module, x: Tensor, seed: int | None) -> Run:
    """Return what the outputs add up; while it trains what they read of the mean, so that no time course is kept."""
    if not torch.is_grad_enabled():
        return unroll(net, x, STEPS, seed=seed)
    *neurons, reads, outputs = net.children()
    run, rule = unroll(nn.Sequential(*neurons), x, STEPS, seed=seed), known(outputs, Population).rule
    return Run(reads(weighted_mean(run.output, known(rule, Integrator).leak))[None])


@dataclass(frozen=True)
class Looped:
    """What measures a loop of several populations, which is no graph."""

    system: System

    @property
    def net(self) -> nn.Sequential:
        """Its network."""
        return known(self.system.net, nn.Sequential)

    @property
    def neurons(self) -> dict[str, int]:
        """Neurons of each population."""
        return dict.fromkeys(self.fans, HIDDEN)

    @property
    def steps(self) -> int:
        """Steps of its readout."""
        return STEPS

    @property
    def fans(self) -> dict[str, int]:
        """Synapses that a spike of each population reaches: those of the last also lead back."""
        name, loop, outputs = len(self.net) - 3, known(self.net[-3], Loop), known(self.net[-2], nn.Linear)
        last = len(loop.layers) - 1
        return {f"{name}.{k}": HIDDEN + outputs.out_features * (k == last) for k in range(last + 1)}

    def outcome(self, x: Shaped[Tensor, "batch ..."]) -> Outcome:
        """Return what a batch does."""
        run = known(self.system, Gradient).run(x)
        spikes = {name: run.spikes[name].sum(0) for name in self.fans}
        additions = sum(float(spikes[name].sum()) * fan for name, fan in self.fans.items())
        decided = torch.full((len(x),), STEPS)
        return Outcome(run.output, decided, spikes, additions, float(len(x) * x[0].numel() * HIDDEN))


_SGD = Optimiser("sgd", lr=0.05, momentum=0.9, weight_decay=5e-4)
_ONE = Entry(
    name="ide",
    what="leaky neurons that come back to themselves, trained by the equilibrium of their spikes",
    source="arXiv 2109.14247",
    published="Fashion-MNIST 90.07 % +- 0.10 (official code)",
    data="Fashion-MNIST",
    network="400(F400)",
    codes="direct > spikes > mean",
    gradient="implicit",
    build=partial(body, LEAKY, 1),
    ann=partial(without_time, 1),
    forward=forward,
    loss=cross_entropy,
    readout="last",
    recipe=Recipe(epochs=50, batch=128, optimiser=_SGD),
    few=Recipe(epochs=30, batch=32, optimiser=_SGD),
)

ENTRIES = (
    _ONE,
    replace(
        _ONE,
        name="ide-whole",
        what="neurons without leak that come back to themselves, trained by the equilibrium of their spikes",
        published="Fashion-MNIST 90.04 % +- 0.09 (official code)",
        build=partial(body, WHOLE, 1),
    ),
    replace(
        _ONE,
        name="ide-layers",
        what="two populations in a loop, trained by the equilibrium of their spikes",
        published="none on these data",
        network="400-400(F400)",
        build=partial(body, LEAKY, 2),
        ann=partial(without_time, 2),
        trial=Looped,
    ),
)
