"""Where spikes are coded anew, and how many silent steps are measured to be enough."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from canonic import CSS, ConversionError, Override, Settings, convert, explain
from canonic.conversion.explain import analyse
from canonic.network.graph import Neurons, Population
from canonic.network.redundancy import LARGEST_LOSS, choose_silent
from canonic.neurons import scan
from tests.lambdas import Lambda, conv


def graph_of(model, shape):
    return analyse(model.eval(), torch.randn(3, *shape), CSS())[0]


def test_one_population_codes_a_current_for_all_its_readers():
    layers = {name: nn.Linear(8, 8) for name in "qkv"}
    model = Lambda(lambda m, x: m.q(y := m.n(x)) + m.k(y) * m.v(y), n=nn.LayerNorm(8), **layers)
    graph = graph_of(model, (5, 8))
    assert [node.name for node in graph.populations] == ["n.spikes"]


def test_residual_currents_are_not_coded():
    """Only what weights read is: the stream itself is a sum of currents."""
    block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True)
    graph = graph_of(nn.Sequential(nn.Linear(8, 8), block, nn.Linear(8, 3)), (5, 8))
    coded = [graph[node.inputs[0]].operator.split(".")[1] for node in graph.populations if node.neurons.signed]
    assert coded.count("add") == 1
    assert graph[graph.populations[-1].inputs[0]].operator == "aten.add.Tensor"  # what the last layer reads


def test_explain_says_what_is_added():
    model = nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    explanation = explain(model, torch.randn(2, 5))
    assert (explanation.populations, explanation.signed, explanation.function_units) == (2, 1, 1)
    assert "2 populations (1 signed), 1 function unit," in explanation.summary


def population(silent=0):
    neurons = Neurons(signed=True, code=CSS(steps=6, silent=silent))
    return Population("p", (), (4,), tensors={"theta": torch.ones(4)}, neurons=neurons)


def rate(k, currents):
    return scan(CSS(steps=6, silent=k), currents, signed=True).overloads.sum() / (6 * currents[0].numel())


def squared_error(k, currents):
    code = CSS(steps=6, silent=k)
    return (code.decode(scan(code, currents, signed=True).spikes) - code.decode(currents)).double().square().sum()


def enough(k, currents):
    few = rate(k, currents) <= 1e-3 + rate(6, currents)
    return bool(few and squared_error(k, currents) <= LARGEST_LOSS * squared_error(6, currents))


@pytest.mark.parametrize("size", [0.3, 1.5, 3.0, 6.0])
def test_the_smallest_number_of_silent_steps_that_is_enough(size):
    torch.manual_seed(0)
    currents = size * (2 * torch.rand(6, 500, 4) - 1)
    currents[0] -= currents[1:].mul(0.5 ** torch.arange(1, 6).view(5, 1, 1)).sum(0)  # sums within the code
    currents[0].clamp_(-1, 1)
    chosen = choose_silent(population(), currents, limit=1e-3).neurons.silent
    assert [enough(k, currents) for k in range(chosen + 1)] == [False] * chosen + [True]


def test_a_few_overloads_are_too_many_when_they_are_large():
    currents = torch.zeros(6, 500, 4)
    currents[:2, 0, 0] = torch.tensor([1.0, -5.0])  # one neuron of 2,000 has to take back all that it sent
    currents[0, 1:] = 0.01
    assert rate(0, currents) < 1e-3
    assert squared_error(0, currents) > LARGEST_LOSS * squared_error(6, currents)
    assert choose_silent(population(), currents, limit=1e-3).neurons.silent == 1


def test_larger_currents_want_more_silent_steps():
    torch.manual_seed(0)
    noise = 2 * torch.rand(6, 500, 4) - 1
    found = [choose_silent(population(), size * noise, limit=1e-3).neurons.silent for size in (0.2, 0.8, 1.6)]
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_auto_settles_every_population_and_the_total_steps():
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(16, 2, 32, activation="gelu", batch_first=True, norm_first=True)
    model = nn.Sequential(nn.Linear(8, 16), block, nn.Linear(16, 3)).eval()
    x = torch.randn(64, 6, 8)
    auto = convert(model, [x], settings=Settings(silent="auto"))
    silent = {node.name: node.neurons.silent for node in auto.graph.populations}
    assert len(set(silent.values())) > 1
    assert auto.graph.silent == (min(silent.values()), max(silent.values()))
    assert auto.total_steps == 8 + max(auto.graph.first_steps.values())
    fixed = Settings(silent="auto", overrides={name: Override(silent=3) for name in silent})
    assert {node.neurons.silent for node in convert(model, [x], settings=fixed).graph.populations} == {3}


def test_auto_is_closer_than_one_silent_step_where_prefixes_move_a_lot():
    torch.manual_seed(0)
    layers = [
        nn.TransformerEncoderLayer(16, 2, 32, activation="gelu", batch_first=True, norm_first=True) for _ in "abc"
    ]
    model = nn.Sequential(nn.Linear(8, 16), *layers, nn.Linear(16, 3)).eval()
    x = torch.randn(128, 6, 8)
    error = {}
    for silent in (1, "auto"):
        snn = convert(model, [x], code=CSS(steps=12), settings=Settings(silent=silent))
        error[silent] = float((snn(x) - snn.source(x)).norm())
    assert error["auto"] < 0.5 * error[1]


def test_an_overload_limit_is_a_share():
    with pytest.raises(ConversionError, match=r"overload_limit must lie in \[0, 1\], got 2.0"):
        Settings(overload_limit=2.0)


def test_a_function_that_is_not_defined_for_young_prefixes_is_exact_in_the_end():
    model = Lambda(lambda m, x: m.b(1 / (F.relu(m.a(x)) + 1e-3).sum((2, 3))), a=conv(3, 6), b=nn.Linear(6, 2)).double()
    x = torch.randn(6, 3, 8, 8, dtype=torch.float64)
    code = CSS(steps=14, silent=14)
    snn = convert(model.eval(), [x], code=code, settings=Settings(threshold="max", correct=False))
    assert snn.readout(x).isfinite().all()
    assert (snn(x) - model(x)).abs().max() < 1e-2 * model(x).abs().max()
