"""Hybrid coding: bursts, layers that learn alone, thresholds, outputs that spike once, a stage that was interrupted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from canonic import Burst, convert, evaluate
from canonic.conversion import Settings
from canonic.datasets import open_data
from canonic.errors import CanonicError
from canonic.learn import (
    Bursting,
    DoubleExponential,
    Moment,
    Population,
    Representation,
    as_network,
    losses,
    unroll,
)
from canonic.learn.batches import taken
from canonic.learn.local import Local, activations, choose_thresholds, closest, local, taught_by, teacher_of
from canonic.learn.zoo import entry
from canonic.learn.zoo.hybrid_coding import hidden, output
from canonic.learn.zoo.parts import READOUTS
from tests.stages import gone_on


@pytest.fixture(scope="module")
def digits():
    x, y = taken(open_data("digits:train"), range(200))
    return TensorDataset(x, y)


def small(steps=8):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), Local(), nn.Linear(8, 7), Local(), nn.Linear(7, 3))
    x = torch.rand(40, 6)
    choose_thresholds(net, x, steps)
    return net, x


def tiny():
    """The system of the zoo after its first stage would have begun, and some samples."""
    known, x = entry("hybrid-coding"), torch.rand(30, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    recipe = known.recipe_for(30, 0)
    system = known.system((1, 4, 4), 3, recipe)
    known.begin(system.net, known.same_shape((1, 4, 4), 3, recipe).net, x)
    return system, x, torch.arange(30) % 3


@given(
    z=st.lists(st.floats(-2, 9), min_size=1, max_size=20),
    theta=st.floats(0.1, 4),
    steps=st.integers(1, 40),
    most=st.integers(1, 9),
)
def test_counts_of_a_constant_current_are_those_of_the_formula(z, theta, steps, most):
    current = torch.tensor(z, dtype=torch.float64)[None]
    rule = Bursting(theta, most)
    sent = rule.counts(unroll(nn.Sequential(Population(rule)), current, steps).output).sum(0)[0].detach().numpy()
    exact = steps * np.array(z) / theta
    far = abs(exact - exact.round()) > 1e-9  # on a threshold rounding decides
    assert np.array_equal(sent[far], np.floor(exact).clip(0, most * steps)[far])


@given(seed=st.integers(0, 2**31), steps=st.integers(1, 30), theta=st.floats(0.2, 2))
def test_a_burst_is_that_of_the_code(seed, steps, theta):
    x = torch.randn(steps, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    sent = unroll(nn.Sequential(Population(Bursting(theta, 3))), x[:, None]).output[:, 0]
    code = Burst(steps, most=3, start=0.0)
    state = code.rest(x[0])
    for t, current in enumerate(x):
        state, k = code.step(t + 1, state, current / theta / steps)
        torch.testing.assert_close(theta * k, sent[t])


def test_a_burst_passes_the_gradient_of_its_clamp():
    x = torch.tensor([[[-0.5, 0.2, 1.3, 4.1, 9.0]]], requires_grad=True)
    unroll(nn.Sequential(Population(Bursting(theta=0.8, most=5))), x).output.sum().backward()
    assert x.grad.flatten().tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]  # 4.1 / 0.8 is above 5


def test_in_the_mean_of_a_constant_current_that_is_the_gradient_of_the_response():
    x, rule = torch.linspace(-1, 6, 29)[None], Bursting(theta=0.8, most=5)
    grads = []
    for gradient in (None, Representation()):
        current = x.clone().requires_grad_()
        unroll(nn.Sequential(Population(rule, gradient)), current, steps=6).output.mean(0).sum().backward()
        grads.append(current.grad[0, x[0] < 4 * 0.8])  # with what is left it stays in the clamp
    torch.testing.assert_close(*grads)


@given(rise=st.floats(0.1, 3), more=st.floats(0.1, 10))
def test_the_highest_potential_of_a_spike_is_1(rise, more):
    rule, one = DoubleExponential(fall=rise + more, rise=rise), torch.zeros(40, 1, 1, dtype=torch.float64)
    one[0] = 1.0
    u = unroll(nn.Sequential(Population(rule, membrane=True)), one).membranes["0"].flatten()
    k = torch.arange(1, 41, dtype=torch.float64)
    kernel = torch.exp(-k / rule.fall) - torch.exp(-k / rule.rise)
    torch.testing.assert_close(u.detach(), kernel / kernel.max())


def test_outputs_spike_once_and_nothing_is_taken_away():
    x = torch.rand(20, 5, 3, generator=torch.Generator().manual_seed(1))
    run = unroll(nn.Sequential(Population(DoubleExponential(theta=1.0), membrane=True)), x)
    above = run.membranes["0"] >= 1.0
    assert above.sum(0).max() > 1
    assert torch.equal(run.output.cumsum(0).bool(), above.cumsum(0) > 0)
    assert run.output.sum(0).max() == 1


def test_a_threshold_has_the_least_error_of_its_grid():
    numbers = torch.randn(500, generator=torch.Generator().manual_seed(3)).relu() * 2
    found = float(closest(numbers, 6))
    errors = {}
    for i in range(95):
        v = float(numbers.max()) * (1 - 0.01 * i)
        sent = np.floor((numbers.double().numpy() * 6 / v).clip(0, 6)) * v / 6
        errors[v] = float(((numbers.numpy() - sent) ** 2).mean())
    assert found == pytest.approx(min(errors, key=errors.get))
    assert float(closest(torch.zeros(4), 6)) == 1.0


def test_the_loss_of_a_layer_has_no_gradient_in_another():
    net, x = small()
    run = taught_by(teacher_of(net), 8)(net, x, None)
    loss_of_layers = {0: run.losses["1"], 2: run.losses["3"], 4: losses.cross_entropy(run.output, torch.arange(40) % 3)}
    for own, loss in loss_of_layers.items():
        net.zero_grad()
        loss.backward(retain_graph=True)
        for place in loss_of_layers:
            grad = net[place].weight.grad
            assert (grad is not None and bool(grad.any())) == (place == own)
    total = local(run, torch.arange(40) % 3)
    torch.testing.assert_close(total, sum(loss_of_layers.values()))


def test_a_teacher_is_the_network_with_relus_as_it_was():
    net, x = small()
    teacher = teacher_of(net)
    wanted = teacher(x)
    with torch.no_grad():
        net[0].weight.add_(1)
    assert torch.equal(teacher(x), wanted)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    seen = activations(teacher, ["1", "3"], x)
    assert torch.equal(seen["3"], teacher[:4](x))
    sent = unroll(net, x, 8).spikes["1.neurons"].mean(0)
    torch.testing.assert_close(taught_by(teacher, 8)(net, x, None).losses["1"], (sent - seen["1"]).square().mean())


def test_the_network_is_the_conversion_of_its_teacher_in_the_code_of_bursts():
    net, x = small()
    teacher = teacher_of(net)
    for place in (1, 3):
        teacher[place] = nn.Hardtanh(0, 5 * float(net[place].neurons.rule.theta))
    settings = Settings(threshold="ceiling", correct=False)
    code = convert(teacher, [x], code=Burst(8, most=5, start=0.0), settings=settings, progress=False)
    snn = as_network(net.eval(), x, 8)
    assert float((snn(x) - code(x)).abs().max()) < 1e-5
    counts = [
        {name: f.units for name, f in evaluate(s, [x], progress=False).counts.firing.items()} for s in (snn, code)
    ]
    assert list(counts[0].values()) == list(counts[1].values())


def test_a_burst_makes_as_many_additions_as_it_has_spikes():
    net, x = nn.Sequential(Population(Bursting(theta=0.5)), nn.Linear(6, 4, bias=False)).eval(), 3 * torch.rand(9, 6)
    counts = unroll(net, x, 5).spikes["0"].detach() / 0.5
    found = evaluate(as_network(net, x, 5), [x], progress=False)
    assert counts.max() > 1
    assert found.operations["1"].additions == 4 * int(counts.sum())
    assert found.operations["1"].event_additions == 4 * int(counts.count_nonzero())
    assert found.counts.firing["0"].spikes == int(counts.count_nonzero())
    assert found.counts.firing["0"].units == int(counts.sum())
    assert found.to_json()["network"]["event_bits"] == 3  # of 0 to 5 spikes


def test_the_second_stage_moves_the_weights_of_the_output_alone():
    system, x, y = tiny()
    second = output(hidden(system, x), x)
    before = {name: tensor.clone() for name, tensor in second.net.state_dict().items()}
    for seed in range(3):
        second.step(x, y, Moment(seed=seed))
    moved = [name for name, tensor in second.net.state_dict().items() if not torch.equal(tensor, before[name])]
    assert moved == ["5.weight"]
    assert second.recipe.optimiser.kind == "sgd"


def test_the_answer_is_that_of_a_simulation_stopped_at_the_first_event():
    system, x, _ = tiny()
    net = output(system, x).net.eval()
    with torch.no_grad():
        net[5].weight.mul_(30)  # so that it fires
        run = unroll(net, x, 8)
    fired = run.output.any(2)
    assert fired.any()
    for sample in fired.any(0).nonzero().flatten():
        until = int(fired[:, sample].nonzero()[0]) + 1
        stopped = unroll(net, x[sample : sample + 1], until)
        u = stopped.membranes["6"][-1, 0].detach()
        assert int(u.argmax()) == int(READOUTS["first"](run)[-1, sample].argmax())
        assert float(u.max()) >= 3.0
        assert until == 1 or not stopped.output[:-1].any()


def test_losses_of_the_first_event():
    v = torch.tensor([[[1.0, 2.0], [4.0, 3.5]], [[3.0, 5.0], [0.0, 9.0]]], requires_grad=True)
    spikes, y = (v.detach() >= 3).float(), torch.tensor([0, 1])
    wrong = losses.wrong_spikes(v, spikes, y, 3.0)
    assert wrong.item() == pytest.approx(((5 - 3) + (4 - 3)) / 2)
    wrong.backward()
    assert v.grad.nonzero().tolist() == [[0, 1, 0], [1, 0, 1]]
    assert float(losses.haste(v, spikes, y)) == 1.0  # neither is right at its first event, one at the end
    assert float(losses.haste(v, torch.zeros_like(v), y)) == 0.0
    assert float(losses.haste(-v, spikes, y)) == 0.0


@pytest.mark.filterwarnings("ignore:no output came")  # after two epochs
@pytest.mark.parametrize("update", [25, 45])  # in the first stage, in the second
def test_a_training_goes_on_in_the_middle_of_a_stage(digits, tmp_path, monkeypatch, update):
    known = entry("hybrid-coding")
    recipe = replace(known.recipe_for(200, seed=1), epochs=2, batch=20)
    again = gone_on(known, digits, recipe, tmp_path, monkeypatch, update)
    assert len(again.history.epochs) == 4


def test_what_cannot_be_is_told():
    with pytest.raises(CanonicError, match="most of Bursting must be .* got 0: spikes of one step; 5 is usual"):
        Bursting(most=0)
    with pytest.raises(CanonicError, match="theta of Bursting must be above 0 and finite, got -1"):
        Bursting(theta=-1.0)
    with pytest.raises(CanonicError, match="rise of DoubleExponential must be below fall, got 2 and 2: potentials"):
        DoubleExponential(rise=2.0)
    with pytest.raises(CanonicError, match="the network has no Local that could learn from a layer"):
        teacher_of(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(CanonicError, match="the network has no Local"):
        choose_thresholds(nn.Linear(2, 2), torch.rand(3, 2), 4)
