"""Streaming histograms of activations, one for each channel: their size does not depend on the amount of data."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from canonic.cluster import Workers
from canonic.network.parts import samples_at_once

BINS = 2048


@dataclass(frozen=True)
class Histogram:
    """Counts of the positive values of each channel, in equal bins from 0 to its range.

    A range is a power of two, so that bins of one range are halves, quarters, ... of those of another: counts do not
    depend on the order in which the values came, nor on the process that counted them.

    Attributes:
        counts: values in each bin.
        span: the range of each channel: the smallest power of two above its peak; 0 where no value was positive.
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

    def part(self, first: int, last: int) -> "Histogram":
        """Return the histogram of some channels, the last not included."""
        return Histogram(self.counts[first:last], self.span[first:last], self.peak[first:last], self.total)


def empty(channels: int, like: Tensor) -> Histogram:
    """Return a histogram that has seen nothing."""
    counts = torch.zeros(channels, BINS, dtype=torch.int64, device=like.device)
    return Histogram(counts, like.new_zeros(channels), like.new_zeros(channels))


def update(histogram: Histogram, values: Float[Tensor, "batch ..."], axis: int | None) -> Histogram:
    """Return the histogram with more values, few samples at a time.

    Args:
        histogram: so far.
        values: of some samples.
        axis: of a sample along which the channels lie; None where all values are of one.
    """
    for part in torch.split(values, samples_at_once(values[:1].nbytes, values.device)):
        histogram = _with(histogram, part, None if axis is None else axis + 1)
    return histogram


def _with(histogram: Histogram, values: Float[Tensor, "batch ..."], axis: int | None) -> Histogram:
    channels, others = len(histogram.span), [other for other in range(values.dim()) if other != axis]
    peak = torch.maximum(histogram.peak, values.amax(others).reshape(-1))
    span = torch.maximum(histogram.span, _span(peak))
    scale = BINS / torch.where(span > 0, span, torch.inf)
    column = [channels if other == axis else 1 for other in range(values.dim())]
    # Bin 0 takes what is not positive and is dropped.
    bins = (values * scale.view(column)).ceil_().clamp_(0, BINS).to(torch.int32)
    bins += torch.arange(channels, device=bins.device).view(column) * (BINS + 1)
    # In any order: that of memory, where channels may be last, needs no copy.
    flat = bins.permute(sorted(range(bins.dim()), key=bins.stride, reverse=True)).reshape(-1)
    counts = torch.bincount(flat, minlength=channels * (BINS + 1)).view(channels, BINS + 1)[:, 1:]
    counts.add_(_widened(histogram, span))
    return Histogram(counts, span, peak, histogram.total + values.numel() // channels)


def merged(histogram: Histogram, workers: Workers) -> Histogram:
    """Return the histogram of what all processes have seen; each must have the same channels."""
    if workers.world == 1:
        return histogram
    theirs = workers.gathered((histogram.span.cpu(), histogram.peak.cpu(), histogram.total))
    spans, peaks, totals = zip(*theirs, strict=True)
    span, peak = (torch.stack(parts).amax(0).to(histogram.span) for parts in (spans, peaks))
    return Histogram(workers.summed(_widened(histogram, span)), span, peak, sum(totals))


def _span(peak: Float[Tensor, " channels"]) -> Float[Tensor, " channels"]:
    """Return the smallest power of two above each peak, as far as the type reaches; 0 for 0."""
    largest = int(torch.tensor(torch.finfo(peak.dtype).max, dtype=peak.dtype).frexp().exponent) - 1
    exponent = peak.frexp().exponent.clamp(BINS.bit_length() - largest, largest)  # BINS / span is a number, too
    return torch.where(peak > 0, peak.new_tensor(2.0) ** exponent, 0)  # torch.ldexp is in float32 here


def _widened(histogram: Histogram, span: Float[Tensor, " channels"]) -> Int[Tensor, "channels bins"]:
    """Return the counts in the bins of a range that is at least as large; pairs of bins become one, and again."""
    counts, own = histogram.counts, torch.where(histogram.span > 0, histogram.span, span)
    while bool((short := own < span).any()):
        halved = counts[short].view(-1, BINS // 2, 2).sum(2)
        counts = counts.index_put((short,), torch.nn.functional.pad(halved, (0, BINS // 2)))
        own = torch.where(short, 2 * own, own)
    return counts
