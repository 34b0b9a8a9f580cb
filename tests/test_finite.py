"""Numbers at the edge of the floats: what has died is dead, what overflows is refused by name, all else is a number."""

import math
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from canonic import CSS, ConversionError, Settings, StorageError, explain, load
from canonic.conversion import convert
from canonic.conversion.histogram import empty, update
from canonic.conversion.settings import Override
from canonic.conversion.thresholds import faintest, threshold
from canonic.network.finite import not_finite

DEAD = 3
CODE = CSS(steps=12, silent=3)


def network(activation=nn.ReLU):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), activation(), nn.Linear(16, 16), activation(), nn.Linear(16, 5)
    ).eval()


def with_gain(model, gain, shift):
    with torch.no_grad():
        model[1].weight[DEAD], model[1].bias[DEAD] = gain, shift
    return model


def samples(seed, *, dtype=torch.float32):
    return torch.randn(192, 8, generator=torch.Generator().manual_seed(seed)).to(dtype)


def ratio(wanted, given):
    return float(10 * torch.log10(wanted.square().sum() / (given - wanted).square().sum()))


@pytest.mark.parametrize(
    ("model", "settings", "dtype"),
    [
        (with_gain(network(), 1e-41, 1e-41), Settings(), torch.float32),
        (with_gain(network(nn.ReLU6), 0.0, 1e-42), Settings(threshold="percentile", percentile=100.0), torch.float32),
        (with_gain(network(nn.GELU), 1e-37, 0.0), Settings(threshold="max"), torch.float32),
        (with_gain(network().double(), 1e-310, 1e-310), Settings(), torch.float64),
    ],
    ids=["relu", "relu6", "gelu", "float64"],
)
def test_a_channel_that_weight_decay_has_driven_to_nothing_is_dead(model, settings, dtype):
    x, y = samples(1, dtype=dtype), samples(2, dtype=dtype)
    snn = convert(model, [x], code=CODE, settings=settings)
    with torch.no_grad():
        wanted = model(y)
    assert ratio(wanted, snn(y)) > (55 if settings.threshold == "mse" else 28)  # the others clip what is new
    assert torch.allclose(snn.source(y), wanted, rtol=1e-4, atol=1e-5)
    assert next(iter(snn.record["dead_channels"].values())) == 1
    if not isinstance(model[2], nn.GELU):
        assert ratio(wanted, snn.to_precision("int8")(y)) > 28


def test_a_layer_of_which_nothing_is_left():
    model = network(nn.ReLU6)
    with torch.no_grad():
        model[1].weight.mul_(1e-41)
        model[1].bias.fill_(1e-41)
    snn = convert(model, [samples(1)], code=CODE)
    with torch.no_grad():
        assert ratio(model(samples(2)), snn(samples(2))) > 55
    assert snn.record["dead_channels"]["2"] == 16


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rule", ["mse", "max", "percentile"])
def test_every_threshold_has_an_inverse(dtype, rule):
    """At every size that a type has: alive or dead, theta and 1 / theta are normal numbers."""
    kind = torch.finfo(dtype)
    sizes = torch.logspace(math.log2(kind.tiny) - 20, 100, 200, 2.0, dtype=dtype)
    values = sizes[:, None] * torch.rand(200, 50, generator=torch.Generator().manual_seed(0), dtype=dtype)
    theta, dead = threshold(update(empty(200, values), values.T, 0), CODE, Override(rule, 99.9))
    assert dead == int((values.amax(1) < faintest(dtype)).sum()) > 0
    assert bool(((theta >= kind.tiny) & (1 / theta >= kind.tiny) & theta.isfinite() & (1 / theta).isfinite()).all())
    alive = values.amax(1) >= faintest(dtype)
    assert bool((theta * CODE.largest * 1.01 > values.amax(1))[alive].all())


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("0.weight", (1, 2), torch.nan),
        ("3.bias", (4,), -torch.inf),
        ("1.weight", (0,), torch.inf),
        ("1.running_mean", (2,), torch.nan),
    ],
)
def test_weights_that_are_no_numbers_are_named(name, place, value):
    model = network()
    model.state_dict()[name][place] = value
    with pytest.raises(ConversionError, match=rf"^{name} of the model holds NaN or infinity in 1 of \d+ places: look"):
        explain(model, samples(1))


def test_weights_that_are_not_used_may_be_anything():
    model = network()
    model[0].spare = nn.Parameter(torch.full((3,), torch.nan))
    assert explain(model, samples(1)).convertible


def test_what_overflows_is_refused():
    model = network()
    model[1].running_var[DEAD], model[1].eps = 0.0, 0.0
    with pytest.raises(ConversionError, match=r"the activations of 2 are not finite.* whose variance is 0"):
        convert(model, [samples(1)])
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.ReLU(), nn.Linear(16, 5))
    with torch.no_grad():
        model[0].weight.mul_(1e12)
    with pytest.raises(ConversionError, match=r"the weight of 0 holds NaN or infinity in \d+ of 128 places: its activ"):
        convert(model, [samples(1) * 1e-42])


def test_a_clip_that_leaves_nothing_is_refused():
    model = nn.Sequential(nn.Linear(8, 4), nn.Hardtanh(0.0, 1e-40), nn.Linear(4, 2))
    with pytest.raises(ConversionError, match=r"it clips to \[0.0, 1e-40\]; clip to \[0, c\] with c > 0"):
        convert(model, [samples(1)])


class Masked(nn.Module):
    """The largest of some features; the others are masked out, as in attention."""

    def __init__(self, hidden):
        super().__init__()
        self.first, self.last = nn.Linear(8, 16), nn.Linear(1, 2)
        self.register_buffer("mask", torch.zeros(16))
        self.mask[::2] = hidden

    def forward(self, x):
        return self.last(torch.relu((0.01 * self.first(x) + self.mask).amax(1, keepdim=True)))


@pytest.mark.parametrize("hidden", [-torch.inf, torch.finfo(torch.float32).min])
def test_masks_may_be_infinite(hidden):
    model, x = Masked(hidden), samples(1)
    with torch.no_grad():
        snn = convert(model, [x], code=CODE)
        assert not_finite(snn.graph) is None
        assert ratio(model(x), snn(x)) > 55


def test_no_file_holds_what_is_no_number(tmp_path):
    snn, path = convert(network(), [samples(1)]), tmp_path / "n.safetensors"
    node = snn.graph["3"]
    broken = node.with_tensors(weight=node.tensors["weight"] / 0)
    nodes = tuple(broken if n.name == "3" else n for n in snn.graph.nodes)
    sick = replace(snn, plan=replace(snn.plan, graph=replace(snn.graph, nodes=nodes)))
    with pytest.raises(StorageError, match="the weight of 3 holds NaN or infinity in 256 of 256 places; convert it"):
        sick.save(path)
    assert not path.exists()
    snn.save(path)
    with safe_open(path, "pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for value, message in ((0.0, "the theta of 2 is not positive everywhere"), (torch.nan, "the theta of 2 holds NaN")):
        tensors["2/theta"].fill_(value)
        save_file(tensors, path, header)
        with pytest.raises(StorageError, match=message):
            load(path)
