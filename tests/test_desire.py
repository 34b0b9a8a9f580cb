"""Desire backpropagation: the equations by loops over neurons and steps, its invariants, what it refuses."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from canonic.errors import DataError, TrainingError
from canonic.learn import Moment, Optimiser, Recipe
from canonic.learn.desire import (
    LEAK,
    MISSED,
    QUIET,
    Desire,
    Pass,
    Wish,
    encoded,
    moved,
    wish_of_hidden,
    wish_of_outputs,
)
from canonic.learn.zoo import entry
from canonic.learn.zoo.desire import trial

RECIPE = Recipe(epochs=1, batch=4, optimiser=Optimiser("sgd", lr=0.01))


def system(seed=0, sizes=(5, 7, 6, 3), steps=12, **options):
    torch.manual_seed(seed)
    layers = [nn.Linear(a, b, bias=False) for a, b in pairwise(sizes)]
    for layer in layers:
        nn.init.normal_(layer.weight, 0.3, 0.6)
    return Desire(nn.Sequential(*layers), sizes[:1], RECIPE, steps, **options)


def samples(count=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 5, generator=generator), torch.randint(3, (count,), generator=generator)


def by_loops(weights, x, steps):
    """Spikes that each layer reads and sends, neuron by neuron, in float64."""
    read, sent = [np.zeros((steps, len(w[0]))) for w in weights], [np.zeros((steps, len(w))) for w in weights]
    v0, v = np.zeros(len(x)), [np.zeros(len(w)) for w in weights]
    for t in range(steps):
        v0 += x
        read[0][t] = v0 >= 1
        v0 -= read[0][t]
        for k, w in enumerate(weights):
            if k:
                read[k][t] = sent[k - 1][t - 1] if t else 0
            v[k] = LEAK * v[k] + w @ read[k][t]
            sent[k][t] = v[k] >= 1
            v[k] -= sent[k][t]
    return read, sent


def wishes_by_loops(weights, sent, label, steps):
    rates = [s.sum(0) / (steps - 4) for s in sent]
    found, y, d = [], None, None
    for k in reversed(range(len(weights))):
        if y is None:
            y = (np.arange(len(weights[k])) == label).astype(float)
            d = (2 * y - 1) * (np.abs(y - rates[k]) > MISSED)
        else:
            q = weights[k + 1].T @ (np.abs(y - rates[k + 1]) * d)
            y = (q > 0).astype(float)
            d = (2 * y - 1) * (np.abs(q) >= QUIET[nn.Linear])
        found.insert(0, d)
    return found


def change_by_loops(read, sent, d):
    x, change = np.zeros(read.shape[1]), np.zeros((len(d), read.shape[1]))
    for t in range(len(read)):
        x = LEAK * x + read[t]
        for j in range(len(d)):
            for i in range(len(x)):
                change[j, i] += d[j] * sent[t, j] * x[i]
    return change


@settings(max_examples=12)
@given(st.integers(0, 500))
def test_an_update_is_the_triple_loop(seed):
    """With whole weights and pixels of eighths, so that no rounding moves a spike."""
    here, (x, y) = system(seed), samples(3, seed)
    x = (x * 8).round() / 8
    with torch.no_grad():
        for layer in here.net:
            layer.weight.copy_((layer.weight * 8).round() / 8)
    before = [layer.weight.detach().double().numpy().copy() for layer in here.net]
    here.step(x, y, Moment(rate=0.5))
    wanted = [np.zeros_like(w) for w in before]
    for sample, label in zip(x.double().numpy(), y.tolist(), strict=True):
        read, sent = by_loops(before, sample, here.steps)
        for k, d in enumerate(wishes_by_loops(before, sent, label, here.steps)):
            wanted[k] += change_by_loops(read[k], sent[k], d)
    for layer, old, change in zip(here.net, before, wanted, strict=True):
        np.testing.assert_allclose(layer.weight.detach().numpy() - old, 0.5 * 0.01 * change, atol=2e-5)


def test_a_batch_is_the_sum_of_its_samples():
    x, y = samples(4)
    here = system()
    done, wish = here.passes(x), None
    wish = wish_of_outputs(done[-1].rate, y)
    whole = moved(done[-1], wish)
    parts = []
    for n in range(4):
        one = here.passes(x[n : n + 1])[-1]
        parts.append(moved(one, wish_of_outputs(one.rate, y[n : n + 1])))
    torch.testing.assert_close(whole, sum(parts))


def test_wishes_are_signs_and_rates_that_are_right_wish_nothing():
    rate = torch.tensor([[1.0, 0.0, 0.2], [0.5, 0.5, 0.0]])
    wish = wish_of_outputs(rate, torch.tensor([0, 2]))
    assert wish.direction.tolist() == [[0, 0, 0], [-1, -1, 1]]
    layer = nn.Linear(2, 3, bias=False)
    silent = Pass(layer, torch.ones(8, 2, 2), torch.zeros(8, 2, 3))
    assert moved(silent, Wish(torch.ones(2, 3), torch.ones(2, 3))).count_nonzero() == 0  # silent neurons stay


def test_hidden_neurons_below_the_bound_wish_nothing():
    after = Pass(nn.Linear(3, 1, bias=False), torch.zeros(5, 1, 3), torch.zeros(5, 1, 1))
    after.layer.weight.data = torch.tensor([[0.04, -0.06, 0.06]])
    before = Pass(nn.Linear(2, 3, bias=False), torch.zeros(5, 1, 2), torch.zeros(5, 1, 3))
    wish = wish_of_hidden(after, Wish(torch.ones(1, 1), torch.ones(1, 1)), before)
    assert wish.y.tolist() == [[1, 0, 1]]
    assert wish.direction.tolist() == [[0, -1, 1]]


def test_a_kernel_moves_as_the_loop_over_places_says():
    generator = torch.Generator().manual_seed(3)
    layer = nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False)
    read = (torch.rand(6, 2, 2, 5, 5, generator=generator) > 0.5).float()
    sent = (torch.rand(6, 2, 3, 3, 3, generator=generator) > 0.6).float()
    wish = Wish((torch.rand(2, 3, 3, 3, generator=generator) > 0.5).float(), torch.randint(-1, 2, (2, 3, 3, 3)).float())
    done, wanted = Pass(layer, read, sent), torch.zeros(3, 2, 3, 3)
    padded = nn.functional.pad(read.sum(0), [1] * 4)
    for n, o, i, j in np.ndindex(2, 3, 3, 3):
        error = (done.rate[n, o, i, j] - wish.y[n, o, i, j]) * wish.direction[n, o, i, j].abs()
        wanted[o] -= error * padded[n, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] / 9
    torch.testing.assert_close(moved(done, wish), wanted)


def test_pixels_fire_as_often_as_they_are_large():
    x = torch.tensor([0.0, 0.125, 0.5, 0.875, 1.0])
    assert torch.equal(encoded(x, 16).sum(0), (16 * x).floor())


def test_masks_are_held_over_all_steps_and_are_drawn_from_the_seed():
    here = system(dropout=(0.5, 0.0))
    here.net.train()
    x, _ = samples(2)
    ones = torch.ones_like(x)
    read = here.passes(ones)[0].read
    assert {0.0, 2.0} == set(read.unique().tolist())
    assert all(torch.equal(step, read[0]) for step in read)
    weights = []
    for seed in (1, 1, 2):
        other = system(dropout=(0.5, 0.5))
        other.step(*samples(), Moment(seed=seed))
        weights.append(other.net[0].weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(here.answer(x), here.answer(x))  # evaluation has no masks


def test_a_trial_counts_each_spike_for_each_reader():
    known = entry("desire-maps")
    here = known.system((1, 8, 8), 10, known.recipe_for(200, 0))
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    found, done, wanted = trial(here).outcome(x), here.passes(x), 0
    for each in done:
        ones = torch.ones_like(each.layer.weight)
        run = nn.functional.conv2d if each.read.dim() == 5 else nn.functional.linear
        options = {"stride": 2, "padding": 2} if each.read.dim() == 5 else {}
        wanted += float(run(each.read.flatten(0, 1), ones, **options).sum())
    assert found.additions == wanted
    assert trial(here).neurons == {"0": 16 * 16, "1": 32 * 4, "2": 10}
    assert found.readout[-1].tolist() == done[-1].sent.sum(0).tolist()


@pytest.mark.parametrize("layer", [nn.Linear(5, 3), nn.ReLU()])
def test_layers_that_desires_do_not_reach_are_refused(layer):
    with pytest.raises(TrainingError, match="layer 0 is a (Linear|ReLU) that desires do not reach: take nn.Linear"):
        Desire(nn.Sequential(layer), (5,), RECIPE, 12)


def test_samples_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match=r"samples have the shape \[5\] here, got \[4\]"):
        system().answer(torch.rand(2, 4))
    with pytest.raises(DataError, match=r"numbers in \[0, 1\], got -1 to -1: scale them"):
        system().answer(-torch.ones(2, 5))
    with pytest.raises(DataError, match="label 3 is none of the 3 classes"):
        system().step(torch.rand(1, 5), torch.tensor([3]), Moment())
    with pytest.raises(TrainingError, match="is no system of desires"):
        trial(entry("lif").system((1, 8, 8), 10, RECIPE))


def test_the_bound_is_that_of_the_layer_a_wish_comes_back_through():
    """0.1 is above the bound of linear layers and below that of kernels."""
    maps, line = nn.Conv2d(1, 1, 1, bias=False), nn.Linear(4, 1, bias=False)
    maps.weight.data.fill_(0.1)
    line.weight.data.fill_(0.1)
    before = Pass(maps, torch.zeros(6, 1, 1, 2, 2), torch.zeros(6, 1, 1, 2, 2))
    one = Wish(torch.ones(1, 1), torch.ones(1, 1))
    after = Pass(line, torch.zeros(6, 1, 4), torch.zeros(6, 1, 1))
    assert wish_of_hidden(after, one, before).direction.tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]
    whole = Wish(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    assert wish_of_hidden(before, whole, before).direction.count_nonzero() == 0


def test_neurons_that_dropout_silences_wish_nothing_and_traces_count_spikes():
    here, (x, y) = system(dropout=(0.0, 0.5)), samples(3)
    here.net.train()
    torch.manual_seed(4)
    done = here.passes(x)
    dropped = done[0].kept == 0
    assert dropped.any()
    assert not dropped.all()
    assert (done[1].read[:, dropped] == 0).all()
    wish = wish_of_hidden(done[1], wish_of_hidden(done[2], wish_of_outputs(done[2].rate, y), done[1]), done[0])
    assert (wish.direction[dropped] == 0).all()
    wanted = wish_of_outputs(done[2].rate, y)
    spikes = Pass(done[2].layer, (done[2].read > 0).float(), done[2].sent)
    torch.testing.assert_close(moved(done[2], wanted), moved(spikes, wanted))
