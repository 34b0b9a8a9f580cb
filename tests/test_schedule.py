"""Networks in time: both schedules, every kind of module, what may go wrong."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from canonic import Latency
from canonic.codes import Poisson
from canonic.errors import CanonicError, DataError
from canonic.learn import (
    IF,
    LIF,
    Dropout,
    Encode,
    Equilibrium,
    Hold,
    Population,
    Representation,
    Surrogate,
    tick,
    unroll,
)
from canonic.neurons import surrogate
from canonic.words import one

RULES = {
    "leak": LIF(leak=0.7),
    "no leak": LIF(leak=1.0),
    "hard": LIF(leak=0.5, reset="hard", detach_reset=True),
    "worth theta": IF(theta=0.8, at=0.5),
}


class Residual(nn.Module):
    """A convolution, a block with a shortcut, a linear layer."""

    def __init__(self, rule):
        super().__init__()
        self.first, self.one = nn.Conv2d(1, 4, 3, padding=1), Population(rule, trainable=("theta",), shape=(4, 1, 1))
        self.second, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.two, self.last = Population(rule), nn.Linear(4 * 9, 3)

    def forward(self, x):
        x = self.one(self.first(x))
        x = self.two(self.norm(self.second(x)) + x)
        return self.last(nn.functional.avg_pool2d(x, 2).flatten(1))


def made(rule=RULES["leak"], seed=0):
    torch.manual_seed(seed)
    return Residual(rule).double().eval()


def ticked(net, stream, seed=None):
    state, outputs = None, []
    for x in stream:
        state, y = tick(net, state, x, seed=seed)
        outputs.append(y)
    return torch.stack(outputs)


def gradients(net, output):
    net.zero_grad()
    (output * torch.linspace(-1, 2, output.numel(), dtype=output.dtype).view(output.shape)).sum().backward()
    return torch.cat([p.grad.flatten() for p in net.parameters()])


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_unrolled_is_stacked_ticks_and_so_are_its_gradients(rule):
    net, x = made(rule), torch.rand(5, 2, 1, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    whole, steps = unroll(net, x).output, ticked(net, x)
    torch.testing.assert_close(whole, steps, rtol=0, atol=1e-14)
    torch.testing.assert_close(gradients(net, whole), gradients(net, steps), rtol=1e-12, atol=1e-12)
    assert 0 < unroll(net, x).spikes["one"].count_nonzero() < unroll(net, x).spikes["one"].numel()


def test_a_constant_is_a_stream_of_the_same_but_is_computed_once():
    net, x = made(), torch.rand(2, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    seen = []
    net.first.register_forward_hook(lambda module, given, out: seen.append(len(out)))
    torch.testing.assert_close(unroll(net, x, steps=4).output, unroll(net, x.expand(4, *x.shape)).output)
    assert seen == [2, 8]


def test_a_call_starts_from_rest_and_leaves_nothing():
    net, x = made(), torch.rand(3, 2, 1, 6, 6, dtype=torch.float64)
    assert torch.equal(unroll(net, x).output, unroll(net, x).output)
    assert set(net.state_dict()) == set(Residual(RULES["leak"]).state_dict())


@pytest.mark.parametrize("segment", [1, 3, 9])
def test_segments_keep_less_and_change_nothing(segment):
    net, x = made(), torch.rand(7, 2, 1, 6, 6, dtype=torch.float64)
    whole = gradients(net, unroll(net, x).output)
    torch.testing.assert_close(gradients(net, unroll(net, x, segment=segment).output), whole, rtol=1e-12, atol=1e-12)


def saved(make):
    """Bytes that a graph keeps."""
    kept = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.setdefault(t.data_ptr(), t.nbytes) and t, lambda t: t):
        output = make()
    assert output.requires_grad
    return sum(kept.values())


def test_segments_save_memory():
    neurons = Population(LIF(reset="hard"), trainable=("leak",), recurrent=nn.Linear(32, 32, bias=False))
    net, x = nn.Sequential(neurons), torch.rand(16, 8, 32, requires_grad=True)
    assert saved(lambda: unroll(net, x, segment=4).output) < saved(lambda: unroll(net, x).output) / 2


def test_representation_keeps_the_same_whatever_the_steps():
    net = nn.Sequential(Population(IF(at=0.5), Representation()))
    few, many = (torch.rand(steps, 8, 32, requires_grad=True) for steps in (4, 40))
    assert saved(lambda: unroll(net, few).output) == saved(lambda: unroll(net, many).output) > 0


def test_representation_is_the_gradient_of_a_clipped_mean():
    rule, currents = IF(theta=0.6, at=0.5), torch.randn(6, 3, 5, dtype=torch.float64, requires_grad=True)
    net = nn.Sequential(Population(rule, Representation(), trainable=("theta",))).double()
    output = unroll(net, currents).output
    torch.testing.assert_close(output, unroll(nn.Sequential(Population(rule)), currents).output, rtol=1e-6, atol=0)
    weights = torch.randn(6, 3, 5, dtype=torch.float64)
    (output * weights).sum().backward()
    mean = currents.detach().mean(0).numpy()
    inside = (mean >= 0) & (mean <= 0.6)
    np.testing.assert_allclose(currents.grad[2].numpy(), inside * weights.sum(0).numpy() / 6)
    above = (weights.sum(0).numpy() * (mean > 0.6)).sum() * 0.6  # the logarithm of theta is trained
    np.testing.assert_allclose(net[0].trained["theta"].grad.item(), above, rtol=1e-6)


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 1000))
def test_equilibrium_is_the_gradient_of_the_unrolled_fixed_point(seed):
    generator = torch.Generator().manual_seed(seed)
    back = nn.Linear(6, 6, bias=False).double()
    back.weight.data = 0.5 * torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=generator))[0]
    x = torch.rand(2, 6, dtype=torch.float64, generator=generator).requires_grad_()
    net = nn.Sequential(Population(LIF(leak=1.0, theta=2.0), Equilibrium(iterations=200), recurrent=back))
    a = unroll(net, x, steps=3000).output.mean(0)
    found = torch.autograd.grad((a * torch.arange(6)).sum(), (x, back.weight))
    z = torch.zeros_like(x)
    for _ in range(500):
        z = ((back(z) + x) / 2.0).clamp(0, 1)
    expected = torch.autograd.grad((z * torch.arange(6)).sum(), (x, back.weight))
    assert (a - z).abs().max() < 1e-2  # O(1/T)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found[1], expected[1], rtol=0, atol=0.2)  # W gets the a that was simulated


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_lif_is_its_equation(steps):
    x = np.random.default_rng(steps).normal(0.3, 0.6, (steps, 4))
    for reset in ("soft", "hard"):
        net = nn.Sequential(Population(LIF(leak=0.8, theta=0.7, reset=reset)))
        u, expected = np.zeros(4), []
        for current in x:
            u = 0.8 * u + current
            s = (u >= 0.7).astype(float)
            u = u - 0.7 * s if reset == "soft" else np.where(s, 0, u)
            expected.append(s)
        spikes = unroll(net, torch.tensor(x)[:, None]).output[:, 0]
        np.testing.assert_array_equal(spikes.numpy(), expected)


@pytest.mark.parametrize(
    ("slope", "mass"),
    [
        (surrogate.triangle(gamma=0.3, width=2.0), 0.6),
        (surrogate.sigmoid(), 1.0),
        (surrogate.atan(alpha=400.0), 1.0),
        (surrogate.boxcar(width=0.4), 1.0),
        (surrogate.gaussian(), 0.5),
        (surrogate.multi_gaussian(), 0.5 * 0.85),
    ],
)
def test_slopes_have_their_mass(slope, mass):
    v = torch.linspace(-40, 40, 800_001, dtype=torch.float64)
    assert float(slope(v).sum() * (v[1] - v[0])) == pytest.approx(mass, rel=1e-3)


def test_trained_fields_stay_in_their_range_and_get_a_gradient():
    net = nn.Sequential(Population(LIF(leak=0.9), trainable=("leak", "theta"), shape=(3,)))
    torch.testing.assert_close(net[0].rule.leak, torch.full((3,), 0.9))
    unroll(net, torch.rand(5, 2, 3)).output.sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(-9.0)
    assert (net[0].rule.leak > 0).all()
    assert (net[0].rule.theta > 0).all()


def test_fields_that_are_tensors_move_with_the_network():
    net = nn.Sequential(Population(LIF(leak=torch.tensor([0.5, 0.9]))))
    assert net.double()[0].rule.leak.dtype == torch.float64
    assert "0.fixed_leak" in net.state_dict()


class Both(nn.Module):
    def __init__(self, hold):
        super().__init__()
        self.act, self.hold = Population(LIF()), nn.Identity() if hold is None else hold

    def forward(self, x):
        return self.act(x) + self.hold(x)


def test_hold_gives_a_constant_all_steps():
    x = torch.rand(3, 4)
    assert torch.equal(unroll(Both(Hold()), x, steps=5).output, unroll(Both(None), x.expand(5, 3, 4)).output)
    with pytest.raises(DataError, match=r"has 3 rows, a stream 15; put Hold\(\) where"):
        unroll(Both(None), x, steps=5)


@pytest.mark.parametrize("encoder", [Latency(steps=4), Poisson(steps=4)])
def test_encoders_are_the_same_in_both_schedules(encoder):
    net = nn.Sequential(nn.Linear(3, 3), nn.Sigmoid(), Encode(encoder), nn.Linear(3, 2), Population(LIF())).eval()
    x = torch.rand(2, 3)
    whole = unroll(net, x, steps=4, seed=3).output
    assert torch.equal(whole, ticked(net, x.expand(4, 2, 3), seed=3))
    with pytest.raises(DataError, match="encoder 2 has 4 steps, and unroll 5"):
        unroll(net, x, steps=5)
    with pytest.raises(DataError, match="encoder 0 reads a stream"):
        unroll(nn.Sequential(Encode(encoder), Population(LIF())), torch.rand(4, 2, 3))


def test_random_encoders_need_a_seed_only_in_eval():
    net, x = nn.Sequential(Encode(Poisson(steps=4)), Population(LIF())), torch.rand(2, 3)
    unroll(net, x, steps=4)
    with pytest.raises(DataError, match=r"encoder 0 is random and the network is in eval\(\): give seed="):
        unroll(net.eval(), x, steps=4)


def test_dropout_holds_one_mask_over_time():
    torch.manual_seed(0)
    net = nn.Sequential(Population(LIF(theta=0.1)), Dropout(0.5))
    output = unroll(net, torch.ones(1, 50), steps=6).output[:, 0]
    assert torch.equal(output, output[0].expand(6, 50))
    assert set(output[0].tolist()) == {0.0, 2.0}
    assert torch.equal(unroll(net.eval(), torch.ones(1, 50), steps=6).output, torch.ones(6, 1, 50))
    with pytest.raises(CanonicError, match=r"p of Dropout must lie in \[0, 1\), got 1.0: take 0.2"):
        Dropout(1.0)


def test_a_network_may_run_another_inside():
    inner = nn.Sequential(Population(LIF()))

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = Population(LIF())

        def forward(self, x):
            return self.act(unroll(inner, x, steps=3).output.mean(0))

    assert unroll(Outer(), torch.rand(2, 4), steps=2).output.shape == (2, 2, 4)


def test_what_is_called_outside_a_schedule_says_so():
    for module in (Population(LIF()), Hold(), Dropout(), Encode(Latency(steps=2))):
        with pytest.raises(DataError, match=rf"{one(type(module).__name__)} was called outside unroll\(\) or tick\(\)"):
            module(torch.rand(2, 3))


def test_one_population_in_two_places_is_refused():
    act = Population(LIF())
    with pytest.raises(DataError, match="0, a Population, was called twice in one pass"):
        unroll(nn.Sequential(act, act), torch.rand(2, 3), steps=2)


def test_a_population_that_is_no_part_of_the_network_is_refused():
    hidden = [Population(LIF())]

    class Net(nn.Module):
        def forward(self, x):
            return hidden[0](x)

    with pytest.raises(DataError, match="that is no part of the network"):
        unroll(Net(), torch.rand(2, 3), steps=2)


@pytest.mark.parametrize(
    ("net", "x", "steps", "message"),
    [
        (nn.Sequential(nn.Linear(3, 2)), torch.rand(2, 3), 2, "the network has no Population"),
        (nn.Sequential(nn.Flatten(0), Population(LIF())), torch.rand(2, 3), 2, "1 has 6 rows, where 2 steps of 2"),
        (nn.Sequential(Population(LIF())), torch.rand(3), None, r"a stream is \[time, batch, \*shape\], got \[3\]"),
        (nn.Sequential(Population(LIF())), torch.rand(2, 3), 0, "steps must be a whole number from 1"),
        (
            nn.Sequential(Population(LIF(leak=torch.ones(4)))),
            torch.rand(2, 3),
            2,
            r"shape \[4\], which .* currents \[3\] a sample",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(net, x, steps, message):
    with pytest.raises(DataError, match=message):
        unroll(net, x, steps)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LIF(leak=1.5), r"leak of LIF must be in \(0, 1\], got 1.5"),
        (lambda: LIF(theta=torch.tensor([1.0, 0.0])), "theta of LIF must be above 0"),
        (lambda: LIF(reset="none"), "reset of LIF must be soft or hard, got 'none'"),
        (
            lambda: Population(LIF(), trainable=("tau",)),
            "LIF has no field 'tau' that can be trained: it has leak, theta",
        ),
        (lambda: Population(LIF(leak=1.0), trainable=("leak",)), "leak of LIF is 1.0, the end of its range"),
        (lambda: Population(LIF(leak=torch.rand(3)), trainable=("leak",), shape=(4,)), r"has the shape \[3\], and"),
        (lambda: surrogate.triangle(width=0.0), "width of a triangle must be positive, got 0.0"),
        (lambda: Equilibrium(damping=0.0), r"damping of Equilibrium must lie in \(0, 1\], got 0"),
        (lambda: unroll(nn.Sequential(Population(LIF(), Equilibrium())), torch.rand(2, 3), 2), "with recurrent="),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_made(make, message):
    with pytest.raises(CanonicError, match=message):
        make()


def test_surrogates_are_spikes_at_zero():
    assert Surrogate()(torch.tensor([-1e-9, 0.0])).tolist() == [0.0, 1.0]
