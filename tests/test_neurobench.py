"""The measures that NeuroBench has too are equal to its own, on the same network.

NeuroBench counts by hooks on torch's modules; so the spiking network is written out as modules here: a convolution or
matrix for each synapse, called once a digit, and a module for each population.
"""

import warnings

import pytest
import torch
from torch import nn

from canonic import CSS, convert, evaluate
from canonic.neurons import scan

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    neurobench = pytest.importorskip(
        "neurobench.models", reason="NeuroBench is not installed: pip install --no-deps neurobench snntorch"
    )
    from neurobench.metrics.static import ConnectionSparsity, Footprint
    from neurobench.metrics.workload import ActivationSparsity, SynapticOperations


class Population(nn.Module):
    """A population, all digits at once; NeuroBench sees the digits that it sends one by one."""

    def __init__(self, node, code):
        super().__init__()
        self.code = code
        self.register_buffer("start", node.tensors["start"])
        self.sends = Sends()

    def forward(self, digits):
        missing = [torch.zeros_like(digits[0])] * (self.code.steps - len(digits))
        spikes = scan(self.code, torch.stack([*digits, *missing]), signed=False, start=self.start).spikes
        return [self.sends(digit) for digit in spikes]


class Sends(nn.Module):
    def forward(self, spikes):
        return spikes


class Synapse(nn.Module):
    """A convolution or a matrix, digit by digit; its bias comes with the first."""

    def __init__(self, layer, node):
        super().__init__()
        self.layer, self.bias = layer, nn.Parameter(node.tensors["bias"])
        self.layer.weight, self.layer.bias = nn.Parameter(node.tensors["weight"]), None

    def forward(self, digits):
        first, *later = [self.layer(digit) for digit in digits]
        return [first + self.bias, *later]


class Flat(nn.Module):
    def forward(self, digits):
        return [digit.flatten(1) for digit in digits]


def written_out(snn, layers):
    """The spiking network as a chain of modules."""
    parts = []
    for layer, node in zip(layers, snn.graph.nodes[1:], strict=True):
        other = Synapse(layer, node) if node.weighted else Flat()
        parts.append(Population(node, snn.code) if node.kind == "population" else other)
    return nn.Sequential(*parts).eval()


def test_neurobench_measures_the_same():
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(2, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(72, 3),
    ]
    layers[2].weight.data[:, 1] = 0  # pruned
    x, y = torch.rand(7, 2, 7, 7), torch.zeros(7, dtype=torch.int64)
    snn = convert(nn.Sequential(*layers).eval(), [x], code=CSS(steps=4))
    found = evaluate(snn, [(x, y)]).to_json()["neurobench"]

    net = written_out(snn, layers)
    model = neurobench.TorchModel(net)
    model.add_activation_module(Sends)
    model.register_hooks()
    with torch.no_grad():
        digits = net([x])
    assert torch.allclose(snn.code.decode(torch.stack(digits)), snn(x), atol=1e-5)
    assert SynapticOperations()(model, None, (x, y)) == found["synaptic_operations"]
    assert ActivationSparsity()(model, None, (x, y)) == pytest.approx(found["activation_sparsity"])
    assert ConnectionSparsity()(model) == found["connection_sparsity"]
    assert Footprint()(model) == found["footprint"]
