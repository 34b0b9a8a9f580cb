"""verify: the error of every layer, where it drops, and what to change."""

import json

import pytest
import torch
from torch import nn

from canonic import CSS, DataError, Override, Settings
from canonic.conversion import convert
from tests.lambdas import conv
from tests.networks import lively


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    layers = [conv(3, 8), nn.BatchNorm2d(8), nn.ReLU()]
    for _ in range(3):
        layers += [conv(8, 8), nn.BatchNorm2d(8), nn.ReLU()]
    return lively(nn.Sequential(*layers, conv(8, 2))).float()


@pytest.fixture(scope="module")
def x():
    return torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def ratio(signal, error):
    return float(10 * torch.log10(signal.square().sum() / error.square().sum()))


def test_ratios_are_those_of_the_trace(model, x):
    snn = convert(model, [x])
    found = snn.verify([x])
    trace = snn.trace(x)
    for layer in found.layers:
        source, decoded = trace[layer.name].source.double(), trace[layer.name].decoded.double()
        assert layer.snr == pytest.approx(ratio(source, decoded - source), abs=0.01)
    wanted, given = snn.source(x).double(), snn(x).double()
    assert found.snr == pytest.approx(ratio(wanted, given - wanted), abs=0.01)


def test_batches_add_up(model, x):
    snn = convert(model, [x])
    whole, parts = snn.verify([x]), snn.verify(list(x.split(10)))
    assert parts.samples == whole.samples == 64
    assert parts.snr == pytest.approx(whole.snr, abs=1e-3)
    assert [layer.overload for layer in parts.layers] == pytest.approx([layer.overload for layer in whole.layers])


def test_a_healthy_network(model, x):
    found = convert(model, [x], settings=Settings(silent="auto")).verify([x])
    assert found.first_drop is None
    low, high = min(layer.snr for layer in found.layers), max(layer.snr for layer in found.layers)
    said = f"no layer stands out: the layers lie between {low:.1f} and {high:.1f} dB, the output at {found.snr:.1f} dB"
    assert found.advice.startswith(said)
    assert "T = 9 would gain 6." in found.advice
    assert "<- drops" not in str(found)


def test_a_layer_without_silent_steps_is_named_and_the_advice_helps(model, x):
    sick = convert(model, [x], code=CSS(steps=12), settings=Settings(overrides={"8": Override(silent=0)}))
    found = sick.verify([x])
    assert found.first_drop == "8"
    assert "its neurons are overloaded" in found.advice
    (setting,) = [t for t in found.trials if t.setting == "overrides={'8': Override(silent=1)}"]
    healed = convert(model, [x], code=CSS(steps=12), settings=Settings(overrides={"8": Override(silent=1)})).verify([x])
    assert healed.snr - found.snr == pytest.approx(setting.gain, abs=3)
    assert "<- drops" in str(found)


def test_a_layer_that_clips_is_named(model, x):
    settings = Settings(overrides={"5": Override(threshold="percentile", percentile=50.0)})
    found = convert(model, [x], settings=settings).verify([x])
    assert found.first_drop == "5"
    assert "its thresholds clip what it is given" in found.advice
    assert "overrides={'5': Override(threshold='mse')}" in found.advice


def test_a_layer_that_amplifies_is_named():
    torch.manual_seed(0)
    layers = [nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)]
    model = nn.Sequential(*layers).eval()
    with torch.no_grad():
        model[2].weight[:] = 20 * (model[2].weight - model[2].weight.mean(1, keepdim=True))
        model[2].bias[:] = -20.0
        model[0].weight[:] *= 0.01
        model[0].bias[:] = 1.0
    x = torch.randn(256, 8)
    with torch.no_grad():
        model[2].bias[:] = -(model[2].weight @ model[1](model[0](x)).mean(0))
    found = convert(model, [x], code=CSS(steps=6), settings=Settings(silent=6)).verify([x])
    assert found.first_drop == "3"
    assert "it amplifies the errors of the layers before it; T = 7 would gain" in found.advice
    better = convert(model, [x], code=CSS(steps=7), settings=Settings(silent=6)).verify([x])
    assert better.snr > found.snr + 3


def test_one_layer_lies_at_one_place(x):
    torch.manual_seed(0)
    found = convert(nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 2)).eval(), [x]).verify([x])
    assert f"no layer stands out: the layer lies at {found.layers[0].snr:.1f} dB, the output at" in found.finding


def test_the_verdict_is_plain_data(model, x):
    found = convert(model, [x]).verify([x])
    data = json.loads(json.dumps(found.to_json()))
    assert data["samples"] == 64
    assert [layer["name"] for layer in data["layers"]] == ["2", "5", "8", "11"]


def test_the_record_tells_what_the_correction_did(model, x):
    repair = convert(model, [x], code=CSS(steps=3)).record["repair_db"]
    assert list(repair) == ["2", "5", "8", "11"]
    assert repair["11"]["after"] > repair["11"]["before"]
    assert convert(model, [x], settings=Settings(correct=False)).record["repair_db"] == {}


def test_data_that_cannot_be_used(model, x):
    snn = convert(model, [x])
    with pytest.raises(DataError, match="the verification data is empty"):
        snn.verify([])
    with pytest.raises(
        DataError, match=r"verification data must be an iterable of batches, got one tensor: pass \[x\]"
    ):
        snn.verify(x)
    with pytest.raises(DataError, match=r"verification batch 0: input input must have the shape \[batch, 3, 8, 8\]"):
        snn.verify([x[:, :2]])
