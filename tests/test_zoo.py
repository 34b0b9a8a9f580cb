"""Architectures written by others convert, compute the same, and come close in spikes, on inputs never seen before."""

from dataclasses import replace

import pytest
import torch
from torch.utils import _pytree as pytree

from canonic import CSS, ConversionError, Settings, convert, explain
from tests.zoo import ZOO, build, inputs

GOAL, EXACT = 28, 80
"""SNR in dB: of what is returned at T = 8, and of the graph against the model."""

CALIBRATION, TEST, FEW = 48, 16, 2
MEASURED = (
    *("resnet", "regnet", "convnext", "densenet", "inception", "squeezenet", "u-net", "yolo"),
    *("vit", "beit", "swin", "pvt", "segformer", "poolformer", "bert, masked", "albert", "gpt2, next word"),
)
"""One of each kind; ``make bench-coverage`` measures all."""

OTHERS = [name for name, entry in ZOO.items() if not entry.refused and name not in MEASURED]
REFUSED = [name for name, entry in ZOO.items() if entry.refused]


def snr(found, wanted):
    pairs = list(zip(pytree.tree_leaves(found), pytree.tree_leaves(wanted), strict=True))
    signal = sum(float(b.double().square().sum()) for _, b in pairs)
    error = sum(float((a - b).double().square().sum()) for a, b in pairs)
    return 10 * torch.log10(torch.tensor(signal / max(error, 1e-300), dtype=torch.float64)).item()


def converted(name):
    model = build(name)
    data = [inputs(name, CALIBRATION, seed=1)]
    return model, convert(model, data, code=CSS(steps=8), settings=Settings(silent="auto"), progress=False)


def in_double(snn):
    """The same network in float64: in float32 the schedulers add up in another order, and ties fall either way."""
    return replace(snn, plan=replace(snn.plan, graph=snn.graph.map_tensors(as_double)))


def as_double(tensor):
    return tensor.double() if tensor.is_floating_point() else tensor


@pytest.mark.parametrize("name", MEASURED)
def test_it_converts_and_comes_close(name):
    model, snn = converted(name)
    unseen = inputs(name, TEST, seed=2)
    with torch.no_grad():
        wanted = model(*unseen)
    assert snr(snn.source(*unseen), wanted) >= EXACT
    assert snr(snn(*unseen), wanted) >= ZOO[name].bound
    few, exact = [as_double(x[:FEW]) for x in unseen], in_double(snn)
    readouts = [pytree.tree_leaves(exact.readout(*few, scheduler=how)) for how in ("layerwise", "clocked")]
    for layerwise, clocked in zip(*readouts, strict=True):
        assert torch.allclose(layerwise, clocked, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", OTHERS)
def test_its_graph_computes_what_it_computes(name):
    """Each that is not measured above; the graph is compared with the model on every analysis."""
    assert not explain(build(name), inputs(name, FEW, seed=1)).refused


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_converted_is_refused_with_its_reason(name):
    with pytest.raises(ConversionError, match=ZOO[name].refused):
        converted(name)


def test_a_lower_bound_has_its_reason():
    assert all(entry.reason for entry in ZOO.values() if entry.bound < GOAL)
    assert all(entry.bound >= GOAL for entry in ZOO.values() if not entry.reason)
