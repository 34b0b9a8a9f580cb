"""Streaming histograms and the thresholds that come out of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from canonic import CSS
from canonic.conversion.histogram import BINS, empty, update
from canonic.conversion.settings import Override
from canonic.conversion.thresholds import FRACTIONS, least_error, percentile, threshold


def histogram_of(*batches):
    seen = empty(len(batches[0]), batches[0])
    for batch in batches:
        seen = update(seen, batch)
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


def test_its_size_does_not_depend_on_the_data():
    small, large = histogram_of(torch.rand(4, 10)), histogram_of(*[torch.rand(4, 1000)] * 20)
    assert small.counts.shape == large.counts.shape == (4, BINS)


def test_nothing_positive_leaves_it_empty():
    seen = histogram_of(-torch.rand(2, 30), torch.zeros(2, 5))
    assert int(seen.counts.sum()) == 0
    assert seen.peak.tolist() == [0, 0]


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_mse_finds_the_least_squared_error(steps):
    """Against a search over the raw values with a plain uniform quantiser."""
    values = torch.randn(3, 20_000, dtype=torch.float64).abs() ** torch.tensor([[0.5], [1.0], [2.0]])
    top = least_error(histogram_of(values), CSS(steps=steps))
    for channel in range(3):
        a = values[channel].numpy()
        tops = a.max() * FRACTIONS.numpy()
        lsbs = tops / (2**steps - 1)
        errors = [np.mean((np.clip(np.round(a / lsb), 0, 2**steps - 1) * lsb - a) ** 2) for lsb in lsbs]
        chosen = np.argmin(np.abs(tops - float(top[channel])))
        assert errors[chosen] <= 1.02 * min(errors)


def test_max_clips_nothing_and_percentile_a_known_share():
    values = torch.linspace(0, 1, 100_001)[None]
    seen, code = histogram_of(values), CSS(steps=8)
    largest, _ = threshold(seen, code, Override("max"))
    assert float(largest * code.largest) == pytest.approx(1.0)
    assert float(percentile(seen, 90.0)) == pytest.approx(0.9, abs=2 / BINS)
    assert float(percentile(seen, 100.0)) == 1.0


@pytest.mark.parametrize(("seen", "larger"), [(256, 1.44), (10_000, 1.118), (100_000, 1.0), (1_000_000, 1.0)])
def test_a_channel_that_was_rarely_seen_gets_a_larger_threshold(seen, larger):
    """So that what comes later is clipped as rarely as if 100,000 values had been seen."""
    values = torch.linspace(1 / seen, 1, seen)[None]
    theta, _ = threshold(histogram_of(values), CSS(steps=8), Override("max"))
    assert float(theta * CSS(steps=8).largest) == pytest.approx(larger, rel=2e-3)
    clipped = float(threshold(histogram_of(values), CSS(steps=8), Override("percentile", 90.0))[0]) * 2
    assert clipped == pytest.approx(0.9, rel=1e-2)


def test_the_margin_keeps_unseen_values_within_the_code():
    generator = torch.Generator().manual_seed(0)
    code, beyond = CSS(steps=8), []
    seen, later = torch.randn(64, 256, generator=generator).abs(), torch.randn(64, 10_000, generator=generator).abs()
    theta, _ = threshold(histogram_of(seen), code, Override("mse"))
    beyond = (later > theta[:, None] * code.largest).double().mean()
    assert beyond < 2e-4
    assert (later > seen.amax(1, keepdim=True)).double().mean() > 3e-3


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
