"""Streaming histograms of activations, one for each channel: their size does not depend on the amount of data."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

BINS = 2048


@dataclass(frozen=True)
class Histogram:
    """Counts of the positive values of each channel, in equal bins from 0 to its range.

    Attributes:
        counts: values in each bin.
        span: the range of each channel: its first peak, doubled as often as later data asked for.
        peak: the largest value of each channel; 0 where none was positive.
        total: values seen in each channel, positive or not.
    """

    counts: Int[Tensor, "channels bins"]
    span: Float[Tensor, " channels"]
    peak: Float[Tensor, " channels"]
    total: int = 0

    @property
    def centres(self) -> Float[Tensor, "channels bins"]:
        """The middle of each bin."""
        middles = (torch.arange(BINS, dtype=self.span.dtype, device=self.span.device) + 0.5) / BINS
        return self.span[:, None] * middles


def empty(channels: int, like: Tensor) -> Histogram:
    """Return a histogram that has seen nothing."""
    counts = torch.zeros(channels, BINS, dtype=torch.int64, device=like.device)
    return Histogram(counts, like.new_zeros(channels), like.new_zeros(channels))


def update(histogram: Histogram, values: Float[Tensor, "channels values"]) -> Histogram:
    """Return the histogram with more values."""
    peak = values.amax(1).clamp(min=0)
    histogram = _widen(histogram, peak)
    scale = BINS / torch.where(histogram.span > 0, histogram.span, torch.inf)
    # Bin 0 takes what is not positive and is dropped.
    bins = (values * scale[:, None]).ceil_().clamp_(0, BINS).to(torch.int64)
    bins += torch.arange(len(bins), device=bins.device)[:, None] * (BINS + 1)
    counts = torch.bincount(bins.flatten(), minlength=len(bins) * (BINS + 1)).view(len(bins), BINS + 1)[:, 1:]
    return Histogram(
        histogram.counts + counts,
        histogram.span,
        torch.maximum(histogram.peak, peak),
        histogram.total + values.shape[1],
    )


def _widen(histogram: Histogram, peak: Tensor) -> Histogram:
    """Return the histogram with its range doubled until it holds the peak; pairs of bins become one."""
    counts, span = histogram.counts, torch.where(histogram.span > 0, histogram.span, peak)
    while bool((short := span < peak).any()):
        merged = torch.zeros_like(counts)
        merged[:, : BINS // 2] = counts.view(len(counts), -1, 2).sum(2)
        counts = torch.where(short[:, None], merged, counts)
        span = torch.where(short, 2 * span, span)
    return Histogram(counts, span, histogram.peak, histogram.total)
