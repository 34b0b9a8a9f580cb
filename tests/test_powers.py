"""Digits that are powers of two only: the neuron, what it is chosen from, and networks with it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from canonic import CSS, CanonicError, Settings, convert, evaluate, load
from canonic.codes import code_of, from_json, text_of
from canonic.neurons import scan, weighted_run
from tests.test_family import Small

POWERS = CSS(8, 0, levels=8, powers=True)
members = st.builds(
    lambda steps, places, beta, silent: CSS(steps, min(silent, steps), beta, levels=2**places, powers=True),
    *(st.integers(1, 8), st.integers(1, 6), st.sampled_from([1.5, 2.0, 2.75]), st.integers(0, 2)),
)
seeds = st.integers(0, 2**31)


def currents_of(seed, code, count=40):
    currents = torch.randn(code.steps, count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return currents * code.levels


def neuron(code, currents, *, signed, ceiling=None):
    """The nearest of the digits that may be sent, the larger of two, from the equations; and when it was overloaded."""
    v, sent, spikes, overloads = 0.0, 0.0, [], []
    top = code.beta**code.silent
    sizes = [2**place for place in range(code.levels.bit_length())]
    digits = [*(-size for size in reversed(sizes)), 0, *sizes]
    for t in range(1, code.steps + code.silent + 1):
        u = code.beta * v + (currents[t - 1] if t <= len(currents) else 0.0)
        s = 0
        if t > code.silent:
            room = math.inf if ceiling is None else np.round(ceiling * code.beta ** (t - code.silent - 1)) - sent
            least = -math.inf if signed else -sent
            s = min((abs(u / top - d), -abs(d), d) for d in digits if least <= d <= room)[2]
            next_up, next_down = 2 * code.levels <= room, -2 * code.levels >= least
            beyond = 1.5 * code.levels * top
            overloads.append((u > beyond and s > 0 and next_up) or (u < -beyond and s < 0 and next_down))
            spikes.append(s)
            sent = code.beta * (sent + s)
        v = u - top * s
    return spikes, overloads


@given(members, st.sampled_from([(True, None), (False, None), (False, 0.7), (False, 40.0)]), seeds)
def test_the_nearest_digit_that_may_be_sent_is_and_a_larger_one_that_is_missing_is_an_overload(code, kind, seed):
    (signed, ceiling), currents = kind, currents_of(seed, code)
    cap = None if ceiling is None else torch.tensor(ceiling, dtype=torch.float64)
    done = scan(code, currents, signed=signed, ceiling=cap)
    ours = [neuron(code, each, signed=signed, ceiling=ceiling) for each in currents.T.tolist()]
    assert done.spikes.T.tolist() == [spikes for spikes, _ in ours]
    assert done.overloads.tolist() == np.sum([overloads for _, overloads in ours], 0).tolist()
    assert set(done.spikes.unique().tolist()) <= {
        0.0,
        *code.alphabet.magnitudes,
        *(-m for m in code.alphabet.magnitudes),
    }
    assert signed or code.prefixes(done.spikes).min() >= 0


@given(members, seeds, st.booleans())
def test_the_generic_neuron_sends_the_same(code, seed, signed):
    code = CSS(code.steps, 0, 2.0, levels=code.levels, powers=True)
    currents = currents_of(seed, code)
    arrived = currents * torch.tensor(code.weights, dtype=torch.float64)[:, None]
    steps = weighted_run(code, arrived, silent=0, signed=signed)
    sent = torch.stack([spikes for _, spikes in steps])
    assert torch.equal(sent, scan(code, currents, signed=signed).spikes)


@given(members, seeds)
def test_a_number_within_the_range_is_off_by_at_most_half_of_a_larger_last_digit(code, seed):
    """What the nearest power leaves falls by beta / 3 a digit, and is at most a third of the largest at first."""
    x = torch.rand(40, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * code.levels
    left = max(0.5, code.levels / 3 * (code.beta / 3) ** (code.steps - 1))
    assert (code.quantise(x) - x).abs().max() <= left * code.lsb * (1 + 1e-9)
    assert torch.equal(code.quantise(x), code.decode(code.encode(x)))


def test_an_event_says_one_of_few_sizes_by_text_and_in_files():
    assert POWERS.alphabet.magnitudes == (8.0, 4.0, 2.0, 1.0)
    assert POWERS.alphabet.bits == math.log2(9)
    assert text_of(POWERS) == "css:8,silent=0,levels=8,powers=true"
    assert code_of(text_of(POWERS)) == code_of("css:8,0,levels=8,powers=True") == from_json(POWERS.to_json()) == POWERS
    assert "powers" not in CSS(8, 0, levels=8).to_json()
    assert CSS(8, 1, powers=True).alphabet == CSS(8, 1).alphabet


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("css:8,0,levels=6,powers=true", "the largest digit is one of them, got levels = 6: take 4"),
        ("css:8,0,3.0,levels=8,powers=true", "beta must lie between 1 and 3 .exclusive., got 3.0.*all digits instead"),
    ],
)
def test_what_is_no_member_is_refused(text, message):
    with pytest.raises(CanonicError, match=message):
        code_of(text)


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return Small().eval(), torch.randn(96, 2, 6, 6)


def snr(wanted, given):
    return 10 * math.log10(float(wanted.square().sum() / (given - wanted).square().sum()))


@torch.no_grad()
def test_a_network_is_nearly_as_exact_as_with_all_digits_in_fewer_bits(small, tmp_path):
    """As in the table of the family: a little below all digits up to the same, which are events of 5 bits."""
    model, x = small
    snn = convert(model, [x[:64]], code=POWERS, progress=False)
    wanted, given = model(x[64:]), snn(x[64:])
    every = convert(model, [x[:64]], code=CSS(8, 0, levels=8), progress=False)(x[64:])
    assert snr(wanted, given) > max(35, snr(wanted, every) - 3)
    assert snn.total_steps == 8
    assert "L = 8, powers of two" in str(snn)
    assert torch.allclose(snn(x[64:], scheduler="clocked"), given, atol=1e-4)
    assert evaluate(snn, [x[64:]], progress=False).to_json()["network"]["event_bits"] == 4
    snn.save(tmp_path / "net.snn")
    assert torch.equal(load(tmp_path / "net.snn")(x[64:]), given)


@torch.no_grad()
def test_the_largest_digit_is_chosen_by_population_and_stays_a_power(small):
    model, x = small
    code = CSS(8, 0, powers=True)
    snn = convert(model, [x[:64]], code=code, settings=Settings(levels="auto"), progress=False)
    assert all(node.neurons.code.powers for node in snn.graph.populations)
    assert snn.graph.levels[1] > 1
    assert snr(model(x[64:]), snn(x[64:])) > 20
