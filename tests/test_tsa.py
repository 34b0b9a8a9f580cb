"""The neuron: its identity, its bound, its gate, its exact limit."""

import numpy as np
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from canonic import CSS
from canonic.neurons import run, scan
from tests.reference import neuron, quantise


@st.composite
def codes(draw, silent=None, phi=None):
    steps = draw(st.integers(1, 12))
    beta = draw(st.floats(1.1, 2.9))
    top = CSS.largest_phi(beta)
    return CSS(
        steps=steps,
        silent=draw(st.integers(0, steps)) if silent is None else min(silent, steps),
        beta=beta,
        phi=draw(st.floats(0.5, top)) if phi is None else phi,
    )


@st.composite
def driven(draw, size=1.0, **fixed):
    """A code and currents [time, batch, neurons] for it."""
    code = draw(codes(**fixed))
    shape = (draw(st.integers(1, code.steps)), 2, 3)
    currents = draw(arrays(np.float64, shape, elements=st.floats(-size, size)))
    return code, torch.from_numpy(currents)


def last_potential(code, currents, *, signed):
    *_, (_, state, _) = run(code, currents, signed=signed)
    return state.potential


@given(driven(size=3.0), st.booleans())
def test_it_does_what_the_equations_say(case, signed):
    code, currents = case
    result, end = scan(code, currents, signed=signed), last_potential(code, currents, signed=signed)
    for index in np.ndindex(2, 3):
        own = currents[(slice(None), *index)].tolist()
        spikes, v = neuron(own, code.steps, code.silent, code.beta, code.phi, signed)
        assert result.spikes[(slice(None), *index)].tolist() == spikes
        rounding = 1e-14 * code.beta ** (code.steps + code.silent)  # every step amplifies it
        assert abs(float(end[index]) - v) <= rounding * (1 + abs(v))


@given(driven(size=3.0), st.booleans())
def test_all_the_error_is_in_the_membrane(case, signed):
    """a_out = Z - v_end * beta^-(T-1+k), for any currents in any order."""
    code, currents = case
    result = scan(code, currents, signed=signed)
    z = code.decode(currents)
    residual = last_potential(code, currents, signed=signed) * code.beta ** -(code.steps - 1 + code.silent)
    scale = 1 + z.abs() + residual.abs()
    assert bool(((code.decode(result.spikes) - (z - residual)).abs() <= 1e-9 * scale).all())


@given(driven(size=1.5), st.booleans())
def test_without_overload_the_error_is_at_most_half_an_lsb(case, signed):
    code, currents = case
    result = scan(code, currents, signed=signed)
    assume(int(result.overloads.sum()) == 0)
    z = code.decode(currents)
    target = z if signed else z.clamp(min=0)
    assert bool(((code.decode(result.spikes) - target).abs() <= code.lsb / 2 * (1 + 1e-6)).all())


@given(driven(phi=0.5, silent=0), st.booleans())
def test_currents_within_the_bound_never_overload(case, signed):
    """|I| <= (3 - beta) / 2 * theta' at every firing step keeps the residual within theta' / 2 (k = 0: from rest)."""
    code, currents = case
    result = scan(code, currents * (3 - code.beta) / 2 * (1 - 1e-9), signed=signed)
    assert int(result.overloads.sum()) == 0


@given(driven(size=0.999, phi=0.5, silent=1))
def test_a_silent_step_doubles_the_current_that_is_taken(case):
    code, currents = case
    assume(code.silent == 1)
    code = CSS(steps=code.steps, silent=1)
    assert int(scan(code, currents, signed=True).overloads.sum()) == 0  # beta = 2: |I| <= 2^(k-1) = 1


def test_overloads_count_the_steps_at_which_one_spike_was_not_enough():
    code = CSS(steps=3, silent=0)
    # 5 / 2.5 thresholds at the first digit, and nothing after: v = 4, then 7, then 13; the second neuron is fine.
    result = scan(code, torch.tensor([[[5.0, 0.25]]]), signed=False)
    assert result.overloads.tolist() == [1, 1, 1]


def test_a_closed_gate_is_no_overload():
    result = scan(CSS(steps=3, silent=0), torch.full((3, 1, 4), -50.0), signed=False)
    assert result.overloads.tolist() == [0, 0, 0]
    assert result.spikes.count_nonzero() == 0


@given(driven(size=8.0))
def test_a_relu_population_never_stands_for_a_negative_number(case):
    code, currents = case
    code = CSS(steps=code.steps, silent=code.silent)
    prefixes = code.prefixes(scan(code, currents, signed=False).spikes)
    assert bool((prefixes >= 0).all())
    fired = scan(code, currents, signed=False).spikes.cumsum(0).abs() > 0
    assert bool((prefixes[-1][fired.any(0)] >= code.lsb).all())  # once positive, at least one LSB for ever


@given(st.integers(1, 12), arrays(np.float64, (12, 2, 3), elements=st.floats(-1, 1)))
def test_with_as_many_silent_steps_as_digits_it_is_the_quantiser(steps, currents):
    code = CSS(steps=steps, silent=steps)
    currents = torch.from_numpy(np.round(currents[:steps] * 64) / 64)  # exact sums, ties included
    expected, digits = quantise(code.decode(currents).numpy(), steps)
    result = scan(code, currents, signed=False)
    assert np.array_equal(code.decode(result.spikes).numpy(), expected)
    assert np.array_equal(result.spikes.numpy(), digits)


def test_an_encoder_is_a_signed_neuron_that_sees_its_input_at_once():
    code, x = CSS(steps=9, silent=0, beta=1.8, phi=0.6), torch.randn(50, 4, dtype=torch.float64)
    assert torch.equal(scan(code, x[None], signed=True).spikes, code.encode(x))


def test_missing_currents_are_zero():
    code, currents = CSS(steps=6, silent=2), torch.randn(2, 3, 4)
    padded = torch.cat([currents, torch.zeros(4, 3, 4)])
    assert torch.equal(scan(code, currents, signed=False).spikes, scan(code, padded, signed=False).spikes)


def test_the_scan_is_the_steps_in_a_row():
    code, currents = CSS(steps=5, silent=2), torch.randn(5, 3, 4)
    steps = list(run(code, currents, signed=False))
    assert [t for t, _, _ in steps] == list(range(1, 8))
    assert [spikes is None for _, _, spikes in steps] == [True] * 2 + [False] * 5
    spikes = torch.stack([s for _, _, s in steps if s is not None])
    assert torch.equal(scan(code, currents, signed=False).spikes, spikes)


def test_channels_last_streams_stay_channels_last():
    currents = torch.randn(4 * 2, 3, 5, 6).contiguous(memory_format=torch.channels_last).view(4, 2, 3, 5, 6)
    spikes = scan(CSS(steps=4), currents, signed=False).spikes
    assert spikes.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
