"""Other conversions, tried on a few samples before one is advised: what each would gain at the worst output.

A trial changes the plan at hand (changed.py). Its mean errors are corrected on the samples that it is tried on, as a
conversion would do, and so are those of the plan that it is compared with.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Literal

from torch import Tensor

from canonic.codes import CSS, MOST_STEPS, Weighted
from canonic.errors import ConversionError
from canonic.network.changed import beyond, corrected, with_code, with_range
from canonic.network.graph import Graph, Precision
from canonic.network.health import noise_ratio
from canonic.network.layerwise import layerwise
from canonic.network.plan import Plan, total_steps
from canonic.network.precision import lowered
from canonic.network.reference import reference
from canonic.network.samples import capacity

TRIED = 128
"""Samples that a change is tried on, at most: overload is rare, and large where it is."""

TRIED_BYTES = 2**20
"""Bytes of a step of the largest layer for as many of them as are tried, where networks are large."""

WORTH = 1.0
"""Decibels that a change must gain to be advised, and within which the one with the fewest steps is preferred."""

MORE_SILENT = 4
"""Silent steps that are tried beyond those of the network, as long as each of them gains."""

What = Literal["steps", "silent", "threshold", "calibration", "precision"]


@dataclass(frozen=True)
class Trial:
    """A change of the conversion, and what it gained.

    Attributes:
        what: the number of "steps" T or of "silent" steps k, the rule for a "threshold", other "calibration" data, or
            the "precision" of the network.
        value: T, k, the rule, how many times larger the values are than those of the calibration, the precision.
        layer: the population whose setting changes; None where it is that of all.
        gain: at the worst output, in dB; -inf if it cannot be had.
        steps: total steps that it adds.
        code: of the network that it was tried on.
    """

    what: What
    value: int | float | str
    layer: str | None
    gain: float
    steps: int
    code: Weighted = CSS()

    def __str__(self) -> str:
        where = f" for {self.layer}" if self.layer else ""
        match self.what:
            case "steps":
                return f"T = {self.value}"
            case "silent":
                return f"k = {self.value}{where}"
            case "threshold":
                return f"the threshold rule {self.value}{where}"
            case "precision":
                return f"the precision {self.value}"
        return f"calibration on data like these ({self.value} times what {self.layer} can hold)"

    @property
    def setting(self) -> str:
        """What to write in Python for it; "" where it is no setting."""
        match self.what:
            case "precision":
                return f"to_precision({self.value!r})"
            case "calibration":
                return ""
        if self.layer is None:
            return _written(self.code, self.what, self.value)
        return f"overrides={{{self.layer!r}: Override({self.what}={self.value!r})}}"


def _written(code: Weighted, what: str, changed: int | float | str) -> str:
    """Return a code as it is written in Python: what changes, and all that is not as usual."""
    usual = type(code)()
    values = {field.name: getattr(code, field.name) for field in fields(code)} | {what: changed}  # type: ignore[arg-type]
    shown = {name: value for name, value in values.items() if name == what or value != getattr(usual, name)}
    return f"{type(code).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


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
    def before(self) -> float:
        """The signal-to-noise ratio of the worst output of the plan as it is, in dB."""
        return self.ratio(self.plan, self.precision)

    def ratio(self, plan: Plan, precision: Precision) -> float:
        """Return the signal-to-noise ratio of the worst output of a plan, in dB."""
        ready, ratio = corrected(plan, self.inputs)
        if precision == "fp32":
            return ratio
        streams = layerwise(lowered(ready, precision), self.inputs)
        outputs = zip(plan.graph.outputs, reference(plan.graph, self.inputs), streams, strict=True)
        return min(noise_ratio(value, plan.value(name, stream)) for name, value, stream in outputs)

    def trial(
        self,
        what: What,
        value: int | float | str,
        plan: Plan,
        *,
        layer: str | None = None,
        precision: Precision | None = None,
    ) -> Trial:
        """Return what a change gains."""
        try:
            gain = self.ratio(plan, precision or self.precision) - self.before
        except ConversionError:
            gain = -math.inf
        added = total_steps(plan) - total_steps(self.plan)
        return Trial(what, value, layer, -math.inf if math.isnan(gain) else round(gain, 2) + 0.0, added, self.plan.code)


def few_samples(graph: Graph) -> int:
    """Return how many samples a change is tried on: at least 16, more in small networks."""
    return max(16, capacity(graph, TRIED, TRIED_BYTES))


def best(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial with the fewest steps among those within 1 dB of the largest gain; None if none gains 1 dB."""
    top = max((trial.gain for trial in trials), default=0.0)
    near = [trial for trial in trials if trial.gain >= max(WORTH, top - WORTH)]
    return min(near, key=lambda trial: (trial.steps, -trial.gain), default=None)


def remedy(trials: Sequence[Trial], samples: int) -> str:
    """Return what to change, in words, as trials on some samples have shown."""
    helps = best(trials)
    if helps is not None:
        setting = f": {helps.setting}" if helps.setting else ""
        return f"{helps} would gain {helps.gain:.1f} dB, tried on {samples} samples{setting}"
    said = ", ".join(f"{trial} {trial.gain:+.1f} dB" for trial in trials) or "no setting is left that could help"
    return f"nothing that was tried on {samples} samples gains 1 dB: {said}"


def one_more_step(bench: Bench) -> list[Trial]:
    """Try one more digit, in CSS."""
    steps = bench.plan.code.steps + 1
    if steps > MOST_STEPS or bench.plan.css is None:
        return []
    return [bench.trial("steps", steps, with_code(bench.plan, lambda code: replace(code, steps=steps)))]


def more_silent_steps(bench: Bench, layer: str | None = None) -> list[Trial]:
    """Try more silent steps in CSS, for one population or as many for all, as long as each of them gains."""
    if bench.plan.css is None:
        return []
    graph, trials, gained = bench.plan.graph, list[Trial](), 0.0
    neurons = graph[layer].neurons if layer else None
    now = neurons.silent if neurons else graph.silent[1]
    for k in range(now + 1, min(now + MORE_SILENT, bench.plan.code.steps) + 1):
        plan = with_code(bench.plan, lambda code, k=k: replace(code, silent=k), layer)  # type: ignore[misc]
        trials.append(bench.trial("silent", k, plan, layer=layer))
        if trials[-1].gain < gained + WORTH:
            break
        gained = trials[-1].gain
    return trials


def wider_range(bench: Bench, layer: str, rule: str) -> list[Trial]:
    """Try thresholds that hold all that is seen here: those of one layer by another rule, or of all by other data."""
    factors = beyond(bench.plan, bench.inputs)
    if rule == "percentile":
        plan = with_range(bench.plan, layer, factors[layer])
        return [bench.trial("threshold", "mse", plan, layer=layer)]
    plan = bench.plan
    for name, factor in factors.items():
        plan = with_range(plan, name, factor) if bool((factor > 1).any()) else plan
    return [bench.trial("calibration", round(float(factors[layer].max()), 1), plan, layer=layer)]


def in_floats(bench: Bench) -> list[Trial]:
    """Try the reference precision, if the network has another."""
    return [] if bench.precision == "fp32" else [bench.trial("precision", "fp32", bench.plan, precision="fp32")]
