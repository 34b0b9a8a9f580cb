"""What the layerwise scheduler fuses computes what the clocked one does node by node."""

import pytest
import torch
from torch import nn

from canonic import CSS, convert
from canonic.native.build import features
from canonic.network import products
from canonic.network.graph import Population


class Branches(nn.Module):
    """One convolution read by two sums: in whole numbers its current is rounded onto two grids."""

    def __init__(self):
        super().__init__()
        self.first, self.shared, self.left, self.right = (nn.Conv2d(8, 8, 3, padding=1) for _ in range(4))
        self.last = nn.Conv2d(8, 4, 3)

    def forward(self, x):
        x = torch.relu(self.first(x))
        y = self.shared(x)
        return self.last(torch.relu(y + self.left(x)) + torch.relu(y + 5 * self.right(x)))


class Unfolded(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(8, 8, 3), nn.Linear(32, 4)

    def forward(self, x):
        patches = nn.functional.unfold(torch.relu(self.first(x)), 2, stride=2)
        return self.last(patches.transpose(1, 2)).flatten(1)


def chain(*layers):
    return nn.Sequential(nn.Conv2d(8, 16, 3), *layers, nn.Conv2d(16, 4, 2))


NETWORKS = {
    "branches": Branches,
    "unfold": Unfolded,
    "pooled spikes": lambda: chain(nn.ReLU(), nn.MaxPool2d(2)),
    "pooled currents": lambda: chain(nn.ReLU(), nn.Conv2d(16, 16, 3), nn.MaxPool2d(2), nn.ReLU()),
    "average of 49": lambda: chain(nn.ReLU(), nn.AvgPool2d(7, 1, 3), nn.ReLU()),
    "depthwise": lambda: chain(nn.ReLU(), nn.Conv2d(16, 16, 3, groups=16), nn.ReLU()),
    "depthwise, padded by itself": lambda: chain(
        nn.ReLU(), nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(16, 16, 3, 2, groups=16), nn.ReLU6()
    ),
    "padded by none and by two": lambda: chain(
        nn.ReLU(), nn.ZeroPad2d(0), nn.Conv2d(16, 20, 1), nn.ReLU(), nn.ZeroPad2d(2), nn.Conv2d(20, 16, 3), nn.ReLU()
    ),
    "strides": lambda: chain(nn.ReLU(), nn.Conv2d(16, 24, 5, 2, 2), nn.ReLU(), nn.Conv2d(24, 16, 1), nn.ReLU6()),
}


def both(name, precision, code):
    torch.manual_seed(0)
    model = NETWORKS[name]().eval()
    x = torch.randn(6, 8, 12, 12)
    snn = convert(model, [x], code=code, progress=False).to_precision(precision)
    return [snn.readout(x, scheduler=scheduler) for scheduler in ("layerwise", "clocked")]


@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - {"pooled currents"}))  # int8 refuses those
def test_whole_numbers_are_the_same(name):
    ours, wanted = both(name, "int8", CSS(6, 1))
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-5)  # the readout alone is in floats


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("code", [CSS(6, 1), CSS(5, 2), CSS(6, 1, beta=1.5)], ids=["k = 1", "k = 2", "beta = 1.5"])
def test_floats_differ_where_a_sum_is_near_a_threshold(name, code):
    ours, wanted = both(name, "fp32", code)
    signal, error = wanted[-1].square().mean(), (ours[-1] - wanted[-1]).square().mean()
    assert error < 1e-5 * signal


@pytest.mark.parametrize("name", NETWORKS)
def test_rounded_currents_are_close(name):
    ours, wanted = both(name, "bf16", CSS(6, 1))
    signal, error = wanted[-1].square().mean(), (ours[-1] - wanted[-1]).square().mean()
    assert error < 1e-2 * signal


@pytest.mark.parametrize(
    ("code", "precision", "dense", "fused"),
    [
        (CSS(3, 0, 8.0, levels=32), "fp32", True, 1),
        (CSS(3, 0, 8.0, levels=32), "int8", True, 1),
        (CSS(3, 0, 8.0, levels=32), "int8", False, 0),  # most digits are events: lists of them leave nothing out
        (CSS(2, 0, 16.0, levels=64), "fp32", True, 1),
        (CSS(1, 0, 16.0, levels=64), "fp32", True, 0),
        (CSS(3, 0, levels=4, powers=True), "fp32", True, 0),
        (CSS(3, 1), "int8", True, 1),
    ],
    ids=str,
)
def test_convolutions_are_fused_where_that_is_faster(code, precision, dense, fused, monkeypatch):
    if not dense:
        monkeypatch.setattr(products, "features", lambda: "none")
    elif precision == "int8" and not products.FEATURES[products.DENSE] <= set(features().split()):
        pytest.skip("the processor has no products of 8 bits")
    torch.manual_seed(0)
    model, x = chain(nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU()).eval(), torch.randn(4, 8, 12, 12)
    snn = convert(model, [x], code=code, progress=False).to_precision(precision)
    plan = snn.layerwise_plan
    assert sum(node.convolution is not None for node in plan.graph.nodes if isinstance(node, Population)) == fused
    ours, wanted = (snn.readout(x, scheduler=scheduler)[-1] for scheduler in ("layerwise", "clocked"))
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-4)
