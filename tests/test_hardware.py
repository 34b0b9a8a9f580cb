"""The circuit of a neuron fires as whole numbers say, digit by digit: alone, and in an array that events reach."""

import shutil
from itertools import chain
from math import ceil, log2

import numpy as np
import pytest
from benchmarks.verilog import called, events, scanned, simulated, word
from hypothesis import given
from hypothesis import strategies as st

from tests.integers import population

needs_iverilog = pytest.mark.skipif(
    not shutil.which("iverilog"), reason="no iverilog: the circuit is not simulated (apt-get install iverilog)"
)
FAMILY = [
    (2, 1, 1, 8),
    (2, 0, 1, 5),
    (2, 2, 2, 6),
    (2, 0, 5, 6),
    (2, 0, 8, 8),
    (4, 1, 3, 4),
    (4, 0, 16, 3),
    (8, 0, 7, 3),
]
"""beta, k, L and T."""


def width(most, theta, beta, levels, silent):
    """Bits with which the circuit is proven to fire as if it never saturated."""
    absorbing = (most + levels * theta * beta**silent) / (beta - 1)
    return ceil(log2(absorbing)) + int(log2(beta)) + 2


def drawn(steps, seed, neurons=96):
    """Thresholds, and currents of which many are too large, many meet a bar exactly, and many come to nothing."""
    draw = np.random.default_rng(seed)
    theta = draw.integers(1, 200, neurons)
    currents = draw.integers(-800, 801, (steps, neurons))
    currents[:, ::3] //= 16
    currents[:, 1::3] = theta[1::3] * draw.integers(-3, 4, (steps, neurons // 3)) // 2
    return theta, currents


@needs_iverilog
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("beta", "silent", "levels", "steps"), FAMILY)
def test_neuron_fires_as_whole_numbers_say(beta, silent, levels, steps, signed):
    theta, currents = drawn(steps, seed=beta + silent + levels)
    member = {"levels": levels, "silent": silent, "log_beta": int(log2(beta)), "rectifies": int(not signed)}
    bits, start = width(800, theta.max(), beta, levels, silent), theta // 8
    wanted = population(currents, theta, start, steps, silent, signed, beta, levels)
    assert np.array_equal(scanned(currents, theta, beta * start, steps=steps, membrane=bits, **member), wanted)
    assert {-1, levels} <= set(wanted.flat)


@needs_iverilog
@pytest.mark.parametrize(("silent", "levels"), [(1, 1), (0, 5)])
def test_array_adds_the_rows_of_weights_that_events_bring(silent, levels):
    draw, steps, inputs, neurons = np.random.default_rng(levels), 6, 9, 5
    weights = draw.integers(-128, 128, (inputs, neurons))
    digits, start = draw.integers(-levels, levels + 1, (steps, inputs)), draw.integers(-500, 500, neurons)
    theta = draw.integers(100, 400, neurons)
    bits = width(128 * inputs * levels + 500, theta.max(), 2, levels, silent)
    commands = [f"F {word(start, bits)} {word(theta, bits)}"]
    for step in chain(digits, np.zeros((silent, inputs), dtype=int)):
        sent = ((source, one) for source, digit in enumerate(step) for one in events(digit))
        commands += [f"E {negative} {place:x} {word(weights[source], 8)}" for source, (negative, place) in sent]
        commands.append("L")
    found = simulated(commands, neurons, levels, t=steps, silent=silent, membrane=bits)
    currents = digits @ weights
    currents[0] += start
    assert np.array_equal(found, population(currents, theta, 0, steps, silent, signed=False, levels=levels))


@given(st.integers(0, 10**6), st.sampled_from(FAMILY), st.booleans())
def test_saturation_where_nothing_brings_a_membrane_back_changes_no_digit(seed, member, signed):
    beta, silent, levels, steps = member
    theta, currents = drawn(steps, seed, neurons=30)
    limit = (abs(currents).max() + levels * theta * beta**silent) // (beta - 1) + 1
    top, v, prefix = theta * beta**silent, 0, 0
    for t, wanted in enumerate(population(currents, theta, 0, steps, silent, signed, beta, levels), start=silent):
        for u in (beta * v + (currents[t] if t < steps else 0),) if t > silent else listened(currents, silent, beta):
            s = np.sign(u) * np.minimum((2 * abs(u) + top) // (2 * top), levels)
            s = s if signed else np.maximum(s, -beta * prefix)
            assert np.array_equal(s, wanted)
            v, prefix = np.clip(u - top * s, -limit, limit), beta * prefix + s


def listened(currents, silent, beta):
    """What the first k + 1 currents add up to."""
    v = 0
    for current in [*currents, 0 * currents[0]][: silent + 1]:
        v = beta * v + current
    return (v,)


def test_programs_that_fail_are_told():
    with pytest.raises(OSError, match=r"ls failed: .*nowhere"):
        called("ls", "/nowhere")
