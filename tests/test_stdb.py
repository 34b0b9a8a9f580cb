"""Conversion, then training in time: thresholds, slopes since the last spike, what is kept."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from canonic.codes.encoders import Poisson
from canonic.learn import Delayed, Dropout, Encode, Integrator, Population, Recipe, as_network, unroll
from canonic.learn.peaks import balance
from canonic.learn.zoo import entry
from canonic.learn.zoo.stdb import PASSING, STEPS, of
from canonic.learn.zoo.training import train
from canonic.measure.table import row_of
from canonic.neurons.surrogate import since_spike

LEAK_FREE = Delayed(leak=1.0, theta=0.8)


def scanned(rule, x):
    state, spikes = rule.rest(x[0]), []
    for current in x:
        state, s = rule.step(state, current)
        spikes.append(s)
    return state, torch.stack(spikes)


@given(seed=st.integers(0, 2**31), steps=st.integers(1, 30))
def test_what_was_sent_is_what_came_less_what_is_left(seed, steps):
    x = torch.randn(steps, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    state, spikes = scanned(LEAK_FREE, x)
    torch.testing.assert_close(0.8 * spikes.sum(0), x.sum(0) - state.u)


def test_the_slope_falls_with_the_steps_since_the_last_spike():
    """One spike, then k steps of rest: the gradient of the next spike is alpha e^(-beta k) / theta."""
    rule = Delayed(theta=0.8, alpha=0.3, beta=0.5)
    fired, spikes = scanned(rule, torch.tensor([[0.9], [0.0]]))
    assert spikes.flatten().tolist() == [0.0, 1.0]
    for k in range(4):
        u = fired.u.clone().requires_grad_()
        _, s = rule.step(type(fired)(u, fired.since), torch.zeros(1))
        s.sum().backward()
        assert float(u.grad) == pytest.approx(0.3 * math.exp(-0.5 * k) / 0.8)
        fired, _ = rule.step(fired, torch.zeros(1))


def test_before_its_first_spike_a_neuron_has_no_slope_but_a_triangle_has():
    found = []
    for rule in (Delayed(beta=0.01), Delayed(beta=0.0), Delayed(beta=None)):
        x = torch.tensor([[0.9], [0.0]], requires_grad=True)
        scanned(rule, x)[1].sum().backward()
        found.append(float(x.grad[0]))
    assert found == [0.0, 0.0, pytest.approx(0.3 * 0.9)]
    assert torch.equal(since_spike(0.3, 0.0)(torch.tensor([1.0, math.inf]))(torch.ones(2)), torch.tensor([0.3, 0.0]))


def test_a_neuron_on_its_threshold_is_silent_and_what_is_taken_off_has_no_gradient():
    for u, spikes in ((0.8, 0.0), (0.8 + 1e-6, 1.0), (0.7, 0.0)):
        state = LEAK_FREE.rest(torch.zeros(1, dtype=torch.float64))._replace(u=torch.tensor([u], dtype=torch.float64))
        assert LEAK_FREE.step(state, torch.zeros(1, dtype=torch.float64))[1].item() == spikes
    rule, start = Delayed(theta=0.8, beta=None), torch.tensor([0.9], requires_grad=True)
    after, _ = rule.step(rule.rest(start)._replace(u=start), torch.zeros(1))
    after.u.sum().backward()
    assert start.grad.item() == 1.0


def layered():
    torch.manual_seed(2)
    pair = (Population(Delayed(theta=torch.ones(()))) for _ in range(2))
    return nn.Sequential(nn.Linear(6, 9, bias=False), next(pair), Dropout(0.2), nn.Linear(9, 7, bias=False), next(pair))


def test_thresholds_are_the_largest_currents_one_after_the_other():
    layers, x = layered(), torch.rand(300, 6)
    with torch.no_grad():
        layers[3].weight.abs_()
    balance(layers, x, steps=20, seed=5)
    first, second = (float(layers[place].rule.theta) for place in (1, 4))
    seen = [unroll(nn.Sequential(Encode(Poisson(20)), *layers[:4]).eval(), part, 20, seed=5) for part in x.split(128)]
    assert second == max(float(run.output.detach().max()) for run in seen)
    inputs = nn.Sequential(Encode(Poisson(20)), layers[0], Population(Integrator(leak=1e-9)))  # sends its current
    seen = [unroll(inputs.eval(), part, 20, seed=5) for part in x.split(128)]
    assert first == pytest.approx(max(float(run.output.detach().max()) for run in seen))
    balance(layers, x, steps=20, factor=0.7, seed=5)
    assert [float(layers[place].rule.theta) for place in (1, 4)] == pytest.approx([0.7 * first, 0.7 * second])


def test_a_layer_that_gets_nothing_has_a_threshold():
    layers = layered()
    with torch.no_grad():
        layers[0].weight.fill_(-1.0)
    balance(layers, torch.rand(10, 6), steps=5)
    assert [float(layers[place].rule.theta) for place in (1, 4)] == [1.0, 1.0]


def test_the_network_begins_from_the_other_and_keeps_its_thresholds():
    known, x = entry("stdb"), torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    net, low, ann = known.build((1, 8, 8), 10), known.build((1, 8, 8), 10), known.ann((1, 8, 8), 10)
    known.begin(net, ann, x)
    entry("stdb-low").begin(low, ann, x)
    assert torch.equal(net[2].weight, ann[1].weight)
    assert float(low[3].rule.theta) == pytest.approx(float(net[3].rule.theta) / 2)
    form = as_network(net, x[:2], readout="last", seed=0).graph.populations[1].neurons.rule
    assert (form.values["theta"], form.values["leak"]) == (pytest.approx(float(net[3].rule.theta)), 1.0)


def test_the_last_spikes_of_the_input_reach_the_output():
    """Behind the last step of the input each hidden layer takes one more, and nothing arrives after these."""
    known, x = entry("stdb"), torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    net, ann = known.build((1, 8, 8), 10).eval(), known.ann((1, 8, 8), 10)
    known.begin(net, ann, x)
    run = known.forward(net, x, 3)
    assert run.output.shape[0] == STEPS + PASSING
    events = [train.sum((1, 2)).tolist() for name, train in run.spikes.items() if name in ("3", "6")]
    for layer, sent in enumerate(events, start=1):
        assert not any(sent[:layer])
        assert sent[STEPS + layer - 1] > 0


def test_what_its_figures_depend_on_stands_in_the_record():
    data = TensorDataset(torch.rand(30, 1, 4, 4), torch.arange(30) % 3)
    known = replace(of("linear", 0.5, steps=4), ann_few=Recipe(epochs=1, batch=10))
    found = train(known, data, Recipe(epochs=1, batch=10), progress=False)
    assert found.history.record["constants"] == {"factor": 0.5, "T": 4, "leak": 1.0}
    snn = found.measurable(data)
    assert snn.total_steps == 4 + PASSING
    assert row_of(found, snn, data, "few")["constants"] == {"factor": 0.5, "T": 4, "leak": 1.0}
    assert snn.record["training"]["record"]["constants"]["T"] == 4
