"""The same network in other codes: a quantised one against numpy, a rate code against its definition."""

import numpy as np
import pytest
import torch
from torch import nn

from canonic import CSS, convert, evaluate
from canonic.measure.baselines import eight_bits, rate_coded
from canonic.measure.operations import Account


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 4)).eval()


def test_quantised_is_round_to_nearest_of_activations_and_weights(model):
    x, y = torch.randn(60, 5), torch.randint(4, (60,))
    snn = convert(model, [x], code=CSS(steps=3))
    found = evaluate(snn, [(x, y)], baselines=60).baselines
    values = x.numpy().astype(np.float64)
    for node in snn.graph.nodes:
        if node.weighted:
            weight = node.tensors["weight"].numpy().astype(np.float64)
            unit = np.abs(weight).max(1, keepdims=True) / 127
            values = values @ (np.round(weight / unit) * unit).T + node.tensors["bias"].numpy()
        elif node.neurons:
            values = np.clip(np.floor(np.maximum(values, 0) * 4 + 0.5), 0, 7) / 4
    assert found.quantised.correct == (int((values.argmax(1) == y.numpy()).sum()),)
    assert found.samples == 60


def test_eight_bits_are_whole_multiples_of_a_unit(model):
    node = convert(model, [torch.randn(9, 5)]).graph["2"]
    weight = eight_bits(node).tensors["weight"]
    levels = weight / (weight.abs().amax(1, keepdim=True) / 127)
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert levels.abs().max() <= 127.001


def test_a_rate_code_is_a_loop_over_neurons(model):
    x = torch.randn(3, 5)
    snn = convert(model, [torch.randn(60, 5)], code=CSS(steps=4))
    theta = snn.code.largest
    account = Account(snn.graph, spiking=True)
    layers = [(snn.graph[n].tensors["weight"].numpy(), snn.graph[n].tensors["bias"].numpy()) for n in ("0", "2", "4")]
    v = [np.full((3, size), theta / 2) for size in (20, 12)]
    total = np.zeros((3, 4))
    for step, (output, _, fired) in enumerate(rate_coded(snn.graph, [x], theta, account, steps=12), 1):
        value, count = x.numpy(), 0
        for index, (weight, bias) in enumerate(layers):
            value = value @ weight.T + bias
            if index < 2:
                u = v[index] + value
                spikes = u >= theta
                v[index], value, count = u - theta * spikes, theta * spikes, count + spikes.sum()
        total += value
        assert np.allclose(output.numpy(), total / step, atol=1e-4)
        assert fired == count


def test_a_rate_code_approaches_the_source_network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 2), nn.GELU(), nn.Flatten())
    model = nn.Sequential(*model, nn.Linear(16, 3)).eval()
    x = torch.rand(20, 1, 8, 8)
    snn = convert(model, [x])
    outputs = [o for o, _, _ in rate_coded(snn.graph, [x], 2.0, Account(snn.graph, spiking=True), steps=300)]
    errors = [float((output - snn.source(x)).norm() / snn.source(x).norm()) for output in outputs]
    assert errors[299] < 0.02 < errors[9]


def test_baselines_are_measured_on_some_batches(model):
    batches = [(torch.randn(10, 5), torch.randint(4, (10,))) for _ in range(6)]
    snn = convert(model, batches)
    found = evaluate(snn, batches, baselines=20)
    assert (found.samples, found.baselines.samples) == (60, 20)
    assert evaluate(snn, batches).to_json()["baselines"] == {}
    shown = found.to_json()["baselines"]
    assert len(shown["rate"]["accuracy_by_step"]) == 64
    assert shown["quantised"]["bits"] == 8
    same = evaluate(snn, batches[::3]).to_json()["accuracy"]
    assert shown["spiking_accuracy_by_step"] == same["by_step"]
