"""What a conversion says of itself: the error that its own calibration samples show, and what decides it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.network.health import Sums, measure
from canonic.network.plan import Plan
from canonic.network.trials import Bench, few_samples
from canonic.network.verdict import Verification
from canonic.network.verification import judge, tried

ENOUGH = 20.0
"""Decibels at the worst output under which a conversion says so: an error of a tenth."""

DECIDES = 6.0
"""Decibels that silent steps must gain before overload is said to decide the error: what a digit is worth."""


def quality(
    plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]], rules: Mapping[str, str], *, advised: bool = True
) -> tuple[dict[str, Any], list[str]]:
    """Return the figures of a plan on some of its calibration samples, for the record, and what must be said of them.

    Args:
        plan: that was converted.
        inputs: calibration samples.
        rules: of the thresholds, where they are not those of least squared error.
        advised: try what would help where the error is large; without it nothing is said.
    """
    few = [x[: few_samples(plan.graph)] for x in inputs]
    with torch.no_grad():
        populations, outputs = measure(plan, plan.graph, few)
        verdict = judge(plan, populations, outputs, len(few[0]))
        if advised and (verdict.snr < ENOUGH or _overloaded(populations)):
            verdict = tried(verdict, Bench(plan, "fp32", few), populations, rules)
    firings = sum(sums.firings for sums in populations.values())
    figures = {
        "samples": verdict.samples,
        "outputs": verdict.to_json()["outputs"],
        "overload": sum(sums.overloads for sums in populations.values()) / firings,
        "overload_at_t": sum(sums.clips for sums in populations.values()) / firings,
    }
    return figures, _notes(verdict, figures) if advised else []


def _overloaded(populations: Mapping[str, Sums]) -> bool:
    """Tell whether overload doubles the noise that some layer makes by itself, and it matters there."""
    return any(s.own > 4 * s.rounding and s.own > s.error / 4 for s in populations.values())


def _notes(verdict: Verification, figures: Mapping[str, Any]) -> list[str]:
    where = f"on {verdict.samples} calibration samples the output is at {verdict.snr:.1f} dB"
    if verdict.snr < ENOUGH:
        return [f"{where}, less than {ENOUGH:.0f}: {verdict.advice}"]
    helps = verdict.advised
    if helps is None or helps.what not in ("silent", "levels") or helps.gain < DECIDES:
        return []
    share, least = (f"{100 * figures[name]:.2g} %" for name in ("overload", "overload_at_t"))
    return [f"{where}: neurons are overloaded at {share} of their firing steps, {least} with k = T; {verdict.remedy}"]
