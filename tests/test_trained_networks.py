"""Trained CIFAR-10 ResNets of others, on a few pictures; all 10,000 are measured by ``make bench-conversion``."""

import time

import pytest
import torch
from benchmarks import cifar
from torch.utils.data import DataLoader

from canonic import CSS, Settings, convert, evaluate
from canonic.datasets import sample

PICTURES = 300


@pytest.fixture(scope="module")
def calibration(shared):
    return list(DataLoader(sample(cifar.training_pictures(), 200), batch_size=100))


@pytest.fixture(scope="module")
def pictures(shared):
    return list(DataLoader(sample(cifar.test_pictures(), PICTURES), batch_size=100))


@pytest.mark.parametrize(("name", "populations"), [("resnet20", 19), ("resnet56", 55)])
def test_the_converted_graph_is_the_source(name, populations, calibration, pictures):
    model = cifar.trained(name)
    snn = convert(model, calibration)
    x, _ = pictures[0]
    assert (len(snn.graph.populations), snn.depth, snn.total_steps) == (
        populations,
        populations,
        8 + populations,
    )
    with torch.no_grad():
        assert torch.allclose(snn.source(x), model(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("steps", "agreement"), [(8, 0.98), (6, 0.95), (4, 0.86)])
def test_resnet20_agrees_with_its_source(steps, agreement, calibration, pictures):
    """Bounds of three standard errors below the figures of the benchmark."""
    model = cifar.trained("resnet20")
    evaluation = evaluate(convert(model, calibration, code=CSS(steps=steps)), pictures, reference=model)
    assert evaluation.samples == PICTURES
    assert evaluation.agreement >= agreement
    assert evaluation.spikes_per_neuron < 0.3 * steps


def test_without_silent_steps_it_collapses(calibration, pictures):
    model = cifar.trained("resnet20")
    snn = convert(model, calibration, code=CSS(steps=8, silent=0))
    assert evaluate(snn, pictures[:1], reference=model).agreement < 0.9


def test_calibration_is_quick_and_its_memory_does_not_grow(shared):
    model = cifar.trained("resnet20")
    batches = list(DataLoader(sample(cifar.training_pictures(), 200), batch_size=100))
    start = time.perf_counter()
    convert(model, batches, settings=Settings(correct=False))
    once = time.perf_counter() - start
    start = time.perf_counter()
    convert(model, batches * 5, settings=Settings(correct=False))
    assert time.perf_counter() - start < 20 * once + 20
