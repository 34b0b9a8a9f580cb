"""How close a spiking network is to its source, population by population: sums of squares over samples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import reduce

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.network.graph import Graph, Node, Population
from canonic.network.layerwise import at_once, chunk_size, current_of
from canonic.network.outputs import output_names
from canonic.network.plan import Plan
from canonic.network.population import population_scan
from canonic.network.reference import activate, reference
from canonic.network.weighted import population_of
from canonic.neurons import Scan


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
        clips: the same with k = T, where only numbers that the code cannot hold overload a neuron.
        firings: neurons times firing steps.
        agreed: of an output ``[batch, classes]``, samples with the class of the source network.
    """

    signal: float
    error: float
    own: float = 0.0
    rounding: float = 0.0
    clipping: float = 0.0
    overloads: int = 0
    clips: int = 0
    firings: int = 0
    agreed: int = 0

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


def measure(
    plan: Plan, source: Graph, inputs: Sequence[Shaped[Tensor, "batch ..."]]
) -> tuple[dict[str, Sums], dict[str, Sums]]:
    """Return the sums of all populations, and of all outputs, for some samples; few of them are computed at once.

    Args:
        plan: the spiking network, at any precision.
        source: the graph of the source network.
        inputs: a batch for each input.
    """
    parts = zip(*(torch.split(x, chunk_size(plan)) for x in inputs), strict=True)
    sums = [_measured(plan, source, part) for part in parts]
    return reduce(added, (populations for populations, _ in sums)), reduce(added, (outputs for _, outputs in sums))


def _measured(
    plan: Plan, source: Graph, inputs: Sequence[Shaped[Tensor, "batch ..."]]
) -> tuple[dict[str, Sums], dict[str, Sums]]:
    values: dict[str, Tensor] = {}
    populations: dict[str, Sums] = {}

    def keep(node: Node, _: Sequence[Tensor], value: Tensor) -> None:
        if isinstance(node, Population):
            values[node.name] = value

    def compare(node: Node, given: Sequence[Tensor], did: Scan | Tensor) -> None:
        if isinstance(node, Population) and isinstance(did, Scan):
            populations[node.name] = _sums(plan, node, values.pop(node.name), current_of(plan, node, given), did)

    wanted = reference(source, inputs, keep)
    streams = at_once(plan, inputs, compare)
    pairs = zip(output_names(source), wanted, strict=True)
    decoded = [plan.value(name, stream) for name, stream in zip(plan.graph.outputs, streams, strict=True)]
    return populations, {name: _of_output(value, found) for (name, value), found in zip(pairs, decoded, strict=True)}


def _of_output(value: Tensor, decoded: Tensor) -> Sums:
    sums = noise(torch.ones(()), value, decoded)
    if value.dim() != 2:
        return sums
    return replace(sums, agreed=int((decoded.argmax(1) == value.argmax(1)).sum()))


def noise(theta: Tensor, value: Tensor, decoded: Tensor) -> Sums:
    """Return signal and error of what one stream stands for, both in units of theta."""
    return Sums(_square(value * theta), _square((decoded - value) * theta))


def _sums(plan: Plan, node: Population, value: Tensor, currents: Tensor, did: Scan) -> Sums:
    theta, code = node.tensors["theta"], node.neurons.code or plan.code
    whole = node.tensors.get("threshold")
    given = plan.current_value(node, currents / (1 if whole is None else whole))
    decoded, target = code.decode(did.spikes), activate(node, given)
    exact = _patient(plan, node, currents)
    return replace(
        noise(theta, value, decoded),
        own=_square((decoded - target) * theta),
        rounding=_square((code.decode(exact.spikes) - target) * theta),
        clipping=_square((target.abs() - code.largest).clamp(min=0) * theta),
        overloads=int(did.overloads.sum()),
        clips=int(exact.overloads.sum()),
        firings=code.steps * decoded.numel(),
    )


def _patient(plan: Plan, node: Population, currents: Tensor) -> Scan:
    """Return what a population would do if it saw all of its current before it fires."""
    if css := node.neurons.css:
        return population_scan(_without_scales(node), [currents], replace(css, silent=css.steps), counted=True)
    waits = plan.sender(node).steps
    return population_of(plan, replace(node, neurons=replace(node.neurons, waits=waits)), currents)


def _without_scales(node: Population) -> Population:
    """Return a population that reads its current whole."""
    return replace(node, tensors={name: t for name, t in node.tensors.items() if not name.startswith("scale ")})


def _square(x: Tensor) -> float:
    return float(x.double().square().sum())
