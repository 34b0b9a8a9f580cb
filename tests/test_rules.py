"""Rules against their published equations in plain Python, and what each is known to do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from canonic.errors import CanonicError, DataError
from canonic.learn import (
    ALIF,
    IF,
    LIF,
    MPE,
    PSN,
    Bursting,
    Delayed,
    DoubleExponential,
    Integrator,
    Leaky,
    Population,
    SingleSpike,
    Stochastic,
    tick,
    unroll,
)

SHAPE = 9, 3, 5
RULES = {
    "leaky": Leaky(leak=0.8, theta=0.6),
    "single": SingleSpike(leak=0.9, theta=0.7),
    "delayed": Delayed(leak=0.9, theta=0.7),
    "bursting": Bursting(theta=0.4, most=2),
    "double exponential": DoubleExponential(theta=0.8),
    "integrator": Integrator(leak=0.9),
    "adaptive": ALIF(tau=3.0, tau_adaptation=5.0, base=0.1),
    "adaptive membrane": ALIF(tau=3.0, sends="membrane"),
    "stochastic": Stochastic(leak=0.7, gain=2.0),
    "stochastic soft": Stochastic(reset="soft"),
    "mpe": MPE(theta=0.5),
}


def currents(seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(0.3, 0.7, SHAPE))


def scanned(rule, x, draws=None):
    """The scan of a step, and all its states."""
    state, spikes, states = rule.rest(x[0]), [], []
    for t, current in enumerate(x):
        state, sent = rule.step(state, current, None if draws is None else draws[t])
        spikes.append(sent)
        states.append(state)
    return torch.stack(spikes), states


def leaky(x, d):
    u, s, out = 0, 0, []
    for current in x:
        u = 0.8 * u + current - 0.6 * s
        s = (u >= 0.6).astype(float)
        out.append(s)
    return out


def delayed(x, d):
    u, out = np.zeros(SHAPE[1:]), []
    for current in x:
        s = (u >= 0.7).astype(float)
        u = 0.9 * u + current - 0.7 * s
        out.append(s)
    return out


def single(x, d):
    u, fired, out = 0, np.zeros(SHAPE[1:]), []
    for current in x:
        u = 0.9 * u + current
        s = (u >= 0.7) & (fired == 0)
        u, fired = u - 0.7 * s, fired + s
        out.append(s)
    return out


def bursting(x, d):
    u, out = 0, []
    for current in x:
        k = np.floor(((u + current) / 0.4).clip(0, 2))
        u = u + current - 0.4 * k
        out.append(0.4 * k)
    return out


def double_exponential(x, d):
    """Kernels e^(-k/2) - e^(-2k), k = 1, 2, ..., of which the first is the highest."""
    kernel, fired, out = np.exp(-np.arange(1, 10) / 2) - np.exp(-2 * np.arange(1, 10)), 0, []
    for t in range(len(x)):
        u = np.tensordot(kernel[t::-1], x[: t + 1], 1) / kernel[0]
        out.append((u >= 0.8) & (fired == 0))
        fired = fired + out[-1]
    return out


def integrator(x, d):
    return [sum(0.9 ** (t - i) * x[i] for i in range(t + 1)) for t in range(len(x))]


def adaptive(x, d, tau=3.0, adapts=5.0, base=0.1, membrane=False):
    u, b, s, out = 0, 0, 0, []
    alpha, rho = np.exp(-1 / tau), np.exp(-1 / adapts)
    for current in x:
        b = rho * b + (1 - rho) * s
        u = alpha * u + (1 - alpha) * current - (base + 1.8 * b) * s
        s = (u >= base + 1.8 * b).astype(float)
        out.append(u if membrane else s)
    return out


def adaptive_membrane(x, d):
    return adaptive(x, d, adapts=30.0, base=0.01, membrane=True)


def stochastic(x, d, leak=0.7, gain=2.0, soft=False):
    v, out = 0, []
    for t, current in enumerate(x):
        v = leak * v + gain * current
        s = (d[t] < 1 / (1 + np.exp(-v))).astype(float)
        v = v - s if soft else v
        out.append(s)
    return out


def stochastic_soft(x, d):
    return stochastic(x, d, leak=0.9, gain=1.0, soft=True)


def mpe(x, d):
    m, out = 0, []
    for t, current in enumerate(x):
        out.append((current + 0.25 * m >= 0.5).astype(float))
        m = np.where(d[t] < 1 / (1 + np.exp(-current)), 0, current)
    return out


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000))
@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_its_equations(name, seed):
    x, rule = currents(seed), RULES[name]
    draws = torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected = globals()[name.replace(" ", "_")](x.numpy(), draws.numpy())
    np.testing.assert_allclose(scanned(rule, x, draws)[0].numpy(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", RULES)
def test_both_schedules_are_the_scan_of_the_step(name):
    net, x = nn.Sequential(nn.Linear(5, 5), Population(RULES[name]), nn.Linear(5, 2)).double().eval(), currents(1)
    state, outputs = None, []
    for part in x:
        state, y = tick(net, state, part, seed=3)
        outputs.append(y)
    whole, steps = unroll(net, x, seed=3).output, torch.stack(outputs)
    torch.testing.assert_close(whole, steps, rtol=0, atol=1e-12)
    grads = [torch.autograd.grad(y.square().sum(), list(net.parameters())) for y in (whole, steps)]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    assert all(part.dtype == torch.float64 and part.shape == (3, 5) for part in state["1"].state)


def test_special_cases_are_each_other():
    x = currents(2)
    assert torch.equal(scanned(IF(theta=1.0), x)[0], scanned(LIF(leak=1.0), x)[0])
    assert torch.equal(scanned(Leaky(leak=1.0), x)[0], scanned(LIF(leak=1.0), x)[0])
    alif = ALIF(tau=3.0, beta=0.0, base=0.5)
    alpha = float(np.exp(-1 / 3))
    late = Leaky(leak=alpha, theta=0.5)
    torch.testing.assert_close(scanned(alif, x)[0], scanned(late, (1 - alpha) * x)[0])


def test_conservation():
    """What was sent is what came less what is left."""
    x = currents(3)
    for rule in (LIF(leak=1.0), IF(theta=0.6, at=0.5)):
        spikes, states = scanned(rule, x)
        torch.testing.assert_close(spikes.sum(0), x.sum(0) - states[-1].u)
    leaks = 0.8 ** torch.arange(len(x) - 1, -1, -1, dtype=torch.float64)[:, None, None]  # weighs step t by leak^(T - t)
    spikes, states = scanned(LIF(leak=0.8, theta=0.6), x)
    torch.testing.assert_close(0.6 * (leaks * spikes).sum(0), (leaks * x).sum(0) - states[-1].u)


@pytest.mark.parametrize(("at", "error"), [(1.0, 1.0), (0.5, 0.5)])
def test_the_mean_of_integrate_and_fire_is_that_of_a_constant_current(at, error):
    x = torch.linspace(0, 0.8, 50, dtype=torch.float64).expand(20, 1, 50)
    rule = IF(theta=0.8, at=at)
    spikes, states = scanned(rule, x)
    assert (spikes.mean(0) - x[0]).abs().max() <= error * 0.8 / 20 + 1e-12
    u = torch.stack([state.u for state in states])
    assert u.min() >= -(1 - at) * 0.8 - 1e-12
    assert u.max() <= at * 0.8 + 1e-12
    torch.testing.assert_close(rule.response(x[0]), x[0])


def test_a_neuron_of_one_spike_fires_once():
    spikes, states = scanned(RULES["single"], currents(4).abs())
    assert spikes.sum(0).max() == 1
    assert torch.equal(spikes.sum(0), states[-1].fired)


def test_adaptation_falls_and_rises():
    rule, x = ALIF(tau_adaptation=5.0, base=0.2), torch.zeros(30, 1, 1, dtype=torch.float64)
    start = rule.rest(x[0])._replace(b=torch.ones(1, 1, dtype=torch.float64))
    state = start
    for t in range(1, 10):
        state, _ = rule.step(state, x[0])
        np.testing.assert_allclose(state.b.item(), np.exp(-t / 5))
    state = rule.rest(x[0])
    for _ in range(300):  # always firing: the threshold goes to base + beta
        state, _ = rule.step(state._replace(s=torch.ones(1, 1, dtype=torch.float64)), x[0])
    np.testing.assert_allclose(state.b.item(), 1.0)


def test_chance_has_its_mean():
    x = torch.full((1, 20_000), 0.4)
    draws = torch.rand(1, 20_000, generator=torch.Generator().manual_seed(0))
    p = torch.sigmoid(torch.tensor(0.4)).item()
    mean = scanned(Stochastic(), x[:, None], draws[:, None])[0].mean().item()
    assert abs(mean - p) < 4 * (p * (1 - p) / 20_000) ** 0.5


def test_the_gradient_of_chance_is_straight_through():
    v = torch.tensor([[0.3, -1.2]], dtype=torch.float64, requires_grad=True)
    rule = Stochastic()
    rule.step(rule.rest(v), v, torch.tensor([[0.1, 0.9]], dtype=torch.float64))[1].sum().backward()
    p = 1 / (1 + np.exp(-v.detach().numpy()))
    np.testing.assert_allclose(v.grad.numpy(), p * (1 - p))


def test_chance_is_the_same_for_a_seed_and_each_module_draws_its_own():
    net, x = nn.Sequential(Population(Stochastic()), Population(Stochastic())).eval(), torch.zeros(4, 2, 50)
    one, same, other = (unroll(net, x, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.output, same.output)
    assert not torch.equal(one.output, other.output)
    assert not torch.equal(one.spikes["0"], one.spikes["1"])
    with pytest.raises(CanonicError, match=r"population 0 is random and the network is in eval\(\): give seed="):
        unroll(net, x)


def test_mpe_with_what_the_reset_leaves_is_lif():
    """With the true memory in place of the estimate it is LIF with a hard reset, bit for bit."""
    x, rule, m, spikes = currents(5), MPE(theta=0.5), torch.zeros(SHAPE[1:], dtype=torch.float64), []
    for current in x:
        h = current + rule.tau * m
        _, s = rule.step(rule.rest(current)._replace(m=m), current)
        m = (1 - s) * h
        spikes.append(s)
    assert torch.equal(torch.stack(spikes), scanned(LIF(leak=0.25, theta=0.5, reset="hard"), x)[0])


def test_mpe_depends_on_two_currents_alone():
    x = currents(6)
    draws = torch.rand(SHAPE, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    far = x.clone()
    far[:4] = 5.0
    far[6:] = -5.0
    assert torch.equal(MPE().run(x, draws)[5], MPE().run(far, draws)[5])


def test_all_steps_at_once_are_the_scan():
    x = currents(7)
    for draws in (None, torch.rand(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(7))):
        assert torch.equal(RULES["mpe"].run(x, draws), scanned(RULES["mpe"], x, draws)[0])


def test_the_loss_of_mpe_is_how_far_its_estimates_are():
    x, rule = currents(8), RULES["mpe"]
    draws = torch.rand(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    m, before = np.where(draws.numpy() < 1 / (1 + np.exp(-x.numpy())), 0, x.numpy()), np.zeros(SHAPE[1:])
    expected = []
    for t in range(SHAPE[0]):
        h = x.numpy()[t] + 0.25 * before
        expected.append(((m[t] - np.where(h >= 0.5, 0, h)) ** 2).mean() / SHAPE[0])
        before = m[t]
    np.testing.assert_allclose(rule.loss(x, rule.run(x, draws), draws).numpy(), expected)
    run = unroll(nn.Sequential(Population(rule)), x, seed=0)
    assert run.losses["0"].shape == (SHAPE[0],)
    shared = Population(replace(rule, share=torch.zeros(SHAPE[0])), trainable=("share", "theta"))
    losses = unroll(nn.Sequential(shared).double(), x, seed=0).losses["0"]
    torch.testing.assert_close(losses, run.losses["0"])
    losses.sum().backward()
    assert shared.trained["share"].grad.count_nonzero() == SHAPE[0]
    assert shared.trained["share"].grad.sum().abs() < 1e-12  # what one step gains the others lose


def test_psn_is_a_product_over_time():
    weight = torch.randn(SHAPE[0], SHAPE[0], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    neurons = Population(PSN(weight, theta=0.5), trainable=("weight",), shape=weight.shape).double()
    x, net = currents(9), nn.Sequential(neurons)
    expected = np.einsum("st,tbi->sbi", weight.float().double().numpy(), x.numpy()) >= 0.5
    np.testing.assert_array_equal(unroll(net, x).output.detach().numpy(), expected)
    with pytest.raises(CanonicError, match=r"PSN has no step: .* run it by unroll\(\)"):
        tick(net, None, x[0])
    with pytest.raises(CanonicError, match=r"weight of PSN .* has the shape \[9, 9\], and 4 steps are run"):
        unroll(net, x[:4])
    with pytest.raises(CanonicError, match="PSN has 9 steps, and 4 run: give both the same"):
        net[0].rule.run(x[:4])


def test_membranes_are_kept_where_they_are_wanted():
    x = currents(10)
    net = nn.Sequential(Population(Leaky(leak=0.8, theta=0.6), membrane=True), Population(LIF()))
    run = unroll(net, x, segment=2)
    assert set(run.membranes) == {"0"}
    assert torch.equal((run.membranes["0"] >= 0.6).double(), run.spikes["0"])


@pytest.mark.parametrize("rule", [*RULES.values(), LIF(), IF()], ids=lambda rule: type(rule).__name__)
def test_fields_may_differ_by_neuron(rule):
    name = next(iter(rule.__dataclass_fields__))
    each = replace(rule, **{name: torch.linspace(0.2, 0.9, 5, dtype=torch.float64)})
    x, draws = currents(11), torch.rand(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    one = replace(rule, **{name: torch.linspace(0.2, 0.9, 5, dtype=torch.float64)[3].item()})
    torch.testing.assert_close(scanned(each, x, draws)[0][..., 3], scanned(one, x, draws)[0][..., 3])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Leaky(leak=0.0), r"leak of Leaky must be in \(0, 1\], got 0.0"),
        (lambda: Delayed(beta=-1.0), "beta of Delayed must be at least 0, got -1.0: take 0.01, or None for a triangle"),
        (lambda: SingleSpike(theta=-1.0), "theta of SingleSpike must be above 0 and finite, got -1.0"),
        (lambda: ALIF(tau=torch.tensor([3.0, -1.0])), "tau of ALIF must be above 0"),
        (lambda: ALIF(sends="both"), "ALIF sends spikes or its membrane, got 'both'"),
        (lambda: Stochastic(reset="hard"), "reset of Stochastic must be none or soft, got 'hard'"),
        (
            lambda: Stochastic().step(Stochastic().rest(torch.ones(1)), torch.ones(1)),
            "a step of Stochastic needs draw=",
        ),
        (lambda: PSN(torch.ones(2, 3)), r"weight of PSN must be \[T, T\], got \[2, 3\]"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(CanonicError, match=message):
        make()


FIELDS = [
    (LIF(leak=torch.full((2, 6), 0.5)), r"leak of LIF in population 0 has the shape \[2, 6\], which does not"),
    (LIF(theta=torch.ones(5)), r"theta of LIF in population 0 has the shape \[5\], .* against currents \[6\] a sample"),
    (ALIF(tau=torch.full((1, 6), 9.0)), r"tau of ALIF in population 0 has the shape \[1, 6\]"),
    (Stochastic(gain=torch.ones(2, 1)), r"gain of Stochastic in population 0 has the shape \[2, 1\]"),
    (MPE(share=torch.zeros(3)), r"share of MPE .* has the shape \[3\], and 4 steps are run: it must be \[4\]"),
    (MPE(share=torch.zeros(())), r"share of MPE .* has the shape \[\]"),
    (PSN(torch.eye(4), theta=torch.ones(4, 4)), r"theta of PSN .* has the shape \[4, 4\], and 4 steps are run"),
    (PSN(torch.eye(3)), r"weight of PSN .* has the shape \[3, 3\], and 4 steps are run: it must be \[4, 4\]"),
]


@pytest.mark.parametrize(("rule", "why"), FIELDS)
def test_a_field_that_is_of_no_neuron_and_no_step_is_refused_before_it_is_broadcast(rule, why):
    """Two samples of six neurons: a field of their batch would be one of neurons without a word."""
    net = nn.Sequential(Population(rule))
    with pytest.raises(DataError, match=why):
        unroll(net, torch.rand(4, 2, 6), seed=1)


def test_a_share_of_many_steps_is_refused_where_one_is_run_and_has_no_loss_in_a_tick():
    net = nn.Sequential(Population(MPE(share=torch.zeros(4))))
    with pytest.raises(DataError, match=r"has the shape \[4\], and 1 steps are run"):
        unroll(net, torch.rand(2, 6), steps=1, seed=1)
    tick(net, None, torch.rand(2, 6), seed=1)


@pytest.mark.parametrize("shape", [(), (6,), (1,)])
def test_fields_of_one_sample_are_taken(shape):
    assert unroll(nn.Sequential(Population(LIF(leak=torch.full(shape, 0.5)))), torch.rand(4, 2, 6)).output.shape == (
        4,
        2,
        6,
    )


@pytest.mark.parametrize(
    "make", [lambda v: ALIF(beta=v), lambda v: ALIF(beta=torch.tensor(v)), lambda v: PSN(torch.full((2, 2), v))]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_fields_without_a_range_are_finite(make, value):
    with pytest.raises(CanonicError, match="of (ALIF|PSN) holds NaN or infinity"):
        make(value)


def test_one_spike_in_one_step():
    did = unroll(nn.Sequential(Population(SingleSpike())), torch.tensor([[0.5, 2.0]]), steps=1)
    assert did.output.tolist() == [[[0.0, 1.0]]]


def test_what_the_estimates_of_mpe_miss_falls_while_it_is_trained():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), Population(MPE(share=torch.zeros(4)), trainable=("share", "theta")))
    x, optimiser, losses = torch.randn(32, 6), torch.optim.Adam(net.parameters(), 0.02), []
    for step in range(30):
        loss = unroll(net, x, steps=4, seed=step).losses["1"].sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
