"""The same network in other codes: a quantised one against numpy, a rate code against its loop over neurons."""

import numpy as np
import pytest
import torch
from torch import nn

from canonic import CSS, ConversionError, Rate, evaluate
from canonic.conversion import convert
from canonic.conversion.translated import translated
from canonic.measure.baselines import eight_bits, others_of
from canonic.network.graph import Population


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
        elif isinstance(node, Population):
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
    x, y = torch.randn(3, 5), torch.randint(4, (3,))
    snn = convert(model, [torch.randn(60, 5)], code=CSS(steps=4))
    found = evaluate(snn, [(x, y)], baselines=3).baselines.rate
    theta = snn.code.nominal
    layers = [(snn.graph[n].tensors["weight"].numpy(), snn.graph[n].tensors["bias"].numpy()) for n in ("0", "2", "4")]
    v = [np.full((3, size), theta / 2) for size in (20, 12)]
    total, fired = np.zeros((3, 4)), 0
    for step in range(64):
        value = x.numpy()
        for index, (weight, bias) in enumerate(layers):
            value = value @ weight.T + bias
            if index < 2:
                u = v[index] + value
                spikes = u >= theta
                v[index], value, fired = u - theta * spikes, theta * spikes, fired + spikes.sum()
        total += value
        assert found.correct[step] == (total.argmax(1) == y.numpy()).sum()
        assert found.spikes[step] == fired


def pooled():
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 6, 3), nn.ReLU6(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 2), nn.GELU(), nn.Conv2d(4, 3, 2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(3, 3)).eval(), torch.rand(20, 1, 8, 8)


def test_baselines_are_evaluations_of_the_network_in_another_code():
    model, x = pooled()
    batches = [(x, model(x).argmax(1))]
    snn = convert(model, [x], code=CSS(steps=4, silent=0, levels=2))
    others, found = others_of(snn), evaluate(snn, batches, baselines=20).baselines
    for network, coded in ((others.rate, found.rate), (others.quantised, found.quantised)):
        alone = evaluate(network, batches)
        last = len(coded.correct)
        assert coded.correct == alone.counts.answers.correct[-last:]
        assert coded.agreeing == alone.counts.outputs["output"].agreeing[-last:]
    alone = evaluate(others.rate, batches)
    assert found.rate.spikes[-1] == sum(firing.spikes for firing in alone.counts.firing.values())
    made = {name: o.additions for name, o in found.rate.operations[-1].items()}
    assert made == {name: o.additions for name, o in alone.operations.items()}


@pytest.mark.parametrize("code", ["rate", "binary"])
def test_a_translated_network_approaches_the_source_and_holds_what_it_held(code):
    model, x = pooled()
    snn = convert(model, [x], code=CSS(steps=8))
    found = others_of(snn).rate if code == "rate" else others_of(snn).quantised
    assert float((found(x) - snn.source(x)).norm() / snn.source(x).norm()) < 0.03
    assert torch.allclose(found.source(x), snn.source(x), atol=1e-2)
    for before, after in zip(snn.graph.populations, found.graph.populations, strict=True):
        largest = before.neurons.code.nominal * before.tensors["theta"]
        assert torch.allclose(after.neurons.code.nominal * after.tensors["theta"], largest, rtol=1e-2)
    assert torch.allclose(found(x), found(x, scheduler="clocked"), atol=1e-4)


def test_a_code_that_cannot_carry_a_sign_is_no_translation():
    model, x = pooled()
    with pytest.raises(ConversionError, match="no negative event: take css"):
        translated(convert(model, [x]), Rate(8))


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
