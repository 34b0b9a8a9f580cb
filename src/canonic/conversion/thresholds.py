"""The threshold theta of each channel, from the histogram of its activations."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.codes import Weighted
from canonic.conversion.histogram import BINS, Histogram
from canonic.conversion.settings import Override

TABLE = 2**14
"""Numbers in the table of a quantiser."""

TOGETHER = 64
"""Channels whose candidates are tried at once: their histograms stay in the cache."""

FRACTIONS = 2.0 ** (torch.arange(16, -33, -1, dtype=torch.float64) / 8)
"""Candidates for the largest number of the code, as fractions of a channel's largest activation: 4 down to 1/16."""


def threshold(
    histogram: Histogram,
    code: Weighted,
    rule: Override,
    ceiling: float | None = None,
    balanced: Float[Tensor, " channels"] | None = None,
) -> tuple[Float[Tensor, " channels"], int]:
    """Return theta for each channel and the number of dead channels, which take the largest theta of the others.

    What balancing has found is taken where it was done and the channel was active meanwhile, else its largest value.
    A ceiling bounds theta so that the largest number of the code is at most the ceiling. A channel is dead if it was
    never active, or so little that numbers of its size have no inverse, or not all of their digits: see ``faintest``.
    """
    if balanced is not None:
        top = torch.where(balanced < faintest(balanced.dtype), histogram.peak, balanced)
    elif rule.threshold == "max":
        top = histogram.peak
    elif rule.threshold == "percentile":
        top = percentile(histogram, rule.percentile or 100)
    else:
        top = least_error(histogram, code)
    top = top if ceiling is None else top.clamp(max=ceiling)
    dead = histogram.peak < faintest(histogram.peak.dtype)
    substitute = top[~dead].max() if bool((~dead).any()) else top.new_tensor(min(1.0, ceiling or 1.0))
    return torch.where(dead, substitute, top) / code.nominal, int(dead.sum())


def faintest(dtype: torch.dtype) -> float:
    """Return the smallest activation that counts: with an LSB of the type below it, that is still a normal number.

    Weight decay drives the gain of a batch norm that has died to 1e-41, a subnormal float32: 1 / theta of such a
    channel is infinite, and its weights have lost digits.

    >>> faintest(torch.float32)
    9.860761315262648e-32
    """
    kind = torch.finfo(dtype)
    return kind.tiny / kind.eps


def percentile(histogram: Histogram, percent: float) -> Float[Tensor, " channels"]:
    """Return the value below which this percentage of the positive activations of each channel lies."""
    cumulative = histogram.counts.cumsum(1)
    wanted = (cumulative[:, -1:] * (percent / 100)).ceil().clamp(min=1)
    bins = (cumulative < wanted).sum(1)
    return torch.minimum((bins + 1) * histogram.span / BINS, histogram.peak)


def least_error(histogram: Histogram, code: Weighted) -> Float[Tensor, " channels"]:
    """Return the largest number c that gives the T-digit quantiser the least squared error on each channel.

        E(c) = sum_bin count[bin] * (theta quantise(centre[bin] / theta) - centre[bin])^2 + unseen(c),   theta ~ c

    The neuron differs from its quantiser only through overload, which this leaves to the silent steps.
    """
    quantise = quantiser(code)
    parts = (histogram.part(first, first + TOGETHER) for first in range(0, len(histogram.span), TOGETHER))
    best = torch.cat([_errors(part, code, quantise) for part in parts], 1).argmin(0).cpu()
    return histogram.peak * FRACTIONS[best].to(histogram.peak)


def _errors(
    histogram: Histogram, code: Weighted, quantise: Callable[[Tensor], Tensor]
) -> Float[Tensor, "candidates channels"]:
    """Return E(c) of each candidate on each channel."""
    centres, counts = histogram.centres.double(), histogram.counts.double()
    peak, start, scale, beyond = histogram.peak.double(), *tail(histogram)
    errors = []
    for fraction in FRACTIONS:
        largest = peak * fraction
        theta = (largest / code.nominal).clamp(min=torch.finfo(torch.float64).tiny)[:, None]
        missed = (theta * quantise(centres / theta).clamp_(max=code.nominal)).sub_(centres)
        seen = missed.square_().mul_(counts).sum(1)
        errors.append(seen + unseen(torch.maximum(largest, peak), start, scale, beyond))
    return torch.stack(errors)


def quantiser(code: Weighted) -> Callable[[Tensor], Tensor]:
    """Return the quantiser of a code for numbers that are not negative; where that is a simulation, a fine table."""
    if type(code).quantise is not Weighted.quantise:
        return code.quantise
    levels = code.quantise(torch.linspace(0, code.nominal, TABLE, dtype=torch.float64))
    return lambda x: levels[(x * ((TABLE - 1) / code.nominal)).round().clamp(max=TABLE - 1).long()]


def tail(
    histogram: Histogram,
) -> tuple[Float[Tensor, " channels"], Float[Tensor, " channels"], Float[Tensor, " channels"]]:
    """Return where the tail of each channel starts, its mean excess, and how many of the values seen lie in it.

    The tail is the largest hundredth of the positive values, at least ten of them.
    """
    counts = histogram.counts.double()
    above = counts.flip(1).cumsum(1).flip(1)
    wanted = torch.maximum(above[:, :1] / 100, above[:, :1].clamp(max=10))
    bins = ((above >= wanted).sum(1, keepdim=True) - 1).clamp(min=0)
    width = (histogram.span.double() / BINS)[:, None]
    start = bins * width
    excess = (counts * (histogram.centres.double() - start).clamp(min=0)).sum(1)
    beyond = above.gather(1, bins)[:, 0]
    return start[:, 0], excess / beyond.clamp(min=1), beyond


def unseen(
    largest: Float[Tensor, " channels"],
    start: Float[Tensor, " channels"],
    scale: Float[Tensor, " channels"],
    beyond: Float[Tensor, " channels"],
) -> Float[Tensor, " channels"]:
    """Return the squared error expected from values that were not seen, and that the code would clip.

    Of as many values as were seen, ``beyond * exp(-(c - start) / scale)`` exceed c if the tail is exponential, by
    ``2 scale^2`` in the mean of the square (peaks over threshold). Few digits care little, many digits a lot.
    """
    return beyond * torch.exp(-(largest - start) / scale.clamp(min=1e-300)) * 2 * scale**2
