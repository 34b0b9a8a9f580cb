"""A verdict on a converted network: the error of every layer in dB, where it drops, and what to change."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from canonic.errors import DataError
from canonic.network.graph import Graph, Plan
from canonic.network.health import Sums, added, decibels, measure
from canonic.network.inputs import batches
from canonic.network.layerwise import chunk_size
from canonic.progress import track
from canonic.tables import html_table
from canonic.words import counted

DROP = 6.0
"""Decibels that a layer must lose beyond what it inherits and rounds before it is named: half of its amplitude."""


@dataclass(frozen=True)
class LayerHealth:
    """The health of one population.

    Attributes:
        name: of the population.
        silent: its silent steps k.
        snr: signal-to-noise ratio of what its spikes stand for against the source network, in dB.
        expected: what it would be if the layer passed on the noise of the noisiest layer that feeds it, and only
            rounded, in dB; a layer that averages noise out, or cuts it off, does better.
        own: signal-to-noise ratio of the error that this layer makes by itself, in dB.
        overload: share of its firing steps at which a neuron was overloaded.
    """

    name: str
    silent: int
    snr: float
    expected: float
    own: float
    overload: float


@dataclass(frozen=True)
class Verification:
    """How close a spiking network is to its source on some data.

    Attributes:
        samples: that were compared.
        layers: the populations, in order of computation.
        outputs: signal-to-noise ratio of each output, in dB.
        first_drop: the first layer that loses 6 dB more than it inherits and rounds, if there is one.
        advice: one sentence on what to change.
    """

    samples: int
    layers: tuple[LayerHealth, ...]
    outputs: Mapping[str, float]
    first_drop: str | None
    advice: str

    @property
    def snr(self) -> float:
        """The signal-to-noise ratio of the worst output, in dB."""
        return min(self.outputs.values())

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain data; null stands for an infinite ratio."""
        data = asdict(self)
        for layer in data["layers"]:
            layer.update({name: _finite(layer[name]) for name in ("snr", "expected", "own")})
        return {**data, "outputs": {name: _finite(value) for name, value in self.outputs.items()}}

    def __repr__(self) -> str:
        drop = f"; first drop: {self.first_drop}" if self.first_drop else ""
        size = f"{counted(self.samples, 'sample')}, {counted(len(self.layers), 'layer')}"
        return f"Verification({size}, the output at {self.snr:.1f} dB{drop})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        headings = ("layer", "k", "SNR dB", "own dB", "overload %", "")
        marks = {self.first_drop: "drops"}
        rows = [
            (x.name, f"{x.silent}", f"{x.snr:.1f}", f"{x.own:.1f}", f"{100 * x.overload:.3f}", marks.get(x.name, ""))
            for x in self.layers
        ]
        return html_table(headings, rows, f"{counted(self.samples, 'sample')}; {self.advice}")

    def __str__(self) -> str:
        width = max(5, *(len(layer.name) for layer in self.layers))
        lines = [f"{'layer':{width}}   k  SNR dB  own dB  overload %"]
        for layer in self.layers:
            mark = "  <- drops" if layer.name == self.first_drop else ""
            lines.append(
                f"{layer.name:{width}}  {layer.silent:2}  {layer.snr:6.1f}  {layer.own:6.1f}"
                f"  {100 * layer.overload:10.3f}{mark}"
            )
        outputs = ", ".join(f"{name} {value:.1f} dB" for name, value in self.outputs.items())
        return "\n".join((*lines, "", f"{counted(self.samples, 'sample')}; outputs: {outputs}", self.advice))


def verify(plan: Plan, source: Graph, data: Iterable[Any], *, progress: bool) -> Verification:
    """Compare every population and output of a plan with the source network.

    Raises:
        DataError: if there is no data, or it does not fit.
    """
    total: tuple[dict[str, Sums], dict[str, Sums]] | None = None
    samples = 0
    with torch.no_grad():
        for inputs in track(batches(source, data, "verification"), "verify", shown=progress):
            for part in zip(*(torch.split(x, chunk_size(plan)) for x in inputs), strict=True):
                found = measure(plan, source, part)
                total = found if total is None else (added(total[0], found[0]), added(total[1], found[1]))
            samples += len(inputs[0])
    if total is None:
        raise DataError("the verification data is empty: pass at least one batch of inputs")
    return judge(replace(plan, graph=source), *total, samples)


def judge(plan: Plan, populations: Mapping[str, Sums], outputs: Mapping[str, Sums], samples: int) -> Verification:
    """Return the verdict that follows from the sums of a network."""
    feeding = sources(plan.graph)
    layers = []
    for node in plan.graph.populations:
        sums = populations[node.name]
        before = [decibels(populations[name].signal, populations[name].error) for name in feeding[node.name]]
        layers.append(
            LayerHealth(
                name=node.name,
                silent=node.neurons.silent if node.neurons else 0,
                snr=decibels(sums.signal, sums.error),
                expected=_together(min(before, default=math.inf), decibels(sums.signal, sums.rounding - sums.clipping)),
                own=decibels(sums.signal, sums.own),
                overload=sums.overloads / sums.firings,
            )
        )
    dropped = next((layer for layer in layers if layer.expected - layer.snr > DROP), None)
    found = {name: decibels(s.signal, s.error) for name, s in outputs.items()}
    advice = _settled(plan, layers, found) if dropped is None else _advise(plan, dropped, populations[dropped.name])
    return Verification(samples, tuple(layers), found, dropped.name if dropped else None, advice)


def sources(graph: Graph) -> dict[str, set[str]]:
    """Return for each node the populations whose spikes reach it without passing another population."""
    found: dict[str, set[str]] = {}
    for node in graph.nodes:
        found[node.name] = set()
        for name in node.inputs:
            found[node.name] |= {name} if graph[name].neurons is not None else found[name]
    return found


def _together(*ratios: float) -> float:
    """Return the signal-to-noise ratio of several independent noises together."""
    return decibels(1.0, sum(10 ** (-ratio / 10) for ratio in ratios))


def _advise(plan: Plan, layer: LayerHealth, sums: Sums) -> str:
    lost = f"{layer.name} is the first layer that drops, to {layer.snr:.1f} dB for {layer.expected:.1f} dB:"
    overloading = sums.own - sums.rounding
    if sums.clipping > max(overloading, sums.error / 4):
        return (
            f"{lost} its thresholds clip what it is given; calibrate on more data, or use the threshold rule max "
            f"(overrides={{{layer.name!r}: Override(threshold='max')}})"
        )
    if overloading > sums.error / 4 and layer.silent < plan.code.steps:
        return (
            f"{lost} its neurons are overloaded at {100 * layer.overload:.2g} % of their firing steps; give it more "
            f"silent steps (overrides={{{layer.name!r}: Override(silent={layer.silent + 1})}}), or use silent='auto'"
        )
    return f"{lost} it amplifies the errors of the layers before it; take more steps (T = {plan.code.steps + 2})"


def _settled(plan: Plan, layers: list[LayerHealth], outputs: Mapping[str, float]) -> str:
    ratios = [layer.snr for layer in layers]
    return (
        f"no layer stands out: the layers lie between {min(ratios):.1f} and {max(ratios):.1f} dB, the output at "
        f"{min(outputs.values()):.1f} dB; each further step (T = {plan.code.steps + 1}) gains about "
        f"{20 * math.log10(plan.code.beta):.0f} dB"
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
