"""The threshold theta of each channel, from the histogram of its activations."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from canonic.codes import CSS
from canonic.conversion.histogram import BINS, Histogram
from canonic.conversion.settings import Override

ENOUGH = 100_000
"""Values of a channel whose largest is taken as it is."""

FRACTIONS = 2.0 ** (-torch.arange(33, dtype=torch.float64) / 8)
"""Candidates for the largest number of the code, as fractions of a channel's largest activation: 1 down to 1/16."""


def threshold(
    histogram: Histogram, code: CSS, rule: Override, ceiling: float | None = None
) -> tuple[Float[Tensor, " channels"], int]:
    """Return theta for each channel and the number of dead channels, which take the largest theta of the others.

    A ceiling bounds theta so that the largest number of the code is at most the ceiling.
    """
    if rule.threshold == "max":
        top = histogram.peak
    elif rule.threshold == "percentile":
        top = percentile(histogram, rule.percentile or 100)
    else:
        top = least_error(histogram, code)
    dead = histogram.peak <= 0
    if rule.threshold != "percentile":  # where nothing that was seen is clipped, little of what was not seen should be
        top = torch.where(top < histogram.peak, top, top * margin(histogram.counts.sum(1)))
    substitute = top[~dead].max() if bool((~dead).any()) else torch.ones_like(top[0])
    top = torch.where(dead, substitute, top)
    return (top if ceiling is None else top.clamp(max=ceiling)) / code.largest, int(dead.sum())


def margin(counts: Int[Tensor, " channels"]) -> Float[Tensor, " channels"]:
    """Return how much larger than what was seen a threshold should be, for channels that few values were seen of.

    The largest of n normal numbers grows as sqrt(2 log n): this is how far it would grow up to n = ENOUGH.

    >>> margin(torch.tensor([100, 100_000])).tolist()
    [1.5811388492584229, 1.0]
    """
    return (math.log(ENOUGH) / counts.clamp(2, ENOUGH).log()).sqrt()


def percentile(histogram: Histogram, percent: float) -> Float[Tensor, " channels"]:
    """Return the value below which this percentage of the positive activations of each channel lies."""
    cumulative = histogram.counts.cumsum(1)
    wanted = (cumulative[:, -1:] * (percent / 100)).ceil().clamp(min=1)
    bins = (cumulative < wanted).sum(1)
    return torch.minimum((bins + 1) * histogram.span / BINS, histogram.peak)


def least_error(histogram: Histogram, code: CSS) -> Float[Tensor, " channels"]:
    """Return the largest number that gives the T-digit quantiser the least squared error on each channel.

        E(theta) = sum_bin count[bin] * (theta quantise(centre[bin] / theta) - centre[bin])^2

    The neuron differs from its quantiser only through overload, which this leaves to the silent steps.
    """
    centres, counts = histogram.centres.double(), histogram.counts.double()
    errors = []
    for fraction in FRACTIONS:
        theta = (histogram.peak.double() * fraction / code.largest).clamp(min=torch.finfo(torch.float64).tiny)[:, None]
        errors.append((counts * (theta * code.quantise(centres / theta) - centres) ** 2).sum(1))
    best = torch.stack(errors).argmin(0).cpu()
    return histogram.peak * FRACTIONS[best].to(histogram.peak)
