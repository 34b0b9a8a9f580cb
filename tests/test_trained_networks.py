"""Trained CIFAR-10 ResNets of others, on a few pictures; all 10,000 are measured by ``make bench-conversion``."""

import pytest
import torch
from benchmarks import cifar
from torch.utils.data import DataLoader

from canonic import CSS, Settings, evaluate
from canonic.conversion import convert
from canonic.datasets import sample

PICTURES = 300


@pytest.fixture(scope="module")
def calibration(shared):
    return list(DataLoader(sample(cifar.training_pictures(), 200), batch_size=100))


@pytest.fixture(scope="module")
def pictures(shared):
    return list(DataLoader(sample(cifar.test_pictures(), PICTURES), batch_size=100))


@pytest.fixture(scope="module")
def resnet20(calibration):
    return convert(cifar.trained("resnet20"), calibration)


def require_the_source(snn, model, populations, x):
    assert (len(snn.graph.populations), snn.depth, snn.total_steps) == (populations, populations, 8 + populations)
    with torch.no_grad():
        assert torch.allclose(snn.source(x), model(x), rtol=1e-3, atol=1e-3)


def test_the_converted_graph_is_the_source(resnet20, pictures):
    require_the_source(resnet20, cifar.trained("resnet20"), 19, pictures[0][0])


def test_the_converted_graph_of_a_deep_network_is_the_source(calibration, pictures):
    model, few = cifar.trained("resnet56"), calibration[0][0][:20]
    require_the_source(convert(model, [few], settings=Settings(correct=False)), model, 55, pictures[0][0][:20])


@pytest.mark.parametrize(("steps", "agreement"), [(8, 0.98), (4, 0.86)])
def test_resnet20_agrees_with_its_source(steps, agreement, resnet20, calibration, pictures):
    """Bounds of three standard errors below the figures of the benchmark."""
    model = cifar.trained("resnet20")
    snn = resnet20 if steps == 8 else convert(model, calibration, code=CSS(steps=steps))
    evaluation = evaluate(snn, pictures, reference=model)
    assert evaluation.samples == PICTURES
    assert evaluation.agreement >= agreement
    assert evaluation.spikes_per_neuron < 0.3 * steps


def test_without_silent_steps_it_collapses(calibration, pictures):
    model, few = cifar.trained("resnet20"), [calibration[0][0][:50]]
    snn = convert(model, few, code=CSS(steps=8, silent=0), settings=Settings(correct=False))
    assert evaluate(snn, pictures[:1], reference=model).agreement < 0.9
