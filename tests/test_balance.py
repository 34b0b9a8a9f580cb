"""Local threshold balancing against the same rule in numpy, written for one network."""

import numpy as np
import pytest
import torch
from torch import nn

from canonic import Override, Settings, convert
from canonic.conversion.balance import BATCH, ROUNDS

X = torch.rand(20, 2, 4, 4, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 4), nn.ReLU(), nn.Flatten(), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))


def in_numpy(model, balanced):
    """Kernels as large as the picture are matrices; what is not balanced passes on all of its activation."""
    layers = [
        (layer.weight.detach().double().flatten(1).numpy(), layer.bias.detach().double().numpy())
        for layer in (model[0], model[3])
    ]
    pictures = X.double().flatten(1).numpy()
    parts = np.split(pictures, range(BATCH, len(pictures), BATCH))
    found = [np.zeros(len(weight)) for weight, _ in layers]
    for number in range(ROUNDS):
        x = parts[number % len(parts)]
        for layer, (weight, bias) in enumerate(layers):
            x = np.maximum(x @ weight.T + bias, 0)
            if balanced[layer]:
                found[layer] += 2 * np.maximum(x - found[layer], 0).sum(0) / len(x)
                x = np.minimum(x, found[layer])
    return found


@pytest.mark.parametrize("balanced", [(True, True), (False, True)])
def test_thresholds_grow_by_what_they_clip(model, balanced):
    """In float64, for all populations and for some of them; a channel that is never active takes the largest."""
    rules = {} if balanced[0] else {"1": Override(threshold="max")}
    settings = Settings(threshold="balance", overrides=rules)
    snn = convert(model.double(), [X.double()], code="rate:4", settings=settings, progress=False)
    for name, theta, used in zip(("1", "4"), in_numpy(model, balanced), balanced, strict=True):
        wanted = np.where(theta > 0, theta, theta.max())
        assert not used or np.allclose(snn.plan.graph[name].tensors["theta"].numpy().flatten(), wanted, rtol=1e-9)
    assert snn.record["rules"]["4"] == "balance"


def test_batches_change_nothing_and_numbers_of_either_sign_are_balanced_too():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 2))
    x = torch.randn(40, 4)
    settings = Settings(threshold="balance", input="css")
    one, other = (convert(model, torch.split(x, size), settings=settings, progress=False) for size in (40, 3))
    for node in one.plan.graph.populations:
        assert torch.equal(node.tensors["theta"], other.plan.graph[node.name].tensors["theta"])
        assert float(node.tensors["theta"].min()) > 0
    assert (one(x) - model(x)).abs().max() < 0.1 * model(x).abs().max()


def test_a_channel_that_was_not_seen_while_balancing_takes_its_largest_value():
    """One sample in 3,000 reaches it, and none of those that are kept."""
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    model.load_state_dict(
        model.state_dict() | {"0.weight": torch.tensor([[1.0], [1.0]]), "0.bias": torch.tensor([0.0, -2.0])}
    )
    x = torch.rand(3000, 1)
    x[1] = 5.0
    snn = convert(model, [x], code="rate:8", settings=Settings(threshold="balance"), progress=False)
    theta = snn.plan.graph["1"].tensors["theta"].flatten()
    assert float(theta[1]) == 3.0
    assert 0.9 < float(theta[0]) < 1.5
