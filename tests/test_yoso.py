"""You only spike once: the converted network is the trained one, number for number, and nothing fires twice."""

from math import isnan

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from canonic import Latency, convert
from canonic.conversion import Settings
from canonic.learn.zoo import entry
from canonic.learn.zoo.yoso import STEPS, Once, converted
from canonic.measure.table import measured


@pytest.fixture(scope="module")
def pair():
    """A network with weights of some size, and what it becomes."""
    known = entry("yoso")
    net = known.system((1, 8, 8), 10, known.recipe_for(200, 3)).net.eval()
    x = torch.rand(300, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(2)
    return net, converted(net, x[:100]), x


def test_every_answer_is_that_of_the_trained_network(pair):
    net, snn, x = pair
    with torch.no_grad():
        wanted = net(x)
    assert float((snn(x) - wanted).abs().max()) < 1e-4
    assert torch.equal(snn(x).argmax(1), wanted.argmax(1))
    assert float((snn(x, scheduler="clocked") - snn(x)).abs().max()) < 1e-4


def test_its_row_tells_how_often_it_answers_as_the_trained_network(pair):
    net, snn, x = pair
    with torch.no_grad():
        test = TensorDataset(x, net(x).argmax(1))
    found = measured(snn, test, 100, source=net)
    assert (found.agreement, found.accuracy) == (1.0, 1.0)
    with torch.no_grad():
        other = nn.Sequential(*net.children(), nn.Linear(10, 10, bias=False)).eval()
        other[-1].weight.copy_(-torch.eye(10))
    assert measured(snn, test, 100, source=other).agreement < 0.5
    assert isnan(measured(snn, test, 100, source=None).agreement)


def test_no_neuron_fires_twice_and_steps_add_up_over_layers(pair):
    _, snn, x = pair
    assert snn.total_steps == 4 * STEPS
    for trace in snn.trace(x[:20]).values():
        assert trace.spikes.sum(0).max() <= 1


def test_a_clip_passes_the_gradient_and_its_values_are_those_of_one_spike():
    x = torch.linspace(-0.5, 1.5, 41, requires_grad=True)
    y = Once(4)(x)
    assert set(y.tolist()) == {0.0, 0.25, 0.5, 0.75, 1.0}
    y.sum().backward()
    assert torch.equal(x.grad, ((x >= 0) & (x <= 1)).float())
    decoded = Latency(4).quantise(x.detach().clamp(0, 1))
    torch.testing.assert_close(decoded, y.detach())


def test_without_a_clip_of_its_own_a_layer_takes_the_largest_value():
    net, x = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval(), torch.rand(50, 4)
    thetas = []
    for rule in ("ceiling", "max"):
        snn = convert(net, [x], code=Latency(8), settings=Settings(threshold=rule), progress=False)
        thetas.append(snn.graph.populations[0].tensors["theta"])
    assert torch.equal(*thetas)
