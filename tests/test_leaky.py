"""Plain neurons in C are the scan of their step, bit for bit, and run as it where C does not suit them."""

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from canonic.learn import ALIF, IF, LIF, Leaky, Population, as_network, unroll
from canonic.native import choice, leaky, rule_scan
from canonic.native.build import Source, program
from canonic.neurons.running import moved
from canonic.neurons.surrogate import Surrogate

RULES = {
    "soft": LIF(leak=0.9, theta=0.7),
    "hard": LIF(leak=0.9, theta=0.7, reset="hard"),
    "whole": IF(theta=0.6, at=0.3),
    "later": Leaky(leak=0.8, theta=0.6, detach_reset=True),
}
FIELDS = {"number": None, "one": (), "channels": (3, 1, 1), "neurons": (3, 20, 11)}
ODD = torch.tensor([torch.nan, torch.inf, -torch.inf, -0.0, 1e-45, 3e38])
SHAPE = 5, 2, 3, 20, 11  # a sample has 660 neurons, more than a block of them


compiled = pytest.mark.skipif(program(Source(("leaky.c",), "leaky")) is None, reason="no C compiler: C is not tested")


def made(name, kind, generator):
    """A rule with fields of a kind."""
    rule = RULES[name]
    if (shape := FIELDS[kind]) is None:
        return rule
    drawn = {f: torch.rand(shape, generator=generator) * 0.9 + 0.1 for f in ("leak", "theta") if hasattr(rule, f)}
    return replace(rule, **drawn)


def same(one, other):
    """Whether two tensors have the same bits, but those of NaN."""
    kept = ~other.isnan()
    return torch.equal(one.isnan(), ~kept) and torch.equal(one[kept].view(torch.int32), other[kept].view(torch.int32))


@pytest.fixture
def watched(monkeypatch):
    """What ran in C: a list that grows by one for each population that did."""
    calls, run = [], leaky.leaky_run
    monkeypatch.setattr(choice, "leaky_run", lambda *given, **more: calls.append(1) or run(*given, **more))
    return calls


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(RULES)),
    kind=st.sampled_from(sorted(FIELDS)),
    grid=st.sampled_from([0.0, 0.1, 0.25]),
    odd=st.booleans(),
    membrane=st.booleans(),
    permuted=st.booleans(),
    threads=st.sampled_from([1, 2]),
    seed=st.integers(0, 2**31),
)
def test_c_is_the_scan_of_the_step(name, kind, grid, odd, membrane, permuted, threads, seed):
    generator = torch.Generator().manual_seed(seed)
    rule = made(name, kind, generator)
    currents, before = (0.3 + 0.7 * torch.randn(n, generator=generator) for n in (SHAPE, (2, *SHAPE[1:])))
    if grid:  # so that membranes lie on the threshold
        currents, before = (grid * (x / grid).round() for x in (currents, before))
    if odd:
        currents.view(-1)[:: 7 * 11] = ODD.repeat(15)[: len(currents.view(-1)[:: 7 * 11])]
    if permuted:
        currents = currents.transpose(2, 4).contiguous().transpose(2, 4)
    state = rule.rests(*(before[0], (before[1] > 0).float())[: len(rule.rests.__annotations__)])
    known = [x.clone() for x in state]
    wanted = moved(rule, state, currents, membrane=membrane)
    torch.set_num_threads(threads)
    try:
        ours = rule_scan(rule, state, currents, membrane=membrane)
    finally:
        torch.set_num_threads(1)
    assert wanted.spikes.any()
    assert same(ours.spikes, wanted.spikes)
    assert all(map(same, ours.state, wanted.state))
    assert all(map(same, state, known))
    assert type(ours.state) is type(wanted.state)
    assert ours.sent is wanted.sent is None
    assert same(ours.membranes, wanted.membranes) if membrane else ours.membranes is None


@pytest.mark.parametrize("name", RULES)
def test_steps_one_by_one_are_all_at_once(name):
    rule, currents = RULES[name], torch.rand(6, 3, 700)
    state, spikes = rule.rest(currents[0]), []
    for current in currents:
        did = rule_scan(rule, state, current[None])
        state = did.state
        spikes.append(did.spikes[0])
    assert torch.equal(torch.stack(spikes), rule_scan(rule, rule.rest(currents[0]), currents).spikes)


@pytest.mark.parametrize("shape", [(3, 0, 4), (3, 2, 0), (3, 2), (1, 1, 513)])
def test_any_shape_of_neurons_runs(shape):
    rule, currents = RULES["soft"], torch.rand(shape)
    ours, wanted = (run(rule, rule.rest(currents[0]), currents) for run in (rule_scan, moved))
    assert torch.equal(ours.spikes, wanted.spikes)
    assert torch.equal(ours.state.u, wanted.state.u)


@compiled
def test_c_runs_where_it_suits_and_the_scan_elsewhere(watched):
    net = nn.Sequential(nn.Linear(4, 7), Population(LIF(), trainable=("leak",)))
    x = torch.rand(6, 2, 4) * 4
    with torch.no_grad():
        alone = unroll(net, x).output
        assert watched == [1]
        unroll(net.double(), x.double())
        unroll(nn.Sequential(Population(LIF(), recurrent=nn.Linear(4, 4))), x)
        unroll(nn.Sequential(Population(ALIF())), x)
    assert watched == [1]
    trained = unroll(net.float(), x).output
    assert watched == [1]
    assert trained.requires_grad
    assert torch.equal(trained, alone)


@compiled
@pytest.mark.parametrize("scheduler", ["layerwise", "clocked"])
def test_a_trained_network_answers_as_by_the_scan(scheduler, watched, monkeypatch):
    net = nn.Sequential(nn.Conv2d(1, 3, 3), Population(LIF(reset="hard")), nn.Flatten(), nn.Linear(48, 2))
    x = torch.rand(4, 1, 6, 6) * 3
    snn = as_network(net, x, steps=5)
    ours = snn(x, scheduler=scheduler)
    assert watched
    monkeypatch.setattr(choice, "obstacle", lambda *given: "C is not wanted")
    assert torch.equal(ours, snn(x, scheduler=scheduler))


@dataclass(frozen=True)
class Lazy(LIF):
    """A neuron to which no current comes."""

    def step(self, state, current, draw=None):
        return super().step(state, 0 * current, draw)


@dataclass(frozen=True)
class Late(Surrogate):
    """A spike above 1."""

    def __call__(self, v):
        return super().__call__(v - 1)


@pytest.mark.parametrize("rule", [Lazy(), LIF(fire=Late())], ids=["step", "fire"])
def test_a_step_of_ones_own_is_what_runs(rule, watched):
    currents = torch.rand(6, 2, 4) * 3
    ours, wanted = (run(rule, rule.rest(currents[0]), currents) for run in (rule_scan, moved))
    assert not watched
    assert torch.equal(ours.spikes, wanted.spikes)


def test_without_a_compiler_the_scan_runs(monkeypatch):
    monkeypatch.setattr(leaky, "program", lambda source: None)
    rule, currents = RULES["soft"], torch.rand(6, 2, 4)
    ours, wanted = (run(rule, rule.rest(currents[0]), currents) for run in (rule_scan, moved))
    assert torch.equal(ours.spikes, wanted.spikes)
