"""How close a spiking network is to its source, population by population: sums of squares over samples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.network.graph import Neurons, Plan
from canonic.network.lockstep import Visit, lockstep
from canonic.network.reference import activate
from canonic.neurons import Scan, scan


@dataclass(frozen=True)
class Sums:
    """Sums of squares over samples, in the units of the source network; those of other samples add up.

    Attributes:
        signal: of the activation in the source network.
        error: of what the spikes stand for, against it.
        own: of what the spikes stand for, against the activation of the currents: the error that is made here.
        rounding: of the same error, did the neurons see all of their currents before they fire (k = T).
        clipping: of what the code cannot hold.
        overloads: firing steps at which a neuron was overloaded.
        firings: neurons times firing steps.
    """

    signal: float
    error: float
    own: float = 0.0
    rounding: float = 0.0
    clipping: float = 0.0
    overloads: int = 0
    firings: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def added(some: Mapping[str, Sums], more: Mapping[str, Sums]) -> dict[str, Sums]:
    """Return the sums over both sets of samples."""
    return {name: sums + more[name] for name, sums in some.items()}


def decibels(signal: float, error: float) -> float:
    """Return the signal-to-noise ratio of two sums of squares in dB; infinite without an error, 0 without a signal.

    >>> decibels(1.0, 0.01)
    20.0
    """
    if error <= 0:
        return math.inf
    return 10 * math.log10(signal / error) if signal > 0 else 0.0


def measure(plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> tuple[dict[str, Sums], dict[str, Sums]]:
    """Return the sums of all populations, and of all outputs, for some samples."""
    populations: dict[str, Sums] = {}
    outputs: dict[str, Sums] = {}
    for visit in lockstep(plan, inputs):
        if visit.node.neurons is not None and visit.scan is not None:
            populations[visit.node.name] = _sums(plan, visit, visit.node.neurons, visit.scan)
        if visit.node.name in plan.graph.outputs:
            outputs[visit.node.name] = noise(plan, visit)
    return populations, outputs


def noise(plan: Plan, visit: Visit) -> Sums:
    """Return signal and error of one node."""
    theta = visit.node.tensors.get("theta", torch.ones(()))
    return Sums(_square(visit.value * theta), _square((plan.code.decode(visit.stream) - visit.value) * theta))


def _sums(plan: Plan, visit: Visit, neurons: Neurons, did: Scan) -> Sums:
    code, theta, start = neurons.code or plan.code, visit.node.tensors["theta"], visit.node.tensors.get("start")
    decoded, target = code.decode(did.spikes), activate(visit.node, code.decode(visit.given))
    exact = scan(replace(code, silent=code.steps), visit.given, signed=neurons.signed, start=start).spikes
    return replace(
        noise(plan, visit),
        own=_square((decoded - target) * theta),
        rounding=_square((code.decode(exact) - target) * theta),
        clipping=_square((target.abs() - code.largest).clamp(min=0) * theta),
        overloads=int(did.overloads.sum()),
        firings=code.steps * decoded.numel(),
    )


def _square(x: Tensor) -> float:
    return float(x.double().square().sum())
