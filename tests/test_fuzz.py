"""Random networks are converted right or refused for a reason; and what is wrong on purpose does not pass."""

import importlib
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, note, seed, settings

from canonic import CSS
from canonic.frontend.table import TABLE
from canonic.network.graph import Slot
from tests.fuzz import Net, Step, networks
from tests.fuzz_codes import converter, examine_codes, examine_digits, require_as_good
from tests.fuzz_oracle import Wrong, examine


@pytest.mark.parametrize("which", range(4))
def test_random_networks_are_converted_right_or_refused_for_a_reason(which):
    """Thirty-two in all; ``python -m benchmarks.fuzz`` runs two thousand."""
    outcomes = []

    @seed(which)
    @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(networks())
    def run(net):
        note(repr(net))
        outcomes.append(examine(net))

    run()
    assert sum(reason is None for reason in outcomes) > 0.5 * len(outcomes)


NETWORK = Net(
    seed=2,
    shape=(3, 8, 8),
    steps=[
        Step("conv_norm_relu", [0], {"out": 4, "function": "relu"}),
        Step("pool", [1], {"kind": "max 2"}),
        Step("conv_norm_relu", [2], {"out": 4, "function": "gelu"}),
        Step("bottleneck", [3], {"function": "relu"}),
        Step("join of picture", [4, 3], {"kind": "x + y"}),
        Step("head", [5], {"kind": "mean"}),
        Step("linear of vector", [6], {"kind": "mlp"}),
    ],
    outputs=[7],
)


def patch(monkeypatch, module, name, make):
    module = importlib.import_module(f"canonic.{module}")
    monkeypatch.setattr(module, name, make(getattr(module, name)))


def rule(monkeypatch, which, **changes):
    """Let the rule of an operator return a node that is changed."""
    right = TABLE[which]
    monkeypatch.setitem(TABLE, which, lambda call: replace(right(call), **changes))


def another_function(monkeypatch):
    """Convert gelu to its approximation, and take away the converter's own check of its graph."""
    rule(monkeypatch, "aten.gelu.default", operator="aten.silu.default", arguments={"self": Slot(0)})
    patch(monkeypatch, "conversion.explain", "require_same", lambda right: lambda *given: None)


def without_silence(node, *rest):
    return replace(node, neurons=replace(node.neurons, code=replace(node.neurons.code, silent=0)))


def without_weights(_code, values):
    return values.diff(dim=0, prepend=torch.zeros_like(values[:1]))


def smaller(right):
    """Take a third of the thresholds that were found."""

    def threshold(*given):
        theta, dead = right(*given)
        return theta / 3, dead

    return threshold


MUTANTS = {
    "another function": ("source: .* off", another_function),
    "another activation": (
        "an error in canonic",
        lambda m: m.setitem(TABLE, "aten.gelu.default", TABLE["aten.relu.default"]),
    ),
    "spikes are pooled one by one": (
        "max_pool2d.* off",
        lambda m: rule(m, "aten.max_pool2d.default", kind="structure"),
    ),
    "digits of function units without weights": (
        "max_pool2d.* off",
        lambda m: m.setattr(CSS, "telescope", without_weights),
    ),
    "scales are lost": (
        "source: .* off",
        lambda m: patch(m, "conversion.units", "scale_output", lambda f: lambda node, scale: node),
    ),
    "thresholds too small": ("thresholds", lambda m: patch(m, "conversion.populations", "threshold", smaller)),
    "a neuron that fires late": (
        "digits off",
        lambda m: patch(m, "neurons.tsa", "_bar", lambda f: lambda code, t: 1.2 * f(code, t)),
    ),
    "a bias at the wrong ticks": (
        "schedulers differ",
        lambda m: patch(m, "network.clocked", "multiply", lambda f: lambda node, given: f(node, given) + 0.01),
    ),
    "no silent steps": (
        "silent steps",
        lambda m: patch(m, "conversion.settle", "choose_silent", lambda f: without_silence),
    ),
}


def test_the_network_of_the_mutants_is_right():
    assert examine(NETWORK) is None


@pytest.mark.parametrize("name", MUTANTS)
def test_what_is_slightly_wrong_does_not_pass(name, monkeypatch):
    message, mutate = MUTANTS[name]
    mutate(monkeypatch)
    with pytest.raises(Wrong, match=message):
        examine(NETWORK)


PLAIN = Net(
    seed=2,
    shape=(3, 8, 8),
    steps=[
        Step("conv_norm_relu", [0], {"out": 4, "function": "relu"}),
        Step("head", [1], {"kind": "mean"}),
        Step("linear of vector", [2], {"kind": "mlp"}),
    ],
    outputs=[3],
)


def test_codes_that_are_slightly_wrong_do_not_pass(monkeypatch):
    """``python -m benchmarks.fuzz`` tries two thousand networks with T = 12 and k = 1 and in whole numbers."""
    assert examine_codes(PLAIN) is None
    assert examine_digits(PLAIN) is None
    patch(monkeypatch, "network.grids", "LARGEST_WEIGHT", lambda right: 7)
    for examine_either in (examine_codes, examine_digits):
        with pytest.raises(Wrong, match="int8 loses too much"):
            examine_either(PLAIN)
    with_code = converter(PLAIN)
    with pytest.raises(Wrong, match="silently worse"), torch.no_grad():
        require_as_good(PLAIN, with_code(CSS(8, 2)), with_code(CSS(5, 5)))
