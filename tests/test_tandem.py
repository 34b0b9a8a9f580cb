"""Progressive tandem learning: counts, gradients, stages in their order, a stage that was interrupted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from canonic.datasets import open_data
from canonic.errors import CanonicError, DataError
from canonic.learn import IF, Epoch, Gradient, History, Population, unroll
from canonic.learn.batches import taken
from canonic.learn.modules import Mean
from canonic.learn.tandem import Coupled, Tandem, have_turn, reached
from canonic.learn.zoo import entry
from canonic.learn.zoo.training import begin_again, train


@pytest.fixture(scope="module")
def digits():
    x, y = taken(open_data("digits:train"), range(200))
    return TensorDataset(x, y)


def small():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), Tandem(), nn.Linear(8, 7), Tandem(), nn.Linear(7, 3))
    return net, torch.rand(40, 6)


def analog(net):
    return nn.Sequential(*(nn.ReLU() if isinstance(module, Tandem) else module for module in net))


@given(
    z=st.lists(st.floats(-2, 3), min_size=1, max_size=20),
    theta=st.floats(0.1, 4),
    steps=st.integers(1, 40),
)
def test_counts_of_a_constant_current_are_those_of_the_formula(z, theta, steps):
    current = torch.tensor(z, dtype=torch.float64)[None]
    sent = unroll(nn.Sequential(Population(IF(theta=theta), Coupled())), current, steps).output.sum(0)[0]
    exact = steps * np.array(z) / theta
    far = abs(exact - exact.round()) > 1e-9  # on a threshold rounding decides
    wanted = np.floor(exact).clip(0, steps)
    assert np.allclose((sent / theta).detach().numpy()[far], wanted[far])


def test_the_gradient_is_that_of_a_relu_of_the_mean():
    x = torch.randn(5, 9, generator=torch.Generator().manual_seed(1), requires_grad=True)
    out = torch.randn(5, 9)
    run = unroll(nn.Sequential(Population(IF(theta=0.3), Coupled())), x, steps=6)
    (run.output.mean(0) * out).sum().backward()
    torch.testing.assert_close(x.grad, out * (x > 0))


def test_a_stage_changes_one_layer_and_keeps_those_before():
    net, x = small()
    have_turn(net, 0, x, 4)
    assert [layer.spiking for layer in net[1::2]] == [True, False]
    assert float(net[1].neurons.rule.theta) == float(reached(net[0](x).detach().relu().flatten()))
    assert all(parameter.requires_grad for parameter in net.parameters())
    have_turn(net, 1, x, 4)
    assert [layer.spiking for layer in net[1::2]] == [True, True]
    assert [parameter.requires_grad for parameter in net.parameters()] == [False] * 2 + [True] * 4
    seen = net[2](unroll(net[:2], x, steps=4).output.mean(0)).detach().relu().flatten()
    assert float(net[3].neurons.rule.theta) == pytest.approx(float(reached(seen)))
    unroll(net, x, steps=4).output.sum().backward()
    assert net[0].weight.grad is None
    assert net[2].weight.grad.abs().sum() > 0


def test_what_did_not_have_its_turn_is_a_relu_of_the_mean():
    net, x = small()
    have_turn(net, 0, x, 4)
    run = unroll(net, x, steps=4)
    assert list(run.spikes) == ["1.neurons"]
    rest = analog(net[2:])(run.spikes["1.neurons"].mean(0))
    for step in run.output:
        torch.testing.assert_close(step, rest)


def test_with_many_steps_it_is_the_network_with_relus():
    net, x = small()
    wanted, found = analog(net)(x), []
    for steps in (64, 1024):
        for number in range(2):
            have_turn(net, number, x[:10], steps)
        for layer in net[1::2]:
            layer.neurons.get_buffer("fixed_theta").fill_(10.0)  # above all that comes
        found.append(float((unroll(net, x, steps).output.mean(0) - wanted).detach().abs().max()))
    assert found[1] < 0.01
    assert found[1] < found[0] / 4


def test_a_layer_that_sends_nothing_has_a_threshold():
    assert float(reached(torch.zeros(10))) == 1.0


def stopped_at(monkeypatch, update):
    """Interrupt a training in the place of an update."""
    done, step = [], Gradient.step

    def counted(self, x, y, moment):
        done.append(1)
        if len(done) == update:
            raise KeyboardInterrupt
        return step(self, x, y, moment)

    monkeypatch.setattr(Gradient, "step", counted)


@pytest.mark.parametrize("update", [25, 45])  # in the first stage, in the second
def test_a_training_goes_on_in_the_middle_of_a_stage(digits, tmp_path, monkeypatch, update):
    known = entry("tandem")
    recipe = replace(known.recipe_for(200, seed=1), epochs=2, batch=20)
    known = replace(known, ann_few=replace(recipe, epochs=1))
    whole = train(known, digits, recipe, progress=False)
    with monkeypatch.context() as patch:
        stopped_at(patch, update)
        with pytest.raises(KeyboardInterrupt):
            train(known, digits, recipe, folder=tmp_path, progress=False)
    again = train(known, digits, recipe, folder=tmp_path, progress=False)
    for name, tensor in whole.system.net.state_dict().items():
        assert torch.equal(tensor, again.system.net.state_dict()[name])
    assert len(again.history.epochs) == 4
    assert again.history.begun == 2
    begin_again(known, tmp_path)
    assert not tmp_path.exists()


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


def test_what_cannot_be_is_told():
    net, x = small()
    with pytest.raises(CanonicError, match="the network has 2 Tandem, there is none of number 2: count from 0"):
        have_turn(net, 2, x, 4)
    back = Population(IF(), Coupled(), recurrent=nn.Linear(6, 6))
    with pytest.raises(CanonicError, match="Coupled is for populations without recurrence: take Equilibrium"):
        unroll(nn.Sequential(back), x, 4)
    with pytest.raises(DataError, match=r"a Mean was called outside unroll\(\) or tick\(\)"):
        Mean()(x)
