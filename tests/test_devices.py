"""Networks on other devices: a GPU where there is one, and everywhere a device that is only pretended."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from canonic import CSS, convert, load
from canonic.datasets import open_data
from canonic.learn import LIF, Gradient, Optimiser, Population, Recipe, accuracy, as_network, fit, unroll
from canonic.learn.batches import taken
from canonic.learn.zoo.parts import constant, cross_entropy
from tests.lambdas import conv
from tests.pretended import pretended

X = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def require(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU: CUDA is not tested")


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    require(request.param)
    return request.param


@pytest.fixture(params=["cpu", "pretended", "cuda"])
def place(request):
    """A device, also the one that is not there; a GPU without TF32, which has 11 bits."""
    require(request.param)
    if request.param == "pretended":
        with pretended() as name:
            yield name
        return
    products = torch.backends.cudnn.conv
    before, products.fp32_precision = products.fp32_precision, "ieee"
    yield request.param
    products.fp32_precision = before


def network():
    torch.manual_seed(0)
    layers = conv(3, 8), nn.ReLU(), nn.MaxPool2d(2), conv(8, 8), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(32, 4)).eval()


@pytest.fixture(scope="module")
def snn():
    return convert(network(), [X], code=CSS(6, 1), progress=False)


@pytest.fixture(scope="module")
def exact():
    """The network in float64, where no rounding changes a spike."""
    return convert(network().double(), [X.double()], code=CSS(6, 1), progress=False)


def ratio(a, b):
    return 10 * math.log10(float(b.square().sum() / (a - b).square().sum()))


@pytest.mark.parametrize("scheduler", ["layerwise", "clocked"])
def test_the_readout_is_the_same_at_every_step(exact, place, scheduler):
    moved = exact.to(place)
    readout = moved.readout(X.double(), scheduler=scheduler)
    assert readout.device.type == place
    assert torch.allclose(readout.cpu(), exact.readout(X.double()), rtol=1e-9, atol=1e-12)
    assert torch.allclose(moved(X.double(), scheduler=scheduler).cpu(), exact(X.double()), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scheduler", ["layerwise", "clocked"])
@pytest.mark.parametrize(("precision", "least"), [("fp32", 30), ("bf16x2", 30), ("bf16", 20)])
def test_floats_are_as_close_as_their_rounding_allows(snn, place, precision, least, scheduler):
    """In dB: a sum in another order may change a spike."""
    here = snn.to_precision(precision)
    assert ratio(here.to(place)(X, scheduler=scheduler).cpu(), here(X)) > least


@pytest.mark.parametrize("scheduler", ["layerwise", "clocked"])
def test_whole_numbers_are_the_same(snn, place, scheduler):
    here = snn.to_precision("int8")
    there = here.to(place)
    assert torch.allclose(there(X, scheduler=scheduler).cpu(), here(X), rtol=0, atol=1e-6)
    spikes = there.trace(X)
    for name, seen in here.trace(X).items():
        assert torch.equal(spikes[name].spikes.cpu(), seen.spikes)


def test_early_answers_stop_at_the_same_steps(exact, place):
    here, there = (net.answer(X.double(), stop_when=0.1) for net in (exact, exact.to(place)))
    assert len(set(here.steps.tolist())) > 1
    assert torch.equal(there.steps.cpu(), here.steps)
    assert torch.allclose(there.readout.cpu(), here.readout)


def test_verification_finds_the_same(exact, place):
    here, there = (net.verify([X.double()], progress=False).to_json() for net in (exact, exact.to(place)))
    assert there["outputs"] == pytest.approx(here["outputs"])


def test_a_file_is_read_to_a_device(exact, device, tmp_path):
    exact.save(tmp_path / "net.safetensors")
    assert load(tmp_path / "net.safetensors", device)(X.double()).device.type == device


def test_a_model_is_converted_where_it_lies(device):
    there = convert(network().double().to(device), [X.double().to(device)], code=CSS(6, 1), progress=False)
    assert there(X.double()).device.type == device


COMPILED = """
import sys, torch
from canonic import CSS, load
snn, x = load(sys.argv[1]).to_precision("int8"), torch.load(sys.argv[2])
there = snn.to(sys.argv[3]).compile()
batches = x, x, x.flip(0), x[:5], x[:5] + 1, x[:5], x.flip(0)
print(there.compiled, all(torch.allclose(there(b).cpu(), snn(b), rtol=0, atol=1e-6) for b in batches))
print(any(there.layerwise_plan.recordings.known.values()))
"""


def test_a_compiled_network_fires_the_same_spikes(snn, device, tmp_path):
    """In a process of its own: torch cannot compile functions whose types are checked.

    A GPU runs each shape as it is, then records it, then plays the recording.
    """
    snn.save(tmp_path / "net.safetensors")
    torch.save(X, tmp_path / "x.pt")
    files = [str(tmp_path / name) for name in ("net.safetensors", "x.pt")]
    done = subprocess.run([sys.executable, "-c", COMPILED, *files, device], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(device == "cuda"), "True", str(device == "cuda")]


def test_a_network_that_comes_back_from_a_gpu_is_not_recorded(snn):
    """It still says that it is compiled; a recording would hold no kernel of a processor, and repeat one answer."""
    back = replace(snn, compiled=True).to("cpu")
    batches = X, X, X.flip(0), X + 1
    assert all(torch.equal(back(x), snn(x)) for x in batches)
    assert not back.layerwise_plan.recordings.known


def trainable():
    torch.manual_seed(0)
    layers = conv(1, 6), nn.BatchNorm2d(6), Population(LIF(leak=0.5), trainable=("leak",)), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(6 * 64, 10), Population(LIF()), nn.Linear(10, 10))


@pytest.fixture(scope="module")
def digits():
    x, y = taken(open_data("digits:train"), range(64))
    return TensorDataset(x, y)


def system(net, **options):
    recipe = Recipe(epochs=3, batch=16, seed=1, optimiser=Optimiser("adam", lr=0.01), **options)
    return Gradient(net, constant(3), cross_entropy, recipe)


@pytest.mark.parametrize("autocast", [None, "bf16"])
def test_a_network_is_trained_where_it_lies(device, digits, autocast):
    there = system(trainable().to(device), autocast=autocast)
    epochs = fit(there, digits, progress=False).epochs
    assert epochs[-1].measures["loss"] < epochs[0].measures["loss"]
    assert {p.device.type for p in there.net.parameters()} == {device}
    assert 0 <= accuracy(there, digits) <= 1


def test_training_is_the_same_on_a_device_up_to_rounding(device, digits):
    x = TensorDataset(digits.tensors[0].double(), digits.tensors[1])
    losses = []
    for place in ("cpu", device):
        here = system(trainable().double().to(place))
        losses.append([epoch.measures["loss"] for epoch in fit(here, x, progress=False).epochs])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_trained_network_answers_alike_there(device, digits):
    net, x = trainable().double().eval(), digits.tensors[0].double()
    snn = as_network(net, x[:4], steps=3)
    assert torch.allclose(snn.to(device)(x.to(device)).cpu(), snn(x), rtol=1e-9, atol=1e-12)
    ran = unroll(net.to(device), x.to(device), steps=3)
    assert torch.allclose(ran.output.mean(0).cpu(), snn(x), rtol=1e-9, atol=1e-12)
