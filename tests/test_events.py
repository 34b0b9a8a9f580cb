"""Times of spikes in closed form: the program against the torch form, both against bisection, and what must hold."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from canonic.errors import CanonicError
from canonic.native import quotient as native
from canonic.native.quotient import fast_spike_times
from canonic.neurons.quotient import Quotient, spike_times

NEURONS = {
    "ramp": Quotient.ramp(theta=1.0),
    "many": Quotient.integrator(theta=0.4, tau=1.0, spikes=3),
    "falling": Quotient.falling(theta=1.0, slope=0.5),
    "horizon": Quotient.ramp(theta=1.0, horizon=1.2),
}


def case(seed, batch=3, inputs=11, outputs=5, silent=0.2, ties=False):
    generator = np.random.default_rng(seed)
    e = generator.uniform(0.1, 1.5, (batch, inputs))
    e = np.round(e, 1) if ties else e
    e[generator.random(e.shape) < silent] = np.inf
    return torch.tensor(e), torch.tensor(generator.normal(0.3, 0.6, (outputs, inputs)))


def potential(neuron, e, w, t, k):
    """How far the membrane of one output is above the threshold of its k-th spike, times what does not change sign."""
    came = e <= t
    return (w[came] * (t - e[came])).sum() - neuron.a[k] - neuron.b[k] * t


def by_bisection(neuron, e, w, k, last):
    """The first time that the membrane is at its threshold, on a fine grid and then halved."""
    grid = np.linspace(0.05, last, 4001)
    above = [t for t in grid if potential(neuron, e, w, t, k) >= 0]
    if not above:
        return np.inf
    low, high = above[0] - last / 4000, above[0]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if potential(neuron, e, w, middle, k) >= 0 else (middle, high)
    return high


@pytest.mark.parametrize("name", ["ramp", "many", "falling"])
def test_times_are_those_of_bisection(name):
    neuron, (e, w), found = NEURONS[name], case(1), 0
    times = spike_times(neuron, e, w)
    for n in range(3):
        for o in range(5):
            for k in range(len(neuron.a)):
                expected = by_bisection(neuron, e[n].numpy(), w[o].numpy(), k, 20)
                if times[n, k, o] < 19:
                    found += 1
                    assert times[n, k, o].item() == pytest.approx(expected, abs=1e-9)
                else:
                    assert not expected < 19
    assert found > 3


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(NEURONS)), st.integers(0, 10_000), st.booleans(), st.sampled_from([1, 5, 64, 70]))
def test_the_program_is_the_torch_form(name, seed, ties, outputs):
    e, w = (x.float().requires_grad_() for x in case(seed, outputs=outputs, ties=ties))
    neuron = replace(NEURONS[name], horizon=min(NEURONS[name].horizon, 5.0))
    grads = []
    for run in (fast_spike_times, spike_times):
        times = run(neuron, e, w)
        scores = torch.where(times.isfinite(), times, 0.0)
        weights = torch.linspace(-1, 1, scores.numel()).view(scores.shape)
        grads.append((times.detach(), *torch.autograd.grad((scores * weights).sum(), (e, w))))
    for ours, reference in zip(*grads, strict=True):
        same = (ours.isfinite() == reference.isfinite()).double().mean()
        assert same == 1 or same > 0.99  # a time may lie within rounding of the horizon
        if same == 1:
            torch.testing.assert_close(ours, reference, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NEURONS)
def test_gradients_are_finite_differences_and_sum_to_one(name):
    e, w = (x.requires_grad_() for x in case(7, silent=0.0))
    times = spike_times(NEURONS[name], e, w)
    fires = times.isfinite()
    assert torch.autograd.gradcheck(lambda e, w: spike_times(NEURONS[name], e, w)[fires], (e, w), atol=1e-6)
    if name in ("ramp", "horizon"):  # a shift of all inputs shifts all outputs
        back = [torch.autograd.grad(t, e, retain_graph=True)[0].sum().item() for t in times[fires]]
        np.testing.assert_allclose(back, 1, atol=1e-12)
        later = spike_times(Quotient.ramp(NEURONS[name].a[0], NEURONS[name].horizon + 0.25), e + 0.25, w)
        torch.testing.assert_close(later, times + 0.25)


def test_spikes_come_in_their_order_and_no_more_than_may_be():
    times = spike_times(NEURONS["many"], *case(3))
    assert times.shape == (3, 3, 5)
    assert (times.diff(dim=1).nan_to_num(0) >= 0).all()
    one = spike_times(Quotient.integrator(theta=0.4, tau=1.0, spikes=1), *case(3))
    assert torch.equal(one[:, 0], times[:, 0])


@pytest.mark.parametrize("run", [spike_times, fast_spike_times])
def test_no_spike_is_later_than_the_horizon_where_inputs_are(run):
    e, w = (x.float() for x in case(6, inputs=20))
    for name in ("ramp", "many"):
        all_of, early = run(NEURONS[name], e, w.abs()), run(replace(NEURONS[name], horizon=0.8), e, w.abs())
        assert (early.isfinite()).sum() > 3
        torch.testing.assert_close(early, torch.where(all_of <= 0.8, all_of, torch.inf))


def test_weights_and_threshold_of_one_scale_leave_the_times():
    e, w = case(4)
    torch.testing.assert_close(spike_times(Quotient.ramp(3.0), e, 3 * w), spike_times(Quotient.ramp(1.0), e, w))


@pytest.mark.parametrize("run", [spike_times, fast_spike_times])
def test_inputs_that_never_come_and_outputs_that_never_fire(run):
    e, w = torch.full((2, 4), torch.inf), torch.ones(3, 4, requires_grad=True)
    times = run(NEURONS["ramp"], e, w)
    assert times.isinf().all()
    never = run(NEURONS["ramp"], torch.ones(2, 4, requires_grad=True), -w)
    assert never.isinf().all()
    torch.where(never.isfinite(), never, 0.0).sum().backward()
    assert w.grad.count_nonzero() == 0


def test_threads_change_nothing_and_without_a_compiler_torch_does_it(monkeypatch):
    e, w = (x.float() for x in case(5, outputs=130))
    alone = fast_spike_times(NEURONS["many"], e, w)
    torch.set_num_threads(2)
    try:
        assert torch.equal(fast_spike_times(NEURONS["many"], e, w), alone)
    finally:
        torch.set_num_threads(1)
    monkeypatch.setattr(native, "_programs", lambda leaky: None)
    assert torch.equal(fast_spike_times(NEURONS["many"], e, w), spike_times(NEURONS["many"], e, w))


def test_a_neuron_without_spikes_is_refused():
    with pytest.raises(CanonicError, match="needs an a and a b for each of its spikes, got 1 and 2"):
        Quotient((1.0,), (1.0, 2.0))
