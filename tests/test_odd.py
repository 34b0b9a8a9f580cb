"""Networks of odd geometry: one answer for both schedulers, with and without C, any batch, any number of threads."""

import pytest
import torch

import canonic.native.scan as native
import canonic.network.convolution as convolution
import canonic.network.pooling as pooling
from canonic import SpikingNetwork
from tests.odd import odd

NEAR = {"fp32": 3e-2, "bf16": 3e-2, "int8": 1e-6}
"""How far answers may lie apart: those of floats up to a spike at its threshold."""


def distance(a, b):
    return float((a - b).double().square().mean().sqrt() / b.double().square().mean().sqrt().clamp(min=1e-30))


def examine(snn, x, precision):
    """Raise unless all ways to run a network give one answer; return it."""
    ready = snn.to_precision(precision)
    torch.set_num_threads(2)
    try:
        answer = ready(x)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(ready(x), answer)
    parts = torch.cat([ready(part) for part in x.split(2)])
    assert torch.equal(parts, answer) if precision == "int8" else distance(parts, answer) < 1e-6
    assert distance(ready(x, scheduler="clocked"), answer) < NEAR[precision]
    some = ready.trace(x[:2])
    for name, trace in ready.trace(x).items():
        assert torch.equal(some[name].spikes, trace.spikes[:, :2])
    return answer


def without_programs(snn, x, precision, monkeypatch):
    for module in (native, convolution, pooling):
        monkeypatch.setattr(module, "program", lambda source: None)
    answer = SpikingNetwork(snn.plan, {}, precision)(x)
    monkeypatch.undo()
    return answer


WHICH = {
    "one-pixel maps, 64 groups": (17, (4, 1)),
    "one channel, rows of one pixel": (20, (4, 1)),
    "one digit, pooling beyond the edge": (6, (1, 1)),
}


@pytest.mark.parametrize("name", WHICH)
def test_networks_of_odd_geometry_have_one_answer(name, monkeypatch):
    """Three; ``make sanitize`` runs more of them, for what they read and write."""
    seed, code = WHICH[name]
    snn, shape = odd(seed, [code])
    x = torch.randn(5, *shape, generator=torch.Generator().manual_seed(seed))
    for precision, near in NEAR.items():
        answer = examine(snn, x, precision)
        assert distance(without_programs(snn, x, precision, monkeypatch), answer) < near
