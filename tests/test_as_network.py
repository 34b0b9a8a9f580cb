"""Trained networks as spiking networks: what ``unroll`` gives is what is run, measured and kept."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import TensorDataset

from canonic import Latency, load
from canonic.codes import Poisson, RankOrder
from canonic.codes.hybrid import HybridInput
from canonic.errors import CanonicError, ConversionError, DataError, StorageError
from canonic.learn import (
    IF,
    LIF,
    Dropout,
    Encode,
    Gradient,
    Hold,
    Population,
    Recipe,
    as_network,
    fit,
    spiking,
    unroll,
)
from canonic.learn.spiking import _require_readout
from canonic.learn.zoo import parts
from canonic.measure import evaluate
from canonic.measure.facts import fingerprint
from canonic.network import SpikingNetwork
from canonic.neurons.adaptive import ALIF
from canonic.neurons.bursting import Bursting
from canonic.neurons.delayed import Delayed
from canonic.neurons.described import Form, parted
from canonic.neurons.double_exponential import DoubleExponential
from canonic.neurons.leaky import Integrator, Leaky, SingleSpike
from canonic.neurons.parallel import MPE, PSN
from canonic.neurons.stochastic import Stochastic
from canonic.report.page import report
from tests.lambdas import Lambda

RULES = {
    "leak": LIF(leak=0.7),
    "hard": LIF(leak=0.5, theta=0.8, reset="hard", detach_reset=True),
    "worth theta": IF(theta=0.8, at=0.5),
}


class Residual(nn.Module):
    """Every way in which spikes meet: a shortcut, batch norm, both poolings, a ReLU between, recurrence."""

    def __init__(self, rule):
        super().__init__()
        self.first, self.hold = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU()), Hold()
        self.one = Population(rule, trainable=("theta",), shape=(4, 1, 1))
        self.second, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.two, self.largest = Population(rule), nn.MaxPool2d(2)
        self.third, self.back = nn.Linear(16, 5), Population(rule, recurrent=nn.Linear(5, 5, bias=False))
        self.last = nn.Linear(5, 3)

    def forward(self, x):
        drive = self.first(x)
        spikes = self.two(self.norm(self.second(self.one(drive))) + self.hold(drive))
        pooled = self.largest(spikes) + nn.functional.avg_pool2d(spikes, 2)
        return self.last(self.back(self.third(pooled.flatten(1).relu())))


@pytest.fixture(scope="module", params=RULES)
def pair(request):
    """A network, some samples, and what it is as a network of canonic."""
    torch.manual_seed(0)
    net, x = Residual(RULES[request.param]).double(), 3 * torch.rand(6, 1, 4, 4, dtype=torch.float64)
    nn.init.uniform_(net.third.bias, 0.3, 1), nn.init.uniform_(net.norm.running_mean)
    nn.init.uniform_(net.norm.running_var, 0.5, 2)
    return net.eval(), x, as_network(net, x, steps=7)


def test_spikes_and_answers_are_those_of_unroll(pair):
    net, x, snn = pair
    run = unroll(net, x, steps=7)
    traces = snn.trace(x)
    assert traces.keys() == run.spikes.keys() == {"one", "two", "back"}
    for name, spikes in run.spikes.items():
        assert spikes.count_nonzero()
        assert torch.equal(traces[name].spikes, spikes)
        assert traces[name].source is None
    mean = run.output.cumsum(0) / torch.arange(1, 8).view(-1, 1, 1)
    for scheduler in ("layerwise", "clocked"):
        assert torch.allclose(snn.readout(x, scheduler=scheduler), mean, atol=1e-12)
        assert torch.allclose(snn(x, scheduler=scheduler), mean[-1], atol=1e-12)


def test_the_membranes_of_a_trace_are_those_of_the_rule(pair):
    net, x, snn = pair
    state = unroll(net, x, steps=7).state["two"].state
    assert torch.allclose(snn.trace(x, layers="two")["two"].membranes[-1], state.u)


def test_a_file_holds_all_of_it(pair, tmp_path):
    _net, x, snn = pair
    snn.save(tmp_path / "net.safetensors")
    again = load(tmp_path / "net.safetensors")
    assert torch.equal(again(x), snn(x))
    assert torch.equal(again.readout(x), snn.readout(x))
    assert fingerprint(again) == fingerprint(snn)
    assert str(again) == str(snn)
    assert again.describe() == snn.describe()


def test_the_network_stays_as_it_was(pair):
    net, x, snn = pair
    net.train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    again = as_network(net, x, steps=7)
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert fingerprint(again) == fingerprint(snn)
    with torch.no_grad():
        net.last.weight.add_(1)
    assert torch.equal(again(x), snn(x))
    net.load_state_dict(before)
    net.eval()


class Counted(nn.Sequential):
    """A LIF CNN whose operations are counted by hand."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 2, 3, padding=1),
            Population(LIF(leak=0.5)),
            nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False),
            Population(IF(theta=0.5)),
            nn.Flatten(),
            nn.Linear(12, 4),
            Population(LIF(leak=0.9), recurrent=nn.Linear(4, 4, bias=False)),
            nn.Linear(4, 2),
        )


def reached(size, kernel, stride):
    """Return how many windows of a convolution with a padding of 1 each place of a line is in."""
    starts = [start - 1 for start in range(0, size, stride)]
    return np.array([sum(start <= place < start + kernel for start in starts) for place in range(size)])


def test_operations_equal_a_count_by_hand():
    torch.manual_seed(1)
    net, x = Counted().eval(), (2 * torch.rand(5, 1, 4, 4)).round(decimals=1)
    with torch.no_grad():
        net[6].recurrent.weight.abs_()[0, 1] = 0.0
    spikes = {name: (s != 0).double().sum((0, 1)).numpy() for name, s in unroll(net, x, steps=6).spikes.items()}
    found = evaluate(as_network(net, x, steps=6), [(x, torch.zeros(5, dtype=torch.long))], progress=False)
    places = np.outer(reached(4, 3, 1), reached(4, 3, 1))
    made = found.operations
    assert made["0"].multiplications == 2 * (places * (x != 0).sum((0, 1)).numpy()).sum()  # once, not at each step
    places = np.outer(reached(4, 3, 2), reached(4, 3, 2))
    assert made["2"].additions == 3 * (places * spikes["1"]).sum() > 0
    assert made["5"].additions == 4 * spikes["3"].sum() > 0
    back = (net[6].recurrent.weight != 0).sum(0).double().numpy()
    assert made["6"].additions == (back * spikes["6"]).sum() > 0
    assert back.tolist() == [4, 3, 4, 4]
    assert made["6"].dense_additions == 5 * 6 * 16  # those that are zero are synapses too
    assert made["7"].additions == 2 * spikes["6"].sum()
    assert sum(cost.multiplications for name, cost in made.items() if name != "0") == 0
    assert {name: firing.spikes for name, firing in found.counts.firing.items()} == {
        name: s.sum() for name, s in spikes.items()
    }
    assert found.source_operations == {}
    assert not found.compared
    assert found.network.updates == {"1": 6 * 32, "3": 6 * 12, "6": 6 * 4}


def test_accuracy_by_step_is_that_of_the_running_mean():
    torch.manual_seed(2)
    net, x = Counted().eval(), 2 * torch.rand(40, 1, 4, 4)
    y = torch.randint(2, (40,))
    output = unroll(net, x, steps=6).output
    found = evaluate(as_network(net, x, steps=6), [(x[:25], y[:25]), (x[25:], y[25:])], progress=False)
    expected = [float((output[: t + 1].mean(0).argmax(-1) == y).double().mean()) for t in range(6)]
    assert list(found.accuracy_by_step) == pytest.approx(expected)
    assert found.to_json()["network"]["codes"] == ["rate"]


def test_relus_become_populations_of_a_copy():
    ann = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 3), nn.ReLU()))
    net = spiking(ann, LIF(leak=0.5))
    assert [type(module).__name__ for module in (ann[1], net[1], net[2][1])] == ["ReLU", "Population", "Population"]
    assert net[0].weight is not ann[0].weight
    assert torch.equal(net[0].weight, ann[0].weight)
    assert as_network(net, torch.rand(2, 2), steps=3).neurons == 6
    with pytest.raises(ConversionError, match="has no nn.ReLU"):
        spiking(nn.Linear(2, 2), LIF())


def test_a_relu_in_two_places_becomes_two_populations():
    torch.manual_seed(7)
    relu, x = nn.ReLU(), 2 * torch.rand(4, 3)
    net = spiking(nn.Sequential(nn.Linear(3, 5), relu, nn.Linear(5, 5), relu), LIF(leak=0.5))
    assert net[1] is not net[3]
    run = unroll(net, x, steps=4)
    assert run.spikes.keys() == {"1", "3"}
    assert torch.allclose(as_network(net, x, steps=4)(x), run.output.mean(0))


class Named(nn.Module):
    """Modules that stand in a container and under names of their own."""

    def __init__(self):
        super().__init__()
        self.pool, self.hold, self.neurons = nn.AvgPool1d(2), Hold(), Population(LIF(leak=0.6))
        self.body = nn.Sequential(nn.Linear(8, 8), self.neurons, self.pool, nn.Linear(4, 4), self.pool, self.hold)

    def forward(self, x):
        return self.body(x)


def test_modules_may_have_several_names():
    torch.manual_seed(8)
    net, x = Named().double().eval(), 2 * torch.rand(3, 2, 8, dtype=torch.float64)
    snn, run = as_network(net, x, steps=5), unroll(net, x, steps=5)
    assert run.spikes["neurons"].count_nonzero()
    assert torch.equal(snn.trace(x)["neurons"].spikes, run.spikes["neurons"])
    assert torch.allclose(snn(x), run.output.mean(0))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.neurons = nn.Linear(3, 3), Population(LIF())

    def forward(self, x):
        current = self.linear(x)
        return self.neurons(-current if current.sum() > 0 else current)


class Twice(Branching):
    def forward(self, x):
        return self.neurons(self.neurons(self.linear(x)))


class Outside(Branching):
    def forward(self, x):
        return Population(LIF())(self.linear(x))


class Convolving(nn.Module):
    """A population whose recurrence is no matrix."""

    def __init__(self):
        super().__init__()
        self.neurons = Population(LIF(), recurrent=nn.Sequential(nn.Linear(3, 3), nn.Tanh()))

    def forward(self, x):
        return self.neurons(x)


X = torch.rand(2, 3)
WRONG = {
    "control flow": (Branching, X, 4, ConversionError, "torch.export cannot capture the model"),
    "twice": (Twice, X, 4, DataError, "neurons, a Population, was called twice in one pass"),
    "outside": (Outside, X, 4, DataError, "a Population was called that is no part of the network"),
    "recurrence": (Convolving, X, 4, ConversionError, "recurrent of neurons is a Sequential: .* nn.Linear"),
    "no population": (lambda: nn.Linear(3, 3), X, 4, DataError, "the network has no Population"),
    "no steps": (lambda: nn.Sequential(Population(LIF())), X, None, DataError, "give steps="),
    "no axis": (lambda: Population(LIF()), torch.rand(2), 4, ConversionError, "has no axis but the batch"),
    "whole numbers": (Branching, X.long(), 4, DataError, "the example must be a tensor of floating point, .* x.float"),
    "not finite": (Branching, X / 0, 4, DataError, "the example holds NaN or infinity"),
    "steps": (lambda: nn.Sequential(Population(LIF())), X, 0, DataError, "steps must be .* got 0"),
    "shape": (Branching, torch.rand(2, 4), 4, ConversionError, r"an example \[2, 4\]: mat1 and mat2 shapes cannot be"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_a_network_is_refused_with_the_reason(case):
    build, x, steps, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        as_network(build(), x, steps)


def test_what_a_trained_network_has_not_is_said():
    snn = as_network(nn.Sequential(nn.Linear(3, 3), Population(LIF())), X, steps=2)
    for asked in (lambda: snn.source(X), lambda: snn.verify([X], progress=False)):
        with pytest.raises(DataError, match="was trained in spikes: it has no source network"):
            asked()
    with pytest.raises(ConversionError, match="1 cannot be computed in whole numbers: its rule LIF was trained"):
        snn.to_precision("int8")
    assert torch.allclose(snn.to_precision("bf16")(X), snn(X))


def test_rules_are_plain_data():
    for rule in RULES.values():
        form, own = parted(rule)
        assert own == {}
        assert Form.from_json(form.to_json()) == form
        assert rule == replace(form.rule({}), fire=rule.fire)
    with pytest.raises(CanonicError, match="there is no rule 'lif': known are ALIF, .*Stochastic"):
        Form.from_json({"kind": "lif"})
    with pytest.raises(CanonicError, match=r"leak of LIF must be in \(0, 1\], got 2.0"):
        Form.from_json({"kind": "LIF", "leak": 2.0}).rule({})


class Own(LIF):
    """A user's own rule."""


def test_a_rule_of_ones_own_runs_but_is_not_saved(tmp_path):
    snn = as_network(nn.Sequential(nn.Linear(3, 3), Population(Own())), X, steps=2)
    assert snn(X).shape == (2, 3)
    with pytest.raises(StorageError, match="cannot be saved .*: the rule Own is none of LIF, IF, "):
        snn.save(tmp_path / "net.safetensors")


def neurons_of(rule, **options):
    return lambda: nn.Sequential(
        nn.Linear(3, 6), Population(rule, **options), nn.Linear(6, 4), Population(LIF(leak=0.8))
    )


EVERY_RULE = {
    "LIF": neurons_of(LIF(leak=0.8), trainable=("leak",), shape=(6,)),
    "IF": neurons_of(IF(theta=0.7, at=0.5)),
    "ALIF": neurons_of(ALIF(tau=3.0, base=0.1, beta=0.5), trainable=("tau",), shape=(6,)),
    "Leaky": neurons_of(Leaky(leak=0.8)),
    "SingleSpike": neurons_of(SingleSpike(leak=0.8)),
    "Delayed": neurons_of(Delayed(leak=0.8)),
    "Bursting": neurons_of(Bursting(theta=torch.full((6,), 0.3), most=3)),
    "DoubleExponential": neurons_of(DoubleExponential(theta=1.0)),
    "Integrator": neurons_of(Integrator(leak=0.8)),
    "Stochastic": neurons_of(Stochastic(gain=2.0)),
    "MPE": neurons_of(MPE(tau=0.5)),
    "PSN": neurons_of(PSN(torch.tril(torch.rand(5, 5, dtype=torch.float64)), theta=torch.full((5,), 0.5))),
    "LIF that comes back": neurons_of(LIF(leak=0.8), recurrent=nn.Linear(6, 6)),
    "latency": lambda: nn.Sequential(Encode(Latency(steps=5)), nn.Linear(3, 4), Population(LIF(leak=0.8))),
    "rank order": lambda: nn.Sequential(Encode(RankOrder(steps=5)), nn.Linear(3, 4), Population(LIF(leak=0.8))),
    "hybrid": lambda: nn.Sequential(Encode(HybridInput(steps=5)), nn.Linear(3, 4), Population(LIF(leak=0.8))),
    "poisson": lambda: nn.Sequential(Encode(Poisson(steps=5)), Dropout(0.2), nn.Linear(3, 4), Population(LIF())),
    "poisson, then silence": lambda: nn.Sequential(Encode(Poisson(5, sends=3)), nn.Linear(3, 4), Population(LIF())),
}


@pytest.mark.parametrize("name", EVERY_RULE)
def test_every_rule_and_readout_in_both_schedulers_and_from_a_file(name, tmp_path):
    torch.manual_seed(3)
    net, x = EVERY_RULE[name]().double().eval(), torch.rand(9, 3, dtype=torch.float64)
    net[-1].membrane = True
    with torch.no_grad():
        for linear in (module for module in net if isinstance(module, nn.Linear)):
            linear.bias.add_(0.6)
    seed = 5 if name == "Stochastic" or name.startswith("poisson") else None
    run, captured = unroll(net, x, 5, seed=seed), as_network(net, x, 5, readout="first", seed=seed)
    assert run.output.count_nonzero()
    for layer, trace in captured.trace(x).items():
        if layer in run.spikes:
            assert torch.equal(trace.spikes, run.spikes[layer])
    for readout, read in {"mean": parts.mean, "last": parts.last, "first": parts.first}.items():
        snn, expected = replace(captured, plan=replace(captured.plan, readout=readout)), read(run)
        assert torch.allclose(snn.readout(x), expected)
        assert torch.allclose(snn(x), expected[-1])
        if name == "PSN":
            with pytest.raises(DataError, match="population 1 cannot run step by step, scheduler='layerwise' can: PSN"):
                snn(x, scheduler="clocked")
        else:
            assert torch.allclose(snn.readout(x, scheduler="clocked"), expected)
    snn.save(tmp_path / "net.safetensors")
    assert torch.equal(load(tmp_path / "net.safetensors")(x), snn(x))


def test_an_expectation_stands_where_there_is_no_seed_and_a_seed_where_there_is_none():
    net, x = EVERY_RULE["MPE"]().eval(), torch.rand(4, 3)
    assert not torch.equal(
        as_network(net, x, 5, seed=1).trace(x)["1"].spikes, as_network(net, x, 5).trace(x)["1"].spikes
    )
    with pytest.raises(DataError, match="population 1 is random .*: give seed="):
        as_network(EVERY_RULE["Stochastic"](), x, 5)


def test_membranes_that_are_sent_are_no_events():
    net, x = EVERY_RULE["Integrator"]().eval(), torch.rand(4, 3)
    found = evaluate(as_network(net, x, 5), [x], progress=False)
    assert found.counts.firing["1"].spikes == 0
    assert found.operations["2"].multiplications == 4 * 5 * 6 * 4
    assert found.operations["2"].additions == 0


def test_what_cannot_be_read_is_refused():
    net, x = nn.Sequential(Population(LIF()), nn.Linear(3, 2)), torch.rand(2, 3)
    with pytest.raises(ConversionError, match="the output 1 is no population .* that fires"):
        as_network(net, x, 4, readout="first")
    with pytest.raises(ConversionError, match="readout must be one of mean, last, first, got 'votes'"):
        _require_readout(as_network(net, x, 4).graph, "votes")
    encoded = nn.Sequential(Encode(Latency(steps=5)), Population(LIF()))
    with pytest.raises(DataError, match="encoder 0 has 5 steps, and unroll 4: give both the same"):
        as_network(encoded, x, 4)
    assert as_network(encoded, x).total_steps == 5


def test_a_report_shows_the_training_and_no_errors_against_a_source():
    torch.manual_seed(0)
    x, y = torch.rand(20, 3), torch.randint(2, (20,))
    net = nn.Sequential(nn.Linear(3, 4), Population(LIF()), nn.Linear(4, 2))
    system = Gradient(net, parts.constant(3), parts.cross_entropy, Recipe(epochs=2, batch=10, seed=7))
    history = fit(system, TensorDataset(x, y), progress=False)
    snn = as_network(net, x, steps=3)
    snn = SpikingNetwork(snn.plan, {**snn.record, "training": history.to_json()})
    found = evaluate(snn, [(x[:5], y[:5]), (torch.rand(1, 3), y[:1])], progress=False)
    assert found.calibrated == 5
    page = report(found.to_json(), None, snn.describe())
    assert "2 epochs of 20 samples, seed 7" in page
    assert "chosen on nothing: it is the last" in page
    assert "hashes" not in page
    assert 'id="error-title"' not in page
    assert 'id="overload-title"' not in page


class Follower(nn.Sequential):
    """A network of sequences: spikes come back in its first population."""

    def __init__(self):
        super().__init__(
            nn.Linear(3, 6), Population(ALIF(tau=3.0, base=0.1), recurrent=nn.Linear(6, 6, bias=False)), nn.Linear(6, 2)
        )


@pytest.mark.parametrize("events", [True, False])
def test_sequences_are_followed_frame_by_frame(events, tmp_path):
    torch.manual_seed(4)
    net, stream = Follower().double().eval(), torch.randn(8, 5, 3, dtype=torch.float64)
    stream = stream.round().clamp(-1, 1) if events else stream
    snn, run = as_network(net, stream), unroll(net, stream)
    x, y = stream.transpose(0, 1), torch.tensor([0, 1, 0, 1, 1])
    assert run.spikes["1"].count_nonzero()
    snn.save(tmp_path / "net.safetensors")
    for again in (snn, load(tmp_path / "net.safetensors")):
        assert torch.equal(again.trace(x)["1"].spikes, run.spikes["1"])
        for scheduler in ("layerwise", "clocked"):
            assert torch.allclose(again.readout(x, scheduler=scheduler), parts.mean(run))
    found = evaluate(snn, [(x, y)], progress=False)
    assert found.accuracy_by_step[-1] == float((run.output.mean(0).argmax(-1) == y).double().mean())
    made, arrived = found.operations["0"], 6 * int(stream.count_nonzero())
    assert (made.additions, made.multiplications) == ((arrived, 0) if events else (0, arrived))
    assert made.dense_additions + made.dense_multiplications == 8 * 5 * 18
    with pytest.raises(DataError, match=r"must have the shape \[batch, 8, 3\], got \[5, 7, 3\]"):
        snn(x[:, :7])


@pytest.mark.parametrize("part", [0, 1])
def test_what_is_measured_tells_events_from_numbers_whatever_the_example_and_the_order(part):
    torch.manual_seed(9)
    x = torch.randint(0, 4, (6, 8, 3)).float()
    x[:3] = x[:3].sign()
    pooled = nn.Sequential(nn.Flatten(1), nn.Linear(3, 5), Population(LIF()), nn.Linear(5, 2)).eval()
    snn = as_network(pooled, x[3 * part : 3 * part + 2].transpose(0, 1))
    events, numbers, mixed = (evaluate(snn, [b], progress=False) for b in (x[:3], x[3:], x.flip(0)))
    assert (events.operations["1"].multiplications, numbers.operations["1"].additions) == (0, 0)
    assert events.operations["1"].additions == 5 * int(x[:3].count_nonzero())
    for found in (events + numbers, numbers + events, evaluate(snn, x.split(2), progress=False)):
        assert found.operations == mixed.operations
    made = mixed.operations["1"]
    assert (made.additions, made.multiplications) == (0, 5 * int(x.count_nonzero()))
    assert (made.dense_additions, made.dense_multiplications) == (0, 6 * 8 * 15)
    assert mixed.operations["3"].multiplications == 0 < mixed.operations["3"].additions


def test_a_sequence_is_no_example_of_an_encoder():
    net = nn.Sequential(nn.Linear(3, 3), Population(LIF()), Encode(Latency(steps=4)))
    with pytest.raises(DataError, match="encoder 2 reads a stream"):
        as_network(net, X)


def test_answers_at_each_step_have_labels_of_their_own():
    torch.manual_seed(5)
    net = nn.Sequential(Follower(), Population(ALIF(tau=5.0, sends="membrane"))).eval()
    stream, y = torch.randn(8, 5, 3).sign(), torch.randint(2, (5, 8))
    y[0, :4] = -100
    snn, run = as_network(net, stream, readout="last"), unroll(net, stream)
    found = evaluate(snn, [(stream.transpose(0, 1), y)], progress=False)
    right = (y == run.output.argmax(-1).T)[y != -100]
    assert found.counts.answers.labels == 36
    assert found.accuracy == pytest.approx(float(right.double().mean()))
    assert found.counts.firing["1"].spikes == 0
    with pytest.raises(DataError, match="classes must be whole numbers"):
        evaluate(snn, [(stream.transpose(0, 1), y[:, :7])], progress=False)


def test_what_draws_nothing_has_no_seed():
    assert as_network(nn.Sequential(nn.Linear(3, 3), Population(LIF())), X, 2, seed=3).plan.seed is None


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The file of a trained network: its header and its tensors."""
    path = tmp_path_factory.mktemp("trained") / "net.safetensors"
    torch.manual_seed(0)
    as_network(Follower(), torch.randn(8, 5, 3)).save(path)
    with safe_open(path, "pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def rule_in(found):
    return next(node for node in found["nodes"] if node["kind"] == "population")["neurons"]["rule"]


def with_beta(found, own, beta):
    del rule_in(found)["beta"]
    own["1/rule beta"] = beta


CHANGED = {
    "a rule": (lambda found, _: rule_in(found).update(kind="Magic"), "there is no rule 'Magic'"),
    "a range": (lambda found, _: rule_in(found).update(base=-1.0), "base of ALIF must be above 0 and finite, got -1"),
    "a field": (lambda found, _: rule_in(found).update(charge=1), "'charge'"),
    "a word": (lambda found, _: rule_in(found).update(sends="letters"), "ALIF sends spikes or its membrane"),
    "no rule": (lambda found, _: rule_in(found).clear(), "'kind'"),
    "an encoder": (lambda found, _: rule_in(found).update(kind="Encoded"), "encoder"),
    "a number twice": (lambda _, own: own.update({"1/rule beta": torch.ones(6)}), "multiple values .* 'beta'"),
    "a tensor": (lambda found, own: with_beta(found, own, torch.ones(5)), "the rule of 1 does not run"),
    "more neurons": (lambda found, own: with_beta(found, own, torch.ones(8, 1, 6)), "the rule of 1 sends|TypeCheck"),
    "a matrix": (lambda _, own: own.update({"1/recurrent": torch.ones(6, 5)}), "the rule of 1 does not run"),
    "frames": (
        lambda found, _: found["nodes"][0]["arguments"].update(frames=7),
        "have 7 frames, the network 8 steps",
    ),
    "no frames": (lambda found, _: found.update(follows=False), "have 8 frames"),
    "a readout": (lambda found, _: found.update(readout="votes"), "the readout 'votes' is none|TypeCheck"),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_files_that_are_no_trained_network(kind, written, tmp_path):
    (header, tensors), (change, message) = written, CHANGED[kind]
    found, own = json.loads(header["network"]), dict(tensors)
    change(found, own)
    save_file(own, tmp_path / "evil.safetensors", {**header, "network": json.dumps(found)})
    with pytest.raises(StorageError, match=f"evil.safetensors .*({message})"):
        load(tmp_path / "evil.safetensors")


def attending(net, x):
    x = net.one(net.a(x))
    weights = torch.softmax(net.b(x) @ net.c(x).transpose(1, 2), -1)
    return net.last(net.two(weights @ x)).mean(1)


FUNCTIONS = {
    "attention": attending,
    "a gate": lambda net, x: net.last(net.one(net.a(x)) * torch.sigmoid(net.hold(net.b(x)))).mean(1),
    "joined with a constant": lambda net, x: net.last(torch.cat([net.one(net.a(x)), net.hold(x)], 1)).sum(1),
    "less than one": lambda net, x: net.last(1 - net.one(net.a(x)) * net.two(net.b(x))).amax(1),
    "norms": lambda net, x: net.last(nn.functional.gelu(net.norm(net.two(net.b(net.one(net.a(x))))))).mean(1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_population_is_a_function_of_each_step(name):
    torch.manual_seed(6)
    parts = {letter: nn.Linear(6, 6) for letter in ("a", "b", "c")}
    neurons = {place: Population(LIF(leak=0.6, theta=0.4)) for place in ("one", "two")}
    net = Lambda(FUNCTIONS[name], **parts, **neurons, hold=Hold(), norm=nn.LayerNorm(6), last=nn.Linear(6, 3))
    net, x = net.double().eval(), 2 * torch.rand(5, 4, 6, dtype=torch.float64)
    snn, output = as_network(net, x, steps=6), unroll(net, x, steps=6).output
    assert torch.allclose(snn(x), output.mean(0), atol=1e-12)
    assert torch.allclose(snn(x, scheduler="clocked"), output.mean(0), atol=1e-12)
    assert evaluate(snn, [x], progress=False).to_json()["task"] == "activity"
