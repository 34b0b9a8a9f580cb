"""The codes beside CSS: the defining property of each, against references in numpy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from canonic import CSS, CanonicError
from canonic.codes.binary import Binary, FewSpike
from canonic.codes.burst import Burst, GrowingBurst
from canonic.codes.latency import ExponentialLatency, Latency
from canonic.codes.multi_threshold import Differential, MultiThreshold
from canonic.codes.named import CODES, code_of, from_json, named
from canonic.codes.phase import Phase
from canonic.codes.rate import Count, Rate, SignedRate
from canonic.neurons import scan

ALL = [
    *(Rate(16), SignedRate(9), Count(6), Phase(4, 3), Burst(6), GrowingBurst(7), Latency(8), ExponentialLatency(8)),
    *(Binary(5), Binary(5, rounds="down"), FewSpike(6, 2.0), MultiThreshold(3), Differential(5, 4)),
]
steps = st.integers(1, 40)
fractions = st.lists(st.floats(0, 1), min_size=1, max_size=20)
signed_currents = st.lists(st.floats(-2, 2), min_size=1, max_size=24)
each_code = pytest.mark.parametrize("code", ALL, ids=repr)


def doubles(values):
    return torch.tensor(values, dtype=torch.float64)


def away(x, levels):
    """Keep numbers that are no tie between two levels, where rounding decides."""
    x = np.asarray(x) * levels
    return np.where(np.abs(x - np.round(x)) < 1e-6, x + 0.25, x) / levels


@each_code
def test_a_constant_is_whole_after_every_digit_and_in_phases_after_every_period(code):
    every = code.period if isinstance(code, Phase) else 1
    w, g, n = np.array(code.weights), np.array(code.gains), np.array(code.norms)
    assert len(w) == len(n) == code.steps
    assert np.allclose((np.cumsum(w * g) / n)[every - 1 :: every], 1)
    assert n[-1] == pytest.approx(1)


@each_code
def test_telescoping_gives_the_stream_with_these_prefixes(code):
    values = torch.randn(code.steps, 3, dtype=torch.float64)
    for known in (values, values[:1]):
        assert torch.allclose(code.prefixes(code.telescope(known)), known)


@each_code
def test_events_are_of_the_alphabet_and_plain_data_give_the_code_back(code):
    spikes = code.encode(torch.rand(200, dtype=torch.float64) * 1.5)
    symbols = {0.0, *code.alphabet.magnitudes} | {-m for m in code.alphabet.magnitudes if code.alphabet.signed}
    assert set(spikes.unique().tolist()) <= symbols
    assert code.alphabet.bits == math.log2(len(symbols))
    assert from_json(code.to_json()) == code
    assert spikes.shape == (code.steps, 200)


@each_code
def test_what_was_sent_never_stands_for_less_than_zero(code):
    arrived = torch.randn(code.steps, 500, dtype=torch.float64) / code.steps
    sent = (code.respond(arrived) * doubles(code.weights)[:, None]).cumsum(0)
    assert sent.min() >= -1e-9


@each_code
def test_saturation_gives_the_largest_number(code):
    assert code.decode(code.encode(doubles([1000.0]))).item() == pytest.approx(code.largest)


@given(steps, fractions)
def test_rate_counts_the_nearest_number_of_spikes(steps, x):
    x = away(np.asarray(x) + 0.5 / steps, steps) - 0.5 / steps
    x = np.clip(x, 0, 1)
    count = Rate(steps).encode(doubles(x)).sum(0).numpy()
    assert np.array_equal(count, np.minimum(np.floor(steps * x + 0.5), steps))


@pytest.mark.parametrize("code", [Rate(8), SignedRate(8), Burst(8), MultiThreshold(8), Differential(8)], ids=repr)
@given(values=signed_currents)
def test_what_is_sent_and_what_is_left_is_what_arrived(code, values):
    arrived = doubles(values[: code.steps])[:, None] / code.steps
    state, sent = code.rest(arrived[0]), 0.0
    for t in range(1, code.steps + 1):
        state, spikes = code.step(t, state, arrived[t - 1] if t <= len(arrived) else None)
        sent += code.weights[t - 1] * spikes.item()
    assert sent + state.potential.item() == pytest.approx(arrived.sum().item() + code.firing.start)


def test_signed_rate_forgets_what_turned_out_wrong():
    noise = torch.randn(32, 4000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    arrived = (noise + 0.3) / 32
    wanted = arrived.sum(0).clamp(0, 1)
    errors = [(code.decode(code.respond(arrived)) - wanted).square().mean() for code in (Rate(32), SignedRate(32))]
    assert errors[1] < 0.5 * errors[0]


@given(st.integers(1, 10), st.integers(1, 4), fractions)
def test_a_phase_period_is_the_binary_expansion(period, periods, x):
    code, level = Phase(period, periods), 2.0**period
    expected = np.minimum(np.floor(np.asarray(x) * level), level - 1) / level
    assert np.allclose(code.decode(code.encode(doubles(x))).numpy(), expected)


@given(steps, st.integers(1, 8), fractions)
def test_burst_counts_whole_thresholds(steps, most, x):
    x = away(np.asarray(x) * most, steps)
    count = Burst(steps, most, start=0.0).encode(doubles(x)).sum(0).numpy()
    assert np.array_equal(count, np.minimum(np.floor(steps * x), most * steps))


def test_bursts_of_one_spike_are_the_rate_code():
    x = torch.rand(500, dtype=torch.float64)
    assert torch.equal(Burst(16, most=1).encode(x), Rate(16).encode(x))


@given(signed_currents)
def test_growing_bursts_double_while_they_last(values):
    code, u, strength, expected = GrowingBurst(len(values), levels=3), 0.0, 1.0, []
    for value in values:
        u += value / len(values)
        fires = u * len(values) >= strength
        expected.append(strength if fires else 0.0)
        u -= expected[-1] / len(values)
        strength = min(2 * strength, 4.0) if fires else 1.0
    arrived = doubles(values)[:, None] / len(values)
    assert code.respond(arrived).flatten().tolist() == expected


@given(steps, st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=20))
def test_latency_is_the_quantised_clipped_relu_in_one_spike(steps, x):
    x = away(x, steps)
    spikes = Latency(steps).encode(doubles(x))
    assert spikes.sum(0).max() <= 1
    expected = np.floor(steps * np.clip(x, 0, 1)) / steps
    assert np.allclose(Latency(steps).decode(spikes).numpy(), expected)


@given(steps, st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=20))
def test_a_count_is_the_quantised_clipped_relu_in_spikes_one_after_the_other(steps, x):
    x, code = away(x, steps), Count(steps)
    spikes = code.encode(doubles(x))
    assert bool((spikes.diff(dim=0) <= 0).all())
    expected = np.floor(steps * np.clip(x, 0, 1)) / steps
    assert np.allclose(code.decode(spikes).numpy(), expected)
    assert np.allclose(code.quantise(doubles(x)).numpy(), expected)


@given(steps, st.floats(1, 20), st.lists(st.floats(0.001, 1), min_size=1, max_size=20))
def test_exponential_latency_takes_the_largest_weight_below(steps, tau, x):
    code = ExponentialLatency(steps, tau)
    weights = np.exp(-np.arange(steps) / tau)
    expected = [max((w for w in weights if w <= value), default=0.0) for value in x]
    assert np.allclose(code.decode(code.encode(doubles(x))).numpy(), expected)


@given(st.integers(1, 12), st.sampled_from(["down", "nearest"]), st.lists(st.floats(-1, 2), min_size=1, max_size=20))
def test_binary_is_the_quantiser_of_t_bits(steps, rounds, x):
    code, level, half = Binary(steps, rounds=rounds), 2.0**steps, 0.5 * (rounds == "nearest")
    expected = np.clip(np.floor(np.asarray(x) * level + half), 0, level - 1) / level
    assert np.array_equal(code.decode(code.encode(doubles(x))).numpy(), expected)


def test_a_radix_receiver_doubles_and_adds():
    code, weight = Binary(8), torch.randn(5, 7, dtype=torch.float64)
    x = torch.rand(7, dtype=torch.float64)
    spikes, received = code.encode(x), torch.zeros(5, dtype=torch.float64)
    for digit in spikes:
        received = 2 * received + weight @ digit
    assert torch.allclose(received / 2**8, weight @ code.quantise(x))


@given(st.integers(1, 12), st.floats(0.5, 4), st.lists(st.floats(-1, 5), min_size=1, max_size=20))
def test_few_spikes_have_to_pass_their_bar(steps, alpha, x):
    code, lsb = FewSpike(steps, alpha), alpha * 2.0**-steps
    x = away(x, 1 / lsb)
    expected = np.clip(np.ceil(x / lsb) - 1, 0, 2**steps - 1) * lsb
    assert np.allclose(code.decode(code.encode(doubles(x))).numpy(), expected)


@given(st.integers(1, 12), signed_currents)
def test_differential_coding_is_its_published_neuron(steps, values):
    """u += x[m] + in - out, with in and out the sums of x[j] / j and s[j] / j before: m times our membrane."""
    code, x = Differential(steps), [*values, *[0.0] * steps][:steps]
    u, before, sent, expected = 0.0, 0.0, 0.0, []
    for m, value in enumerate(x, 1):
        u += value + before - sent
        total = sent * m
        chosen = 0.0
        for level in range(code.levels):
            size = 2.0**-level
            if abs(u) >= 0.75 * size and (u > 0 or total >= size * (1 - 1e-6)):
                chosen = math.copysign(size, u)
                break
        expected.append(chosen)
        u -= chosen
        before, sent = before + value / m, sent + chosen / m
    arrived = doubles(x)[:, None] / torch.arange(1, steps + 1, dtype=torch.float64)[:, None]
    found = code.respond(arrived).flatten().tolist()
    assert sum(a != b for a, b in zip(found, expected, strict=True)) <= (
        1 if min(abs(abs(v) - 0.75) for v in x) < 1e-9 else 0
    )


@given(st.integers(0, 8), st.sampled_from([0.5, 0.6, 2 / 3]), st.booleans(), st.integers(0, 2**31))
def test_the_ternary_self_amplifying_neuron_is_this_neuron_in_another_frame(silent, phi, signed, seed):
    currents = torch.randn(8, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    code = CSS(steps=8, silent=silent, phi=phi)
    arrived = currents * doubles(code.weights)[:, None]
    assert torch.equal(code.respond(arrived, signed=signed), scan(code, currents, signed=signed).spikes)


@given(st.integers(1, 4), st.integers(1, 6), st.booleans(), st.integers(0, 2**31))
def test_so_is_the_neuron_of_several_levels(power, steps, signed, seed):
    code = CSS(steps, 0, 2.0**power, levels=2**power + 1)
    currents = torch.randn(steps, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 2**power
    arrived = currents * doubles(code.weights)[:, None]
    assert torch.equal(code.respond(arrived, signed=signed), scan(code, currents, signed=signed).spikes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: named("rte", steps=4), "there is no code 'rte': did you mean rate"),
        (lambda: code_of("rate:8,steps=9"), "the steps of the code rate are given twice: 'rate:8,steps=9'"),
        (lambda: named("rate", digits=4), "the code rate has no 'digits': known are steps"),
        (lambda: Rate(0), "steps of the code rate must be a whole number from 1 to 4096, got 0"),
        (lambda: Binary(25), "steps of the code binary must be a whole number from 1 to 24, got 25"),
        (lambda: Phase(0), "period of the code phase must be a whole number from 1 to 16, got 0"),
        (lambda: Burst(4, most=0), "most of the code burst must be a whole number from 1 to 64, got 0"),
        (lambda: Burst(4, start=1.0), r"start of the code burst must lie in \[0, 1\), got 1.0"),
        (lambda: GrowingBurst(4, levels=9), "levels of the code growing-burst must be a whole number from 1 to 8"),
        (lambda: MultiThreshold(4, levels=0), "levels of the code multi-threshold must be a whole number"),
        (lambda: ExponentialLatency(4, tau=0.0), "tau of the code exponential-latency must be a positive number"),
        (lambda: ExponentialLatency(4, delay=5.0), r"delay of the code exponential-latency must lie in \[0, 4\]"),
        (lambda: FewSpike(4, alpha=-1.0), "alpha of the code few-spike must be a positive number, got -1.0"),
        (lambda: Rate(4).encode(torch.zeros(1), signed=True), "the code rate has no negative event.*take css"),
    ],
)
def test_what_a_code_cannot_be_is_said(make, message):
    with pytest.raises(CanonicError, match=message):
        make()


def test_every_code_has_its_name():
    assert all(name == code.name for name, code in CODES.items())
