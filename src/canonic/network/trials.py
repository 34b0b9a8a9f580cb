"""Other conversions, tried on a few samples before one is advised: what each would gain at the worst output.

A trial changes the plan at hand (changed.py). Its mean errors are corrected on one half of the samples, as a conversion
would do with its own, and its outputs are judged on the other half, which nothing was fitted to; then the other way
round, if it has gained something. So are those of the plan that it is compared with.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from operator import add
from typing import Literal

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.errors import CanonicError, ConversionError
from canonic.network.advice import WORTH, Tried, What
from canonic.network.changed import beyond, settled, with_code, with_range, with_steps
from canonic.network.graph import Graph, Population, Precision
from canonic.network.health import Sums, decibels, noise
from canonic.network.layerwise import layerwise
from canonic.network.plan import Plan, total_steps
from canonic.network.precision import lowered
from canonic.network.redundancy import LEVELS, OVERLOAD_LIMIT, choose_levels, choose_silent
from canonic.network.reference import reference
from canonic.network.samples import capacity

TRIED = 128
"""Samples that a change is tried on, at most: overload is rare, and large where it is."""

TRIED_BYTES = 2**20
"""Bytes of a step of the largest layer for as many of them as are tried, where networks are large."""

FEWEST = 16
"""As many in any network, however large."""

HALVED = 8
"""Samples that are halved; fewer are all corrected on, and all judged."""

FINER = 0.8
"""By how much more digits must make the last of them finer to be worth it: 2 dB."""

MORE_SILENT = 4
"""Silent steps that are tried beyond those of the network, as long as each of them gains."""

Change = Callable[[Sequence[Tensor]], Plan]
"""Returns another plan, settled on these samples as a conversion settles it on its own."""


@dataclass(frozen=True)
class Bench:
    """What changes are tried on.

    Attributes:
        plan: in floats.
        precision: that it runs at.
        inputs: some samples.
    """

    plan: Plan
    precision: Precision
    inputs: Sequence[Tensor]

    @cached_property
    def halves(self) -> Sequence[tuple[Sequence[Tensor], Sequence[Tensor]]]:
        """The samples to correct on, and those to judge then: each half once."""
        if len(self.inputs[0]) < HALVED:
            return [(self.inputs, self.inputs)]
        even, odd = ([x[start::2] for x in self.inputs] for start in (0, 1))
        return [(even, odd), (odd, even)]

    @cached_property
    def wanted(self) -> Sequence[Sequence[Tensor]]:
        """The outputs of the source network on the samples to judge."""
        return [reference(self.plan.graph, judged) for _, judged in self.halves]

    @cached_property
    def before(self) -> Sequence[Sequence[Sums]]:
        """Signal and error of each output of the plan as it is, for each half."""
        plans = (settled(self.plan, fitted) for fitted, _ in self.halves)
        return [self.outputs(half, plan, self.precision) for half, plan in enumerate(plans)]

    def outputs(self, half: int, plan: Plan, precision: Precision) -> Sequence[Sums]:
        """Return signal and error of each output of a plan, on the samples of a half to judge."""
        streams = layerwise(lowered(plan, precision), self.halves[half][1])
        outputs = zip(plan.graph.outputs, self.wanted[half], streams, strict=True)
        return [noise(torch.ones(()), value, plan.value(name, stream)) for name, value, stream in outputs]

    def trial(
        self,
        what: What,
        value: int | float | str,
        change: Change,
        *,
        layer: str | None = None,
        precision: Precision | None = None,
    ) -> Tried:
        """Return what a change gains; of the first half alone where it loses there, as it cannot be the best then."""
        plans, found, gain = list[Plan](), list[Sequence[Sums]](), 0.0
        try:
            for half, (fitted, _) in enumerate(self.halves):
                plans.append(change(fitted))
                found.append(self.outputs(half, plans[-1], precision or self.precision))
                gain = _worst(found) - _worst(self.before[: half + 1])
                if not gain >= 0:
                    break
        except ConversionError:
            gain = -math.inf
        steps = max(map(total_steps, plans)) - total_steps(self.plan)
        bits = max(map(_bits, plans)) - _bits(self.plan)
        gain = -math.inf if math.isnan(gain) else round(gain, 2) + 0.0
        return Tried(what, value, layer, gain, steps, self.plan.code, bits)


def _worst(halves: Sequence[Sequence[Sums]]) -> float:
    """Return the signal-to-noise ratio of the worst output in dB, of some halves together."""
    return min(decibels(sums.signal, sums.error) for sums in (reduce(add, one) for one in zip(*halves, strict=True)))


def _bits(plan: Plan) -> float:
    """Return the bits of the largest event."""
    return max(plan.codes[node.name].alphabet.bits for node in plan.graph.populations)


def few_samples(graph: Graph, fewest: int = FEWEST) -> int:
    """Return how many samples a change is tried on, at most: more in small networks."""
    return max(fewest, capacity(graph, TRIED, TRIED_BYTES))


def more_steps(bench: Bench) -> list[Tried]:
    """Try one more digit, or twice as many where one hardly makes numbers finer, as in a rate; in one kind of code."""
    code, kinds = bench.plan.code, {type(node.neurons.code) for node in bench.plan.graph.populations}
    alike = kinds == {type(code)} and "steps" in code.to_json()  # which are not of every code a parameter
    for steps in (code.steps + 1, 2 * code.steps) if alike else ():
        with suppress(CanonicError):
            plan = with_steps(bench.plan, steps)
            if plan.code.weights[-1] <= FINER * code.weights[-1]:
                return [bench.trial("steps", steps, partial(settled, plan))]
    return []


Redundancy = Literal["silent", "levels"]
"""What lets a neuron take back what it sent too early: steps that it waited before, or large digits."""


def more_redundancy(bench: Bench, what: Redundancy, layer: str | None = None) -> list[Tried]:
    """Try more of a kind, for one population or as much for all, until it gains less than 1 dB over the one before."""
    trials, gained = list[Tried](), 0.0
    for value in _more(bench.plan, what, layer):
        plan = with_code(bench.plan, partial(_with, what, value), layer)
        trials.append(bench.trial(what, value, partial(settled, plan), layer=layer))
        if trials[-1].gain < gained + WORTH:
            break
        gained = trials[-1].gain
    return trials


def _more(plan: Plan, what: Redundancy, layer: str | None) -> Sequence[int]:
    """Return larger and larger values of a parameter of CSS, for one population or all."""
    if plan.css is None:
        return ()
    node, code = plan.graph[layer] if layer else None, plan.css
    if what == "silent":
        silent = node.silent if node else plan.graph.silent[1]
        return range(silent + 1, min(silent + MORE_SILENT, code.steps) + 1)
    css = node.neurons.css if isinstance(node, Population) else None
    levels = css.levels if css else plan.graph.levels[1]
    return [most for most in LEVELS if most > levels and code.phi == 0.5]


def _with(what: Redundancy, value: int, code: CSS) -> CSS:
    return replace(code, silent=value) if what == "silent" else replace(code, levels=value)


def least_redundancy(bench: Bench, what: Redundancy) -> list[Tried]:
    """Try in CSS as little of a kind as each population needs."""
    if bench.plan.css is None:
        return []
    choose = partial(choose_silent if what == "silent" else choose_levels, limit=OVERLOAD_LIMIT)
    return [bench.trial(what, "auto", partial(settled, bench.plan, choose=choose))]


def wider_range(bench: Bench, layer: str, rule: str) -> list[Tried]:
    """Try thresholds that hold all that is seen here: those of one layer by another rule, or of all by other data.

    They hold what both halves hold: a calibration would see many more samples, and a range grows with them.
    """
    plan, factors = bench.plan, beyond(bench.plan, bench.inputs)
    if rule in ("percentile", "balance"):
        return [bench.trial("threshold", "mse", partial(settled, with_range(plan, layer, factors[layer])), layer=layer)]
    for name, factor in factors.items():
        plan = with_range(plan, name, factor) if bool((factor > 1).any()) else plan
    return [bench.trial("calibration", round(float(factors[layer].max()), 1), partial(settled, plan), layer=layer)]


def in_floats(bench: Bench) -> list[Tried]:
    """Try the reference precision, if the network has another."""
    if bench.precision == "fp32":
        return []
    return [bench.trial("precision", "fp32", partial(settled, bench.plan), precision="fp32")]
