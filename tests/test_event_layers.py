"""Layers of spike times: against loops over neurons, windows and patches, and what they refuse."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from canonic.errors import ConversionError, DataError
from canonic.learn import LIF, EventConv2d, EventInput, EventLinear, EventPool, Population, as_network, fire, unroll
from canonic.learn.windowed import WindowConv2d, WindowInput, WindowLinear, WindowOutput, WindowPool
from canonic.learn.zoo import entry
from canonic.learn.zoo.spike_times import BINS
from canonic.neurons.current_based import CurrentBased
from canonic.neurons.quotient import Quotient, spike_times

RAMP = Quotient.ramp(horizon=4.0)
TWICE = Quotient.integrator(0.4, 1.0, 2, horizon=6.0)


def times(seed, *shape, silent=0.3):
    generator = np.random.default_rng(seed)
    e = generator.uniform(0, 1.5, shape)
    e[generator.random(shape) < silent] = np.inf
    return torch.tensor(e, dtype=torch.float32)


def first_ramp(e, w, horizon=4.0):
    """The first time at which a sum of ramps reaches 1: by every causal set, in float64."""
    came = sorted((float(t), float(v)) for t, v in zip(e, w, strict=True) if math.isfinite(t))
    for count in range(1, len(came) + 1):
        slope = sum(v for _, v in came[:count])
        until = came[count][0] if count < len(came) else horizon
        if slope > 0 and came[count - 1][0] < until:
            t = (1 + sum(v * t for t, v in came[:count])) / slope
            if t <= until:
                return max(t, came[count - 1][0])
    return math.inf


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_a_linear_layer_fires_as_a_loop_says(seed):
    torch.manual_seed(seed)
    layer, e = EventLinear(6, 4, RAMP, mean=4.0), times(seed, 3, 1, 2, 3)
    found = layer(e)
    for n in range(3):
        for o in range(4):
            expected = first_ramp(e[n].flatten().tolist(), layer.weight[o].tolist())
            assert found[n, 0, o].item() == pytest.approx(expected, abs=1e-4)


def test_each_spike_of_an_input_is_an_event_with_its_weight():
    layer, e = EventLinear(3, 2, RAMP), times(3, 2, 2, 3)
    by_hand = spike_times(RAMP, e.flatten(1), torch.cat([layer.weight, layer.weight], 1))
    torch.testing.assert_close(layer(e), by_hand)
    assert layer.did(e).additions == 2 * int(e.isfinite().sum())
    torch.testing.assert_close(layer.did(e).drive, e.isfinite().float().sum(1) @ layer.weight.t())


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("neuron", [RAMP, TWICE])
def test_a_convolution_is_a_dense_layer_of_each_patch(padding, neuron):
    torch.manual_seed(1)
    layer, e = EventConv2d(2, 3, 3, neuron, padding=padding), times(4, 2, len(neuron.a), 2, 5, 6)
    found, dense = layer(e), EventLinear(18, 3, neuron)
    dense.weight.data = layer.weight.data.flatten(1)
    assert found.shape == (2, len(neuron.a), 3, 3 + 2 * padding, 4 + 2 * padding)
    padded, events = torch.nn.functional.pad(e, [padding] * 4, value=math.inf), 0
    for i in range(found.shape[3]):
        for j in range(found.shape[4]):
            patch = padded[..., i : i + 3, j : j + 3]
            torch.testing.assert_close(found[..., i, j], dense(patch))
            torch.testing.assert_close(layer.did(e).drive[..., i, j], dense.did(patch).drive)
            events += dense.did(patch).additions
    assert layer.did(e).additions == events


def test_gradients_pass_through_convolution_pooling_and_spikes_that_never_come():
    net = nn.Sequential(EventInput((1, 6, 6), 1.0), EventConv2d(1, 2, 3, TWICE), EventPool(2), EventLinear(8, 3, TWICE))
    x = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    out = fire(net, x).output
    torch.where(out.isfinite(), out, 0.0).sum().backward()
    for parameter in net.parameters():
        assert parameter.grad.isfinite().all()
        assert parameter.grad.count_nonzero()


def test_pooling_keeps_the_earliest_events_of_a_window():
    e = times(5, 2, 2, 3, 5, 4)
    found = EventPool(2)(e)
    assert found.shape == (2, 2, 3, 2, 2)
    for n, c, i, j in np.ndindex(2, 3, 2, 2):
        window = e[n, :, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flatten().sort().values
        assert found[n, :, c, i, j].tolist() == window[:2].tolist()


def test_inputs_fire_once_and_faint_ones_never():
    x = torch.tensor([[0.0, 0.02, 0.5, 1.0]])
    assert EventInput((4,), least=0.02)(x).tolist() == [[[math.inf, math.inf, 0.5, 0.0]]]
    e = EventInput((4,), tau=2.0)(x)[0, 0]
    torch.testing.assert_close(e[1:], torch.exp((1 - x[0, 1:]) / 2))


def test_what_neurons_lack_and_additions_are_those_of_all_layers():
    torch.manual_seed(0)
    net, x = nn.Sequential(EventInput((5,)), EventLinear(5, 4, RAMP), EventLinear(4, 2, RAMP)), torch.rand(3, 5)
    found = fire(net, x, enough=1.5)
    hidden, out = found.times.values()
    assert out is found.output
    came = [EventInput((5,))(x).isfinite().float()[:, 0], hidden.isfinite().float()[:, 0]]
    lacks = [(1.5 - c @ layer.weight.t()).relu().mean() for c, layer in zip(came, (net[1], net[2]), strict=True)]
    torch.testing.assert_close(found.silence, sum(lacks))
    assert found.additions == int(4 * came[0].sum() + 2 * came[1].sum())


def test_samples_that_never_fire_have_an_answer_and_pull_at_the_weights():
    known = entry("rel-psp")
    system = known.system((1, 8, 8), 10, known.recipe_for(200, 0))
    run = system.run(torch.zeros(2, 1, 8, 8))
    assert (run.output == -8).all()
    loss = system.loss(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(math.log(10) + 2 * 1.5)
    found = known.trial(system).outcome(torch.zeros(2, 1, 8, 8))
    assert found.decided.tolist() == [BINS, BINS]
    assert found.additions == 0


def test_a_trial_reads_the_answer_bin_by_bin():
    known = entry("spike-time")
    system = known.system((1, 8, 8), 10, known.recipe_for(200, 0))
    trial, x = known.trial(system), torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    found, t = trial.outcome(x), fire(system.net, x).output[:, 0].log()
    assert trial.neurons == {"1": 800, "2": 10}
    assert found.spikes["1"].shape == (5, 800)
    width = 5.0 / BINS
    for n in range(5):
        first = int(t[n].min().clamp(max=5) / width) + 1
        assert found.decided[n] == min(first, BINS)
        for b in range(BINS):
            fired = [-t[n, c].item() if t[n, c] <= (b + 1) * width else -5.0 for c in range(10)]
            assert found.readout[b, n].tolist() == pytest.approx(fired)


SLOW, FAST = Quotient.integrator(0.5, 2.0, 1), Quotient.integrator(0.5, 1.0, 1)


@pytest.mark.parametrize(
    ("tau", "neurons", "why"),
    [
        (
            None,
            (SLOW,),
            r"layer 1 reads times as e = exp\(t / 2\), layer 0 sends e = t: take EventInput\(shape, tau=2.0",
        ),
        (
            2.0,
            (RAMP,),
            r"layer 1 reads times as e = t, layer 0 sends e = exp\(t / 2\): take EventInput\(shape, tau=None",
        ),
        (1.0, (CurrentBased.of(0.5, 1.0, 1),), r"e = exp\(t / 2\), layer 0 sends e = exp\(t / 1\).* tau=2.0"),
        (
            2.0,
            (SLOW, FAST),
            r"layer 2 .* e = exp\(t / 1\), layer 1 sends e = exp\(t / 2\): give the neurons of both one",
        ),
    ],
)
def test_times_in_another_unit_are_refused_and_the_remedy_helps(tau, neurons, why):
    def net(tau, neurons):
        return nn.Sequential(EventInput((4,), tau), *(EventLinear(4, 4, neuron, mean=8.0) for neuron in neurons))

    with pytest.raises(DataError, match=why):
        fire(net(tau, neurons), torch.rand(3, 4))
    assert fire(net(neurons[0].unit, neurons[:1] * 2), torch.rand(3, 4)).output.shape == (3, 1, 4)


def test_layers_of_events_and_of_steps_refuse_each_other():
    events = nn.Sequential(EventInput((4,)), EventLinear(4, 2, RAMP))
    with pytest.raises(DataError, match=r"an EventInput was called in unroll\(\) or tick\(\): it reads times"):
        unroll(events, torch.rand(2, 4), steps=3)
    with pytest.raises(DataError, match="layer 1 is a Population: a network of spike times has EventInput"):
        fire(nn.Sequential(EventInput((4,)), Population(LIF())), torch.rand(2, 4))
    with pytest.raises((DataError, ConversionError)):
        as_network(events, torch.rand(2, 4), steps=3)


@pytest.mark.parametrize(
    ("layer", "e", "why"),
    [
        (EventInput((4,)), torch.rand(2, 3), r"samples have the shape \[4\] here, got \[3\]"),
        (EventInput((2,)), torch.tensor([[-1.0, 0.5]]), r"numbers in \[0, 1\], got -1 to 0.5: scale them"),
        (EventInput((1,)), torch.tensor([[math.nan]]), r"numbers in \[0, 1\], got nan"),
        (EventLinear(4, 2, RAMP), torch.rand(2, 1, 3), r"of 4 inputs, got \[2, 1, 3\]"),
        (EventConv2d(2, 2, 3, RAMP), torch.rand(2, 1, 3, 5, 5), r"of 2 channels, got \[2, 1, 3, 5, 5\]"),
        (
            EventConv2d(3, 2, 5, RAMP, padding=1),
            torch.rand(2, 1, 3, 2, 9),
            r"5 x 5, and with padding=1 .* of 2 x 9 have",
        ),
        (EventPool(2), torch.rand(2, 1, 3, 1, 5), r"of at least 2 x 2, got \[2, 1, 3, 1, 5\]"),
    ],
)
def test_what_a_layer_cannot_read_is_refused(layer, e, why):
    with pytest.raises(DataError, match=why):
        layer(e)


def test_no_samples_have_no_times_as_in_steps_they_have_no_spikes():
    net = nn.Sequential(EventInput((1, 4, 4)), EventConv2d(1, 2, 3, RAMP), EventPool(2), EventLinear(2, 3, RAMP))
    assert fire(net, torch.rand(0, 1, 4, 4)).output.shape == (0, 1, 3)


def in_window(w, t):
    """When a sum of ramps first reaches a threshold that falls from 1 to 0 in the window [1, 2), from its start."""

    def membrane(now):
        return sum(v * (now - at) for v, at in zip(w, t, strict=True) if math.isfinite(at))

    above = [now for now in np.linspace(1, 2, 401)[:-1] if membrane(now) >= 2 - now]
    if not above:
        return math.inf if membrane(2) <= 0 else 1.0
    low, high = max(1.0, above[0] - 1 / 400), above[0]
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if membrane(middle) >= 2 - middle else (middle, high)
    return high - 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1.0, 2.0, 8.0]))
def test_a_neuron_fires_in_its_window_where_its_membrane_meets_the_threshold(seed, scale):
    torch.manual_seed(seed)
    layer, t = WindowLinear(6, 5).double(), times(seed, 4, 6, silent=0.2).double() / 1.6
    with torch.no_grad():
        layer.weight.mul_(scale)
        found = layer(t)
    for n, o in np.ndindex(4, 5):
        expected = in_window(layer.weight[o].tolist(), t[n].tolist())
        if not 0.99 < expected < 1.01:
            assert found[n, o].item() == pytest.approx(expected, abs=1e-3)


def test_a_window_is_the_quotient_neuron_with_a_falling_threshold():
    neuron = Quotient.falling(theta=2.0, slope=1.0, horizon=2.0)
    torch.manual_seed(0)
    layer, t = WindowLinear(6, 50), times(1, 40, 6, silent=0.2) / 1.6
    expected, found = spike_times(neuron, t, layer.weight)[:, 0] - 1, layer(t)
    inside = (expected > 0) & (expected < 1)
    assert inside.sum() > 100
    torch.testing.assert_close(found[inside], expected[inside], rtol=0, atol=1e-4)


def test_a_windowed_network_of_convolutions_learns():
    torch.manual_seed(0)
    net = nn.Sequential(
        WindowInput(), WindowConv2d(1, 4, 3, padding=1), WindowPool(2), nn.Flatten(), WindowOutput(64, 3)
    )
    x, y = torch.rand(12, 1, 8, 8), torch.arange(12) % 3
    out = net(x)
    earliest = net[2](net[1](net[0](x)))
    assert (earliest == net[1](net[0](x)).unfold(2, 2, 2).unfold(3, 2, 2).amin((-1, -2))).all()
    nn.functional.cross_entropy(out, y).backward()
    assert all(p.grad.isfinite().all() and p.grad.count_nonzero() for p in net.parameters())
    with pytest.raises(DataError, match="a WindowInput was called in unroll"):
        unroll(net, x, steps=2)
