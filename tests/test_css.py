"""The code: numbers as signed digits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from canonic import CSS, CanonicError
from tests.reference import quantise

betas = st.floats(1.05, 2.95)
codes = st.builds(lambda steps, beta: CSS(steps=steps, silent=0, beta=beta), st.integers(1, 24), betas)


@given(codes, st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.floats(1e-3, 1e3))
def test_decoding_gives_back_any_number_in_range_to_half_an_lsb(code, fractions, theta):
    x = torch.tensor(fractions, dtype=torch.float64) * (code.largest + code.lsb / 2) * theta
    error = (code.decode(code.encode(x, theta), theta) - x).abs().max()
    assert error <= code.lsb * theta * (0.5 + 1e-6)


@given(st.integers(1, 24), betas, st.floats(0, 1), st.lists(st.floats(-1.4, 1.4), min_size=1, max_size=20))
def test_any_allowed_phi_keeps_that_bound(steps, beta, position, values):
    phi = 0.5 + position * (CSS.largest_phi(beta) - 0.5)
    code = CSS(steps=steps, silent=0, beta=beta, phi=phi)
    x = torch.tensor(values, dtype=torch.float64)
    inside = x.abs() <= min(1.4, code.largest)
    error = (code.decode(code.encode(x)) - x).abs()[inside]
    assert bool((error <= code.lsb * (0.5 + 1e-6)).all())


@given(st.integers(1, 24), st.lists(st.floats(0, 3), min_size=1, max_size=20))
def test_beta_two_is_the_clipped_quantiser_of_t_bits(steps, values):
    code, x = CSS(steps=steps, silent=0), np.array(values)
    expected, digits = quantise(x, steps)
    spikes = code.encode(torch.tensor(x, dtype=torch.float64))
    assert np.array_equal(spikes.numpy(), digits)
    assert np.array_equal(code.decode(spikes).numpy(), expected)


@given(codes, st.lists(st.floats(-100, 100), min_size=1, max_size=20))
def test_digits_are_ternary_and_saturate_beyond_the_range(code, values):
    x = torch.tensor(values, dtype=torch.float64)
    spikes = code.encode(x)
    assert set(spikes.unique().tolist()) <= {-1.0, 0.0, 1.0}
    beyond = x > code.largest + code.lsb
    assert bool((spikes[:, beyond] == 1).all())


def test_two_thirds_gives_the_non_adjacent_form_with_fewer_spikes():
    x = torch.rand(10_000, dtype=torch.float64) * 4 / 3
    plain, canonic = CSS(steps=12, silent=0).encode(x), CSS(steps=12, silent=0, phi=2 / 3).encode(x)
    adjacent = (canonic[:-2] * canonic[1:-1]).count_nonzero()  # the last digit rounds, at one half
    assert adjacent == 0
    assert canonic.count_nonzero() < 0.9 * plain.count_nonzero()


def test_weights_lsb_and_largest_follow_their_formulas():
    code = CSS(steps=5, silent=1)
    assert code.weights == (1, 0.5, 0.25, 0.125, 0.0625)
    assert code.lsb == 2**-4
    assert code.largest == 2 - 2**-4


def test_prefixes_are_the_partial_sums():
    code = CSS(steps=3, silent=0)
    assert code.prefixes(torch.tensor([[1.0], [-1.0], [1.0]])).flatten().tolist() == [1.0, 0.5, 0.75]


def test_float32_is_exact_up_to_24_digits():
    code = CSS(steps=24, silent=0)
    x = torch.rand(1000)
    assert bool(((code.decode(code.encode(x)) - x).abs() <= code.lsb / 2).all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps must be a whole number from 1 to 24, got 0"),
        ({"steps": 25}, "steps must be a whole number from 1 to 24, got 25"),
        ({"steps": True}, "steps must be a whole number from 1 to 24, got True"),
        ({"steps": 4, "silent": 5}, "silent must be a whole number from 0 to 4, got 5"),
        ({"silent": -1}, "silent must be a whole number from 0 to 8, got -1"),
        ({"beta": 1.0}, "beta must lie between 1 and 3 .exclusive., got 1.0: take 2"),
        ({"beta": 3.0}, "beta must lie between 1 and 3"),
        ({"beta": float("nan")}, "beta must lie between 1 and 3"),
        ({"phi": 0.49}, r"phi must lie in \[0.5, 0.75\] for beta = 2, got 0.49"),
        ({"phi": 0.76}, r"phi must lie in \[0.5, 0.75\] for beta = 2, got 0.76"),
        ({"phi": float("inf")}, r"phi must lie in \[0.5, 0.75\] for beta = 2, got inf"),
    ],
)
def test_parameters_out_of_range_are_refused(arguments, message):
    with pytest.raises(CanonicError, match=message):
        CSS(**arguments)
