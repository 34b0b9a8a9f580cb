"""Networks of SpikingJelly and snnTorch as ours: their equations by loops, what has no equal, and theirs if installed.

Stand-ins have the names, the attributes and the modules of their classes; ``benchmarks/peers/interop.py`` runs the real
ones, and its figures are checked here.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from canonic.errors import ConversionError
from canonic.learn import IF, LIF, PSN, Dropout, Hold, Integrator, Leaky, Population, Representation, as_network, unroll
from canonic.learn.equilibrium import Loop
from canonic.learn.events import EventInput, EventLinear
from canonic.learn.feedback import Feedback
from canonic.learn.interop import from_snntorch, from_spikingjelly, to_snntorch, to_spikingjelly
from canonic.learn.interop import snntorch as snntorch_module
from canonic.learn.interop import spikingjelly as spikingjelly_module
from canonic.learn.interop.exchange import Charged, slope_of
from canonic.neurons.quotient import Quotient
from canonic.neurons.surrogate import Surrogate, triangle

ROWS = json.loads((Path(__file__).parents[1] / "benchmarks" / "results" / "interop.json").read_text())["rows"]
SIGMOID = type("Sigmoid", (nn.Module,), {"alpha": 4.0, "spiking": True})


def stand_in(kind, library, base=nn.Module, args=(), **given):
    """A module that looks like one of a library."""
    module = type(kind, (base,), {"__module__": library})(*args)
    for name, value in given.items():
        setattr(module, name, value)
    return module


def jelly(kind, base=nn.Module, args=(), **given):
    neuron = {"v_threshold": 1.0, "v_reset": 0.0, "surrogate_function": SIGMOID(), "detach_reset": False}
    return stand_in(kind, "spikingjelly.activation_based.neuron", base, args, **{**neuron, **given})


def torched(kind, **given):
    options = {"init_hidden": True, "reset_delay": True, "inhibition": False, "state_quant": False, "output": False}
    fields = {"beta": torch.tensor(0.75), "threshold": torch.tensor(1.0), "graded_spikes_factor": torch.tensor(1.0)}
    given = {**options, **fields, "reset_mechanism": "subtract", "spike_grad": Surrogate(), **given}
    return stand_in(kind, "snntorch._neurons.leaky", **given)


def currents(seed, steps=12):
    """Multiples of 1/8, so that few roundings move a spike."""
    return np.random.default_rng(seed).integers(-2, 12, (steps, 3, 4)) / 8.0


def spikes_of(net, x):
    return unroll(nn.Sequential(net), torch.from_numpy(x)).output.detach().numpy()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1000),
    st.sampled_from(["IFNode", "LIFNode", "ParametricLIFNode"]),
    st.booleans(),
    st.sampled_from([None, 0.0, -0.25, 0.5]),
)
def test_nodes_of_spikingjelly_are_their_equations(seed, kind, decay_input, v_reset):
    x, w = currents(seed), torch.nn.Parameter(torch.tensor(0.0, dtype=torch.float64))  # tau 2
    given = {"IFNode": {}, "LIFNode": {"tau": 2.0}, "ParametricLIFNode": {"w": w}}[kind]
    if kind != "IFNode":
        given["decay_input"] = decay_input
    net = from_spikingjelly(jelly(kind, v_reset=v_reset, v_threshold=0.8125, **given))
    rest = v_reset or 0.0
    v, expected = np.full((3, 4), rest), []
    for current in x:
        decayed = (v - rest) / 2
        charged = current / 2 - decayed if decay_input else current - decayed
        h = v + (current if kind == "IFNode" else charged)
        s = (h >= 0.8125).astype(float)
        v = h - 0.8125 * s if v_reset is None else h * (1 - s) + v_reset * s
        expected.append(s)
    np.testing.assert_array_equal(spikes_of(net.double(), x), np.stack(expected))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["subtract", "zero"]))
def test_neurons_of_snntorch_are_their_equations(seed, reset):
    x = currents(seed) + 1 / 64  # no membrane is at the threshold
    net = from_snntorch(torched("Leaky", beta=torch.tensor(0.5), reset_mechanism=reset))
    mem, s, expected = np.zeros((3, 4)), np.zeros((3, 4)), []
    for current in x:
        mem = 0.5 * mem + current - s if reset == "subtract" else 0.5 * (1 - s) * mem + current
        s = (mem > 1).astype(float)
        expected.append(s)
    np.testing.assert_array_equal(spikes_of(net, x), np.stack(expected))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_synaptic_neurons_have_a_current_of_their_own(seed):
    x = currents(seed) / 2 + 1 / 64
    net = from_snntorch(torched("Synaptic", alpha=torch.tensor(0.5), beta=torch.tensor(0.5)))
    syn = mem = s = np.zeros((3, 4))
    expected = []
    for current in x:
        syn = 0.5 * syn + current
        mem = 0.5 * mem + syn - s
        s = (mem > 1).astype(float)
        expected.append(s)
    np.testing.assert_array_equal(spikes_of(net, x), np.stack(expected))


def test_parallel_neurons_keep_their_matrix_and_their_bias():
    weight, bias = torch.randn(4, 4).double(), -torch.rand(4, 1).double() - 0.1
    net = from_spikingjelly(jelly("PSN", weight=nn.Parameter(weight), bias=nn.Parameter(bias)))
    x = torch.randn(4, 2, 3).double()
    expected = (torch.einsum("tk,kbn->tbn", weight, x) + bias[:, :, None] >= 0).double()
    assert torch.equal(unroll(nn.Sequential(net), x).output, expected)
    with pytest.raises(ConversionError, match="PSN with a bias that is not negative"):
        from_spikingjelly(jelly("PSN", weight=weight, bias=bias * 0))


def test_what_is_learned_there_is_trained_here():
    node = jelly("ParametricLIFNode", w=nn.Parameter(torch.tensor(0.7)), decay_input=False)
    net = from_spikingjelly(node)
    assert net.trained["leak"].item() == pytest.approx(-0.7)
    assert isinstance(from_spikingjelly(jelly("LIFNode", tau=2.0, decay_input=True)), Charged)
    learned = from_snntorch(torched("Leaky", beta=nn.Parameter(torch.tensor(0.75)), output=True))
    assert list(learned.trained) == ["leak"]
    assert learned.membrane


def test_layers_are_those_of_torch_with_their_weights():
    layer = "spikingjelly.activation_based.layer"
    convolution = stand_in("Conv2d", layer, nn.Conv2d, (1, 2, 3), step_mode="m")
    inside = stand_in("SeqToANNContainer", layer, nn.Sequential, (convolution, nn.ReLU()))
    net = nn.Sequential(inside, jelly("IFNode"), stand_in("Dropout", layer, p=0.25))
    copied = from_spikingjelly(net)
    assert [type(module) for module in (copied[0], copied[0][0], copied[2])] == [nn.Sequential, nn.Conv2d, Dropout]
    assert torch.equal(copied[0][0].weight, convolution.weight)
    assert copied[0][0].weight is not convolution.weight
    assert type(net[0]).__name__ == "SeqToANNContainer"
    x = torch.rand(5, 2, 1, 6, 6)
    snn = as_network(copied, x)
    torch.testing.assert_close(snn(x.transpose(0, 1)), unroll(copied.eval(), x).output.mean(0))


@pytest.mark.parametrize("parametric", [False, True])
def test_charged_neurons_become_a_network(parametric):
    kind = "ParametricLIFNode" if parametric else "LIFNode"
    node = jelly(kind, decay_input=True, tau=3.0, w=nn.Parameter(torch.tensor(-0.3)))
    net = nn.Sequential(nn.Linear(4, 3), from_spikingjelly(node)).eval()
    x = 4 * torch.rand(2, 4)
    torch.testing.assert_close(as_network(net, x, steps=6)(x), unroll(net, x, steps=6).output.mean(0))


def test_states_of_a_pass_are_not_taken_over():
    node = jelly("IFNode")
    node.v = nn.Linear(2, 2)(torch.ones(1, 2))  # has a graph, and cannot be copied
    assert isinstance(from_spikingjelly(nn.Sequential(node))[0], Population)


def test_slopes_are_those_of_the_other_library():
    v = torch.linspace(-1.5, 1.5, 13)
    torch.testing.assert_close(slope_of(Surrogate(triangle(0.7))).slope(v), triangle(0.7)(v))
    net = from_spikingjelly(jelly("IFNode", surrogate_function=Surrogate(triangle(0.7))))
    torch.testing.assert_close(net.rule.fire.slope(v), triangle(0.7)(v))


def test_all_that_has_no_equal_is_named():
    special = jelly("WSConv2d", type("Conv2d", (nn.Conv2d,), {}), (1, 2, 3))
    silent = SimpleNamespace(spiking=False)
    net = nn.ModuleDict(
        {"a": jelly("KLIFNode"), "b": jelly("IFNode"), "c": special, "d": jelly("IFNode", surrogate_function=silent)}
    )
    told = (
        r"without equal in canonic \(a: KLIFNode has no equal; c: WSConv2d has no equal; d: a surrogate function with"
    )
    with pytest.raises(ConversionError, match=told):
        from_spikingjelly(net)
    options = {"init_hidden": False, "reset_delay": False, "inhibition": True, "state_quant": abs}
    net = nn.ModuleDict(
        {
            "a": torched("Alpha"),
            "b": torched("Leaky", **options),
            "c": torched("Leaky", reset_mechanism="none", graded_spikes_factor=torch.tensor(2.0)),
            "d": torched("Synaptic", alpha=torch.tensor(0.5), reset_mechanism="zero"),
            "e": torched("Leaky", beta=torch.tensor(0.0)),
        }
    )
    with pytest.raises(ConversionError) as caught:
        from_snntorch(net)
    for part in (
        "a: Alpha has no equal",
        "b: Leaky with init_hidden=False, which leaves its states to the code around it, reset_delay=False, inhibition",
        "state_quant; c: Leaky with graded spikes, reset_mechanism none",
        "d: Synaptic with reset_mechanism zero; e: leak of Leaky must be in (0, 1], got 0.0",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("take", [from_spikingjelly, from_snntorch])
def test_neurons_of_another_library_are_named_and_ours_stay(take):
    own, other = (jelly, torched) if take is from_spikingjelly else (torched, jelly)
    net = nn.ModuleDict(
        {
            "a": other("Leaky"),
            "b": Population(LIF()),
            "c": type("Mine", (type(own("Leaky")),), {"__module__": "mine"})(),
            "d": nn.Dropout(),
        }
    )
    with pytest.raises(ConversionError) as caught:
        take(net)
    names = ("snntorch", "spikingjelly") if take is from_spikingjelly else ("spikingjelly", "snntorch")
    assert f"(a: Leaky of {names[0]} has no equal; c: Mine of {names[1]} has no equal)" in str(caught.value)


OTHERS = [
    (Loop(LIF(leak=1.0), [nn.Linear(4, 4)], Feedback(4)), "Loop has no equal"),
    (EventInput((4,)), "EventInput has no equal"),
    (EventLinear(4, 3, Quotient.ramp()), "EventLinear has no equal"),
    (type("Mine", (Loop,), {"__module__": "mine"})(LIF(leak=1.0), [], Feedback(4)), "Mine has no equal"),
]


def library(name):
    """A stand-in for a library whose modules keep what they are given."""
    made = SimpleNamespace(set_step_mode=lambda net, mode: None)
    for kind in ("IFNode", "LIFNode", "ParametricLIFNode", "PSN", "Dropout", "Leaky", "Synaptic"):
        made.__dict__[kind] = type(kind, (nn.Identity,), {})
    return made


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (Population(Integrator()), "Integrator has no equal"),
        (Population(LIF(leak=torch.tensor([0.5, 0.6]))), "its leak is one for each neuron"),
        (Population(LIF(), trainable=("theta",)), "its theta is trained"),
        (Population(LIF(), recurrent=nn.Linear(2, 2)), "its spikes come back to it"),
        (Population(LIF(), Representation()), "its gradient is Representation, and no slope"),
        (Population(IF(theta=2.0)), "IF has no equal"),
        (Hold(), "Hold has no equal"),
        *OTHERS,
        (torched("Leaky"), "Leaky of snntorch has no equal"),
    ],
)
def test_populations_that_spikingjelly_has_not_are_refused(module, why, monkeypatch):
    monkeypatch.setattr(spikingjelly_module, "import_module", library)
    with pytest.raises(ConversionError, match=rf"without equal in SpikingJelly \(0: {why}\): replace these first"):
        to_spikingjelly(nn.Sequential(module))


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (Population(LIF(detach_reset=True)), "LIF with this reset has no equal"),
        (Population(LIF(reset="hard")), r"its reset has a gradient: take LIF\(..., detach_reset=True\)"),
        (Population(Leaky()), r"its reset has a gradient: take Leaky\(..., detach_reset=True\)"),
        (Population(PSN(torch.eye(2))), "PSN has no equal"),
        (Dropout(0.5), "Dropout has no equal"),
        (Charged(Population(LIF())), "Charged has no equal"),
        *OTHERS,
        (jelly("IFNode"), "IFNode of spikingjelly has no equal"),
    ],
)
def test_populations_that_snntorch_has_not_are_refused(module, why, monkeypatch):
    monkeypatch.setattr(snntorch_module, "import_module", library)
    with pytest.raises(ConversionError, match=rf"without equal in snnTorch \(0: {why}\): replace these first"):
        to_snntorch(nn.Sequential(module))


def test_libraries_that_are_not_installed_are_told(monkeypatch):
    for name in ("spikingjelly", "snntorch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConversionError, match="SpikingJelly cannot be imported .*: pip install spikingjelly"):
        to_spikingjelly(nn.Identity())
    with pytest.raises(ConversionError, match="snnTorch cannot be imported .*: pip install snntorch"):
        to_snntorch(nn.Identity())


def test_a_reset_that_is_detached_has_no_gradient():
    x = torch.full((3, 1, 1), 1.25, requires_grad=True)
    rule = Leaky(leak=0.5, detach_reset=True)
    unroll(nn.Sequential(Population(rule)), x).output[1].sum().backward()
    slope = rule.fire.slope(torch.tensor(0.5 * 1.25 + 1.25 - 1 - 1))
    torch.testing.assert_close(x.grad.flatten(), slope * torch.tensor([0.5, 1.0, 0.0]))


@pytest.mark.parametrize("name", list(ROWS))
def test_the_real_libraries_gave_the_same_spikes_and_gradients(name):
    row = ROWS[name]
    assert row["spikes"] > 100
    assert row["unequal spikes"] == row["unequal spikes, back"] == 0
    assert max(row["gradients apart"], row["gradients apart, back"]) <= 1e-6


def test_snntorch_runs_what_is_given_to_it():
    library = pytest.importorskip("snntorch", reason="snnTorch is of the benchmark environment")
    net = nn.Sequential(nn.Linear(4, 6), Population(Leaky(leak=0.75, detach_reset=True)))
    x, given = 2 * torch.rand(5, 3, 4), to_snntorch(net)
    assert isinstance(given[1], library.Leaky)
    sent = torch.stack([given(step) for step in x])
    assert torch.equal(sent, unroll(net, x).output)
    assert torch.equal(unroll(from_snntorch(given), x).output, sent)


def test_spikingjelly_runs_what_is_given_to_it():
    pytest.importorskip("spikingjelly", reason="SpikingJelly is of the benchmark environment")
    net = nn.Sequential(nn.Linear(4, 6), Population(LIF(leak=0.75, reset="hard")))
    x = 2 * torch.rand(5, 3, 4)
    given = to_spikingjelly(net)
    sent = given(x)
    assert torch.equal(sent, unroll(net, x).output)
    assert torch.equal(unroll(from_spikingjelly(given), x).output, sent)
