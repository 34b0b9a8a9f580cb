"""Feedback at equilibrium: its norm, its fixed point, the gradient of that, and what is kept for it."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from canonic.datasets import open_data
from canonic.errors import CanonicError, ConversionError, DataError, TrainingError
from canonic.learn import (
    IF,
    LIF,
    Dropout,
    Equilibrium,
    Feedback,
    Loop,
    Population,
    Recipe,
    as_network,
    fit,
    tick,
    unroll,
)
from canonic.learn.batches import taken
from canonic.learn.zoo import entry
from canonic.learn.zoo.ide import STEPS, Looped
from canonic.measure.table import saved_bytes

RULE = LIF(leak=1.0, theta=2.0)


def norm(matrix):
    return float(torch.linalg.matrix_norm(matrix.detach(), 2))


def loop(rule=RULE, seed=0):
    """A loop of three populations in float64, all of which fire."""
    torch.manual_seed(seed)
    layers = nn.Linear(6, 5), nn.Linear(5, 4)
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(2.0)
            layer.bias.add_(0.5)
    return Loop(rule, layers, Feedback(6, 4, bound=0.9 * rule.theta), Equilibrium(200)).double().eval()


def constant(net, seed=1, width=6, spread=2.0):
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.rand(3, width, dtype=torch.float64, generator=generator)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.5, 1.0, 1.5]))
def test_the_norm_of_feedback_is_its_bound_or_less(seed, bound):
    torch.manual_seed(seed)
    back = Feedback(20, 30, bound=bound).double()
    with torch.no_grad():
        back.raw.add_(torch.randn(20, 30))
    for _ in range(300):
        back.refine()
    assert norm(back.weight) == pytest.approx(bound, rel=1e-3)
    for gain, expected in ((7.0, bound), (-7.0, bound), (0.25, 0.25), (-0.25, 0.25)):
        with torch.no_grad():
            back.gain.fill_(gain)
        assert norm(back.weight) == pytest.approx(expected, rel=1e-3)


def test_the_norm_stays_near_its_bound_while_it_trains():
    x, y = taken(open_data("digits:train"), range(200))
    system = entry("ide").system((1, 8, 8), 10, Recipe(4, 20, optimiser=entry("ide").recipe.optimiser))
    norms = []

    def step(x, y, moment):
        norms.append(norm(system.net[4].recurrent[0].weight))
        return type(system).step(system, x, y, moment)

    system.step = step
    fit(system, TensorDataset((x - x.mean()) / x.std(), y), progress=False)
    assert len(norms) == 40
    assert max(norms) <= 1.06
    assert norm(system.net[4].recurrent[0].weight) == pytest.approx(1.0, abs=0.03)


def test_the_gradient_of_its_matrix_is_that_of_a_matrix_over_its_norm():
    torch.manual_seed(0)
    back, wanted = Feedback(6, 4).double(), torch.randn(6, 4, dtype=torch.float64)
    for _ in range(2000):
        back.refine()
    (back.weight * wanted).sum().backward()
    raw = back.raw.detach().clone().requires_grad_()
    ((raw / torch.linalg.matrix_norm(raw, 2)) * wanted).sum().backward()
    torch.testing.assert_close(back.raw.grad, raw.grad, rtol=1e-9, atol=1e-12)


def test_the_direction_moves_once_in_a_pass_and_not_in_evaluation():
    torch.manual_seed(0)
    back = Feedback(7)
    net, x = nn.Sequential(Population(RULE, recurrent=back)), torch.rand(2, 7)
    before = back.direction
    expected = back.raw.detach().T @ (back.raw.detach() @ before)
    unroll(net, x, steps=5)
    torch.testing.assert_close(back.direction, expected / expected.norm())
    after = back.direction
    unroll(net.eval(), x, steps=5)
    assert back.direction is after
    with pytest.raises(DataError, match="a Feedback was called outside unroll"):
        back.train()(x)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1.0, 0.9]), st.integers(1, 9))
def test_a_loop_is_its_equations(seed, leak, steps):
    net = loop(LIF(leak=leak, theta=0.7), seed)
    x = constant(net, seed)
    run, sent, u = unroll(net, x, steps=steps), np.zeros((3, 4)), [np.zeros((3, width)) for width in (6, 5, 4)]
    back = net.back.weight.detach().numpy()
    totals = [np.zeros_like(each) for each in u]
    for t in range(steps):
        signal = x.numpy() + sent @ back.T
        for k, layer in enumerate(net.layers):
            signal = signal if k == 0 else signal @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
            totals[k] += signal
            u[k] = leak * u[k] + signal
            signal = (u[k] >= 0.7).astype(float)
            u[k] -= 0.7 * signal
            np.testing.assert_array_equal(run.spikes[f".{k}"][t].detach().numpy(), signal)
        sent = signal
    if leak == 1.0:
        for k, train in run.spikes.items():
            number = int(k[1:])
            np.testing.assert_allclose(0.7 * train.detach().sum(0).numpy(), totals[number] - u[number], atol=1e-12)


def test_a_loop_of_one_is_a_population_that_comes_back_to_itself():
    torch.manual_seed(0)
    back = Feedback(6).double().eval()
    x = constant(back).requires_grad_()
    found = []
    for neurons in (Loop(RULE, [], back), Population(RULE, Equilibrium(), recurrent=back)):
        output = unroll(nn.Sequential(neurons), x, steps=7).output
        found.append((output, *torch.autograd.grad(output.mean(0).square().sum(), (x, back.raw, back.gain))))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_the_gradient_of_a_loop_is_that_of_the_unrolled_fixed_point(seed):
    net = loop(seed=seed)
    x, weights = constant(net, seed).requires_grad_(), torch.arange(4.0, dtype=torch.float64)
    given_ = (x, *(p for p in net.parameters()))
    z = torch.zeros(3, 4, dtype=torch.float64)
    for _ in range(500):
        z = net.response(x + net.back(z))
    expected = torch.autograd.grad((z * weights).sum(), given_, allow_unused=True)
    a = z.detach().requires_grad_()
    solved = net.gradient.solved(net.response(x + net.back(a)), a)
    found = torch.autograd.grad((solved * weights).sum(), given_, allow_unused=True)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_the_mean_of_the_spikes_comes_nearer_to_the_equilibrium_as_one_over_the_steps():
    net = loop()
    x = constant(net)
    with torch.no_grad():
        z = torch.zeros(3, 4, dtype=torch.float64)
        for _ in range(500):
            z = net.response(x + net.back(z))
        far = {steps: float((unroll(net, x, steps).output.mean(0) - z).abs().max()) for steps in (10, 100, 1000)}
    assert float(z.max()) > 0.1
    assert all(distance <= 5 / steps for steps, distance in far.items())


@pytest.mark.parametrize("training", [False, True])
def test_unrolled_is_stacked_ticks(training):
    torch.manual_seed(0)
    back = nn.Sequential(Feedback(6, 5, bound=0.4), Dropout(0.5))
    net = nn.Sequential(Dropout(0.3), Loop(LIF(theta=0.5), [nn.Linear(6, 5)], back)).train(training)
    x, before = torch.rand(4, 6), deepcopy(net.state_dict())
    torch.manual_seed(1)
    whole = unroll(net, x, steps=6).output
    assert whole.any()
    net.load_state_dict(before)
    torch.manual_seed(1)
    state, parts = None, []
    for _ in range(6):
        state, part = tick(net, state, x)
        parts.append(part)
    assert torch.equal(whole, torch.stack(parts))


def test_dropout_of_what_comes_back_is_one_mask_for_all_steps():
    torch.manual_seed(0)
    ones = nn.Linear(50, 50, bias=False)
    with torch.no_grad():
        ones.weight.copy_(torch.eye(50))
    net = nn.Sequential(Population(IF(), recurrent=nn.Sequential(ones, Dropout(0.5))))
    rows = unroll(net, torch.full((1, 50), 0.6), steps=40).output[:, 0].sum(0)
    assert set(rows.tolist()) == {24.0, 39.0}  # of 40 steps: 0.6 a step, or all behind the first


def test_segments_give_the_gradients_of_the_whole_with_feedback_that_trains():
    found = []
    for segment in (None, 3):
        torch.manual_seed(0)
        net = nn.Sequential(Population(LIF(), recurrent=nn.Sequential(Feedback(6), Dropout(0.5))))
        x = torch.rand(4, 6, requires_grad=True)
        unroll(net, x, steps=7, segment=segment).output.square().sum().backward()
        found.append((x.grad, net[0].recurrent[0].raw.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["ide", "ide-whole", "ide-layers"])
def test_no_time_course_is_kept(name, monkeypatch):
    system, kept = entry(name).system((1, 8, 8), 10, Recipe(1, 20)), []
    for steps in (2, 50):
        monkeypatch.setattr("canonic.learn.zoo.ide.STEPS", steps)
        kept.append(saved_bytes(system, torch.rand(20, 1, 8, 8), torch.arange(20) % 10))
    assert kept[0] == kept[1]


def test_the_spikes_of_a_loop_are_counted_by_their_fan_out():
    system = entry("ide-layers").system((1, 8, 8), 10, Recipe(1, 20))
    trial, x = Looped(system), 5 * torch.rand(7, 1, 8, 8)
    found = trial.outcome(x)
    with torch.no_grad():
        run = unroll(system.net, x, STEPS)
    first, second = (run.spikes[name].sum((0, 2)) for name in ("4.0", "4.1"))
    assert first.sum() > 0
    assert second.sum() > 0
    assert found.additions == float((400 * first + 410 * second).sum())
    assert found.multiplications == 7 * 64 * 400
    assert trial.neurons == {"4.0": 400, "4.1": 400}
    assert torch.equal(found.readout, run.output)
    assert found.decided.tolist() == [STEPS] * 7


def test_a_loop_is_measured_by_the_trial_of_its_entry_alone():
    other = entry("ide").system((1, 8, 8), 10, Recipe(1, 20))
    with pytest.raises(TrainingError, match="this entry builds a Loop, and was given a Population"):
        _ = Looped(other).fans


def test_one_population_with_feedback_is_a_network_of_its_spikes():
    net = entry("ide").system((1, 8, 8), 10, Recipe(1, 20)).net.eval()
    x = 5 * torch.rand(7, 1, 8, 8)
    snn, run = as_network(net, x, STEPS, readout="last"), unroll(net, x, STEPS)
    assert run.spikes["4"].any()
    torch.testing.assert_close(snn(x), run.output[-1])
    torch.testing.assert_close(snn(x, scheduler="clocked"), run.output[-1])


def circle(back, rule=RULE):
    return nn.Sequential(Population(rule, Equilibrium(), recurrent=back))


def unsettled():
    a = torch.full((2, 3), 0.1, requires_grad=True)
    x = torch.full((2, 3), 0.5, requires_grad=True)
    Equilibrium().solved(RULE.response(4 * a + x), a).sum().backward()


def zero():
    back = Feedback(3)
    with torch.no_grad():
        back.raw.zero_()
    unroll(circle(back), torch.rand(2, 3), steps=2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Feedback(0), CanonicError, "width of Feedback must"),
        (lambda: Feedback(3, 0), CanonicError, "source of Feedback must"),
        (lambda: Feedback(3, bound=0.0), CanonicError, "bound of Feedback must be above 0 and finite, got 0.0"),
        (
            lambda: unroll(circle(Feedback(3, bound=2.0)), torch.rand(2, 3), steps=2),
            CanonicError,
            "a Feedback of norm 2 comes back to neurons of threshold 2, .* take a bound below the threshold, as 1",
        ),
        (
            lambda: unroll(Loop(LIF(), [], Feedback(3)), torch.rand(2, 3), steps=2),
            CanonicError,
            "a Feedback of norm 1 comes back to neurons of threshold 1",
        ),
        (zero, TrainingError, "the matrix of a Feedback has the norm 0, so that no other can be given to it"),
        (unsettled, TrainingError, "the gradient of an equilibrium did not settle in 30 iterations"),
        (
            lambda: as_network(nn.Sequential(Loop(RULE, [], Feedback(3))), torch.rand(2, 3), 4),
            ConversionError,
            "0 is a Loop of several populations, which no graph has",
        ),
    ],
)
def test_what_has_no_equilibrium_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
