"""What a conversion says of itself: the error that its own calibration samples show, and what decides it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.network.health import Sums, measure
from canonic.network.plan import Plan
from canonic.network.trials import few_samples
from canonic.network.verdict import Verification
from canonic.network.verification import judge, made_by_overload
from canonic.words import percent

ENOUGH = 20.0
"""Decibels at the worst output under which a conversion says so: an error of a tenth."""

DECIDES = 0.75
"""Share of the noise of all layers from which on overload is said to decide the error: 6 dB, what a digit is worth."""

FEWEST = 4
"""Samples that a conversion measures itself on, at least: those of large networks have millions of neurons each."""

HELP = "snn.verify(data) tries what would help"


@dataclass(frozen=True)
class Quality:
    """What some calibration samples show.

    Attributes:
        inputs: these samples.
        figures: for the record.
        notes: what must be said.
        populations: signal, error and overload of each.
    """

    inputs: Sequence[Shaped[Tensor, "batch ..."]]
    figures: Mapping[str, Any]
    notes: Sequence[str]
    populations: Mapping[str, Sums]


def quality(plan: Plan, inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> Quality:
    """Return what some of its calibration samples show of a plan that was converted."""
    few = [x[: few_samples(plan.graph, FEWEST)] for x in inputs]
    with torch.no_grad():
        populations, outputs = measure(plan, plan.graph, few)
    verdict = judge(plan, populations, outputs, len(few[0]))
    firings = sum(sums.firings for sums in populations.values())
    figures = {
        "samples": verdict.samples,
        "outputs": verdict.to_json()["outputs"],
        "overload": sum(sums.overloads for sums in populations.values()) / firings,
        "overload_at_t": sum(sums.clips for sums in populations.values()) / firings,
    }
    return Quality(few, figures, _notes(verdict, figures, made_by_overload(populations)), populations)


def _notes(verdict: Verification, figures: Mapping[str, Any], made: float) -> list[str]:
    where = f"on {verdict.samples} calibration samples the output is at {verdict.snr:.1f} dB"
    if verdict.snr < ENOUGH:
        return [f"{where}, less than {ENOUGH:.0f}: {verdict.finding}; {HELP}"]
    if made < DECIDES:
        return []
    share, least = (f"{100 * figures[name]:.2g} %" for name in ("overload", "overload_at_t"))
    return [
        f"{where}: neurons are overloaded at {share} of their firing steps, {least} with k = T, which makes "
        f"{percent(made, 0)} of the noise of all layers; {HELP}"
    ]
