"""The threshold theta of each channel, from the histogram of its activations."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
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


NEAR = 1.05
"""How many times the least error, in float32, that of a candidate may be which has the least in float64."""

COARSE = 2.0**-16
"""Mean error of a number, in units of the largest, under which float32 is too coarse to tell."""


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
    elif rule.threshold == "ceiling" and ceiling is not None:
        top = torch.full_like(histogram.peak, ceiling)
    elif rule.threshold in ("max", "ceiling"):
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
    best = torch.cat([_best(part, code, quantise) for part in parts]).cpu()
    return histogram.peak * FRACTIONS[best].to(histogram.peak)


Quantiser = Callable[[Tensor], Tensor]


def _best(histogram: Histogram, code: Weighted, quantise: Quantiser) -> Int[Tensor, " channels"]:
    """Return the candidate with the least E(c) on each channel, among those that are near it in float32."""
    centres, counts, peak = histogram.centres.double(), histogram.counts.double(), histogram.peak.double()
    start, scale, beyond = tail(histogram)
    added = unseen(torch.maximum(peak * FRACTIONS.to(peak)[:, None], peak), start, scale, beyond)
    near = _near(centres, counts, peak, added, code, quantise)
    errors = torch.full_like(near, torch.inf, dtype=torch.float64)
    for place, fraction in enumerate(FRACTIONS):
        rows = near[place]
        if bool(rows.any()):
            theta = (peak[rows] * fraction / code.nominal).clamp(min=torch.finfo(torch.float64).tiny)[:, None]
            errors[place, rows] = _seen(*_of(rows, centres, counts), theta, code, quantise) + added[place][rows]
    return errors.argmin(0)


def _seen(
    centres: Float[Tensor, "channels bins"],
    counts: Float[Tensor, "channels bins"],
    theta: Float[Tensor, "..."],
    code: Weighted,
    quantise: Quantiser,
) -> Float[Tensor, " channels"]:
    """Return the squared error of a quantiser on what was seen."""
    missed = (theta * quantise(centres / theta).clamp_(max=code.nominal)).sub_(centres)
    return missed.square_().mul_(counts).sum(1)


def _near(
    centres: Float[Tensor, "channels bins"],
    counts: Float[Tensor, "channels bins"],
    peak: Float[Tensor, " channels"],
    added: Float[Tensor, "candidates channels"],
    code: Weighted,
    quantise: Quantiser,
) -> Bool[Tensor, "candidates channels"]:
    """Return which candidates may have the least error: in float32 they are near it, or float32 is too coarse to tell.

    Numbers are in units of the peak. What a candidate would clip alone rules out most of the small ones.
    """
    unit = peak.clamp(min=torch.finfo(torch.float64).tiny)[:, None]
    numbers, added = centres / unit, added / unit[:, 0].square()
    live, fine = counts.sum(1) > 0, COARSE**2 * counts.sum(1)
    floor = torch.where(live, clipped(numbers, counts, FRACTIONS) + added, torch.inf)
    coarse, weights = numbers.float(), counts.float()
    errors = torch.full_like(added, torch.inf)
    least = errors[0].clone()
    for place in sorted(range(len(FRACTIONS)), key=lambda place: abs(float(FRACTIONS[place].log2()))):
        rows = (floor[place] <= NEAR * least) & (least > fine) & live
        if not bool(rows.any()):
            continue
        theta = torch.tensor(float(FRACTIONS[place]) / code.nominal)
        errors[place, rows] = _seen(*_of(rows, coarse, weights), theta, code, quantise).double() + added[place, rows]
        least = torch.minimum(least, errors[place])
    return ((least <= fine) | (errors <= NEAR * least)) & live


def _of(rows: Bool[Tensor, " channels"], centres: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return some rows of both, without a copy where it is all of them."""
    return (centres, counts) if bool(rows.all()) else (centres[rows], counts[rows])


def clipped(
    numbers: Float[Tensor, "channels bins"], counts: Float[Tensor, "channels bins"], tops: Float[Tensor, " candidates"]
) -> Float[Tensor, "candidates channels"]:
    """Return the squared error of all numbers above each of some tops, which they are cut to; numbers are in order."""
    below = torch.searchsorted(numbers, tops.to(numbers).expand(len(numbers), -1).contiguous(), right=True)
    moments = counts, counts * numbers, counts * numbers.square()
    zeroth, first, second = (_above(moment, below).T for moment in moments)
    top = tops.to(numbers)[:, None]
    return (second - 2 * top * first + top**2 * zeroth).clamp(min=0)


def _above(numbers: Float[Tensor, "channels bins"], below: Int[Tensor, "channels tops"]) -> Float[Tensor, "_ tops"]:
    """Return the sums of all numbers of a row but for the first, so many for each top."""
    sums = torch.nn.functional.pad(numbers.cumsum(1), (1, 0))
    return sums[:, -1:] - sums.gather(1, below)


def quantiser(code: Weighted) -> Quantiser:
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
    largest: Float[Tensor, "*candidates channels"],
    start: Float[Tensor, " channels"],
    scale: Float[Tensor, " channels"],
    beyond: Float[Tensor, " channels"],
) -> Float[Tensor, "*candidates channels"]:
    """Return the squared error expected from values that were not seen, and that the code would clip.

    Of as many values as were seen, ``beyond * exp(-(c - start) / scale)`` exceed c if the tail is exponential, by
    ``2 scale^2`` in the mean of the square (peaks over threshold). Few digits care little, many digits a lot.
    """
    return beyond * torch.exp(-(largest - start) / scale.clamp(min=1e-300)) * 2 * scale**2
