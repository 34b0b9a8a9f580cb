"""The threshold theta of each channel, from the histogram of its activations."""

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.codes import CSS
from canonic.convert.histogram import BINS, Histogram
from canonic.convert.settings import Override

CANDIDATES = 96


def threshold(
    histogram: Histogram, code: CSS, rule: Override, ceiling: float | None = None
) -> tuple[Float[Tensor, " channels"], int]:
    """Return theta for each channel and the number of dead channels, which take the largest theta of the others.

    A ceiling bounds theta so that the largest number of the code is at most the ceiling.
    """
    if rule.threshold == "max":
        theta = histogram.peak / code.largest
    elif rule.threshold == "percentile":
        theta = percentile(histogram, rule.percentile or 100) / code.largest
    else:
        theta = least_error(histogram, code)
    dead = histogram.peak <= 0
    substitute = (
        theta[~dead].max() if bool((~dead).any()) else torch.ones((), dtype=theta.dtype, device=theta.device)
    )
    theta = torch.where(dead, substitute, theta)
    return theta if ceiling is None else theta.clamp(max=ceiling / code.largest), int(dead.sum())


def percentile(histogram: Histogram, percent: float) -> Float[Tensor, " channels"]:
    """Return the value below which this percentage of the positive activations of each channel lies."""
    cumulative = histogram.counts.cumsum(1)
    wanted = (cumulative[:, -1:] * (percent / 100)).ceil().clamp(min=1)
    bins = (cumulative < wanted).sum(1)
    return torch.minimum((bins + 1) * histogram.span / BINS, histogram.peak)


def least_error(histogram: Histogram, code: CSS) -> Float[Tensor, " channels"]:
    """Return the theta whose T-digit quantiser has the least squared error on the activations of each channel.

    Candidates are fractions f of the channel's range, so that one table of errors E[f, bin] serves all channels:
    error[c, f] = sum_bin counts[c, bin] * E[f, bin].
    """
    middles = (torch.arange(BINS, dtype=torch.float64) + 0.5) / BINS
    fractions = torch.linspace(1 / CANDIDATES, 1, CANDIDATES, dtype=torch.float64)[:, None]
    errors = (code.decode(code.encode(middles.expand(CANDIDATES, -1), fractions), fractions) - middles) ** 2
    best = (histogram.counts.to("cpu", torch.float64) @ errors.T).argmin(1)
    return fractions[best, 0].to(histogram.span) * histogram.span
