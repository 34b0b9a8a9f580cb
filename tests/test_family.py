"""The family of CSS: digits -L .. L, any radix below 2 L + 1, and networks that answer after T steps."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from canonic import CSS, CanonicError, ConversionError, Override, Settings, convert, evaluate
from canonic.neurons import scan

members = st.builds(
    lambda steps, levels, position, silent: CSS(
        steps, min(silent, steps), 1.2 + position * (2 * levels - 0.3), 0.5, levels
    ),
    *(st.integers(1, 8), st.integers(2, 20), st.floats(0, 1), st.integers(0, 3)),
)
radix = st.builds(
    lambda steps, beta, extra: CSS(steps, 0, float(beta), 0.5, beta // 2 + extra),
    st.integers(1, 6),
    st.integers(2, 8),
    st.integers(1, 9),
)
seeds = st.integers(0, 2**31)


def currents_of(seed, steps, count=40):
    return torch.randn(steps, count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def neuron(code, currents, *, signed, ceiling=None):
    """One neuron, from the equations of the specification, in plain numbers: its spikes."""
    v, prefix, spikes = 0.0, 0.0, []
    top = code.beta**code.silent
    for t in range(1, code.steps + code.silent + 1):
        u = code.beta * v + (currents[t - 1] if t <= len(currents) else 0.0)
        s = 0
        if t > code.silent:
            s = math.copysign(min(math.floor(abs(u) / top + 0.5), code.levels), u)
            if not signed:
                s = max(s, -math.floor(code.beta * prefix))
            if ceiling is not None:
                s = min(s, math.floor(np.round(ceiling * code.beta ** (t - code.silent - 1)) - code.beta * prefix))
            prefix = code.beta * prefix + s
            spikes.append(s)
        v = u - top * s
    return spikes


@given(members, st.booleans(), seeds)
def test_the_neuron_is_that_of_the_specification(code, signed, seed):
    currents = currents_of(seed, code.steps) * code.levels / 2
    found = scan(code, currents, signed=signed).spikes.T.tolist()
    assert found == [neuron(code, each, signed=signed) for each in currents.T.tolist()]


@given(members, seeds)
def test_within_the_bound_nothing_is_overloaded_and_the_error_is_half_a_digit(code, seed):
    """|I[t]| <= (L + (1 - beta) / 2) theta' keeps the residual within theta' / 2."""
    code = CSS(code.steps, 0, code.beta, 0.5, code.levels)
    share = torch.rand(code.steps, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    currents = share * (code.levels + (1 - code.beta) / 2)
    done = scan(code, currents, signed=True)
    assert done.overloads.sum() == 0
    assert (code.decode(done.spikes) - code.decode(currents)).abs().max() <= code.lsb * (0.5 + 1e-6)


@given(radix, seeds)
def test_a_neuron_that_sees_everything_first_is_the_quantiser(code, seed):
    z = currents_of(seed, 1)[0] * code.nominal / 2
    late = CSS(code.steps, code.steps, code.beta, 0.5, code.levels)
    decoded = code.decode(scan(late, z[None], signed=False).spikes)
    expected = np.clip(np.floor(np.maximum(z.numpy(), 0) / code.lsb + 0.5) * code.lsb, 0, code.largest)
    assert np.allclose(decoded.numpy(), expected)
    assert np.allclose(code.quantise(z.clamp(min=0)).numpy(), expected)


@given(radix, seeds, st.floats(0.3, 3))
def test_what_is_sent_stays_between_zero_and_the_ceiling(code, seed, ceiling):
    currents = currents_of(seed, code.steps) * code.levels
    cap = torch.tensor(ceiling, dtype=torch.float64)
    spikes = scan(code, currents, signed=False, ceiling=cap).spikes
    prefixes = code.prefixes(spikes)
    room = 0.5 * torch.tensor(code.weights, dtype=torch.float64)[:, None]
    assert prefixes.min() >= 0
    assert bool((prefixes <= ceiling + room + 1e-9).all())
    assert spikes.T.tolist() == [neuron(code, each, signed=False, ceiling=ceiling) for each in currents.T.tolist()]


@given(radix, seeds)
def test_the_digits_of_a_maximum_are_no_larger_than_those_it_is_taken_of(code, seed):
    spikes = scan(code, currents_of(seed, code.steps) * code.levels, signed=False).spikes
    digits = code.telescope(code.prefixes(spikes).view(code.steps, -1, 4).amax(2))
    assert torch.allclose(digits, digits.round(), atol=1e-6)
    assert digits.abs().max() <= code.levels + 1e-6


class Small(nn.Module):
    """Convolutions, a residual sum, ReLU6, max pooling, a signed current and a concatenation."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.narrow = (
            nn.Conv2d(2, 6, 3, padding=1),
            nn.Conv2d(6, 6, 3, padding=1),
            nn.Conv2d(6, 4, 1),
        )
        self.wide, self.head = nn.Conv2d(4, 8, 1), nn.Linear(14 * 9, 5)
        self.relu, self.relu6, self.pool = nn.ReLU(), nn.ReLU6(), nn.MaxPool2d(2)

    def forward(self, x):
        x = self.relu(self.stem(x))
        x = self.relu6(self.conv(x) * 3 + x)
        x = self.pool(torch.cat([x, self.relu(self.wide(self.narrow(x)))], 1))
        return self.head(x.flatten(1))


@pytest.mark.parametrize(
    ("code", "least"),
    [
        (CSS(8, 0, levels=8), 35),
        (CSS(4, 0, 4.0, levels=16), 35),
        (CSS(2, 0, 16.0, levels=64), 32),
        (CSS(5, 1, 3.0, levels=3), 32),
    ],
    ids=str,
)
@torch.no_grad()
def test_a_network_answers_after_its_digits_whatever_the_depth(code, least):
    model, x = Small().eval(), torch.randn(96, 2, 6, 6)
    snn = convert(model, [x[:64]], code=code, progress=False)
    assert snn.total_steps == code.steps + code.silent * snn.depth
    wanted, given = model(x[64:]), snn(x[64:])
    assert 10 * math.log10(float(wanted.square().sum() / (given - wanted).square().sum())) > least
    readout = snn.readout(x[64:], scheduler="clocked")
    assert torch.allclose(readout, snn.readout(x[64:]), atol=1e-4)
    assert torch.allclose(readout[-1], given, atol=1e-4)


@torch.no_grad()
def test_levels_are_chosen_by_population_and_named():
    model, x = Small().eval(), torch.randn(96, 2, 6, 6)
    settings = Settings(levels="auto", overrides={"relu": Override(levels=16)})
    snn = convert(model, [x[:64]], code=CSS(8, 0), settings=settings, progress=False)
    levels = {node.name: node.neurons.code.levels for node in snn.graph.populations}
    assert levels["relu"] == 16
    assert min(levels.values()) > 1
    assert snn.code.levels == max(levels.values()) <= 64
    assert f"L = {min(levels.values())} to {max(levels.values())}" in str(snn)
    wanted = model(x[64:])
    assert 10 * math.log10(float(wanted.square().sum() / (snn(x[64:]) - wanted).square().sum())) > 35


def test_silent_steps_and_levels_are_not_both_automatic():
    with pytest.raises(ConversionError, match="both auto: each buys what the other does"):
        Settings(silent="auto", levels="auto")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": 0}, "levels must be a whole number from 1 to 127, got 0"),
        ({"levels": 128}, "levels must be a whole number from 1 to 127, got 128"),
        ({"levels": 2, "beta": 5.0}, "beta must lie between 1 and 5 .exclusive., got 5.0: .*or more levels"),
        ({"levels": 2, "phi": 0.6}, r"phi must lie in \[0.5, 0.5\]"),
    ],
)
def test_what_is_no_member_is_refused(arguments, message):
    with pytest.raises(CanonicError, match=message):
        CSS(**arguments)


def test_a_spike_of_several_levels_is_one_event_and_as_many_additions_as_it_says():
    """Counted once more from the traces: events, units, and additions behind a layer of fan-out 3."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    x = torch.randn(40, 6)
    snn = convert(model, [x], code=CSS(steps=4, silent=0, beta=4.0, levels=16), progress=False)
    found = evaluate(snn, [x], progress=False)
    digits = snn.trace(x)["1"].spikes
    assert digits.abs().max() > 1
    assert found.spikes_per_neuron == pytest.approx(int(digits.count_nonzero()) / (40 * 8))
    assert found.units_per_neuron == pytest.approx(float(digits.abs().sum()) / (40 * 8))
    assert found.operations["2"].additions == 3 * int(digits.abs().sum())
    assert found.operations["2"].event_additions == 3 * int(digits.count_nonzero())
    network = found.to_json()["network"]
    assert (network["levels"], network["event_bits"]) == (16, 6)


@pytest.mark.parametrize("levels", [1, 4])
def test_a_ceiling_in_units_that_differ_from_place_to_place(levels):
    """Thresholds by the last axis of a picture: a linear layer reads it, and the activation is clipped."""

    class Places(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Conv2d(1, 1, 1), nn.Linear(6, 3)

        def forward(self, x):
            return self.last(nn.functional.relu6(self.first(x) * torch.arange(1.0, 7.0)))

    torch.manual_seed(0)
    model, x = Places().eval(), 3 * torch.randn(30, 1, 4, 6)
    snn = convert(model, [x], code=CSS(steps=8, silent=1, levels=levels), progress=False)
    assert snn.verify([x], progress=False).snr > 25
    assert torch.allclose(snn(x), snn(x, scheduler="clocked"), atol=1e-4)
