"""Spikes of neurons that leak, in closed form: against their differential equations, the program against the torch form."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from canonic.errors import CanonicError
from canonic.native import quotient as native
from canonic.native.quotient import fast_spike_times
from canonic.neurons.current_based import CurrentBased, current_based_times

THETA, TAU = 0.5, 0.7
NEURON = CurrentBased.of(THETA, TAU, spikes=3)


def case(seed, batch=3, inputs=9, outputs=5, silent=0.2, ties=False):
    generator = np.random.default_rng(seed)
    t = generator.uniform(0, 2, (batch, inputs))
    t = np.round(t, 1) if ties else t
    t[generator.random(t.shape) < silent] = np.inf
    return torch.tensor(np.exp(t / (2 * TAU))), torch.tensor(generator.normal(0.5, 1.0, (outputs, inputs)))


def later(state, time):
    """Current and membrane after a time without events, from the two equations."""
    current, v = state
    fast, slow = np.exp(-time / TAU), np.exp(-time / (2 * TAU))
    return current * fast, v * slow + 2 * TAU * current * (slow - fast)


def by_bisection(t, w, until=6.0, grid=2e-3):
    """The spikes of one neuron: its state is carried from event to event, and looked at on a grid between them."""
    events = sorted((a, b) for a, b in zip(t, w, strict=True) if np.isfinite(a))
    state, now, spikes = (0.0, 0.0), 0.0, []
    for at, weight in [*events, (until, 0.0)]:
        while now < at:
            step = min(grid, at - now)
            if later(state, step)[1] < THETA:
                state, now = later(state, step), now + step
                continue
            low, high = 0.0, step
            for _ in range(50):
                middle = (low + high) / 2
                low, high = (low, middle) if later(state, middle)[1] >= THETA else (middle, high)
            current, v = later(state, high)
            state, now = (current, v - THETA), now + high
            spikes.append(now)
        state = (state[0] + weight, state[1])
    return spikes


def test_spikes_are_where_the_differential_equations_reach_the_threshold():
    e, w = case(1)
    found, count = 2 * TAU * current_based_times(NEURON, e, w).log(), 0
    for n, o in np.ndindex(3, 5):
        expected = by_bisection((2 * TAU * e[n].log()).tolist(), w[o].tolist())[:3]
        fired = [t for t in found[n, :, o].tolist() if t < 6]
        count += len(fired)
        assert fired == pytest.approx(expected, abs=1e-9)
    assert count > 20


def by_euler(t, w, step, until=4.0):
    """The first spikes of neurons by small steps of the two equations."""
    current, v, seen = np.zeros(len(w)), np.zeros(len(w)), np.full(len(w), np.inf)
    for now in np.arange(0, until, step):
        current = current * (1 - step / TAU) + w[:, (t >= now) & (t < now + step)].sum(1)
        v = v * (1 - step / (2 * TAU)) + step * current
        seen = np.where((v >= THETA) & np.isinf(seen), now, seen)
    return seen


def test_eulers_steps_come_to_the_same_spikes():
    e, w = case(2, batch=1, outputs=40)
    first, t = (2 * TAU * times.log().numpy() for times in (current_based_times(NEURON, e, w)[0, 0], e[0]))
    coarse, fine = (by_euler(t, w.numpy(), step) for step in (4e-3, 1e-3))
    both = (first < 3.9) & np.isfinite(coarse) & np.isfinite(fine)
    assert both.sum() > 20
    off = [np.median(np.abs(seen[both] - first[both])) for seen in (coarse, fine)]
    assert off[1] < min(0.4 * off[0], 2e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([1, 5, 64, 70]), st.sampled_from([1, 3]))
def test_the_program_is_the_torch_form(seed, ties, outputs, spikes):
    e, w = (x.float().requires_grad_() for x in case(seed, outputs=outputs, ties=ties))
    neuron, found = CurrentBased.of(THETA, TAU, spikes, last=5.0), []
    for run, (times, weight) in ((fast_spike_times, (e, w)), (current_based_times, (e.double(), w.double()))):
        out = run(neuron, times, weight)
        scores = torch.where(out.isfinite(), out, 0.0).float()
        found.append((scores.detach(), *torch.autograd.grad((scores * scores.detach().sin()).sum(), (e, w))))
    same = found[0][0].isclose(found[1][0], rtol=1e-3, atol=1e-3)
    assert same.double().mean() > 0.98  # at a root of two a spike is there or not by rounding
    if same.all():
        for ours, reference in zip(*found, strict=True):
            close = ours.isclose(reference, rtol=2e-2, atol=1e-2)
            assert close.double().mean() > 0.98
            torch.testing.assert_close(ours.median(), reference.median(), rtol=1e-2, atol=1e-3)


def well(seed, ties=False):
    """Inputs and outputs whose spikes cross the threshold at a good angle, so that rounding changes little."""
    e, w = case(seed, batch=4, outputs=70, ties=ties)
    return e, w.abs() + 0.5


@pytest.mark.parametrize("ties", [False, True])
def test_gradients_of_the_program_are_those_of_the_torch_form(ties):
    e, w = (x.float().requires_grad_() for x in well(3, ties))
    g = torch.randn(4, 3, 70, generator=torch.Generator().manual_seed(0))
    ours = fast_spike_times(NEURON, e, w)
    reference = current_based_times(NEURON, e.double(), w.double()).float()
    assert torch.equal(ours.isfinite(), reference.isfinite())
    torch.testing.assert_close(ours, reference, rtol=1e-5, atol=1e-5)
    fired = ours.isfinite()
    for one, two in zip(
        *(torch.autograd.grad((out[fired] * g[fired]).sum(), (e, w)) for out in (ours, reference)), strict=True
    ):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)


def test_gradients_are_finite_differences():
    e, w = (x.requires_grad_() for x in case(7, silent=0.0))
    fires = current_based_times(NEURON, e, w).isfinite()
    assert fires[:, 2].any()
    assert torch.autograd.gradcheck(lambda e, w: current_based_times(NEURON, e, w)[fires], (e, w), atol=1e-6)


def test_a_shift_of_all_inputs_shifts_all_spikes():
    e, w = case(5, silent=0.0)
    e.requires_grad_()
    times = current_based_times(NEURON, e, w)
    torch.testing.assert_close(current_based_times(NEURON, 1.25 * e, w), 1.25 * times)
    each = [torch.autograd.grad(t.log(), e, retain_graph=True)[0] for t in times[times.isfinite()]]
    np.testing.assert_allclose([(back * e).sum().item() for back in each], 1, atol=1e-12)  # sum of dt[k]/dt[i]


def test_spikes_come_in_their_order_and_no_more_than_may_be():
    e, w = well(4)
    times = current_based_times(NEURON, e, w)
    assert (times.diff(dim=1).nan_to_num(0) >= 0).all()
    one = current_based_times(CurrentBased.of(THETA, TAU, 1), e, w)
    assert torch.equal(one[:, 0], times[:, 0])
    early = CurrentBased.of(THETA, TAU, 3, last=1.0)
    for run in (current_based_times, fast_spike_times):
        found = run(early, e.float(), w.float())
        torch.testing.assert_close(found, torch.where(times <= early.horizon, times, torch.inf).float())


@pytest.mark.parametrize("run", [current_based_times, fast_spike_times])
def test_inputs_that_never_come_and_outputs_that_never_fire(run):
    e, w = torch.full((2, 4), torch.inf), torch.ones(3, 4, requires_grad=True)
    assert run(NEURON, e, w).isinf().all()
    never = run(NEURON, torch.ones(2, 4, requires_grad=True), -w)
    assert never.isinf().all()
    torch.where(never.isfinite(), never, 0.0).sum().backward()
    assert w.grad.count_nonzero() == 0


def test_without_a_compiler_torch_does_it(monkeypatch):
    e, w = (x.float() for x in well(5))
    monkeypatch.setattr(native, "_programs", lambda leaky: None)
    assert torch.equal(fast_spike_times(NEURON, e, w), current_based_times(NEURON, e, w))


def test_a_neuron_without_threshold_or_spikes_is_refused():
    with pytest.raises(CanonicError, match="a threshold above 0, and a spike to send: got q = 0.0, 2 spikes"):
        CurrentBased(0.0, 2)
