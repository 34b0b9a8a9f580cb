"""Progressive tandem learning: counts, gradients, stages in their order, a stage that was interrupted."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from canonic import Count, load
from canonic.datasets import open_data
from canonic.errors import CanonicError, TrainingError
from canonic.learn import Epoch, History
from canonic.learn.batches import taken
from canonic.learn.checkpoint import FILE
from canonic.learn.tandem import Tandem, have_turn, keep_until, reached
from canonic.learn.zoo import entry
from canonic.learn.zoo.tandem import converted
from canonic.learn.zoo.training import begin_again, train
from tests.stages import gone_on


@pytest.fixture(scope="module")
def digits():
    x, y = taken(open_data("digits:train"), range(200))
    return TensorDataset(x, y)


def small(steps=4):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), Tandem(steps), nn.Linear(8, 7), Tandem(steps), nn.Linear(7, 3))
    return net, torch.rand(40, 6)


def analog(net):
    return nn.Sequential(*(nn.ReLU() if isinstance(module, Tandem) else module for module in net))


def spiking(steps=4, theta=0.25):
    layer = Tandem(steps)
    layer.theta.fill_(theta)
    return layer


def fired(currents, theta, steps):
    """Spikes of an integrate-and-fire neuron in float64 that takes in its currents, then fires in so many steps."""
    u, spikes = np.sum(currents), 0
    for _ in range(steps):
        s = u >= theta
        u, spikes = u - theta * s, spikes + int(s)
    return spikes


@given(z=st.integers(-40, 160), steps=st.sampled_from([1, 2, 4, 8, 16, 32]))  # at a threshold 1/3 is rounded
def test_a_count_is_that_of_a_neuron_however_it_is_driven(z, steps):
    z, theta = z / 16, 0.5
    count = float(spiking(steps, theta)(torch.tensor([z]))) / theta
    assert count == fired([z], theta, steps) == fired([z / 4] * 4, theta, steps) == fired([z * 2, -z], theta, steps)
    assert float(Count(steps).encode(torch.tensor([z / theta / steps])).sum()) == count


def test_the_gradient_is_that_of_the_relu():
    z = torch.linspace(-1, 3, 41, requires_grad=True)
    spiking()(z).sum().backward()
    assert torch.equal(z.grad, (z > 0).float())


def test_a_stage_changes_one_layer_and_keeps_those_before():
    net, x = small()
    have_turn(net, 0, x)
    assert [layer.spiking for layer in net[1::2]] == [True, False]
    assert float(4 * net[1].theta) == pytest.approx(float(reached(net[0](x).detach().relu().flatten())))
    assert all(parameter.requires_grad for parameter in net.parameters())
    have_turn(net, 1, x)
    assert [layer.spiking for layer in net[1::2]] == [True, True]
    assert [parameter.requires_grad for parameter in net.parameters()] == [False] * 2 + [True] * 4
    seen = net[:3](x).detach().relu().flatten()
    assert float(4 * net[3].theta) == pytest.approx(float(reached(seen)))
    net(x).sum().backward()
    assert net[0].weight.grad is None
    assert net[2].weight.grad.abs().sum() > 0
    keep_until(net, net[3])
    assert [parameter.requires_grad for parameter in net.parameters()] == [False] * 4 + [True] * 2


def test_what_did_not_have_its_turn_is_a_relu():
    net, x = small()
    have_turn(net, 0, x)
    torch.testing.assert_close(net(x), analog(net[2:])(net[:2](x)))


def test_with_many_steps_it_is_the_network_with_relus():
    net, x = small(steps=4096)
    wanted = analog(net)(x)
    for number in range(2):
        have_turn(net, number, x)
    torch.testing.assert_close(net(x), wanted, atol=0.02, rtol=0)


@pytest.mark.parametrize("name", ["tandem", "tandem-16"])
def test_every_count_of_the_converted_network_is_that_of_the_trained_one(name):
    generator = torch.Generator().manual_seed(3)
    seen, x = (torch.rand(200, 1, 4, 4, generator=generator) for _ in range(2))
    torch.manual_seed(0)
    net = entry(name).build((1, 4, 4), 3).eval()
    for number in range(2):
        have_turn(net, number, seen)
    snn = converted(net, seen)
    steps = net[2].steps
    assert snn.total_steps == 3 * steps
    with torch.no_grad():
        for schedule in ("layerwise", "clocked"):
            torch.testing.assert_close(snn(x, scheduler=schedule), net(x), atol=1e-4, rtol=0)
        traces = snn.trace(x)
        for place, population in zip((2, 4), snn.graph.populations, strict=True):
            counts = (net[: place + 1](x) / net[place].theta).round()
            assert torch.equal(traces[population.name].spikes.float().sum(0), counts)
            assert counts.max() == steps


def test_a_layer_that_sends_nothing_has_a_threshold():
    assert float(reached(torch.zeros(10))) == 1.0


@pytest.mark.parametrize("update", [25, 45, 65])  # in the first stage, in the second, in the last
def test_a_training_goes_on_in_the_middle_of_a_stage(digits, tmp_path, monkeypatch, update):
    known = entry("tandem")
    recipe = replace(known.recipe_for(200, seed=1), epochs=2, batch=19)  # of 184 samples: 10 updates
    again = gone_on(known, digits, recipe, tmp_path, monkeypatch, update)
    assert len(again.history.epochs) == 6
    assert again.history.begun == 4
    begin_again(known, tmp_path)
    assert not tmp_path.exists()


def test_a_checkpoint_of_one_stage_in_the_place_of_another_is_refused(digits, tmp_path):
    known = entry("tandem")
    recipe = replace(known.recipe_for(200, seed=1), epochs=1, batch=100)
    known = replace(known, ann_few=recipe)
    train(known, digits, recipe, folder=tmp_path, progress=False)
    shutil.copy(tmp_path / "tandem-1" / FILE, tmp_path / "tandem-2" / FILE)
    with pytest.raises(TrainingError, match=r"tandem-2 holds a training with another network .*tandem-2/training"):
        train(known, digits, recipe, folder=tmp_path, progress=False)


def test_the_layer_that_was_trained_first_stays_and_validation_chooses_in_each_stage(digits, tmp_path):
    known = entry("tandem")
    recipe = replace(known.recipe_for(200, seed=1), epochs=3, batch=20)
    known = replace(known, ann_few=replace(recipe, epochs=1))
    kept = []

    def noted(system, x):
        kept.append(system.net[1].weight.clone())
        return known.stages[1](system, x)

    found = train(replace(known, stages=(known.stages[0], noted)), digits, recipe, validate=digits, progress=False)
    assert torch.equal(kept[0], found.system.net[1].weight)
    assert 4 <= found.history.chosen <= 6
    assert History.from_json(found.history.to_json()) == found.history


def test_epochs_of_earlier_stages_are_not_chosen():
    first, second = (History({}, tuple(Epoch({}, 1.0, score) for score in own)) for own in ((0.9, 0.8), (0.5, 0.7)))
    assert first.then(second).chosen == 4
    assert first.then(second).then(first).begun == 4
    assert "begun" not in first.to_json()


def test_what_was_trained_is_saved_as_a_network_of_counts(digits, tmp_path):
    known = entry("tandem")
    recipe = replace(known.recipe_for(200, seed=1), epochs=2, batch=20)
    found = train(replace(known, ann_few=replace(recipe, epochs=3)), digits, recipe, progress=False)
    assert [found.history.record[part]["samples"] for part in ("data", "validation")] == [183, 17]  # a twelfth
    snn = found.measurable(digits)
    snn.save(tmp_path / "tandem.safetensors")
    x = digits.tensors[0]
    again = load(tmp_path / "tandem.safetensors")
    assert again.code == Count(4)
    assert torch.equal(again(x), snn(x))
    torch.testing.assert_close(snn(x), found.system.net.eval()(x).detach(), atol=1e-4, rtol=0)


def test_what_cannot_be_is_told():
    net, x = small()
    with pytest.raises(CanonicError, match="the network has 2 Tandem, there is none of number 2: count from 0"):
        have_turn(net, 2, x)
    with pytest.raises(CanonicError, match="steps of Tandem must be .* 16 is published"):
        Tandem(0)
