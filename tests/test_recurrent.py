"""Adaptive neurons in C are the scan of their step: streams, gradients, and where C is not taken."""

import pytest
import torch
from torch import nn

from canonic.learn import ALIF, Population, Surrogate, unroll
from canonic.native import recurrent
from canonic.neurons.surrogate import triangle

SHAPE = 40, 5, 7
RULES = {
    "adaptive": ALIF(tau=6.0, tau_adaptation=9.0, base=0.1),
    "plain": ALIF(tau=6.0, beta=0.0, base=0.3, fire=Surrogate(triangle())),
    "membrane": ALIF(tau=6.0, tau_adaptation=9.0, base=0.1, sends="membrane"),
}


def made(rule, *, matrix):
    torch.manual_seed(0)
    back = nn.Linear(7, 7, bias=False) if matrix else None
    neurons = Population(rule, trainable=("tau", "tau_adaptation", "beta"), shape=(7,), recurrent=back, membrane=True)
    return nn.Sequential(nn.Linear(4, 7), neurons)


def did(net, x):
    run = unroll(net, x)
    weights = torch.linspace(-1, 1, run.output.numel()).view(run.output.shape)
    loss = (run.output * weights).sum() + (run.membranes["1"] * weights.flip(0)).sum()
    grads = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    return run, [torch.zeros(1) if grad is None else grad for grad in grads]


@pytest.mark.parametrize("matrix", [False, True], ids=["alone", "recurrent"])
@pytest.mark.parametrize("name", RULES)
def test_c_is_the_scan_and_so_are_its_gradients(name, matrix, monkeypatch):
    if matrix and name == "membrane":
        pytest.skip("spikes come back, never membranes")
    net, x = made(RULES[name], matrix=matrix), torch.randn(SHAPE[0], SHAPE[1], 4).clamp(-1, 2) * 3
    ours, grads = did(net, x)
    monkeypatch.setattr(recurrent, "_programs", lambda: None)
    scan, wanted = did(net, x)
    assert (scan.spikes["1"] != 0).double().mean() > 0.05
    if name != "membrane":
        assert torch.equal(ours.output, scan.output)
    torch.testing.assert_close(ours.membranes["1"], scan.membranes["1"], rtol=1e-5, atol=1e-6)
    for one, other in zip(grads, wanted, strict=True):
        assert (one - other).norm() <= 2e-6 * other.norm() + 1e-9
    for one, other in zip(ours.state["1"].state, scan.state["1"].state, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_c_runs_where_it_can_and_the_scan_where_it_cannot(monkeypatch):
    called = []
    run = recurrent._Adaptive.apply
    monkeypatch.setattr(recurrent._Adaptive, "apply", lambda *given: called.append(1) or run(*given))
    if recurrent._programs() is None:
        pytest.skip("no C compiler: C is not tested")
    x = torch.randn(6, 2, 4)
    unroll(made(RULES["adaptive"], matrix=True), x)
    assert called == [1]
    unroll(made(RULES["adaptive"], matrix=True).double(), x.double())
    unroll(made(RULES["adaptive"], matrix=True), x, segment=3)
    odd = made(RULES["adaptive"], matrix=False)
    odd[1].recurrent = nn.Sequential(nn.Linear(7, 7), nn.Tanh())
    unroll(odd, x)
    assert called == [1]


def test_any_shape_of_neurons_runs_and_threads_change_nothing():
    net, x = nn.Sequential(Population(RULES["adaptive"])), torch.rand(30, 8, 3, 4, 5) * 2
    alone = unroll(net, x).output
    torch.set_num_threads(2)
    try:
        assert torch.equal(unroll(net, x).output, alone)
    finally:
        torch.set_num_threads(1)
    assert alone.any()
