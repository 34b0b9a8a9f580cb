"""Verification: the error of every layer of a converted network, where it drops, and what was seen to help."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import torch

from canonic.errors import DataError
from canonic.network.advice import WORTH, Tried
from canonic.network.fusion import fuse
from canonic.network.graph import Graph, Node, Population, Precision
from canonic.network.health import Sums, added, decibels, measure
from canonic.network.inputs import batches
from canonic.network.outputs import output_names
from canonic.network.plan import Plan
from canonic.network.precision import lowered
from canonic.network.samples import Samples
from canonic.network.trials import (
    Bench,
    Redundancy,
    few_samples,
    in_floats,
    least_redundancy,
    more_redundancy,
    more_steps,
    wider_range,
)
from canonic.network.verdict import LayerHealth, Verification
from canonic.progress import track

RAISED = 10 ** (WORTH / 10)
"""How much larger overload must make the noise of some layer before it is worth removing: noises add up."""

DROP = 6.0
"""Decibels that a layer must lose beyond what it inherits and rounds before it is named: half of its amplitude."""


def verify(
    plan: Plan, precision: Precision, data: Iterable[Any], *, rules: Mapping[str, str], progress: bool
) -> Verification:
    """Compare every population and output of a plan with the source network, and try what could be changed.

    Args:
        plan: in floats.
        precision: to run it at.
        data: batches of inputs.
        rules: of the thresholds of populations, where they are not those of least squared error.
        progress: show a progress bar, on a terminal.

    Raises:
        DataError: if there is no data, or it does not fit.
    """
    ran, total, kept = fuse(lowered(plan, precision)), None, None
    samples = 0
    with torch.no_grad():
        for number, inputs in enumerate(track(batches(plan.graph, data, "verification"), "verify", shown=progress)):
            kept = (kept or Samples(len(inputs[0]), few_samples(plan.graph))).add(number, inputs)
            samples += len(inputs[0])
            found = measure(ran, plan.graph, inputs)
            total = found if total is None else (added(total[0], found[0]), added(total[1], found[1]))
        if total is None or kept is None:
            raise DataError("the verification data is empty: pass at least one batch of inputs")
        verdict = judge(plan, *total, samples)
        return tried(verdict, Bench(plan, precision, kept.inputs), total[0], rules)


def tried(
    verdict: Verification, bench: Bench, populations: Mapping[str, Sums], rules: Mapping[str, str]
) -> Verification:
    """Return a verdict with what changes of the conversion gain that could help."""
    trials = [*more_steps(bench), *in_floats(bench)]
    if any(sums.own > RAISED * sums.rounding for sums in populations.values()):
        trials += redundant(bench, verdict.first_drop, _most(populations, lambda sums: sums.own - sums.rounding))
    clipped = _most(populations, lambda sums: sums.clipping)
    if populations[clipped].clipping > populations[clipped].error / 4:
        trials += wider_range(bench, clipped, rules.get(clipped, "mse"))
    known = tuple(trial for trial in trials if math.isfinite(trial.gain))
    return replace(verdict, trials=known, tried=len(bench.inputs[0]))


def redundant(bench: Bench, dropped: str | None, overloaded: str) -> list[Tried]:
    """Try what makes overloads rarer: as little as each population needs, or as much for all; more for one of them.

    One that drops is tried alone. So is that which loses most to overload where populations have unlike codes: what is
    set for each by itself goes before what is set for all. Where as much as is needed loses, more gains nothing.
    """
    trials = list[Tried]()
    alike = all(low == high for low, high in (bench.plan.graph.silent, bench.plan.graph.levels))
    alone = dropped if alike else dropped or overloaded
    for what in get_args(Redundancy):
        least = least_redundancy(bench, what) if alike else []
        if least and least[0].gain > 0:
            least += more_redundancy(bench, what)
        trials += least if alone is None else [*least, *more_redundancy(bench, what, alone)]
    return trials


def _most(populations: Mapping[str, Sums], error: Callable[[Sums], float]) -> str:
    """Return the population with the largest error of a kind against its signal."""
    return max(populations, key=lambda name: error(populations[name]) / (populations[name].signal or 1))


def judge(plan: Plan, populations: Mapping[str, Sums], outputs: Mapping[str, Sums], samples: int) -> Verification:
    """Return the verdict that follows from the sums of a network."""
    feeding, graph = sources(plan.graph), plan.graph
    layers = tuple(_health(node, populations, feeding[node.name]) for node in graph.populations)
    dropped = next((layer for layer in layers if layer.expected - layer.snr > DROP), None)
    found = {name: decibels(s.signal, s.error) for name, s in outputs.items()}
    classes = [
        name for name, node in zip(output_names(graph), graph.outputs, strict=True) if _tells_classes(graph[node])
    ]
    return Verification(
        samples=samples,
        layers=layers,
        outputs=found,
        agreement={name: outputs[name].agreed / samples for name in classes},
        first_drop=dropped.name if dropped else None,
        finding=_dropped(dropped, populations[dropped.name])
        if dropped
        else f"{_settled(graph, layers, found, feeding)}{_overloaded(populations)}",
    )


def _health(node: Node, populations: Mapping[str, Sums], feeding: set[str]) -> LayerHealth:
    sums = populations[node.name]
    before = [decibels(populations[name].signal, populations[name].error) for name in feeding]
    return LayerHealth(
        name=node.name,
        silent=node.silent,
        snr=decibels(sums.signal, sums.error),
        expected=_together(min(before, default=math.inf), decibels(sums.signal, sums.rounding - sums.clipping)),
        own=decibels(sums.signal, sums.own),
        overload=sums.overloads / sums.firings,
        overload_at_t=sums.clips / sums.firings,
    )


def _tells_classes(output: Node) -> bool:
    return len(output.shape) == 1 and output.size > 1


def sources(graph: Graph) -> dict[str, set[str]]:
    """Return for each node the populations whose spikes reach it without passing another population."""
    found: dict[str, set[str]] = {}
    for node in graph.nodes:
        found[node.name] = set()
        for name in node.inputs:
            found[node.name] |= {name} if isinstance(graph[name], Population) else found[name]
    return found


def _together(*ratios: float) -> float:
    """Return the signal-to-noise ratio of several independent noises together."""
    return decibels(1.0, sum(10 ** (-ratio / 10) for ratio in ratios))


def _dropped(layer: LayerHealth, sums: Sums) -> str:
    """Say why a layer drops."""
    lost = f"{layer.name} is the first layer that drops, to {layer.snr:.1f} dB for {layer.expected:.1f} dB:"
    overloading = sums.own - sums.rounding
    if sums.clipping > max(overloading, sums.error / 4):
        return f"{lost} its thresholds clip what it is given"
    if overloading > sums.error / 4:
        return f"{lost} its neurons are overloaded at {100 * layer.overload:.2g} % of their firing steps"
    return f"{lost} it amplifies the errors of the layers before it"


def made_by_overload(populations: Mapping[str, Sums]) -> float:
    """Return the share of the noise of all layers that more silent steps would take away: noises add up."""
    own = math.fsum(sums.own / (sums.signal or 1) for sums in populations.values())
    rounding = math.fsum(sums.rounding / (sums.signal or 1) for sums in populations.values())
    return 1 - rounding / own if own else 0.0


def _overloaded(populations: Mapping[str, Sums]) -> str:
    """Say which layer loses most to overload, where that makes much of the noise of all layers, though none drops."""
    if made_by_overload(populations) <= 1 / 4:
        return ""
    name = _most(populations, lambda sums: sums.own - sums.rounding)
    share = populations[name].overloads / populations[name].firings
    return f"; {name} loses most to overload, at {100 * share:.2g} % of its firing steps"


def _settled(
    graph: Graph, layers: Sequence[LayerHealth], outputs: Mapping[str, float], feeding: Mapping[str, set[str]]
) -> str:
    """Say where the layers lie, and what happens between them and the worst output."""
    ratios = {layer.name: layer.snr for layer in layers}
    low, high = min(ratios.values()), max(ratios.values())
    name = min(outputs, key=outputs.__getitem__)
    lie = (
        f"the layers lie between {low:.1f} and {high:.1f} dB" if len(layers) > 1 else f"the layer lies at {low:.1f} dB"
    )
    said = f"no layer stands out: {lie}, the output{f' {name}' if len(outputs) > 1 else ''} at {outputs[name]:.1f} dB"
    last = dict(zip(output_names(graph), graph.outputs, strict=True))[name]
    before = min(feeding[last], key=ratios.__getitem__, default=None)
    if before is None or isinstance(graph[last], Population) or ratios[before] - outputs[name] < DROP / 2:
        return said
    lost = ratios[before] - outputs[name]
    return f"{said}, {lost:.1f} dB below {before}, which feeds it: {last} makes errors larger against its result"
