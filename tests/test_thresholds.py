"""Streaming histograms and the thresholds that come out of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from canonic import CSS
from canonic.codes import code_of
from canonic.conversion.histogram import BINS, empty, update
from canonic.conversion.settings import Override
from canonic.conversion.thresholds import (
    FRACTIONS,
    TOGETHER,
    least_error,
    percentile,
    quantiser,
    tail,
    threshold,
    unseen,
)


def histogram_of(*batches):
    seen = empty(len(batches[0]), batches[0])
    for batch in batches:
        seen = update(seen, batch.T, 0)
    return seen


@given(st.integers(1, 5), st.floats(1e-3, 1e3), st.integers(0, 2**31))
def test_a_stream_gives_the_counts_of_the_whole(batches, growth, seed):
    """Bins of a range that was doubled on the way hold what numpy counts in the final range."""
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(3, 50, generator=generator, dtype=torch.float64) * growth**i for i in range(batches)]
    seen, values = histogram_of(*parts), torch.cat(parts, 1).numpy()
    for channel in range(3):
        positive = values[channel][values[channel] > 0]
        edges = np.linspace(0, float(seen.span[channel]), BINS + 1)
        assert int(seen.counts[channel].sum()) == len(positive)
        if len(positive):
            assert float(seen.peak[channel]) == positive.max()
            for edge in (BINS // 4, BINS // 2):
                below = int(seen.counts[channel, :edge].sum())
                assert abs(below - np.sum(positive <= edges[edge])) <= 1  # a value on an edge, rounded
    assert seen.total == 50 * batches


@given(st.permutations(range(5)), st.floats(1e-20, 1e20), st.integers(0, 2**31))
def test_the_order_of_the_values_changes_nothing(order, growth, seed):
    """Ranges are powers of two: a pair of bins of one is a bin of the next, for whoever widens them, and when."""
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(3, 20, generator=generator) * min(growth, 1e37 ** (1 / 4)) ** i for i in range(5)]
    seen, other = histogram_of(*parts), histogram_of(*(parts[i] for i in order))
    assert torch.equal(seen.counts, other.counts)
    assert torch.equal(seen.span, other.span)
    assert torch.equal(seen.peak, other.peak)
    assert bool(((seen.peak <= seen.span) & (seen.span <= 2 * seen.peak.clamp(min=1e-16))).all())


def test_the_largest_and_smallest_numbers_of_a_type_have_a_range():
    extremes = torch.tensor([[torch.finfo(torch.float32).max], [torch.finfo(torch.float32).tiny / 8], [0.0]])
    seen = histogram_of(extremes, extremes / 2)
    assert seen.counts.sum(1).tolist() == [2, 2, 0]
    assert bool(seen.span.isfinite().all())


def test_its_size_does_not_depend_on_the_data():
    small, large = histogram_of(torch.rand(4, 10)), histogram_of(*[torch.rand(4, 1000)] * 20)
    assert small.counts.shape == large.counts.shape == (4, BINS)


def test_nothing_positive_leaves_it_empty():
    seen = histogram_of(-torch.rand(2, 30), torch.zeros(2, 5))
    assert int(seen.counts.sum()) == 0
    assert seen.peak.tolist() == [0, 0]


@pytest.mark.parametrize("name", ["css:8", "css:4,silent=0,beta=4,levels=16", "css:16", "latency:8", "few-spike:4"])
def test_channels_are_thresholded_by_themselves_however_many_there_are(name):
    """Against the error written out for one channel at a time; more channels than are tried at once."""
    seen, code = histogram_of(torch.randn(TOGETHER + 3, 300) * torch.arange(1, TOGETHER + 4)[:, None]), code_of(name)
    found = least_error(seen, code)
    quantise = quantiser(code)
    for channel in (0, 7, TOGETHER - 1, TOGETHER, TOGETHER + 2):
        alone = seen.part(channel, channel + 1)
        x, n = alone.centres[0].double(), alone.counts[0]

        def error(top, x=x, n=n, alone=alone):
            theta = top / code.nominal
            missed = theta * quantise(x / theta).clamp(max=code.nominal) - x
            start, scale, beyond = tail(alone)
            return float((n * missed**2).sum() + unseen(torch.maximum(top, alone.peak.double()), start, scale, beyond))

        assert float(found[channel]) == pytest.approx(float(min(FRACTIONS * alone.peak.double(), key=error)), rel=1e-6)


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_mse_finds_the_least_squared_error(steps):
    """Against a search with a plain uniform quantiser, on values that the calibration has not seen."""
    power = torch.tensor([[0.5], [1.0], [2.0]])
    seen = torch.randn(3, 20_000, dtype=torch.float64).abs() ** power
    fresh = torch.randn(3, 400_000, dtype=torch.float64).abs() ** power
    top = least_error(histogram_of(seen), CSS(steps=steps))
    for channel in range(3):
        a = fresh[channel].numpy()
        tops = float(seen[channel].max()) * FRACTIONS.numpy()
        lsbs = tops / (2**steps - 1)
        errors = [np.mean((np.clip(np.round(a / lsb), 0, 2**steps - 1) * lsb - a) ** 2) for lsb in lsbs]
        chosen = np.argmin(np.abs(tops - float(top[channel])))
        assert errors[chosen] <= 1.25 * min(errors)


def test_max_clips_nothing_and_percentile_a_known_share():
    values = torch.linspace(0, 1, 100_001)[None]
    seen, code = histogram_of(values), CSS(steps=8)
    largest, _ = threshold(seen, code, Override("max"))
    assert float(largest * code.largest) == pytest.approx(1.0)
    assert float(percentile(seen, 90.0)) == pytest.approx(0.9, abs=2 / BINS)
    assert float(percentile(seen, 100.0)) == 1.0


def test_what_was_not_seen_is_hardly_ever_clipped():
    """Few values of each channel, and later many more: the tail of what was seen tells how far they reach."""
    generator = torch.Generator().manual_seed(0)
    seen, later = torch.randn(64, 256, generator=generator).abs(), torch.randn(64, 10_000, generator=generator).abs()
    code = CSS(steps=8)
    theta, _ = threshold(histogram_of(seen), code, Override("mse"))
    assert (later > theta[:, None] * code.largest).double().mean() < 3e-4
    assert (later > seen.amax(1, keepdim=True)).double().mean() > 3e-3


@pytest.mark.parametrize(("steps", "clipped"), [(4, 1.2), (6, 0.7), (8, 0.15), (12, 0.01)])
def test_the_threshold_suits_the_distribution_not_only_the_sample(steps, clipped):
    """Against the least error over values that were not seen, found by search, and that of clipping at the largest."""
    torch.manual_seed(0)
    make, code = torch.distributions.Exponential(1.0).sample, CSS(steps=steps)
    seen, later = make((32, 500)), make((32, 100_000))
    error = {f: quantiser_error(later, f * seen.amax(1), code) for f in (0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0)}
    top = threshold(histogram_of(seen), code, Override("mse"))[0] * code.largest
    ours = quantiser_error(later, top, code)
    assert ours < clipped * error[1.0]
    assert ours < 2 * min(error.values()) or steps == 12


def quantiser_error(values, top, code):
    theta = (top / code.largest)[:, None]
    return float((theta * code.quantise(values / theta) - values).square().mean())


def test_a_tail_is_found_from_the_largest_hundredth():
    torch.manual_seed(0)
    values = torch.distributions.Exponential(2.0).sample((3, 50_000))
    start, scale, beyond = tail(histogram_of(values))
    assert torch.allclose(scale, torch.full((3,), 0.5, dtype=torch.float64), rtol=0.15)
    assert torch.allclose(start, values.double().quantile(0.99, dim=1), rtol=0.02)
    assert beyond.tolist() == pytest.approx([500] * 3, rel=0.1)


def test_fewer_digits_clip_more():
    seen = histogram_of(torch.randn(1, 50_000).abs())
    tops = [float(least_error(seen, CSS(steps=steps))[0]) for steps in (2, 4, 6, 8, 12)]
    assert tops == sorted(tops)


def test_a_dead_channel_takes_the_largest_theta_of_the_others():
    values = torch.rand(3, 100) * torch.tensor([[1.0], [0.0], [3.0]])
    theta, dead = threshold(histogram_of(values), CSS(), Override("max"))
    assert dead == 1
    assert theta[1] == theta[2] == theta.max()


def test_a_ceiling_bounds_the_largest_number_of_the_code():
    code = CSS(steps=4)
    theta, _ = threshold(histogram_of(torch.rand(2, 100) * 9), code, Override("max"), 6.0)
    assert theta.mul(code.largest).max() == pytest.approx(6.0)
